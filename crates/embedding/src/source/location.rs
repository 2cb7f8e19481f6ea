//! Where a source's files are, and where they can be downloaded.

use std::fs;
use std::path::{Path, PathBuf};

use emberline_base::Fault;

use crate::Error;

/// A file or folder on this machine, and where it can be downloaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Location<'a> {
    /// Where it is, relative to the pipeline file's folder.
    pub path: &'a Path,
    /// Where it can be downloaded.
    pub url: Option<&'a str>,
    /// The SHA-256 of what lies at the path: of a file, or of a folder as `emberline fetch` prints it.
    pub sha256: Option<&'a str>,
    /// What the path should name, such as `a word2vec or GloVe file`.
    what: &'static str,
}

/// Returns the cure if nothing is at the path, to follow `isn't there`.
pub(super) fn missing_hint(url: Option<&str>) -> String {
    match url {
        Some(_) => "; `emberline fetch` downloads it".to_owned(),
        None => "; correct `path`, or add a `url` and run `emberline fetch`".to_owned(),
    }
}

/// Returns the size in bytes of a file, or of the files of a folder whose names contain `part`. Files that can't be
/// read are reported when they are opened.
pub(super) fn bytes_at(path: &Path, part: &str) -> u64 {
    let of_file = |path: &Path| fs::metadata(path).map_or(0, |about| if about.is_file() { about.len() } else { 0 });
    let entries = fs::read_dir(path).into_iter().flatten().flatten().map(|entry| entry.path());
    let is_named = |path: &PathBuf| path.file_name().is_some_and(|name| name.to_string_lossy().contains(part));
    of_file(path) + entries.filter(is_named).map(|path| of_file(&path)).sum::<u64>()
}

impl<'a> Location<'a> {
    /// Builds the location from the keys `path`, `url` and `sha256`. `what`: what the path should name, such as `a
    /// word2vec or GloVe file`.
    pub(super) fn new(
        path: &'a Path,
        url: Option<&'a String>,
        sha256: Option<&'a String>,
        what: &'static str,
    ) -> Option<Self> {
        Some(Self { path, url: url.map(String::as_str), sha256: sha256.map(String::as_str), what })
    }

    /// Checks that the path, which is relative to `base`, exists.
    pub(super) fn find(&self, base: &Path) -> Result<(), Error> {
        let path = base.join(self.path);
        if path.exists() { Ok(()) } else { Err(Error::Missing { path, hint: missing_hint(self.url) }) }
    }

    /// Returns what is wrong with the settings.
    pub(super) fn faults(&self) -> Vec<Fault> {
        let mut faults = Vec::new();
        if self.path.as_os_str().is_empty() {
            faults.push(Fault::new("path", "an empty path", format!("name {}", self.what)));
        }
        if self.url.is_some_and(|url| url.trim().is_empty()) {
            faults.push(Fault::new("url", "an empty url", "say where the model can be downloaded, or leave it out"));
        }
        if self.sha256.is_some_and(|hash| hash.len() != 64 || !hash.bytes().all(|b| b.is_ascii_hexdigit())) {
            faults.push(Fault::new("sha256", "not a SHA-256", "give 64 hex digits, as `sha256sum` prints them"));
        }
        faults
    }
}
