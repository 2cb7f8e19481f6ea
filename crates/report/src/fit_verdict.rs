//! The verdict on a fit: whether it ended too early, converged or overfitted, and whether it learned more than the shares of
//! the classes. It is derived from the history of the epochs and the record of the cell alone.
//!
//! The course of the loss is judged on the validation rows, or on the training rows if there are none. With `n` epochs and the
//! lowest loss in epoch `k`:
//!
//! | verdict | condition |
//! |---|---|
//! | still improving | `epochs` ended the fit, and the last quarter of the epochs lowered the lowest loss by more than 0.2 % of it, and by more than 1 % of the whole decline since the first epoch |
//! | overfits after epoch k | the validation loss of the last epoch is more than 5 % above the lowest one, and the training loss below that of epoch k |
//! | converged | neither |
//!
//! Of the last quarter there is at least one epoch; a single epoch has no course. Both conditions of the first verdict are
//! needed: a loss that halves from 0.001 to 0.0005 means nothing beside a start at 0.7, and a loss that hovers about 0.56 has a
//! new minimum now and then. A rise below 5 % is what early stopping with some patience shows of a fit that has converged.

use emberline_base::record::{Epoch, FitEvidence, Outcome, Stop};
use emberline_base::{Metric, Scores};

/// The share of the epochs that must still have lowered the loss, as a divisor: the last quarter.
const LAST_PART: usize = 4;

/// The least decline that counts as an improvement, as a share of the lowest loss.
const LEAST_OF_LOSS: f64 = 0.002;

/// The least decline that counts as an improvement, as a share of the whole decline since the first epoch.
const LEAST_OF_DECLINE: f64 = 0.01;

/// The least rise above the lowest validation loss that counts as overfitting, as a share of it.
const LEAST_RISE: f64 = 0.05;

/// The quantile of the normal distribution for 95 % intervals.
const QUANTILE: f64 = 1.96;

/// The verdict on a fit.
#[derive(Clone, Debug, PartialEq)]
pub struct FitVerdict {
    /// The course of the loss; `None` if a single epoch was trained.
    pub course: Option<Course>,
    /// What was learned, compared with the shares of the classes; `None` if the record doesn't tell.
    pub learned: Option<Learned>,
    /// How much higher the validation loss of the best epoch is than its training loss; `None` without validation rows.
    pub gap: Option<Gap>,
}

/// The course of the loss over the epochs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Course {
    /// The loss was still falling when the last epoch allowed ended: more epochs would have improved it.
    StillImproving,
    /// The loss had stopped falling.
    Converged,
    /// After this epoch the validation loss rose while the training loss fell.
    OverfitsAfter(u32),
}

/// What was learned beyond the shares of the classes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Learned {
    /// The loss is lower than that of the shares of the classes, or not clearly different.
    Texts,
    /// One class, this one, is predicted for every validation row, and the loss isn't clearly lower than that of the shares of
    /// the classes.
    OneClass(String),
    /// The loss is clearly higher than that of the shares of the classes: the probabilities are worse than none.
    WorseThanPrior,
}

/// The difference of the validation loss and the training loss of the best epoch. The training loss is that of the steps of
/// the epoch, so it is a little higher than that of the weights after the epoch.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Gap {
    /// The difference.
    pub value: f64,
    /// The ends of its 95 % interval over validation rows; `None` if the record has no standard error of the loss.
    pub interval: Option<(f64, f64)>,
}

impl FitVerdict {
    /// Judges a fit by its record and the history of its epochs.
    pub fn of(outcome: &Outcome, history: &[Epoch]) -> Self {
        Self { course: Course::of(outcome.stopped, history), learned: Learned::of(outcome), gap: Gap::of(outcome) }
    }

    /// Returns the verdict in a few words: `still improving`, `converged; one class only`.
    pub fn words(&self) -> String {
        let course = self.course.map(|course| match course {
            Course::StillImproving => "still improving".to_owned(),
            Course::Converged => "converged".to_owned(),
            Course::OverfitsAfter(epoch) => format!("overfits after epoch {epoch}"),
        });
        let learned = match &self.learned {
            Some(Learned::OneClass(_)) => Some("one class only".to_owned()),
            Some(Learned::WorseThanPrior) => Some("worse than the class shares".to_owned()),
            Some(Learned::Texts) | None => None,
        };
        course.into_iter().chain(learned).collect::<Vec<_>>().join("; ")
    }
}

impl Course {
    /// Judges the course of the loss; `None` if there are fewer than two epochs, or a loss that isn't finite.
    pub fn of(stopped: Stop, history: &[Epoch]) -> Option<Self> {
        let training = losses(history, |epoch| Some(&epoch.train))?;
        let validation = match history.first()?.valid {
            Some(_) => Some(losses(history, |epoch| epoch.valid.as_ref())?),
            None => None,
        };
        let judged = validation.as_deref().unwrap_or(&training);
        if stopped == Stop::Epochs && is_improving(judged) {
            return Some(Self::StillImproving);
        }
        let overfits = validation.as_deref().and_then(|validation| overfits_after(validation, &training));
        Some(overfits.map_or(Self::Converged, Self::OverfitsAfter))
    }
}

