//! Packs a source to be opened on another machine: the files that it reads, and settings that name them.
//!
//! A folder's other files (a README, weights for other programs, data) are left out. Whoever packs the files opens
//! the source from them once, so that a file missing from the lists below is noticed at once.

use std::fs;
use std::path::{Path, PathBuf};

use emberline_base::file::{self, FileError};

use super::{Source, SourceSettings, elmo, onnx};
use crate::Error;

/// The folder of a portable source's files.
const FOLDER: &str = "source";

/// The maximum depth of nested folders; no model has deeper ones.
const MAX_DEPTH: usize = 4;

/// A source whose paths are those of its [`files`](Self::files).
#[derive(Clone, Debug)]
pub struct PortableSource {
    /// The source; its paths are relative to the folder that the files are put into, and it has no `url`.
    pub source: Source,
    /// The files that it reads.
    pub files: Vec<PortableFile>,
}

/// A file that a source reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortableFile {
    /// Its path below the folder of all files, with `/` between the parts.
    pub name: String,
    /// Its current path.
    pub path: PathBuf,
}

impl Source {
    /// Returns the source with paths of its own, and the files that it reads (now relative to `base`).
    ///
    /// # Errors
    /// When a file is missing, or a folder can't be read.
    pub fn portable(&self, base: &Path) -> Result<PortableSource, Error> {
        self.find_files(base)?;
        let mut source = self.clone();
        let files = match &mut source {
            Self::Hashing(_) | Self::Corpus(_) => Vec::new(),
            Self::WordVectors(s) => pack(&mut s.path, &mut s.url, &mut s.sha256, base, |_| false)?,
            Self::Tfhub(s) => pack(&mut s.path, &mut s.url, &mut s.sha256, base, is_of_module)?,
            Self::Model2vec(s) => pack(&mut s.path, &mut s.url, &mut s.sha256, base, is_of_transformer)?,
            Self::SentenceTransformer(s) => pack(&mut s.path, &mut s.url, &mut s.sha256, base, is_of_transformer)?,
            Self::Elmo(s) => of_elmo(s, base)?,
            Self::Onnx(s) => of_onnx(s, base)?,
        };
        Ok(PortableSource { source, files })
    }

    /// Returns whether all of its paths stay within the folder that they are relative to.
    pub fn stays_within(&self) -> bool {
        let paths = match self {
            Self::Hashing(_) | Self::Corpus(_) => Vec::new(),
            Self::WordVectors(s) => vec![&s.path],
            Self::Tfhub(s) => vec![&s.path],
            Self::Model2vec(s) => vec![&s.path],
            Self::SentenceTransformer(s) => vec![&s.path],
            Self::Elmo(s) => [&s.path].into_iter().chain(&s.options).collect(),
            Self::Onnx(s) => [&s.path].into_iter().chain(&s.file).collect(),
        };
        paths.into_iter().all(|path| file::stays_within(path))
    }
}

/// Returns the file at a path, or the files of the folder there whose names (below it) satisfy `belongs`; the path is
/// replaced by their new one.
fn pack(
    path: &mut PathBuf,
    url: &mut Option<String>,
    sha256: &mut Option<String>,
    base: &Path,
    belongs: impl Fn(&str) -> bool,
) -> Result<Vec<PortableFile>, Error> {
    // The digest of the embedding covers the content, so that the hash isn't needed.
    (*url, *sha256) = (None, None);
    let whole = base.join(&*path);
    if !whole.is_dir() {
        let file = portable(&name_of(&whole), whole);
        *path = PathBuf::from(&file.name);
        return Ok(vec![file]);
    }
    *path = PathBuf::from(FOLDER);
    let files = names_below(&whole)?.into_iter().filter(|name| belongs(name));
    Ok(files.map(|name| portable(&name, whole.join(&name))).collect())
}

/// Returns a file under its name below the source's folder.
fn portable(name: &str, path: PathBuf) -> PortableFile {
    PortableFile { name: format!("{FOLDER}/{name}"), path }
}

/// Returns the last part of a path, whose extension shows the format.
fn name_of(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().replace(['\\', ':'], "_")
}

/// Returns the two files of an ELMo model.
fn of_elmo(settings: &mut elmo::Settings, base: &Path) -> Result<Vec<PortableFile>, Error> {
    let (weights, options) = elmo::files_of(settings, base)?;
    let files = vec![portable("weights.hdf5", weights), portable("options.json", options)];
    (settings.url, settings.sha256) = (None, None);
    settings.path = PathBuf::from(&files[0].name);
    settings.options = Some(PathBuf::from(&files[1].name));
    Ok(files)
}

/// Returns a graph, its external weights, and the tokenizer and configuration of its folder, or of the parent folder
/// if the path names the graph itself.
fn of_onnx(settings: &mut onnx::Settings, base: &Path) -> Result<Vec<PortableFile>, Error> {
    (settings.url, settings.sha256) = (None, None);
    let path = base.join(&settings.path);
    let (root, graph) = if path.is_dir() {
        settings.path = PathBuf::from(FOLDER);
        let graphs = settings.graphs();
        let found = graphs.iter().find(|name| path.join(name).is_file());
        (path, found.cloned().unwrap_or_default())
    } else {
        let (root, graph) = around_graph(&path);
        settings.path = PathBuf::from(format!("{FOLDER}/{graph}"));
        (root, graph)
    };
    let is_graph = |name: &str| name.strip_prefix(&graph).is_some_and(|rest| ["", "_data", ".data"].contains(&rest));
    let is_wanted = |name: &String| is_graph(name) || (is_of_transformer(name) && !name.ends_with(".safetensors"));
    let files = names_below(&root)?.into_iter().filter(is_wanted);
    Ok(files.map(|name| portable(&name, root.join(&name))).collect())
}

