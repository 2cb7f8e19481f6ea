//! Weights in host memory, from which engines start and which they return, and their safetensors file.
//!
//! The arrays are named `embedding.table` `[rows, dim]`, `head.N.kernel` `[inputs, units]`, `head.N.bias` `[units]`,
//! `head.output.kernel` and `head.output.bias`; kernels have Keras's layout. A layer normalisation has `head.N.gamma` and
//! `head.N.beta`, `[units]`. The arrays of a fine-tuned encoder are named `encoder/` and their names in its checkpoint.

use std::borrow::Cow;
use std::collections::HashMap;

use emberline_base::array_file::{Array, ElementType};
use emberline_base::{OutOfMemory, memory};
use emberline_encoder::fine_tune::HostEncoder;
use emberline_encoder::sentence_transformer::SentenceTransformer;
use safetensors::View;
use safetensors::tensor::{Dtype, SafeTensors, TensorView};

use crate::Error;

/// What precedes the names of a fine-tuned encoder's arrays, which are those of its checkpoint.
const ENCODER: &str = "encoder/";

/// Returns the name of an array of a fine-tuned encoder among all weights.
pub(crate) fn encoder_name(name: &str) -> String {
    format!("{ENCODER}{name}")
}

/// One named array of floats, row-major.
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor {
    /// The name, such as `head.0.kernel`.
    pub name: String,
    /// The length of each axis.
    pub shape: Vec<usize>,
    /// The values, as many as the product of `shape`.
    pub values: Vec<f32>,
}

impl Tensor {
    /// Copies an array of a file, which must be one of 32-bit floats.
    ///
    /// # Errors
    /// If there is not enough memory.
    pub(crate) fn of_view(name: String, view: &TensorView<'_>) -> Result<Self, OutOfMemory> {
        let mut values = memory::with_capacity(view.data().len() / 4)?;
        values.extend(view.data().as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes)));
        Ok(Self { name, shape: view.shape().to_vec(), values })
    }

    /// Returns the array in the form in which files store it.
    pub(crate) fn to_array(&self) -> Array<'_> {
        let (name, shape) = (self.name.clone(), self.shape.clone());
        Array { name, element: ElementType::F32, shape, bytes: self.to_bytes() }
    }

    /// Returns the values as little-endian bytes.
    fn to_bytes(&self) -> Cow<'_, [u8]> {
        if cfg!(target_endian = "little") {
            Cow::Borrowed(bytemuck::cast_slice(&self.values))
        } else {
            Cow::Owned(self.values.iter().flat_map(|value| value.to_le_bytes()).collect())
        }
    }
}

/// All trained arrays, in the order of the forward pass.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Weights(pub Vec<Tensor>);

impl Weights {
    /// Serializes the weights to the bytes of a safetensors file. Equal weights give equal bytes.
    ///
    /// # Errors
    /// When two arrays share a name.
    pub fn to_safetensors(&self) -> Result<Vec<u8>, Error> {
        serialize(self.0.iter().map(|tensor| (tensor.name.clone(), tensor)), None)
    }

    /// Parses the bytes of a safetensors file of 32-bit floats. The arrays are sorted by name.
    ///
    /// # Errors
    /// When the bytes are damaged, or an array has another element type.
    pub fn from_safetensors(bytes: &[u8]) -> Result<Self, Error> {
        let file = SafeTensors::deserialize(bytes).map_err(|e| Error::Weights(e.to_string()))?;
        let mut tensors = Vec::new();
        for (name, view) in file.tensors() {
            if view.dtype() != Dtype::F32 {
                return Err(Error::Weights(format!("`{name}` holds {:?}, not 32-bit floats", view.dtype())));
            }
            tensors.push(Tensor::of_view(name, &view)?);
        }
        tensors.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(Self(tensors))
    }

    /// Returns the array of that name.
    pub fn get(&self, name: &str) -> Option<&Tensor> {
        self.0.iter().find(|t| t.name == name)
    }

