//! Lays cells out on jobs: embedding jobs, training jobs and the report job.
//!
//! There is one embedding job and one training job per source that encodes texts, and one training job for all other sources, so that
//! the number of jobs, and with it the number of calls of Slurm, grows with the sources and not with the cells. A job with more tasks
//! than `MaxArraySize` allows becomes several.

use crate::manifest::{Job, Kind, Task};

/// A task's training should take this long, in seconds: much longer than a job takes to start, and not so long that a queue with short
/// time limits refuses it.
const TASK_SECONDS: f64 = 1200.0;
/// If nothing is known about the time of a cell, cells are divided into about this many tasks.
const UNKNOWN_TASKS: usize = 32;
/// The maximum number of cells of a task whose time is known.
const MAX_CELLS: usize = 1000;

/// The cells of one source of embeddings.
#[derive(Clone, Debug)]
pub struct Group {
    /// The source's name.
    pub source: String,
    /// The cells to train, in execution order.
    pub cells: Vec<String>,
    /// The number of cells per task.
    pub cells_per_task: usize,
    /// The texts to encode first, one entry per dataset; empty if there are none.
    pub shares: Vec<Share>,
}

/// Texts that a source has to encode.
#[derive(Clone, Debug)]
pub struct Share {
    /// A cell with these texts and this source.
    pub cell: String,
    /// The number of texts.
    pub texts: usize,
}

/// How cells are laid out.
#[derive(Clone, Copy, Debug)]
pub struct Layout {
    /// The maximum number of texts per embedding task.
    pub texts_per_task: usize,
    /// The maximum number of tasks of a job.
    pub max_array: usize,
}

/// Returns how many cells a task should train. `seconds`: the mean time of a cell, if any has been trained.
pub fn cells_per_task(cells: usize, seconds: Option<f64>) -> usize {
    match seconds {
        Some(seconds) if seconds > 0.0 => (TASK_SECONDS / seconds).clamp(1.0, MAX_CELLS as f64) as usize,
        _ => cells.div_ceil(UNKNOWN_TASKS).max(1),
    }
}

impl Layout {
    /// Returns the jobs of the groups, and the report's. A job comes after those that it waits for.
    pub fn jobs(&self, groups: &[Group]) -> Vec<Job> {
        let (encoded, others): (Vec<&Group>, Vec<&Group>) = groups.iter().partition(|group| !group.shares.is_empty());
        let (mut embeds, mut trains) = (Vec::new(), Vec::new());
        for (at, group) in encoded.iter().enumerate() {
            let name = named(&group.source, at);
            let jobs = self.split(&format!("embed-{name}"), Kind::Embed, &[], self.embed_tasks(group));
            let after: Vec<String> = jobs.iter().map(|job| job.name.clone()).collect();
            trains.extend(self.split(&format!("train-{name}"), Kind::Train, &after, train_tasks(group)));
            embeds.extend(jobs);
        }
        let tasks = others.iter().flat_map(|group| train_tasks(group)).collect();
        trains.extend(self.split("train", Kind::Train, &[], tasks));
        let after = trains.iter().map(|job| job.name.clone()).collect();
        let report = Job { name: "report".to_owned(), kind: Kind::Report, after, tasks: vec![Task::Report] };
        embeds.into_iter().chain(trains).chain([report]).collect()
    }

    fn embed_tasks(&self, group: &Group) -> Vec<Task> {
        let parts_of = |share: &Share| {
            let parts = share.texts.div_ceil(self.texts_per_task.max(1)).max(1);
            let cell = share.cell.clone();
            (0..parts).map(move |part| Task::Embed { cell: cell.clone(), part, parts }).collect::<Vec<_>>()
        };
        group.shares.iter().flat_map(parts_of).collect()
    }

