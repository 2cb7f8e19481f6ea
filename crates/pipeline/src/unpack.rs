//! Writes the files that a `report.html` carries into a folder, byte for byte: the way back from a report that was passed on.

use std::fs;
use std::path::{Path, PathBuf};

use emberline_base::file;
use emberline_report::{Error as ReportError, read_carried};

use crate::Error;

/// Writes the files that the page carries into the folder `out`, which is made if need be, and returns their paths.
///
/// # Errors
/// If the page can't be read, isn't whole or carries no files; or if a file is there already with other content. Nothing is written then.
pub fn unpack_report(page: &Path, out: &Path) -> Result<Vec<PathBuf>, Error> {
    // A page that was cut off may end within a character.
    let bytes = file::read(page)?;
    let text = String::from_utf8_lossy(&bytes);
    let fault = |path: &Path, fault: String| Error::from(ReportError::Page { path: path.to_owned(), fault });
    let files = read_carried(&text).map_err(|why| fault(page, why))?;
    let others = |path: &PathBuf, bytes: &[u8]| fs::read(path).map_or(path.exists(), |there| there != bytes);
    let paths: Vec<PathBuf> = files.iter().map(|file| out.join(&file.name)).collect();
    for (path, file) in paths.iter().zip(&files) {
        if others(path, &file.bytes) {
            return Err(fault(path, "is there already, with other content; give another folder with --out".to_owned()));
        }
    }
    file::make_folder(out)?;
    for (path, carried) in paths.iter().zip(&files) {
        file::write_atomic(path, &carried.bytes)?;
    }
    Ok(paths)
}
