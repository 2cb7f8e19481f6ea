//! Explains what is there in place of `saved_model.pb`, and what to do about it.

use std::fs;
use std::path::Path;

use savedmodel::SAVED_MODEL;

/// File names of the most common other downloads of a model, and what they are.
const OTHERS: [(&str, &str); 8] = [
    (".tflite", "a TensorFlow Lite model: download the SavedModel (`TF2.0 SavedModel` or `TensorFlow 2`) instead"),
    ("model.json", "a TensorFlow.js model: download the SavedModel (`TF2.0 SavedModel` or `TensorFlow 2`) instead"),
    (".pbtxt", "a graph in text form: save it in binary form, as `tf.saved_model.save` does"),
    (".safetensors", "a model of transformers or model2vec: open it as `sentence_transformer` or `model2vec`"),
    (".onnx", "an ONNX graph: open it as `onnx`"),
    (".keras", "a Keras model: save it with `model.export(FOLDER)`"),
    (".h5", "a Keras model: save it with `model.export(FOLDER)`"),
    (".tar.gz", "an archive: name it as `path`, or unpack it"),
];
/// The maximum number of entries of a folder that are examined.
const MOST: usize = 1000;

/// Describes the content of a folder without the file.
pub(super) fn instead_of_saved_model(folder: &Path) -> String {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten().take(MOST);
    let mut names: Vec<String> = entries.filter_map(|entry| entry.file_name().into_string().ok()).collect();
    names.sort();
    let below: Vec<&String> = names.iter().filter(|name| folder.join(name).join(SAVED_MODEL).is_file()).collect();
    if !below.is_empty() {
        let folders: Vec<String> = below.iter().map(|name| format!("`{name}/`")).collect();
        return format!("it is in {}: let `path` end in that folder", folders.join(" and in "));
    }
    match names.iter().find_map(|name| known(name)) {
        Some(found) => found,
        None if names.is_empty() => "the folder is empty".to_owned(),
        None => "the module is incomplete, get it again".to_owned(),
    }
}

/// Describes the content of an archive that has no module at its root or in one folder.
pub(super) fn instead_of_root<'n>(names: impl Iterator<Item = &'n String>) -> String {
    let names: Vec<&String> = names.collect();
    let deeper = names.iter().find_map(|name| name.strip_suffix(SAVED_MODEL)?.strip_suffix('/'));
    match (deeper, names.iter().find_map(|name| known(name))) {
        (Some(folder), _) => {
            format!("holds {SAVED_MODEL} in `{folder}/` alone: unpack the archive and let `path` end in that folder")
        }
        (None, Some(found)) => format!("holds no {SAVED_MODEL}; {found}"),
        (None, None) => format!("holds no {SAVED_MODEL}: not a module of TensorFlow Hub"),
    }
}

/// Returns what a file is, by its name, and what to do.
pub(super) fn known(name: &str) -> Option<String> {
    let (_, what) = OTHERS.iter().find(|(end, _)| name.ends_with(end))?;
    Some(format!("`{name}` is {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(names: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("a folder");
        for name in names {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().expect("a folder")).and_then(|()| fs::write(path, "x")).expect("written");
        }
        folder
    }

    #[test]
    fn what_is_there_instead_is_named() {
        for (names, expected) in [
            (&["1/saved_model.pb"][..], "it is in `1/`"),
            (&["1/saved_model.pb", "2/saved_model.pb"], "it is in `1/` and in `2/`"),
            (&["model.tflite"], "TensorFlow Lite"),
            (&["model.json", "group1-shard1of1.bin"], "TensorFlow.js"),
            (&["saved_model.pbtxt"], "text form"),
            (&["config.json", "model.safetensors"], "sentence_transformer"),
            (&["variables/variables.index"], "incomplete"),
            (&[], "empty"),
        ] {
            let said = instead_of_saved_model(folder(names).path());
            assert!(said.contains(expected), "{said}");
        }
        let deep = ["a/1/saved_model.pb".to_owned(), "a/1/variables/variables.index".to_owned()];
        assert!(instead_of_root(deep.iter()).contains("in `a/1/` alone"));
        assert!(instead_of_root(["a/model.tflite".to_owned()].iter()).contains("TensorFlow Lite"));
    }
}
