//! Turns texts into vectors: every embedding source behind one interface.
//!
//! A source's settings ([`Source`]) are opened for the texts of a pipeline. The result is an [`Opened`]: a
//! [`Lookup`], which has the token ids of a text and the rows of a table, or an [`Encoder`] of whole texts.
//! [`combine`] pools a text's rows into one vector, [`encode`] encodes and caches whole texts, [`reduce`] reduces the
//! dimension of vectors, [`mod@quantize`] the bytes of their numbers, and [`features`] builds the training features. A [`FittedEmbedding`] embeds any later text
//! as training did, given what was [`learned`] from the training texts. Nothing here depends on labels, heads or
//! training.

mod case;
pub mod combine;
pub mod distill;
pub mod encode;
mod error;
pub mod export;
pub mod features;
mod fitted;
pub mod known;
pub mod layers;
pub mod learned;
mod leave_one_out;
pub mod opened;
mod pca;
pub mod quantize;
pub mod reduce;
pub mod source;
mod tuned;

pub use case::Case;
pub use emberline_encoder::fine_tune::{HostEncoder, Memory, Scope};
pub use error::Error;
pub use fitted::{FittedEmbedding, WordBags};
pub use known::WordCounts;
pub use learned::LearnedState;
pub use leave_one_out::TextWord;
pub use opened::{Encoder, Lookup, Opened, RowKey, TokenizerFile};
pub use quantize::Quantize;
pub use source::{Source, Texts};
