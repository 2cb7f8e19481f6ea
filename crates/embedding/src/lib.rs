//! From texts to vectors: every embedding source behind one interface.
//!
//! A source's settings ([`Source`]) are opened against the texts of a pipeline and give an [`Opened`]: a
//! [`Lookup`], with token ids of a text and the table's rows, or an [`Encoder`] of whole texts. [`combine`] makes
//! one vector of a text's rows, [`encode`] keeps vectors of whole texts, [`reduce`] makes them shorter, and [`features`]
//! is what training takes. A [`FittedEmbedding`] embeds any later text as training did, given what was [`learned`] from the
//! training texts. Nothing here knows of labels, heads or training.

pub mod combine;
pub mod encode;
mod error;
pub mod export;
pub mod features;
mod fitted;
pub mod known;
pub mod layers;
pub mod learned;
mod left_out;
pub mod opened;
mod pca;
pub mod reduce;
pub mod source;
mod tuned;

pub use error::Error;
pub use fitted::{FittedEmbedding, WordBags};
pub use known::Words;
pub use learned::LearnedState;
pub use left_out::TextWord;
pub use opened::{Encoder, Lookup, Opened, RowKey, TokenizerFile};
pub use source::{Source, Texts};
