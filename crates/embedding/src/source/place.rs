//! Where a source's files are, and where they come from.

use std::path::Path;

use emberline_base::Fault;

/// A file or folder on this machine, and where it can be downloaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place<'a> {
    /// Where it is, relative to the pipeline file's folder.
    pub path: &'a Path,
    /// Where it can be downloaded.
    pub url: Option<&'a str>,
    /// The SHA-256 of what lies at the path: of a file, or of a folder as `emberline fetch` prints it.
    pub sha256: Option<&'a str>,
    /// What the path should name, such as `a word2vec or GloVe file`.
    what: &'static str,
}

/// What to do where nothing lies at the path, to follow `isn't there`.
pub(super) fn missing_hint(url: Option<&str>) -> String {
    match url {
        Some(_) => "; `emberline fetch` downloads it".to_owned(),
        None => "; correct `path`, or add a `url` and run `emberline fetch`".to_owned(),
    }
}

impl<'a> Place<'a> {
    /// What the keys `path`, `url` and `sha256` say. `what`: what the path should name, such as `a word2vec or GloVe file`.
    pub(super) fn new(
        path: &'a Path,
        url: Option<&'a String>,
        sha256: Option<&'a String>,
        what: &'static str,
    ) -> Option<Self> {
        Some(Self { path, url: url.map(String::as_str), sha256: sha256.map(String::as_str), what })
    }

    /// What can't be meant.
    pub(super) fn faults(&self) -> Vec<Fault> {
        let mut faults = Vec::new();
        if self.path.as_os_str().is_empty() {
            faults.push(Fault::new("path", "an empty path", format!("name {}", self.what)));
        }
        if self.sha256.is_some_and(|hash| hash.len() != 64 || !hash.bytes().all(|b| b.is_ascii_hexdigit())) {
            faults.push(Fault::new("sha256", "not a SHA-256", "64 hex digits, as `sha256sum` prints them"));
        }
        faults
    }
}
