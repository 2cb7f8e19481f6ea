//! Reads and runs TensorFlow SavedModels without TensorFlow.
//!
//! In: a folder with `saved_model.pb`, `variables/` and `assets/`, or its files in memory ([`Files`]). Out:
//! signatures and the graph ([`SavedModel`]), tensors of the checkpoint ([`Bundle`]), and the outputs of a
//! [`Function`] that is run.
//!
//! ```
//! use savedmodel::{SavedModel, Tensor};
//!
//! # let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/models/nnlm-tf1");
//! let model = SavedModel::open(folder)?;
//! let embed = model.function("default")?;
//! let vectors = embed.run(&[Tensor::vector(vec![b"the quick fox".to_vec()])])?;
//! assert_eq!(vectors[0].shape(), [1, 6]);
//! # Ok::<(), savedmodel::Error>(())
//! ```
//!
//! [`proto`] has the protocol-buffer messages; [`graph`] walks graphs, also for readers that derive a meaning from
//! them instead of running them; [`Bundle`] (with [`leveldb`], slices and [`Keys`]) reads variables; [`text`] has
//! TensorFlow's operations on strings, and [`segment`] its sums over rows.

mod bundle;
mod digest;
mod error;
mod files;
mod function;
pub mod graph;
mod keys;
pub mod leveldb;
mod memory;
mod model;
pub mod proto;
pub mod segment;
mod slices;
pub mod text;

pub use bundle::{Bundle, Number, Numbers};
pub use error::Error;
pub use files::{Files, SAVED_MODEL};
pub use function::tensor::{Data, Element, Tensor};
pub use function::{Entry, Function, UnboundFunction};
pub use keys::Keys;
pub use model::{SavedModel, inference_graph};
pub use slices::{Region, slice_key};

/// The README's example is a test too.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
