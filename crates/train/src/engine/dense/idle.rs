//! What the steps of an epoch do to rows of a table that they don't touch.
//!
//! Under Adam, a row whose gradient is 0 still moves while its mean decays, and under momentum while its velocity does. A
//! row is brought up to date when it is next touched; in closed form, so that a step costs the same for every size of table.

use pulp::Simd;

use super::panels::{Group, flat_mut};
use super::rule::{Adam, AnyRule, Rule};
use super::series::Series;
use crate::settings::Optimizer;

/// The steps of this epoch so far, as rows that weren't touched see them.
pub(super) struct Idle {
    kind: Kind,
    steps: usize,
}

enum Kind {
    /// A row stays where it is.
    Still,
    /// Momentum: the velocity decays.
    Coasting { momentum: f64 },
    /// Adam, by its series.
    Series(Series),
    /// Adam, by the rules of the steps, one after another.
    Replay(Vec<Adam>),
}

impl Idle {
    pub(super) fn new(optimizer: &Optimizer) -> Self {
        let adam = |beta_1: f64, beta_2: f64, epsilon: f64| {
            Series::new(beta_1, beta_2, epsilon).map_or(Kind::Replay(Vec::new()), Kind::Series)
        };
        let kind = match optimizer {
            Optimizer::Adam(s) => adam(s.beta_1, s.beta_2, s.epsilon),
            Optimizer::Adamw(s) => adam(s.beta_1, s.beta_2, s.epsilon),
            Optimizer::Sgd(s) if s.momentum == 0.0 => Kind::Still,
            Optimizer::Sgd(s) => Kind::Coasting { momentum: f64::from(s.momentum as f32) },
        };
        Self { kind, steps: 0 }
    }

    /// An epoch of at most so many steps begins; all rows are up to date.
    pub(super) fn begin(&mut self, steps: usize) {
        self.steps = 0;
        match &mut self.kind {
            Kind::Series(series) => series.begin(steps),
            Kind::Replay(rules) => {
                rules.clear();
                rules.reserve(steps);
            }
            Kind::Still | Kind::Coasting { .. } => {}
        }
    }

    /// The steps since [`begin`](Self::begin).
    #[inline(always)]
    pub(super) fn steps(&self) -> usize {
        self.steps
    }

    /// A step has been taken.
    #[inline(always)]
    pub(super) fn advance(&mut self, rule: AnyRule) {
        self.steps += 1;
        match (&mut self.kind, rule) {
            (Kind::Series(series), _) => series.advance(self.steps, f64::from(rule.rate())),
            (Kind::Replay(rules), AnyRule::Adam(adam)) => rules.push(adam),
            (Kind::Replay(_) | Kind::Still | Kind::Coasting { .. }, _) => {}
        }
    }

    /// Brings a row up to date that is as it was after step `since`; `cells` holds its values, then the optimiser's two
    /// arrays.
    #[inline(always)]
    pub(super) fn catch_up<S: Simd>(&self, simd: S, since: usize, cells: &mut [Group]) {
        if since == self.steps {
            return;
        }
        let missed = self.steps - since;
        match &self.kind {
            Kind::Still => {}
            Kind::Coasting { momentum } => Coast::new(*momentum, missed).apply_all(simd, cells),
            Kind::Series(series) => series.missed(since, missed).apply_all(simd, cells),
            Kind::Replay(rules) => {
                for rule in &rules[since..] {
                    replay(simd, *rule, cells);
                }
            }
        }
    }
}

/// Values and the optimiser's two arrays, as registers.
#[inline(always)]
pub(super) fn registers<S: Simd>(cells: &mut [Group]) -> impl Iterator<Item = [&mut S::f32s; 3]> {
    let (values, memory) = cells.split_at_mut(cells.len() / 3);
    let (first, second) = memory.split_at_mut(values.len());
    let [values, first, second] =
        [values, first, second].map(|groups| S::as_mut_simd_f32s(flat_mut(groups)).0.iter_mut());
    values.zip(first).zip(second).map(|((value, first), second)| [value, first, second])
}

/// A step with a gradient of 0.
#[inline(always)]
fn replay<S: Simd>(simd: S, rule: Adam, cells: &mut [Group]) {
    for [value, first, second] in registers::<S>(cells) {
        rule.apply(simd, simd.splat_f32s(0.0), value, first, second);
    }
}

/// Steps under momentum: w += u (b + b^2 + ... + b^n); u becomes b^n u.
struct Coast {
    distance: f32,
    decay: f32,
}

impl Coast {
    #[inline(always)]
    fn new(momentum: f64, missed: usize) -> Self {
        let decay = power(momentum, missed);
        Self { distance: (momentum * (1.0 - decay) / (1.0 - momentum)) as f32, decay: decay as f32 }
    }

