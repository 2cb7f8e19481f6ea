//! Selects the members of an archive that are extracted to a path.

use std::path::Path;

use emberline_base::sniff::is_system_file;

/// What is extracted from an archive.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Extraction {
    /// One file.
    Member(String),
    /// All files below a folder of the archive: `""`, or `FOLDER/`.
    Folder(String),
}

/// Extensions of compressed files and archives: a path with one of them keeps the download as it is.
const ARCHIVE_EXTENSIONS: [&str; 10] = ["gz", "tgz", "zip", "tar", "zst", "bz2", "xz", "npz", "keras", "parquet"];

/// Extensions of plain files: a path with one of them is not a folder.
const FILE_EXTENSIONS: [&str; 15] = [
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

/// Returns whether the path names a compressed file or an archive.
pub(super) fn names_archive(path: &Path) -> bool {
    has_extension(path, &ARCHIVE_EXTENSIONS)
}

fn has_extension(path: &Path, extensions: &[&str]) -> bool {
    let extension = path.extension().and_then(|e| e.to_str()).unwrap_or_default().to_ascii_lowercase();
    extensions.contains(&extension.as_str())
}

/// Selects what is extracted to the path; the error says why nothing fits.
pub(super) fn select(names: &[String], target: &Path) -> Result<Extraction, String> {
    let visible: Vec<&str> = names.iter().map(String::as_str).filter(|name| !is_system_file(name)).collect();
    let file_name = target.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let named: Vec<&str> =
        visible.iter().copied().filter(|name| name.rsplit('/').next() == Some(file_name.as_str())).collect();
    match (named.as_slice(), visible.as_slice()) {
        (_, []) => Err("the archive is empty".to_owned()),
        ([one], _) => Ok(Extraction::Member((*one).to_owned())),
        ([_, _, ..], _) => {
            Err(format!("it holds `{file_name}` more than once ({}); unpack it by hand", name_list(&named)))
        }
        ([], all) if !has_extension(target, &FILE_EXTENSIONS) => Ok(Extraction::Folder(common_root(all))),
        ([], [only]) => Ok(Extraction::Member((*only).to_owned())),
        ([], all) => {
            Err(format!("it holds no `{file_name}`, but {}; end `path` with the name of one of them", name_list(all)))
        }
    }
}

/// Returns the single folder that contains all members, with its `/`; else the empty string.
fn common_root(names: &[&str]) -> String {
    let Some((first, _)) = names.first().and_then(|name| name.split_once('/')) else { return String::new() };
    let root = format!("{first}/");
    if names.iter().all(|name| name.starts_with(&root)) { root } else { String::new() }
}

fn name_list(names: &[&str]) -> String {
    let few: Vec<String> = names.iter().take(6).map(|name| format!("`{name}`")).collect();
    format!("{}{}", few.join(", "), if names.len() > 6 { ", ..." } else { "" })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn selected(names: &[&str], target: &str) -> Result<Extraction, String> {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        select(&names, Path::new(target))
    }

    #[test]
    fn the_name_of_the_path_selects_the_member() {
        let glove = ["glove.6B.50d.txt", "glove.6B.300d.txt", "__MACOSX/._glove.6B.50d.txt"];
        assert_eq!(selected(&glove, "v/glove.6B.50d.txt"), Ok(Extraction::Member("glove.6B.50d.txt".into())));
        let error = selected(&glove, "v/glove.txt").expect_err("no such member");
        assert!(error.contains("`glove.6B.50d.txt`, `glove.6B.300d.txt`"), "{error}");
        assert_eq!(selected(&["crawl/wiki.vec"], "v/vectors.vec"), Ok(Extraction::Member("crawl/wiki.vec".into())));
        assert!(selected(&["a/x.vec", "b/x.vec"], "x.vec").expect_err("two").contains("more than once"));
    }

    #[test]
    fn a_folder_takes_all_members_without_their_common_folder() {
        let module = ["saved_model.pb", "variables/variables.index", "assets/tokens.txt"];
        assert_eq!(selected(&module, "models/gnews-swivel.v1"), Ok(Extraction::Folder(String::new())));
        let wrapped = ["nnlm/saved_model.pb", "nnlm/assets/tokens.txt", ".DS_Store"];
        assert_eq!(selected(&wrapped, "models/nnlm"), Ok(Extraction::Folder("nnlm/".into())));
        assert!(selected(&[".DS_Store"], "models/nnlm").expect_err("nothing").contains("empty"));
    }
}
