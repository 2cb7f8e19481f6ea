//! The warnings about a cell's fit: it ended too early, or learned nothing but the shares of the classes.

use emberline_base::Warning;
use emberline_base::record::{Epoch, Outcome};
use emberline_base::warning::Code;
use emberline_report::{Course, FitVerdict, Learned};

/// Returns the warnings that follow from a cell's record and the history of its epochs. Equal warnings of several cells are
/// merged, so that their texts hold no numbers of a cell.
pub(super) fn warnings(outcome: &Outcome, history: &[Epoch]) -> Vec<Warning> {
    let FitVerdict { course, learned, gap: _ } = FitVerdict::of(outcome, history);
    let is_improving = course == Some(Course::StillImproving);
    let course = is_improving.then(still_improving);
    let learned = match learned {
        Some(Learned::OneClass(class)) => Some(one_class_only(&class)),
        // A fit that has only begun is worse than the shares of the classes for that reason.
        Some(Learned::WorseThanPrior) if !is_improving => Some(worse_than_prior()),
        Some(Learned::WorseThanPrior | Learned::Texts) | None => None,
    };
    course.into_iter().chain(learned).collect()
}

fn still_improving() -> Warning {
    Warning::new(
        Code::StillImproving,
        "training ended by `train.epochs` while the loss was still improving: the score is that of a head that isn't fully \
         trained, and settings that learn more slowly seem worse than they are. Raise `epochs` and let \
         `[callbacks.early_stopping]` end the training, or raise the learning rate.",
    )
}

fn one_class_only(class: &str) -> Warning {
    Warning::new(
        Code::OneClassOnly,
        format!(
            "`{class}` is predicted for every validation row, and the loss is no better than that of always giving the \
             classes their shares among the training rows: beyond how frequent the classes are, nothing can be shown to have been learned. Train for \
             more epochs, with a larger `learning_rate` or on more rows, and check the labels and the words that the \
             embedding knows."
        ),
    )
}

fn worse_than_prior() -> Warning {
    Warning::new(
        Code::WorseThanPrior,
        "the validation loss is clearly higher than that of always giving the classes their shares among the training rows: \
         the probabilities are worse than none, whatever the order of the rows is worth. Lower the learning rate, or stop \
         earlier, by `val_loss`.",
    )
}

#[cfg(test)]
mod tests {
    use emberline_base::record::{Digests, FitEvidence, Parameters, SplitSize, Stop};
    use emberline_base::{Digest, Metric, Scores};

    use super::*;

    fn epoch(number: u32, loss: f64) -> Epoch {
        let scores = Scores::from([(Metric::Loss, loss)]);
        Epoch { epoch: number, learning_rate: 0.1, seconds: 0.0, train: scores.clone(), valid: Some(scores) }
    }

    /// A fit that `epochs` ended, with these validation losses and a prior's of 0.5, give or take 0.02.
    fn codes(losses: &[f64], only_class: Option<&str>) -> Vec<Code> {
        let val_loss = losses.iter().copied().fold(f64::INFINITY, f64::min);
        let only_class = only_class.map(str::to_owned);
        let outcome = Outcome {
            dim: 1,
            epochs: losses.len() as u32,
            best_epoch: 1,
            stopped: Stop::Epochs,
            seconds: 0.0,
            bytes_per_text: None,
            table_bytes: None,
            encoder_bytes: None,
            parameters: Parameters { total: 1, trainable: 1 },
            split: SplitSize::default(),
            metrics: [("loss".to_owned(), 0.5), ("val_loss".to_owned(), val_loss)].into(),
            digests: Digests {
                data: Digest::of(b""),
                embedding: Digest::of(b""),
                weights: Digest::of(b""),
                predictions: None,
            },
            device: "cpu".to_owned(),
            arithmetic: String::new(),
            computation: 1,
            known_words: None,
            convergence: None,
            contrastive: None,
            fit: Some(FitEvidence { val_loss_error: 0.01, prior_loss: 0.5, prior_gain_error: 0.01, only_class }),
            warnings: Vec::new(),
        };
        let history: Vec<Epoch> = (1..).zip(losses).map(|(number, &loss)| epoch(number, loss)).collect();
        warnings(&outcome, &history).into_iter().map(|warning| warning.code).collect()
    }

    #[test]
    fn each_verdict_has_its_code() {
        assert_eq!(codes(&[0.6, 0.3, 0.3], None), []);
        assert_eq!(codes(&[0.6, 0.5, 0.4], None), [Code::StillImproving]);
        assert_eq!(codes(&[0.6, 0.5, 0.5], Some("0")), [Code::OneClassOnly]);
        assert_eq!(codes(&[0.7, 0.6, 0.6], None), [Code::WorseThanPrior]);
        assert_eq!(codes(&[0.8, 0.7, 0.6], None), [Code::StillImproving], "it has only begun");
        assert_eq!(codes(&[0.8, 0.7, 0.6], Some("0")), [Code::StillImproving, Code::OneClassOnly]);
    }
}
