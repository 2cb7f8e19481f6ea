//! Which files of a model come: those that encoders read. Weights as safetensors, or the one ONNX graph that is asked for;
//! configurations and vocabularies; never a pickle, which can run code when it is loaded, and none of the same weights in
//! another engine's form.

use super::{Entry, Listing};
use crate::Error;
use crate::client::Client;
use crate::options::Limits;

/// Endings of the files that encoders read.
const WANTED: [&str; 6] = ["safetensors", "json", "txt", "model", "vocab", "vec"];

/// Folders with the same weights in another engine's form.
const OTHER_ENGINES: [&str; 5] = ["onnx", "openvino", "coreml", "gguf", "tflite"];

/// What exporters append to a graph's name for the file of its numbers.
const GRAPH_DATA: [&str; 3] = ["", "_data", ".data"];

impl Listing {
    /// The files that encoders read, by their names below the folder that is meant. `graphs`: the names that a graph may
    /// have, where one takes the place of safetensors.
    pub(super) fn selection(&self, client: &Client, graphs: &[String]) -> Result<Vec<(String, &Entry)>, Error> {
        let wrong = |reason: String| Error::Answer { url: self.pinned.clone(), reason };
        let graph = self.graph(graphs).map_err(wrong)?;
        let of_graph =
            |name: &str| graph.is_some_and(|graph| GRAPH_DATA.iter().any(|end| name == format!("{graph}{end}")));
        let mut files: Vec<(String, &Entry)> = Vec::new();
        let mut pickles: Vec<String> = Vec::new();
        for entry in self.entries.iter().filter(|entry| entry.kind == "file") {
            let Some(name) = self.below(&entry.path) else { continue };
            if !is_plain(name) {
                return Err(wrong(format!("lists a file {name:?}, which leads out of the folder")));
            }
            if is_pickle(name) {
                pickles.push(name.to_owned());
            } else if of_graph(name) || is_wanted(name) && (graph.is_none() || ending(name) != "safetensors") {
                files.push((name.to_owned(), entry));
            }
        }
        if files.is_empty() && pickles.is_empty() {
            return Err(wrong("holds nothing that an encoder reads".to_owned()));
        }
        let lone = pickles.iter().find(|name| is_weights(name) && !has_safetensors(&files, folder_of(name)));
        if let Some(pickle) = lone.filter(|_| graph.is_none()) {
            let cure = "name a revision with safetensors, such as hf://ORG/MODEL@refs/pr/1";
            return Err(wrong(format!("has its weights only as a pickle, `{pickle}`, which could run code; {cure}")));
        }
        within(&files, &client.options.limits).map_err(wrong)?;
        files.sort_by(|a, b| a.0.cmp(&b.0));
        files.dedup_by(|a, b| a.0 == b.0);
        Ok(files)
    }

    /// The first of these names that is there; none where no graph is asked for.
    fn graph<'a>(&self, names: &'a [String]) -> Result<Option<&'a str>, String> {
        let there: Vec<&str> = self.entries.iter().filter_map(|entry| self.below(&entry.path)).collect();
        let found = names.iter().find(|name| there.contains(&name.as_str()));
        if names.is_empty() || found.is_some() {
            return Ok(found.map(String::as_str));
        }
        let graphs: Vec<&str> = there.into_iter().filter(|name| ending(name) == "onnx").collect();
        let others = if graphs.is_empty() { "no graph of ONNX".to_owned() } else { graphs.join(", ") };
        Err(format!("holds no {}; there is {others}; name the graph with `file`", names.join(" and no ")))
    }

    /// A path's name below the folder that is meant.
    fn below<'a>(&self, path: &'a str) -> Option<&'a str> {
        let inside = &self.repository.inside;
        if inside.is_empty() { Some(path) } else { path.strip_prefix(inside)?.strip_prefix('/') }
    }
}

/// Whether so much may come.
fn within(files: &[(String, &Entry)], limits: &Limits) -> Result<(), String> {
    let (count, bytes) = (files.len(), files.iter().fold(0_u64, |sum, (_, entry)| sum.saturating_add(entry.size)));
    if count <= limits.files && bytes <= limits.download {
        return Ok(());
    }
    Err(format!("has {count} files of {bytes} bytes; at most {} of {} are fetched", limits.files, limits.download))
}

fn folder_of(name: &str) -> &str {
    name.rsplit_once('/').map_or("", |(folder, _)| folder)
}

fn ending(name: &str) -> &str {
    name.rsplit_once('.').map_or("", |(_, ending)| ending)
}

fn is_plain(name: &str) -> bool {
    !name.contains(['\\', '\0']) && !name.split('/').any(|part| matches!(part, "" | "." | ".."))
}

fn is_wanted(name: &str) -> bool {
    let hidden = name.split('/').any(|part| part.starts_with('.') || OTHER_ENGINES.contains(&part));
    !hidden && WANTED.contains(&ending(name))
}

/// Whether a file can run code when it is loaded.
pub(crate) fn is_pickle(name: &str) -> bool {
    let last = name.rsplit('/').next().unwrap_or(name).to_ascii_lowercase();
    matches!(ending(&last), "pt" | "pth" | "pkl" | "pickle" | "ckpt" | "joblib")
        || (last.starts_with("pytorch_model") && last.ends_with(".bin"))
}

fn is_weights(name: &str) -> bool {
    name.rsplit('/').next().is_some_and(|last| last.starts_with("pytorch_model"))
}

fn has_safetensors(files: &[(String, &Entry)], folder: &str) -> bool {
    files.iter().any(|(name, _)| ending(name) == "safetensors" && folder_of(name) == folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encoders_files_are_told_from_the_rest() {
        for name in ["model.safetensors", "1_Pooling/config.json", "vocab.txt", "sentencepiece.bpe.model"] {
            assert!(is_wanted(name) && !is_pickle(name), "{name}");
        }
        for name in ["README.md", ".gitattributes", "onnx/config.json", "tf_model.h5", ".cache/x.json", "model.onnx"] {
            assert!(!is_wanted(name) && !is_pickle(name), "{name}");
        }
        for name in ["pytorch_model.bin", "2_Dense/pytorch_model-00001-of-00002.bin", "x.pt", "x.pth", "v.PKL"] {
            assert!(is_pickle(name), "{name}");
        }
    }
}
