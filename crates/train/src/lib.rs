//! From features and targets to a trained head and its history, and from a trained head to predictions.
//!
//! [`fit()`] trains what [`FitSpec`]s describe and gives a [`FittedModel`] each; an engine does the arithmetic on a
//! [`Device`](emberline_device::Device); [`callback`]s are notified of the epochs. A [`Model`] is what remains: it loads from
//! its file and gives logits for features. Burn stays inside this crate. Nothing here reads the user's files or knows of
//! grids.

pub mod callback;
mod checkpoint;
mod divergence;
mod engine;
mod error;
mod fit;
mod fit_state;
mod head;
mod loss;
pub mod metric;
mod model;
mod optimizer;
pub mod settings;
mod spec;
mod weights;

/// The version of the computation of training. Raise it when the same inputs and settings come to other numbers, or when a
/// default of `[head]`, `[train]` or `[callbacks]` changes: results of another version are then made again.
pub const COMPUTATION: u32 = 2;

pub use checkpoint::{Checkpoint, CheckpointAction, Checkpointer};
pub use divergence::Divergence;
pub use error::Error;
#[doc(hidden)]
pub use fit::{EngineChoice, fit_with};
pub use fit::{FitRequest, FittedModel, fit};
pub use head::Architecture;
pub use model::{Calibration, EmbeddingOrigin, Model, ModelDescription, ModelError, OnnxInput, OnnxTable};
pub use spec::{FitSpec, Shape};
pub use weights::{Tensor, Weights};
