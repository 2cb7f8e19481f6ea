//! What TensorBoard shows of a finished cell beside its curves: precision and recall, distributions, and mistakes.
//!
//! A cell's inputs and its fitted model enter; an [`Evaluation`] leaves. It is made for logs only, and no result depends on it.

use std::cmp::Ordering;

use emberline_base::{Matrix, SplitName, Task};
use emberline_metrics::{
    Probabilities, accuracy_of_row, is_unknown, log_loss_of_row, probabilities_of_row, probability,
};
use emberline_tensorboard::Evaluation;
use emberline_train::FittedModel;

use crate::inputs::Data;

/// Maximum number of classes that have a curve and a histogram each.
const MAX_CLASSES: usize = 20;
/// Maximum number of mistakes.
const MAX_MISTAKES: usize = 30;
/// Maximum number of characters of a text, as in the files of rows.
const MAX_TEXT: usize = 300;
/// Maximum number of values of an array whose histogram is made: whole tables of words are left out.
const MAX_VALUES: usize = 1 << 20;

/// Describes a finished cell. `texts`: whether texts may be shown.
pub(super) fn evaluation(data: &Data, fit: &FittedModel, texts: bool) -> Evaluation {
    let mut evaluation = Evaluation::default();
    for (split, name) in [(SplitName::Valid, "validation"), (SplitName::Test, "test")] {
        let (Some(logits), Some(targets)) = (fit.logits.get(split), data.targets.get(split)) else { continue };
        if logits.rows() == 0 || logits.rows() != targets.rows() {
            continue;
        }
        let scored = Scored { data, split, name, logits, targets, task: data.dataset.labels.task };
        evaluation.curves.extend(scored.curves());
        evaluation.histograms.extend(scored.histograms());
        evaluation.tables.extend(scored.mistakes(texts));
    }
    let small = fit.weights.0.iter().filter(|tensor| tensor.values.len() <= MAX_VALUES);
    evaluation.histograms.extend(small.map(|tensor| (format!("weights/{}", tensor.name), tensor.values.clone())));
    evaluation
}

/// The predictions of a split.
struct Scored<'a> {
    data: &'a Data,
    split: SplitName,
    name: &'static str,
    logits: &'a Matrix,
    targets: &'a Matrix,
    task: Task,
}

impl Scored<'_> {
    /// Returns the class that each output stands for, of the first classes.
    fn outputs(&self) -> impl Iterator<Item = (usize, &str)> {
        let classes = &self.data.dataset.labels.classes;
        // The output of a binary task is the last class, the positive one.
        let skipped = if self.task == Task::Binary { classes.len().saturating_sub(1) } else { 0 };
        classes.iter().skip(skipped).map(String::as_str).enumerate().take(MAX_CLASSES.min(self.logits.cols()))
    }

    fn tag(&self, what: &str, class: &str) -> String {
        if self.task == Task::Binary {
            format!("{what}/{}", self.name)
        } else {
            format!("{what}/{}/{class}", self.name)
        }
    }

    fn known_rows(&self) -> impl Iterator<Item = usize> {
        (0..self.logits.rows()).filter(|&row| !is_unknown(self.targets.row(row)))
    }

    /// Returns the probability and truth of every row, for each output.
    fn curves(&self) -> Vec<(String, Vec<(f64, bool)>)> {
        let probabilities = Probabilities::of(self.task, self.logits);
        let curve = |(output, class): (usize, &str)| {
            let row = |row: usize| (probabilities.get(row, output), self.targets.row(row)[output] > 0.5);
            (self.tag("pr_curve", class), self.known_rows().map(row).collect())
        };
        self.outputs().map(curve).collect()
    }

    /// Returns the logits of the rows that belong to a class, and of those that don't, for each output.
    fn histograms(&self) -> Vec<(String, Vec<f32>)> {
        let mut histograms = Vec::new();
        for (output, class) in self.outputs() {
            for (is_member, kind) in [(true, "positive"), (false, "negative")] {
                let rows = self.known_rows().filter(|&row| (self.targets.row(row)[output] > 0.5) == is_member);
                let logits: Vec<f32> = rows.map(|row| self.logits.row(row)[output]).collect();
                if !logits.is_empty() {
                    histograms.push((self.tag("logits", class) + "/" + kind, logits));
                }
            }
        }
        histograms
    }

    /// Returns the rows that are decided wrongly, at a probability of 0.5 or by the most probable class, the highest loss first.
    fn mistakes(&self, texts: bool) -> Option<(String, Vec<Vec<String>>)> {
        let rows = self.data.dataset.splits.get(self.split)?;
        let mut wrong: Vec<(f64, usize)> = self
            .known_rows()
            .filter(|&row| accuracy_of_row(self.task, self.logits.row(row), self.targets.row(row)) < 1.0)
            .map(|row| (log_loss_of_row(self.task, self.logits.row(row), self.targets.row(row)), row))
            .collect();
        wrong.sort_by(|a, b| b.0.partial_cmp(&a.0).unwrap_or(Ordering::Equal).then(a.1.cmp(&b.1)));
        let head = ["loss", "is", "predicted", "where"].into_iter().chain(texts.then_some("text")).map(str::to_owned);
        let mut table = vec![head.collect::<Vec<String>>()];
        for (loss, row) in wrong.into_iter().take(MAX_MISTAKES) {
            let origin = self.data.origin(*rows.get(row)?);
            let place = format!("{}:{}", origin.file.display(), origin.number);
            let mut fields = vec![format!("{loss:.3}"), self.classes_of(rows[row]), self.predicted(row), place];
            let text = &self.data.dataset.texts[rows[row]];
            fields.extend(texts.then(|| text.chars().take(MAX_TEXT).collect::<String>()));
            table.push(fields);
        }
        (table.len() > 1).then(|| (format!("mistakes/{}", self.name), table))
    }

    /// Returns the classes of a row of the dataset.
    fn classes_of(&self, row: usize) -> String {
        let labels = &self.data.dataset.labels;
        let names = labels.of_row(row).iter().filter_map(|&class| labels.classes.get(class as usize));
        names.map(String::as_str).collect::<Vec<_>>().join(", ")
    }

    /// Returns what a row is taken for, with the probability.
    fn predicted(&self, row: usize) -> String {
        let classes = &self.data.dataset.labels.classes;
        let name = |class: usize| classes.get(class).map_or("", String::as_str);
        let logits = self.logits.row(row);
        match self.task {
            Task::Binary => {
                let positive = probability(logits[0]);
                let (class, probability) = if logits[0] > 0.0 { (1, positive) } else { (0, 1.0 - positive) };
                format!("{} ({probability:.3})", name(class))
            }
            Task::MultiClass => {
                let best = (0..logits.len()).reduce(|a, b| if logits[b] > logits[a] { b } else { a }).unwrap_or(0);
                let wide: Vec<f64> = logits.iter().map(|&logit| f64::from(logit)).collect();
                format!("{} ({:.3})", name(best), probabilities_of_row(self.task, &wide)[best])
            }
            Task::MultiLabel => {
                let decided = (0..logits.len()).filter(|&output| logits[output] > 0.0);
                let named = decided.map(|output| format!("{} ({:.3})", name(output), probability(logits[output])));
                named.collect::<Vec<_>>().join(", ")
            }
        }
    }
}
