//! Crash markers: one file per running cell, which shows the next run at which cell a process was killed. A process
//! that is killed for lack of memory can't report it, and would be killed at the same cell each time.
//!
//! ```text
//! under_way/<cell>.json  {"vanished": 1, "alone": true, "under_way": true, "progressed": false, "process": "5f0c..."}
//! ```
//! A marker is written before a cell is prepared, and removed when it ends, is interrupted, or the run ends normally.
//! The process that wrote it holds the cell's lock meanwhile, so a marker of a cell that isn't locked shows that its
//! process vanished. What the next run, or one that waits for the cell, does with such a marker:
//!
//! | the process vanished, in a row | and no other cell was under way in it | the cell |
//! |---|---|---|
//! | never, or after a checkpoint was written | | runs in its turn |
//! | once | | runs in its turn |
//! | twice or more | no: it may be another's fault | runs after all others, by itself |
//! | twice or more | yes | fails in this run, and its count begins anew; `--retry-failed` runs it after all others |
//!
//! So a run that is restarted until it ends completes all other cells, and no cell fails because of another one.
//!
//! A process that is one task among many on several machines looks at the markers of its own cells alone: locks may not reach from one
//! machine to another, and those of the others' cells mean nothing to it. If the marker was written by an earlier start of the same task,
//! the workload manager has started it again by itself, for a node that was lost or for a task with a higher priority: that isn't counted.

use std::collections::BTreeMap;
use std::fs;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, Weak};

use emberline_base::{CancellationToken, file};
use serde::{Deserialize, Serialize};

use super::locked::locked;
use super::options::{Options, Scope};
use crate::plan::Cell;
use crate::run_folder::RunFolder;

/// A cell at which the process vanished this many times in a row isn't run like the others.
const SUSPECT_AFTER: u32 = 2;

/// The content of a marker.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Marker {
    /// How often the process vanished while the cell was running, without a checkpoint in between.
    vanished: u32,
    /// Whether no other cell was running in the process when it last vanished.
    alone: bool,
    /// Whether the cell is running, or was when the process vanished.
    under_way: bool,
    /// Whether a checkpoint was written since the cell began.
    progressed: bool,
    /// The process that wrote the marker, as a random number.
    process: String,
    /// The task of a workload manager that the process was, if it was one.
    #[serde(default)]
    task: Option<String>,
}

/// The markers of a run folder. Those that this process has written are removed when the run is interrupted or this is
/// dropped.
pub(super) struct CrashMarkers {
    run: RunFolder,
    /// The cells whose markers are looked at; those of all cells if empty.
    cells: Vec<String>,
    /// The markers that other processes left, by the cell's id.
    left: Mutex<BTreeMap<String, Marker>>,
    own: Arc<OwnMarkers>,
}

/// The markers that this process has written.
struct OwnMarkers {
    folder: PathBuf,
    process: String,
    task: Option<String>,
    /// By the cell's id; `None` once the run was interrupted and no more are written.
    markers: Mutex<Option<BTreeMap<String, Marker>>>,
}

/// Cells, sorted by how they are to be run.
#[derive(Default)]
pub(super) struct SortedCells<'c> {
    /// Cells to run in order.
    pub(super) usual: Vec<&'c Cell>,
    /// Cells to run after all others, one at a time.
    pub(super) alone: Vec<&'c Cell>,
    /// Cells not to run, and how often the process vanished at each.
    pub(super) given_up: Vec<(&'c Cell, u32)>,
}

impl CrashMarkers {
    /// Reads the markers that concern a run, and counts the vanished processes once.
    pub(super) fn of_run(run: &RunFolder, options: &Options) -> Self {
        let cells = if options.scope == Scope::Cells { options.only.clone() } else { Vec::new() };
        Self::of_task(run, cells, options.task.clone(), &options.interrupt)
    }

    /// Reads all markers of a run folder.
    #[cfg(test)]
    fn new(run: &RunFolder, interrupt: &CancellationToken) -> Self {
        Self::of_task(run, Vec::new(), None, interrupt)
    }

    fn of_task(run: &RunFolder, cells: Vec<String>, task: Option<String>, interrupt: &CancellationToken) -> Self {
        let folder = run.under_way();
        let process = format!("{:016x}", RandomState::new().build_hasher().finish());
        let own = Arc::new(OwnMarkers { folder, process, task, markers: Mutex::new(Some(BTreeMap::new())) });
        let weak: Weak<OwnMarkers> = Arc::downgrade(&own);
        interrupt.on_cancel(move || {
            if let Some(own) = weak.upgrade() {
                own.remove_all();
            }
        });
        let markers = Self { run: run.clone(), cells, left: Mutex::default(), own };
        markers.count();
        markers
    }

