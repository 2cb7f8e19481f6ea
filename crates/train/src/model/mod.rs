//! A trained model: what remains of a fit, and gives logits, probabilities and decisions for new texts.
//!
//! It holds the layers, the weights, the classes and the thresholds, and no optimiser, targets or data. Features enter, as
//! the embedding makes them; logits `[texts, outputs]` leave. On the CPU they are equal, to the bit, to the logits that
//! training recorded at the best epoch, whatever the number of texts at a time.

mod description;
mod error;
mod file;
mod inputs;
mod onnx;
#[cfg(test)]
mod tests;

use emberline_base::{Bags, Features, Matrix, Task, TunedRows};

pub use self::description::{Calibration, EmbeddingOrigin, ModelDescription};
pub use self::error::ModelError;
pub(crate) use self::inputs::vectors;
use self::inputs::{GAMMA, MIX, TABLE, pooled};
pub use self::onnx::{OnnxInput, OnnxTable};
pub(crate) use crate::engine::Network;
use crate::engine::Vectors;
use crate::head::Architecture;
use crate::metric::probabilities_of_row;
use crate::weights::{Tensor, Weights};

/// A trained model.
#[derive(Clone, Debug)]
pub struct Model {
    description: ModelDescription,
    architecture: Architecture,
    /// In the order of the forward pass.
    weights: Weights,
    network: Network,
    tuned_rows: Option<TunedRows>,
}

impl Model {
    /// A model of these layers. The weights are those of a fit: the embedding's arrays, if it was trained along, and kernel
    /// and bias of every dense layer, in any order.
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

    /// The same, which knows which rows of the source the rows of its fine-tuned table are.
    ///
    /// # Errors
    /// When there are not as many as the table has rows.
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

    /// The logits of texts, `[texts, outputs]`. Bags index the rows of the model's own fine-tuned table, as they did in
    /// training; the table that they carry isn't read.
    ///
    /// # Errors
    /// When the features aren't of the kind and length that the model was trained on, or there is no memory.
    pub fn logits(&self, features: &Features) -> Result<Matrix, ModelError> {
        Ok(self.network.logits(&vectors(&self.weights, self.dim(), features)?)?)
    }

    /// The logits of texts whose bags bring their own table: the rows that training moved among those of the source, so
    /// that words count which training never saw.
    ///
    /// # Errors
    /// When the model has no fine-tuned table, rows have another length or are missing, or there is no memory.
    pub fn logits_of_bags(&self, bags: &Bags) -> Result<Matrix, ModelError> {
        Ok(self.network.logits(&pooled(&self.weights, self.dim(), bags)?)?)
    }

    /// The vectors that enter the first layer, `[texts, dim]`: frozen ones as they are, rows of bags pooled, layers mixed. Bags
    /// bring their own table, as for [`logits_of_bags`](Self::logits_of_bags).
    ///
    /// # Errors
    /// When the features aren't of the kind and length that the model was trained on, or there is no memory.
    pub fn head_inputs(&self, features: Features) -> Result<Matrix, ModelError> {
        let entering = match &features {
            Features::Tuned(bags) => pooled(&self.weights, self.dim(), bags)?,
            features => vectors(&self.weights, self.dim(), features)?,
        };
        if !matches!(entering, Vectors::Fixed(_)) {
            return Ok(self.network.inputs(&entering)?);
        }
        let Features::Frozen(vectors) = features else { unreachable!("only frozen vectors are ready as they are") };
        Ok(vectors)
    }

    /// The logits of vectors that are ready for the first layer, `[texts, dim]`: frozen ones, or such as were pooled or
    /// mixed elsewhere.
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

    /// The probabilities of one text's logits, `[outputs]`: of the positive class of a binary task; of every class else.
    pub fn probabilities(&self, logits: &[f32]) -> Vec<f64> {
        let calibration = self.description.calibration.unwrap_or_default();
        let logits: Vec<f64> = logits.iter().map(|&logit| calibration.apply(f64::from(logit))).collect();
        probabilities_of_row(self.description.task, &logits)
    }

    /// The classes that are decided for, by the [`probabilities`](Self::probabilities) of one text, as indices into the
    /// class names: one class, or for a multi-label task any number.
    pub fn decide(&self, probabilities: &[f64]) -> Vec<usize> {
        let ModelDescription { task, thresholds, .. } = &self.description;
        // Without a threshold, a label needs more than an even chance.
        let is_reached = |(class, &probability): (usize, &f64)| match thresholds.get(class) {
            Some(&threshold) => probability >= threshold,
            None => probability > 0.5,
        };
        match task {
            Task::Binary => vec![usize::from(probabilities.iter().enumerate().all(is_reached))],
            Task::MultiClass => vec![argmax(probabilities)],
            Task::MultiLabel => {
                (0..probabilities.len()).filter(|&class| is_reached((class, &probabilities[class]))).collect()
            }
        }
    }

    /// What the model is: its task, classes, thresholds, and what it was made from.
    pub fn description(&self) -> &ModelDescription {
        &self.description
    }

    /// The layers.
    pub fn architecture(&self) -> &Architecture {
        &self.architecture
    }

    /// The arrays, in the order of the forward pass.
    pub fn weights(&self) -> &Weights {
        &self.weights
    }

    /// The length of a text's vector.
    pub fn dim(&self) -> usize {
        self.architecture.dim
    }

    /// The fine-tuned table, `[rows, dim]`, if there is one.
    pub fn table(&self) -> Option<&Tensor> {
        self.weights.get(TABLE)
    }

    /// Which rows of the source those of the table are, if there is one and it was said.
    pub fn tuned_rows(&self) -> Option<&TunedRows> {
        self.tuned_rows.as_ref()
    }
}

/// The first of the largest numbers.
fn argmax(values: &[f64]) -> usize {
    let mut best = 0;
    for (index, value) in values.iter().enumerate() {
        if *value > values[best] {
            best = index;
        }
    }
    best
}

/// The arrays in the order of the forward pass.
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

/// The names and shapes of the arrays of these layers; of an embedding that was trained along, as many rows or layers as
/// there are.
fn expected_arrays(architecture: &Architecture, weights: &Weights) -> Vec<(String, Vec<usize>)> {
    let length = |name| weights.get(name).map(|array| array.shape.first().copied().unwrap_or(0));
    let table = length(TABLE).map(|rows| (TABLE.to_owned(), vec![rows, architecture.dim]));
    let mix = length(MIX).map(|layers| [(MIX.to_owned(), vec![layers]), (GAMMA.to_owned(), vec![1])]);
    table.into_iter().chain(mix.into_iter().flatten()).chain(architecture.arrays()).collect()
}
