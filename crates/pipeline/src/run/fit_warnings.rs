//! The warnings about a cell's fit: it ended too early, or learned nothing but the shares of the classes.

use emberline_base::Warning;
use emberline_base::record::{Epoch, Outcome};
use emberline_base::warning::Code;
use emberline_report::{Course, FitVerdict, Learned};

/// Returns the warnings that follow from a cell's record and the history of its epochs. Equal warnings of several cells are
/// merged, so that their texts hold no numbers of a cell.
pub(super) fn warnings(outcome: &Outcome, history: &[Epoch]) -> Vec<Warning> {
    let FitVerdict { course, learned, gap: _ } = FitVerdict::of(outcome, history);
    let course = (course == Some(Course::StillImproving)).then(still_improving);
    let learned = match learned {
        Some(Learned::OneClass(class)) => Some(one_class_only(&class)),
        Some(Learned::WorseThanPrior) => Some(worse_than_prior()),
        Some(Learned::Texts) | None => None,
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
             classes their shares among the training rows: nothing was learned but how frequent the classes are. Train for \
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
