//! Determines the state of the cells of a plan, for both `plan` and `run`.

use std::sync::Arc;

use emberline_base::Digest;
use emberline_base::record::{self, MadeFrom};
use emberline_cache::Cache;
use emberline_device::{Device, memory};
use emberline_embedding::encode::Progress;
use emberline_train::COMPUTATION;
use emberline_train::settings::Train;
use indexmap::{IndexMap, IndexSet};

use super::no_cells;
use super::trainer::spec;
use crate::Error;
use crate::inputs::{Inputs, Keys};
use crate::pipeline::Pipeline;
use crate::plan::{Cell, Plan};
use crate::run_folder::RunFolder;

/// The state of a cell, derived from its record and its inputs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// It is done: the record was made from the present inputs.
    Done,
    /// It failed with this reason, and would fail again with the same inputs.
    Failed(String),
    /// It failed because of its surroundings, such as a missing file: the next run tries it again.
    FailedByChance(String),
    /// It has no record.
    Missing,
    /// It was interrupted, and resumes from its checkpoint.
    Interrupted,
    /// Its record is damaged; a description of the damage.
    Damaged(String),
    /// Its record was made from other data.
    OtherData(Replaced),
    /// Its record was made from another embedding.
    OtherEmbedding(Replaced),
    /// Its record was made by another version of the training computation: the recorded version and the present one.
    OtherComputation(u32, u32),
}

/// An input that changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replaced {
    /// The recorded digest.
    pub old: Digest,
    /// The present digest, or why it can't be computed.
    pub new: Result<Digest, String>,
}

impl State {
    /// Returns whether `run` has nothing to do, unless it is told to run the cell again.
    pub fn is_up_to_date(&self) -> bool {
        matches!(self, Self::Done | Self::Failed(_))
    }
}

/// The texts that a neural encoder has to encode before cells can be trained.
#[derive(Clone, Debug)]
pub struct ToEncode {
    /// The embedding's name in the pipeline file.
    pub embedding: String,
    /// The first cell that needs the texts.
    pub cell: String,
    /// The number of texts, and how many are cached; or why the encoder can't be opened.
    pub texts: Result<Progress, String>,
}

/// What fine-tuning an encoder takes.
#[derive(Clone, Debug)]
pub struct TuningCost {
    /// The embedding's name in the pipeline file.
    pub embedding: String,
    /// A cell that trains it so.
    pub cell: String,
    /// The memory in bytes that training takes, and whether it is available now; or why the encoder can't be opened.
    pub memory: Result<TuningMemory, String>,
    /// The bytes of the trained weights, which a cell keeps.
    pub weights: u64,
}

impl TuningCost {
    /// Returns whether it takes at least as much memory as another, or as many pairs if the memory is equal; what can't be opened
    /// takes most.
    fn takes_more_than(&self, other: &Self) -> bool {
        let size = |cost: &Self| cost.memory.as_ref().map_or((u64::MAX, None), |memory| (memory.bytes, memory.pairs));
        size(self) >= size(other)
    }
}

/// The memory that fine-tuning takes.
#[derive(Clone, Debug)]
pub struct TuningMemory {
    /// The estimate in bytes.
    pub bytes: u64,
    /// Why a run would refuse it now, with the cure; `None` if that much is available.
    pub refused: Option<String>,
    /// The number of pairs of texts that are trained on before the head, at most; `None` if none are.
    pub pairs: Option<u64>,
}

/// The state of a plan.
#[derive(Clone, Debug)]
pub struct Survey {
    /// The state of each cell, in the order of the plan.
    pub states: Vec<State>,
    /// The texts to encode, one entry per neural encoder and dataset.
    pub encodings: Vec<ToEncode>,
    /// What fine-tuning takes, one entry per embedding, batch size and choice of weights: that of the data that take most.
    pub tunings: Vec<TuningCost>,
    /// The indices of the plan's cells in execution order: cells that share data and embedding follow each other.
    pub order: Vec<usize>,
    /// The data of the first cell.
    pub data: record::Data,
}

/// Determines the state of every cell of a plan, in the order of the plan, and the texts to encode on `device`.
///
/// # Errors
/// When data can't be read.
pub fn survey(
    pipeline: &Pipeline,
    plan: &Plan,
    folder: &RunFolder,
    device: Device,
    cache: Option<Cache>,
) -> Result<Survey, Error> {
    folder.check(&pipeline.file)?;
    let mut inputs = Inputs::new(pipeline.folder.clone(), device, cache);
    let mut states = vec![State::Missing; plan.cells.len()];
    let mut encodings: IndexMap<String, ToEncode> = IndexMap::new();
    let (mut tunings, mut seen): (IndexMap<String, TuningCost>, _) = (IndexMap::new(), IndexSet::new());
    for group in groups(plan) {
        let first = &plan.cells[group.cells[0]];
        let (name, source) = first.source();
        let encodes = source.encodes(&pipeline.folder);
        for at in group.cells {
            let cell = &plan.cells[at];
            states[at] = state(&mut inputs, folder, cell).0;
            if states[at].is_up_to_date() || !encodes {
                continue;
            }
            if let Some(scope) = cell.source().1.fine_tuning() {
                let Train { batch_size, contrastive, .. } = &*cell.settings.train;
                let way = format!("{name} {scope:?} {batch_size} {contrastive:?}");
                if seen.insert(format!("{} {way}", group.key)) {
                    let cost = tuning_cost(&mut inputs, pipeline, cell);
                    match tunings.get_mut(&way) {
                        Some(known) if known.takes_more_than(&cost) => {}
                        Some(known) => *known = cost,
                        None => drop(tunings.insert(way, cost)),
                    }
                }
                continue;
            }
            if encodings.contains_key(&group.key) {
                continue;
            }
            let texts = inputs.encodings(cell).map(Option::unwrap_or_default).map_err(|error| error.to_string());
            encodings.insert(group.key.clone(), ToEncode { embedding: name.to_owned(), cell: cell.id.clone(), texts });
        }
    }
    let first = plan.cells.first().ok_or_else(|| no_cells(plan))?;
    let data = inputs.data(first)?.dataset.data.clone();
    let order = groups(plan).into_iter().flat_map(|group| group.cells).collect();
    let (encodings, tunings) = (encodings.into_values().collect(), tunings.into_values().collect());
    Ok(Survey { states, encodings, tunings, order, data })
}

