//! Finds the two files of an ELMo model, and checks the hash of the weights.
//!
//! Published models consist of `NAME_weights.hdf5` and `NAME_options.json`; AllenNLP's training writes
//! `lm_weights.hdf5` and `options.json`.

use std::fs;
use std::path::{Path, PathBuf};

use emberline_base::file::FileError;

use super::Settings;
use crate::Error;
use crate::source::location::missing_hint;

/// Returns the weights at a path: the path itself, or the only `.hdf5` file of a folder, by preference one named
/// `*weights.hdf5`.
pub(super) fn weights_file(settings: &Settings, path: &Path) -> Result<PathBuf, Error> {
    let Ok(metadata) = fs::metadata(path) else {
        return Err(Error::Missing { path: path.to_owned(), hint: missing_hint(settings.url.as_deref()) });
    };
    if metadata.is_file() {
        return Ok(path.to_owned());
    }
    let files = names(path)?;
    one(path, &files, "weights.hdf5").or_else(|_| one(path, &files, ".hdf5"))
}

/// Returns the options file that belongs to the weights.
pub(super) fn options_file(settings: &Settings, base: &Path, weights: &Path) -> Result<PathBuf, Error> {
    if let Some(options) = &settings.options {
        return Ok(base.join(options));
    }
    let name = weights.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let own = name.strip_suffix("weights.hdf5").map(|stem| format!("{stem}options.json"));
    let beside = own.iter().map(String::as_str).chain(["options.json"]).map(|name| weights.with_file_name(name));
    match beside.into_iter().find(|path| path.is_file()) {
        Some(path) => Ok(path),
        None => {
            let folder = weights.parent().unwrap_or(Path::new("."));
            one(folder, &names(folder)?, "options.json")
        }
    }
}

/// Returns the only file of a folder whose name has this ending.
fn one(folder: &Path, files: &[String], end: &str) -> Result<PathBuf, Error> {
    let mut found = files.iter().filter(|name| name.ends_with(end));
    match (found.next(), found.next()) {
        (Some(name), None) => Ok(folder.join(name)),
        (None, _) => {
            let hint = "; a model has two files, *weights.hdf5 and *options.json: download both, or name them in `path` and \
                        `options`";
            Err(Error::Missing { path: folder.join(format!("*{end}")), hint: hint.to_owned() })
        }
        (Some(a), Some(b)) => {
            let reason = format!("holds {a} and {b}; name the weights in `path` and the options in `options`");
            Err(Error::format(folder, reason))
        }
    }
}

/// Returns the sorted file names of a folder.
fn names(folder: &Path) -> Result<Vec<String>, Error> {
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let entries = fs::read_dir(folder).map_err(FileError::new("read", folder))?;
    let mut names: Vec<String> = entries.flatten().filter_map(|entry| entry.file_name().into_string().ok()).collect();
    names.sort();
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(names: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("a folder");
        names.iter().for_each(|name| fs::write(folder.path().join(name), name).expect("written"));
        folder
    }

    /// Returns the names of the two files that are found below a path.
    fn found(folder: &Path, path: &str) -> Result<(String, String), String> {
        let settings: Settings = serde_json::from_str(r#"{"path": ""}"#).expect("settings");
        let weights = weights_file(&settings, &folder.join(path)).map_err(|e| e.to_string())?;
        let options = options_file(&settings, folder, &weights).map_err(|e| e.to_string())?;
        let name = |path: PathBuf| path.file_name().and_then(|name| name.to_str()).expect("a name").to_owned();
        Ok((name(weights), name(options)))
    }

    #[test]
    fn the_two_files_are_found() {
        let expected = |weights: &str, options: &str| Ok((weights.to_owned(), options.to_owned()));
        let published = folder(&["elmo_a_weights.hdf5", "elmo_a_options.json"]);
        assert_eq!(found(published.path(), ""), expected("elmo_a_weights.hdf5", "elmo_a_options.json"));
        let trained = folder(&["lm_weights.hdf5", "embeddings.hdf5", "options.json", "other_options.json"]);
        assert_eq!(found(trained.path(), ""), expected("lm_weights.hdf5", "options.json"));
        let renamed = folder(&["model.hdf5", "model_options.json", "README"]);
        assert_eq!(found(renamed.path(), "model.hdf5"), expected("model.hdf5", "model_options.json"));
        let two = folder(&["a_weights.hdf5", "b_weights.hdf5", "a_options.json", "b_options.json"]);
        assert_eq!(found(two.path(), "b_weights.hdf5"), expected("b_weights.hdf5", "b_options.json"));
    }

    #[test]
    fn what_is_missing_or_unclear_is_named() {
        let two = folder(&["a_weights.hdf5", "b_weights.hdf5", "options.json"]);
        let without = folder(&["a_weights.hdf5"]);
        let empty = folder(&["README"]);
        for (folder, path, message) in [
            (&two, "", "holds a.hdf5 and b.hdf5"),
            (&without, "", "*options.json isn't there; a model has two files"),
            (&empty, "", "*.hdf5 isn't there"),
            (&empty, "gone", "gone isn't there; correct `path`"),
        ] {
            let error = found(folder.path(), path).expect_err(message).replace("_weights", "");
            assert!(error.contains(message), "{error}");
        }
    }
}