/// Returns the losses of all epochs; `None` if there are fewer than two, or if one is missing or not finite.
fn losses<'e>(history: &'e [Epoch], scores: impl Fn(&'e Epoch) -> Option<&'e Scores>) -> Option<Vec<f64>> {
    let loss = |epoch| scores(epoch)?.get(&Metric::Loss).copied().filter(|loss| loss.is_finite());
    let losses: Option<Vec<f64>> = history.iter().map(loss).collect();
    losses.filter(|losses| losses.len() > 1)
}

/// Returns whether the last part of the epochs still lowered the lowest loss.
fn is_improving(losses: &[f64]) -> bool {
    let last = (losses.len() / LAST_PART).max(1);
    let lowest = |losses: &[f64]| losses.iter().copied().fold(f64::INFINITY, f64::min);
    let (before, now) = (lowest(&losses[..losses.len() - last]), lowest(losses));
    let decline = before - now;
    decline > LEAST_OF_LOSS * now.abs() && decline > LEAST_OF_DECLINE * (losses[0] - now)
}

/// Returns the epoch after which the validation loss rose while the training loss fell, if there is one.
fn overfits_after(validation: &[f64], training: &[f64]) -> Option<u32> {
    let lowest = (0..validation.len()).min_by(|&a, &b| validation[a].total_cmp(&validation[b]))?;
    let (last_validation, last_training) = (validation.last()?, training.last()?);
    let rises = last_validation - validation[lowest] > LEAST_RISE * validation[lowest].abs();
    (rises && *last_training < training[lowest]).then_some(lowest as u32 + 1)
}

impl Learned {
    /// Compares what was learned with the shares of the classes; `None` if the record has no evidence.
    pub fn of(outcome: &Outcome) -> Option<Self> {
        let FitEvidence { prior_loss, prior_gain_error, only_class, .. } = outcome.fit.as_ref()?;
        let gain = prior_loss - outcome.metrics.get("val_loss")?;
        let margin = QUANTILE * prior_gain_error;
        Some(match only_class {
            Some(class) if gain <= margin => Self::OneClass(class.clone()),
            _ if gain < -margin => Self::WorseThanPrior,
            _ => Self::Texts,
        })
    }
}

