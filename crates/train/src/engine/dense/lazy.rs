//! Lazy optimiser updates: applies the steps that a table's row has missed when it is next used.
//!
//! Under Adam, a row whose gradient is 0 still moves while its first moment decays, and under momentum while its
//! velocity does. The missed steps are applied in closed form when the row is next used, so that a step costs the same
//! for every size of table.

use emberline_kernels::product::Rule;
use emberline_kernels::{Group, flat_mut};
use pulp::Simd;

use super::rule::{Adam, AnyRule};
use super::series::AdamSeries;
use crate::optimizer::StepOptimizer;

/// The steps of this epoch so far, as they affect rows without a gradient.
pub(super) struct LazyUpdate {
    kind: Kind,
    steps: usize,
}

enum Kind {
    /// Plain gradient descent: a row without a gradient stays as it is.
    None,
    /// Gradient descent with momentum: the velocity decays.
    Momentum { momentum: f64 },
    /// Adam in closed form, by its series.
    Series(AdamSeries),
    /// Adam step by step, by the rule of each step of the epoch.
    Replay(Vec<Adam>),
}

impl LazyUpdate {
    pub(super) fn new(optimizer: &StepOptimizer) -> Self {
        let adam = |beta_1: f64, beta_2: f64, epsilon: f64| {
            AdamSeries::new(beta_1, beta_2, epsilon).map_or(Kind::Replay(Vec::new()), Kind::Series)
        };
        let kind = match optimizer {
            StepOptimizer::Adam(s) => adam(s.beta_1, s.beta_2, s.epsilon),
            StepOptimizer::Adamw(s) => adam(s.beta_1, s.beta_2, s.epsilon),
            StepOptimizer::Sgd(s) if s.momentum == 0.0 => Kind::None,
            StepOptimizer::Sgd(s) => Kind::Momentum { momentum: f64::from(s.momentum as f32) },
        };
        Self { kind, steps: 0 }
    }

    /// Starts an epoch of at most `steps` steps; all rows must be up to date.
    pub(super) fn begin_epoch(&mut self, steps: usize) {
        self.steps = 0;
        match &mut self.kind {
            Kind::Series(series) => series.begin_epoch(steps),
            Kind::Replay(rules) => {
                rules.clear();
                rules.reserve(steps);
            }
            Kind::None | Kind::Momentum { .. } => {}
        }
    }

    /// Returns the number of steps since [`begin_epoch`](Self::begin_epoch).
    #[inline(always)]
    pub(super) fn steps(&self) -> usize {
        self.steps
    }

    /// Records a step that has been taken.
    #[inline(always)]
    pub(super) fn record_step(&mut self, rule: AnyRule) {
        self.steps += 1;
        match (&mut self.kind, rule) {
            (Kind::Series(series), _) => series.record_step(self.steps, f64::from(rule.rate())),
            (Kind::Replay(rules), AnyRule::Adam(adam)) => rules.push(adam),
            (Kind::Replay(_) | Kind::None | Kind::Momentum { .. }, _) => {}
        }
    }

    /// Applies to a row the steps after step `since`, up to which it is current. `row` holds its values, then the two
    /// arrays of the optimiser's state.
    #[inline(always)]
    pub(super) fn apply_skipped_steps<S: Simd>(&self, simd: S, since: usize, row: &mut [Group]) {
        if since == self.steps {
            return;
        }
        let skipped = self.steps - since;
        match &self.kind {
            Kind::None => {}
            Kind::Momentum { momentum } => SkippedMomentumSteps::new(*momentum, skipped).apply_all(simd, row),
            Kind::Series(series) => series.skipped_steps(since, skipped).apply_all(simd, row),
            Kind::Replay(rules) => {
                for rule in &rules[since..] {
                    apply_zero_gradient(simd, *rule, row);
                }
            }
        }
    }
}

/// Returns the values and the two arrays of the optimiser's state as registers.
#[inline(always)]
pub(super) fn row_registers<S: Simd>(row: &mut [Group]) -> impl Iterator<Item = [&mut S::f32s; 3]> {
    let (values, memory) = row.split_at_mut(row.len() / 3);
    let (first, second) = memory.split_at_mut(values.len());
    let [values, first, second] =
        [values, first, second].map(|groups| S::as_mut_simd_f32s(flat_mut(groups)).0.iter_mut());
    values.zip(first).zip(second).map(|((value, first), second)| [value, first, second])
}