    #[inline(always)]
    fn apply_all<S: Simd>(self, simd: S, cells: &mut [Group]) {
        for [value, velocity, _] in registers::<S>(cells) {
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
    use pulp::Scalar;

    use super::super::panels::LANES;
    use super::*;
    use crate::settings::{Adam as Settings, Sgd};

    const STEPS: u32 = 500;
    const ROWS: usize = 12;

    /// A row's values and the two arrays of its memory, in 64 bits, as if every step had been taken.
    type Dense = [[f64; LANES]; 3];

    fn dense_step(optimizer: &Optimizer, step: u32, rate: f64, gradient: &Group, cells: &mut Dense) {
        let [values, first, second] = cells;
        for lane in 0..LANES {
            let g = f64::from(gradient[lane]);
            match optimizer {
                Optimizer::Adam(s) => {
                    let rate = f64::from(crate::optimizer::scaled_rate(rate, s.beta_1, s.beta_2, step));
                    first[lane] = first[lane] * f64::from(s.beta_1 as f32) + g * (1.0 - s.beta_1);
                    second[lane] = second[lane] * f64::from(s.beta_2 as f32) + g * g * (1.0 - s.beta_2);
                    values[lane] -= rate * first[lane] / (second[lane].sqrt() + s.epsilon);
                }
                Optimizer::Sgd(s) => {
                    first[lane] = first[lane] * f64::from(s.momentum as f32) - g * rate;
                    values[lane] += first[lane];
                }
                Optimizer::Adamw(_) => unreachable!("not tested here"),
            }
        }
    }

    /// Random touches, some rows often and some hardly ever; the step size falls at two thirds. What is replayed is what every
    /// step would have given, bit for bit; what is in closed form is nearer to the 64 bits.
    fn check(optimizer: &Optimizer, series: bool) {
        let mut stream = Substream::new(11, "touches");
        let mut idle = Idle::new(optimizer);
        assert_eq!(matches!(idle.kind, Kind::Series(_)), series, "{optimizer:?}");
        idle.begin(STEPS as usize);
        let mut ours = [[Group([0.5; LANES]), Group::ZEROS, Group::ZEROS]; ROWS];
        let mut dense = [[[0.5; LANES]; 3]; ROWS];
        let mut narrow = ours;
        dense.iter_mut().for_each(|cells| cells[1..].fill([0.0; LANES]));
        let mut since = [0; ROWS];
        for step in 1..=STEPS {
            let learning_rate = if step < 333 { 1e-2 } else { 1e-3 };
            let rule = AnyRule::of(optimizer, learning_rate, step);
            for row in 0..ROWS {
                let mut gradient = Group::ZEROS;
                if stream.unit() < 0.5f32.powi(row as i32) {
                    // From 1 to 1e-8: where the root is beside epsilon, too.
                    gradient.0 = std::array::from_fn(|lane| stream.symmetric(1.0) * 0.3f32.powi(lane as i32));
                    idle.catch_up(Scalar::new(), since[row], &mut ours[row]);
                    touch(rule, &gradient, &mut ours[row]);
                    since[row] = step as usize;
                }
                touch(rule, &gradient, &mut narrow[row]);
                dense_step(optimizer, step, learning_rate, &gradient, &mut dense[row]);
            }
            idle.advance(rule);
        }
        for row in 0..ROWS {
            idle.catch_up(Scalar::new(), since[row], &mut ours[row]);
            match idle.kind {
                Kind::Replay(_) => assert_eq!(ours[row], narrow[row], "{optimizer:?}, row {row}"),
                _ => compare(&format!("{optimizer:?}, row {row}"), &ours[row], &narrow[row], &dense[row]),
            }
        }
    }

    fn touch(rule: AnyRule, gradient: &Group, cells: &mut [Group; 3]) {
        let arrays = cells.each_mut();
        match rule {
            AnyRule::Adam(adam) => adam.apply_all(Scalar::new(), &**gradient, arrays),
            AnyRule::Sgd(sgd) => sgd.apply_all(Scalar::new(), &**gradient, arrays),
        }
    }

    /// Within 1e-6, beyond what 500 steps of 32 bits are off by themselves.
    fn compare(what: &str, ours: &[Group; 3], narrow: &[Group; 3], dense: &Dense) {
        let off = |cells: &[Group; 3], lane: usize| (f64::from(cells[0][lane]) - dense[0][lane]).abs();
        let rounding = (0..LANES).map(|lane| off(narrow, lane)).fold(0.0, f64::max);
        for (lane, value) in dense[0].iter().enumerate() {
            let allowed = 1e-6 * value.abs().max(1.0) + rounding;
            assert!(off(ours, lane) < allowed, "{what}, {lane}: off by {}, not {allowed}", off(ours, lane));
        }
    }

    #[test]
    fn rows_are_where_every_step_would_have_taken_them() {
        let adam = |beta_1, beta_2, epsilon| Optimizer::Adam(Settings { learning_rate: 1e-2, beta_1, beta_2, epsilon });
        for epsilon in [1e-7, 1e-3, 1.0] {
            check(&adam(0.9, 0.999, epsilon), true);
            check(&adam(0.9, 0.99, epsilon), true);
            check(&adam(0.5, 0.999, epsilon), true);
        }
        check(&adam(0.0, 0.999, 1e-7), true);
        check(&adam(0.9, 0.5, 1e-7), false);
        check(&adam(0.99, 0.9, 1e-3), false);
        for momentum in [0.0, 0.9, 0.99] {
            check(&Optimizer::Sgd(Sgd { learning_rate: 1e-2, momentum }), false);
        }
    }

    #[test]
    fn a_missed_step_is_worth_a_32_bit_rounding_of_what_it_does() {
        // One row, touched once, against the same optimiser in 64 bits: here the movement itself is measured.
        let optimizer = Optimizer::Adam(Settings::default());
        let mut idle = Idle::new(&optimizer);
        idle.begin(300);
        let mut ours = [Group::ZEROS; 3];
        let mut dense = [[0.0; LANES]; 3];
        for step in 1..=300 {
            let rule = AnyRule::of(&optimizer, 1e-3, step);
            let gradient =
                if step == 1 { Group(std::array::from_fn(|lane| 0.1f32.powi(lane as i32))) } else { Group::ZEROS };
            if step == 1 {
                touch(rule, &gradient, &mut ours);
            }
            dense_step(&optimizer, step, 1e-3, &gradient, &mut dense);
            idle.advance(rule);
        }
        idle.catch_up(Scalar::new(), 1, &mut ours);
        for lane in 0..LANES {
            let relative = f64::from(ours[0][lane]) / dense[0][lane] - 1.0;
            assert!(relative.abs() < 1e-6, "{lane}: {relative}");
        }
    }
}
