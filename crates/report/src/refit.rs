//! `refit/`, read back: what the model of all rows was made of. Its files have to be what was written.

use std::path::Path;

use emberline_base::record::Refit;
use emberline_base::{file, run_files};

use crate::Error;
use crate::run::{check, check_version, json_error, read_checked, sums_of};

/// Reads the record of the refit in a run's folder; none if there is none.
///
/// # Errors
/// When its record, its settings or its model isn't what was written, or another version has written it.
pub fn read_refit(dir: &Path) -> Result<Option<Refit>, Error> {
    let folder = dir.join(run_files::REFIT);
    let path = folder.join(run_files::RESULT);
    if !path.exists() {
        return Ok(None);
    }
    let bytes = file::read(&path)?;
    check(&sums_of(&folder)?, &path, &bytes)?;
    check_version(&path, &serde_json::from_slice(&bytes).map_err(|error| json_error(&path, &error))?)?;
    for name in [run_files::SETTINGS, run_files::MODEL] {
        read_checked(&folder, name)?;
    }
    serde_json::from_slice(&bytes).map(Some).map_err(|error| json_error(&path, &error))
}
