//! Reads the record of the refit (`refit/`), the model that was trained on all rows, and verifies its files.

use std::path::Path;

use emberline_base::record::Refit;
use emberline_base::{file, run_files};

use crate::Error;
use crate::run::{check, check_version, json_error, read_sums};

/// Reads the record of the refit in a run folder; `None` if there is none.
///
/// # Errors
/// If its record, its settings or its model doesn't match its checksum, or another version wrote it.
pub fn read_refit(dir: &Path) -> Result<Option<Refit>, Error> {
    let folder = dir.join(run_files::REFIT);
    let path = folder.join(run_files::RESULT);
    if !path.exists() {
        return Ok(None);
    }
    let bytes = file::read(&path)?;
    let sums = read_sums(&folder)?;
    check(&sums, &path, &bytes)?;
    check_version(&path, &serde_json::from_slice(&bytes).map_err(|error| json_error(&path, &error))?)?;
    for name in [run_files::SETTINGS, run_files::MODEL] {
        let path = folder.join(name);
        check(&sums, &path, &file::read(&path)?)?;
    }
    serde_json::from_slice(&bytes).map(Some).map_err(|error| json_error(&path, &error))
}
