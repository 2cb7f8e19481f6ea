//! Reads and writes `run.json`: which pipeline file a run folder belongs to, and the version of its files.
//!
//! ```json
//! { "version": 3, "pipeline": "../../pipelines/quickstart.toml" }
//! ```
//! `pipeline` is the path of the pipeline file relative to the folder, so that both may be moved together. The file is
//! written before any record. A folder that has records but no `run.json` was written by an older version, whose
//! records must not be mixed with new ones, unless the records state the present version: then the file was lost, and a
//! run writes it again.

use std::path::{Component, Path, PathBuf};
use std::{fs, io};

use emberline_base::record::VERSION;
use emberline_base::{file, run_files};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::Error;

#[derive(Serialize, Deserialize)]
struct Owner {
    version: u32,
    pipeline: String,
}

/// Refuses a folder whose files were written by another version, or that belongs to another pipeline file. A folder
/// without records is accepted.
///
/// # Errors
/// [`Error::OtherVersion`]; [`Error::OtherPipeline`]; [`Error::RunFile`]; or when `run.json` can't be read.
pub(super) fn check(folder: &Path, pipeline: &Path) -> Result<(), Error> {
    is_owned(folder, pipeline).map(drop)
}

/// Returns whether `run.json` names this pipeline file. A pipeline file that was renamed keeps its results: a folder
/// whose pipeline file no longer exists may be claimed by any.
///
/// # Errors
/// As [`check`].
pub(super) fn is_owned(folder: &Path, pipeline: &Path) -> Result<bool, Error> {
    let Some(Owner { pipeline: owner, .. }) = read(folder)? else { return Ok(false) };
    if owner == relative(folder, pipeline) {
        return Ok(true);
    }
    let other = folder.join(owner);
    if !other.is_file() {
        return Ok(false);
    }
    let other = fs::canonicalize(&other).unwrap_or(other);
    Err(Error::OtherPipeline { folder: folder.to_owned(), other, wanted: pipeline.to_owned() })
}

/// Returns the folder of the pipeline file that a run folder belongs to; if it belongs to none, the default place of
/// that file.
///
/// # Errors
/// [`Error::OtherVersion`], [`Error::RunFile`], or when `run.json` can't be read.
pub(super) fn pipeline_folder(folder: &Path) -> Result<PathBuf, Error> {
    let file = read(folder)?.map(|owner| folder.join(owner.pipeline));
    Ok(file.map_or_else(|| folder.join("../.."), |file| file::folder_of(&file).to_owned()))
}

/// Returns whether the folder belongs to the pipeline file already; if not, it may be claimed. If `run.json` was lost,
/// the owner is unknown, but the records have this version, and each record's identity says whether it belongs to the
/// pipeline.
///
/// # Errors
/// [`Error::OtherVersion`]; [`Error::OtherPipeline`]; or when `run.json` can't be read.
pub(super) fn may_claim(folder: &Path, pipeline: &Path) -> Result<bool, Error> {
    match is_owned(folder, pipeline) {
        Err(Error::RunFile { .. }) => Ok(false),
        found => found,
    }
}

/// Makes the folder belong to a pipeline file.
///
/// # Errors
/// As [`may_claim`], or when `run.json` can't be written.
pub(super) fn claim(folder: &Path, pipeline: &Path) -> Result<(), Error> {
    if may_claim(folder, pipeline)? {
        return Ok(());
    }
    let text = serde_json::to_string_pretty(&Owner { version: VERSION, pipeline: relative(folder, pipeline) });
    let text = text.expect("two plain fields") + "\n";
    Ok(file::write_atomic(&folder.join(run_files::RUN), text.as_bytes())?)
}

fn read(folder: &Path) -> Result<Option<Owner>, Error> {
    let path = folder.join(run_files::RUN);
    let bytes = match fs::read(&path) {
        Ok(bytes) => bytes,
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return nobody(folder, "is missing");
        }
        Err(error) => return Err(file::FileError::new("read", &path)(error).into()),
    };
    let value: Value = serde_json::from_slice(&bytes).unwrap_or_default();
    match version(&value) {
        Some(found) if found != u64::from(VERSION) => Err(other_version(folder, Some(found))),
        Some(_) => serde_json::from_value(value).map_or_else(|_| nobody(folder, "is damaged"), |owner| Ok(Some(owner))),
        None => nobody(folder, "is damaged"),
    }
}

/// Handles a folder whose `run.json` can't be used: it belongs to nobody if it has no records.
fn nobody(folder: &Path, fault: &'static str) -> Result<Option<Owner>, Error> {
    let mut records = records(folder).peekable();
    if records.peek().is_none() {
        return Ok(None);
    }
    let is_ours = |version: u64| version == u64::from(VERSION);
    match records.find_map(|record| record) {
        Some(found) if found.is_none_or(|found| !is_ours(found)) => Err(other_version(folder, found)),
        // The version of records that can't be read is unknown; a run makes them again.
        Some(_) | None => Err(Error::RunFile { path: folder.join(run_files::RUN), fault }),
    }
}

