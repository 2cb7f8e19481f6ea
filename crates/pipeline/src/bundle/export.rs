//! Writes a bundle of a trained model.

use std::collections::BTreeMap;
use std::path::Path;

use emberline_base::byte_arrays::{self, Content};
use emberline_base::file::{self, FileError};
use emberline_base::record::Outcome;
use emberline_base::{name_of, run_files};
use emberline_embedding::source::PortableSource;
use emberline_report::ModelChoice;
use emberline_train::Model;
use serde::Serialize;

use super::{BundleError, FORMAT, LEARNED, MODEL, VERSION};
use crate::Error;
use crate::classifier::{Classifier, ClassifierOptions, RunModel, Trained};
use crate::run_folder::RunFolder;

/// Writes the bundle of a model of a run to a file that appears when it is complete and has been opened once: of the cell that
/// is named; without a name, of the refit if there is one, else of the best cell of the best setting. Returns which model it
/// is, and why. What is there already is replaced only with `replace`.
///
/// # Errors
/// Those of [`Classifier::of_run`]; when the file exists already, or can't be written.
pub fn export(
    folder: &RunFolder,
    cell: Option<&str>,
    to: &Path,
    replace: bool,
    options: &ClassifierOptions,
) -> Result<ModelChoice, Error> {
    if !replace && to.exists() {
        return Err(BundleError::at(to)(BundleError::Exists));
    }
    let chosen = RunModel::choose(folder, cell, options)?;
    let bytes = chosen.bytes()?;
    let model = chosen.parse(&bytes)?;
    let learned = chosen.learned(&model)?;
    let portable = chosen.source().portable(&chosen.base).map_err(|source| chosen.named(&model, source))?;
    let card = card(&model, &chosen, &portable);
    let own = [(MODEL, Some(bytes)), (LEARNED, learned.clone())];
    let written = write(to, &card, &arrays(own, portable), options);
    if let Err(Error::Bundle { why: BundleError::Incomplete { .. }, .. }) = &written {
        // The bundle isn't at fault if the source itself isn't the one that the model was trained with.
        chosen.embedding(&model, learned.as_deref(), options)?;
    }
    written.map(|()| chosen.choice)
}

/// What the metadata say of the model and its embedding.
fn card(model: &Model, chosen: &RunModel, portable: &PortableSource) -> BTreeMap<String, String> {
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
        ("text", json(&chosen.cell.settings.data.text)),
        ("pipeline", chosen.pipeline.clone()),
    ];
    let positive = description.positive_class().map(|class| ("positive_class", class.to_owned()));
    let header = chosen.cell.settings.data.header.map(|header| ("header", json(&header)));
    let entries = always.into_iter().chain(positive).chain(header).chain(trained(&chosen.trained));
    entries.map(|(key, text)| (key.to_owned(), text)).collect()
}

/// What the metadata say of the cell, or of the refit.
fn trained(trained: &Trained) -> Vec<(&'static str, String)> {
    match trained {
        Trained::Cell(cell) => {
            let metrics = cell.outcome.as_ref().map(|Outcome { metrics, .. }| ("metrics", json(metrics)));
            [("cell", cell.id.clone())].into_iter().chain(metrics).collect()
        }
        Trained::Refit(refit) => {
            let (id, words) = (run_files::REFIT.to_owned(), refit.to_string());
            vec![("cell", id), (run_files::REFIT, words), ("metrics", json(&refit.metrics))]
        }
    }
}

/// The arrays of the bundle by name: the model's own files, as they were read and checked, and the files of the source.
fn arrays(own: [(&str, Option<Vec<u8>>); 2], portable: PortableSource) -> BTreeMap<String, Content> {
    let own = own.into_iter().filter_map(|(name, bytes)| Some((name.to_owned(), Content::Bytes(bytes?))));
    own.chain(portable.files.into_iter().map(|file| (file.name, Content::File(file.path)))).collect()
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
