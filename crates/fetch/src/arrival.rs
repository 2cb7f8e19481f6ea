//! Refuses what servers send in a file's place: a page to log in, an error page, a Git LFS pointer.

use std::path::Path;

use emberline_base::file::FileError;
use emberline_base::secret;
use emberline_base::sniff::{self, Kind, Use};

use crate::Error;

/// Refuses a file that arrived if its first bytes are those of something that only stands for a file. A folder is not
/// looked into: whoever reads its files recognises them.
///
/// # Errors
/// When it is such a thing, or can't be read.
pub(crate) fn refuse_stand_in(path: &Path, url: &str) -> Result<(), Error> {
    let head = sniff::head(path).map_err(FileError::new("read", path))?;
    let Some(found) = sniff::stand_in(&head) else { return Ok(()) };
    let cure = match found {
        Kind::GitLfsPointer => {
            "name the file's own address: on GitHub below media.githubusercontent.com/media/, on Hugging Face with `resolve` in \
             place of `raw`"
        }
        found => found.cure(Use::Model),
    };
    Err(Error::Answer { url: secret::url(url), reason: format!("sent {}; {cure}", found.name()) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_for_a_file_is_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("x.bin");
        for (content, expected) in [
            (&b"version https://git-lfs.github.com/spec/v1\n"[..], Some("media.githubusercontent.com")),
            (b"<!DOCTYPE html><html>", Some("a web page")),
            (b"3 2\n", None),
            (b"", None),
        ] {
            std::fs::write(&path, content).expect("written");
            let refusal = refuse_stand_in(&path, "https://example.org/x.bin").err().map(|error| error.to_string());
            match expected {
                Some(expected) => assert!(refusal.as_deref().is_some_and(|r| r.contains(expected)), "{refusal:?}"),
                None => assert_eq!(refusal, None),
            }
        }
        refuse_stand_in(folder.path(), "https://example.org/x").expect("a folder");
    }
}
