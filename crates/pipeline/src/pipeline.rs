//! Loading a pipeline file: document -> overrides -> grid -> typed cells, with every fault at once.

use std::path::{Path, PathBuf};

use emberline_base::{Fault, file, secret};
use emberline_train::settings::{Head, Train};

use crate::Error;
use crate::diagnostic::{Diagnostic, tidy};
use crate::document::{Document, Node, Tree, locate, typed};
use crate::grid::{self, Axis};
use crate::settings::Settings;

/// A valid pipeline: its settings, its axes and the folder that its paths are relative to.
#[derive(Clone, Debug)]
pub struct Pipeline {
    /// The file's settings, with what depends on other keys filled in.
    pub settings: Settings,
    /// The grid's axes in the order of the file.
    pub(crate) axes: Vec<Axis>,
    /// The settings as written, which cells are derived from.
    pub(crate) tree: Tree,
    /// The folder of the pipeline file.
    pub folder: PathBuf,
}

/// The most cells of a grid.
pub const MAX_CELLS: usize = 100_000;

impl Pipeline {
    /// Reads a pipeline file, with `-S` assignments in place of what it says.
    ///
    /// # Errors
    /// When the file can't be read; or all the faults it has.
    pub fn load(path: &Path, assignments: &[String]) -> Result<Self, Error> {
        let bytes = file::read(path)?;
        let name = path.display().to_string();
        let text = String::from_utf8_lossy(&bytes);
        let folder = path.parent().map(Path::to_owned).unwrap_or_default();
        Self::parse(&name, &text, &folder, assignments)
    }

    /// The same from a text; paths in it are relative to `folder`.
    ///
    /// # Errors
    /// All the faults of the text.
    pub fn parse(name: &str, text: &str, folder: &Path, assignments: &[String]) -> Result<Self, Error> {
        let mut document = Document::parse(name, text).map_err(|faults| Error::Invalid(tidy(faults)))?;
        let here = std::env::current_dir().unwrap_or_default();
        let mut faults = Vec::new();
        for assignment in assignments {
            faults.extend(document.set(assignment, &here).err());
        }
        if !faults.is_empty() {
            return Err(Error::Invalid(faults));
        }
        let mut tree = document.root;
        let settings = check::<Settings>(&tree, Settings::faults).map_err(|f| Error::Invalid(tidy(f)))?;
        fill_in(&mut tree, &settings);
        let settings = typed::<Settings>(&tree).map_err(Error::Invalid)?;
        let axes = grid::axes(&tree, &settings).map_err(|f| Error::Invalid(tidy(f)))?;
        let pipeline = Self { settings, axes, tree, folder: folder.to_owned() };
        let faults = pipeline.axis_faults();
        if faults.is_empty() { Ok(pipeline) } else { Err(Error::Invalid(tidy(faults))) }
    }

    /// Tries every value of every axis by itself, so that a bad one is shown once, at its place.
    fn axis_faults(&self) -> Vec<Diagnostic> {
        let mut faults = Vec::new();
        for axis in self.axes.iter().filter(|axis| axis.key != grid::EMBEDDING) {
            for value in &axis.written {
                faults.extend(self.value_faults(axis, value));
            }
        }
        faults
    }

    /// What is wrong with one value of an axis. A key of a source need only suit one of the sources.
    fn value_faults(&self, axis: &Axis, value: &Tree) -> Vec<Diagnostic> {
        let sources: Vec<&str> = if axis.is_of_source() { self.source_names() } else { vec![self.source_names()[0]] };
        let mut fewest: Option<Vec<Diagnostic>> = None;
        for source in sources {
            if self.is_sound(&axis.path(source, &self.settings), value) {
                return Vec::new();
            }
            let mut tree = self.tree.clone();
            let path = axis.path(source, &self.settings);
            let found = match tree.set(&path, value.clone()) {
                Ok(()) => check::<Settings>(&tree, Settings::faults).err().unwrap_or_default(),
                Err(()) => vec![axis.no_such_key()],
            };
            let found: Vec<Diagnostic> = found.into_iter().map(|fault| axis.explain(fault, value)).collect();
            if fewest.as_ref().is_none_or(|known| found.len() < known.len()) {
                fewest = Some(found);
            }
        }
        fewest.unwrap_or_default()
    }

