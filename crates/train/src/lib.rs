//! From features and targets to a trained head and its history.
//!
//! [`fit()`] runs the epochs, [`fit_together`] those of several fits beside each other; an engine does the arithmetic on a
//! [`Device`](emberline_device::Device); [`callback`]s watch the epochs. Burn stays inside this crate. Nothing here reads
//! the user's files or knows of grids.

pub mod callback;
mod checkpoint;
mod divergence;
mod engine;
mod error;
mod fit;
mod head;
mod job;
mod loss;
mod member;
pub mod metric;
mod optimizer;
pub mod settings;
mod weights;

/// The version of the computation of training. Raise it when the same inputs and settings come to other numbers, or when a
/// default of `[head]`, `[train]` or `[callbacks]` changes: results of another version are then made again.
pub const COMPUTATION: u32 = 1;

pub use checkpoint::{Checkpoint, Keeper, Wish};
pub use divergence::Divergence;
pub use error::Error;
pub use fit::{Fit, Watched, fit, fit_on_burn, fit_together, fit_together_on_burn};
pub use head::Architecture;
pub use job::{Job, Shape};
pub use weights::{Tensor, Weights};
