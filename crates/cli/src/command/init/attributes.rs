//! Tells git how the lock of a new pipeline is merged: the lines of both branches are kept, since each stands for itself.

use std::fs;
use std::path::Path;

use emberline_base::file::{self, FileError};

use crate::exit::Error;

/// The file that git reads.
const FILE: &str = ".gitattributes";

/// The line for the lock of `pipeline.toml`. Not `*.lock`: that would be Cargo.lock and its like, too.
const LINE: &str = "pipeline.lock text eol=lf merge=union";

/// Adds the line to `.gitattributes` in a folder, unless the file says how the lock is merged. Returns the file's path as
/// a line if it was written.
pub(super) fn add(folder: &Path) -> Result<String, Error> {
    let path = folder.join(FILE);
    file::refuse_links(folder, Path::new(FILE))?;
    let present = match fs::read(&path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
        Err(error) => return Err(FileError::new("read", &path)(error).into()),
    };
    let text = String::from_utf8_lossy(&present);
    if text.lines().any(|line| line.split_whitespace().next() == Some("pipeline.lock")) {
        return Ok(String::new());
    }
    let mut written = present.clone();
    if !written.is_empty() && !written.ends_with(b"\n") {
        written.push(b'\n');
    }
    written.extend(LINE.as_bytes());
    written.push(b'\n');
    file::write_atomic(&path, &written)?;
    Ok(format!("{}\n", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_is_added_once_and_other_lines_stay() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join(FILE);
        assert_eq!(add(folder.path()).expect("written"), format!("{}\n", path.display()));
        assert_eq!(fs::read_to_string(&path).expect("readable"), format!("{LINE}\n"));
        assert_eq!(add(folder.path()).expect("it is there"), "");
        fs::write(&path, "*.png binary").expect("written");
        add(folder.path()).expect("added");
        assert_eq!(fs::read_to_string(&path).expect("readable"), format!("*.png binary\n{LINE}\n"));
    }
}
