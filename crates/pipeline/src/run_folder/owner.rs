//! `run.json`: whose a run folder is, and in which version its files are written.
//!
//! ```json
//! { "version": 3, "pipeline": "../../pipelines/quickstart.toml" }
//! ```
//! `pipeline` is the path of the pipeline file, relative to the folder, so that both may be moved together. The file is
//! written before any record: a folder with records but without it was written by a version before it, whose records
//! must not be mixed with new ones.

use std::path::{Component, Path, PathBuf};
use std::{fs, io};

use emberline_base::record::VERSION;
use emberline_base::{file, run_files};
use serde::{Deserialize, Serialize};

use crate::Error;

#[derive(Serialize, Deserialize)]
struct Owner {
    version: u32,
    pipeline: String,
}

/// Refuses a folder whose files another version has written, or that belongs to another pipeline file. A folder without
/// records is fine.
///
/// # Errors
/// [`Error::OtherVersion`]; [`Error::OtherPipeline`]; or when `run.json` can't be read.
pub(super) fn check(folder: &Path, pipeline: &Path) -> Result<(), Error> {
    is_owned(folder, pipeline).map(drop)
}

/// Returns whether `run.json` names the pipeline file as the folder's. A pipeline file that was renamed keeps its results:
/// a folder whose pipeline file is gone is anybody's.
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

/// The folder of the pipeline file that a run folder is of; if it is nobody's, where that file lies by default.
///
/// # Errors
/// [`Error::OtherVersion`], or when `run.json` can't be read.
pub(super) fn pipeline_folder(folder: &Path) -> Result<PathBuf, Error> {
    let file = read(folder)?.map(|owner| folder.join(owner.pipeline));
    Ok(file.map_or_else(|| folder.join("../.."), |file| file::folder_of(&file).to_owned()))
}

/// Makes the folder that of a pipeline file.
///
/// # Errors
/// As [`check`], or when `run.json` can't be written.
pub(super) fn claim(folder: &Path, pipeline: &Path) -> Result<(), Error> {
    if is_owned(folder, pipeline)? {
        return Ok(());
    }
    let text = serde_json::to_string_pretty(&Owner { version: VERSION, pipeline: relative(folder, pipeline) });
    let text = text.expect("two plain fields") + "\n";
    Ok(file::write_atomic(&folder.join(run_files::RUN), text.as_bytes())?)
}

fn read(folder: &Path) -> Result<Option<Owner>, Error> {
    let path = folder.join(run_files::RUN);
    let other_version = |found| Error::OtherVersion { folder: folder.to_owned(), found, known: VERSION };
    let bytes = match fs::read(&path) {
        Ok(bytes) => bytes,
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return if holds_records(folder) { Err(other_version(None)) } else { Ok(None) };
        }
        Err(error) => return Err(file::FileError::new("read", &path)(error).into()),
    };
    let value: serde_json::Value = serde_json::from_slice(&bytes).unwrap_or_default();
    let version = value.get("version").and_then(serde_json::Value::as_u64);
    if version != Some(u64::from(VERSION)) {
        return Err(other_version(version));
    }
    // A damaged owner is nobody's.
    Ok(serde_json::from_value(value).ok())
}

fn holds_records(folder: &Path) -> bool {
    let cells = fs::read_dir(folder.join(run_files::CELLS)).into_iter().flatten().flatten();
    folder.join(run_files::SUMMARY).exists()
        || cells.into_iter().any(|cell| cell.path().join(run_files::RESULT).exists())
}

/// The way from a folder to a file, with `/` between the parts; the file's own path if there is no way.
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
            let refused = claim(at.path(), &at.path().join("p.toml")).expect_err("older");
            assert!(matches!(refused, Error::OtherVersion { found: None, .. }), "{refused}");
            assert!(check(at.path(), &at.path().join("p.toml")).is_err() && at.path().join(old).exists());
        }
        let at = files(&["p.toml"]);
        fs::write(at.path().join(run_files::RUN), r#"{"version": 99, "pipeline": "p.toml"}"#).expect("written");
        let refused = check(at.path(), &at.path().join("p.toml")).expect_err("newer").to_string();
        assert!(refused.contains("version 99"), "{refused}");
    }
}
