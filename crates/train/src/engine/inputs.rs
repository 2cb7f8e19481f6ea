//! A split's inputs on the device: fixed vectors, or bags of rows of the trained table.

use burn::tensor::backend::Backend;
use burn::tensor::{Int, Tensor, TensorData};
use emberline_base::{Bags, Features, Layered, Matrix};

use super::stack::Stack;

/// What one split feeds to the first layer.
pub(super) enum Inputs<B: Backend> {
    /// `[rows, dim]` a model, whole on the device.
    Frozen(Stack<B>),
    /// Token ids on the host; the table is one of the weights. For one model alone.
    Tuned(Bags),
    /// `[rows, layers * dim]`, and the number of layers; the mix is one of the weights. For one model alone.
    Mixed(Stack<B>, usize),
}

/// A batch of bags, ready for the table: vectors = weights x `table[ids]`.
pub(super) struct BagBatch<B: Backend> {
    /// `[tokens]`, rows of the table, text after text.
    pub(super) ids: Tensor<B, 1, Int>,
    /// `[texts, tokens]`, the combiner's weight where the token is the text's, else 0.
    pub(super) weights: Tensor<B, 2>,
    /// Whether a text's vector is scaled to length 1.
    pub(super) normalize: bool,
}

impl<B: Backend> Inputs<B> {
    /// One split's features, a model's each; several models have frozen ones.
    pub(super) fn new(features: &[&Features], device: &B::Device) -> Self {
        match features {
            [Features::Tuned(bags)] => Self::Tuned(bags.clone()),
            [Features::Mixed(Layered { vectors, layers })] => Self::Mixed(Stack::new(&[vectors], device), *layers),
            several => {
                let vectors = several.iter().map(|features| match features {
                    Features::Frozen(matrix) => matrix,
                    Features::Tuned(_) | Features::Mixed(_) => {
                        unreachable!("only frozen vectors are trained beside others")
                    }
                });
                let matrices: Vec<&Matrix> = vectors.collect();
                Self::Frozen(Stack::new(&matrices, device))
            }
        }
    }

    /// The rows of the split.
    pub(super) fn rows(&self) -> usize {
        match self {
            Self::Frozen(stack) | Self::Mixed(stack, _) => stack.rows(),
            Self::Tuned(bags) => bags.offsets.len() - 1,
        }
    }

    /// How many of the weights are the embedding's; the head's follow.
    pub(super) fn arrays(&self) -> usize {
        match self {
            Self::Frozen(_) => 0,
            Self::Tuned(_) => 1,
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
