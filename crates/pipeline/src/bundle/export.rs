//! Writes a bundle of a trained cell.

use std::collections::BTreeMap;
use std::path::Path;

use emberline_base::byte_arrays::{self, Content};
use emberline_base::file::{self, FileError};
use emberline_base::record::Outcome;
use emberline_base::{name_of, run_files};
use emberline_embedding::source::PortableSource;
use emberline_report::{Chosen, Run};
use emberline_train::Model;
use serde::Serialize;

use super::{BundleError, FORMAT, LEARNED, MODEL, VERSION};
use crate::Error;
use crate::classifier::{Classifier, ClassifierOptions, settled};
use crate::plan::Cell;
use crate::run_folder::RunFolder;

/// Writes the bundle of a cell of a run (the one that is named, or the best one of the best setting) to a file that appears
/// when it is complete and has been opened once; returns which cell it is and why, in one line. What is there already is
/// replaced only with `replace`.
///
/// # Errors
/// Those of [`Classifier::of_run`]; when the file exists already, or can't be written.
pub fn export(
    folder: &RunFolder,
    cell: Option<&str>,
    to: &Path,
    replace: bool,
    options: &ClassifierOptions,
) -> Result<String, Error> {
    if !replace && to.exists() {
        return Err(BundleError::at(to)(BundleError::Exists));
    }
    let run = Run::load(folder.path())?;
    let Chosen { cell, why } = run.choose(cell)?;
    // Sees that the cell is whole and the source is the one that it was trained with.
    Classifier::of_run(folder, Some(&cell.id), options.clone())?;
    let base = options.assets.clone().map_or_else(|| folder.pipeline_folder(), Ok)?;
    let trained = settled(&folder.cell(&cell.id), &base)?;
    let model = Model::read(&folder.cell(&cell.id).join(run_files::MODEL))?;
    let named = |source| Error::Embedding { name: trained.embedding().to_owned(), source };
    let portable = source_of(&trained).portable(&base).map_err(named)?;
    let mut card = card(&model, &trained, &portable);
    card.extend([("pipeline", run.summary.name.clone()), ("cell", cell.id.clone())]);
    card.extend(cell.outcome.as_ref().map(|Outcome { metrics, .. }| ("metrics", json(metrics))));
    let card = card.into_iter().map(|(key, text)| (key.to_owned(), text)).collect();
    write(to, &card, &arrays(folder, &cell.id, &model, portable), options)?;
    Ok(format!("cell {}: {why}", cell.id))
}

/// The source that a cell was trained with.
fn source_of(cell: &Cell) -> emberline_embedding::Source {
    cell.settings.embedding.source.of_repeat(cell.repeat())
}

/// What the metadata say of the model and its embedding.
fn card(model: &Model, cell: &Cell, portable: &PortableSource) -> BTreeMap<&'static str, String> {
    let description = model.description();
    let always = [
        ("format", FORMAT.to_owned()),
        ("version", VERSION.to_owned()),
        ("program", concat!("emberline ", env!("CARGO_PKG_VERSION")).to_owned()),
        ("task", name_of(&description.task)),
        ("classes", json(&description.classes)),
        ("thresholds", json(&description.thresholds)),
        ("embedding", description.embedding.name.clone()),
        ("embedding_kind", description.embedding.kind.clone()),
        ("embedding_digest", description.embedding.digest.to_string()),
        ("source", json(&portable.source)),
        ("text", json(&cell.settings.data.text)),
    ];
    let positive = description.positive_class().map(|class| ("positive_class", class.to_owned()));
    let header = cell.settings.data.header.map(|header| ("header", json(&header)));
    always.into_iter().chain(positive).chain(header).collect()
}

/// The files that the bundle holds, by the names of their arrays.
fn arrays(folder: &RunFolder, id: &str, model: &Model, portable: PortableSource) -> BTreeMap<String, Content> {
    let learned = folder.learned_path(&model.description().embedding.digest);
    let own = [(MODEL, Some(folder.cell(id).join(run_files::MODEL))), (LEARNED, learned.exists().then_some(learned))];
    let own = own.into_iter().filter_map(|(name, path)| Some((name.to_owned(), path?)));
    let files = portable.files.into_iter().map(|file| (file.name, file.path));
    own.chain(files).map(|(name, path)| (name, Content::File(path))).collect()
}

/// Writes the file beside its place, opens it, and renames it.
fn write(
    to: &Path,
    card: &BTreeMap<String, String>,
    arrays: &BTreeMap<String, Content>,
    options: &ClassifierOptions,
) -> Result<(), Error> {
    let failed = || FileError::new("write", to);
    let target = file::link_target(to);
    file::make_folder(file::folder_of(&target))?;
    let mut temporary = file::temporary_in(file::folder_of(&target)).map_err(failed())?;
    byte_arrays::write(temporary.as_file_mut(), card, arrays).map_err(|error| match error.action {
        "write" => failed()(error.source),
        _ => error,
    })?;
    if let Err(why) = Classifier::of_bundle(temporary.path(), options.clone()) {
        return Err(BundleError::at(to)(BundleError::Incomplete { why: Box::new(why) }));
    }
    temporary.as_file().sync_all().map_err(failed())?;
    Ok(temporary.persist(&target).map_err(failed())?)
}

fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("settings, texts and numbers are JSON")
}