/// Returns the folder of a graph's tokenizer, which is the graph's own or its parent, and the graph's name below it.
fn around_graph(path: &Path) -> (PathBuf, String) {
    let (beside, name) = (file::folder_of(path), name_of(path));
    let is_above = !beside.join("tokenizer.json").exists() && beside.join("../tokenizer.json").exists();
    match beside.file_name().filter(|_| is_above) {
        Some(folder) => (file::folder_of(beside).to_owned(), format!("{}/{name}", folder.to_string_lossy())),
        None => (beside.to_owned(), name),
    }
}

/// Returns whether a file belongs to a module of TensorFlow Hub.
fn is_of_module(name: &str) -> bool {
    name == "saved_model.pb" || name.starts_with("variables/") || name.starts_with("assets/")
}

/// Returns whether a file belongs to a model in the layout of `transformers`, sentence-transformers or model2vec.
fn is_of_transformer(name: &str) -> bool {
    const NAMES: [&str; 6] = [
        "added_tokens.json",
        "config_sentence_transformers.json",
        "model.safetensors.index.json",
        "modules.json",
        "special_tokens_map.json",
        "tokenizer.json",
    ];
    let own = name.rsplit('/').next().unwrap_or(name);
    own.ends_with(".safetensors") || own.ends_with("config.json") || NAMES.contains(&own)
}

/// Returns the names of all files below a folder, sorted; links are followed. Names that aren't UTF-8 belong to no
/// model and are skipped.
fn names_below(root: &Path) -> Result<Vec<String>, Error> {
    let mut names = Vec::new();
    let mut folders = vec![(String::new(), 0)];
    while let Some((folder, depth)) = folders.pop() {
        let path = root.join(&folder);
        for entry in fs::read_dir(&path).map_err(FileError::new("read", &path))?.flatten() {
            let Ok(name) = entry.file_name().into_string() else { continue };
            let name = format!("{folder}{name}");
            let Ok(kind) = fs::metadata(entry.path()) else { continue };
            if kind.is_file() {
                names.push(name);
            } else if kind.is_dir() && depth < MAX_DEPTH {
                folders.push((name + "/", depth + 1));
            }
        }
    }
    names.sort();
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(json: serde_json::Value) -> Source {
        serde_json::from_value(json).expect("a source")
    }

    fn folder(names: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("a folder");
        for name in names {
            let path = folder.path().join(name);
            fs::create_dir_all(file::folder_of(&path)).expect("made");
            fs::write(path, name).expect("written");
        }
        folder
    }

    fn names(portable: &PortableSource) -> Vec<&str> {
        portable.files.iter().map(|file| file.name.as_str()).collect()
    }

    #[test]
    fn only_what_is_read_is_packed_and_paths_become_relative() {
        let folder = folder(&[
            "m/saved_model.pb",
            "m/variables/variables.index",
            "m/assets/tokens.txt",
            "m/train.csv",
            "o/onnx/model.onnx",
            "o/onnx/model.onnx_data",
            "o/onnx/model_int8.onnx",
            "o/tokenizer.json",
            "o/model.safetensors",
            "o/rows.json",
            "vectors.txt",
        ]);
        let tfhub = source(serde_json::json!({"tfhub": {"path": "m", "url": "https://example.org/m", "sha256": "0"}}));
        let portable = tfhub.portable(folder.path()).expect("there");
        assert_eq!(
            names(&portable),
            ["source/assets/tokens.txt", "source/saved_model.pb", "source/variables/variables.index"]
        );
        assert_eq!(portable.source, source(serde_json::json!({"tfhub": {"path": "source"}})));
        let onnx = ["source/onnx/model.onnx", "source/onnx/model.onnx_data", "source/tokenizer.json"];
        for (path, packed) in [("o", "source"), ("o/onnx/model.onnx", "source/onnx/model.onnx")] {
            let portable = source(serde_json::json!({"onnx": {"path": path}})).portable(folder.path()).expect("there");
            assert_eq!(names(&portable), onnx, "{path}");
            assert_eq!(portable.source, source(serde_json::json!({"onnx": {"path": packed}})));
        }
        let vectors = source(serde_json::json!({"word_vectors": {"path": folder.path().join("vectors.txt")}}));
        assert!(!vectors.stays_within());
        let portable = vectors.portable(Path::new("")).expect("there");
        assert_eq!(names(&portable), ["source/vectors.txt"]);
        assert!(portable.source.stays_within());
    }

    #[test]
    fn a_missing_file_and_paths_that_lead_out_are_named() {
        let missing = source(serde_json::json!({"word_vectors": {"path": "none.txt"}})).portable(Path::new(""));
        assert!(missing.expect_err("nothing there").to_string().contains("none.txt isn't there"));
        for outside in [
            serde_json::json!({"elmo": {"path": "source", "options": "/etc/passwd"}}),
            serde_json::json!({"model2vec": {"path": "../m"}}),
        ] {
            assert!(!source(outside).stays_within());
        }
    }
}
