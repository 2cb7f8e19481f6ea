//! Shared types of the pipeline's stages (matrices, labels, features, metrics, records) and the file, hash and random-number
//! code that all of them use.
//!
//! A type belongs in this crate only if at least two other crates use it. The crate knows nothing of data formats, training
//! or the terminal.

pub mod array_file;
pub mod byte_arrays;
mod cancellation;
mod canonical;
mod change;
mod control_chars;
pub mod digest;
pub mod disk;
mod fault;
mod features;
pub mod file;
pub mod json;
mod labels;
pub mod masks;
mod matrix;
pub mod memory;
mod metric;
pub mod normalise;
pub mod number;
pub mod panics;
pub mod record;
mod replicate;
pub mod run_files;
pub mod secret;
pub mod sniff;
mod split;
mod substream;
pub mod suggest;
pub mod sums;
mod texts;
pub mod threads;
pub mod warning;

pub use cancellation::CancellationToken;
pub use canonical::{canonical, sorted, variant_name};
pub use change::{Change, IGNORED_KEYS, changes};
pub use control_chars::is_control_or_bidi;
pub use digest::{Digest, sha256_prefix};
pub use fault::Fault;
pub use features::{Bags, Combiner, Features, LayerStack, TokenSequences, TunedRows};
pub use labels::{Labels, Targets, Task};
pub use matrix::Matrix;
pub use memory::OutOfMemory;
pub use metric::{Metric, Monitor, Scores};
pub use panics::catch_panic;
pub use replicate::{ReplicateAxis, seed_of_repeat};
pub use split::{SplitName, Splits};
pub use substream::Substream;
pub use sums::Sums;
pub use texts::TextList;
pub use warning::Warning;
