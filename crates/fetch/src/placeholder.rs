//! Detects placeholders that servers send instead of a file: a login page, an error page, a Git LFS pointer.

use std::path::Path;

use emberline_base::file::FileError;
use emberline_base::secret;
use emberline_base::sniff::{self, FileUse, Kind};

use crate::Error;

/// Refuses a downloaded file whose first bytes are those of a placeholder. Folders are not examined: whoever reads
/// their files recognises placeholders.
///
/// # Errors
/// When it is a placeholder, or can't be read.
pub(crate) fn refuse_placeholder(path: &Path, url: &str) -> Result<(), Error> {
    let head = sniff::head(path).map_err(FileError::new("read", path))?;
    let Some(found) = sniff::placeholder_kind(&head) else { return Ok(()) };
    let cure = match found {
        Kind::GitLfsPointer => {
            "use the file's own URL: on GitHub it is below media.githubusercontent.com/media/, on Hugging Face it has `resolve` \
             instead of `raw`"
        }
        found => found.cure(FileUse::Model),
    };
    Err(Error::Answer { url: secret::mask_url(url), reason: format!("the server sent {}; {cure}", found.name()) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_placeholder_is_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("x.bin");
        for (content, expected) in [
            (&b"version https://git-lfs.github.com/spec/v1\n"[..], Some("media.githubusercontent.com")),
            (b"<!DOCTYPE html><html>", Some("a web page")),
            (b"3 2\n", None),
            (b"", None),
        ] {
            std::fs::write(&path, content).expect("written");
            let refusal = refuse_placeholder(&path, "https://example.org/x.bin").err().map(|error| error.to_string());
            match expected {
                Some(expected) => assert!(refusal.as_deref().is_some_and(|r| r.contains(expected)), "{refusal:?}"),
                None => assert_eq!(refusal, None),
            }
        }
        refuse_placeholder(folder.path(), "https://example.org/x").expect("a folder");
    }
}
