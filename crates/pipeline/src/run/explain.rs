//! Why a cell would run: which of its inputs changed, from what to what.
//!
//! States are those that `plan` and `run` go by. A setting that changed makes another cell, since a cell's id covers its
//! settings: the cell in the run folder that is nearest tells what the setting was.

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

/// Where a cell stands, and why.
#[derive(Clone, Debug)]
pub struct Explanation {
    /// The cell's id.
    pub cell: String,
    /// Where it stands.
    pub state: State,
    /// What changed: of its inputs or, where it has never run, of its settings against [`nearest`](Self::nearest).
    pub changes: Vec<Change>,
    /// For a cell that has never run, the one in the run folder whose settings differ least.
    pub nearest: Option<String>,
}

/// Explains every cell of a plan, or the one that is asked for, in the order of the plan.
///
/// # Errors
/// When there is no such cell, or the run folder is of another version or pipeline.
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
    let old = Old::of(folder, plan);
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

/// The numbers that training comes to aren't those that they were.
fn computation(old: u32, new: u32) -> Change {
    Change { what: "computation".to_owned(), old: Some(old.to_string()), new: Some(new.to_string()) }
}

/// What changed of an input; where it wasn't noted what it was, or can't be read now, its digest alone.
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

/// Cells of the run folder that aren't in the plan, by what their ids begin with: embedding, state and seed.
struct Old<'f> {
    folder: &'f RunFolder,
    ids: HashMap<String, Vec<String>>,
}

impl<'f> Old<'f> {
    fn of(folder: &'f RunFolder, plan: &Plan) -> Self {
        let planned: HashSet<&str> = plan.cells.iter().map(|cell| cell.id.as_str()).collect();
        let mut ids: HashMap<String, Vec<String>> = HashMap::new();
        for id in folder.cells().into_iter().filter(|id| !planned.contains(id.as_str())) {
            ids.entry(beginning(&id).to_owned()).or_default().push(id);
        }
        Self { folder, ids }
    }

    /// Of the cells with the same embedding, state and seed, the one whose settings differ least, and how.
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

/// A cell's id without its digest.
fn beginning(id: &str) -> &str {
    id.rsplit_once('-').map_or(id, |(beginning, _)| beginning)
}
