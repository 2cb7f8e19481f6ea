//! `[expect]`: a published number that the cells of a pipeline must come to, on average.

use emberline_base::record::{self, Expected};
use emberline_base::{Fault, Metric, ReplicateAxis, suggest};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::name::short;

/// `[expect]`: a published number. All cells are replicates of one setting, and the mean of their metric is compared.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Expect {
    /// Where the number was published: a paper, a leaderboard and its version.
    pub source: String,
    /// The metric as records name it, such as `test_accuracy`.
    pub metric: String,
    /// The published value.
    pub value: f64,
    /// How far the mean may be off.
    #[schemars(range(min = 0.0))]
    pub tolerance: f64,
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
        let (axis, _) = axes.find(|(axis, values)| ReplicateAxis::of(axis).is_none() && *values > 1)?;
        let message =
            format!("a published number is of one setting, and the grid compares several by `{}`", short(axis));
        let hint = "leave one value of the axis, or make a pipeline file of its own";
        Some(Fault::new("expect", message, hint).related_to("grid"))
    }

    /// Returns what the cells of a run came to.
    pub(crate) fn outcome(&self, cells: &[record::Cell]) -> Expected {
        let value =
            |cell: &record::Cell| cell.outcome.as_ref()?.metrics.get(&self.metric).copied().filter(|v| v.is_finite());
        let values: Option<Vec<f64>> = cells.iter().map(value).collect();
        let mean = values.as_deref().filter(|values| !values.is_empty()).map(emberline_statistics::mean);
        let variance = values.as_deref().and_then(emberline_statistics::variance);
        Expected {
            source: self.source.clone(),
            metric: self.metric.clone(),
            value: self.value,
            tolerance: self.tolerance,
            mean,
            standard_deviation: variance.map(f64::sqrt),
            cells: cells.len(),
            holds: mean.is_some_and(|mean| (mean - self.value).abs() <= self.tolerance),
        }
    }
}

/// Returns the names of the metrics that `[expect]` may name.
fn expected_metrics() -> impl Iterator<Item = String> {
    let comparable = || Metric::ALL.into_iter().filter(|metric| metric.is_comparable());
    ["val", "test"].into_iter().flat_map(move |split| comparable().map(move |metric| format!("{split}_{metric}")))
}
