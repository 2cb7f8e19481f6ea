//! A partial download: `PATH.part`, and next to it the metadata file `PATH.part.json`, which states the version of the
//! file that the bytes belong to.
//!
//! The metadata file is written atomically before the first byte, so that no part holds bytes of an unknown version. It
//! stores hashes of URLs, since a query may hold a token. Symbolic links are never written through.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use emberline_base::file::{self, FileError};
use serde::{Deserialize, Serialize};
use url::Url;

use crate::Error;
use crate::range::Validator;

/// A download that may be in progress.
#[derive(Debug)]
pub(crate) struct Partial {
    /// `PATH.part`
    pub(crate) path: PathBuf,
    origin: Option<Origin>,
    /// Whether bytes of several responses were joined, or those of an earlier process continued.
    pub(crate) is_resumed: bool,
}

/// The content of `PATH.part.json`: the version of the file that a part belongs to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Origin {
    /// The SHA-256 of the requested URL.
    url: String,
    /// The address that redirects led to, see [`address_digest`].
    #[serde(rename = "place")]
    pub(crate) source: String,
    /// The server's strong validator of this version, if it gave one.
    pub(crate) validator: Option<Validator>,
    /// The length of the complete file, if known, in bytes.
    pub(crate) total: Option<u64>,
}

/// A part that a server can be asked to continue.
#[derive(Clone, Debug)]
pub(crate) struct Part {
    /// The number of bytes that have arrived.
    pub(crate) bytes: u64,
    pub(crate) validator: Validator,
    pub(crate) origin: Origin,
}

/// Returns the SHA-256 of a URL without its query: storage is often reached by redirects whose queries are signed anew
/// each time. Validators of different addresses can't be compared.
pub(crate) fn address_digest(url: &Url) -> String {
    let mut url = url.clone();
    url.set_query(None);
    url.set_fragment(None);
    file::sha256(url.as_str().as_bytes())
}

impl Origin {
    /// The version that a server describes, requested at `url` and served from `source` (an [`address_digest`]).
    pub(crate) fn new(url: &str, source: &str, validator: Option<Validator>, total: Option<u64>) -> Self {
        Self { url: file::sha256(url.as_bytes()), source: source.to_owned(), validator, total }
    }
}

impl Partial {
    /// Returns what exists of the download of `url` to `path`.
    pub(crate) fn of(path: &Path, url: &str) -> Self {
        let path = with_suffix(path, ".part");
        let read = |path: &Path| serde_json::from_slice::<Origin>(&fs::read(path).ok()?).ok();
        let url = file::sha256(url.as_bytes());
        let origin = read(&metadata_path(&path)).filter(|origin| origin.url == url);
        Self { path, origin, is_resumed: false }
    }

    /// Returns whether all bytes have arrived.
    pub(crate) fn is_complete(&self) -> bool {
        let total = self.origin.as_ref().and_then(|origin| origin.total);
        total.is_some() && self.bytes() == total
    }

    /// Returns the part to continue from; none if nothing has arrived or there is no strong validator.
    pub(crate) fn resumable_part(&self) -> Option<Part> {
        let origin = self.origin.clone()?;
        let validator = origin.validator.clone()?;
        let bytes = self.bytes().filter(|&bytes| bytes > 0)?;
        Some(Part { bytes, validator, origin })
    }

    /// Returns the number of bytes that have arrived; none unless they are in a regular file.
    fn bytes(&self) -> Option<u64> {
        fs::symlink_metadata(&self.path).ok().filter(fs::Metadata::is_file).map(|info| info.len())
    }

    /// Opens the file for writing from `offset`, truncates what follows, and first writes the metadata of the version
    /// that it will belong to.
    pub(crate) fn open(&mut self, offset: u64, origin: Origin) -> Result<File, Error> {
        file::make_folder(file::folder_of(&self.path))?;
        if offset == 0 {
            // Another version gets a new file: even a power failure can't leave the new metadata next to old bytes.
            self.discard();
            file::remove_if_link(&self.path)?;
        }
        self.is_resumed = offset > 0;
        if self.origin.as_ref() != Some(&origin) {
            let text = serde_json::to_vec(&origin).expect("strings and numbers are JSON");
            file::write_atomic(&metadata_path(&self.path), &text)?;
            self.origin = Some(origin);
        }
        let open = || -> io::Result<File> {
            let mut file =
                file::open_no_follow(&self.path, OpenOptions::new().write(true).create(true).truncate(false))?;
            file.set_len(offset)?;
            io::Seek::seek(&mut file, io::SeekFrom::Start(offset))?;
            Ok(file)
        };
        Ok(open().map_err(FileError::new("write", &self.path))?)
    }

    /// Discards what has arrived.
    pub(crate) fn discard(&mut self) {
        self.origin = None;
        remove_part(&self.path);
    }

    /// Moves the complete file to its destination.
    pub(crate) fn finish(mut self, target: &Path) -> Result<(), Error> {
        fs::rename(&self.path, target).map_err(FileError::new("write", target))?;
        self.discard();
        Ok(())
    }
}

/// Returns `PATH.part.json` for `PATH.part`.
pub(crate) fn metadata_path(part: &Path) -> PathBuf {
    with_suffix(part, ".json")
}

/// Returns whether there is something for [`remove_leftovers`] to remove.
pub(crate) fn has_leftovers(path: &Path) -> bool {
    fs::symlink_metadata(metadata_path(&with_suffix(path, ".part"))).is_ok()
}

/// Removes what a killed or abandoned download of `path` has left. A file without metadata belongs to someone else.
pub(crate) fn remove_leftovers(path: &Path) {
    let part = with_suffix(path, ".part");
    let is_origin = |value: serde_json::Value| value.get("url").is_some() && value.get("total").is_some();
    let is_ours = |text: &[u8]| is_model_metadata(text) || serde_json::from_slice(text).is_ok_and(is_origin);
    if fs::read(metadata_path(&part)).is_ok_and(|text| is_ours(&text)) {
        remove_part(&part);
    }
}

/// Removes a part (a file, or the folder of a model's files) and then its metadata. What can't be removed is
/// overwritten by the next attempt.
fn remove_part(part: &Path) {
    let metadata = metadata_path(part);
    let _ = match fs::symlink_metadata(part).is_ok_and(|info| info.is_dir()) {
        true if fs::read(&metadata).is_ok_and(|text| is_model_metadata(&text)) => fs::remove_dir_all(part),
        true => Ok(()),
        false => fs::remove_file(part),
    };
    let _ = fs::remove_file(metadata);
}

/// Returns whether a metadata file is that of a folder in which a model's files are collected.
fn is_model_metadata(metadata: &[u8]) -> bool {
    metadata.starts_with(b"hf://")
}

/// Returns a path with a suffix appended to its last component.
pub(crate) fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}
