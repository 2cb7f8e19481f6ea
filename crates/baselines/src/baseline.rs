//! The list of baselines, and their logits on held-out rows.

use std::sync::OnceLock;

use emberline_base::{Matrix, SplitName, Splits, Task};
use emberline_linear::{Error, LinearModel, Rows, Settings, SparseRows, fit};

use crate::constant::{majority, prior, repeated};
use crate::counts::{Counts, Terms, Vocabulary};
use crate::naive_bayes::ClassCounts;
use crate::nb_svm::{self, NbSvm};
use crate::tfidf::Tfidf;

/// A classifier without an embedding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Baseline {
    /// The most frequent class of the training rows.
    Majority,
    /// The frequencies of the classes of the training rows.
    Prior,
    /// Logistic regression on TF-IDF of words.
    TfidfLr,
    /// Multinomial naive Bayes on counts of words.
    NaiveBayes,
    /// Logistic regression on words and pairs of words that are scaled by their log-count ratios.
    NbSvm,
}

impl Baseline {
    /// All baselines, in the order of reports.
    pub const ALL: [Self; 5] = [Self::Majority, Self::Prior, Self::TfidfLr, Self::NaiveBayes, Self::NbSvm];

    /// Returns the name in records.
    pub fn name(self) -> &'static str {
        match self {
            Self::Majority => "majority",
            Self::Prior => "prior",
            Self::TfidfLr => "tfidf_lr",
            Self::NaiveBayes => "naive_bayes",
            Self::NbSvm => "nb_svm",
        }
    }

    /// Returns whether the baseline gives probabilities that differ from 0 and 1, so that a loss and curves make sense.
    pub fn has_probabilities(self) -> bool {
        self != Self::Majority
    }
}

/// What baselines learn from, and the rows that they are evaluated on.
pub struct Inputs<'a> {
    /// The task that the labels pose.
    pub task: Task,
    /// The texts of each split.
    pub texts: &'a Splits<Vec<&'a str>>,
    /// The labels as numbers, `[rows, outputs]` per split.
    pub targets: &'a Splits<Matrix>,
}

/// The result of a baseline.
#[derive(Clone, Debug)]
pub struct Fitted {
    /// The baseline.
    pub baseline: Baseline,
    /// The logits of the validation and test rows, `[rows, outputs]`; no rows for the training split.
    pub logits: Splits<Matrix>,
    /// Whether the fit converged; none for baselines without iterations.
    pub converged: Option<bool>,
}

/// The logistic regressions of the baselines: C and the tolerance are scikit-learn's defaults, and iterations are enough to
/// converge.
const SETTINGS: Settings = Settings { l2: 1.0, tolerance: 1e-4, max_iterations: 1000 };

/// Fits all baselines on the training rows. `goes_on` is asked now and then.
///
/// # Errors
/// If there are no training rows, there is not enough memory, or `goes_on` says no.
pub fn fit_all(inputs: &Inputs<'_>, goes_on: &(dyn Fn() -> bool + Sync)) -> Result<Vec<Fitted>, Error> {
    if inputs.targets.train.rows() == 0 {
        return Err(Error::NoRows);
    }
    let words = OnceLock::new();
    let fit = |baseline: Baseline| fit_one(baseline, inputs, &words, goes_on);
    Baseline::ALL.into_iter().map(fit).collect()
}

/// Counts of the terms of each split.
struct Counted {
    vocabulary: Vocabulary,
    counts: Splits<Counts>,
}

impl Counted {
    fn of(texts: &Splits<Vec<&str>>, terms: Terms) -> Self {
        let (vocabulary, train) = Vocabulary::fit(&texts.train, terms);
        let count = |split| texts.get(split).map(|texts| vocabulary.count(texts));
        let counts = Splits { train, valid: count(SplitName::Valid), test: count(SplitName::Test) };
        Self { vocabulary, counts }
    }
}

fn fit_one(
    baseline: Baseline,
    inputs: &Inputs<'_>,
    words: &OnceLock<Counted>,
    goes_on: &(dyn Fn() -> bool + Sync),
) -> Result<Fitted, Error> {
    let Inputs { task, texts, targets } = *inputs;
    let words = || words.get_or_init(|| Counted::of(texts, Terms::default()));
    let (logits, converged) = match baseline {
        Baseline::Majority => (constant(&majority(task, &targets.train), targets), None),
        Baseline::Prior => (constant(&prior(task, &targets.train), targets), None),
        Baseline::TfidfLr => {
            let (logits, converged) = tfidf_lr(words(), task, targets, goes_on)?;
            (logits, Some(converged))
        }
        Baseline::NaiveBayes => {
            let counts = &words().counts;
            let model = ClassCounts::of(&counts.train, &targets.train).naive_bayes(task);
            (logits_of(&model, counts, targets)?, None)
        }
        Baseline::NbSvm => {
            let Counted { counts, .. } = Counted::of(texts, nb_svm::TERMS);
            let fitted = NbSvm::fit(&counts.train, &targets.train, &SETTINGS, goes_on)?;
            let logits = held_out(targets, |split| counts.get(split).map(|counts| fitted.logits(counts, task)))?;
            (logits, Some(fitted.converged))
        }
    };
    Ok(Fitted { baseline, logits, converged })
}

fn tfidf_lr(
    words: &Counted,
    task: Task,
    targets: &Splits<Matrix>,
    goes_on: &(dyn Fn() -> bool + Sync),
) -> Result<(Splits<Matrix>, bool), Error> {
    let tfidf = Tfidf::of(&words.vocabulary, words.counts.train.rows());
    let rows = words.counts.map(|_, counts| tfidf.transform(counts));
    let fitted = fit(Rows::Sparse(&rows.train), task, &targets.train, &SETTINGS, goes_on)?;
    Ok((logits_of(&fitted.model, &rows, targets)?, fitted.has_converged()))
}

fn logits_of(
    model: &LinearModel,
    rows: &Splits<SparseRows>,
    targets: &Splits<Matrix>,
) -> Result<Splits<Matrix>, Error> {
    held_out(targets, |split| rows.get(split).map(|rows| Ok(model.logits(Rows::Sparse(rows))?)))
}

fn constant(logits: &[f32], targets: &Splits<Matrix>) -> Splits<Matrix> {
    let of = |split| targets.get(split).map(|targets| repeated(logits, targets.rows()));
    Splits { train: Matrix::zeros(0, logits.len()), valid: of(SplitName::Valid), test: of(SplitName::Test) }
}

/// Returns the logits of the held-out splits, and none of the training split.
fn held_out(
    targets: &Splits<Matrix>,
    of: impl Fn(SplitName) -> Option<Result<Matrix, Error>>,
) -> Result<Splits<Matrix>, Error> {
    let logits = |split| of(split).transpose();
    let train = Matrix::zeros(0, targets.train.cols());
    Ok(Splits { train, valid: logits(SplitName::Valid)?, test: logits(SplitName::Test)? })
}
