//! Trained models, which compute logits, probabilities and decisions for new texts.
//!
//! A model holds the layers, the weights, the classes and the thresholds of a fit, but no optimiser, targets or data.
//! It takes features as the embedding computes them, and returns logits `[texts, outputs]`. On the CPU these equal, to
//! the bit, the logits that training recorded at the best epoch, whatever the number of texts per call is.

mod description;
mod error;
mod file;
mod onnx;
#[cfg(test)]
mod tests;

use emberline_base::{Bags, Features, Matrix, Task, TunedRows};

use self::description::uncalibrated;
pub use self::description::{Calibration, EmbeddingOrigin, LogitCalibration, ModelDescription, ProbabilityCalibration};
pub use self::error::ModelError;
pub use self::onnx::{OnnxInput, OnnxTable};
use crate::engine::{GAMMA, MIX, Network, TABLE, Vectors, pooled, vectors};
use crate::head::Architecture;
use crate::weights::{Tensor, Weights};

/// A trained model.
#[derive(Clone, Debug)]
pub struct Model {
    description: ModelDescription,
    architecture: Architecture,
    /// The arrays, in the order of the forward pass.
    weights: Weights,
    network: Network,
    tuned_rows: Option<TunedRows>,
}

impl Model {
    /// Creates a model from these layers and the weights of a fit: the embedding's arrays, if it was trained as well,
    /// and the arrays of every layer, in any order.
    ///
    /// # Errors
    /// When the weights don't fit the layers, the description doesn't fit its task, or there is no memory.
    pub fn new(
        description: ModelDescription,
        architecture: Architecture,
        weights: Weights,
    ) -> Result<Self, ModelError> {
        description.check(&architecture)?;
        let weights = in_forward_order(&architecture, weights)?;
        let network = Network::new(&architecture, &weights)?;
        Ok(Self { description, architecture, weights, network, tuned_rows: None })
    }

    /// Returns the same model with the origin of the rows of its fine-tuned table.
    ///
    /// # Errors
    /// When there aren't as many as the table has rows.
    pub fn with_tuned_rows(self, rows: TunedRows) -> Result<Self, ModelError> {
        let expected = self.table().map_or(0, |table| table.shape[0]);
        for found in [Some(rows.ids.len()), rows.words.as_ref().map(Vec::len)].into_iter().flatten() {
            if found != expected {
                let why = format!("the table has {expected} rows, and {found} ids or words were given");
                return Err(ModelError::Description { why });
            }
        }
        Ok(Self { tuned_rows: Some(rows), ..self })
    }

    /// Computes the logits of texts, `[texts, outputs]`. Bags index the rows of the model's own fine-tuned table, as in
    /// training; the table that they carry isn't used.
    ///
    /// # Errors
    /// When the features aren't of the kind and length that the model was trained on, or there is no memory.
    pub fn logits(&self, features: &Features) -> Result<Matrix, ModelError> {
        Ok(self.network.logits(&vectors(&self.weights, self.dim(), features)?)?)
    }

    /// Computes the logits of texts whose bags carry their own table, in which the rows that training changed are
    /// merged into those of the source. Words that training never saw are thus used too.
    ///
    /// # Errors
    /// When the model has no fine-tuned table, rows have another length or are missing, or there is no memory.
    pub fn logits_of_bags(&self, bags: &Bags) -> Result<Matrix, ModelError> {
        Ok(self.network.logits(&pooled(&self.weights, self.dim(), bags)?)?)
    }

    /// Returns the vectors that enter the first layer, `[texts, dim]`: frozen ones as they are, rows of bags pooled, layers mixed. Bags
    /// bring their own table, as for [`logits_of_bags`](Self::logits_of_bags).
    ///
    /// # Errors
    /// When the features aren't of the kind and length that the model was trained on, or there is no memory.
    pub fn head_inputs(&self, features: Features) -> Result<Matrix, ModelError> {
        let entering = match &features {
            Features::Trainable(bags) => pooled(&self.weights, self.dim(), bags)?,
            features => vectors(&self.weights, self.dim(), features)?,
        };
        if !matches!(entering, Vectors::Fixed(_)) {
            return Ok(self.network.inputs(&entering)?);
        }
        let Features::Frozen(vectors) = features else { unreachable!("only frozen vectors are ready as they are") };
        Ok(vectors)
    }

    /// Computes the logits of vectors `[texts, dim]` that are ready for the first layer: frozen ones, or vectors that
    /// were pooled or mixed elsewhere.
    ///
    /// # Errors
    /// When their length isn't the model's, or there is no memory.
    pub fn logits_of_vectors(&self, vectors: &Matrix) -> Result<Matrix, ModelError> {
        if vectors.cols() != self.dim() {
            let of = |dim: usize| format!("vectors of length {dim}");
            return Err(ModelError::Features { expected: of(self.dim()), found: of(vectors.cols()) });
        }
        Ok(self.network.logits(&Vectors::Fixed(vectors))?)
    }

