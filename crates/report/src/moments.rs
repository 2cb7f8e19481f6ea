//! The mean and the standard deviation of the replicates of a setting.

pub(crate) use emberline_statistics::mean;

/// Computes the sample standard deviation (with n - 1); `None` for fewer than two values.
pub(crate) fn standard_deviation(values: &[f64]) -> Option<f64> {
    emberline_statistics::variance(values).map(f64::sqrt)
}
