//! Neural text encoders: each reads a model from a folder and encodes texts as vectors.
//!
//! [`elmo`] computes ELMo. [`sentence_transformer`] reads the folders of the library sentence-transformers; its token vectors
//! come from `transformer`, which has its own forward pass for the CPU and one in Burn for GPUs and for training. [`fine_tune`]
//! names what is trained of such a model. `onnx` (a feature of the same name) runs ONNX graphs. This crate knows nothing of
//! pipelines, embedding tables, labels, heads or optimisers.

pub mod elmo;
mod error;
pub mod fine_tune;
mod json;
#[cfg(feature = "onnx")]
pub mod onnx;
mod options;
pub mod sentence_transformer;
mod transformer;

pub use error::Error;
pub use options::{EncoderOptions, Precision};
