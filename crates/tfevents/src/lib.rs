//! Writes TensorBoard event files, and reads scalars back.
//!
//! In: steps, tags and values. Out: `events.out.tfevents.*` files ([`EventFile`]) whose records are byte for byte
//! those of TensorFlow 2's summary writer; and the points of the curves in a folder ([`scalars`]).
//!
//! ```
//! use tfevents::{Clock, EventFile};
//!
//! let folder = std::env::temp_dir().join(format!("tfevents-doc-{}", std::process::id()));
//! let mut events = EventFile::create_at(&folder, "my-trainer", Clock::Fixed(0.0))?;
//! events.scalar(7, "loss", 0.25)?;
//! events.flush()?;
//!
//! let read = tfevents::scalars(&folder)?;
//! assert_eq!((read[0].tag.as_str(), read[0].step, read[0].value), ("loss", 7, 0.25));
//! # std::fs::remove_dir_all(&folder).ok();
//! # Ok::<(), tfevents::Error>(())
//! ```
//!
//! TensorBoard reads the files of a folder in the order of their names, and never goes back to an earlier one. A new
//! [`EventFile`] therefore gets a name that sorts after the existing ones, whatever the clock says.

mod clock;
mod error;
mod event_file;
mod file_name;
mod proto;
mod read;
mod record;
mod summary;

pub use clock::Clock;
pub use error::Error;
pub use event_file::EventFile;
pub use file_name::event_files;
pub use read::{Scalar, scalars};
pub use record::{RecordError, Records, push_record, records};
pub use summary::{PluginTensor, Values};

/// The README's example is a test too.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
