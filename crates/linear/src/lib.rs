//! Logistic regression by L-BFGS: converged and deterministic, on dense and on sparse rows.
//!
//! [`Rows`] and a matrix of targets enter [`fit()`]; a [`LinearModel`] with the [`Convergence`] of its fit leaves. The objective
//! is that of scikit-learn's `LogisticRegression(C, solver="lbfgs")` with C = 1 / [`Settings::l2`]:
//!
//! ```text
//! sum over rows of loss(row) + l2 / 2 * |weights|^2         (the intercepts aren't penalised)
//! ```
//!
//! With [`fit_weighted()`] the loss of a row is multiplied by the weight of its class, as `class_weight` does.
//!
//! The loss is the binary cross-entropy of one output for a binary task, the categorical cross-entropy of the softmax over
//! all classes for a multi-class task, and one independent binary problem per class for a multi-label task. Everything is
//! computed in 64 bits, but for the first iterations of a fit on dense rows with many classes, which take half the time in 32;
//! the last ones, and whether the fit has converged, are always computed in 64. **The result has the same bits for any number of threads and on every CPU**: rows are divided into
//! chunks by their number alone, and the sums of the chunks are added in order.
//!
//! The crate knows nothing of embeddings, texts or pipelines.

mod dense;
mod error;
mod fit;
mod lbfgs;
mod line_search;
mod loss;
mod model;
mod narrow;
mod objective;
mod rows;
mod single;
mod sparse;
mod vector;

pub use error::Error;
pub use fit::{Fit, Labels, Settings, fit, fit_weighted, memory};
pub use lbfgs::Convergence;
pub use model::LinearModel;
pub use rows::{Rows, SparseRows};
