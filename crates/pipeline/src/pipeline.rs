//! Loads a pipeline file: document -> overrides -> grid -> typed settings. All faults are reported at once.

use std::io::Read;
use std::path::{Path, PathBuf};

use emberline_base::file::{self, FileError};
use emberline_base::{Fault, secret};
use emberline_embedding::Source;
use emberline_train::callback::Callbacks;
use emberline_train::settings::{Head, Train};

use crate::Error;
use crate::diagnostic::Diagnostic;
use crate::diagnostics::Diagnostics;
use crate::document::{Document, Entry, Table, Tree, check, typed};
use crate::grid::{self, Axis};
use crate::replicates::replicates;
use crate::settings::{Decide, Settings, decide_faults, is_of_encoder, loss_faults, monitor_faults};

/// A valid pipeline: its settings, its axes and the folder that its paths are relative to.
#[derive(Clone, Debug)]
pub struct Pipeline {
    /// The file's settings, with what depends on other keys filled in.
    pub settings: Settings,
    /// The grid's axes in the order of the file.
    pub(crate) axes: Vec<Axis>,
    /// The settings as written, from which cells are made; without `[grid]`.
    pub(crate) tree: Tree,
    /// The folder of the pipeline file.
    pub folder: PathBuf,
    /// The pipeline file.
    pub file: PathBuf,
}

impl Pipeline {
    /// Reads a pipeline file, with `-S` assignments in place of what it says.
    ///
    /// # Errors
    /// If the file can't be read; or all the faults that it has.
    pub fn load(path: &Path, assignments: &[String]) -> Result<Self, Error> {
        let text = read(path)?;
        let name = path.display().to_string();
        let folder = path.parent().map(Path::to_owned).unwrap_or_default();
        Self::parse(&name, &text, &folder, assignments)
    }

    /// Parses the text of a pipeline file. Paths in it are relative to `folder`.
    ///
    /// # Errors
    /// All the faults of the text.
    pub fn parse(name: &str, text: &str, folder: &Path, assignments: &[String]) -> Result<Self, Error> {
        let mut document = Document::parse(name, text).map_err(Error::Invalid)?;
        let here = std::env::current_dir().unwrap_or_default();
        let mut faults = Diagnostics::default();
        for assignment in assignments {
            if let Err(fault) = document.set(assignment, &here) {
                faults.push(|| fault);
            }
        }
        let mut tree = document.root;
        let grid = tree.table_mut().and_then(|file| file.shift_remove("grid"));
        let settings = check::<Settings>(&tree, Settings::faults).map_err(|found| faults.append(found));
        let replicates = settings.as_ref().ok().and_then(|settings| replicates(settings, folder));
        let (axes, found) = grid::axes(grid.as_ref(), &tree, replicates.as_ref());
        faults.append(found);
        let Ok(settings) = settings else { return Err(Error::Invalid(faults.sorted())) };
        fill_in(&mut tree, &settings);
        let settings = typed::<Settings>(&tree).map_err(Error::Invalid)?;
        let pipeline = Self { settings, axes, tree, folder: folder.to_owned(), file: name.into() };
        faults.append(pipeline.axis_faults());
        faults.append(pipeline.faults_of_expected());
        faults.append(pipeline.frozen_faults());
        if faults.is_empty() { Ok(pipeline) } else { Err(Error::Invalid(faults.sorted())) }
    }

    /// Returns the fault of an expected number beside an axis that makes several settings.
    fn faults_of_expected(&self) -> Diagnostics {
        let axes = || self.axes.iter().map(|axis| (axis.key.as_str(), axis.values.len()));
        let fault = |settings: &Settings| settings.expect.iter().filter_map(|it| it.axis_fault(axes())).collect();
        check(&self.tree, fault).err().unwrap_or_default()
    }

    /// Returns the faults of settings and axes that only a fine-tuned encoder knows, in a file that fine-tunes none.
    fn frozen_faults(&self) -> Diagnostics {
        let is_axis = |key: &str| self.axes.iter().any(|axis| axis.key == key);
        let mut faults =
            check(&self.tree, |settings: &Settings| settings.frozen_faults(is_axis)).err().unwrap_or_default();
        if self.settings.tunes_encoder(is_axis) {
            return faults;
        }
        for axis in self.axes.iter().filter(|axis| is_of_encoder(&axis.key)) {
            let message =
                format!("`{}` is of an encoder that is fine-tuned, and no embedding of this file is", axis.key);
            let hint =
                Some("set `trainable = true` in [embedding.NAME.sentence_transformer], or remove the axis".to_owned());
            faults.push(|| Diagnostic { span: axis.span.clone(), message, hint });
        }
        faults
    }

