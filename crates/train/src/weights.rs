//! Weights on the host: what engines start from and give back, and their safetensors file.
//!
//! Names: `embedding.table` `[rows, dim]`, `head.N.kernel` `[inputs, units]`, `head.N.bias` `[units]`,
//! `head.output.kernel`, `head.output.bias`; kernels as Keras lays them out.

use std::collections::HashMap;

use safetensors::tensor::{Dtype, SafeTensors, TensorView};

use crate::Error;

/// One named array of floats, row-major.
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor {
    /// For example `head.0.kernel`.
    pub name: String,
    /// The length along every axis.
    pub shape: Vec<usize>,
    /// As many as the product of `shape`.
    pub values: Vec<f32>,
}

/// All arrays that training moves, in the order of the forward pass.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Weights(pub Vec<Tensor>);

impl Weights {
    /// The bytes of a safetensors file. Equal weights give equal bytes.
    ///
    /// # Errors
    /// When two arrays share a name.
    pub fn to_safetensors(&self) -> Result<Vec<u8>, Error> {
        self.to_safetensors_with(None)
    }

    /// The same, with words about them.
    pub(crate) fn to_safetensors_with(&self, metadata: Option<HashMap<String, String>>) -> Result<Vec<u8>, Error> {
        let damaged = |e: safetensors::SafeTensorError| Error::Weights(e.to_string());
        let bytes: Vec<Vec<u8>> =
            self.0.iter().map(|t| t.values.iter().flat_map(|v| v.to_le_bytes()).collect()).collect();
        let mut views = Vec::with_capacity(self.0.len());
        for (tensor, bytes) in self.0.iter().zip(&bytes) {
            let view = TensorView::new(Dtype::F32, tensor.shape.clone(), bytes).map_err(damaged)?;
            views.push((tensor.name.as_str(), view));
        }
        safetensors::serialize(views, metadata).map_err(damaged)
    }

    /// Reads the bytes of a safetensors file of 32-bit floats, in the order of their names.
    ///
    /// # Errors
    /// When the bytes are damaged or hold another type of number.
    pub fn from_safetensors(bytes: &[u8]) -> Result<Self, Error> {
        let file = SafeTensors::deserialize(bytes).map_err(|e| Error::Weights(e.to_string()))?;
        let mut tensors = Vec::new();
        for (name, view) in file.tensors() {
            if view.dtype() != Dtype::F32 {
                return Err(Error::Weights(format!("`{name}` holds {:?}, not 32-bit floats", view.dtype())));
            }
            let values = view.data().chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
            tensors.push(Tensor { name, shape: view.shape().to_vec(), values });
        }
        tensors.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(Self(tensors))
    }

    /// The array of that name.
    pub fn get(&self, name: &str) -> Option<&Tensor> {
        self.0.iter().find(|t| t.name == name)
    }

    /// The arrays named `prefix/NAME`, by their names.
    pub(crate) fn below(&self, prefix: &str) -> Self {
        let rest = |tensor: &Tensor| {
            let name = tensor.name.strip_prefix(prefix)?.strip_prefix('/')?.to_owned();
            Some(Tensor { name, ..tensor.clone() })
        };
        Self(self.0.iter().filter_map(rest).collect())
    }

    /// The arrays in another's order; none unless names and shapes are the same.
    pub(crate) fn in_order_of(&self, other: &Self) -> Option<Self> {
        let like = |like: &Tensor| self.get(&like.name).filter(|tensor| tensor.shape == like.shape).cloned();
        let ordered = other.0.iter().map(like).collect::<Option<Vec<_>>>()?;
        (ordered.len() == self.0.len()).then_some(Self(ordered))
    }
}

/// What is held of every array that training moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// The array itself.
    Values,
    /// What the optimiser remembers of it.
    First,
    /// And what else.
    Second,
}

impl Part {
    /// In order.
    pub(crate) const ALL: [Self; 3] = [Self::Values, Self::First, Self::Second];
}

/// What training goes on from.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct State {
    /// By [`Part`].
    pub(crate) parts: [Weights; 3],
    /// Steps taken.
    pub(crate) steps: u32,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_survive_their_file() {
        let weights = Weights(vec![
            Tensor { name: "a".into(), shape: vec![2, 2], values: vec![1.0, -0.0, f32::MIN_POSITIVE, 3.5] },
            Tensor { name: "b".into(), shape: vec![1], values: vec![2.0] },
        ]);
        let bytes = weights.to_safetensors().expect("written");
        assert_eq!(Weights::from_safetensors(&bytes).expect("read"), weights);
        for length in 0..bytes.len() {
            assert!(Weights::from_safetensors(&bytes[..length]).is_err(), "cut at {length}");
        }
    }
}