    /// Counts the vanished processes, whose markers belong to cells that nobody has locked.
    pub(super) fn count(&self) {
        // Only one process counts at a time, and determines which cells ran together before it changes a marker.
        let _lock = self.run.lock();
        let folder = &self.own.folder;
        let mut markers = if self.cells.is_empty() {
            file::remove_stale(folder);
            read_all(folder)
        } else {
            let marker = |id: &String| Some((id.clone(), read(&path(folder, id))?));
            self.cells.iter().filter_map(marker).collect()
        };
        let is_left = |id: &String, marker: &Marker| {
            marker.under_way && marker.process != self.own.process && !self.run.is_locked(id)
        };
        let vanished: Vec<String> =
            markers.iter().filter(|(id, marker)| is_left(id, marker)).map(|(id, _)| id.clone()).collect();
        let mut cells_of: BTreeMap<String, usize> = BTreeMap::new();
        vanished.iter().for_each(|id| *cells_of.entry(markers[id].process.clone()).or_default() += 1);
        for id in vanished {
            let marker = markers.entry(id.clone()).or_default();
            let vanished = match marker.progressed {
                true => 0,
                false if marker.task.is_some() && marker.task == self.own.task => marker.vanished,
                false => marker.vanished + 1,
            };
            *marker = Marker { vanished, alone: cells_of[&marker.process] == 1, ..Marker::default() };
            write(folder, &id, marker);
        }
        *locked(&self.left) = markers;
    }

    /// Returns whether processes have vanished at this cell so often that it is hardly an accident.
    pub(super) fn is_suspect(&self, id: &str) -> bool {
        self.left_of(id).vanished >= SUSPECT_AFTER
    }

    /// Sorts the cells that are to be run. `retries` says whether cells that would be given up are run after all.
    pub(super) fn sort<'c>(&self, cells: Vec<&'c Cell>, retries: bool) -> SortedCells<'c> {
        let mut sorted = SortedCells::default();
        for cell in cells {
            let marker = self.left_of(&cell.id);
            match marker.vanished >= SUSPECT_AFTER {
                true if marker.alone && !retries => sorted.given_up.push((cell, marker.vanished)),
                true => sorted.alone.push(cell),
                false => sorted.usual.push(cell),
            }
        }
        sorted
    }

    /// Records that a cell begins; this process holds its lock.
    pub(super) fn begin(&self, id: &str) {
        let (process, task) = (self.own.process.clone(), self.own.task.clone());
        self.note(id, Marker { under_way: true, progressed: false, process, task, ..self.left_of(id) });
    }

    /// Records that a cell which had begun is left to whichever process takes it next.
    pub(super) fn pause(&self, id: &str) {
        let left = self.left_of(id);
        if left.vanished == 0 {
            return self.end(id);
        }
        if let Some(markers) = locked(&self.own.markers).as_mut() {
            markers.remove(id);
            write(&self.own.folder, id, &left);
        }
    }

    /// Records that a checkpoint of the cell was written, from which another attempt could resume.
    pub(super) fn progressed(&self, id: &str) {
        let known = locked(&self.own.markers).as_ref().and_then(|markers| markers.get(id).cloned());
        if let Some(marker) = known.filter(|marker| !marker.progressed) {
            self.note(id, Marker { progressed: true, ..marker });
        }
    }

    /// Records that the cell has ended or was given up.
    pub(super) fn end(&self, id: &str) {
        if let Some(markers) = locked(&self.own.markers).as_mut() {
            markers.remove(id);
        }
        remove(&self.own.folder, id);
    }

    fn left_of(&self, id: &str) -> Marker {
        locked(&self.left).get(id).cloned().unwrap_or_default()
    }

    fn note(&self, id: &str, marker: Marker) {
        if let Some(markers) = locked(&self.own.markers).as_mut() {
            write(&self.own.folder, id, &marker);
            markers.insert(id.to_owned(), marker);
        }
    }
}

impl Drop for CrashMarkers {
    fn drop(&mut self) {
        self.own.remove_all();
        // This removes the folder only if it is empty.
        let _ = fs::remove_dir(&self.own.folder);
    }
}

impl OwnMarkers {
    fn remove_all(&self) {
        let markers = locked(&self.markers).take().unwrap_or_default();
        markers.keys().for_each(|id| remove(&self.folder, id));
    }
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

/// Writes a marker. Errors are ignored, since they cost no result, and are reported when the records are written.
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

    /// Returns the seeds of the cells: usual, alone, given up.
    fn sorted(plan: &Plan, run: &RunFolder, retries: bool) -> [Vec<u64>; 3] {
        let markers = CrashMarkers::new(run, &CancellationToken::default());
        let SortedCells { usual, alone, given_up } = markers.sort(plan.cells.iter().collect(), retries);
        let given_up = given_up.into_iter().map(|(cell, _)| cell).collect();
        [usual, alone, given_up].map(|cells: Vec<&Cell>| cells.iter().map(|cell| cell.settings.seed).collect())
    }

