//! Selects the files of a model to fetch, which are those that encoders read: weights as safetensors, or the one ONNX
//! graph that is requested; configurations and vocabularies. Never a pickle, which can run code when it is loaded, and
//! not the same weights in another engine's format.

use super::{Entry, Listing};
use crate::Error;
use crate::client::Client;
use crate::options::Limits;

/// Extensions of the files that encoders read.
const ENCODER_EXTENSIONS: [&str; 6] = ["safetensors", "json", "txt", "model", "vocab", "vec"];

/// Folders with the same weights in another engine's format.
const OTHER_ENGINES: [&str; 5] = ["onnx", "openvino", "coreml", "gguf", "tflite"];

/// What exporters append to a graph's name to name the file of its weights.
const GRAPH_SUFFIXES: [&str; 3] = ["", "_data", ".data"];

impl Listing {
    /// Returns the files that encoders read, with their names relative to the folder of the address. `graphs`: the
    /// possible names of a graph that takes the place of safetensors.
    pub(super) fn selection(&self, client: &Client, graphs: &[String]) -> Result<Vec<(String, &Entry)>, Error> {
        let invalid = |reason: String| Error::Answer { url: self.pinned.clone(), reason };
        let graph = self.graph(graphs).map_err(invalid)?;
        let is_graph_file =
            |name: &str| graph.is_some_and(|graph| GRAPH_SUFFIXES.iter().any(|end| name == format!("{graph}{end}")));
        let mut files: Vec<(String, &Entry)> = Vec::new();
        let mut pickles: Vec<String> = Vec::new();
        for entry in self.entries.iter().filter(|entry| entry.kind == "file") {
            let Some(name) = self.relative_path(&entry.path) else { continue };
            if !is_plain(name) {
                return Err(invalid(format!("the Hub lists a file {name:?}, which leads out of the folder")));
            }
            if is_pickle(name) {
                pickles.push(name.to_owned());
            } else if is_graph_file(name)
                || is_encoder_file(name) && (graph.is_none() || extension(name) != "safetensors")
            {
                files.push((name.to_owned(), entry));
            }
        }
        if files.is_empty() && pickles.is_empty() {
            return Err(invalid("the repository has no file that an encoder reads".to_owned()));
        }
        let only_weights = pickles.iter().find(|name| is_weights(name) && !has_safetensors(&files, folder_of(name)));
        if let Some(pickle) = only_weights.filter(|_| graph.is_none()) {
            let cure = "name a revision with safetensors, such as hf://ORG/MODEL@refs/pr/1";
            return Err(invalid(format!(
                "its weights exist only as a pickle, `{pickle}`, which could run code; {cure}"
            )));
        }
        check_limits(&files, &client.options.limits).map_err(invalid)?;
        files.sort_by(|a, b| a.0.cmp(&b.0));
        files.dedup_by(|a, b| a.0 == b.0);
        Ok(files)
    }

    /// Returns the first of these names that exists; none if no graph is requested.
    fn graph<'a>(&self, names: &'a [String]) -> Result<Option<&'a str>, String> {
        let there: Vec<&str> = self.entries.iter().filter_map(|entry| self.relative_path(&entry.path)).collect();
        let found = names.iter().find(|name| there.contains(&name.as_str()));
        if names.is_empty() || found.is_some() {
            return Ok(found.map(String::as_str));
        }
        let graphs: Vec<&str> = there.into_iter().filter(|name| extension(name) == "onnx").collect();
        let others = if graphs.is_empty() { "no ONNX graph".to_owned() } else { graphs.join(", ") };
        Err(format!("the repository has no {}, but {others}; name the graph with `file`", names.join(" and no ")))
    }

    /// Returns a path relative to the folder of the address; none if it isn't below it.
    fn relative_path<'a>(&self, path: &'a str) -> Option<&'a str> {
        let subpath = &self.repository.subpath;
        if subpath.is_empty() { Some(path) } else { path.strip_prefix(subpath)?.strip_prefix('/') }
    }
}

/// Checks the number and the size of files against the limits.
fn check_limits(files: &[(String, &Entry)], limits: &Limits) -> Result<(), String> {
    let (count, bytes) = (files.len(), files.iter().fold(0_u64, |sum, (_, entry)| sum.saturating_add(entry.size)));
    if count <= limits.files && bytes <= limits.download {
        return Ok(());
    }
    Err(format!(
        "the model has {count} files of {bytes} bytes; at most {} files of {} bytes are permitted",
        limits.files, limits.download
    ))
}

fn folder_of(name: &str) -> &str {
    name.rsplit_once('/').map_or("", |(folder, _)| folder)
}

fn extension(name: &str) -> &str {
    name.rsplit_once('.').map_or("", |(_, extension)| extension)
}

fn is_plain(name: &str) -> bool {
    !name.contains(['\\', '\0']) && !name.split('/').any(|part| matches!(part, "" | "." | ".."))
}

fn is_encoder_file(name: &str) -> bool {
    let hidden = name.split('/').any(|part| part.starts_with('.') || OTHER_ENGINES.contains(&part));
    !hidden && ENCODER_EXTENSIONS.contains(&extension(name))
}

/// Returns whether a file is a pickle, which can run code when it is loaded.
pub(crate) fn is_pickle(name: &str) -> bool {
    let last = name.rsplit('/').next().unwrap_or(name).to_ascii_lowercase();
    matches!(extension(&last), "pt" | "pth" | "pkl" | "pickle" | "ckpt" | "joblib")
        || (last.starts_with("pytorch_model") && last.ends_with(".bin"))
}

fn is_weights(name: &str) -> bool {
    name.rsplit('/').next().is_some_and(|last| last.starts_with("pytorch_model"))
}

fn has_safetensors(files: &[(String, &Entry)], folder: &str) -> bool {
    files.iter().any(|(name, _)| extension(name) == "safetensors" && folder_of(name) == folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encoders_files_are_told_from_the_rest() {
        for name in ["model.safetensors", "1_Pooling/config.json", "vocab.txt", "sentencepiece.bpe.model"] {
            assert!(is_encoder_file(name) && !is_pickle(name), "{name}");
        }
        for name in ["README.md", ".gitattributes", "onnx/config.json", "tf_model.h5", ".cache/x.json", "model.onnx"] {
            assert!(!is_encoder_file(name) && !is_pickle(name), "{name}");
        }
        for name in ["pytorch_model.bin", "2_Dense/pytorch_model-00001-of-00002.bin", "x.pt", "x.pth", "v.PKL"] {
            assert!(is_pickle(name), "{name}");
        }
    }
}
