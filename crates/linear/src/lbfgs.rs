//! The L-BFGS method (Liu and Nocedal, "On the limited memory BFGS method for large scale optimization", 1989) for convex
//! functions.

use std::collections::VecDeque;

use crate::line_search::{Point, search};
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

/// Minimises a convex function from `point` on, which is then the minimum. `evaluate` writes the gradient at a point and
/// returns the value there. `goes_on` is asked before every iteration; none is returned when it says no.
pub(crate) fn minimise(
    point: &mut Vec<f64>,
    limits: Limits,
    mut evaluate: impl FnMut(&[f64], &mut [f64]) -> f64,
    mut goes_on: impl FnMut(&Convergence) -> bool,
) -> Option<Convergence> {
    let mut gradient = vec![0.0; point.len()];
    let value = evaluate(point, &mut gradient);
    let largest = largest_magnitude(&gradient);
    let mut state =
        Convergence { converged: false, iterations: 0, evaluations: 1, gradient: largest, objective: value };
    let mut steps: VecDeque<Step> = VecDeque::with_capacity(MEMORY);
    let (mut next, mut next_gradient) = (point.clone(), gradient.clone());
    loop {
        // Not `<=` the other way round: a gradient that is NaN never converges.
        state.converged = state.gradient <= limits.tolerance;
        if state.converged || state.iterations >= limits.max_iterations {
            return Some(state);
        }
        if !goes_on(&state) {
            return None;
        }
        let direction = direction(&gradient, &steps);
        let start = Point { step: 0.0, value: state.objective, slope: dot(&gradient, &direction) };
        let first_step = if steps.is_empty() { (1.0 / dot(&gradient, &gradient).sqrt()).min(1.0) } else { 1.0 };
        let found = search(start, first_step, |step| {
            next.copy_from_slice(point);
            add_scaled(&mut next, step, &direction);
            state.evaluations += 1;
            let value = evaluate(&next, &mut next_gradient);
            Point { step, value, slope: dot(&next_gradient, &direction) }
        });
        match found {
            Some(end) => {
                remember(&mut steps, [&*point, &next], [&gradient, &next_gradient]);
                std::mem::swap(point, &mut next);
                std::mem::swap(&mut gradient, &mut next_gradient);
                (state.objective, state.gradient) = (end.value, largest_magnitude(&gradient));
                state.iterations += 1;
            }
            // The estimate of the curvature may be spoilt by rounding: once more along the gradient alone.
            None if !steps.is_empty() => steps.clear(),
            None => return Some(state),
        }
    }
}

/// Keeps a step, in place of the oldest if there are enough; a step without curvature tells nothing.
fn remember(steps: &mut VecDeque<Step>, points: [&[f64]; 2], gradients: [&[f64]; 2]) {
    let old = if steps.len() == MEMORY { steps.pop_front() } else { None };
    let (mut point, mut gradient) = old.map_or_else(Default::default, |step| (step.point, step.gradient));
    let subtract = |target: &mut Vec<f64>, [from, to]: [&[f64]; 2]| {
        target.clear();
        target.extend(to.iter().zip(from).map(|(to, from)| to - from));
    };
    subtract(&mut point, points);
    subtract(&mut gradient, gradients);
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
}
