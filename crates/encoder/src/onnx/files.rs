//! Finds the files of an ONNX encoder: the graph, its external data, the tokenizer and the modules.

use std::path::{Path, PathBuf};

use emberline_base::file;

use crate::Error;

/// Suffixes that exporters append to the graph's file name for the file of external data (the weights).
const DATA_SUFFIXES: [&str; 2] = ["_data", ".data"];

/// The files of an ONNX encoder.
#[derive(Debug)]
pub(super) struct Files {
    pub(super) graph: PathBuf,
    /// The files of external data, with the names by which the graph refers to them.
    pub(super) data: Vec<(String, PathBuf)>,
    /// The folder of `tokenizer.json`.
    pub(super) tokenizer: PathBuf,
    /// The folder of `modules.json`, if there is one.
    pub(super) root: PathBuf,
}

impl Files {
    /// Finds the files in a folder, where the graph has one of the names `graphs`, or next to the file of a graph.
    pub(super) fn find(path: &Path, graphs: &[String]) -> Result<Self, Error> {
        let graph = if path.is_dir() { find_graph(path, graphs)? } else { path.to_owned() };
        if !graph.exists() {
            return Err(Error::Missing { path: graph, hint: "; correct `path`".to_owned() });
        }
        let own = graph.parent().unwrap_or(Path::new("")).to_owned();
        let parent = own.join("..");
        let folders = if path.is_dir() { vec![path.to_owned(), own.clone()] } else { vec![own.clone(), parent] };
        let holding = |name: &str| folders.iter().find(|folder| folder.join(name).exists()).cloned();
        let Some(tokenizer) = holding("tokenizer.json") else {
            let hint = "; put the model's tokenizer.json beside the graph".to_owned();
            return Err(Error::Missing { path: folders[0].join("tokenizer.json"), hint });
        };
        let name = graph.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let data = DATA_SUFFIXES.map(|suffix| format!("{name}{suffix}"));
        let data = data.map(|name| (name.clone(), own.join(name))).into_iter().filter(|(_, path)| path.exists());
        let root = holding("modules.json").unwrap_or_else(|| tokenizer.clone());
        Ok(Self { data: data.collect(), tokenizer, root, graph })
    }
}

/// Returns the path of the first graph that exists in a folder.
fn find_graph(folder: &Path, graphs: &[String]) -> Result<PathBuf, Error> {
    if let Some(outside) = graphs.iter().find(|name| !file::stays_within(Path::new(name))) {
        return Err(Error::format(folder, format!("the graph {outside:?} leads out of the folder")));
    }
    let found = graphs.iter().map(|name| folder.join(name)).find(|path| path.is_file());
    found.ok_or_else(|| {
        let (path, others) = (folder.join(graphs.first().map_or("model.onnx", String::as_str)), graphs.get(1..));
        let others: Vec<String> =
            others.unwrap_or_default().iter().map(|name| format!(", neither is {name}")).collect();
        Error::Missing { path, hint: format!("{}; name the graph with `file`", others.concat()) }
    })
}
