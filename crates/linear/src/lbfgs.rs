//! The L-BFGS method (Liu and Nocedal, "On the limited memory BFGS method for large scale optimization", 1989) for convex
//! functions.

use std::collections::VecDeque;

use crate::line_search::{Point, search};
use crate::objective::Precision;
use crate::vector::{add_scaled, dot, largest_magnitude, scale};

/// The number of steps that the estimate of the curvature is made from; SciPy's default.
pub(crate) const MEMORY: usize = 10;

/// How a fit ended.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Convergence {
    /// Whether the gradient's largest magnitude fell to the tolerance.
    pub converged: bool,
    /// The number of iterations, each a step along one direction.
    pub iterations: u32,
    /// The number of times that the objective and its gradient were computed.
    pub evaluations: u32,
    /// The largest magnitude of the gradient of the objective divided by the number of rows, at the end.
    pub gradient: f64,
    /// The objective divided by the number of rows, at the end.
    pub objective: f64,
}

/// When a minimisation ends.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// The largest magnitude of the gradient at which the minimum counts as found.
    pub(crate) tolerance: f64,
    pub(crate) max_iterations: u32,
}

/// One step: how the point and the gradient changed, and the reciprocal of their inner product.
struct Step {
    point: Vec<f64>,
    gradient: Vec<f64>,
    rho: f64,
}

/// A point, and the value and gradient there.
struct Place {
    point: Vec<f64>,
    value: f64,
    gradient: Vec<f64>,
}

/// A minimisation of a convex function, which may be computed in one precision after another.
pub(crate) struct Minimiser {
    /// The best place so far.
    here: Place,
    /// Space for the place that a step leads to.
    next: Place,
    steps: VecDeque<Step>,
    iterations: u32,
    evaluations: u32,
}

impl Minimiser {
    pub(crate) fn new(point: Vec<f64>) -> Self {
        let place = || Place { point: point.clone(), value: f64::NAN, gradient: vec![0.0; point.len()] };
        Self { here: place(), next: place(), steps: VecDeque::with_capacity(MEMORY), iterations: 0, evaluations: 0 }
    }

    /// Returns the best point.
    pub(crate) fn into_point(self) -> Vec<f64> {
        self.here.point
    }

    /// Goes on until the gradient is small enough, there were enough iterations, or rounding lets no step improve the value; in
    /// 32 bits, until a step improves it by no more than rounding could. `evaluate` writes the gradient at a point and returns
    /// the value there. `goes_on` is asked before every iteration; none is returned when it says no.
    pub(crate) fn run(
        &mut self,
        precision: Precision,
        limits: Limits,
        mut evaluate: impl FnMut(&[f64], &mut [f64]) -> f64,
        mut goes_on: impl FnMut(&Convergence) -> bool,
    ) -> Option<Convergence> {
        self.here.value = evaluate(&self.here.point, &mut self.here.gradient);
        self.evaluations += 1;
        loop {
            let (state, value) = (self.state(limits), self.here.value);
            if state.converged || state.iterations >= limits.max_iterations {
                return Some(state);
            }
            if !goes_on(&state) {
                return None;
            }
            match self.step(precision.rounding(), &mut evaluate) {
                true if precision.is_spent(value, self.here.value) => return Some(self.state(limits)),
                true => {}
                // The estimate of the curvature may be spoilt by rounding: once more along the gradient alone.
                false if !self.steps.is_empty() => self.steps.clear(),
                false => return Some(self.state(limits)),
            }
        }
    }

    /// Goes to a better place; returns whether there is one within rounding.
    fn step(&mut self, rounding: f64, mut evaluate: impl FnMut(&[f64], &mut [f64]) -> f64) -> bool {
        let Self { here, next, steps, evaluations, .. } = self;
        let direction = direction(&here.gradient, steps);
        let start = Point { step: 0.0, value: here.value, slope: dot(&here.gradient, &direction) };
        let length = dot(&here.gradient, &here.gradient).sqrt();
        let first_step = if steps.is_empty() { (1.0 / length).min(1.0) } else { 1.0 };
        let found = search(start, first_step, rounding, |step| {
            next.point.copy_from_slice(&here.point);
            add_scaled(&mut next.point, step, &direction);
            *evaluations += 1;
            next.value = evaluate(&next.point, &mut next.gradient);
            Point { step, value: next.value, slope: dot(&next.gradient, &direction) }
        });
        if found.is_some() {
            remember(steps, here, next);
            std::mem::swap(here, next);
            self.iterations += 1;
        }
        found.is_some()
    }