    /// Returns the probabilities of one text's logits, `[outputs]`: of the positive class for a binary task, otherwise
    /// of every class.
    pub fn probabilities(&self, logits: &[f32]) -> Vec<f64> {
        let ModelDescription { task, calibration, .. } = &self.description;
        match calibration {
            Some(calibration) => calibration.probabilities(*task, logits),
            None => uncalibrated(*task, logits),
        }
    }

    /// Decides for classes, given one text's logits, `[outputs]`. Returns indices into the class names: one class, or any
    /// number for a multi-label task. A calibration changes no decision: one of logits moves thresholds along, and with one of
    /// probabilities, which may make different probabilities equal, those before it decide.
    pub fn decide(&self, logits: &[f32]) -> Vec<usize> {
        let ModelDescription { task, thresholds, calibration, .. } = &self.description;
        let probabilities = match calibration {
            Some(Calibration::Probabilities(_)) => uncalibrated(*task, logits),
            Some(Calibration::Logits(_)) | None => self.probabilities(logits),
        };
        // Without a threshold, a label needs a probability above 0.5.
        let is_reached = |(class, &probability): (usize, &f64)| match thresholds.get(class) {
            Some(&threshold) => probability >= threshold,
            None => probability > 0.5,
        };
        match task {
            Task::Binary => vec![usize::from(probabilities.iter().enumerate().all(is_reached))],
            Task::MultiClass => vec![argmax(&probabilities)],
            Task::MultiLabel => {
                (0..probabilities.len()).filter(|&class| is_reached((class, &probabilities[class]))).collect()
            }
        }
    }

    /// Returns the description of the model: its task, classes, thresholds, and origin.
    pub fn description(&self) -> &ModelDescription {
        &self.description
    }

    /// Returns the layers.
    pub fn architecture(&self) -> &Architecture {
        &self.architecture
    }

    /// Returns the arrays, in the order of the forward pass.
    pub fn weights(&self) -> &Weights {
        &self.weights
    }

    /// Returns the length of a text's vector.
    pub fn dim(&self) -> usize {
        self.architecture.dim
    }

    /// Returns the fine-tuned table, `[rows, dim]`, if there is one.
    pub fn table(&self) -> Option<&Tensor> {
        self.weights.get(TABLE)
    }

    /// Returns the origin of the rows of the fine-tuned table, if there is one and it is known.
    pub fn tuned_rows(&self) -> Option<&TunedRows> {
        self.tuned_rows.as_ref()
    }
}

/// Returns the index of the first of the largest numbers.
fn argmax(values: &[f64]) -> usize {
    let mut best = 0;
    for (index, value) in values.iter().enumerate() {
        if *value > values[best] {
            best = index;
        }
    }
    best
}

/// Sorts the arrays into the order of the forward pass.
///
/// # Errors
/// When one is missing, has another shape than the layers need, or isn't used.
fn in_forward_order(architecture: &Architecture, mut weights: Weights) -> Result<Weights, ModelError> {
    let mut ordered = Vec::with_capacity(weights.0.len());
    for (name, shape) in expected_arrays(architecture, &weights) {
        let at = weights.0.iter().position(|array| array.name == name);
        let array = weights.0.swap_remove(at.ok_or_else(|| ModelError::MissingArray { name: name.clone() })?);
        if array.shape != shape || array.values.len() != shape.iter().product::<usize>() {
            let of = |shape: &[usize]| format!("the shape {shape:?}");
            return Err(ModelError::WrongArray { name, found: of(&array.shape), expected: of(&shape) });
        }
        ordered.push(array);
    }
    match weights.0.pop() {
        Some(unknown) => Err(ModelError::UnknownArray { name: unknown.name }),
        None => Ok(Weights(ordered)),
    }
}

/// Returns the names and shapes of the arrays of these layers. An embedding that was trained as well may have any
/// number of rows or layers.
fn expected_arrays(architecture: &Architecture, weights: &Weights) -> Vec<(String, Vec<usize>)> {
    let length = |name| weights.get(name).map(|array| array.shape.first().copied().unwrap_or(0));
    let table = length(TABLE).map(|rows| (TABLE.to_owned(), vec![rows, architecture.dim]));
    let mix = length(MIX).map(|layers| [(MIX.to_owned(), vec![layers]), (GAMMA.to_owned(), vec![1])]);
    table.into_iter().chain(mix.into_iter().flatten()).chain(architecture.arrays()).collect()
}
