//! `train.schedule` and `train.clip`: how the learning rate changes from step to step, and how gradients are bounded.
//!
//! The schedules are those of Keras's `keras.optimizers.schedules`, computed in 64 bits. A step is numbered from 0, and the
//! steps of all `epochs` are planned, whether early stopping ends the fit before them or not.

use emberline_base::Fault;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How the learning rate changes from step to step.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Schedule {
    /// The rate rises linearly from 0 during the warm-up, then falls along half a cosine: Keras's `CosineDecay`.
    Cosine(Cosine),
    /// The rate is multiplied by `rate` every `steps` steps, smoothly: Keras's `ExponentialDecay`.
    Exponential(Exponential),
    /// The rate rises linearly from 0 during this share of all steps, and then stays.
    Warmup(#[schemars(extend("exclusiveMinimum" = 0.0), range(max = 1.0))] f64),
}

/// `{ warmup = 0.05 }`
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Cosine {
    /// The share of all steps during which the rate rises from 0 to the optimiser's learning rate.
    #[schemars(range(min = 0.0), extend("exclusiveMaximum" = 1.0))]
    pub warmup: f64,
    /// The rate at the end, as a share of the optimiser's learning rate.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub alpha: f64,
}

/// `{ rate = 0.96, steps = 1_000 }`
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Exponential {
    /// The factor of the rate after `steps` steps.
    #[schemars(extend("exclusiveMinimum" = 0.0), range(max = 1.0))]
    pub rate: f64,
    /// The number of steps after which the rate has been multiplied by `rate`.
    #[schemars(range(min = 1))]
    pub steps: u32,
    /// Whether the rate changes at once every `steps` steps, instead of a little at every step.
    #[serde(default)]
    pub staircase: bool,
}

/// How gradients are bounded before the optimiser uses them.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Clip {
    /// All gradients of a step are scaled down so that the root of the sum of all their squares is at most this: Keras's
    /// `global_clipnorm`.
    Norm(#[schemars(extend("exclusiveMinimum" = 0.0))] f64),
    /// Every number of every gradient is brought within this magnitude: Keras's `clipvalue`.
    Value(#[schemars(extend("exclusiveMinimum" = 0.0))] f64),
}

impl Schedule {
    /// Returns the learning rate of a step, 0 for the first of `steps`.
    pub(crate) fn learning_rate(self, initial: f64, step: u64, steps: u64) -> f64 {
        match self {
            Self::Cosine(Cosine { warmup, alpha }) => {
                let warmup = warmup_steps(warmup, steps);
                if step < warmup {
                    return initial * step as f64 / warmup as f64;
                }
                let share = (step - warmup) as f64 / (steps - warmup).max(1) as f64;
                let cosine = 0.5 * (1.0 + (std::f64::consts::PI * share.min(1.0)).cos());
                initial * ((1.0 - alpha) * cosine + alpha)
            }
            Self::Exponential(Exponential { rate, steps, staircase }) => {
                let power = step as f64 / f64::from(steps);
                initial * rate.powf(if staircase { power.floor() } else { power })
            }
            Self::Warmup(share) => match warmup_steps(share, steps) {
                warmup if step < warmup => initial * step as f64 / warmup as f64,
                _ => initial,
            },
        }
    }

    pub(super) fn faults(self) -> Vec<Fault> {
        let fault = |key: &str, value: f64, hint: &str| Fault::new(key, format!("{value} is out of range"), hint);
        let checks: Vec<(&str, f64, bool, &str)> = match self {
            Self::Cosine(Cosine { warmup, alpha }) => vec![
                (
                    "cosine.warmup",
                    warmup,
                    (0.0..1.0).contains(&warmup),
                    "use a share of the steps below 1, such as 0.05",
                ),
                ("cosine.alpha", alpha, (0.0..=1.0).contains(&alpha), "use a share of the learning rate, such as 0.1"),
            ],
            Self::Exponential(Exponential { rate, steps, .. }) => vec![
                ("exponential.rate", rate, rate > 0.0 && rate <= 1.0, "use a factor above 0, at most 1, such as 0.96"),
                ("exponential.steps", steps.into(), steps > 0, "use 1 or more, such as 1_000"),
            ],
            Self::Warmup(share) => {
                vec![("warmup", share, share > 0.0 && share <= 1.0, "use a share of the steps, such as 0.05")]
            }
        };
        let faulty = checks.into_iter().filter(|(_, _, is_valid, _)| !is_valid);
        faulty.map(|(key, value, _, hint)| fault(key, value, hint)).collect()
    }
}

/// Returns the number of steps of a warm-up: a share of all steps, rounded.
fn warmup_steps(share: f64, steps: u64) -> u64 {
    ((share * steps as f64).round() as u64).min(steps)
}

impl Clip {
    pub(super) fn faults(self) -> Vec<Fault> {
        let (key, bound) = match self {
            Self::Norm(bound) => ("norm", bound),
            Self::Value(bound) => ("value", bound),
        };
        let is_valid = bound > 0.0 && bound.is_finite();
        let hint = "use a number above 0, such as 1.0";
        (!is_valid).then(|| Fault::new(key, format!("{bound} can't bound a gradient"), hint)).into_iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Keras 3: `CosineDecay(0.0, decay_steps=8, alpha=0.1, warmup_target=0.5, warmup_steps=2)`,
    /// `ExponentialDecay(0.5, decay_steps=4, decay_rate=0.9, staircase=...)`.
    #[test]
    fn rates_are_those_of_keras() {
        let rates = |schedule: Schedule| (0..10).map(|step| schedule.learning_rate(0.5, step, 10)).collect::<Vec<_>>();
        let near = |ours: &[f64], theirs: &[f64]| {
            for (at, (ours, theirs)) in ours.iter().zip(theirs).enumerate() {
                assert!((ours - theirs).abs() < 1e-7, "step {at}: {ours} {theirs}");
            }
        };
        let cosine = rates(Schedule::Cosine(Cosine { warmup: 0.2, alpha: 0.1 }));
        near(
            &cosine,
            &[
                0.0,
                0.25,
                0.5,
                0.482_872_903_3,
                0.434_099_018_6,
                0.361_103_773_1,
                0.275,
                0.188_896_211_9,
                0.115_900_985_9,
                0.067_127_101_1,
            ],
        );
        let smooth = rates(Schedule::Exponential(Exponential { rate: 0.9, steps: 4, staircase: false }));
        near(&smooth, &[0.5, 0.487_001_866_1, 0.474_341_660_7, 0.462_010_577_3, 0.45]);
        let stairs = rates(Schedule::Exponential(Exponential { rate: 0.9, steps: 4, staircase: true }));
        near(&stairs, &[0.5, 0.5, 0.5, 0.5, 0.45, 0.45, 0.45, 0.45, 0.405]);
        near(&rates(Schedule::Warmup(0.4)), &[0.0, 0.125, 0.25, 0.375, 0.5, 0.5, 0.5]);
    }

    #[test]
    fn a_warm_up_of_every_step_and_a_single_step_are_no_division_by_zero() {
        assert_eq!(Schedule::Warmup(1.0).learning_rate(1.0, 0, 1), 0.0);
        assert_eq!(Schedule::Cosine(Cosine { warmup: 0.9, alpha: 0.0 }).learning_rate(1.0, 1, 1), 1.0);
        assert_eq!(Schedule::Cosine(Cosine::default()).learning_rate(1.0, 0, 1), 1.0);
    }

    #[test]
    fn numbers_out_of_range_are_faults() {
        let keys = |faults: Vec<Fault>| faults.into_iter().map(|fault| fault.key).collect::<Vec<_>>();
        let cosine = Schedule::Cosine(Cosine { warmup: 1.0, alpha: -0.1 });
        assert_eq!(keys(cosine.faults()), ["cosine.warmup", "cosine.alpha"]);
        let exponential = Schedule::Exponential(Exponential { rate: 0.0, steps: 0, staircase: false });
        assert_eq!(keys(exponential.faults()), ["exponential.rate", "exponential.steps"]);
        assert_eq!(keys(Schedule::Warmup(f64::NAN).faults()), ["warmup"]);
        assert_eq!(keys(Clip::Norm(0.0).faults()), ["norm"]);
        assert!(Clip::Value(0.5).faults().is_empty());
    }
}