    /// Tries every value of every axis by itself, so that a bad one is shown once, at its place.
    fn axis_faults(&self) -> Diagnostics {
        let mut faults = Diagnostics::default();
        for axis in self.axes.iter().filter(|axis| axis.key != grid::EMBEDDING) {
            for value in &axis.written {
                if faults.is_full() {
                    break;
                }
                self.value_faults(axis, value).iter().for_each(|fault| faults.push(|| fault.clone()));
            }
        }
        faults
    }

    /// Returns the faults of the file with one axis set to this value. A key of a source needs to suit only one of the
    /// sources.
    fn value_faults(&self, axis: &Axis, value: &Tree) -> Vec<Diagnostic> {
        let sources: Vec<&str> = if axis.is_of_source() { self.source_names() } else { vec![self.source_names()[0]] };
        let mut fewest: Option<Vec<Diagnostic>> = None;
        for source in sources {
            let path = axis.path(source, &self.settings);
            let found = match self.section_faults(&path, value) {
                Ok(()) => return Vec::new(),
                Err(Some(found)) => found.iter().map(|fault| axis.explain(fault.clone(), value)).collect(),
                Err(None) => vec![axis.no_such_key()],
            };
            if fewest.as_ref().is_none_or(|known| found.len() < known.len()) {
                fewest = Some(found);
            }
        }
        fewest.unwrap_or_default()
    }

    /// Returns the faults of a section of the file with the value set at the path. Only that section is typed again,
    /// since an axis may have very many values. `Err(None)` means that the path leads below a value that isn't a table.
    fn section_faults(&self, path: &str, value: &Tree) -> Result<(), Option<Diagnostics>> {
        let mut segments = path.split('.');
        let (section, name) = (segments.next().unwrap_or(path), segments.next());
        let mut tree = self.section(section, name);
        tree.set(path, &value.span, value.clone()).map_err(|()| None)?;
        let tree = &tree.get(section).expect("it was just set").value;
        let Settings { data, callbacks, decide, train, .. } = &self.settings;
        match (section, name.and_then(|name| tree.get(name))) {
            (grid::EMBEDDING, Some(source)) => {
                check(&source.value, |source: &Source| below(source.faults(), source.kind())).map(drop)
            }
            ("seed", _) => typed::<u64>(tree).map(drop),
            ("head", _) => check(tree, Head::faults).map(drop),
            ("train", _) => check(tree, |new: &Train| {
                new.faults().into_iter().chain(decide.iter().flat_map(|decide| loss_faults(decide, new))).collect()
            })
            .map(drop),
            ("decide", _) => {
                check(tree, |new: &Decide| [new.faults(), decide_faults(new, data), loss_faults(new, train)].concat())
                    .map(drop)
            }
            ("data", _) => check(tree, |data: &emberline_dataset::Settings| {
                let of_decide = decide.iter().flat_map(|decide| decide_faults(decide, data));
                data.faults().into_iter().chain(monitor_faults(callbacks, data)).chain(of_decide).collect()
            })
            .map(drop),
            ("callbacks", _) => {
                check(tree, |new: &Callbacks| [new.faults(), monitor_faults(new, data)].concat()).map(drop)
            }
            _ => return Err(None),
        }
        .map_err(Some)
    }

    /// Returns the file with one section alone; of `[embedding]`, only the source with this name.
    fn section(&self, section: &str, name: Option<&str>) -> Tree {
        let mut table = Table::default();
        if let Some(entry) = self.tree.get(section) {
            let entry = match (section, name.and_then(|name| Some((name, entry.value.get(name)?)))) {
                (grid::EMBEDDING, Some((name, source))) => {
                    let only: Table = [(name.to_owned(), source.clone())].into_iter().collect();
                    Entry {
                        key: entry.key.clone(),
                        form: entry.form,
                        value: Tree::of_table(entry.value.span.clone(), only),
                    }
                }
                _ => entry.clone(),
            };
            table.insert(section.to_owned(), entry);
        }
        Tree::of_table(self.tree.span.clone(), table)
    }

    /// Returns the names of the sources that the grid compares, or else of all sources of the file.
    pub(crate) fn source_names(&self) -> Vec<&str> {
        match self.axes.iter().find(|axis| axis.key == grid::EMBEDDING) {
            Some(axis) => axis.values.iter().filter_map(Tree::as_str).collect(),
            None => self.settings.embedding.keys().map(String::as_str).collect(),
        }
    }

    /// Returns the whole file as TOML, with every default filled in. `data.positive`, whose default depends on the
    /// data, appears only if the file sets it.
    pub fn resolved(&self) -> String {
        self.resolved_as(self.settings.clone())
    }

