//! From features and targets to a trained head and its history.
//!
//! [`fit()`] runs the epochs; an engine does the arithmetic on a [`Device`](emberline_device::Device); [`callback`]s watch
//! the epochs. Burn stays inside this crate. Nothing here reads the user's files or knows of grids.

pub mod callback;
mod engine;
mod error;
mod fit;
mod head;
mod loss;
pub mod metric;
mod optimizer;
pub mod settings;
mod weights;

pub use error::Error;
pub use fit::{Fit, Job, fit, fit_on_burn};
pub use head::Architecture;
pub use weights::{Tensor, Weights};