    /// Makes jobs of at most `max_array` tasks.
    fn split(&self, name: &str, kind: Kind, after: &[String], tasks: Vec<Task>) -> Vec<Job> {
        let max = self.max_array.max(1);
        let is_split = tasks.len() > max;
        let job = |(number, tasks): (usize, &[Task])| {
            let name = if is_split { format!("{name}.{}", number + 1) } else { name.to_owned() };
            Job { name, kind, after: after.to_vec(), tasks: tasks.to_vec() }
        };
        tasks.chunks(max).enumerate().map(job).collect()
    }
}

fn train_tasks(group: &Group) -> Vec<Task> {
    group.cells.chunks(group.cells_per_task.max(1)).map(|cells| Task::Cells(cells.to_vec())).collect()
}

/// Returns a source's name as a part of a file's name; the number keeps names apart that differ only in other characters.
fn named(source: &str, number: usize) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if source.chars().all(is_plain) {
        return source.to_owned();
    }
    let plain: String = source.chars().map(|c| if is_plain(c) { c } else { '_' }).collect();
    format!("{plain}.{number}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(source: &str, cells: usize, cells_per_task: usize, texts: &[usize]) -> Group {
        let cells: Vec<String> = (0..cells).map(|cell| format!("{source}-{cell}")).collect();
        let shares = texts.iter().map(|&texts| Share { cell: cells[0].clone(), texts }).collect();
        Group { source: source.to_owned(), cells, cells_per_task, shares }
    }

    #[test]
    fn jobs_grow_with_sources_and_not_with_cells() {
        let layout = Layout { texts_per_task: 100, max_array: 1000 };
        let jobs =
            layout.jobs(&[group("minilm", 5, 2, &[250, 10]), group("words", 3, 2, &[]), group("glove", 1, 2, &[])]);
        let shown: Vec<(&str, &[String], usize)> =
            jobs.iter().map(|job| (job.name.as_str(), job.after.as_slice(), job.tasks.len())).collect();
        let (embed, trains) = (["embed-minilm".to_owned()], ["train-minilm".to_owned(), "train".to_owned()]);
        let expected: [(&str, &[String], usize); 4] =
            [("embed-minilm", &[], 4), ("train-minilm", &embed, 3), ("train", &[], 3), ("report", &trains, 1)];
        assert_eq!(shown, expected);
        assert_eq!(jobs[1].tasks[2].cells(), ["minilm-4"]);
        assert!(matches!(jobs[0].tasks[1], Task::Embed { part: 1, parts: 3, .. }));
    }

    #[test]
    fn a_job_that_is_too_large_becomes_several_and_no_cell_is_lost() {
        let layout = Layout { texts_per_task: 1, max_array: 4 };
        let jobs = layout.jobs(&[group("a b", 10, 1, &[6]), group("words", 9, 1, &[])]);
        let names: Vec<&str> = jobs.iter().map(|job| job.name.as_str()).collect();
        let expected = [
            "embed-a_b.0.1",
            "embed-a_b.0.2",
            "train-a_b.0.1",
            "train-a_b.0.2",
            "train-a_b.0.3",
            "train.1",
            "train.2",
            "train.3",
            "report",
        ];
        assert_eq!(names, expected);
        assert_eq!(jobs[2].after, ["embed-a_b.0.1", "embed-a_b.0.2"]);
        assert!(jobs.iter().all(|job| job.tasks.len() <= 4));
        assert_eq!(jobs.iter().flat_map(|job| &job.tasks).flat_map(Task::cells).count(), 19);
    }

    #[test]
    fn a_task_takes_ten_to_thirty_minutes() {
        for seconds in [0.9, 3.0, 60.0, 400.0] {
            let minutes = cells_per_task(10_000, Some(seconds)) as f64 * seconds / 60.0;
            assert!((10.0..=30.0).contains(&minutes), "{seconds}: {minutes}");
        }
        assert_eq!((cells_per_task(9, Some(9999.0)), cells_per_task(20, None), cells_per_task(1000, None)), (1, 1, 32));
    }
}
