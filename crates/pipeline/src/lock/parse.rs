//! Reads a lock: every line by itself, then all of them together.
//!
//! A merge of git may have put the lines of two branches together (`merge=union`), so their order doesn't matter, a line
//! may stand there twice, and two lines that say different things of one subject are a fault that names both. Line ends of
//! Windows, a byte order mark, empty lines and comments are passed over.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry as Slot;

use emberline_base::changes;
use emberline_base::number::shortened;
use rayon::prelude::*;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::fault::LockFault;
use super::line::{SumFault, content};
use super::text::id_of;
use super::{Lock, LockedCell, LockedData, LockedFile, LockedLeftOut, LockedPipeline, LockedRefit, VERSION};
use crate::document::{Document, Tree, from_tree};
use crate::facts::EmbeddingFacts;

/// What git writes between the sides of a conflict.
const MARKERS: [&str; 4] = ["<<<<<<<", "|||||||", "=======", ">>>>>>>"];

/// A line of the file: its number, from 1, and its text without white space at the end.
type Line<'t> = (usize, &'t str);

/// What a line is about.
enum Entry {
    Version,
    Pipeline(LockedPipeline),
    /// A section of the settings, by its path below `settings`.
    Settings(Vec<String>, toml::Value),
    File(String, LockedFile),
    Data(String, Box<LockedData>),
    Embedding(String, EmbeddingFacts),
    Cell(String, Box<LockedCell>),
    LeftOut(String, LockedLeftOut),
    Refit(Box<LockedRefit>),
}

/// Parses the bytes of a lock file.
pub(super) fn parse(bytes: &[u8]) -> Result<Lock, LockFault> {
    let lines = lines(text(bytes)?);
    if let Some(line) = lines.iter().find(|(_, text)| MARKERS.iter().any(|marker| text.starts_with(marker))) {
        return Err(LockFault::Marker { line: line.0 });
    }
    check_version(&lines)?;
    // Parsed on all cores, but the first fault of the file is the one that is reported.
    let entries: Vec<Result<Entry, LockFault>> = lines.par_iter().map(entry).collect();
    let mut gathered = Gathered::default();
    for (&(line, _), entry) in lines.iter().zip(entries) {
        gathered.add(line, entry?)?;
    }
    gathered.finish()
}

/// Returns the line of every cell of a lock, by the cell's id; empty if the lock can't be read.
pub(super) fn cell_lines(bytes: &[u8]) -> BTreeMap<String, usize> {
    let cell = |line: Line<'_>| match entry(&line) {
        Ok(Entry::Cell(id, _)) => Some((id, line.0)),
        _ => None,
    };
    text(bytes).map(lines).unwrap_or_default().into_iter().filter_map(cell).collect()
}

fn text(bytes: &[u8]) -> Result<&str, LockFault> {
    let text = str::from_utf8(bytes).map_err(|error| {
        let before = &bytes[..error.valid_up_to()];
        LockFault::NotUtf8 { line: before.iter().filter(|byte| **byte == b'\n').count() + 1 }
    })?;
    Ok(text.strip_prefix('\u{feff}').unwrap_or(text))
}

/// Returns the lines that say something.
fn lines(text: &str) -> Vec<Line<'_>> {
    let lines = (1..).zip(text.split('\n').map(str::trim_end));
    lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#')).collect()
}

/// Compares all lines that state a version: a merge may have left several.
fn check_version(lines: &[Line<'_>]) -> Result<(), LockFault> {
    let version = |(line, text): &Line<'_>| {
        let value = text.strip_prefix("version")?.trim_start().strip_prefix('=')?.trim_start();
        let digits = value.len() - value.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        Some((*line, value[..digits].parse::<u64>().ok()?))
    };
    let versions: Vec<(usize, u64)> = lines.iter().filter_map(version).collect();
    let (this, first) = (u64::from(VERSION), versions.first().ok_or(LockFault::NoVersion)?);
    match *versions.iter().find(|(_, found)| *found != this).unwrap_or(first) {
        (line, found) if found > this => Err(LockFault::Newer { line, found }),
        (line, found) if found < this => Err(LockFault::Earlier { line, found }),
        _ => Ok(()),
    }
}

