//! The records of a plan's cells, merged from all processes that work in the run folder.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use emberline_base::record::{self, Baselines, Invocation, Status, Summary};
use emberline_base::warning::Code;
use emberline_report::Question;
use emberline_train::COMPUTATION;

use super::{different_devices, left_out};
use crate::Error;
use crate::checks::Checks;
use crate::pipeline::Pipeline;
use crate::plan::{Cell, Plan};
use crate::run_folder::RunFolder;
use crate::settings::Expect;

/// Minimum time between two summaries.
const MIN_SUMMARY_INTERVAL: Duration = Duration::from_secs(5);
/// A summary is due no sooner than this many times the time that the last one took to write.
const SUMMARY_INTERVAL_FACTOR: u32 = 50;
/// Maximum number of attempts to write a summary if, on a system without locks, records change meanwhile.
const MAX_TRIES: usize = 3;

/// The records of a plan's cells.
pub(super) struct Records<'p> {
    plan: &'p Plan,
    /// In the order of the plan.
    entries: Vec<Entry>,
    /// The indices of the entries, by the cell's id.
    indices: HashMap<&'p str, usize>,
    /// The summary without its cells.
    frame: Summary,
    checks: Checks,
    next_summary: Instant,
}

/// The record of a cell.
struct Entry {
    /// The attempt that counted when the record was last read, whether or not the record still holds.
    attempt: Option<u32>,
    record: record::Cell,
}

impl<'p> Records<'p> {
    /// Returns records in which every cell is pending. `data` are those of the first cell.
    pub(super) fn pending(pipeline: &Pipeline, plan: &'p Plan, data: &record::Data) -> Self {
        let axes = pipeline.axes.iter().map(|axis| {
            let values = axis.values.iter().map(|v| serde_json::to_value(v.to_value()).unwrap_or_default());
            (axis.key.clone(), values.collect())
        });
        let frame = Summary {
            version: record::VERSION,
            name: pipeline.settings.name.clone(),
            invocation: None,
            axes: axes.collect(),
            data: data.clone(),
            warnings: Vec::new(),
            answer: None,
            expected: None,
            cells: Vec::new(),
            baselines: Vec::new(),
            left_out: left_out::by_reason(&plan.left_out),
        };
        let entries = plan.cells.iter().map(|cell| Entry { attempt: None, record: cell.pending() }).collect();
        let indices = plan.cells.iter().enumerate().map(|(at, cell)| (cell.id.as_str(), at)).collect();
        let checks = pipeline.settings.checks();
        Self { plan, entries, indices, frame, checks, next_summary: Instant::now() + MIN_SUMMARY_INTERVAL }
    }

    /// Sets the attempt that counts for a cell, and its record if that is valid.
    pub(super) fn note(&mut self, id: &str, attempt: Option<u32>, record: Option<record::Cell>) {
        if let Some(entry) = self.indices.get(id).map(|&at| &mut self.entries[at]) {
            entry.attempt = attempt;
            if let Some(record) = record {
                entry.record = record;
            }
        }
    }

    /// Calls `each` with every cell that is done, and its record.
    pub(super) fn each_done(&self, mut each: impl FnMut(&Cell, &record::Cell)) {
        let done = |entry: &Entry| entry.record.status == Status::Done;
        let cells = self.plan.cells.iter().zip(&self.entries).filter(|(_, entry)| done(entry));
        cells.for_each(|(cell, entry)| each(cell, &entry.record));
    }

    /// Returns whether another attempt at the cell counts than when its record was last read, because another process
    /// has run it.
    pub(super) fn is_outdated(&self, folder: &RunFolder, id: &str) -> bool {
        let known = self.indices.get(id).and_then(|&at| self.entries[at].attempt);
        let counts = folder.attempt_that_counts(id);
        counts.is_some() && counts != known
    }

    /// Writes the summary if the last one is old enough.
    pub(super) fn write_now_and_then(&mut self, folder: &RunFolder) -> Result<(), Error> {
        let begun = Instant::now();
        if begun > self.next_summary {
            self.write(folder)?;
            self.next_summary = Instant::now() + MIN_SUMMARY_INTERVAL.max(begun.elapsed() * SUMMARY_INTERVAL_FACTOR);
        }
        Ok(())
    }

    /// Merges the records that other processes have written meanwhile, and writes the summary and the reports.
    pub(super) fn write(&mut self, folder: &RunFolder) -> Result<Summary, Error> {
        self.write_with(folder, |_| Ok(()))
    }

    /// Writes the summary as [`write`](Self::write) does, with the answer to `question` and what became of the number that is expected.
    pub(super) fn write_answered(
        &mut self,
        folder: &RunFolder,
        question: &Question,
        expect: Option<&Expect>,
    ) -> Result<Summary, Error> {
        let earlier = folder.answer();
        self.write_with(folder, |summary| {
            let answer = question.answer(summary, folder.path(), earlier.as_ref())?;
            let has_ended = summary.cells.iter().all(|cell| cell.status != Status::Pending);
            summary.expected = expect.filter(|_| has_ended).map(|expect| expect.outcome(summary));
            for warning in answer.of_each_number().flat_map(|answer| &answer.warnings) {
                // Answers about several numbers of labels may have the same warning.
                if !summary.warnings.contains(warning) {
                    summary.warnings.push(warning.clone());
                }
            }
            summary.answer = Some(answer);
            Ok(())
        })
    }

