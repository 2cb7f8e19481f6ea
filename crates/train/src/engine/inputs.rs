//! The inputs of a split on the device: fixed vectors, or bags of rows of the trained table.

use burn::tensor::backend::Backend;
use burn::tensor::{Int, Tensor, TensorData};
use emberline_base::{Bags, Features, LayerStack, Matrix};

use super::stack::Stack;

/// The inputs of the first layer for one split.
pub(super) enum Inputs<B: Backend> {
    /// Vectors `[rows, dim]` per model, completely on the device.
    Frozen(Stack<B>),
    /// Token ids on the host; the table is one of the weights. Only for a single model.
    Trainable(Bags),
    /// The layers of an encoder, `[rows, layers * dim]`, and their number; the mix is one of the weights. Only for a
    /// single model.
    Mixed(Stack<B>, usize),
}

/// A batch of bags in matrix form: vectors = weights x `table[ids]`.
pub(super) struct BagBatch<B: Backend> {
    /// `[tokens]`: the rows of the table, text by text.
    pub(super) ids: Tensor<B, 1, Int>,
    /// `[texts, tokens]`: the combiner's weight if the token belongs to the text, else 0.
    pub(super) weights: Tensor<B, 2>,
    /// Whether the vectors are scaled to length 1.
    pub(super) normalize: bool,
}

impl<B: Backend> Inputs<B> {
    /// Copies the features of one split to the device, one per model; several models must have frozen ones.
    pub(super) fn new(features: &[&Features], device: &B::Device) -> Self {
        match features {
            [Features::Trainable(bags)] => Self::Trainable(bags.clone()),
            [Features::Mixed(LayerStack { vectors, layers })] => Self::Mixed(Stack::new(&[vectors], device), *layers),
            several => {
                let vectors = several.iter().map(|features| match features {
                    Features::Frozen(matrix) => matrix,
                    Features::Trainable(_) | Features::Mixed(_) | Features::Tokens { .. } => {
                        unreachable!("only frozen vectors are trained beside others, and encoders by their own engine")
                    }
                });
                let matrices: Vec<&Matrix> = vectors.collect();
                Self::Frozen(Stack::new(&matrices, device))
            }
        }
    }

    /// Returns the number of rows of the split.
    pub(super) fn rows(&self) -> usize {
        match self {
            Self::Frozen(stack) | Self::Mixed(stack, _) => stack.rows(),
            Self::Trainable(bags) => bags.offsets.len() - 1,
        }
    }

    /// Returns how many of the arrays belong to the embedding; those of the head follow.
    pub(super) fn embedding_arrays(&self) -> usize {
        match self {
            Self::Frozen(_) => 0,
            Self::Trainable(_) => 1,
            Self::Mixed(..) => 2,
        }
    }
}

impl<B: Backend> BagBatch<B> {
    pub(super) fn new(bags: &Bags, rows: &[usize], device: &B::Device) -> Self {
        let mut ids: Vec<i32> = rows.iter().flat_map(|&row| bags.of_text(row)).map(|&id| id as i32).collect();
        if ids.is_empty() {
            ids.push(0); // A tensor needs an element; no text's weight reaches it.
        }
        let tokens = ids.len();
        let mut weights = vec![0.0; rows.len() * tokens];
        let mut first = 0;
        for (text, &row) in rows.iter().enumerate() {
            let length = bags.of_text(row).len();
            let span = text * tokens + first..text * tokens + first + length;
            weights[span].fill(bags.combiner.weight(length));
            first += length;
        }
        Self {
            ids: Tensor::from_data(TensorData::new(ids, [tokens]), device),
            weights: Tensor::from_data(TensorData::new(weights, [rows.len(), tokens]), device),
            normalize: bags.normalize,
        }
    }
}
