//! Markers of the cells under way, by which the next run knows at which cell the process vanished: a process that is killed
//! for lack of memory leaves no other word, and would be killed at the same cell each time.
//!
//! ```text
//! attempts/<cell>.json  {"vanished": 1, "alone": true, "under_way": true, "progressed": false}
//! ```
//! A marker is written before a cell is prepared, and removed when it ends, is interrupted, or the run ends in order. What
//! the next run does about a marker that it finds:
//!
//! | the process vanished, in a row | and no other cell was under way | the cell |
//! |---|---|---|
//! | never, or after a checkpoint was written | | runs in its turn |
//! | once | | runs in its turn |
//! | twice or more | no: it may be another's fault | runs after all others, by itself |
//! | twice or more | yes | fails in this run, and its count begins anew; `--retry-failed` runs it after all others |
//!
//! So a run that is started again until it ends gets all other cells done, and no cell fails for its neighbour's sake.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, Weak};

use emberline_base::{Interrupt, file};
use serde::{Deserialize, Serialize};

use super::locked;
use crate::plan::Cell;

/// A cell at which the process vanished so often in a row isn't run like the others.
const SUSPECT: u32 = 2;

/// What is known of a cell that hasn't ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Marker {
    /// How often the process vanished while the cell was under way, without a checkpoint in between.
    vanished: u32,
    /// Whether no other cell was under way when it last vanished.
    alone: bool,
    /// Whether the cell is under way, or was when the process vanished.
    under_way: bool,
    /// Whether a checkpoint was written since the cell began.
    progressed: bool,
}

/// The markers of a run folder, of which this process has written some. All that are left are removed when the run is
/// interrupted or this is dropped.
pub(super) struct Attempts {
    folder: PathBuf,
    /// What earlier processes left, by the cell's id.
    left: BTreeMap<String, Marker>,
    own: Arc<Own>,
}

/// The markers that this process has written.
struct Own {
    folder: PathBuf,
    /// By the cell's id; none: the run was interrupted, and no more are written.
    markers: Mutex<Option<BTreeMap<String, Marker>>>,
}

/// Cells by how they are to be run.
#[derive(Default)]
pub(super) struct Sorted<'c> {
    /// In order.
    pub(super) usual: Vec<&'c Cell>,
    /// After all others, one after the other.
    pub(super) alone: Vec<&'c Cell>,
    /// Not at all, and how often the process vanished.
    pub(super) given_up: Vec<(&'c Cell, u32)>,
}

impl Attempts {
    /// The markers in a folder that no other process works in. What became of the cells under way when a process vanished is
    /// counted, once.
    pub(super) fn new(folder: PathBuf, interrupt: &Interrupt) -> Self {
        file::clear_litter(&folder);
        let own = Arc::new(Own { folder: folder.clone(), markers: Mutex::new(Some(BTreeMap::new())) });
        let weak: Weak<Own> = Arc::downgrade(&own);
        interrupt.on_ask(move || {
            if let Some(own) = weak.upgrade() {
                own.remove_all();
            }
        });
        Self { left: count(&folder), folder, own }
    }

    /// Whether the process has vanished at this cell more often than by accident.
    pub(super) fn is_suspect(&self, id: &str) -> bool {
        self.left.get(id).is_some_and(|marker| marker.vanished >= SUSPECT)
    }

    /// Sorts the cells that are to be run. `retries`: whether cells that would fail are run after all.
    pub(super) fn sort<'c>(&self, cells: Vec<&'c Cell>, retries: bool) -> Sorted<'c> {
        let mut sorted = Sorted::default();
        for cell in cells {
            match self.left.get(&cell.id).filter(|_| self.is_suspect(&cell.id)) {
                Some(marker) if marker.alone && !retries => sorted.given_up.push((cell, marker.vanished)),
                Some(_) => sorted.alone.push(cell),
                None => sorted.usual.push(cell),
            }
        }
        sorted
    }

    /// A cell begins.
    pub(super) fn begin(&self, id: &str) {
        self.note(id, Marker { under_way: true, ..self.left.get(id).copied().unwrap_or_default() });
    }

    /// A cell that has begun waits for its turn.
    pub(super) fn pause(&self, id: &str) {
        self.note(id, self.left.get(id).copied().unwrap_or_default());
    }

    /// A checkpoint of the cell was written: should the process vanish now, another attempt goes on from there.
    pub(super) fn progressed(&self, id: &str) {
        let known = locked(&self.own.markers).as_ref().and_then(|markers| markers.get(id).copied());
        if let Some(marker) = known.filter(|marker| !marker.progressed) {
            self.note(id, Marker { progressed: true, ..marker });
        }
    }

    /// The cell has ended, or was given up.
    pub(super) fn end(&self, id: &str) {
        if let Some(markers) = locked(&self.own.markers).as_mut() {
            markers.remove(id);
        }
        remove(&self.folder, id);
    }

    fn note(&self, id: &str, marker: Marker) {
        if let Some(markers) = locked(&self.own.markers).as_mut() {
            markers.insert(id.to_owned(), marker);
            write(&self.folder, id, &marker);
        }
    }
}

impl Drop for Attempts {
    fn drop(&mut self) {
        self.own.remove_all();
        // Only an empty folder can be removed so.
        let _ = fs::remove_dir(&self.folder);
    }
}

impl Own {
    fn remove_all(&self) {
        let markers = locked(&self.markers).take().unwrap_or_default();
        markers.keys().for_each(|id| remove(&self.folder, id));
    }
}