    /// Simulates a process that vanishes while cells are running, some of which have written a checkpoint.
    fn vanish(plan: &Plan, run: &RunFolder, under_way: &[usize], progressed: &[usize]) {
        let markers = CrashMarkers::new(run, &CancellationToken::default());
        under_way.iter().for_each(|&at| markers.begin(&plan.cells[at].id));
        progressed.iter().for_each(|&at| markers.progressed(&plan.cells[at].id));
        std::mem::forget(markers);
    }

    fn folder() -> (tempfile::TempDir, RunFolder) {
        let at = tempfile::tempdir().expect("a folder");
        let run = RunFolder::new(at.path());
        (at, run)
    }

    #[test]
    fn a_cell_at_which_the_process_vanished_twice_is_given_up_once() {
        let (plan, (_at, run)) = (plan(), folder());
        vanish(&plan, &run, &[1], &[]);
        assert_eq!(sorted(&plan, &run, false), [vec![1, 2, 3], vec![], vec![]]);
        assert_eq!(sorted(&plan, &run, false), [vec![1, 2, 3], vec![], vec![]], "it is counted once");
        vanish(&plan, &run, &[1], &[]);
        assert_eq!(sorted(&plan, &run, true), [vec![1, 3], vec![2], vec![]]);
        assert_eq!(sorted(&plan, &run, false), [vec![1, 3], vec![], vec![2]]);
        CrashMarkers::new(&run, &CancellationToken::default()).end(&plan.cells[1].id);
        assert_eq!(sorted(&plan, &run, false), [vec![1, 2, 3], vec![], vec![]]);
        assert!(!run.under_way().exists());
    }

    #[test]
    fn cells_side_by_side_are_first_run_one_by_one() {
        let (plan, (_at, run)) = (plan(), folder());
        (0..2).for_each(|_| vanish(&plan, &run, &[0, 2], &[]));
        assert_eq!(sorted(&plan, &run, false), [vec![2], vec![1, 3], vec![]]);
        vanish(&plan, &run, &[2], &[]);
        assert_eq!(sorted(&plan, &run, false), [vec![2], vec![1], vec![3]]);
    }

    #[test]
    fn each_process_that_vanished_is_counted_by_itself_and_none_that_is_at_work() {
        let (plan, (_at, run)) = (plan(), folder());
        let (working, lock) =
            (CrashMarkers::new(&run, &CancellationToken::default()), run.lock_cell(&plan.cells[1].id));
        working.begin(&plan.cells[1].id);
        for _ in 0..2 {
            // Two processes at once, each with a cell of its own.
            let both = [0, 2].map(|at| (at, CrashMarkers::new(&run, &CancellationToken::default())));
            both.iter().for_each(|(at, markers)| markers.begin(&plan.cells[*at].id));
            std::mem::forget(both);
            assert!(sorted(&plan, &run, false)[0].contains(&2), "its process is at work");
        }
        assert_eq!(sorted(&plan, &run, false), [vec![2], vec![], vec![1, 3]]);
        drop(lock);
        drop(working);
        assert_eq!(sorted(&plan, &run, false)[0], [2], "it ended in order");
    }

    /// A task that its workload manager has started again isn't counted; one that a person has submitted again is.
    #[test]
    fn a_task_that_is_started_again_by_its_manager_is_not_counted() {
        let (plan, (_at, run)) = (plan(), folder());
        let id = &plan.cells[1].id;
        let of_task = |task: &str| {
            CrashMarkers::of_task(&run, vec![id.clone()], Some(task.to_owned()), &CancellationToken::default())
        };
        let vanish = |task: &str| {
            let markers = of_task(task);
            markers.begin(id);
            let vanished = markers.left_of(id).vanished;
            std::mem::forget(markers);
            vanished
        };
        let counts: Vec<u32> = ["7_1", "7_1", "7_1", "8_1", "8_1", "9_1"].map(vanish).to_vec();
        assert_eq!(counts, [0, 0, 0, 1, 1, 2]);
        let other = CrashMarkers::of_task(&run, vec![plan.cells[0].id.clone()], None, &CancellationToken::default());
        assert!(!other.is_suspect(id) && of_task("9_1").is_suspect(id), "another task's cells are no concern of its");
    }

    #[test]
    fn a_checkpoint_is_progress() {
        let (plan, (_at, run)) = (plan(), folder());
        (0..5).for_each(|_| vanish(&plan, &run, &[0], &[0]));
        vanish(&plan, &run, &[0], &[]);
        assert_eq!(sorted(&plan, &run, false), [vec![1, 2, 3], vec![], vec![]]);
    }

    #[test]
    fn an_interruption_is_no_vanishing() {
        let (plan, (_at, run)) = (plan(), folder());
        let interrupt = CancellationToken::default();
        let markers = CrashMarkers::new(&run, &interrupt);
        markers.begin(&plan.cells[0].id);
        assert_eq!(read_all(&run.under_way()).len(), 1);
        interrupt.cancel();
        markers.progressed(&plan.cells[0].id);
        markers.begin(&plan.cells[1].id);
        assert!(read_all(&run.under_way()).is_empty());
    }
}
