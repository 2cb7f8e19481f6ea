//! Answers the question of a run: from its records, and the predictions that were kept, to the answer that `summary.json` stores.
//!
//! A [`Question`] says what settings are judged by. Settings with unequal numbers of labels aren't compared: each number has a study
//! of its own. Everything else follows from the records: which cells replicate a setting, which
//! rows they were scored on, and how the splits were made. Predictions are read only where the answer needs them.

mod between;
pub(crate) mod scores;
mod stored_rows;

use std::collections::BTreeMap;
use std::path::Path;

use emberline_base::record::answer::{Answer, Better, Noun, ScoredRows};
use emberline_base::record::{Cell, Data, Outcome, Status, Summary};
use emberline_base::{Digest, Metric, ReplicateAxis, Task, canonical};
use emberline_statistics::{
    Arm, Decide, EvaluatedRows, LEAST_DRAWS, LEAST_SPLITS, Protocol, Size, Sizes, Study, StudyError, together,
};

pub(crate) use self::between::tests as tests_between;
pub use self::between::{RunOfSide, Test};
use self::stored_rows::StoredRows;
use crate::Error;
use crate::grouping::{self, Replicate, Setting};
use crate::label_counts::{LabelCount, is_number_of_labels, label_counts};
use crate::ranking::main_metric;

/// The probability of any wrong claim in an answer that is accepted.
const ALPHA: f64 = 0.05;

/// The seed of the draws of rows; a constant, so that equal records give equal answers.
const SEED: u64 = 0;

/// The version of the computation of answers: an answer of another version is made again.
const COMPUTATION: u32 = 3;

/// The axes that make another embedding, and nothing else.
const EMBEDDING_AXES: [&str; 3] = ["embedding", "embedding.dim", "embedding.quantize"];

/// What the settings of a run are judged by.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Question {
    /// The metric, without its split; `None` for the main metric of the task.
    pub metric: Option<Metric>,
    /// How the smallest setting that is good enough is chosen.
    pub decide: Decide,
    /// Whether this is a look of a comparison that goes on until it is decided.
    pub sequential: bool,
}

impl Question {
    /// Answers the question from the records of a run and the predictions in its folder `dir`. `earlier` is the answer that the
    /// run had before; it is returned if it was made from the same records.
    ///
    /// # Errors
    /// If the records contradict each other.
    pub fn answer(&self, summary: &Summary, dir: &Path, earlier: Option<&Answer>) -> Result<Answer, Error> {
        let basis = self.basis(summary);
        if let Some(earlier) = earlier.filter(|earlier| earlier.basis.as_ref() == Some(&basis)) {
            return Ok(earlier.clone());
        }
        let builder = Builder { summary, dir, question: self };
        let answers: Result<Vec<Answer>, StudyError> = builder.studies().iter().map(Study::answer).collect();
        let answer = answers.map(together).map_err(|error| Error::Study(error.to_string()))?;
        let answer = answer.ok_or_else(|| Error::Study("there is nothing to answer".to_owned()))?;
        Ok(Answer { basis: Some(basis), ..answer })
    }

    /// Returns the digest of everything that the answer depends on. The time that training took is left out, unless it decides.
    fn basis(&self, summary: &Summary) -> Digest {
        let timed = self.decide.prefer.contains(&Size::Seconds);
        let of_cell = |cell: &Cell| {
            let outcome = cell.outcome.as_ref();
            let seconds = outcome.filter(|_| timed).map(|outcome| outcome.seconds);
            let absent = outcome.is_none().then(|| (cell.status, cell.cause.clone()));
            (
                cell.identity.clone(),
                absent,
                outcome.map(|o| (o.digests.clone(), o.metrics.clone(), o.split.clone())),
                seconds,
            )
        };
        let cells: Vec<_> = summary.cells.iter().map(of_cell).collect();
        let value = serde_json::to_value((COMPUTATION, format!("{self:?}"), cells)).unwrap_or_default();
        Digest::of(canonical(&value).as_bytes())
    }
}

/// Makes the studies of a run.
struct Builder<'a> {
    summary: &'a Summary,
    dir: &'a Path,
    question: &'a Question,
}

