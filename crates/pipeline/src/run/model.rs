//! Makes the model files of a finished cell: its head, and the weights of a fine-tuned encoder.

use std::collections::BTreeMap;

use emberline_base::{Features, TunedRows, file};
use emberline_train::{EmbeddingOrigin, FittedModel, Model, ModelDescription, ModelError};

use crate::inputs::Prepared;
use crate::plan::Cell;

/// The entry of a model's provenance with the SHA-256 of the file of its fine-tuned encoder.
pub(crate) const ENCODER_HASH: &str = "encoder";

/// The files of a trained cell's model.
pub(super) struct ModelFiles {
    /// The content of `model.safetensors`: the head, and the rows of a fine-tuned table.
    pub(super) model: Vec<u8>,
    /// The content of `encoder.safetensors`: the weights of a fine-tuned encoder; `None` without one.
    pub(super) encoder: Option<Vec<u8>>,
}

impl ModelFiles {
    /// Makes the files of a fit, and moves the weights out of the fit.
    pub(super) fn new(cell: &Cell, prepared: &Prepared, fit: &mut FittedModel) -> Result<Self, emberline_train::Error> {
        let encoder = fit.weights.take_encoder().map(|weights| weights.to_safetensors()).transpose()?;
        let hash = encoder.as_deref().map(file::sha256);
        Ok(Self { model: model(cell, prepared, fit, hash)?.to_safetensors()?, encoder })
    }
}

/// Makes the model of a fit; `encoder` is the SHA-256 of the file of a fine-tuned encoder.
fn model(
    cell: &Cell,
    prepared: &Prepared,
    fit: &mut FittedModel,
    encoder: Option<String>,
) -> Result<Model, ModelError> {
    let labels = &prepared.data.dataset.labels;
    let (name, source) = cell.source();
    let provenance = [
        ("cell", cell.identity.to_string()),
        ("seed", cell.settings.seed.to_string()),
        ("best_epoch", fit.best_epoch.to_string()),
        ("source", cell.source_settings()),
    ];
    let description = ModelDescription {
        task: labels.task,
        classes: labels.classes.clone(),
        thresholds: fit.thresholds.clone(),
        calibration: fit.calibration.clone(),
        embedding: EmbeddingOrigin {
            name: name.to_owned(),
            kind: source.kind().to_owned(),
            digest: prepared.digest.clone(),
        },
        data_digest: prepared.data.digest.clone(),
        provenance: provenance
            .into_iter()
            .chain(encoder.map(|hash| (ENCODER_HASH, hash)))
            .map(|(name, text)| (name.to_owned(), text))
            .collect::<BTreeMap<_, _>>(),
    };
    let model = Model::new(description, fit.architecture.clone(), std::mem::take(&mut fit.weights))?;
    match &prepared.features.train {
        Features::Trainable(bags) => {
            let words = prepared.opened.row_words(&bags.rows);
            model.with_tuned_rows(TunedRows { ids: bags.rows.to_vec(), words })
        }
        Features::Frozen(_) | Features::Mixed(_) | Features::Tokens { .. } => Ok(model),
    }
}