    fn write_with(
        &mut self,
        folder: &RunFolder,
        complete: impl Fn(&mut Summary) -> Result<(), Error>,
    ) -> Result<Summary, Error> {
        let _lock = folder.lock();
        let mut tries = 1;
        loop {
            self.merge(folder);
            let mut summary = self.summary();
            complete(&mut summary)?;
            match folder.write_summary(&summary) {
                Err(Error::Report(_)) if tries < MAX_TRIES => tries += 1,
                written => return written.map(|()| summary),
            }
        }
    }

    /// Merges the records that other processes have written meanwhile. Returns the plan, and the records of its cells in order.
    pub(super) fn merged(&mut self, folder: &RunFolder) -> (&'p Plan, Vec<record::Cell>) {
        self.merge(folder);
        (self.plan, self.entries.iter().map(|entry| entry.record.clone()).collect())
    }

    /// Sets how the command line changed the pipeline file.
    pub(super) fn set_invocation(&mut self, invocation: Option<Invocation>) {
        self.frame.invocation = invocation;
    }

    /// Sets the baselines of the summary.
    pub(super) fn set_baselines(&mut self, baselines: Vec<Baselines>) {
        self.frame.baselines = baselines;
    }

    fn merge(&mut self, folder: &RunFolder) {
        let is_present = |record: &record::Cell| record.made_from().is_none_or(|made| made.computation == COMPUTATION);
        for (cell, entry) in self.plan.cells.iter().zip(&mut self.entries) {
            if let Some((attempt, record)) = folder.result(cell)
                && entry.attempt != Some(attempt)
                && is_present(&record)
            {
                *entry = Entry { attempt: Some(attempt), record };
            }
        }
    }

    /// Returns the summary, without an answer, of the records that are known here.
    pub(super) fn summary(&self) -> Summary {
        let mut cells: Vec<record::Cell> = self.entries.iter().map(|entry| entry.record.clone()).collect();
        // Records keep every warning, so that another `ignore` doesn't change what is done.
        cells
            .iter_mut()
            .filter_map(|cell| cell.outcome.as_mut())
            .for_each(|outcome| self.checks.retain(&mut outcome.warnings));
        let mut warnings = Summary::gather_warnings(&self.frame.data, &cells);
        if self.checks.shows(Code::DifferentDevices) {
            warnings.extend(different_devices::warning(&cells));
        }
        Summary { cells, warnings, ..self.frame.clone() }
    }

    /// Returns how many cells have this status.
    pub(super) fn count(&self, status: Status) -> usize {
        self.entries.iter().filter(|entry| entry.record.status == status).count()
    }
}

/// Returns the summary of a plan whose cells have these records. `data` are those of the first cell.
pub(crate) fn summary_of(pipeline: &Pipeline, plan: &Plan, data: &record::Data, records: Vec<record::Cell>) -> Summary {
    let mut all = Records::pending(pipeline, plan, data);
    records.into_iter().for_each(|record| all.note(&record.id.clone(), None, Some(record)));
    all.summary()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use emberline_device::Device;

    use super::*;
    use crate::run::{Options, Silent, run};

    const PIPELINE: &str = r#"
name = "merged"
[data]
path = "texts.csv"
text = "text"
label = "label"
[embedding.one.hashing]
dim = 4
[train]
epochs = 1
[grid]
seed = [1, 2, 3]
"#;

    #[test]
    fn what_other_processes_record_is_taken_over_unless_it_was_looked_at_before() {
        let at = tempfile::tempdir().expect("a folder");
        let rows: String = (0..40).map(|row| format!("good and bad {row},{}\n", row % 2)).collect();
        fs::write(at.path().join("texts.csv"), format!("text,label\n{rows}")).expect("written");
        let pipeline = Pipeline::parse("p", PIPELINE, at.path(), &[]).expect("sound");
        let plan = Plan::of(&pipeline);
        let folder = RunFolder::new(at.path().join("run"));
        let run_only = |cell: usize| {
            let options = Options { only: vec![plan.cells[cell].id.clone()], ..Options::on(Device::Cpu) };
            run(&pipeline, &folder, &options, &mut Silent).expect("it ends").summary
        };
        let data = run_only(0).data;
        let mut records = Records::pending(&pipeline, &plan, &data);
        // An invalid record stays out until another attempt counts.
        records.note(&plan.cells[0].id, Some(1), None);
        run_only(1);
        assert!(!records.is_outdated(&folder, &plan.cells[0].id) && records.is_outdated(&folder, &plan.cells[1].id));
        let summary = records.write(&folder).expect("written");
        let status: Vec<Status> = summary.cells.iter().map(|cell| cell.status).collect();
        assert_eq!(status, [Status::Pending, Status::Done, Status::Pending]);
        // The process that writes last has the results of all.
        assert!(run_only(2).cells.iter().all(|cell| cell.status == Status::Done));
    }
}