/// Returns what fine-tuning a cell's encoder takes. Its texts are cut into tokens, whose number decides the memory of a batch.
fn tuning_cost(inputs: &mut Inputs, pipeline: &Pipeline, cell: &Cell) -> TuningCost {
    let memory = inputs.prepare(cell, &mut |_| {}).map(|prepared| {
        let spec = spec(cell, &prepared);
        let (bytes, pairs) = (spec.memory(), spec.pairs());
        let refused =
            memory::check_available(bytes).err().map(|lack| emberline_train::Error::EncoderMemory(lack).to_string());
        TuningMemory { bytes, refused, pairs }
    });
    TuningCost {
        embedding: cell.embedding().to_owned(),
        cell: cell.id.clone(),
        memory: memory.map_err(|error| error.to_string()),
        weights: cell.source().1.tuned_bytes(&pipeline.folder),
    }
}

/// Returns a cell's state, and its record if there is one.
pub(crate) fn state(inputs: &mut Inputs, folder: &RunFolder, cell: &Cell) -> (State, Option<record::Cell>) {
    let record = match folder.record(cell) {
        Ok(Some(record)) => record,
        Ok(None) if folder.has_checkpoint(&cell.id) => return (State::Interrupted, None),
        Ok(None) => return (State::Missing, None),
        Err(what) => return (State::Damaged(what), None),
    };
    let error = record.error.clone().unwrap_or_default();
    let Some(made_from) = record.made_from() else { return (State::FailedByChance(error), Some(record)) };
    let unchanged = if record.outcome.is_some() { State::Done } else { State::Failed(error) };
    (of_inputs(inputs, cell, &made_from, unchanged), Some(record))
}

/// Returns the state of a cell that has finished or failed by itself: `unchanged` if its inputs are the same. Inputs
/// that can't be read are reported when the cell runs.
fn of_inputs(inputs: &mut Inputs, cell: &Cell, made_from: &MadeFrom, unchanged: State) -> State {
    if made_from.computation != COMPUTATION {
        return State::OtherComputation(made_from.computation, COMPUTATION);
    }
    let replaced = |old: &Digest, new: Result<Digest, Error>| {
        let new = new.map_err(|error| error.to_string());
        (new.as_ref() != Ok(old)).then(|| Replaced { old: old.clone(), new })
    };
    if let Some(data) = replaced(&made_from.data, inputs.data(cell).map(|data| data.digest.clone())) {
        return State::OtherData(data);
    }
    replaced(&made_from.embedding, inputs.embedding_digest(cell)).map_or(unchanged, State::OtherEmbedding)
}

/// Cells that share data and an opened embedding.
pub(crate) struct Group {
    /// The key of both.
    key: String,
    /// Indices into the plan's cells.
    pub(crate) cells: Vec<usize>,
}

/// Groups the cells by their data, then by their embedding, otherwise in the order of the plan.
pub(crate) fn groups(plan: &Plan) -> Vec<Group> {
    let mut keys = Keys::default();
    let mut groups: IndexMap<String, IndexMap<String, Vec<usize>>> = IndexMap::new();
    for (at, cell) in plan.cells.iter().enumerate() {
        let sources = match groups.get_mut(keys.data(cell)) {
            Some(sources) => sources,
            None => groups.entry(keys.data(cell).to_owned()).or_default(),
        };
        match sources.get_mut(keys.source(cell)) {
            Some(cells) => cells.push(at),
            None => drop(sources.insert(keys.source(cell).to_owned(), vec![at])),
        }
    }
    let with_key = |(data, sources): (String, IndexMap<String, Vec<usize>>)| {
        sources.into_iter().map(move |(source, cells)| Group { key: format!("{data} {source}"), cells })
    };
    groups.into_iter().flat_map(with_key).collect()
}

/// Returns the cells in execution order: cells that share data and embedding follow each other; among these, the ones
/// that share vectors, then the ones with equal heads; otherwise the order of the plan.
pub(super) fn execution_order(plan: &Plan) -> Vec<&Cell> {
    let mut seen = IndexSet::new();
    let mut first_seen = |section: usize| seen.insert_full(section).0;
    let mut sections = |cell: &&Cell| {
        let settings = &cell.settings;
        (first_seen(Arc::as_ptr(&settings.embedding).addr()), first_seen(Arc::as_ptr(&settings.head).addr()))
    };
    let sorted = |group: Group| {
        let mut cells: Vec<&Cell> = group.cells.into_iter().map(|at| &plan.cells[at]).collect();
        cells.sort_by_cached_key(&mut sections);
        cells
    };
    groups(plan).into_iter().flat_map(sorted).collect()
}
