//! Axes of a chart: the range of values, round ticks, and the position of a value.

/// The scale of an axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scale {
    /// A linear scale.
    Linear,
    /// A logarithmic scale; only for positive values.
    Logarithmic,
}

/// One axis of a chart.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Axis {
    /// The value at the start of the axis.
    pub(crate) low: f64,
    /// The value at the end of the axis.
    pub(crate) high: f64,
    /// The values of the ticks.
    pub(crate) ticks: Vec<f64>,
    scale: Scale,
    decimals: usize,
}

impl Axis {
    /// Creates a linear axis over `low..=high` with about `count` round ticks; `whole` restricts them to integers.
    pub(crate) fn linear(low: f64, high: f64, count: usize, whole: bool) -> Self {
        let (low, high) = if high > low { (low, high) } else { widened(low) };
        let mut step = round_step((high - low) / count.max(1) as f64);
        if whole {
            step = step.max(1.0);
        }
        let first = (low / step - 1e-9).ceil();
        let ticks = (0..=2 * count.max(1)).map(|index| (first + index as f64) * step);
        let ticks = ticks.filter(|tick| *tick <= high + step * 1e-9).collect();
        let decimals = if step >= 1.0 { 0 } else { (-(step.log10() + 1e-9).floor()).min(12.0) as usize };
        Self { low, high, ticks, scale: Scale::Linear, decimals }
    }

    /// Creates an axis over the epochs from 1 to `last`, with a small margin at both ends for markers.
    pub(crate) fn epochs(last: f64) -> Self {
        let last = last.max(2.0);
        let margin = 0.02 * (last - 1.0);
        let mut axis = Self::linear(1.0 - margin, last + margin, 8, true);
        axis.ticks.retain(|tick| *tick >= 1.0);
        if axis.ticks.first().is_none_or(|tick| axis.place(*tick) - axis.place(1.0) > 0.05) {
            axis.ticks.insert(0, 1.0);
        }
        axis
    }

    /// Creates a logarithmic axis with ticks at the given values, in ascending order; ticks that would overlap are left out.
    pub(crate) fn logarithmic(values: &[f64]) -> Self {
        let low = values.iter().copied().fold(f64::INFINITY, f64::min).max(f64::MIN_POSITIVE);
        let high = values.iter().copied().fold(low, f64::max);
        let margin = ((high / low).ln() * 0.06).exp().max(1.05);
        let mut axis =
            Self { low: low / margin, high: high * margin, ticks: Vec::new(), scale: Scale::Logarithmic, decimals: 0 };
        for &value in values {
            let free = axis.ticks.last().is_none_or(|last| axis.place(value) - axis.place(*last) > 0.07);
            if free {
                axis.ticks.push(value);
            }
        }
        axis
    }

    /// Creates the axis of a share, from 0 to 1.
    pub(crate) fn share() -> Self {
        Self::linear(0.0, 1.0, 5, false)
    }

    /// Returns whether the scale is logarithmic.
    pub(crate) fn is_logarithmic(&self) -> bool {
        self.scale == Scale::Logarithmic
    }

    /// Returns the position of a value on the axis: 0 at the start, 1 at the end.
    pub(crate) fn place(&self, value: f64) -> f64 {
        match self.scale {
            Scale::Linear => (value - self.low) / (self.high - self.low),
            Scale::Logarithmic => (value / self.low).ln() / (self.high / self.low).ln(),
        }
    }

    /// Returns the label of a tick.
    pub(crate) fn label(&self, tick: f64) -> String {
        let decimals = self.decimals;
        let text = if tick.abs() >= 1e6 { format!("{tick:.1e}") } else { format!("{tick:.decimals$}") };
        if text.trim_start_matches(['-', '0', '.']).is_empty() {
            text.replace('-', "")
        } else {
            text.replace('-', "−")
        }
    }
}

