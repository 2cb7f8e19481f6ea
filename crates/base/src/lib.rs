//! What the stages hand to each other: matrices, labels, features, records.
//!
//! A type enters this crate only if two other crates name it. It reads no formats, trains
//! nothing and prints nothing.

pub mod array_file;
pub mod byte_arrays;
mod canonical;
mod change;
pub mod digest;
mod fault;
mod features;
pub mod fence;
pub mod file;
pub mod function;
mod interrupt;
pub mod json;
mod labels;
pub mod masks;
mod matrix;
pub mod memory;
mod metric;
pub mod normalise;
pub mod number;
pub mod record;
mod replicate;
pub mod run_files;
pub mod secret;
pub mod sniff;
mod split;
mod substream;
pub mod sums;
mod texts;
pub mod threads;
mod visible;
pub mod warning;

pub use canonical::{canonical, name_of, sorted};
pub use change::{Change, IGNORED_KEYS, changes};
pub use digest::{Digest, sha256_start};
pub use fault::Fault;
pub use features::{Bags, Combiner, Features, Layered, TunedRows};
pub use fence::fenced;
pub use interrupt::Interrupt;
pub use labels::{Labels, Targets, Task};
pub use matrix::Matrix;
pub use memory::OutOfMemory;
pub use metric::{Metric, Monitor, Scores};
pub use replicate::{ReplicateAxis, seed_of_repeat};
pub use split::{SplitName, Splits};
pub use substream::Substream;
pub use sums::Sums;
pub use texts::TextList;
pub use visible::is_acting;
pub use warning::Warning;
