//! The line search of L-BFGS for convex functions: finds a step length that satisfies the Wolfe conditions.
//!
//! The slope of a convex function rises along a line, so that the sign of the slope alone tells on which side of a step the
//! minimum lies. Steps are interpolated by the cubic through values and slopes (Nocedal and Wright, "Numerical
//! Optimization", 2006, equation 3.59). Near the minimum, where differences of values drown in rounding, the decrease is
//! judged by the slope instead (Hager and Zhang, "A new conjugate gradient method with guaranteed descent", 2005,
//! condition T2).

/// A step must decrease the value by this share of the decrease that the initial slope promises.
const DECREASE: f64 = 1e-4;

/// A step must reduce the magnitude of the slope to this share of the initial slope's.
const CURVATURE: f64 = 0.9;

/// The largest number of evaluations of one search.
const MAX_EVALUATIONS: u32 = 30;

/// A point on the line: the step length, the value and the slope there.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Point {
    pub(crate) step: f64,
    pub(crate) value: f64,
    pub(crate) slope: f64,
}

/// Returns a step length that satisfies the Wolfe conditions, where `evaluate` gives the point of a step length; none if
/// there isn't any within rounding. `start` is the point of step 0, whose slope is negative. Relative differences of values
/// below `rounding` say nothing.
pub(crate) fn search(
    start: Point,
    first_step: f64,
    rounding: f64,
    mut evaluate: impl FnMut(f64) -> Point,
) -> Option<Point> {
    let (mut low, mut high): (Point, Option<Point>) = (start, None);
    let mut step = first_step;
    for _ in 0..MAX_EVALUATIONS {
        let point = evaluate(step);
        if is_acceptable(start, point, rounding) {
            return Some(point);
        }
        // A value or slope that isn't finite lies too far away.
        let before = low;
        if point.value.is_finite() && point.slope < 0.0 {
            low = point;
        } else {
            high = Some(point);
        }
        step = match high {
            Some(high) => between(low, high),
            None => extrapolated(before, low),
        };
    }
    None
}

fn is_acceptable(start: Point, point: Point, rounding: f64) -> bool {
    let is_flat = point.slope.abs() <= CURVATURE * start.slope.abs();
    let decreases = point.value <= start.value + DECREASE * point.step * start.slope;
    let is_level = point.value <= start.value + rounding * start.value.abs();
    let decreases_by_slope = is_level && point.slope <= (2.0 * DECREASE - 1.0) * start.slope;
    is_flat && (decreases || decreases_by_slope)
}

/// Returns a step length between two points, at least a tenth of their distance from either.
fn between(low: Point, high: Point) -> f64 {
    let width = high.step - low.step;
    let step = cubic_minimum(low, high).filter(|step| step.is_finite()).unwrap_or(low.step + 0.5 * width);
    step.clamp(low.step + 0.1 * width, high.step - 0.1 * width)
}

/// Returns a longer step than those of two points: where the slope is zero if it goes on to rise as between them, at least
/// 4 and at most 1,000 times as long.
fn extrapolated(before: Point, low: Point) -> f64 {
    let curvature = (low.slope - before.slope) / (low.step - before.step);
    let zero = low.step - low.slope / curvature;
    if zero > 4.0 * low.step { zero.min(1_000.0 * low.step) } else { 4.0 * low.step }
}

/// Returns the minimum of the cubic through the values and slopes of two points.
fn cubic_minimum(low: Point, high: Point) -> Option<f64> {
    if !(high.value.is_finite() && high.slope.is_finite()) {
        return None;
    }
    let width = high.step - low.step;
    let first = low.slope + high.slope - 3.0 * (high.value - low.value) / width;
    let square = first * first - low.slope * high.slope;
    let second = (square >= 0.0).then(|| square.sqrt())?;
    Some(high.step - width * (high.slope + second - first) / (high.slope - low.slope + 2.0 * second))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Finds a step for a function and its derivative.
    fn step(first: f64, value: impl Fn(f64) -> f64, slope: impl Fn(f64) -> f64) -> Option<f64> {
        let point = |step| Point { step, value: value(step), slope: slope(step) };
        search(point(0.0), first, 1e-12, point).map(|point| point.step)
    }

    #[test]
    fn a_step_that_is_good_at_once_is_kept() {
        assert_eq!(step(1.0, |t| (t - 1.0).powi(2), |t| 2.0 * (t - 1.0)), Some(1.0));
    }

    #[test]
    fn steps_that_are_too_long_or_too_short_are_mended() {
        for first in [1e-6, 1e-2, 50.0, 1e6] {
            let found = step(first, |t| (t - 3.0).powi(4), |t| 4.0 * (t - 3.0).powi(3)).expect("a step");
            assert!((0.05..6.0).contains(&found), "{first}: {found}");
        }
    }

    /// Of a parabola, the slopes at two points tell where the minimum is.
    #[test]
    fn a_far_minimum_is_found_by_the_slopes() {
        let mut evaluations = 0;
        let point = |step: f64| Point { step, value: (step - 3.0).powi(2), slope: 2.0 * (step - 3.0) };
        let count = |step| {
            evaluations += 1;
            point(step)
        };
        let found = search(point(0.0), 1e-2, 1e-12, count).expect("a step");
        assert!((found.step - 3.0).abs() < 1e-9, "{found:?}");
        assert_eq!(evaluations, 2);
    }

    #[test]
    fn an_infinite_value_is_too_far() {
        let value = |t: f64| if t < 2.0 { -(2.0 - t).ln() - 3.0 * t } else { f64::INFINITY };
        let found = step(64.0, value, |t| 1.0 / (2.0 - t) - 3.0).expect("a step");
        assert!(found < 2.0);
    }

    /// A value that is constant to the last bit: the slope decides.
    #[test]
    fn near_the_minimum_the_slope_decides() {
        assert_eq!(step(1.0, |_| 1.0, |t| 1e-15 * (t - 1.1)), Some(1.0));
        assert_eq!(step(1.0, |t| 1.0 + t, |_| -1.0), None);
    }

    /// A step that raises the value by less than rounding is judged by its slope.
    #[test]
    fn coarse_values_leave_it_to_the_slope() {
        let point = |step: f64| Point { step, value: 1.0 + 1e-8 * step, slope: step - 1.0 };
        for (rounding, is_found) in [(1e-12, false), (1e-6, true)] {
            assert_eq!(search(point(0.0), 1.0, rounding, point).is_some(), is_found);
        }
    }
}
