//! Statistics of small samples: mean, standard deviation and Student's t interval.
//!
//! The distribution function of t is the finite series of Abramowitz and Stegun, Handbook of Mathematical Functions, 26.7.3
//! and 26.7.4, which is exact for integer degrees of freedom; its inverse is computed by bisection.

use std::f64::consts::FRAC_2_PI;

/// The confidence level of the intervals in reports.
pub const CONFIDENCE_LEVEL: f64 = 0.95;

/// A mean with its confidence interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Interval {
    /// The mean of the sample.
    pub mean: f64,
    /// The lower bound.
    pub low: f64,
    /// The upper bound.
    pub high: f64,
    /// The number of values in the sample.
    pub count: usize,
}

impl Interval {
    /// Returns whether zero is outside the interval, so that a difference is significant at the confidence level.
    pub fn excludes_zero(&self) -> bool {
        self.low > 0.0 || self.high < 0.0
    }
}

/// Computes the mean; NaN if there are no values.
pub fn mean(values: &[f64]) -> f64 {
    let count = values.len() as f64;
    let first = values.iter().sum::<f64>() / count;
    if !first.is_finite() {
        return first;
    }
    // The second pass corrects the rounding error of the first.
    first + values.iter().map(|value| value - first).sum::<f64>() / count
}

/// Computes the sample standard deviation (with n - 1); `None` for fewer than two values.
pub fn standard_deviation(values: &[f64]) -> Option<f64> {
    let centre = mean(values);
    let squares: f64 = values.iter().map(|value| (value - centre).powi(2)).sum();
    (values.len() >= 2).then(|| (squares / (values.len() - 1) as f64).sqrt())
}

/// Computes the probability that |T| < `t`, where T has Student's distribution with `freedom` degrees of freedom.
fn central_probability(t: f64, freedom: usize) -> f64 {
    let angle = (t / (freedom as f64).sqrt()).atan();
    let (sine, cosine) = angle.sin_cos();
    let odd = freedom % 2 == 1;
    // Odd: 1 + 2/3 cos^2 + (2 4)/(3 5) cos^4 ..., even: 1 + 1/2 cos^2 + (1 3)/(2 4) cos^4 ...
    let (mut term, mut sum) = (1.0, 0.0);
    for index in 0..freedom / 2 {
        sum += term;
        let step = 2.0 * index as f64;
        let ratio = if odd { (step + 2.0) / (step + 3.0) } else { (step + 1.0) / (step + 2.0) };
        term *= ratio * cosine * cosine;
    }
    if odd { FRAC_2_PI * (angle + sine * cosine * sum) } else { sine * sum }
}

/// Computes the two-sided critical value of Student's distribution: |T| is below it with probability `level`, with `freedom`
/// degrees of freedom (at least 1). Example: 4.30 for a level of 0.95 and 2 degrees of freedom.
pub fn t_critical(level: f64, freedom: usize) -> f64 {
    // For more than a few thousand degrees of freedom, t equals the normal distribution in all printed digits.
    let freedom = freedom.clamp(1, 10_000);
    let (mut low, mut high) = (0.0, 1.0);
    while central_probability(high, freedom) < level && high < 1e12 {
        high *= 2.0;
    }
    for _ in 0..100 {
        let middle = f64::midpoint(low, high);
        if central_probability(middle, freedom) < level { low = middle } else { high = middle }
    }
    f64::midpoint(low, high)
}

/// Computes the t interval of the mean; `None` if there are fewer than two values, or one of them isn't finite.
pub fn t_interval(values: &[f64], level: f64) -> Option<Interval> {
    let deviation = standard_deviation(values).filter(|deviation| deviation.is_finite())?;
    let mean = mean(values);
    let half = t_critical(level, values.len() - 1) * deviation / (values.len() as f64).sqrt();
    Some(Interval { mean, low: mean - half, high: mean + half, count: values.len() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(a: f64, b: f64) -> bool {
        (a - b).abs() <= 1e-9 * b.abs().max(1.0)
    }

    /// `scipy.stats.t.ppf((1 + level) / 2, freedom)`.
    #[test]
    fn critical_values_are_those_of_the_tables() {
        let known = [
            (0.95, 1, 12.706_204_736_174_694),
            (0.95, 2, 4.302_652_729_749_462),
            (0.95, 3, 3.182_446_305_283_708),
            (0.95, 4, 2.776_445_105_197_793),
            (0.95, 9, 2.262_157_162_798_205),
            (0.95, 30, 2.042_272_456_301_237),
            (0.99, 2, 9.924_843_200_918_31),
            (0.99, 7, 3.499_483_297_350_493),
            (0.90, 5, 2.015_048_372_669_157),
        ];
        for (level, freedom, value) in known {
            assert!(close(t_critical(level, freedom), value), "{level} {freedom}: {}", t_critical(level, freedom));
        }
        assert!((t_critical(0.95, 1_000_000) - 1.959_964).abs() < 1e-3);
    }

    #[test]
    fn mean_and_deviation() {
        assert!(close(mean(&[1.0, 2.0, 4.0]), 7.0 / 3.0));
        assert!(close(standard_deviation(&[1.0, 2.0, 4.0]).expect("three values"), 1.527_525_231_651_947));
        assert!(mean(&[]).is_nan());
        assert_eq!(standard_deviation(&[]), None);
        assert_eq!(standard_deviation(&[1.0]), None);
        assert_eq!(standard_deviation(&[0.1, 0.1, 0.1]), Some(0.0));
        assert!(mean(&[1.0, f64::NAN]).is_nan() && mean(&[1.0, f64::INFINITY]).is_infinite());
    }

    /// `scipy.stats.ttest_rel([.51, .53, .52], [.50, .505, .515]).confidence_interval(.95)`.
    #[test]
    fn the_interval_of_paired_differences_is_that_of_scipy() {
        let interval =
            t_interval(&[0.51 - 0.50, 0.53 - 0.505, 0.52 - 0.515], CONFIDENCE_LEVEL).expect("three differences");
        assert_eq!(interval.count, 3);
        assert!(close(interval.mean, 0.013_333_333_333_333_3), "{interval:?}");
        assert!((interval.low + 0.012_522_391_7).abs() < 1e-9, "{interval:?}");
        assert!((interval.high - 0.039_189_058_4).abs() < 1e-9, "{interval:?}");
        assert!(!interval.excludes_zero());
    }

    #[test]
    fn nothing_is_concluded_from_one_value_or_from_no_number() {
        assert_eq!(t_interval(&[0.1], CONFIDENCE_LEVEL), None);
        assert_eq!(t_interval(&[0.1, f64::NAN], CONFIDENCE_LEVEL), None);
    }
}
