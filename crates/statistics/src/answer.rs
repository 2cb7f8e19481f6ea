//! What leaves: the answer, from which all sentences are made. Its types are those of the records (`summary.json`).

pub use emberline_base::record::answer::{
    Answer, GoodEnough, Level, Outlook, Pair, Reason, Replicates, SettingAnswer, VarianceParts,
};

use crate::looks::{self, NextStep};

/// The fewest splits that a claim about embeddings rests on.
pub const LEAST_SPLITS: usize = 5;

/// Returns what a sequential comparison does after this answer, if it was made at a look ([`crate::looks`]).
pub fn next_step(answer: &Answer) -> NextStep {
    let outlook = answer.outlook.as_ref();
    let decided = outlook.is_some_and(|outlook| outlook.decided);
    looks::next_step(answer.replicates.splits, decided, outlook.and_then(|outlook| outlook.splits))
}
