//! From texts to vectors: every embedding source behind one interface.
//!
//! A source's settings ([`Source`]) are opened against the texts of a pipeline and give a
//! [`Lookup`]: token ids of a text, and the table's rows. [`combine`] makes one vector of a
//! text's rows, [`features`] what training takes. Nothing here knows of labels, heads or training.

pub mod combine;
mod error;
pub mod features;
pub mod source;

pub use error::Error;
pub use source::{Lookup, Source, Texts};