impl Gap {
    fn of(outcome: &Outcome) -> Option<Self> {
        let loss = |name: &str| outcome.metrics.get(name).copied();
        let value = loss("val_loss")? - loss("loss")?;
        let margin = outcome.fit.as_ref().map(|fit| QUANTILE * fit.val_loss_error);
        Some(Self { value, interval: margin.map(|margin| (value - margin, value + margin)) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;

    /// A loss by epoch.
    type Curve = fn(f64) -> f64;

    fn history(losses: &[(f64, Option<f64>)]) -> Vec<Epoch> {
        let scores = |loss: f64| Scores::from([(Metric::Loss, loss)]);
        let epoch = |(at, (train, valid)): (usize, &(f64, Option<f64>))| Epoch {
            epoch: at as u32 + 1,
            learning_rate: 0.1,
            seconds: 0.0,
            train: scores(*train),
            valid: valid.map(scores),
        };
        losses.iter().enumerate().map(epoch).collect()
    }

    /// Of a number of epochs, with the losses as functions of the epoch, counted from 0.
    fn course(stopped: Stop, epochs: u32, train: fn(f64) -> f64, valid: Option<fn(f64) -> f64>) -> Option<Course> {
        let losses: Vec<(f64, Option<f64>)> =
            (0..epochs).map(f64::from).map(|epoch| (train(epoch), valid.map(|valid| valid(epoch)))).collect();
        Course::of(stopped, &history(&losses))
    }

    #[test]
    fn a_loss_that_falls_to_the_end_is_still_improving() {
        let falling: fn(f64) -> f64 = |epoch| 0.1 + 0.6 * (-epoch / 10.0).exp();
        let of = |stopped, epochs, valid| course(stopped, epochs, falling, valid);
        assert_eq!(of(Stop::Epochs, 20, Some(falling)), Some(Course::StillImproving));
        assert_eq!(of(Stop::Epochs, 20, None), Some(Course::StillImproving), "judged by the training loss");
        assert_eq!(of(Stop::Epochs, 2, Some(falling)), Some(Course::StillImproving));
        assert_eq!(of(Stop::Epochs, 100, Some(falling)), Some(Course::Converged));
        assert_eq!(of(Stop::EarlyStopping, 20, Some(falling)), Some(Course::Converged), "it was no want of epochs");
        assert_eq!(of(Stop::Epochs, 1, Some(falling)), None, "one epoch has no course");
    }

    #[test]
    fn neither_tiny_losses_nor_a_bad_start_count() {
        // From 0.7 to nothing, and half of it again in every epoch: separable texts.
        let halving: fn(f64) -> f64 = |epoch| 0.7 * 0.5f64.powf(epoch);
        assert_eq!(course(Stop::Epochs, 20, halving, Some(halving)), Some(Course::Converged));
        // A start at 50; what is left to gain is a small part of the way.
        let from_far: fn(f64) -> f64 = |epoch| if epoch == 0.0 { 50.0 } else { 0.3 - 0.002 * epoch };
        assert_eq!(course(Stop::Epochs, 20, from_far, Some(from_far)), Some(Course::Converged));
        // A new minimum by a thousandth, after a short way.
        let hovering: fn(f64) -> f64 = |epoch| if epoch == 19.0 { 0.5594 } else { 0.56 + 0.04 * (-epoch).exp() };
        assert_eq!(course(Stop::Epochs, 20, hovering, Some(hovering)), Some(Course::Converged));
        let rising: fn(f64) -> f64 = |epoch| 0.5 + epoch;
        assert_eq!(course(Stop::Epochs, 9, rising, Some(rising)), Some(Course::Converged), "it never fell");
    }

    #[test]
    fn a_validation_loss_that_rises_while_the_other_falls_overfits() {
        let (falling, turning): (Curve, Curve) =
            (|epoch| 0.7 / (1.0 + epoch), |epoch| 0.3 + 0.01 * (epoch - 6.0).powi(2));
        for stopped in [Stop::Epochs, Stop::EarlyStopping] {
            assert_eq!(course(stopped, 20, falling, Some(turning)), Some(Course::OverfitsAfter(7)));
        }
        assert_eq!(course(Stop::EarlyStopping, 8, falling, Some(turning)), Some(Course::Converged), "a rise of 3 %");
        let constant: fn(f64) -> f64 = |_| 0.7;
        assert_eq!(course(Stop::Epochs, 20, constant, Some(turning)), Some(Course::Converged), "training is as bad");
    }

    #[test]
    fn losses_that_are_missing_or_no_numbers_have_no_course() {
        assert_eq!(Course::of(Stop::Epochs, &[]), None);
        assert_eq!(Course::of(Stop::Epochs, &history(&[(0.7, None), (f64::NAN, None)])), None);
        let broken = history(&[(0.7, Some(0.7)), (0.6, Some(f64::INFINITY))]);
        assert_eq!(Course::of(Stop::Epochs, &broken), None);
    }

    fn outcome(val_loss: f64, only_class: Option<&str>) -> Outcome {
        let mut outcome = sample::single().summary.cells[0].outcome.clone().expect("done");
        outcome.metrics.extend([("loss".to_owned(), 0.2), ("val_loss".to_owned(), val_loss)]);
        let only_class = only_class.map(str::to_owned);
        outcome.fit = Some(FitEvidence { val_loss_error: 0.01, prior_loss: 0.25, prior_gain_error: 0.02, only_class });
        outcome
    }

    #[test]
    fn one_class_is_a_fault_only_if_the_loss_says_so_too() {
        let learned = |val_loss, only_class| Learned::of(&outcome(val_loss, only_class));
        let one = Some(Learned::OneClass("0".to_owned()));
        assert_eq!(learned(0.25, Some("0")), one);
        assert_eq!(learned(0.22, Some("0")), one, "within 1.96 standard errors of the shares of the classes");
        assert_eq!(learned(0.20, Some("0")), Some(Learned::Texts), "the order of the probabilities tells something");
        assert_eq!(learned(0.25, None), Some(Learned::Texts));
        assert_eq!(learned(0.30, None), Some(Learned::WorseThanPrior));
        assert_eq!(learned(0.30, Some("0")), one);
        let unknown = Outcome { fit: None, ..outcome(0.25, None) };
        assert_eq!(Learned::of(&unknown), None);
    }

    #[test]
    fn the_gap_has_an_interval_if_the_record_has_an_error() {
        let outcome = outcome(0.25, None);
        let gap = Gap::of(&outcome).expect("two losses");
        let (low, high) = gap.interval.expect("an error");
        assert!((gap.value - 0.05).abs() < 1e-12 && (low - 0.0304).abs() < 1e-9 && (high - 0.0696).abs() < 1e-9);
        assert_eq!(Gap::of(&Outcome { fit: None, ..outcome }).expect("two losses").interval, None);
    }

    #[test]
    fn words_join_both_verdicts() {
        let one = Some(Learned::OneClass("0".to_owned()));
        let verdict = |course, learned| FitVerdict { course, learned, gap: None }.words();
        assert_eq!(verdict(Some(Course::StillImproving), one), "still improving; one class only");
        assert_eq!(verdict(Some(Course::OverfitsAfter(7)), Some(Learned::Texts)), "overfits after epoch 7");
        assert_eq!(verdict(None, None), "");
    }
}
