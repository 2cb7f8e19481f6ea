//! What the chosen model predicted of the evaluated rows, as the report shows it: curves, the confusion matrix, scores per class,
//! mistakes and slices.
//!
//! Input: the records of a run, the predictions of the best cell of the chosen setting, and the rows that they belong to. Output:
//! [`Evaluation`], from which the other modules of this folder compute what is shown. The rows are test rows if every cell has
//! some, otherwise validation rows, as in the answer. A file that is missing or damaged counts as not stored: the report then
//! says that there is nothing to show.

pub(crate) mod classes;
pub(crate) mod curves;
pub(crate) mod mistakes;
pub(crate) mod slices;

use std::path::Path;

use emberline_base::record::answer::ScoredRows;
use emberline_base::record::{Cell, Outcome};
use emberline_base::{Digest, Matrix, Task, file, run_files};
use emberline_metrics::{Decisions, Predictions, Probabilities};

use crate::grouping::{self, Setting};
use crate::known::{self, RowWords};
use crate::rows::{RowFacts, RowLocation, read_facts, read_locations, read_targets};
use crate::run::valid_attempt;
use crate::study::{evaluated_rows, scored, scores};
use crate::{Run, predictions};

/// The class of a label that no training row has.
pub(crate) const UNKNOWN_CLASS: u32 = u32::MAX;

/// Maximum number of replicates of the chosen setting whose curves are drawn beside those of the best one.
const MAX_OTHERS: usize = 19;

/// The evaluated rows of the chosen model, with its predictions.
#[derive(Clone, Debug, PartialEq)]
pub struct Evaluation {
    /// The id of the cell whose model it is.
    pub(crate) cell: String,
    /// Why it was chosen, in one line.
    pub(crate) choice: String,
    /// The label of its setting.
    pub(crate) setting: String,
    /// Whether the rows are of the test or the validation split.
    pub(crate) scored: ScoredRows,
    /// The task.
    pub(crate) task: Task,
    /// The names of the classes; for a binary task, the negative and then the positive class.
    pub(crate) classes: Vec<String>,
    /// The probability from which a binary row is predicted as positive, chosen on validation rows.
    pub(crate) threshold: Option<f64>,
    /// The logits and the targets, both `[rows, outputs]`.
    pub(crate) logits: Matrix,
    /// The targets: 0 or 1, NaN throughout a row with a label that no training row has.
    pub(crate) targets: Matrix,
    /// The classes of each row.
    pub(crate) labels: Vec<Vec<u32>>,
    /// Where each row is, and the beginning of its text.
    pub(crate) locations: Vec<RowLocation>,
    /// The length and the group of each row.
    pub(crate) facts: RowFacts,
    /// The number of known words of each row; `None` for an encoder of whole texts.
    pub(crate) words: Option<Vec<RowWords>>,
    /// The logits and targets of the setting's other replicates, on their own rows.
    pub(crate) others: Vec<(Matrix, Matrix)>,
    /// The files from which all of this was read, by the names that a report gives them.
    pub(crate) files: Vec<(&'static str, Vec<u8>)>,
}

impl Evaluation {
    /// Reads the evaluation of the best cell of the chosen setting from the run folder `dir`; `None` if no setting is best, or the
    /// predictions or their rows aren't stored.
    pub fn load(dir: &Path, run: &Run) -> Option<Self> {
        let (cell, choice) = run.best()?;
        let outcome = cell.outcome.as_ref()?;
        let scored = scored(&run.summary);
        let settings = grouping::settings(&run.summary);
        let setting = settings.iter().find(|setting| setting.cells.iter().any(|other| other.id == cell.id))?;
        let (logits, predictions) = read_logits(dir, cell, outcome, scored)?;
        let rows_digest = evaluated_rows(outcome, scored).0?;
        let rows = file::read(&run_files::rows(dir, rows_digest)).ok()?;
        let task = run.summary.data.task;
        let labels = read_targets(&rows).ok()?.classes;
        let (locations, facts) = (read_locations(&rows).ok()?, read_facts(&rows).ok()?);
        if [labels.len(), locations.len(), facts.lengths.len()] != [logits.rows(); 3] || logits.rows() == 0 {
            return None;
        }
        let targets = scores::targets(task, logits.cols(), &labels);
        Predictions::new(task, &logits, &targets).ok()?;
        Some(Self {
            cell: cell.id.clone(),
            choice,
            setting: setting.label.clone(),
            scored,
            task,
            classes: run.summary.data.classes.clone(),
            threshold: outcome.metrics.get("val_threshold").copied().filter(|_| task == Task::Binary),
            words: read_words(dir, rows_digest, &outcome.digests.embedding)
                .filter(|words| words.len() == logits.rows()),
            others: others(dir, setting, cell, task, scored),
            logits,
            targets,
            labels,
            locations,
            facts,
            files: vec![(run_files::PREDICTIONS, predictions), ("evaluated.rows", rows)],
        })
    }