    /// Whether the file is still sound with that value at that path: only the section that it stands in is typed again,
    /// since an axis may have a great many values. No: what is wrong is another question.
    fn is_sound(&self, path: &str, value: &Tree) -> bool {
        let section = path.split('.').next().unwrap_or(path);
        let entry = self.tree.get(section).map(|entry| (section.to_owned(), entry.clone()));
        let mut tree = Tree { span: self.tree.span.clone(), node: Node::Table(entry.into_iter().collect()) };
        let set = tree.set(path, value.clone()).is_ok();
        let Some(entry) = tree.get(section).filter(|_| set) else { return false };
        match section {
            "seed" => typed::<u64>(&entry.value).is_ok(),
            "head" => check::<Head>(&entry.value, Head::faults).is_ok(),
            "train" => check::<Train>(&entry.value, Train::faults).is_ok(),
            _ => false,
        }
    }

    /// The sources that the grid, or else the file, names.
    pub(crate) fn source_names(&self) -> Vec<&str> {
        match self.axes.iter().find(|axis| axis.key == grid::EMBEDDING) {
            Some(axis) => axis.values.iter().filter_map(Tree::as_str).collect(),
            None => self.settings.embedding.keys().map(String::as_str).collect(),
        }
    }

    /// Reads the data and tells what a person should know of them first.
    ///
    /// # Errors
    /// When they can't be read.
    pub fn examine_data(&self) -> Result<emberline_dataset::Findings, Error> {
        Ok(emberline_dataset::read(&self.settings.data, &self.folder)?.findings())
    }

    /// The whole file with every default filled in, as TOML.
    pub fn resolved(&self) -> String {
        let mut settings = self.settings.clone();
        settings.grid = self
            .axes
            .iter()
            .map(|axis| (axis.key.clone(), toml::Value::Array(axis.values.iter().map(Tree::to_value).collect())))
            .collect();
        to_toml(&settings)
    }

    /// The number of combinations of the grid, possible or not.
    pub(crate) fn combinations(&self) -> usize {
        self.axes.iter().map(|axis| axis.values.len()).product()
    }
}

/// Settings as TOML, for people and records.
pub(crate) fn to_toml(settings: &Settings) -> String {
    let mut value = toml::Value::try_from(settings).expect("settings are tables of plain values");
    hide_secrets("", &mut value);
    toml::to_string(&value).expect("settings are tables of plain values")
}

/// Hides what urls hold of secrets, in a value that stands at the dotted key.
pub(crate) fn hide_secrets(key: &str, value: &mut toml::Value) {
    match value {
        toml::Value::String(text) if key.rsplit('.').next() == Some("url") => *text = secret::url(text),
        toml::Value::Array(items) => items.iter_mut().for_each(|item| hide_secrets(key, item)),
        toml::Value::Table(table) => table.iter_mut().for_each(|(key, value)| hide_secrets(key, value)),
        _ => {}
    }
}

/// Types a tree and checks what types can't: all faults, each at its place.
pub(crate) fn check<T: serde::de::DeserializeOwned>(
    tree: &Tree,
    faults: impl Fn(&T) -> Vec<Fault>,
) -> Result<T, Vec<Diagnostic>> {
    let settings = typed::<T>(tree)?;
    let found = faults(&settings);
    if found.is_empty() {
        return Ok(settings);
    }
    let place = |fault: Fault| {
        let path: Vec<String> = fault.key.split('.').map(str::to_owned).collect();
        Diagnostic { span: locate(tree, &path), message: fault.message, hint: Some(fault.hint) }
    };
    Err(found.into_iter().map(place).collect())
}

/// Fills in what depends on other keys: the seeds that all cells share are the file's own, not the grid's.
fn fill_in(tree: &mut Tree, settings: &Settings) {
    let mut keys = Vec::new();
    if settings.data.split.seed.is_none() {
        keys.push("data.split.seed".to_owned());
    }
    for (name, source) in settings.embedding.iter().filter(|(_, source)| source.lacks_seed()) {
        keys.push(format!("embedding.{name}.{}.seed", source.kind()));
    }
    let seed = toml::Value::Integer(i64::try_from(settings.seed).unwrap_or(i64::MAX));
    for key in keys {
        let leaf = Tree { span: tree.span.clone(), node: Node::Leaf(seed.clone()) };
        tree.set(&key, leaf).expect("a typed file has tables where settings have them");
    }
}
