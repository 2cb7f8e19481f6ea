//! Makes the model file of a finished cell.

use std::collections::BTreeMap;

use emberline_base::{Features, TunedRows};
use emberline_train::{EmbeddingOrigin, FittedModel, Model, ModelDescription, ModelError};

use crate::inputs::Prepared;
use crate::plan::Cell;

/// Makes the model of a fit, and moves the weights out of the fit.
pub(super) fn model(cell: &Cell, prepared: &Prepared, fit: &mut FittedModel) -> Result<Model, ModelError> {
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
        provenance: provenance.map(|(name, text)| (name.to_owned(), text)).into_iter().collect::<BTreeMap<_, _>>(),
    };
    let model = Model::new(description, fit.architecture.clone(), std::mem::take(&mut fit.weights))?;
    match &prepared.features.train {
        Features::Trainable(bags) => {
            let words = prepared.opened.row_words(&bags.rows);
            model.with_tuned_rows(TunedRows { ids: bags.rows.to_vec(), words })
        }
        Features::Frozen(_) | Features::Mixed(_) => Ok(model),
    }
}
