//! Computes the SHA-256 of a file or a folder.
//!
//! The digest of a file is that of its bytes, as `sha256sum` prints it. The digest of a folder is that of the lines
//! which `sha256sum` prints for its files, sorted by the bytes of their paths: for each the hash, two spaces, the path
//! below the folder with `/`, and a line end. Files and folders whose names start with a dot don't count. In a shell:
//!
//! ```sh
//! cd FOLDER && find * -type f -not -path '*/.*' | LC_ALL=C sort | xargs -d '\n' sha256sum | sha256sum
//! ```

use std::fs;
use std::io::{self, Read};
use std::path::Path;

use emberline_base::digest::hex;
use emberline_base::file::{self, FileError};
use sha2::{Digest, Sha256};

use crate::Error;

/// The maximum depth of nested folders; a symbolic link may lead back up.
const MAX_DEPTH: usize = 32;

/// The size and the digest of a file or folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileInfo {
    /// The size of all files together, in bytes.
    pub bytes: u64,
    /// The SHA-256; none if it wasn't requested.
    pub sha256: Option<String>,
}

/// Returns the size of the file or folder at a path; none if nothing exists there. Does not use the network. If
/// `expected` is given, the content is read and its SHA-256 compared.
///
/// # Errors
/// When it can't be read, or has another SHA-256 than expected.
pub fn inspect(path: &Path, expected: Option<&str>) -> Result<Option<FileInfo>, Error> {
    if fs::metadata(path).is_err_and(|e| e.kind() == io::ErrorKind::NotFound) {
        return Ok(None);
    }
    let Some(expected) = expected else {
        return Ok(Some(FileInfo { bytes: files(path)?.iter().map(|file| file.1).sum(), sha256: None }));
    };
    let found = sum(path)?;
    let actual = found.sha256.clone().unwrap_or_default();
    if actual.eq_ignore_ascii_case(expected) {
        return Ok(Some(found));
    }
    let cure = "correct `sha256`, or fetch it again with `--force`".to_owned();
    Err(Error::Hash { path: path.to_owned(), expected: expected.to_owned(), found: actual, cure })
}

/// Computes the size and the SHA-256 of a file or folder.
pub(crate) fn sum(path: &Path) -> Result<FileInfo, Error> {
    if !fs::metadata(path).map_err(FileError::new("read", path))?.is_dir() {
        let (bytes, sha256) = of_file(path)?;
        return Ok(FileInfo { bytes, sha256: Some(sha256) });
    }
    let mut lines = Sha256::new();
    let mut total = 0;
    for (name, _) in files(path)? {
        let (bytes, sha256) = of_file(&path.join(&name))?;
        lines.update(format!("{sha256}  {name}\n"));
        total += bytes;
    }
    Ok(FileInfo { bytes: total, sha256: Some(hex(&lines.finalize())) })
}

/// Computes the size and the SHA-256 of a file.
pub(crate) fn of_file(path: &Path) -> Result<(u64, String), Error> {
    let read = || -> io::Result<(u64, String)> {
        let mut file = file::open(path)?;
        let (mut hash, mut total) = (Sha256::new(), 0);
        let mut buffer = vec![0; 1 << 18];
        loop {
            match file.read(&mut buffer) {
                Ok(0) => return Ok((total, hex(&hash.finalize()))),
                Ok(read) => {
                    hash.update(&buffer[..read]);
                    total += read as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    };
    Ok(read().map_err(FileError::new("read", path))?)
}

/// Returns the files at or below a path with their sizes in bytes, sorted by path.
fn files(path: &Path) -> Result<Vec<(String, u64)>, Error> {
    let metadata = fs::metadata(path).map_err(FileError::new("read", path))?;
    if !metadata.is_dir() {
        return Ok(vec![(String::new(), metadata.len())]);
    }
    let mut found = Vec::new();
    collect(path, "", MAX_DEPTH, &mut found).map_err(FileError::new("read", path))?;
    found.sort();
    Ok(found)
}

fn collect(folder: &Path, prefix: &str, depth: usize, found: &mut Vec<(String, u64)>) -> io::Result<()> {
    let depth = depth.checked_sub(1).ok_or_else(|| io::Error::other("its folders are nested too deeply"))?;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with('.') {
            continue;
        }
        // Links are followed: models are often stored as links into a shared store.
        let metadata = fs::metadata(entry.path())?;
        let name = format!("{prefix}{name}");
        if metadata.is_dir() {
            collect(&entry.path(), &format!("{name}/"), depth, found)?;
        } else {
            found.push((name, metadata.len()));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The expected values are those of `sha256sum` and of the shell line in the module's documentation.
    #[test]
    fn a_file_and_a_folder_have_a_digest() {
        let folder = tempfile::tempdir().expect("a folder");
        let write = |name: &str, text: &str| {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().expect("a folder"))
                .and_then(|()| fs::write(&path, text))
                .expect("written");
        };
        write("b.txt", "abc");
        write("a/c.txt", "");
        write(".hidden", "x");
        write("a/.cache/x", "x");
        let file = sum(&folder.path().join("b.txt")).expect("read");
        assert_eq!(file.sha256.as_deref(), Some("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"));
        let all = sum(folder.path()).expect("read");
        let expected = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855  a/c.txt\n\
                        ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad  b.txt\n";
        assert_eq!(all.sha256, Some(emberline_base::file::sha256(expected.as_bytes())));
        assert_eq!(all.bytes, 3);
        assert_eq!(inspect(folder.path(), all.sha256.as_deref()).expect("equal"), Some(all));
        assert!(matches!(inspect(folder.path(), Some("00")), Err(Error::Hash { .. })));
        assert_eq!(inspect(&folder.path().join("none"), Some("00")).expect("nothing there"), None);
        assert_eq!(inspect(folder.path(), None).expect("there"), Some(FileInfo { bytes: 3, sha256: None }));
    }
}
