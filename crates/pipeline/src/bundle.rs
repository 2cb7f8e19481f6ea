//! Writes a bundle of a trained model: one file that classifies new texts without the run folder, the data or the
//! source's files. The format is that of `bundle_file`.

use std::collections::BTreeMap;
use std::path::Path;

use emberline_base::byte_arrays::{self, Content};
use emberline_base::file::{self, FileError};
use emberline_base::record::Outcome;
use emberline_base::{run_files, variant_name};
use emberline_embedding::source::PortableSource;
use emberline_report::ModelChoice;
use emberline_train::Model;
use serde::Serialize;

use crate::Error;
use crate::bundle_file::{BundleError, ENCODER, FORMAT, LEARNED, MODEL, VERSION};
use crate::classifier::{Classifier, ClassifierOptions, Learned, RunModel, Trained};
use crate::run_folder::RunFolder;

/// Writes a model of a run as a bundle. The file appears under its name once it is complete and has been opened for a
/// check. The model is that of the cell that is named; without a name, the refit if there is one, else the best cell of
/// the best setting. Returns which model was taken, and why. An existing file is replaced only with `replace`.
///
/// # Errors
/// Those of [`Classifier::of_run`]; if the file exists already, or can't be written.
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
    let (learned, encoder) = (chosen.learned(&model)?, chosen.encoder(&model)?);
    let portable = chosen.source().portable(&chosen.base).map_err(|source| chosen.named(&model, source))?;
    let metadata = metadata(&model, &chosen, &portable);
    let own = [(MODEL, Some(bytes)), (LEARNED, learned.clone()), (ENCODER, encoder.clone())];
    let written = write(to, &metadata, &arrays(own, portable), options);
    if let Err(Error::Bundle { why: BundleError::Incomplete { .. }, .. }) = &written {
        // If the source itself isn't the one that the model was trained with, that is the error to report.
        let learned = Learned { state: learned.as_deref(), encoder: encoder.as_deref() };
        chosen.embedding(&model, learned, options)?;
    }
    written.map(|()| chosen.choice)
}

/// Writes the fine-tuned encoder of a model of a run as a folder of sentence-transformers, `to`, which doesn't exist yet. The model is
/// chosen as [`export`] chooses it. Returns which it is, and why.
///
/// # Errors
/// If the encoder wasn't trained or its weights weren't kept, or a file can't be read or written.
pub fn export_encoder(
    folder: &RunFolder,
    cell: Option<&str>,
    to: &Path,
    options: &ClassifierOptions,
) -> Result<ModelChoice, Error> {
    let chosen = RunModel::choose(folder, cell, options)?;
    chosen.export_encoder(to, options)?;
    Ok(chosen.choice)
}

/// Returns the metadata of the model and its embedding.
fn metadata(model: &Model, chosen: &RunModel, portable: &PortableSource) -> BTreeMap<String, String> {
    let description = model.description();
    let always = [
        ("format", FORMAT.to_owned()),
        ("version", VERSION.to_owned()),
        ("program", concat!("emberline ", env!("CARGO_PKG_VERSION")).to_owned()),
        ("task", variant_name(&description.task)),
        ("classes", json(&description.classes)),
        ("thresholds", json(&description.thresholds)),
        ("embedding", description.embedding.name.clone()),
        ("embedding_kind", description.embedding.kind.clone()),
        ("embedding_digest", description.embedding.digest.to_string()),
        ("source", json(&portable.source)),
        ("text", json(&chosen.cell.settings.data.text_column())),
        ("pipeline", chosen.pipeline.clone()),
    ];
    let positive = description.positive_class().map(|class| ("positive_class", class.to_owned()));
    let header = chosen.cell.settings.data.header.map(|header| ("header", json(&header)));
    let entries = always.into_iter().chain(positive).chain(header).chain(trained(&chosen.trained));
    entries.map(|(key, text)| (key.to_owned(), text)).collect()
}

/// Returns the metadata of the cell, or of the refit.
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

/// Returns the arrays of the bundle by name: the model's own files, as they were read and checked, and the source's
/// files.
fn arrays(own: [(&str, Option<Vec<u8>>); 3], portable: PortableSource) -> BTreeMap<String, Content> {
    let own = own.into_iter().filter_map(|(name, bytes)| Some((name.to_owned(), Content::Bytes(bytes?))));
    own.chain(portable.files.into_iter().map(|file| (file.name, Content::File(file.path)))).collect()
}

/// Writes the bundle to a temporary file in the same folder, checks that it can be opened, and renames it.
fn write(
    to: &Path,
    metadata: &BTreeMap<String, String>,
    arrays: &BTreeMap<String, Content>,
    options: &ClassifierOptions,
) -> Result<(), Error> {
    let failed = || FileError::new("write", to);
    let target = file::link_target(to);
    file::make_folder(file::folder_of(&target))?;
    let mut temporary = file::temporary_in(file::folder_of(&target)).map_err(failed())?;
    byte_arrays::write(temporary.as_file_mut(), metadata, arrays).map_err(|error| match error.action {
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
