//! Downloads the files that a pipeline names. This is the only crate that uses the network.
//!
//! A [`Request`] states what to fetch (a URL), to which path, and with which SHA-256; the crate knows nothing of
//! pipelines. A [`Fetcher`] fetches it:
//!
//! URL -> [`address`] -> [`transfer`] (resumed, retried, limited) -> [`archive`] (unpacked) -> [`checksum`] -> renamed to the path
//!
//! | URL | what is fetched |
//! |---|---|
//! | `https://HOST/FILE` | the file; an archive is unpacked unless the path names an archive (see [`archive`]) |
//! | `https://tfhub.dev/HANDLE` | the module's `.tar.gz` |
//! | `hf://ORG/MODEL[@REVISION][/FOLDER or FILE]` | files of a model on the Hugging Face Hub (see [`hub`]) |
//! | `hf://datasets/ORG/NAME[@REVISION]/FILE` | a file of a dataset on the Hugging Face Hub |
//! | `kaggle://OWNER/MODEL/FRAMEWORK/VARIATION/VERSION` | the `.tar.gz` of a model on Kaggle |
//! | `http://` | refused, except for the loopback addresses of this machine |
//!
//! `sha256` is the digest of the content at the path: of a file, as `sha256sum` prints it; of a folder, see
//! [`checksum`].
//!
//! During a download these files are next to the path: `PATH.part` (the bytes that have arrived, kept when the
//! connection breaks), `PATH.part.json` (which version of the file they belong to, see [`range`]) and
//! `.emberline-NAME.lock` (locked by the process that fetches). Nothing is at the path itself before it is complete and
//! verified. None of them is written through a symbolic link, and what a killed process left is removed by the next one
//! that fetches something into the folder.

mod address;
mod archive;
mod checksum;
mod client;
mod error;
mod fetcher;
mod hub;
mod kaggle;
mod lock;
mod options;
mod partial;
mod placeholder;
mod range;
mod retry;
mod transfer;

pub use checksum::{FileInfo, inspect};
pub use error::Error;
pub use fetcher::{Fetched, Fetcher, IgnoreProgress, Observer, Request};
pub use options::{Limits, Login, Options, RetryPolicy};
