//! Baselines: classifiers that need no embedding, with which every result is compared.
//!
//! Texts and targets per split enter [`fit_all`]; the logits of each [`Baseline`] on the validation and test rows leave. All of
//! them learn from the training rows alone, take no seed, and give the same bits for any number of threads.
//!
//! | baseline | features | classifier |
//! |---|---|---|
//! | `majority` | none | the most frequent class of the training rows |
//! | `prior` | none | the frequency of each class of the training rows |
//! | `tfidf_lr` | TF-IDF of words, as scikit-learn's `TfidfVectorizer()` | logistic regression with C = 1 |
//! | `naive_bayes` | word counts, as scikit-learn's `CountVectorizer()` | multinomial naive Bayes with alpha = 1 |
//! | `nb_svm` | words and pairs of words, present or not, scaled by log-count ratios | logistic regression with C = 1 |
//!
//! `nb_svm` follows Wang and Manning, "Baselines and bigrams: simple, good sentiment and topic classification" (2012), with
//! the logistic loss in place of the squared hinge loss, alpha = 1 and no interpolation; with several classes, one against the
//! rest. Beside them, [`zero_label`] compares vectors of texts with vectors of the classes' names, which whoever calls it has
//! computed. The crate knows nothing of embeddings, pipelines or metrics.

mod baseline;
mod constant;
mod counts;
mod naive_bayes;
mod nb_svm;
mod tfidf;
mod tokens;
pub mod zero_label;

/// The version of the computation. Raise it when the same texts and labels give other numbers, or more of them: records of another
/// version are then computed again.
pub const COMPUTATION: u32 = 3;

pub use baseline::{Baseline, Fitted, Inputs, fit_all};
pub use counts::{Counts, Terms, Vocabulary};
pub use tfidf::Tfidf;
