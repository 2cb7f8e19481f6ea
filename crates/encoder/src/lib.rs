//! Neural encoders: a folder with a model enters, vectors of texts leave.
//!
//! Nothing here knows of pipelines, tables, labels or heads. `transformer` computes tokens' vectors, on the processor with
//! code of its own and on cards with Burn; [`sentence_transformer`] reads folders of the library of that name; `onnx` (a
//! feature of the same name) runs graphs.

pub mod elmo;
mod error;
mod json;
#[cfg(feature = "onnx")]
pub mod onnx;
pub mod sentence_transformer;
mod transformer;

pub use error::Error;
