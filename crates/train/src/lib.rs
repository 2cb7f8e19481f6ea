//! Trains classification heads on text features, and predicts with trained ones.
//!
//! A [`FitRequest`] with a [`FitSpec`] enters [`fit()`], and a [`FittedModel`] leaves it. An engine computes the steps
//! on a [`Device`](emberline_device::Device), and [`callback`]s are notified after every epoch. A [`Model`] is what
//! remains of a fit: it is loaded from its file and computes logits for features. Burn stays inside this crate. The
//! crate reads none of the user's files except models, and knows nothing of grids.

pub mod callback;
mod checkpoint;
mod contrastive;
mod converged;
mod decision;
mod divergence;
mod engine;
mod error;
mod evidence;
mod fit;
mod fit_state;
mod head;
mod loss;
mod metric;
mod model;
mod monitor;
mod objective;
mod optimizer;
mod request;
pub mod settings;
mod spec;
mod weights;

/// The version of the training computation. Raise it when the same inputs and settings give other numbers, or when a
/// default of `[head]`, `[train]` or `[callbacks]` changes: results of another version are then computed again.
pub const COMPUTATION: u32 = 2;

pub use checkpoint::{Checkpoint, CheckpointAction, Checkpointer};
pub use contrastive::check_pairs;
pub use decision::{DecisionSpec, Decisions};
pub use divergence::Divergence;
pub use error::Error;
pub use evidence::fit_evidence;
pub use fit::fit;
#[doc(hidden)]
pub use fit::{EngineChoice, fit_with};
pub use head::Architecture;
pub use model::{
    Calibration, EmbeddingOrigin, LogitCalibration, Model, ModelDescription, ModelError, OnnxInput, OnnxTable,
    ProbabilityCalibration,
};
pub use objective::Objective;
pub use request::{FitRequest, FittedModel};
pub use spec::{FitSpec, Shape};
pub use weights::{Tensor, Weights};
