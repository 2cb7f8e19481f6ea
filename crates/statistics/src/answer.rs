//! What leaves: the answer, from which all sentences are made. Its types are those of the records (`summary.json`).

pub use emberline_base::record::answer::{
    Answer, GoodEnough, Level, Outlook, Pair, Reason, Replicates, SettingAnswer, VarianceParts,
};

use crate::looks::{self, NextStep};

/// The fewest splits that a claim about embeddings rests on.
pub const LEAST_SPLITS: usize = 5;

/// Puts the answers about several numbers of labels, the most labels first, into one; none of none.
///
/// Settings with unequal numbers of labels are never compared with each other, and Holm's procedure is applied to each number by
/// itself: a number of labels is a cost that somebody pays, not a candidate.
pub fn together(answers: Vec<Answer>) -> Option<Answer> {
    let mut answers = answers.into_iter();
    let most = answers.next()?;
    Some(Answer { fewer_labels: answers.collect(), ..most })
}

/// Returns what a sequential comparison does after this answer, if it was made at a look ([`crate::looks`]). With several numbers of
/// labels it goes on as long as one of them may still be decided.
pub fn next_step(answer: &Answer) -> NextStep {
    let steps: Vec<NextStep> = answer.of_each_number().map(step).collect();
    let going_on = steps.iter().copied().find(|step| matches!(step, NextStep::Continue { .. }));
    let given_up = || steps.iter().copied().find(|step| *step == NextStep::GiveUp);
    going_on.or_else(given_up).unwrap_or(NextStep::Decided)
}

fn step(answer: &Answer) -> NextStep {
    // One setting is compared with nothing, however many splits there are.
    if answer.reason == Some(Reason::OneSetting) {
        return NextStep::GiveUp;
    }
    let outlook = answer.outlook.as_ref();
    let decided = outlook.is_some_and(|outlook| outlook.decided);
    looks::next_step(answer.replicates.splits, decided, outlook.and_then(|outlook| outlook.splits))
}
