//! Checks of labelled texts, made before anything is trained on them.
//!
//! Texts, labels and splits enter as a [`Subject`]; a [`Verdict`] per check leaves: nothing found, a warning, or the reason why
//! the check can't be made of these data. Each check has a file and a code (`docs/warnings.md`):
//!
//! | code | file | what it finds |
//! |---|---|---|
//! | EMB014 | `one_class.rs` | a split of one class only |
//! | EMB015 | `near_duplicates.rs` | held-out texts that nearly repeat a training text |
//! | EMB019 | `class_name.rs` | class names inside the texts of their class |
//! | EMB020 | `length.rs` | labels that the length of a text gives away |
//! | EMB021 | `mojibake.rs` | characters that were decoded wrongly |
//! | EMB022 | `mislabelled.rs` | rows whose words speak for another label |
//!
//! Nothing here is random: the same rows give the same verdicts. Error rates are measured by `tests/bands.rs`. This crate
//! knows nothing of files, embeddings and training.

pub mod class_name;
pub mod length;
pub mod mislabelled;
pub mod mojibake;
pub mod near_duplicates;
mod noise;
pub mod one_class;
mod subject;
mod verdict;
mod words;

use emberline_base::Warning;
use emberline_base::warning::Code;

pub use self::noise::Noise;
pub use self::subject::Subject;
pub use self::verdict::{Finding, Verdict};

/// Number of rows up to which every check is made even if only the quick ones are asked for; beyond it, the quick ones see a
/// sample of as many rows.
pub const QUICK_ROWS: usize = 50_000;

/// How much time checks may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// Of more than [`QUICK_ROWS`] rows, only the checks that take one pass over the texts, and on a sample of the rows.
    Quick,
    /// Every check, on every row as far as the check's own limits go.
    Thorough,
}

/// The verdict of one check.
#[derive(Clone, Debug, PartialEq)]
pub struct Checked {
    /// The check.
    pub code: Code,
    /// What it says of the data.
    pub verdict: Verdict,
}

impl Checked {
    /// Returns the warning, if the check found something.
    pub fn warning(&self) -> Option<Warning> {
        match &self.verdict {
            Verdict::Found(finding) => Some(Warning::new(self.code, finding.text.clone())),
            Verdict::Clear | Verdict::NotApplicable(_) => None,
        }
    }
}

/// Makes the checks, in the order of their codes.
pub fn check(subject: &Subject<'_>, depth: Depth) -> Vec<Checked> {
    let is_large = subject.len() > QUICK_ROWS && depth == Depth::Quick;
    let sample = if is_large { subject.sample(QUICK_ROWS) } else { subject.clone() };
    let costly = |check: fn(&Subject<'_>) -> Verdict| {
        if is_large { Verdict::NotApplicable(too_many(subject.len())) } else { check(&sample) }
    };
    let verdicts = [
        (Code::OneClassSplit, one_class::check(subject)),
        (Code::NearDuplicates, costly(near_duplicates::check)),
        (Code::ClassNameInText, class_name::check(&sample)),
        (Code::LengthPredicts, length::check(&sample)),
        (Code::Mojibake, mojibake::check(&sample)),
        (Code::LikelyMislabelled, costly(mislabelled::check)),
    ];
    verdicts.into_iter().map(|(code, verdict)| Checked { code, verdict }).collect()
}

fn too_many(rows: usize) -> String {
    let [rows, most] = [rows, QUICK_ROWS].map(|count| emberline_base::number::grouped(count as u64));
    format!("with {rows} rows it takes too long for a run, which makes it up to {most} rows; `check --data` makes it")
}
