//! A published number that a pipeline expects, and what its run came to.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// `[expect]` of a pipeline, with the mean over the cells of its run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Expected {
    /// Where the number was published.
    pub source: String,
    /// The metric, with the rows that it is of: `test_accuracy`.
    pub metric: String,
    /// The published value.
    pub value: f64,
    /// How far the mean may be off.
    pub tolerance: f64,
    /// The mean of the metric over the cells; absent if a cell failed or lacks it.
    pub mean: Option<f64>,
    /// The standard deviation over the cells (n - 1); absent for fewer than two.
    pub standard_deviation: Option<f64>,
    /// The number of cells.
    pub cells: usize,
    /// Whether the mean is within the tolerance.
    pub holds: bool,
}

impl std::fmt::Display for Expected {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { source, metric, value, tolerance, mean, standard_deviation, cells, holds } = self;
        write!(f, "{source} published a {metric} of {value}; ")?;
        let Some(mean) = mean else { return f.write_str("here it isn't known, since a cell failed or lacks it") };
        write!(f, "here it is {mean:.4}")?;
        if let Some(deviation) = standard_deviation {
            write!(f, " ± {deviation:.4} (mean ± sd of {cells} cells)")?;
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
        assert!(unknown.to_string().contains("isn't known"), "{unknown}");
    }
}
