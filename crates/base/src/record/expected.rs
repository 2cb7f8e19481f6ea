//! A published number that a pipeline expects, and what its run came to.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// `[expect]` of a pipeline, with the mean over the cells of its run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Expected {
    /// Where the number was published.
    pub source: String,
    /// The baseline that the number is of: `tfidf_lr`; absent if it is of the cells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub baseline: Option<String>,
    /// The metric, with the rows that it is of: `test_accuracy`.
    pub metric: String,
    /// The published value.
    pub value: f64,
    /// How far the mean may be off.
    pub tolerance: f64,
    /// The mean of the metric over the cells, or over the sets of rows of a baseline; absent if one failed or lacks it.
    pub mean: Option<f64>,
    /// The standard deviation over the same (n - 1); absent for fewer than two.
    pub standard_deviation: Option<f64>,
    /// The number of cells, or of sets of rows.
    pub cells: usize,
    /// Whether the mean is within the tolerance.
    pub holds: bool,
}

impl std::fmt::Display for Expected {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { source, baseline, metric, value, tolerance, mean, standard_deviation, cells, holds } = self;
        write!(f, "{source} published a {metric} of {value}; ")?;
        let here =
            baseline.as_ref().map_or("here it".to_owned(), |baseline| format!("here that of the baseline {baseline}"));
        let (lacking, many) = if baseline.is_some() { (" it", "sets of rows") } else { ("", "cells") };
        let Some(mean) = mean else { return write!(f, "{here} isn't known, since a cell failed or{lacking} lacks it") };
        write!(f, "{here} is {mean:.4}")?;
        if let Some(deviation) = standard_deviation {
            write!(f, " ± {deviation:.4} (mean ± sd of {cells} {many})")?;
        }
        let within = if *holds { "within" } else { "outside" };
        write!(f, ", {within} the tolerance of {tolerance}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_reads_like_this() {
        let expected = Expected {
            source: "mteb 1.12.75".to_owned(),
            baseline: None,
            metric: "test_accuracy".to_owned(),
            value: 0.8004,
            tolerance: 0.01,
            mean: Some(0.79905),
            standard_deviation: Some(0.0081),
            cells: 10,
            holds: true,
        };
        let text = "mteb 1.12.75 published a test_accuracy of 0.8004; here it is 0.7991 ± 0.0081 (mean ± sd of 10 cells), within the \
                    tolerance of 0.01";
        assert_eq!(expected.to_string(), text);
        let unknown = Expected { mean: None, holds: false, ..expected };
        assert!(unknown.to_string().ends_with("here it isn't known, since a cell failed or lacks it"), "{unknown}");
        let of_baseline = Expected { baseline: Some("tfidf_lr".to_owned()), mean: Some(0.86), ..unknown };
        let text = "here that of the baseline tfidf_lr is 0.8600 ± 0.0081 (mean ± sd of 10 sets of rows), outside the tolerance of 0.01";
        assert!(of_baseline.to_string().ends_with(text), "{of_baseline}");
    }
}
