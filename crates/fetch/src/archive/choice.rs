//! Which members of an archive a path is to hold.

use std::path::Path;

use emberline_base::sniff::is_system_file;

/// What is taken out of an archive.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Choice {
    /// One file.
    Member(String),
    /// All files below a folder of the archive: `""`, or `FOLDER/`.
    Folder(String),
}

/// Endings of packed files: a path with one of them keeps what arrives as it is.
const PACKED: [&str; 10] = ["gz", "tgz", "zip", "tar", "zst", "bz2", "xz", "npz", "keras", "parquet"];

/// Endings of files: a path with one of them is no folder.
const FILES: [&str; 15] = [
    "txt",
    "vec",
    "bin",
    "ftz",
    "safetensors",
    "hdf5",
    "h5",
    "json",
    "jsonl",
    "ndjson",
    "csv",
    "tsv",
    "onnx",
    "model",
    "fifu",
];

/// Whether the path names a packed file.
pub(super) fn is_packed(path: &Path) -> bool {
    has_ending(path, &PACKED)
}

fn has_ending(path: &Path, endings: &[&str]) -> bool {
    let ending = path.extension().and_then(|e| e.to_str()).unwrap_or_default().to_ascii_lowercase();
    endings.contains(&ending.as_str())
}

/// What the path is to hold; else why nothing fits.
pub(super) fn choose(names: &[String], target: &Path) -> Result<Choice, String> {
    let visible: Vec<&str> = names.iter().map(String::as_str).filter(|name| !is_system_file(name)).collect();
    let wanted = target.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let named: Vec<&str> =
        visible.iter().copied().filter(|name| name.rsplit('/').next() == Some(wanted.as_str())).collect();
    match (named.as_slice(), visible.as_slice()) {
        (_, []) => Err("the archive is empty".to_owned()),
        ([one], _) => Ok(Choice::Member((*one).to_owned())),
        ([_, _, ..], _) => Err(format!("it holds `{wanted}` more than once ({}); unpack it by hand", shown(&named))),
        ([], all) if !has_ending(target, &FILES) => Ok(Choice::Folder(root(all))),
        ([], [only]) => Ok(Choice::Member((*only).to_owned())),
        ([], all) => Err(format!("it holds no `{wanted}`, but {}; let `path` end in the name of one", shown(all))),
    }
}

/// The one folder that stands around all names, with its `/`; or nothing.
fn root(names: &[&str]) -> String {
    let Some((first, _)) = names.first().and_then(|name| name.split_once('/')) else { return String::new() };
    let root = format!("{first}/");
    if names.iter().all(|name| name.starts_with(&root)) { root } else { String::new() }
}

fn shown(names: &[&str]) -> String {
    let few: Vec<String> = names.iter().take(6).map(|name| format!("`{name}`")).collect();
    format!("{}{}", few.join(", "), if names.len() > 6 { ", ..." } else { "" })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(names: &[&str], target: &str) -> Result<Choice, String> {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        choose(&names, Path::new(target))
    }

    #[test]
    fn the_paths_name_picks_the_member() {
        let glove = ["glove.6B.50d.txt", "glove.6B.300d.txt", "__MACOSX/._glove.6B.50d.txt"];
        assert_eq!(chosen(&glove, "v/glove.6B.50d.txt"), Ok(Choice::Member("glove.6B.50d.txt".into())));
        let error = chosen(&glove, "v/glove.txt").expect_err("no such member");
        assert!(error.contains("`glove.6B.50d.txt`, `glove.6B.300d.txt`"), "{error}");
        assert_eq!(chosen(&["crawl/wiki.vec"], "v/vectors.vec"), Ok(Choice::Member("crawl/wiki.vec".into())));
        assert!(chosen(&["a/x.vec", "b/x.vec"], "x.vec").expect_err("two").contains("more than once"));
    }

    #[test]
    fn a_folder_takes_all_without_the_folder_around_them() {
        let module = ["saved_model.pb", "variables/variables.index", "assets/tokens.txt"];
        assert_eq!(chosen(&module, "models/gnews-swivel.v1"), Ok(Choice::Folder(String::new())));
        let wrapped = ["nnlm/saved_model.pb", "nnlm/assets/tokens.txt", ".DS_Store"];
        assert_eq!(chosen(&wrapped, "models/nnlm"), Ok(Choice::Folder("nnlm/".into())));
        assert!(chosen(&[".DS_Store"], "models/nnlm").expect_err("nothing").contains("empty"));
    }
}
