//! Detects divergence: fits that have no useful model, although their steps could be computed.
//!
//! A training loss that is NaN or infinite ends a fit at once. A learning rate that is too high may also lead to a loss
//! that is finite, such as 1e16, but that no later epoch reduces. The epoch whose weights are kept must therefore have
//!
//! 1. weights and a loss that are finite;
//! 2. a loss of at most [`FLOOR`], or of at most [`GROWTH`] times that of a model that has learned nothing.
//!
//! The loss is that of the validation rows, or of the training rows if there are none. At a loss of 1,000, correct
//! classes get a probability of e^-1000 on average, which is worse than any guess. Very long vectors (sums over
//! thousands of words) can give such a loss before the first step, though, and slow progress from there isn't
//! divergence; hence the second half of the second rule, which compares losses on the same rows. A model that has
//! learned nothing is the one with the initial weights, or the one that gives all classes the same probability (a loss
//! of ln 2 per sigmoid, of ln(classes) for a softmax: 4.34 for 77 classes), whichever is worse.

use emberline_base::number::significant;
use emberline_base::record::Epoch;
use emberline_base::{Matrix, Metric, Scores, SplitName, Task};

use crate::metric;
use crate::objective::Objective;

/// A loss of at most this is never divergence.
pub(crate) const FLOOR: f64 = 1e3;

/// A loss above this multiple of the loss of a model that has learned nothing is divergence.
const GROWTH: f64 = 100.0;

/// The kinds of divergence.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
pub enum Divergence {
    /// The loss is NaN or infinite.
    #[error(
        "training diverged: the {}loss became {loss} in epoch {epoch}; lower the learning rate ({}), or look for NaN in \
         the embedding",
        prefix(*split), significant(*learning_rate)
    )]
    NotFinite {
        /// The epoch, 1 for the first.
        epoch: u32,
        /// The split on which the loss was measured.
        split: SplitName,
        /// The loss.
        loss: f64,
        /// The learning rate of the epoch.
        learning_rate: f64,
    },
    /// While an encoder was trained on pairs, the loss or a weight became NaN or infinite.
    #[error(
        "training on pairs diverged: the loss or a weight is no finite number after step {step} of {steps}; lower \
         `encoder_learning_rate` ({})",
        significant(*learning_rate)
    )]
    Pairs {
        /// The step, 1 for the first.
        step: u32,
        /// The number of all steps.
        steps: u32,
        /// The encoder's learning rate.
        learning_rate: f64,
    },
    /// The kept weights contain NaN or infinite values.
    #[error(
        "training diverged: weights of the best epoch, {epoch}, are infinite or NaN; lower the learning rate ({})",
        significant(*learning_rate)
    )]
    Weights {
        /// The epoch, 1 for the first.
        epoch: u32,
        /// The learning rate of the epoch.
        learning_rate: f64,
    },
    /// The loss of the kept epoch is far above that of a model that has learned nothing.
    #[error(
        "training diverged: the {}loss of the best epoch, {epoch}, is {}, that of an untrained model {}; lower the \
         learning rate ({})",
        prefix(*split), significant(*loss), significant(*untrained), significant(*learning_rate)
    )]
    Grown {
        /// The epoch, 1 for the first.
        epoch: u32,
        /// The split on which the loss was measured.
        split: SplitName,
        /// The loss.
        loss: f64,
        /// The loss of a model that has learned nothing, on the same rows.
        untrained: f64,
        /// The learning rate of the epoch.
        learning_rate: f64,
    },
}

fn prefix(split: SplitName) -> &'static str {
    match split {
        SplitName::Train => "training ",
        SplitName::Valid => "validation ",
        SplitName::Test => "test ",
    }
}

/// Returns an error if the loss is NaN or infinite.
pub(crate) fn require_finite_loss(epoch: &Epoch, split: SplitName, scores: &Scores) -> Result<(), Divergence> {
    let Epoch { epoch, learning_rate, .. } = *epoch;
    match scores.get(&Metric::Loss) {
        Some(&loss) if !loss.is_finite() => Err(Divergence::NotFinite { epoch, split, loss, learning_rate }),
        _ => Ok(()),
    }
}

/// Returns the loss of a model that has learned nothing: that of these logits, which the initial weights gave, or that
/// of giving all classes the same probability. `logits` and `targets` are those of a split.
pub(crate) fn untrained_loss(task: Task, objective: (&Objective, SplitName), logits: &Matrix, targets: &Matrix) -> f64 {
    let classes = match task {
        Task::Binary | Task::MultiLabel => 2,
        Task::MultiClass => targets.cols().max(2),
    };
    let initial = metric::basic(task, objective, logits, targets)[&Metric::Loss];
    initial.max((classes as f64).ln())
}

/// Returns whether a loss is higher than any starting point explains.
pub(crate) fn has_grown(loss: f64, untrained: f64) -> bool {
    loss > FLOOR.max(GROWTH * untrained)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Train;

    #[test]
    fn a_guess_among_all_classes_is_the_least_reference() {
        let logits = Matrix::new(1, 77, vec![0.0; 77]);
        let targets = Matrix::new(1, 77, (0..77).map(|class| f32::from(u8::from(class == 5))).collect());
        let untrained = |task, logits: &Matrix, targets: &Matrix| {
            let objective = Objective::new(&Train::default(), task, &[], targets).expect("an objective");
            untrained_loss(task, (&objective, SplitName::Valid), logits, targets)
        };
        let loss = untrained(Task::MultiClass, &logits, &targets);
        assert!((loss - 77f64.ln()).abs() < 1e-12, "{loss}");
        let [logits, targets] = [[30.0], [1.0]].map(|value| Matrix::new(1, 1, value.to_vec()));
        let loss = untrained(Task::Binary, &logits, &targets);
        assert!((loss - std::f64::consts::LN_2).abs() < 1e-12, "a lucky start is no reference: {loss}");
    }

    #[test]
    fn high_losses_have_grown_only_beyond_their_start() {
        assert!(has_grown(1e16, 0.69) && has_grown(1_001.0, 4.34) && has_grown(1e16, 1e6));
        assert!(!has_grown(999.0, 0.69) && !has_grown(40_000.0, 5_000.0) && !has_grown(12.0, 4.34));
    }

    #[test]
    fn messages_name_the_epoch_the_loss_and_the_cure() {
        let grown = Divergence::Grown {
            epoch: 3,
            split: SplitName::Valid,
            loss: 1.234_567_8e16,
            untrained: 0.71,
            learning_rate: 1e38,
        };
        assert_eq!(
            grown.to_string(),
            "training diverged: the validation loss of the best epoch, 3, is 1.23457e16, that of an untrained model 0.71; \
             lower the learning rate (1e38)"
        );
    }
}
