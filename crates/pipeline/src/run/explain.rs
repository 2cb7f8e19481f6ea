//! Explains why a cell would be run: which of its inputs changed, and how.
//!
//! The states are those that `plan` and `run` use. A cell whose settings changed is another cell, since the id covers
//! the settings; the most similar cell in the run folder shows what the settings were.

use std::collections::{HashMap, HashSet};

use emberline_base::{Change, Digest, IGNORED_KEYS, changes};
use emberline_cache::Cache;
use emberline_device::Device;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::survey::{Replaced, State, groups, state};
use crate::Error;
use crate::inputs::Inputs;
use crate::pipeline::Pipeline;
use crate::plan::{Cell, Plan};
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
    /// The cell in the run folder whose settings differ least, if this cell has never run.
    pub nearest: Option<String>,
}

/// Explains every cell of a plan, or the one with this id, in the order of the plan.
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
    super::select(plan, &only.map(str::to_owned).into_iter().collect::<Vec<_>>())?;
    let mut inputs = Inputs::new(pipeline.folder.clone(), device, cache);
    let old = OldCells::of(folder, plan);
    let mut explained: Vec<(usize, Explanation)> = Vec::new();
    for at in groups(plan).into_iter().flat_map(|group| group.cells) {
        let cell = &plan.cells[at];
        if only.is_none_or(|only| only == cell.id) {
            let state = state(&mut inputs, folder, cell).0;
            let (nearest, changes) = match &state {
                State::OtherData(data) => (None, of_input(folder, data, || inputs.data_facts(cell))),
                State::OtherEmbedding(made) => (None, of_input(folder, made, || inputs.embedding_facts(cell))),
                State::Missing => old.nearest(cell).unzip(),
                State::OtherComputation(old, new) => (None, Some(vec![computation(*old, *new)])),
                State::Done | State::Failed(_) | State::FailedByChance(_) | State::Interrupted | State::Damaged(_) => {
                    (None, None)
                }
            };
            let changes = changes.unwrap_or_default();
            explained.push((at, Explanation { cell: cell.id.clone(), state, changes, nearest }));
        }
    }
    explained.sort_by_key(|(at, _)| *at);
    Ok(explained.into_iter().map(|(_, explanation)| explanation).collect())
}

/// Describes a change of the version of the training computation.
fn computation(old: u32, new: u32) -> Change {
    Change { what: "computation".to_owned(), old: Some(old.to_string()), new: Some(new.to_string()) }
}

/// Returns the changes of an input. If its description wasn't stored or can't be made now, only the digest is compared.
fn of_input<T: Serialize + DeserializeOwned>(
    folder: &RunFolder,
    replaced: &Replaced,
    now: impl FnOnce() -> Result<T, Error>,
) -> Option<Vec<Change>> {
    let Replaced { old, new } = replaced;
    let digest = |new: Option<&Digest>| Change {
        what: "digest".to_owned(),
        old: Some(old.as_str().to_owned()),
        new: new.map(|digest| digest.as_str().to_owned()),
    };
    let named = folder.input::<T>(old).zip(now().ok()).map(|(old, new)| changes(&old, &new));
    named.or_else(|| Some(vec![digest(new.as_ref().ok())]))
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
