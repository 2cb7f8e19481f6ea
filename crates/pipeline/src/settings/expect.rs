//! `[expect]`: a published number that the cells of a pipeline, or a baseline on their rows, must come to, on average.

use std::collections::BTreeSet;

use emberline_base::record::{Baselines, Cell, Expected, Summary};
use emberline_base::{Fault, Metric, ReplicateAxis, suggest};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::name::short;

/// `[expect]`: a published number. All cells are replicates of one setting, and the mean of their metric is compared; or that of a
/// baseline over the rows of the cells.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Expect {
    /// Where the number was published: a paper, a leaderboard and its version.
    pub source: String,
    /// The baseline that the number is of; when left out, it is of the cells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub baseline: Option<ExpectedBaseline>,
    /// The metric as records name it, such as `test_accuracy`.
    pub metric: String,
    /// The published value.
    pub value: f64,
    /// How far the mean may be off.
    #[schemars(range(min = 0.0))]
    pub tolerance: f64,
}

/// A classifier without an embedding, or without labels, on the rows of the cells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ExpectedBaseline {
    /// The most frequent class.
    Majority,
    /// The frequencies of the classes.
    Prior,
    /// TF-IDF under logistic regression.
    TfidfLr,
    /// Multinomial naive Bayes.
    NaiveBayes,
    /// NB-SVM.
    NbSvm,
    /// The class whose name is nearest by the vectors of the cells' embedding.
    ZeroLabel,
}

impl ExpectedBaseline {
    /// Returns the name in records.
    fn name(self) -> &'static str {
        match self {
            Self::Majority => "majority",
            Self::Prior => "prior",
            Self::TfidfLr => "tfidf_lr",
            Self::NaiveBayes => "naive_bayes",
            Self::NbSvm => "nb_svm",
            Self::ZeroLabel => "zero_label",
        }
    }

    /// Returns whether the baseline depends on the value of an axis.
    fn depends_on(self, axis: &str) -> bool {
        let on_rows = axis == "data" || axis.starts_with("data.");
        let on_vectors = axis == "embedding" || axis.starts_with("embedding.");
        on_rows || (self == Self::ZeroLabel && on_vectors)
    }

    /// Returns the value of a metric on each set of rows; `None` if one lacks it, or a cell failed, so that its rows aren't known.
    fn values(self, summary: &Summary, metric: &str) -> Option<Vec<f64>> {
        let rows = |cell: &Cell| Some(cell.outcome.as_ref()?.digests.data.clone());
        let all: BTreeSet<_> = summary.cells.iter().map(rows).collect::<Option<_>>()?;
        let value = |of_rows: &Baselines| {
            let found = of_rows.baselines.iter().find(|baseline| baseline.name == self.name())?;
            found.metrics.get(metric).copied()
        };
        let known = summary.baselines.iter().filter(|of_rows| all.contains(&of_rows.data));
        let values: Vec<f64> = known.map(value).collect::<Option<_>>()?;
        (values.len() == all.len()).then_some(values)
    }
}

impl Expect {
    pub(super) fn faults(&self) -> Vec<Fault> {
        let mut faults = Vec::new();
        if !expected_metrics().any(|metric| metric == self.metric) {
            let message = format!("`{}` is no metric of validation or test rows", short(&self.metric));
            let known: Vec<String> = expected_metrics().collect();
            let nearest = suggest::nearest(&self.metric, known.iter().map(String::as_str));
            let hint = nearest
                .map_or_else(|| "use one such as `test_accuracy`".to_owned(), |name| format!("did you mean `{name}`?"));
            faults.push(Fault::new("expect.metric", message, hint));
        }
        for (key, number, is_sound) in
            [("value", self.value, self.value.is_finite()), ("tolerance", self.tolerance, self.tolerance >= 0.0)]
        {
            if !(number.is_finite() && is_sound) {
                let message = format!("{number} is no {key} of a published number");
                faults.push(Fault::new(format!("expect.{key}"), message, "use a finite number, such as 0.01"));
            }
        }
        faults
    }

    /// Reports an axis that makes several settings, which one number can't be of.
    pub(crate) fn axis_fault<'a>(&self, mut axes: impl Iterator<Item = (&'a str, usize)>) -> Option<Fault> {
        let makes_settings = |axis: &str| {
            ReplicateAxis::of(axis).is_none() && self.baseline.is_none_or(|baseline| baseline.depends_on(axis))
        };
        let (axis, _) = axes.find(|(axis, values)| *values > 1 && makes_settings(axis))?;
        let message =
            format!("a published number is of one setting, and the grid compares several by `{}`", short(axis));
        let hint = "leave one value of the axis, or make a pipeline file of its own";
        Some(Fault::new("expect", message, hint).related_to("grid"))
    }

    /// Returns what the cells of a run, or the baseline on their rows, came to.
    pub(crate) fn outcome(&self, summary: &Summary) -> Expected {
        let value = |cell: &Cell| cell.outcome.as_ref()?.metrics.get(&self.metric).copied();
        let values: Option<Vec<f64>> = match self.baseline {
            Some(baseline) => baseline.values(summary, &self.metric),
            None => summary.cells.iter().map(value).collect(),
        };
        let values = values.filter(|values| values.iter().all(|value| value.is_finite()));
        let mean = values.as_deref().filter(|values| !values.is_empty()).map(emberline_statistics::mean);
        let variance = values.as_deref().and_then(emberline_statistics::variance);
        Expected {
            source: self.source.clone(),
            baseline: self.baseline.map(|baseline| baseline.name().to_owned()),
            metric: self.metric.clone(),
            value: self.value,
            tolerance: self.tolerance,
            mean,
            standard_deviation: variance.map(f64::sqrt),
            cells: values.as_deref().map_or(summary.cells.len(), <[f64]>::len),
            holds: mean.is_some_and(|mean| (mean - self.value).abs() <= self.tolerance),
        }
    }
}

/// Returns the names of the metrics that `[expect]` may name.
fn expected_metrics() -> impl Iterator<Item = String> {
    let comparable = || Metric::ALL.into_iter().filter(|metric| metric.is_comparable());
    ["val", "test"].into_iter().flat_map(move |split| comparable().map(move |metric| format!("{split}_{metric}")))
}