impl Builder<'_> {
    /// Returns a study for each number of labels, the most labels first. There is at least one.
    fn studies(&self) -> Vec<Study> {
        let settings = grouping::settings(self.summary);
        let counts = label_counts(self.summary, &settings);
        counts.iter().map(|count| self.study(count, &settings)).collect()
    }

    fn study(&self, count: &LabelCount, settings: &[Setting<'_>]) -> Study {
        let mut axes = grouping::varying_axes(self.summary);
        axes.retain(|axis| count.labels.is_none() || !is_number_of_labels(axis));
        let noun = noun(&axes);
        let settings = grouping::labelled_by(axes, count.settings.iter().map(|&index| settings[index].clone()));
        let scored = scored(self.summary);
        let metric = self.question.metric.or_else(|| main_metric(self.summary).map(|main| main.metric));
        let metric = on_rows(metric.unwrap_or(Metric::LogLoss), self.summary.data.task, scored);
        let splits = splits(&settings, scored);
        let same_rows = splits.values().all(|split| split.rows.len() <= 1);
        let rows_of = |split: &Split| split.rows.first().cloned();
        let rows: Vec<Option<Digest>> = splits.values().map(rows_of).collect();
        let protocol = protocol(self.summary, &rows, splits.values().map(|split| split.evaluated).max().unwrap_or(0));
        let needed = if rows.len() < LEAST_SPLITS || protocol == Protocol::SharedRows { rows.len() } else { 1 };
        let mut stored = StoredRows::new(self.summary, self.dir, metric, scored);
        let evaluated = stored.evaluated(rows.get(..needed).filter(|_| same_rows).unwrap_or(&[]));
        let index: BTreeMap<&Replicate, usize> = splits.keys().enumerate().map(|(at, split)| (split, at)).collect();
        let mut arm = |setting: &Setting<'_>| {
            let ran = setting.cells.iter().filter(|cell| cell.status != Status::Pending);
            let runs = ran.map(|cell| {
                let split = index[&Replicate { seed: 0, ..Replicate::of(cell) }];
                stored.run(cell, split, evaluated.is_some() && split < needed)
            });
            let runs = runs.collect();
            let absent = setting.cells.iter().filter_map(|cell| stored.absent(cell)).collect();
            Arm { label: setting.label.clone(), setting: setting.axes(), sizes: sizes(setting), runs, absent }
        };
        Study {
            labels: count.labels,
            metric: name(metric, scored),
            better: if metric.smaller_is_better() { Better::Lower } else { Better::Higher },
            scored,
            noun,
            arms: settings.iter().map(&mut arm).collect(),
            same_rows,
            protocol,
            labelled_rows: match protocol {
                Protocol::SharedRows => splits.values().map(|split| split.evaluated).max().unwrap_or(0),
                Protocol::Pool { .. } | Protocol::Folds { .. } => pool(&self.summary.data),
            },
            evaluated: evaluated.map(|keys| EvaluatedRows::from_keys(&keys)),
            alpha: ALPHA,
            sequential: self.question.sequential,
            decide: self.decide(&settings),
            seed: SEED,
            draws: LEAST_DRAWS,
            warnings: Vec::new(),
        }
    }

    /// Small settings are only looked for among settings of different sizes.
    fn decide(&self, settings: &[Setting<'_>]) -> Decide {
        let mut decide = self.question.decide.clone();
        let differ = |size: &Size| {
            let mut of_settings = settings.iter().map(|setting| sizes(setting).get(*size));
            let first = of_settings.next();
            of_settings.any(|value| Some(value) != first)
        };
        decide.prefer.retain(differ);
        decide
    }
}

/// Returns the metric that an answer is about: on the rows that chose the threshold, F1, precision and recall of a binary task flatter
/// every setting, and are cross-fitted instead.
fn on_rows(metric: Metric, task: Task, scored: ScoredRows) -> Metric {
    match (metric, task, scored) {
        (Metric::F1, Task::Binary, ScoredRows::Validation) => Metric::CrossFittedF1,
        (Metric::Precision, Task::Binary, ScoredRows::Validation) => Metric::CrossFittedPrecision,
        (Metric::Recall, Task::Binary, ScoredRows::Validation) => Metric::CrossFittedRecall,
        (metric, _, _) => metric,
    }
}

/// What settings are called that differ by these axes.
fn noun(axes: &[String]) -> Noun {
    let is_embedding = axes.iter().all(|axis| EMBEDDING_AXES.contains(&axis.as_str()));
    if is_embedding { Noun::Embedding } else { Noun::Setting }
}

