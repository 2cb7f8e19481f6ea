//! Checks of data and embeddings with codes (`docs/warnings.md`): which are made when, and what `[checks]` makes of them.
//!
//! `data.rs` checks texts and labels by the crate `checks`, `embedding.rs` what an embedding makes of the texts. `policy.rs`
//! holds `[checks]`: the codes that end a command, and those that aren't shown.

mod data;
mod embedding;
pub(crate) mod known_words;
mod policy;

pub(crate) use self::data::{check_data, check_rows};
pub(crate) use self::embedding::{check_embedding, embedding_warnings};
pub use self::policy::Checks;