/// Applies one step with a gradient of 0.
#[inline(always)]
fn apply_zero_gradient<S: Simd>(simd: S, rule: Adam, row: &mut [Group]) {
    for [value, first, second] in row_registers::<S>(row) {
        rule.apply(simd, simd.splat_f32s(0.0), value, first, second);
    }
}

/// Missed steps under momentum: w += u (b + b^2 + ... + b^n); u becomes b^n u.
struct SkippedMomentumSteps {
    distance: f32,
    decay: f32,
}

impl SkippedMomentumSteps {
    #[inline(always)]
    fn new(momentum: f64, skipped: usize) -> Self {
        let decay = power(momentum, skipped);
        Self { distance: (momentum * (1.0 - decay) / (1.0 - momentum)) as f32, decay: decay as f32 }
    }

    #[inline(always)]
    fn apply_all<S: Simd>(self, simd: S, row: &mut [Group]) {
        for [value, velocity, _] in row_registers::<S>(row) {
            *value = simd.mul_add_f32s(*velocity, simd.splat_f32s(self.distance), *value);
            *velocity = simd.mul_f32s(*velocity, simd.splat_f32s(self.decay));
        }
    }
}

pub(super) fn power(base: f64, exponent: usize) -> f64 {
    base.powi(exponent.min(i32::MAX as usize) as i32)
}

#[cfg(test)]
mod tests {
    use emberline_base::Substream;
    use emberline_kernels::LANES;
    use pulp::Scalar;

    use super::*;
    use crate::settings::{Adam as Settings, Sgd};

    const STEPS: u32 = 500;
    const ROWS: usize = 12;

    /// A row's values and optimiser state, in 64 bits, as if every step had been taken.
    type Dense = [[f64; LANES]; 3];

    fn dense_step(optimizer: &StepOptimizer, step: u32, rate: f64, gradient: &Group, row: &mut Dense) {
        let [values, first, second] = row;
        for lane in 0..LANES {
            let g = f64::from(gradient[lane]);
            match optimizer {
                StepOptimizer::Adam(s) => {
                    let rate = f64::from(crate::optimizer::scaled_rate(rate, s.beta_1, s.beta_2, step));
                    first[lane] = first[lane] * f64::from(s.beta_1 as f32) + g * (1.0 - s.beta_1);
                    second[lane] = second[lane] * f64::from(s.beta_2 as f32) + g * g * (1.0 - s.beta_2);
                    values[lane] -= rate * first[lane] / (second[lane].sqrt() + s.epsilon);
                }
                StepOptimizer::Sgd(s) => {
                    first[lane] = first[lane] * f64::from(s.momentum as f32) - g * rate;
                    values[lane] += first[lane];
                }
                StepOptimizer::Adamw(_) => unreachable!("not tested here"),
            }
        }
    }

    /// Updates rows at random, some often and some rarely; the learning rate falls at two thirds. Replayed steps must
    /// give what every step would have given, bit for bit; steps in closed form must be nearer to the 64-bit result.
    fn check(optimizer: &StepOptimizer, series: bool) {
        let mut stream = Substream::new(11, "touches");
        let mut lazy = LazyUpdate::new(optimizer);
        assert_eq!(matches!(lazy.kind, Kind::Series(_)), series, "{optimizer:?}");
        lazy.begin_epoch(STEPS as usize);
        let mut ours = [[Group([0.5; LANES]), Group::ZEROS, Group::ZEROS]; ROWS];
        let mut dense = [[[0.5; LANES]; 3]; ROWS];
        let mut stepwise = ours;
        dense.iter_mut().for_each(|row| row[1..].fill([0.0; LANES]));
        let mut since = [0; ROWS];
        for step in 1..=STEPS {
            let learning_rate = if step < 333 { 1e-2 } else { 1e-3 };
            let rule = AnyRule::of(optimizer, learning_rate, step);
            for row in 0..ROWS {
                let mut gradient = Group::ZEROS;
                if stream.unit() < 0.5f32.powi(row as i32) {
                    // From 1 to 1e-8: also where the square root is comparable with epsilon.
                    gradient.0 = std::array::from_fn(|lane| stream.symmetric(1.0) * 0.3f32.powi(lane as i32));
                    lazy.apply_skipped_steps(Scalar::new(), since[row], &mut ours[row]);
                    update(rule, &gradient, &mut ours[row]);
                    since[row] = step as usize;
                }
                update(rule, &gradient, &mut stepwise[row]);
                dense_step(optimizer, step, learning_rate, &gradient, &mut dense[row]);
            }
            lazy.record_step(rule);
        }
        for row in 0..ROWS {
            lazy.apply_skipped_steps(Scalar::new(), since[row], &mut ours[row]);
            match lazy.kind {
                Kind::Replay(_) => assert_eq!(ours[row], stepwise[row], "{optimizer:?}, row {row}"),
                _ => compare(&format!("{optimizer:?}, row {row}"), &ours[row], &stepwise[row], &dense[row]),
            }
        }
    }