/// Counts the vanishing that the markers tell of.
fn count(folder: &Path) -> BTreeMap<String, Marker> {
    let mut markers = read_all(folder);
    let alone = markers.values().filter(|marker| marker.under_way).count() == 1;
    for (id, marker) in markers.iter_mut().filter(|(_, marker)| marker.under_way) {
        let vanished = if marker.progressed { 0 } else { marker.vanished + 1 };
        *marker = Marker { vanished, alone, ..Marker::default() };
        write(folder, id, marker);
    }
    markers
}

fn path(folder: &Path, id: &str) -> PathBuf {
    folder.join(format!("{id}.json"))
}

fn read_all(folder: &Path) -> BTreeMap<String, Marker> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let marker = |entry: fs::DirEntry| {
        let id = entry.file_name().into_string().ok()?.strip_suffix(".json")?.to_owned();
        Some((id, read(&entry.path())?))
    };
    entries.filter_map(marker).collect()
}

fn read(path: &Path) -> Option<Marker> {
    serde_json::from_slice(&file::read(path).ok()?).ok()
}

/// A marker that can't be written costs no result; whatever keeps it from being written is told of the records.
fn write(folder: &Path, id: &str, marker: &Marker) {
    let text = serde_json::to_string(marker).expect("a marker is plain data");
    let _ = file::write_atomic_unflushed(&path(folder, id), (text + "\n").as_bytes());
}

fn remove(folder: &Path, id: &str) {
    let _ = fs::remove_file(path(folder, id));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline::Pipeline;
    use crate::plan::Plan;

    fn plan() -> Plan {
        let text = "name = \"n\"\n[data]\npath = \"a.csv\"\ntext = \"t\"\nlabel = \"l\"\n[embedding.h.hashing]\n[grid]\nseed = [1, 2, 3]";
        Plan::of(&Pipeline::parse("p", text, Path::new(""), &[]).expect("sound"))
    }

    /// The seeds of the cells: usual, alone, given up.
    fn sorted(plan: &Plan, folder: &Path, retries: bool) -> [Vec<u64>; 3] {
        let attempts = Attempts::new(folder.to_owned(), &Interrupt::default());
        let Sorted { usual, alone, given_up } = attempts.sort(plan.cells.iter().collect(), retries);
        let given_up = given_up.into_iter().map(|(cell, _)| cell).collect();
        [usual, alone, given_up].map(|cells: Vec<&Cell>| cells.iter().map(|cell| cell.settings.seed).collect())
    }

    /// A process that vanishes while cells are under way; of which some have written a checkpoint.
    fn vanish(plan: &Plan, folder: &Path, under_way: &[usize], progressed: &[usize]) {
        let attempts = Attempts::new(folder.to_owned(), &Interrupt::default());
        attempts.sort(plan.cells.iter().collect(), true);
        under_way.iter().for_each(|&at| attempts.begin(&plan.cells[at].id));
        progressed.iter().for_each(|&at| attempts.progressed(&plan.cells[at].id));
        std::mem::forget(attempts);
    }

    #[test]
    fn a_cell_at_which_the_process_vanished_twice_is_given_up_once() {
        let (plan, folder) = (plan(), tempfile::tempdir().expect("a folder"));
        let at = folder.path().join("attempts");
        vanish(&plan, &at, &[1], &[]);
        assert_eq!(sorted(&plan, &at, false), [vec![1, 2, 3], vec![], vec![]]);
        assert_eq!(sorted(&plan, &at, false), [vec![1, 2, 3], vec![], vec![]], "it is counted once");
        vanish(&plan, &at, &[1], &[]);
        assert_eq!(sorted(&plan, &at, true), [vec![1, 3], vec![2], vec![]]);
        assert_eq!(sorted(&plan, &at, false), [vec![1, 3], vec![], vec![2]]);
        Attempts::new(at.clone(), &Interrupt::default()).end(&plan.cells[1].id);
        assert_eq!(sorted(&plan, &at, false), [vec![1, 2, 3], vec![], vec![]]);
        assert!(!at.exists());
    }

    #[test]
    fn cells_side_by_side_are_first_run_one_by_one() {
        let (plan, folder) = (plan(), tempfile::tempdir().expect("a folder"));
        (0..2).for_each(|_| vanish(&plan, folder.path(), &[0, 2], &[]));
        assert_eq!(sorted(&plan, folder.path(), false), [vec![2], vec![1, 3], vec![]]);
        vanish(&plan, folder.path(), &[2], &[]);
        assert_eq!(sorted(&plan, folder.path(), false), [vec![2], vec![1], vec![3]]);
    }

    #[test]
    fn a_checkpoint_is_progress() {
        let (plan, folder) = (plan(), tempfile::tempdir().expect("a folder"));
        (0..5).for_each(|_| vanish(&plan, folder.path(), &[0], &[0]));
        vanish(&plan, folder.path(), &[0], &[]);
        assert_eq!(sorted(&plan, folder.path(), false), [vec![1, 2, 3], vec![], vec![]]);
    }

    #[test]
    fn an_interruption_is_no_vanishing() {
        let (plan, folder) = (plan(), tempfile::tempdir().expect("a folder"));
        let interrupt = Interrupt::default();
        let attempts = Attempts::new(folder.path().to_owned(), &interrupt);
        attempts.begin(&plan.cells[0].id);
        assert_eq!(read_all(folder.path()).len(), 1);
        interrupt.ask();
        attempts.progressed(&plan.cells[0].id);
        attempts.begin(&plan.cells[1].id);
        assert!(read_all(folder.path()).is_empty());
    }
}
