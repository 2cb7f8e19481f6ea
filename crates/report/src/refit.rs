//! `refit/`, read back: what the model of all rows was made of. Its files have to be what was written.

use std::path::Path;

use emberline_base::record::Refit;
use emberline_base::{file, run_files};

use crate::run::{check_version, json_error};
use crate::{Error, SummedFolder};

/// Reads the record of the refit in a run's folder; none if there is none. Its other files are checked when they are read.
///
/// # Errors
/// When the record isn't what was written, or another version has written it.
pub fn read_refit(dir: &Path) -> Result<Option<Refit>, Error> {
    let folder = dir.join(run_files::REFIT);
    let path = folder.join(run_files::RESULT);
    if !path.exists() {
        return Ok(None);
    }
    let bytes = file::read(&path)?;
    SummedFolder::open(folder)?.check(&path, &bytes)?;
    check_version(&path, &serde_json::from_slice(&bytes).map_err(|error| json_error(&path, &error))?)?;
    serde_json::from_slice(&bytes).map(Some).map_err(|error| json_error(&path, &error))
}

/// Reads the record of the refit, as [`read_refit`] does, and compares every other file of it with what was written.
///
/// # Errors
/// Those of [`read_refit`], and when a file is missing or isn't what was written.
pub fn read_whole_refit(dir: &Path) -> Result<Option<Refit>, Error> {
    let Some(refit) = read_refit(dir)? else { return Ok(None) };
    let folder = SummedFolder::open(dir.join(run_files::REFIT))?;
    for name in [run_files::SETTINGS, run_files::HISTORY, run_files::MODEL] {
        folder.read(name)?;
    }
    Ok(Some(refit))
}