/// Returns a range around a single value.
fn widened(value: f64) -> (f64, f64) {
    let half = if value == 0.0 { 0.5 } else { value.abs() * 0.05 };
    (value - half, value + half)
}

/// Rounds a step to the nearest of 1, 2, 5, 10, 20, 50, ...
fn round_step(step: f64) -> f64 {
    let power = 10_f64.powf(step.log10().floor());
    let factor = match step / power {
        ..1.5 => 1.0,
        ..3.0 => 2.0,
        ..7.0 => 5.0,
        _ => 10.0,
    };
    factor * power
}

/// Returns the range to show: that of all finite values or, if a few outliers are far above the rest (as after a fit has
/// diverged), up to a little above the rest. The last value tells whether values are cut off.
pub(crate) fn range(values: &[f64]) -> Option<(f64, f64, bool)> {
    let mut sorted: Vec<f64> =
        values.iter().copied().filter(|value| value.is_finite() && value.abs() < 1e100).collect();
    sorted.sort_by(f64::total_cmp);
    let (low, high) = (*sorted.first()?, *sorted.last()?);
    let most = sorted.get(sorted.len() * 9 / 10).copied().unwrap_or(high);
    let limit = most + 4.0 * (most - low);
    if most > low && high > limit { Some((low, limit, true)) } else { Some((low, high, sorted.len() < values.len())) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(axis: &Axis) -> Vec<String> {
        axis.ticks.iter().map(|tick| axis.label(*tick)).collect()
    }

    #[test]
    fn ticks_are_round() {
        assert_eq!(labels(&Axis::linear(0.9312, 0.9587, 5, false)), ["0.935", "0.940", "0.945", "0.950", "0.955"]);
        assert_eq!(labels(&Axis::linear(1.0, 11.0, 6, true)), ["2", "4", "6", "8", "10"]);
        assert_eq!(labels(&Axis::linear(1.0, 2.0, 6, true)), ["1", "2"]);
        assert_eq!(labels(&Axis::linear(-0.1, 0.1, 2, false)), ["−0.1", "0.0", "0.1"]);
        assert_eq!(labels(&Axis::linear(0.0, 1e-7, 2, false)).len(), 3);
    }

    #[test]
    fn epochs_start_at_the_first() {
        assert_eq!(labels(&Axis::epochs(13.0)), ["1", "2", "4", "6", "8", "10", "12"]);
        assert_eq!(labels(&Axis::epochs(100.0)), ["1", "10", "20", "30", "40", "50", "60", "70", "80", "90", "100"]);
        assert_eq!(labels(&Axis::epochs(1.0)), ["1", "2"]);
    }

    #[test]
    fn a_single_value_has_an_axis_too() {
        for value in [0.0, 0.5, -3.0, 1e20] {
            let axis = Axis::linear(value, value, 5, false);
            assert!((axis.place(value) - 0.5).abs() < 1e-9 && !axis.ticks.is_empty(), "{axis:?}");
        }
        let axis = Axis::logarithmic(&[64.0]);
        assert!((axis.place(64.0) - 0.5).abs() < 1e-9 && axis.ticks == [64.0]);
    }

    #[test]
    fn close_sizes_share_a_tick() {
        let axis = Axis::logarithmic(&[8.0, 16.0, 17.0, 128.0]);
        assert_eq!(axis.ticks, [8.0, 16.0, 128.0]);
    }

    #[test]
    fn what_diverged_does_not_flatten_the_rest() {
        let mut values: Vec<f64> = (0..50).map(|index| 0.1 + 0.01 * f64::from(index)).collect();
        assert_eq!(range(&values), Some((0.1, 0.1 + 0.01 * 49.0, false)));
        values.extend([1e6, f64::NAN]);
        let (low, high, cut) = range(&values).expect("numbers");
        assert!(low == 0.1 && high < 3.0 && cut);
        assert_eq!(range(&[f64::NAN]), None);
    }
}