/// Returns the version that each of a folder's records states, if any; unreadable records are skipped.
fn records(folder: &Path) -> impl Iterator<Item = Option<Option<u64>>> {
    let cells = fs::read_dir(folder.join(run_files::CELLS)).into_iter().flatten().flatten();
    let results = cells.map(|cell| cell.path().join(run_files::RESULT));
    let paths = std::iter::once(folder.join(run_files::SUMMARY)).chain(results).filter(|path| path.exists());
    paths.map(|path| {
        let record: Option<Value> = fs::read(path).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
        record.map(|record| version(&record))
    })
}

fn version(record: &Value) -> Option<u64> {
    record.get("version").and_then(Value::as_u64)
}

fn other_version(folder: &Path, found: Option<u64>) -> Error {
    Error::OtherVersion { folder: folder.to_owned(), found, known: VERSION }
}

/// Returns the relative path from a folder to a file, with `/` between its parts; the file's own path if there is none.
fn relative(folder: &Path, file: &Path) -> String {
    let absolute = |path: &Path| fs::canonicalize(path).or_else(|_| std::path::absolute(path));
    let (Ok(folder), Ok(target)) = (absolute(folder), absolute(file)) else { return shown(file) };
    let (from, to): (Vec<Component<'_>>, Vec<Component<'_>>) =
        (folder.components().collect(), target.components().collect());
    let shared = from.iter().zip(&to).take_while(|(a, b)| a == b).count();
    if shared == 0 {
        return shown(&target);
    }
    let up = from[shared..].iter().map(|_| Component::ParentDir);
    shown(&up.chain(to[shared..].iter().copied()).collect::<PathBuf>())
}

fn shown(path: &Path) -> String {
    path.components().map(|part| part.as_os_str().to_string_lossy()).collect::<Vec<_>>().join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(names: &[&str]) -> tempfile::TempDir {
        let at = tempfile::tempdir().expect("a folder");
        for name in names {
            file::write_atomic(&at.path().join(name), b"").expect("written");
        }
        at
    }

    #[test]
    fn a_folder_is_one_pipelines() {
        let at = files(&["a/p.toml", "b/p.toml"]);
        let run = at.path().join("runs/p");
        fs::create_dir_all(&run).expect("a folder");
        claim(&run, &at.path().join("a/p.toml")).expect("nobody's");
        claim(&run, &at.path().join("a/../a/p.toml")).expect("its own");
        let text = fs::read_to_string(run.join(run_files::RUN)).expect("readable");
        assert!(text.contains(r#""pipeline": "../../a/p.toml""#), "{text}");
        assert!(is_owned(&run, &at.path().join("a/p.toml")).expect("its own"));
        for refused in [claim(&run, &at.path().join("b/p.toml")), check(&run, &at.path().join("b/p.toml"))] {
            let refused = refused.expect_err("another's").to_string();
            assert!(refused.contains("a/p.toml") && refused.contains("--out"), "{refused}");
        }
        fs::rename(at.path().join("a/p.toml"), at.path().join("a/q.toml")).expect("renamed");
        claim(&run, &at.path().join("a/q.toml")).expect("renamed with its results");
    }

    #[test]
    fn both_may_be_moved_together() {
        let at = files(&["one/p.toml"]);
        let run = at.path().join("one/runs/p");
        fs::create_dir_all(&run).expect("a folder");
        claim(&run, &at.path().join("one/p.toml")).expect("nobody's");
        fs::rename(at.path().join("one"), at.path().join("two")).expect("moved");
        claim(&at.path().join("two/runs/p"), &at.path().join("two/p.toml")).expect("its own");
    }

    #[test]
    fn records_of_other_versions_are_named() {
        for old in ["summary.json", "cells/a-frozen-s0-01234567/result.json"] {
            let at = files(&["p.toml", old]);
            fs::write(at.path().join(old), "{}").expect("written");
            let refused = claim(at.path(), &at.path().join("p.toml")).expect_err("older");
            assert!(matches!(refused, Error::OtherVersion { found: None, .. }), "{refused}");
            assert!(check(at.path(), &at.path().join("p.toml")).is_err() && at.path().join(old).exists());
        }
        let at = files(&["p.toml"]);
        fs::write(at.path().join(run_files::RUN), r#"{"version": 99, "pipeline": "p.toml"}"#).expect("written");
        let refused = check(at.path(), &at.path().join("p.toml")).expect_err("newer").to_string();
        assert!(refused.contains("version 99"), "{refused}");
    }

    #[test]
    fn a_lost_owner_is_named_and_a_run_writes_it_anew() {
        let (at, pipeline) = (files(&["p.toml", "summary.json"]), "p.toml");
        let pipeline = at.path().join(pipeline);
        let run = at.path().join(run_files::RUN);
        let whole = format!("{{\"version\": {VERSION}}}");
        for records in [whole.as_str(), "cut"] {
            fs::write(at.path().join("summary.json"), records).expect("written");
            for owner in [None, Some("cut"), Some(whole.as_str())] {
                let _ = fs::remove_file(&run);
                owner.into_iter().for_each(|text| fs::write(&run, text).expect("written"));
                let lost = check(at.path(), &pipeline).expect_err("lost").to_string();
                let fault = if owner.is_none() { "run.json is missing" } else { "run.json is damaged" };
                assert!(lost.contains(fault) && lost.contains("emberline run"), "{lost}");
                assert!(pipeline_folder(at.path()).is_err());
                claim(at.path(), &pipeline).expect("written anew");
                assert!(is_owned(at.path(), &pipeline).expect("whole"));
            }
        }
    }
}
