//! From features and targets to a trained head and its history.
//!
//! [`fit()`] runs the epochs, [`fit_together`] those of several fits beside each other; an engine does the arithmetic on a
//! [`Device`](emberline_device::Device); [`callback`]s watch the epochs. Burn stays inside this crate. Nothing here reads
//! the user's files or knows of grids.

pub mod callback;
mod checkpoint;
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

pub use checkpoint::{Checkpoint, Keeper, Wish};
pub use error::Error;
pub use fit::{Fit, Watched, fit, fit_on_burn, fit_together, fit_together_on_burn};
pub use head::Architecture;
pub use job::{Job, Shape};
pub use weights::{Tensor, Weights};