/// Parses a line.
fn entry(&(line, text): &Line<'_>) -> Result<Entry, LockFault> {
    let content = content(text).map_err(|fault| match fault {
        SumFault::Missing => LockFault::NoChecksum { line },
        SumFault::Other => LockFault::Changed { line },
    })?;
    let unlike = |what: &str| LockFault::Unlike { line, what: crate::name::short(what) };
    let document = Document::written("the lock", content).map_err(|_| unlike("it"))?;
    let (section, value) = only(&document.root).ok_or_else(|| unlike("it"))?;
    let named = || only(value).ok_or_else(|| unlike(section));
    Ok(match section {
        "version" => Entry::Version,
        "pipeline" => Entry::Pipeline(read(line, value)?),
        "settings" => settings(value).ok_or_else(|| unlike(section))?,
        "refit" => Entry::Refit(Box::new(read(line, value)?)),
        "files" => Entry::File(named()?.0.to_owned(), read(line, named()?.1)?),
        "data" => Entry::Data(named()?.0.to_owned(), Box::new(read(line, named()?.1)?)),
        "embedding" => Entry::Embedding(named()?.0.to_owned(), read(line, named()?.1)?),
        "left_out" => Entry::LeftOut(named()?.0.to_owned(), read(line, named()?.1)?),
        "cells" => {
            let cell: LockedCell = read(line, named()?.1)?;
            Entry::Cell(id_of(named()?.0, &cell.identity), Box::new(cell))
        }
        other => return Err(unlike(&format!("`{other}`"))),
    })
}

/// Returns the only entry of a table.
fn only(tree: &Tree) -> Option<(&str, &Tree)> {
    let table = tree.table().filter(|table| table.len() == 1)?;
    table.iter().next().map(|(key, entry)| (key.as_str(), &entry.value))
}

fn settings(value: &Tree) -> Option<Entry> {
    let (section, content) = only(value)?;
    match section {
        "embedding" => {
            let (name, source) = only(content)?;
            Some(Entry::Settings(vec![section.to_owned(), name.to_owned()], source.to_value()))
        }
        _ => Some(Entry::Settings(vec![section.to_owned()], content.to_value())),
    }
}

fn read<T: DeserializeOwned>(line: usize, value: &Tree) -> Result<T, LockFault> {
    from_tree(value).map_err(|(path, _)| {
        let what = if path == "." { "it".to_owned() } else { format!("`{}`", crate::name::short(&path)) };
        LockFault::Unlike { line, what }
    })
}

/// The lines that have been read, with their numbers.
#[derive(Default)]
struct Gathered {
    pipeline: BTreeMap<&'static str, (usize, LockedPipeline)>,
    settings: BTreeMap<Vec<String>, (usize, toml::Value)>,
    files: BTreeMap<String, (usize, LockedFile)>,
    data: BTreeMap<String, (usize, LockedData)>,
    embedding: BTreeMap<String, (usize, EmbeddingFacts)>,
    cells: BTreeMap<String, (usize, LockedCell)>,
    left_out: BTreeMap<String, (usize, LockedLeftOut)>,
    refit: BTreeMap<&'static str, (usize, LockedRefit)>,
}

