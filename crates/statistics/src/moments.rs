//! Mean and variance of a sample.
//!
//! Numbers enter and leave. Both functions are written for small samples: the scores of some splits, or some thousand draws
//! of a bootstrap.

/// Returns the mean; not a number if there are no values.
///
/// A second pass takes away the rounding of the first, so that the mean of equal values is that value.
pub fn mean(values: &[f64]) -> f64 {
    let count = values.len() as f64;
    let first = values.iter().sum::<f64>() / count;
    if !first.is_finite() {
        return first;
    }
    first + values.iter().map(|value| value - first).sum::<f64>() / count
}

/// Returns the variance of the sample, with the divisor n - 1; none if there are fewer than two values.
pub fn variance(values: &[f64]) -> Option<f64> {
    let centre = mean(values);
    let squares: f64 = values.iter().map(|value| (value - centre).powi(2)).sum();
    (values.len() >= 2).then(|| squares / (values.len() - 1) as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_of_a_sample() {
        assert!((mean(&[1.0, 2.0, 4.0]) - 7.0 / 3.0).abs() < 1e-15);
        assert!((variance(&[1.0, 2.0, 4.0]).expect("three values") - 7.0 / 3.0).abs() < 1e-15);
        assert!(mean(&[]).is_nan() && mean(&[1.0, f64::NAN]).is_nan());
        assert_eq!((variance(&[]), variance(&[1.0])), (None, None));
        assert_eq!(variance(&[0.1; 7]), Some(0.0));
    }
}