    fn state(&self, limits: Limits) -> Convergence {
        let gradient = largest_magnitude(&self.here.gradient);
        // Not `>` the other way round: a gradient that is NaN never converges.
        let converged = gradient <= limits.tolerance;
        let Self { iterations, evaluations, .. } = *self;
        Convergence { converged, iterations, evaluations, gradient, objective: self.here.value }
    }
}

/// Keeps a step, in place of the oldest if there are enough; a step without curvature tells nothing.
fn remember(steps: &mut VecDeque<Step>, from: &Place, to: &Place) {
    let old = if steps.len() == MEMORY { steps.pop_front() } else { None };
    let (mut point, mut gradient) = old.map_or_else(Default::default, |step| (step.point, step.gradient));
    let subtract = |target: &mut Vec<f64>, from: &[f64], to: &[f64]| {
        target.clear();
        target.extend(to.iter().zip(from).map(|(to, from)| to - from));
    };
    subtract(&mut point, &from.point, &to.point);
    subtract(&mut gradient, &from.gradient, &to.gradient);
    let curvature = dot(&point, &gradient);
    if curvature > f64::EPSILON * dot(&gradient, &gradient) {
        steps.push_back(Step { point, gradient, rho: 1.0 / curvature });
    }
}

/// Returns the direction of the next step: the two-loop recursion (Nocedal and Wright, algorithm 7.4).
fn direction(gradient: &[f64], steps: &VecDeque<Step>) -> Vec<f64> {
    let mut direction: Vec<f64> = gradient.iter().map(|value| -value).collect();
    let mut shares = Vec::with_capacity(steps.len());
    for step in steps.iter().rev() {
        let share = step.rho * dot(&step.point, &direction);
        add_scaled(&mut direction, -share, &step.gradient);
        shares.push(share);
    }
    if let Some(latest) = steps.back() {
        scale(&mut direction, 1.0 / (latest.rho * dot(&latest.gradient, &latest.gradient)));
    }
    for (step, share) in steps.iter().zip(shares.into_iter().rev()) {
        let correction = share - step.rho * dot(&step.gradient, &direction);
        add_scaled(&mut direction, correction, &step.point);
    }
    direction
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits { tolerance: 1e-10, max_iterations: 200 };

    fn minimise(
        point: &mut Vec<f64>,
        limits: Limits,
        evaluate: impl FnMut(&[f64], &mut [f64]) -> f64,
        goes_on: impl FnMut(&Convergence) -> bool,
    ) -> Option<Convergence> {
        let mut minimiser = Minimiser::new(std::mem::take(point));
        let end = minimiser.run(Precision::Double, limits, evaluate, goes_on);
        *point = minimiser.into_point();
        end
    }

    /// A convex function of 30 numbers whose curvatures differ by a factor of 100; its minimum is at 1, 2, 3, ...
    fn evaluate(point: &[f64], gradient: &mut [f64]) -> f64 {
        let mut value = 0.0;
        for (at, (gradient, coordinate)) in gradient.iter_mut().zip(point).enumerate() {
            let (distance, curvature) = (coordinate - (at + 1) as f64, 100_f64.powf(at as f64 / 29.0));
            // d^2 + ln cosh d
            value += 0.5 * curvature * (distance * distance + distance.cosh().ln());
            *gradient = curvature * (distance + 0.5 * distance.tanh());
        }
        value
    }

    #[test]
    fn the_minimum_is_found() {
        let mut point = vec![0.0; 30];
        let end = minimise(&mut point, LIMITS, evaluate, |_| true).expect("not interrupted");
        assert!(end.converged && end.gradient <= 1e-10 && end.iterations < 200, "{end:?}");
        assert!(point.iter().enumerate().all(|(at, value)| (value - (at + 1) as f64).abs() < 1e-9), "{point:?}");
    }

    #[test]
    fn too_few_iterations_are_no_convergence() {
        let mut point = vec![0.0; 30];
        let limits = Limits { max_iterations: 3, ..LIMITS };
        let end = minimise(&mut point, limits, evaluate, |_| true).expect("not interrupted");
        assert!(!end.converged && end.iterations == 3 && end.gradient > 1e-10);
    }

    #[test]
    fn a_minimum_at_the_start_takes_no_step() {
        let mut point: Vec<f64> = (1..=30).map(f64::from).collect();
        let end = minimise(&mut point, LIMITS, evaluate, |_| true).expect("not interrupted");
        assert!(end.converged && (end.iterations, end.evaluations) == (0, 1));
    }

    #[test]
    fn a_function_that_is_no_number_ends_without_convergence() {
        let nan = |_: &[f64], gradient: &mut [f64]| {
            gradient.fill(f64::NAN);
            f64::NAN
        };
        let end = minimise(&mut vec![0.0; 2], LIMITS, nan, |_| true).expect("not interrupted");
        assert!(!end.converged);
    }

    #[test]
    fn it_can_be_interrupted() {
        assert_eq!(minimise(&mut vec![0.0; 30], LIMITS, evaluate, |state| state.iterations < 2), None);
    }

    /// Like [`evaluate`] and 100, rounded to 32 bits.
    fn evaluate_single(point: &[f64], gradient: &mut [f64]) -> f64 {
        let rounded: Vec<f64> = point.iter().map(|&coordinate| f64::from(coordinate as f32)).collect();
        let value = evaluate(&rounded, gradient);
        gradient.iter_mut().for_each(|gradient| *gradient = f64::from(*gradient as f32));
        f64::from((100.0 + value) as f32)
    }

    #[test]
    fn what_32_bits_begin_64_bits_end() {
        let mut minimiser = Minimiser::new(vec![0.0; 30]);
        let single = minimiser.run(Precision::Single, LIMITS, evaluate_single, |_| true).expect("not interrupted");
        assert!(!single.converged && single.gradient < 1.0 && single.iterations > 5, "{single:?}");
        let end = minimiser.run(Precision::Double, LIMITS, evaluate, |_| true).expect("not interrupted");
        assert!(end.converged && end.iterations > single.iterations && end.evaluations > single.evaluations, "{end:?}");
        assert!(minimiser.here.point.iter().enumerate().all(|(at, value)| (value - (at + 1) as f64).abs() < 1e-9));
        let alone = minimise(&mut vec![0.0; 30], LIMITS, evaluate, |_| true).expect("not interrupted");
        assert!(end.iterations <= alone.iterations + 5, "the memory is kept: {end:?} {alone:?}");
    }

    /// Noise of 32 bits, such as that of very large features, or numbers that 32 bits can't hold.
    #[test]
    fn a_spoilt_beginning_spoils_no_end() {
        let mut calls = 0.0_f64;
        let noise = |point: &[f64], gradient: &mut [f64]| {
            calls += 1.0;
            let value = evaluate(point, gradient);
            gradient.iter_mut().for_each(|gradient| *gradient *= 1.0 + (100.0 * calls).sin());
            value * (1.0 + 0.01 * calls.sin())
        };
        let mut minimiser = Minimiser::new(vec![0.0; 30]);
        let limits = Limits { max_iterations: 20, ..LIMITS };
        minimiser.run(Precision::Single, limits, noise, |_| true).expect("not interrupted");
        let infinite = |_: &[f64], gradient: &mut [f64]| {
            gradient.fill(f64::INFINITY);
            f64::NAN
        };
        minimiser.run(Precision::Single, LIMITS, infinite, |_| true).expect("not interrupted");
        let end = minimiser.run(Precision::Double, LIMITS, evaluate, |_| true).expect("not interrupted");
        assert!(end.converged && end.iterations < 200, "{end:?}");
        assert!(minimiser.here.point.iter().enumerate().all(|(at, value)| (value - (at + 1) as f64).abs() < 1e-9));
    }
}