    fn update(rule: AnyRule, gradient: &Group, row: &mut [Group; 3]) {
        let arrays = row.each_mut();
        match rule {
            AnyRule::Adam(adam) => adam.apply_all(Scalar::new(), &**gradient, arrays),
            AnyRule::Sgd(sgd) => sgd.apply_all(Scalar::new(), &**gradient, arrays),
        }
    }

    /// Accepts 1e-6 in addition to the error of 500 steps of 32 bits.
    fn compare(what: &str, ours: &[Group; 3], stepwise: &[Group; 3], dense: &Dense) {
        let off = |row: &[Group; 3], lane: usize| (f64::from(row[0][lane]) - dense[0][lane]).abs();
        let rounding = (0..LANES).map(|lane| off(stepwise, lane)).fold(0.0, f64::max);
        for (lane, value) in dense[0].iter().enumerate() {
            let allowed = 1e-6 * value.abs().max(1.0) + rounding;
            assert!(off(ours, lane) < allowed, "{what}, {lane}: off by {}, not {allowed}", off(ours, lane));
        }
    }

    #[test]
    fn rows_are_where_every_step_would_have_moved_them() {
        let adam =
            |beta_1, beta_2, epsilon| StepOptimizer::Adam(Settings { learning_rate: 1e-2, beta_1, beta_2, epsilon });
        for epsilon in [1e-7, 1e-3, 1.0] {
            check(&adam(0.9, 0.999, epsilon), true);
            check(&adam(0.9, 0.99, epsilon), true);
            check(&adam(0.5, 0.999, epsilon), true);
        }
        check(&adam(0.0, 0.999, 1e-7), true);
        check(&adam(0.9, 0.5, 1e-7), false);
        check(&adam(0.99, 0.9, 1e-3), false);
        for momentum in [0.0, 0.9, 0.99] {
            check(&StepOptimizer::Sgd(Sgd { learning_rate: 1e-2, momentum }), false);
        }
    }

    #[test]
    fn the_movement_of_skipped_steps_is_right_within_32_bit_rounding() {
        // One row, updated once, against the same optimiser in 64 bits: this measures the movement itself.
        let optimizer = StepOptimizer::Adam(Settings::default());
        let mut lazy = LazyUpdate::new(&optimizer);
        lazy.begin_epoch(300);
        let mut ours = [Group::ZEROS; 3];
        let mut dense = [[0.0; LANES]; 3];
        for step in 1..=300 {
            let rule = AnyRule::of(&optimizer, 1e-3, step);
            let gradient =
                if step == 1 { Group(std::array::from_fn(|lane| 0.1f32.powi(lane as i32))) } else { Group::ZEROS };
            if step == 1 {
                update(rule, &gradient, &mut ours);
            }
            dense_step(&optimizer, step, 1e-3, &gradient, &mut dense);
            lazy.record_step(rule);
        }
        lazy.apply_skipped_steps(Scalar::new(), 1, &mut ours);
        for lane in 0..LANES {
            let relative = f64::from(ours[0][lane]) / dense[0][lane] - 1.0;
            assert!(relative.abs() < 1e-6, "{lane}: {relative}");
        }
    }
}
