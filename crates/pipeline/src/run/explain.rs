//! Explains why a cell would be run: which of its inputs changed, and how.
//!
//! The states are those that `plan` and `run` use. A cell whose settings changed is another cell, since the id covers
//! the settings; the most similar cell in the run folder shows what the settings were.

use std::collections::{HashMap, HashSet};

use emberline_base::{Change, Digest, IGNORED_KEYS, changes};
use emberline_cache::Cache;
use emberline_device::Device;

use super::survey::{Replaced, State, groups, state};
use crate::Error;
use crate::facts::{DataFacts, EmbeddingFacts};
use crate::inputs::Inputs;
use crate::lock::shown;
use crate::pipeline::Pipeline;
use crate::plan::{Cell, Plan};
use crate::row_changes::{DataChange, data_changes};
use crate::run_folder::RunFolder;

/// The state of a cell, and the reason for it.
#[derive(Clone, Debug)]
pub struct Explanation {
    /// The cell's id.
    pub cell: String,
    /// Its state.
    pub state: State,
    /// The changes: of the cell's inputs or, if it has never run, of its settings relative to
    /// [`nearest`](Self::nearest).
    pub changes: Vec<Change>,
    /// The changes in words, each a line. Cells with the same lines run again for the same reason.
    pub reasons: Vec<String>,
    /// The cell in the run folder whose settings differ least, if this cell has never run.
    pub nearest: Option<String>,
}

/// Explains every cell of a plan, or those that match `only` (an id, or a pattern of ids), in the order of the plan.
///
/// # Errors
/// If there is no such cell, or the run folder belongs to another version or another pipeline.
pub fn explain(
    pipeline: &Pipeline,
    plan: &Plan,
    folder: &RunFolder,
    device: Device,
    cache: Option<Cache>,
    only: Option<&str>,
) -> Result<Vec<Explanation>, Error> {
    folder.check(&pipeline.file)?;
    let only = plan.select(&only.map(str::to_owned).into_iter().collect::<Vec<_>>())?;
    let mut inputs = Inputs::new(pipeline.folder.clone(), device, cache);
    let old = OldCells::of(folder, plan);
    let mut explained: Vec<(usize, Explanation)> = Vec::new();
    for at in groups(plan).into_iter().flat_map(|group| group.cells) {
        let cell = &plan.cells[at];
        if only.is_empty() || only.contains(&cell.id) {
            let state = state(&mut inputs, folder, cell).0;
            let Reason { nearest, changes, lines } = reason(&mut inputs, folder, &old, cell, &state);
            explained.push((at, Explanation { cell: cell.id.clone(), state, changes, reasons: lines, nearest }));
        }
    }
    explained.sort_by_key(|(at, _)| *at);
    Ok(explained.into_iter().map(|(_, explanation)| explanation).collect())
}

/// Why a cell would run: its changes, also in words.
#[derive(Default)]
struct Reason {
    nearest: Option<String>,
    changes: Vec<Change>,
    lines: Vec<String>,
}

impl Reason {
    fn of(changes: Vec<Change>) -> Self {
        let lines = changes.iter().map(shown).collect();
        Self { nearest: None, changes, lines }
    }
}

fn reason(inputs: &mut Inputs, folder: &RunFolder, old: &OldCells<'_>, cell: &Cell, state: &State) -> Reason {
    match state {
        State::OtherData(replaced) => of_data(inputs, folder, cell, replaced),
        State::OtherEmbedding(replaced) => {
            let now = inputs.embedding_facts(cell).ok();
            let changed = folder.input::<EmbeddingFacts>(&replaced.old).zip(now).map(|(old, new)| changes(&old, &new));
            Reason::of(changed.unwrap_or_else(|| vec![digest(replaced)]))
        }
        State::Missing => {
            let (nearest, changes) = old.nearest(cell).unzip();
            Reason { nearest, ..Reason::of(changes.unwrap_or_default()) }
        }
        State::OtherComputation(old, new) => {
            let (old, new) = (Some(old.to_string()), Some(new.to_string()));
            Reason::of(vec![Change { what: "computation".to_owned(), old, new }])
        }
        State::Done | State::Failed(_) | State::FailedByChance(_) | State::Interrupted | State::Damaged(_) => {
            Reason::default()
        }
    }
}

/// Returns the changes of data, with a line per file. If their description wasn't stored or can't be made now, only the
/// digest is compared.
fn of_data(inputs: &mut Inputs, folder: &RunFolder, cell: &Cell, replaced: &Replaced) -> Reason {
    let now = inputs.data_facts(cell).and_then(|facts| Ok((facts, inputs.data(cell)?)));
    let Some((old, Ok((new, data)))) = folder.input::<DataFacts>(&replaced.old).map(|old| (old, now)) else {
        return Reason::of(vec![digest(replaced)]);
    };
    let line = |change: &DataChange| format!("{}: {}", change.file, change.summary);
    let lines = data_changes(&old, &new, data.rows()).iter().map(line).collect();
    Reason { nearest: None, changes: changes(&old, &new), lines }
}

fn digest(Replaced { old, new }: &Replaced) -> Change {
    let text = |digest: &Digest| digest.as_str().to_owned();
    Change { what: "digest".to_owned(), old: Some(text(old)), new: new.as_ref().ok().map(text) }
}

/// The cells of the run folder that aren't in the plan, by the beginning of their ids: embedding, frozen or fine-tuned,
/// and seed.
struct OldCells<'f> {
    folder: &'f RunFolder,
    ids: HashMap<String, Vec<String>>,
}

impl<'f> OldCells<'f> {
    fn of(folder: &'f RunFolder, plan: &Plan) -> Self {
        let planned: HashSet<&str> = plan.cells.iter().map(|cell| cell.id.as_str()).collect();
        let mut ids: HashMap<String, Vec<String>> = HashMap::new();
        for id in folder.cells().into_iter().filter(|id| !planned.contains(id.as_str())) {
            ids.entry(beginning(&id).to_owned()).or_default().push(id);
        }
        Self { folder, ids }
    }

    /// Returns the cell whose settings differ least among those with the same embedding, kind of training and seed, and
    /// the differences.
    fn nearest(&self, cell: &Cell) -> Option<(String, Vec<Change>)> {
        let now: toml::Table = cell.to_toml().parse().ok()?;
        let differing = self.ids.get(beginning(&cell.id))?.iter().filter_map(|id| {
            let mut changes = changes(&self.folder.settings(id)?, &now);
            changes.retain(|change| !change.what.split('.').any(|key| IGNORED_KEYS.contains(&key)));
            Some((id.clone(), changes))
        });
        differing.min_by_key(|(_, changes)| changes.len())
    }
}

/// Returns a cell's id without its digest.
fn beginning(id: &str) -> &str {
    id.rsplit_once('-').map_or(id, |(beginning, _)| beginning)
}
