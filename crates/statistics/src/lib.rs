//! Which of several embeddings is best, and is the difference real: scores of replicated splits enter, verdicts leave.
//!
//! A [`Study`] holds the settings (all with equal numbers of labels) with their scores on each split and seed, how the splits were made, and, if they are at hand, the
//! metrics as functions of the evaluated rows. [`Study::answer`] makes an [`Answer`], in a form that can be stored as
//! JSON; [`sentences()`] puts it into words, from the answer alone. Nothing here knows of records, files or training.
//!
//! There are two levels of claim, and the words say which. With at least five splits the claim is about the embeddings, whatever
//! rows they are trained on: the corrected resampled t test ([`corrected()`]), adjusted for all pairs by Holm's procedure
//! ([`holm()`]). With fewer it is about the heads that were trained here, on new texts: the paired bootstrap of rows
//! ([`Bootstrap`]). The crate's README describes both, with the error rates that the simulations in `tests/bands.rs` hold them
//! to.
//!
//! | module | question | reference |
//! |---|---|---|
//! | [`student`] | p-values and quantiles | Abramowitz and Stegun 1964 |
//! | [`corrected()`] | the error of a mean over overlapping splits | Nadeau and Bengio 2003 |
//! | [`holm()`] | many comparisons at once | Holm 1979 |
//! | [`Bootstrap`], [`mcnemar()`] | new rows, the same models | Efron and Tibshirani 1993; McNemar 1947 |
//! | [`rank_intervals`] | ranks and the best group | Al Mohamad, Goeman and van Zwet 2022 |
//! | [`noninferiority`] | the smallest that is good enough | Berger 1982; Westfall and Krishen 2001 |
//! | [`power`] | what can be found, and how much more is needed | Cohen 1988 |
//! | [`looks`] | going on until it is decided | Bonferroni |
//! | [`variance_parts`] | where the variance comes from | Searle, Casella and McCulloch 1992 |

mod absent;
mod answer;
mod bootstrap;
mod comparable;
mod corrected;
mod edge;
mod error;
mod estimate;
mod evidence;
mod holm;
pub mod looks;
mod mcnemar;
mod moments;
pub mod noninferiority;
mod outlook;
pub mod power;
mod ranks;
mod sentences;
mod solve;
pub mod student;
mod study;
mod variance;

pub use absent::{Absence, Absent};
pub use answer::{
    Answer, GoodEnough, LEAST_SPLITS, Level, Outlook, Pair, Reason, Replicates, SettingAnswer, VarianceParts,
    next_step, together,
};
pub use bootstrap::{Bootstrap, EvaluatedRows, Evaluation, LEAST_DRAWS};
pub use corrected::{Protocol, corrected};
pub use emberline_metrics::{Area, MeanArea, MeanOfRows, RowMetric};
pub use error::StudyError;
pub use estimate::{Estimate, Interval};
pub use holm::{Adjusted, holm};
pub use mcnemar::{disagreements, mcnemar};
pub use moments::{mean, variance};
pub use ranks::{RankInterval, best_group, rank_intervals};
pub use sentences::{Claim, Sentence, all_sentences, sentences, verdicts};
pub use study::{Arm, Better, Decide, Noun, Run, ScoredRows, Setting, Size, Sizes, Study};
pub use variance::variance_parts;

/// The README's example is a test too.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
