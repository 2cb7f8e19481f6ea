//! What has arrived of a download: `PATH.part`, and beside it `PATH.part.json`, which says what it is a part of.
//!
//! Of the url that is its hash: a query may hold a token. It is continued only where the server can tell that it still has the same content: by a strong `ETag`, or by
//! `Last-Modified` (RFC 9110, section 13.1.5).

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use emberline_base::file::{self, FileError};
use serde::{Deserialize, Serialize};
use ureq::http::Response;

use crate::Error;
use crate::client::header_text;

/// A download that may be under way.
#[derive(Debug)]
pub(crate) struct Partial {
    /// `PATH.part`
    pub(crate) path: PathBuf,
    origin: Option<Origin>,
}

/// `PATH.part.json`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Origin {
    /// The SHA-256 of the url that was asked for.
    url: String,
    /// By what the server recognises the content.
    pub(crate) validator: Option<String>,
    /// The bytes of the whole.
    pub(crate) total: Option<u64>,
}

impl Origin {
    /// What a server says of the content at `url`.
    pub(crate) fn new(url: &str, validator: Option<String>, total: Option<u64>) -> Self {
        Self { url: file::sha256(url.as_bytes()), validator, total }
    }
}

impl Partial {
    /// What is there of `url`, for the file that will be `path`.
    pub(crate) fn of(path: &Path, url: &str) -> Self {
        let path = beside(path, ".part");
        let read = |path: &Path| serde_json::from_slice::<Origin>(&fs::read(path).ok()?).ok();
        let url = file::sha256(url.as_bytes());
        let origin = read(&beside(&path, ".json")).filter(|origin| origin.url == url);
        Self { path, origin }
    }

    /// Whether all of it is there.
    pub(crate) fn is_whole(&self) -> bool {
        let total = self.origin.as_ref().and_then(|origin| origin.total);
        total.is_some() && fs::metadata(&self.path).ok().map(|about| about.len()) == total
    }

    /// How many bytes there are to continue from, and the server's mark for them.
    pub(crate) fn continuation(&self) -> Option<(u64, String)> {
        let validator = self.origin.as_ref()?.validator.clone()?;
        let have = fs::metadata(&self.path).ok().filter(fs::Metadata::is_file)?.len();
        (have > 0).then_some((have, validator))
    }

    /// Opens the file to write from `offset` on; all behind it is cut off. Notes first what it will be a part of.
    pub(crate) fn open(&mut self, offset: u64, origin: Origin) -> Result<File, Error> {
        if self.origin.as_ref() != Some(&origin) {
            self.truncate(offset)?;
            let text = serde_json::to_vec(&origin).expect("strings and numbers are JSON");
            file::write_atomic(&beside(&self.path, ".json"), &text)?;
            self.origin = Some(origin);
        }
        self.truncate(offset)
    }

    fn truncate(&self, offset: u64) -> Result<File, Error> {
        if let Some(folder) = self.path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            file::make_folder(folder)?;
        }
        let open = || -> io::Result<File> {
            let mut file = OpenOptions::new().write(true).create(true).truncate(false).open(&self.path)?;
            file.set_len(offset)?;
            io::Seek::seek(&mut file, io::SeekFrom::Start(offset))?;
            Ok(file)
        };
        Ok(open().map_err(FileError::new("write", &self.path))?)
    }

    /// Forgets what has arrived.
    pub(crate) fn discard(&mut self) {
        self.origin = None;
        // What can't be removed is overwritten by the next attempt.
        let _ = fs::remove_file(&self.path);
        let _ = fs::remove_file(beside(&self.path, ".json"));
    }

    /// Moves the whole file to its place.
    pub(crate) fn finish(mut self, target: &Path) -> Result<(), Error> {
        fs::rename(&self.path, target).map_err(FileError::new("write", target))?;
        self.discard();
        Ok(())
    }
}

/// By what a server recognises the content that it sends.
pub(crate) fn validator<T>(response: &Response<T>) -> Option<String> {
    let strong = header_text(response, "etag").filter(|tag| tag.starts_with('"'));
    strong.or_else(|| header_text(response, "last-modified")).map(str::to_owned)
}

/// A path with something added to its last part.
pub(crate) fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    PathBuf::from(name)
}
