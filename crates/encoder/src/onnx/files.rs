//! Where the files of an ONNX encoder lie.

use std::path::{Path, PathBuf};

use emberline_base::file;

use crate::Error;

/// What exporters append to the graph's name for the file of its numbers.
const DATA: [&str; 2] = ["_data", ".data"];

/// The files of an encoder.
#[derive(Debug)]
pub(super) struct Files {
    pub(super) graph: PathBuf,
    /// The numbers beside the graph, by the name that the graph knows them by.
    pub(super) data: Vec<(String, PathBuf)>,
    /// The folder of `tokenizer.json`.
    pub(super) tokenizer: PathBuf,
    /// The folder of `modules.json`, if there is one.
    pub(super) root: PathBuf,
}

impl Files {
    /// Finds them below a folder, where the graph has one of these names, or around a graph's file.
    pub(super) fn find(path: &Path, graphs: &[String]) -> Result<Self, Error> {
        let graph = if path.is_dir() { below(path, graphs)? } else { path.to_owned() };
        if !graph.exists() {
            return Err(Error::Missing { path: graph, hint: "; correct `path`".to_owned() });
        }
        let beside = graph.parent().unwrap_or(Path::new("")).to_owned();
        let above = beside.join("..");
        let folders = if path.is_dir() { vec![path.to_owned(), beside.clone()] } else { vec![beside.clone(), above] };
        let holding = |name: &str| folders.iter().find(|folder| folder.join(name).exists()).cloned();
        let Some(tokenizer) = holding("tokenizer.json") else {
            let hint = "; put the model's tokenizer.json beside the graph".to_owned();
            return Err(Error::Missing { path: folders[0].join("tokenizer.json"), hint });
        };
        let name = graph.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let data = DATA.map(|ending| format!("{name}{ending}"));
        let data = data.map(|name| (name.clone(), beside.join(name))).into_iter().filter(|(_, path)| path.exists());
        let root = holding("modules.json").unwrap_or_else(|| tokenizer.clone());
        Ok(Self { data: data.collect(), tokenizer, root, graph })
    }
}

/// The first of these names that is there.
fn below(folder: &Path, graphs: &[String]) -> Result<PathBuf, Error> {
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
