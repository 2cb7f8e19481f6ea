//! What has arrived of a download: `PATH.part`, and beside it `PATH.part.json`, which says what it is a part of.
//!
//! The note is written before the first byte, whole or not at all, so that no byte lies in a part whose version isn't noted.
//! It holds hashes of urls, since a query may hold a token. Symbolic links are never written through.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use emberline_base::file::{self, FileError};
use serde::{Deserialize, Serialize};
use url::Url;

use crate::Error;
use crate::range::Validator;

/// A download that may be under way.
#[derive(Debug)]
pub(crate) struct Partial {
    /// `PATH.part`
    pub(crate) path: PathBuf,
    origin: Option<Origin>,
    /// Whether bytes of several answers were joined, or of an earlier process taken over.
    pub(crate) joined: bool,
}

/// `PATH.part.json`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Origin {
    /// The SHA-256 of the url that was asked for.
    url: String,
    /// Where redirects led to: see [`place`].
    pub(crate) place: String,
    /// By what the server recognises this version of the content.
    pub(crate) validator: Option<Validator>,
    /// The bytes of the whole.
    pub(crate) total: Option<u64>,
}

/// A part that a server can be asked to continue.
#[derive(Clone, Debug)]
pub(crate) struct Part {
    /// The bytes that have arrived.
    pub(crate) bytes: u64,
    pub(crate) validator: Validator,
    pub(crate) origin: Origin,
}

/// The SHA-256 of an address without its query: storage is often reached by redirects whose queries are signed anew each
/// time. Validators of different addresses can't be compared.
pub(crate) fn place(url: &Url) -> String {
    let mut url = url.clone();
    url.set_query(None);
    url.set_fragment(None);
    file::sha256(url.as_str().as_bytes())
}

impl Origin {
    /// What a server says of the content at `url`, found at `place`.
    pub(crate) fn new(url: &str, place: &str, validator: Option<Validator>, total: Option<u64>) -> Self {
        Self { url: file::sha256(url.as_bytes()), place: place.to_owned(), validator, total }
    }
}

impl Partial {
    /// What is there of `url`, for the file that will be `path`.
    pub(crate) fn of(path: &Path, url: &str) -> Self {
        let path = beside(path, ".part");
        let read = |path: &Path| serde_json::from_slice::<Origin>(&fs::read(path).ok()?).ok();
        let url = file::sha256(url.as_bytes());
        let origin = read(&note_of(&path)).filter(|origin| origin.url == url);
        Self { path, origin, joined: false }
    }

    /// Whether all of it is there.
    pub(crate) fn is_whole(&self) -> bool {
        let total = self.origin.as_ref().and_then(|origin| origin.total);
        total.is_some() && self.bytes() == total
    }

    /// The part to continue from, and the server's validator for it.
    pub(crate) fn part(&self) -> Option<Part> {
        let origin = self.origin.clone()?;
        let validator = origin.validator.clone()?;
        let bytes = self.bytes().filter(|&bytes| bytes > 0)?;
        Some(Part { bytes, validator, origin })
    }

    /// The bytes that have arrived, in a regular file.
    fn bytes(&self) -> Option<u64> {
        fs::symlink_metadata(&self.path).ok().filter(fs::Metadata::is_file).map(|about| about.len())
    }

    /// Opens the file to write from `offset` on; all behind it is cut off. Notes first what it will be a part of.
    pub(crate) fn open(&mut self, offset: u64, origin: Origin) -> Result<File, Error> {
        file::make_folder(file::folder_of(&self.path))?;
        if offset == 0 {
            // Another version gets another file: even a power cut can't leave the new note beside old bytes.
            self.discard();
            file::remove_if_link(&self.path)?;
        }
        self.joined = offset > 0;
        if self.origin.as_ref() != Some(&origin) {
            let text = serde_json::to_vec(&origin).expect("strings and numbers are JSON");
            file::write_atomic(&note_of(&self.path), &text)?;
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

    /// Forgets what has arrived.
    pub(crate) fn discard(&mut self) {
        self.origin = None;
        remove_part(&self.path);
    }

    /// Moves the whole file to its place.
    pub(crate) fn finish(mut self, target: &Path) -> Result<(), Error> {
        fs::rename(&self.path, target).map_err(FileError::new("write", target))?;
        self.discard();
        Ok(())
    }
}

/// `PATH.part.json` of `PATH.part`.
pub(crate) fn note_of(part: &Path) -> PathBuf {
    beside(part, ".json")
}

/// Whether there is something to [`remove_left`] for `path`.
pub(crate) fn is_left(path: &Path) -> bool {
    fs::symlink_metadata(note_of(&beside(path, ".part"))).is_ok()
}

/// Removes what a download of `path` that was killed, or given up, has left. What has no note is someone else's.
pub(crate) fn remove_left(path: &Path) {
    let part = beside(path, ".part");
    let is_origin = |value: serde_json::Value| value.get("url").is_some() && value.get("total").is_some();
    let is_ours = |text: &[u8]| is_of_model(text) || serde_json::from_slice(text).is_ok_and(is_origin);
    if fs::read(note_of(&part)).is_ok_and(|text| is_ours(&text)) {
        remove_part(&part);
    }
}

/// Removes a part, a file or the folder of a model's files, and then its note. What can't be removed is overwritten by the
/// next attempt.
fn remove_part(part: &Path) {
    let note = note_of(part);
    let _ = match fs::symlink_metadata(part).is_ok_and(|about| about.is_dir()) {
        true if fs::read(&note).is_ok_and(|text| is_of_model(&text)) => fs::remove_dir_all(part),
        true => Ok(()),
        false => fs::remove_file(part),
    };
    let _ = fs::remove_file(note);
}

/// Whether a note is that of a folder in which a model's files are collected.
fn is_of_model(note: &[u8]) -> bool {
    note.starts_with(b"hf://")
}

/// A path with something added to its last part.
pub(crate) fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    PathBuf::from(name)
}
