//! Downloads the files that a pipeline names: the one place of the program that touches the network.
//!
//! A [`Request`] says what (a url), where to (a path) and with which SHA-256; it knows nothing of pipelines. A
//! [`Fetcher`] brings it there:
//!
//! url -> [`address`] -> [`transfer`] (resumed, retried, capped) -> [`archive`] (unpacked) -> [`checksum`] -> renamed to the path
//!
//! | url | what arrives |
//! |---|---|
//! | `https://HOST/FILE` | the file; an archive is unpacked where the path doesn't name an archive (see [`archive`]) |
//! | `https://tfhub.dev/HANDLE` | the module's `.tar.gz` |
//! | `hf://ORG/MODEL[@REVISION][/FOLDER or FILE]` | files of a model on the Hugging Face Hub (see [`hub`]) |
//! | `hf://datasets/ORG/NAME[@REVISION]/FILE` | a file of a dataset on the Hugging Face Hub |
//! | `kaggle://OWNER/MODEL/FRAMEWORK/VARIATION/VERSION` | the `.tar.gz` of a model on Kaggle |
//! | `http://` | refused, but for this machine's own loopback addresses |
//!
//! `sha256` is that of what lies at the path: of a file, as `sha256sum` prints it; of a folder, see [`checksum`].
//!
//! Beside the path, while it is being fetched: `PATH.part` (what has arrived; kept when the connection breaks),
//! `PATH.part.json` (what it is a part of, see [`range`]) and `.emberline-NAME.lock` (held by the process that fetches).
//! Nothing stands at the path itself before it is whole and checked. None of them is written through a symbolic link, and
//! what a killed process left is removed by the next one that fetches something into the folder.

mod address;
mod archive;
mod arrival;
mod checksum;
mod client;
mod error;
mod fetcher;
mod hub;
mod kaggle;
mod lock;
mod options;
mod partial;
mod range;
mod retry;
mod transfer;

pub use checksum::{Found, look};
pub use error::Error;
pub use fetcher::{Fetched, Fetcher, Observer, Request, Silent};
pub use options::{Limits, Login, Options, Patience};