/// Test rows, or validation rows if there are no test rows.
pub(crate) fn scored(summary: &Summary) -> ScoredRows {
    let has_test = |outcome: &Outcome| outcome.split.n_test.is_some();
    let outcomes = || summary.cells.iter().filter_map(|cell| cell.outcome.as_ref());
    if outcomes().next().is_some() && outcomes().all(has_test) { ScoredRows::Test } else { ScoredRows::Validation }
}

/// Returns how the splits of a run were made.
pub(crate) fn protocol_of_run(summary: &Summary) -> Protocol {
    let splits = splits(&grouping::settings(summary), scored(summary));
    let rows: Vec<Option<Digest>> = splits.values().map(|split| split.rows.first().cloned()).collect();
    protocol(summary, &rows, splits.values().map(|split| split.evaluated).max().unwrap_or(0))
}

/// How the splits were made: folds by their axis, a shared file if all splits have the same rows, otherwise draws of one pool.
fn protocol(summary: &Summary, rows: &[Option<Digest>], evaluated: usize) -> Protocol {
    let pool = pool(&summary.data).max(evaluated + 1);
    let is_shared = rows.len() > 1 && rows.iter().all(|digest| digest.is_some() && *digest == rows[0]);
    if is_shared {
        Protocol::SharedRows
    } else if grouping::varies(summary, ReplicateAxis::Fold.key()) && evaluated > 0 {
        Protocol::Folds { folds: (pool as f64 / evaluated as f64).round().max(2.0) as usize }
    } else {
        Protocol::Pool { rows: pool, evaluated }
    }
}

/// A split of the rows.
#[derive(Default)]
struct Split {
    /// The different digests of its evaluated rows; one, unless an axis changes them.
    rows: Vec<Digest>,
    /// The number of evaluated rows.
    evaluated: usize,
}

/// Returns the splits of a run, by replicate without its seed.
fn splits(settings: &[Setting<'_>], scored: ScoredRows) -> BTreeMap<Replicate, Split> {
    let mut splits: BTreeMap<Replicate, Split> = BTreeMap::new();
    for cell in settings.iter().flat_map(|setting| &setting.cells) {
        let split = splits.entry(Replicate { seed: 0, ..Replicate::of(cell) }).or_default();
        let Some(outcome) = &cell.outcome else { continue };
        let (digest, rows) = evaluated_rows(outcome, scored);
        split.evaluated = split.evaluated.max(rows);
        split.rows.extend(digest.filter(|digest| !split.rows.contains(digest)).cloned());
    }
    splits
}

/// Returns the digest and the number of the rows that an outcome was scored on.
pub(crate) fn evaluated_rows(outcome: &Outcome, scored: ScoredRows) -> (Option<&Digest>, usize) {
    let split = &outcome.split;
    match scored {
        ScoredRows::Test => (split.test_rows.as_ref(), split.n_test.unwrap_or(0)),
        ScoredRows::Validation => (split.valid_rows.as_ref(), split.n_valid.unwrap_or(0)),
    }
}

/// Returns the number of rows that could be trained or evaluated on: those that were read and not left out.
fn pool(data: &Data) -> usize {
    let duplicates = if data.duplicates_kept { 0 } else { data.duplicate_texts };
    let left_out = [data.empty_texts, data.missing_labels, duplicates, data.shared_texts, data.shared_groups];
    data.rows_read.saturating_sub(left_out.iter().sum())
}

/// Returns the name of a metric in the records.
fn name(metric: Metric, scored: ScoredRows) -> String {
    match scored {
        ScoredRows::Test => format!("test_{metric}"),
        ScoredRows::Validation => format!("val_{metric}"),
    }
}

/// Returns the bytes of a text's vector; records of earlier versions have numbers of 32 bits.
fn bytes_per_text(outcome: &Outcome) -> u64 {
    outcome.bytes_per_text.unwrap_or(4 * outcome.dim as u64)
}

fn sizes(setting: &Setting<'_>) -> Sizes {
    let dim = setting.done().map(|(_, outcome)| outcome.dim).max().unwrap_or(0) as f64;
    let bytes = setting.done().map(|(_, outcome)| bytes_per_text(outcome)).max().unwrap_or(0) as f64;
    let seconds: Vec<f64> = setting.done().map(|(_, outcome)| outcome.seconds).collect();
    Sizes { dim, bytes, seconds: emberline_statistics::mean(&seconds) }
}