    /// Returns the predictions.
    ///
    /// # Panics
    /// Never: [`load`](Self::load) has checked the shapes.
    pub(crate) fn predictions(&self) -> Predictions<'_> {
        Predictions::new(self.task, &self.logits, &self.targets).expect("the shapes were checked when this was loaded")
    }

    /// Returns the probabilities of all outputs.
    pub(crate) fn probabilities(&self) -> Probabilities<'_> {
        Probabilities::of(self.task, &self.logits)
    }

    /// Returns the decisions: at the threshold of a binary task, at the most probable class, or at 0.5 for every label.
    pub(crate) fn decisions(&self) -> Decisions {
        let threshold: Vec<f64> = self.threshold.into_iter().collect();
        Decisions::new(&self.predictions(), &threshold)
    }

    /// Returns the number of rows.
    pub(crate) fn rows(&self) -> usize {
        self.logits.rows()
    }

    /// Returns the name of the class of an output: the positive class for the only output of a binary task.
    pub(crate) fn class_of_output(&self, output: usize) -> &str {
        let class = if self.task == Task::Binary { 1 } else { output };
        self.classes.get(class).map_or("?", String::as_str)
    }

    /// Returns the name of a class; that of a label that no training row has says so.
    pub(crate) fn class_name(&self, class: u32) -> &str {
        if class == UNKNOWN_CLASS {
            "a label unseen in training"
        } else {
            self.classes.get(class as usize).map_or("?", String::as_str)
        }
    }

    /// Returns the noun for the rows: `test rows`.
    pub(crate) fn noun(&self) -> &'static str {
        match self.scored {
            ScoredRows::Test => "test rows",
            ScoredRows::Validation => "validation rows",
        }
    }
}

/// Reads the logits of the evaluated rows of a cell, and the bytes of the whole file.
fn read_logits(dir: &Path, cell: &Cell, outcome: &Outcome, scored: ScoredRows) -> Option<(Matrix, Vec<u8>)> {
    outcome.digests.predictions.as_ref()?;
    let (attempt, _) = valid_attempt(&run_files::cell(dir, &cell.id), &cell.id).ok()?;
    let bytes = attempt.read(run_files::PREDICTIONS).ok()?;
    let logits = predictions::from_bytes(&bytes).ok()?;
    let logits = match scored {
        ScoredRows::Test => logits.test,
        ScoredRows::Validation => logits.valid,
    };
    Some((logits?, bytes))
}

fn read_words(dir: &Path, rows: &Digest, embedding: &Digest) -> Option<Vec<RowWords>> {
    let bytes = file::read(&run_files::known(dir, rows, embedding)).ok()?;
    known::from_bytes(&bytes, rows, embedding).ok()
}

/// Reads the logits and targets of the other replicates of a setting; only a binary task draws their curves.
fn others(dir: &Path, setting: &Setting<'_>, chosen: &Cell, task: Task, scored: ScoredRows) -> Vec<(Matrix, Matrix)> {
    if task != Task::Binary {
        return Vec::new();
    }
    let of_cell = |(cell, outcome): (&Cell, &Outcome)| {
        let (logits, _) = read_logits(dir, cell, outcome, scored)?;
        let rows = file::read(&run_files::rows(dir, evaluated_rows(outcome, scored).0?)).ok()?;
        let targets = scores::targets(task, logits.cols(), &read_targets(&rows).ok()?.classes);
        Predictions::new(task, &logits, &targets).ok()?;
        Some((logits, targets))
    };
    setting.done().filter(|(cell, _)| cell.id != chosen.id).take(MAX_OTHERS).filter_map(of_cell).collect()
}