    /// Returns the whole file as TOML, with every default filled in, including `data.positive`, which is read from the
    /// data.
    ///
    /// # Errors
    /// If the data can't be read.
    pub fn resolved_with_data(&self) -> Result<String, Error> {
        let mut settings = self.settings.clone();
        let positive = emberline_dataset::read(&settings.data, &self.folder)?.positive().map(str::to_owned);
        settings.data.positive = positive;
        Ok(self.resolved_as(settings))
    }

    fn resolved_as(&self, mut settings: Settings) -> String {
        settings.grid = self
            .axes
            .iter()
            .map(|axis| (axis.key.clone(), toml::Value::Array(axis.values.iter().map(Tree::to_value).collect())))
            .collect();
        settings.report.get_or_insert_default();
        to_toml(settings)
    }

    /// Returns the line of a dotted key in the pipeline file, or of the nearest table above it that was written, from 1;
    /// `None` if a `-S` argument sets it. `grid` is the line of the first axis.
    pub fn line_of(&self, key: &str) -> Option<usize> {
        let span = match self.axes.first().and_then(|axis| axis.written.first()) {
            Some(value) if key == "grid" => value.span.clone(),
            _ => self.tree.locate(key.split('.')),
        };
        (!span.source().name.starts_with("-S ")).then(|| span.position().0)
    }

    /// Returns the number of combinations of the grid, including those that are left out.
    pub fn combinations(&self) -> usize {
        self.axes.iter().map(|axis| axis.values.len()).product()
    }
}

/// Returns settings as TOML, with the secrets of URLs masked.
pub(crate) fn to_toml(mut settings: Settings) -> String {
    settings.data.split.fill_in();
    let mut value = toml::Value::try_from(&settings).expect("settings are tables of plain values");
    hide_secrets("", &mut value);
    toml::to_string(&value).expect("settings are tables of plain values")
}

/// Masks the secrets of URLs in the value of a dotted key.
pub(crate) fn hide_secrets(key: &str, value: &mut toml::Value) {
    match value {
        toml::Value::String(text) if key.rsplit('.').next() == Some("url") => *text = secret::mask_url(text),
        toml::Value::Array(items) => items.iter_mut().for_each(|item| hide_secrets(key, item)),
        toml::Value::Table(table) => table.iter_mut().for_each(|(key, value)| hide_secrets(key, value)),
        _ => {}
    }
}

/// Adds the name of a table to the keys of its faults.
fn below(faults: Vec<Fault>, table: &str) -> Vec<Fault> {
    faults.into_iter().map(|fault| fault.below(table)).collect()
}

/// Maximum size of a pipeline file, in bytes. The largest grid takes one or two megabytes.
const MAX_FILE: u64 = 16 << 20;

/// Reads the text of a pipeline file.
fn read(path: &Path) -> Result<String, Error> {
    let mut bytes = Vec::new();
    let read = file::open(path).and_then(|file| file.take(MAX_FILE + 1).read_to_end(&mut bytes));
    read.map_err(|source| Error::PipelineFile(FileError::new("read", path)(source)))?;
    if bytes.len() as u64 > MAX_FILE {
        return Err(Error::TooLarge { path: path.to_owned(), megabytes: MAX_FILE >> 20 });
    }
    if is_utf16(&bytes) {
        let message = "the file is UTF-16; save it as UTF-8, such as with `iconv -f UTF-16 -t UTF-8`";
        let source = std::io::Error::new(std::io::ErrorKind::InvalidData, message);
        return Err(Error::PipelineFile(FileError::new("read", path)(source)));
    }
    Ok(String::from_utf8(bytes).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned()))
}

/// Whether a file seems to be UTF-16, as PowerShell writes it: it begins with a byte order mark, or ASCII has every other byte zero.
fn is_utf16(bytes: &[u8]) -> bool {
    bytes.starts_with(&[0xFF, 0xFE]) || bytes.starts_with(&[0xFE, 0xFF]) || bytes.iter().take(4).any(|&byte| byte == 0)
}

/// Fills in the defaults that depend on other keys: the seeds that all cells share come from the file's `seed`, not
/// from the grid.
fn fill_in(tree: &mut Tree, settings: &Settings) {
    let mut keys = Vec::new();
    if settings.data.split.seed.is_none() {
        keys.push("data.split.seed".to_owned());
    }
    for (name, source) in settings.embedding.iter().filter(|(_, source)| source.lacks_seed()) {
        keys.push(format!("embedding.{name}.{}.seed", source.kind()));
    }
    let seed = i64::try_from(settings.seed).unwrap_or(i64::MAX);
    let place = tree.span.clone();
    for key in keys {
        let seed = Tree::of_integer(place.clone(), seed);
        tree.set(&key, &place, seed).expect("a typed file has tables where settings have them");
    }
}