impl Gathered {
    fn add(&mut self, line: usize, entry: Entry) -> Result<(), LockFault> {
        match entry {
            Entry::Version => Ok(()),
            Entry::Pipeline(pipeline) => {
                insert(&mut self.pipeline, "pipeline", (line, pipeline), |_| "the pipeline".into())
            }
            Entry::Settings(path, value) => {
                insert(&mut self.settings, path, (line, value), |path| format!("the setting `{}`", path.join(".")))
            }
            Entry::File(key, file) => insert(&mut self.files, key, (line, file), |key| format!("the file `{key}`")),
            Entry::Data(key, data) => insert(&mut self.data, key, (line, *data), |key| format!("the data `{key}`")),
            Entry::Embedding(key, facts) => {
                insert(&mut self.embedding, key, (line, facts), |key| format!("the embedding `{key}`"))
            }
            Entry::Cell(id, cell) => insert(&mut self.cells, id, (line, *cell), |id| format!("the cell `{id}`")),
            Entry::LeftOut(name, left_out) => {
                insert(&mut self.left_out, name, (line, left_out), |name| format!("the combination `{name}`"))
            }
            Entry::Refit(refit) => insert(&mut self.refit, "refit", (line, *refit), |_| "the refit".into()),
        }
    }

    fn finish(mut self) -> Result<Lock, LockFault> {
        self.refuse_dangling()?;
        let pipeline = self.pipeline.remove("pipeline").ok_or(LockFault::NoPipeline)?.1;
        let mut settings = toml::Table::new();
        let mut embedding = toml::Table::new();
        for (path, (_, value)) in self.settings {
            match path.as_slice() {
                [_, name] => drop(embedding.insert(name.clone(), value)),
                path => drop(settings.insert(path.concat(), value)),
            }
        }
        if !embedding.is_empty() {
            settings.insert("embedding".to_owned(), embedding.into());
        }
        Ok(Lock {
            pipeline,
            settings,
            files: bare(self.files),
            data: bare(self.data),
            embedding: bare(self.embedding),
            cells: bare(self.cells),
            left_out: bare(self.left_out),
            refit: self.refit.remove("refit").map(|(_, refit)| refit),
        })
    }

    /// Refuses a line that names a file, a dataset or an embedding of which there is no line.
    fn refuse_dangling(&self) -> Result<(), LockFault> {
        for (line, cell) in self.cells.values() {
            for (section, key, is_there) in [
                ("data", &cell.data, self.data.contains_key(&cell.data)),
                ("embedding", &cell.embedding, self.embedding.contains_key(&cell.embedding)),
            ] {
                if !is_there {
                    return Err(LockFault::Dangling { line: *line, missing: format!("{section}.\"{key}\"") });
                }
            }
        }
        for (line, data) in self.data.values() {
            if let Some(key) = data.files.iter().find(|key| !self.files.contains_key(*key)) {
                return Err(LockFault::Dangling { line: *line, missing: format!("files.\"{key}\"") });
            }
        }
        Ok(())
    }
}

/// Adds what a line says, unless another line has said the same.
fn insert<K: Ord, V: PartialEq + Serialize>(
    known: &mut BTreeMap<K, (usize, V)>,
    key: K,
    (second, new): (usize, V),
    subject: impl FnOnce(&K) -> String,
) -> Result<(), LockFault> {
    match known.entry(key) {
        Slot::Vacant(slot) => {
            slot.insert((second, new));
            Ok(())
        }
        Slot::Occupied(slot) if slot.get().1 == new => Ok(()),
        Slot::Occupied(slot) => {
            let (first, old) = slot.get();
            let subject = crate::diagnostic::clipped(&subject(slot.key()), 2 * crate::name::MAX_NAME);
            Err(LockFault::Disagree { first: *first, second, subject, difference: first_difference(old, &new) })
        }
    }
}

/// Shows the first value in which two lines differ.
fn first_difference(old: &impl Serialize, new: &impl Serialize) -> String {
    let Some(change) = changes(old, new).into_iter().next() else { return "in the order of their keys".to_owned() };
    let shown = |value: &Option<String>| {
        value.as_deref().map_or_else(|| "nothing".to_owned(), |value| crate::name::short(&shortened(value)))
    };
    let what = if change.what.is_empty() { String::new() } else { format!("{}: ", change.what) };
    format!("{what}{} and {}", shown(&change.old), shown(&change.new))
}

fn bare<V>(entries: BTreeMap<String, (usize, V)>) -> BTreeMap<String, V> {
    entries.into_iter().map(|(key, (_, value))| (key, value)).collect()
}
