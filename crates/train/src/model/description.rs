//! What a model says of itself: its task, classes and thresholds, and what it was made from.

use std::collections::BTreeMap;

use emberline_base::{Digest, Task};
use serde::{Deserialize, Serialize};

use super::ModelError;
use crate::head::Architecture;

/// What a model is, beside its layers and weights.
#[derive(Clone, Debug, PartialEq)]
pub struct ModelDescription {
    /// What the labels ask.
    pub task: Task,
    /// The names of the classes. Binary: `[negative, positive]`.
    pub classes: Vec<String>,
    /// From which probability on an output counts as positive: one for a binary task; for a multi-label task one per class,
    /// or none for the natural decision (more than an even chance); none for a multi-class task.
    pub thresholds: Vec<f64>,
    /// How logits become calibrated ones; none if they are taken as they are.
    pub calibration: Option<Calibration>,
    /// The embedding whose features the model takes.
    pub embedding: EmbeddingOrigin,
    /// The digest of the texts and labels that it was trained and validated on.
    pub data_digest: Digest,
    /// More that shall be known of it, by name: the source's settings, the cell's id, ...
    pub provenance: BTreeMap<String, String>,
}

/// The embedding that a model takes its features from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EmbeddingOrigin {
    /// Its name in the pipeline file.
    pub name: String,
    /// The kind of its source, such as `word_vectors`.
    pub kind: String,
    /// The digest of everything that decides its vectors.
    pub digest: Digest,
}

/// Calibrated logits are `scale * logit + offset` (Platt, 1999); temperature scaling has no offset.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Calibration {
    /// What a logit is multiplied by.
    pub scale: f64,
    /// What is added then.
    pub offset: f64,
}

impl Default for Calibration {
    /// Changes nothing.
    fn default() -> Self {
        Self { scale: 1.0, offset: 0.0 }
    }
}

impl Calibration {
    pub(super) fn apply(self, logit: f64) -> f64 {
        self.scale * logit + self.offset
    }
}

impl ModelDescription {
    /// The name of the positive class of a binary task.
    pub fn positive_class(&self) -> Option<&str> {
        self.classes.get(1).filter(|_| self.task == Task::Binary).map(String::as_str)
    }

    /// The number of outputs that a head for these classes has.
    pub fn outputs(&self) -> usize {
        if self.task == Task::Binary { 1 } else { self.classes.len() }
    }

    /// # Errors
    /// When classes, thresholds or calibration don't fit the task, or the head has another number of outputs.
    pub(super) fn check(&self, architecture: &Architecture) -> Result<(), ModelError> {
        let outputs = architecture.outputs();
        let refuse = |why: String| Err(ModelError::Description { why });
        if self.outputs() != outputs || (self.task == Task::Binary && self.classes.len() != 2) || outputs == 0 {
            return refuse(format!("{} class names don't fit a head of {outputs} outputs", self.classes.len()));
        }
        if architecture.dim == 0 {
            return refuse("a text's vector has no numbers".to_owned());
        }
        let thresholds = self.thresholds.len();
        let fits = match self.task {
            Task::Binary => thresholds == 1,
            Task::MultiClass => thresholds == 0,
            Task::MultiLabel => thresholds == 0 || thresholds == outputs,
        };
        let numbers = self.calibration.map_or([1.0, 0.0], |calibration| [calibration.scale, calibration.offset]);
        if !fits || !self.thresholds.iter().chain(&numbers).all(|number| number.is_finite()) {
            return refuse(format!("{thresholds} thresholds or a calibration don't fit {outputs} outputs"));
        }
        Ok(())
    }
}
