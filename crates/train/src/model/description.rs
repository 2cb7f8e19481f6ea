//! The description of a model: its task, classes and thresholds, and its origin.

use std::collections::BTreeMap;

use emberline_base::{Digest, Task};
use emberline_metrics::calibration::{Isotonic, calibrated_row};
use emberline_metrics::probabilities_of_row;
use serde::{Deserialize, Serialize};

use super::ModelError;
use crate::head::Architecture;

/// The description of a model: everything except its layers and weights.
#[derive(Clone, Debug, PartialEq)]
pub struct ModelDescription {
    /// The classification task.
    pub task: Task,
    /// The names of the classes. Binary: `[negative, positive]`.
    pub classes: Vec<String>,
    /// The probability from which an output counts as positive: one for a binary task; for a multi-label task one per
    /// class, or none for the default decision (a probability above 0.5); none for a multi-class task. Of calibrated
    /// probabilities if logits are calibrated; of uncalibrated ones if probabilities are.
    pub thresholds: Vec<f64>,
    /// How probabilities are calibrated; none if they are used unchanged.
    pub calibration: Option<Calibration>,
    /// The embedding whose features the model takes.
    pub embedding: EmbeddingOrigin,
    /// The digest of the texts and labels of training and validation.
    pub data_digest: Digest,
    /// Further information by name: the source's settings, the cell's id, ...
    pub provenance: BTreeMap<String, String>,
}

/// The embedding from which the features of a model come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EmbeddingOrigin {
    /// Its name in the pipeline file.
    pub name: String,
    /// The kind of its source, such as `word_vectors`.
    pub kind: String,
    /// The digest of everything that determines its vectors.
    pub digest: Digest,
}

/// How probabilities are calibrated. In a file: `{"scale": s, "offset": o}` or `{"isotonic": [{"from": [...], "to": [...]}, ...]}`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Calibration {
    /// Logits are changed before they become probabilities.
    Logits(LogitCalibration),
    /// Probabilities are changed.
    Probabilities(ProbabilityCalibration),
}

/// A calibration of logits: `scale * logit + offset` (Platt, 1999); temperature scaling has no offset.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogitCalibration {
    /// The factor of a logit.
    pub scale: f64,
    /// The number that is then added.
    pub offset: f64,
}

/// A calibration of probabilities by a growing function per output, `[outputs]`; those of several classes are then divided by
/// their sum.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProbabilityCalibration {
    /// The functions.
    pub isotonic: Vec<Isotonic>,
}

impl Calibration {
    /// Returns the calibrated probabilities of one text's logits, `[outputs]`.
    pub fn probabilities(&self, task: Task, logits: &[f32]) -> Vec<f64> {
        match self {
            Self::Logits(calibration) => {
                let logits: Vec<f64> = logits.iter().map(|&logit| calibration.apply(f64::from(logit))).collect();
                probabilities_of_row(task, &logits)
            }
            Self::Probabilities(ProbabilityCalibration { isotonic }) => {
                calibrated_row(task, isotonic, &uncalibrated(task, logits))
            }
        }
    }

    /// Returns whether the calibration has functions or numbers for so many outputs.
    fn fits(&self, outputs: usize) -> bool {
        match self {
            Self::Logits(LogitCalibration { scale, offset }) => scale.is_finite() && offset.is_finite(),
            Self::Probabilities(ProbabilityCalibration { isotonic }) => {
                isotonic.len() == outputs && isotonic.iter().all(Isotonic::is_valid)
            }
        }
    }
}

/// Returns the probabilities of one text's logits as they are, `[outputs]`.
pub(super) fn uncalibrated(task: Task, logits: &[f32]) -> Vec<f64> {
    probabilities_of_row(task, &logits.iter().map(|&logit| f64::from(logit)).collect::<Vec<f64>>())
}

impl LogitCalibration {
    fn apply(self, logit: f64) -> f64 {
        self.scale * logit + self.offset
    }

    /// Returns what the probability of an output of its own (not one of a softmax) becomes. A threshold above every
    /// probability stays so.
    pub(crate) fn of_probability(self, probability: f64) -> f64 {
        if probability <= 0.0 || probability >= 1.0 {
            return probability;
        }
        let logit = probability.ln() - (-probability).ln_1p();
        1.0 / (1.0 + (-self.apply(logit)).exp())
    }
}

impl ModelDescription {
    /// Returns the name of the positive class of a binary task.
    pub fn positive_class(&self) -> Option<&str> {
        self.classes.get(1).filter(|_| self.task == Task::Binary).map(String::as_str)
    }

    /// Returns the number of outputs of a head for these classes.
    pub fn outputs(&self) -> usize {
        if self.task == Task::Binary { 1 } else { self.classes.len() }
    }

    /// Checks that the description fits a head.
    ///
    /// # Errors
    /// When classes, thresholds or calibration don't fit the task, or the head has another number of outputs.
    pub(super) fn check(&self, architecture: &Architecture) -> Result<(), ModelError> {
        let outputs = architecture.outputs();
        let refuse = |why: String| Err(ModelError::Description { why });
        if self.outputs() != outputs || (self.task == Task::Binary && self.classes.len() != 2) || outputs == 0 {
            return refuse(format!("{} class names don't fit a head of {outputs} outputs", self.classes.len()));
        }
        if architecture.dim == 0 {
            return refuse("the length of a text's vector is 0".to_owned());
        }
        let thresholds = self.thresholds.len();
        let fits = match self.task {
            Task::Binary => thresholds == 1,
            Task::MultiClass => thresholds == 0,
            Task::MultiLabel => thresholds == 0 || thresholds == outputs,
        };
        let is_calibrated = self.calibration.as_ref().is_none_or(|calibration| calibration.fits(outputs));
        if !fits || !is_calibrated || !self.thresholds.iter().all(|number| number.is_finite()) {
            return refuse(format!("{thresholds} thresholds or a calibration don't fit {outputs} outputs"));
        }
        Ok(())
    }
}