    /// Removes the arrays of a fine-tuned encoder, and returns them under the names of its checkpoint, in order. None if the
    /// encoder wasn't trained.
    pub fn take_encoder(&mut self) -> Option<Self> {
        let name = |tensor: &Tensor| tensor.name.strip_prefix(ENCODER).map(str::to_owned);
        let taken = self.0.extract_if(.., |tensor| name(tensor).is_some());
        let arrays: Vec<Tensor> =
            taken.map(|tensor| Tensor { name: name(&tensor).unwrap_or_default(), ..tensor }).collect();
        (!arrays.is_empty()).then_some(Self(arrays))
    }

    /// Returns the encoder that its arrays make, which come first.
    pub(crate) fn tuned(&self, host: &HostEncoder) -> Result<SentenceTransformer, Error> {
        let of_encoder = self.0.iter().take(host.shapes().len());
        let arrays: Vec<&[f32]> = of_encoder.map(|array| array.values.as_slice()).collect();
        Ok(host.tuned(&arrays)?)
    }

    /// Returns whether every value is finite.
    pub(crate) fn is_finite(&self) -> bool {
        self.0.iter().all(|tensor| tensor.values.iter().all(|value| value.is_finite()))
    }

    /// Removes the arrays whose names start with `prefix/`, and returns them with that prefix stripped.
    pub(crate) fn take_prefixed(&mut self, prefix: &str) -> Self {
        let rest = |name: &str| Some(name.strip_prefix(prefix)?.strip_prefix('/')?.to_owned());
        let taken = self.0.extract_if(.., |tensor| rest(&tensor.name).is_some());
        Self(taken.map(|tensor| Tensor { name: rest(&tensor.name).unwrap_or_default(), ..tensor }).collect())
    }

    /// Returns the arrays in the order of others; none if names or shapes differ.
    pub(crate) fn in_order_of(mut self, other: &Self) -> Option<Self> {
        let mut take = |like: &Tensor| {
            let at = self.0.iter().position(|tensor| tensor.name == like.name && tensor.shape == like.shape)?;
            Some(self.0.swap_remove(at))
        };
        let ordered = other.0.iter().map(&mut take).collect::<Option<Vec<_>>>()?;
        self.0.is_empty().then_some(Self(ordered))
    }
}

/// Serializes arrays under these names to a safetensors file. Each array is copied only once, into the file.
///
/// # Errors
/// When two arrays share a name, or there is no memory for the file.
pub(crate) fn serialize<'t>(
    arrays: impl Iterator<Item = (String, &'t Tensor)>,
    metadata: Option<HashMap<String, String>>,
) -> Result<Vec<u8>, Error> {
    let arrays: Vec<(String, TensorBytes<'t>)> = arrays.map(|(name, tensor)| (name, TensorBytes(tensor))).collect();
    memory::probe(arrays.iter().map(|(_, array)| array.data_len() as u64).sum())?;
    safetensors::serialize(arrays, metadata).map_err(|error| Error::Weights(error.to_string()))
}

/// A view of an array as little-endian bytes.
struct TensorBytes<'t>(&'t Tensor);

impl View for TensorBytes<'_> {
    fn dtype(&self) -> Dtype {
        Dtype::F32
    }

    fn shape(&self) -> &[usize] {
        &self.0.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        self.0.to_bytes()
    }

    fn data_len(&self) -> usize {
        size_of_val(self.0.values.as_slice())
    }
}

/// The parts of the training state, each with one array per trained array.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StatePart {
    /// The values of the array.
    Values,
    /// The optimiser's first moment: the mean of the gradients, or the velocity.
    FirstMoment,
    /// The optimiser's second moment: the mean of the squared gradients.
    SecondMoment,
}

impl StatePart {
    /// All parts, in the order of [`TrainingState::parts`].
    pub(crate) const ALL: [Self; 3] = [Self::Values, Self::FirstMoment, Self::SecondMoment];
}

/// The state from which training continues.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct TrainingState {
    /// The arrays of each [`StatePart`].
    pub(crate) parts: [Weights; 3],
    /// The number of steps taken.
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
