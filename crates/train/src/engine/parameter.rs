//! Trained arrays on a device: copied there with the optimiser's state, clipped, and downloaded.

use burn::tensor::backend::Backend;
use burn::tensor::{Tensor, TensorData};
use emberline_base::Matrix;

use crate::optimizer::OptimizerState;
use crate::settings::Clip;
use crate::weights::{self, TrainingState, Weights};

/// A trained array of all active models, `[models, rows, cols]`; biases are `[models, 1, units]`.
pub(super) struct Parameter<B: Backend> {
    pub(super) name: String,
    /// The shape of one model's array.
    pub(super) shape: Vec<usize>,
    pub(super) value: Tensor<B, 3>,
    pub(super) state: OptimizerState<B>,
}

impl<B: Backend> Parameter<B> {
    /// Adds the gradient of the penalty, 2 l2 w, to that of a kernel of the head.
    pub(super) fn penalised(&self, l2: f64, gradient: Tensor<B, 3>) -> Tensor<B, 3> {
        let has_penalty = l2 != 0.0 && self.name.ends_with(".kernel");
        if has_penalty { gradient + self.value.clone() * (2.0 * l2) } else { gradient }
    }
}

/// Copies the arrays of models of one shape to the device.
pub(super) fn parameters<B: Backend>(weights: &[&Weights], device: &B::Device) -> Vec<Parameter<B>> {
    let parameter = |(at, first): (usize, &weights::Tensor)| {
        let values: Vec<f32> = weights.iter().flat_map(|of_model| &of_model.0[at].values).copied().collect();
        let cols = first.shape.last().copied().unwrap_or(1);
        let rows = first.values.len() / cols.max(1);
        Parameter {
            name: first.name.clone(),
            shape: first.shape.clone(),
            value: Tensor::from_data(TensorData::new(values, [weights.len(), rows, cols]), device),
            state: OptimizerState::new(),
        }
    };
    weights[0].0.iter().enumerate().map(parameter).collect()
}

/// Copies states of training to the device: the arrays with the optimiser's state for each.
pub(super) fn with_states<B: Backend>(states: &[&TrainingState], device: &B::Device) -> Vec<Parameter<B>> {
    let [values, first, second] = [0, 1, 2].map(|part| {
        let arrays: Vec<&Weights> = states.iter().map(|state| &state.parts[part]).collect();
        parameters::<B>(&arrays, device)
    });
    let with_state = |((values, first), second): ((Parameter<B>, Parameter<B>), Parameter<B>)| Parameter {
        state: OptimizerState::of(first.value, second.value),
        ..values
    };
    values.into_iter().zip(first).zip(second).map(with_state).collect()
}

/// Bounds the gradients of a step, `[models, rows, cols]` each, of every model for itself.
pub(super) fn clipped<B: Backend>(
    clip: Option<Clip>,
    gradients: Vec<Option<Tensor<B, 3>>>,
) -> Vec<Option<Tensor<B, 3>>> {
    let each = |gradients: Vec<Option<Tensor<B, 3>>>, bounded: &dyn Fn(Tensor<B, 3>) -> Tensor<B, 3>| {
        gradients.into_iter().map(|gradient| gradient.map(bounded)).collect()
    };
    match clip {
        None => gradients,
        Some(Clip::Value(bound)) => each(gradients, &|gradient| gradient.clamp(-bound, bound)),
        Some(Clip::Norm(bound)) => {
            let square = |gradient: &Tensor<B, 3>| (gradient.clone() * gradient.clone()).sum_dim(2).sum_dim(1);
            let squares = gradients.iter().flatten().map(square).reduce(|sum, square| sum + square);
            let Some(squares) = squares else { return gradients };
            let scale = (squares.sqrt().recip() * bound).clamp_max(1.0); // [models, 1, 1]
            each(gradients, &|gradient| gradient * scale.clone())
        }
    }
}

/// Converts `[1, rows, cols]` to `[rows, cols]`, or back; returns the array unchanged if its rank is right.
pub(super) fn with_rank<B: Backend, const FROM: usize, const TO: usize>(array: Tensor<B, FROM>) -> Tensor<B, TO> {
    let dims = array.dims();
    let mut shape = [1; TO];
    if FROM == TO {
        shape.copy_from_slice(&dims);
    } else {
        shape[TO - 1] = dims[FROM - 1];
        shape[TO - 2] = dims[FROM - 2];
    }
    array.reshape(shape)
}

/// Downloads the concatenation of chunks `[models, rows, cols]` in one transfer, as one matrix per model.
///
/// # Panics
/// When an earlier operation on the device has failed: some devices return zeros then, unless they are synchronised.
pub(super) fn download<B: Backend>(chunks: Vec<Tensor<B, 3>>) -> Vec<Matrix> {
    let whole = Tensor::cat(chunks, 1);
    B::sync(&whole.device()).unwrap_or_else(|error| panic!("the device failed: {error}"));
    let [_, rows, cols] = whole.dims();
    floats(whole).chunks_exact(rows * cols).map(|values| Matrix::new(rows, cols, values.to_vec())).collect()
}

pub(super) fn floats<B: Backend>(tensor: Tensor<B, 3>) -> Vec<f32> {
    tensor.into_data().convert::<f32>().into_vec().expect("floats after conversion to floats")
}
