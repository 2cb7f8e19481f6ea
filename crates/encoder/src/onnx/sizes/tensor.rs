//! The statically known properties of a tensor: shape, values and a lower bound of its size.

use rten_onnx::onnx::{DataType, TensorProto};

/// Maximum number of values that are followed; no graph computes shapes from larger tensors.
const MAX_NUMBERS: usize = 1 << 10;

/// The statically known properties of a tensor.
#[derive(Clone, Debug)]
pub(super) struct Tensor {
    /// The shape, if it is known.
    pub(super) dims: Option<Vec<u64>>,
    /// The values, if they are known and few.
    pub(super) numbers: Option<Vec<f64>>,
    /// A lower bound of the number of values.
    pub(super) least: u64,
}

impl Default for Tensor {
    /// A tensor of which nothing is known.
    fn default() -> Self {
        Self::at_least(1)
    }
}

impl Tensor {
    /// Creates a tensor of a known shape.
    pub(super) fn of(dims: Vec<u64>) -> Self {
        let least = dims.iter().fold(1, |size: u64, &dim| size.saturating_mul(dim));
        Self { dims: Some(dims), numbers: None, least }
    }

    /// Creates a tensor whose shape depends on the texts, with a lower bound of its number of values.
    pub(super) fn at_least(least: u64) -> Self {
        Self { dims: None, numbers: None, least }
    }

    /// Sets the values, unless there are too many, or their number doesn't fit the shape.
    pub(super) fn with(self, numbers: Option<Vec<f64>>) -> Self {
        let fits = |numbers: &Vec<f64>| numbers.len() as u64 == self.least && numbers.len() <= MAX_NUMBERS;
        Self { numbers: numbers.filter(fits), ..self }
    }

    /// Creates a vector of known values.
    pub(super) fn vector(numbers: Vec<f64>) -> Self {
        Self::of(vec![numbers.len() as u64]).with(Some(numbers))
    }

    /// Returns the values as lengths.
    pub(super) fn lengths(&self) -> Option<Vec<u64>> {
        Some(self.numbers.as_ref()?.iter().map(|&number| number.max(0.0) as u64).collect())
    }

    /// Returns the value of a tensor with a single value.
    pub(super) fn number(&self) -> Option<f64> {
        match self.numbers.as_deref()? {
            [number] => Some(*number),
            _ => None,
        }
    }
}

/// Returns the values of a small constant.
pub(super) fn numbers(tensor: &TensorProto) -> Option<Vec<f64>> {
    let raw = tensor.raw_data.as_ref().map(|raw| raw.borrow());
    let raw = raw.as_deref().map_or(&[][..], Vec::as_slice);
    if raw.len() > 8 * MAX_NUMBERS {
        return None;
    }
    fn words<const N: usize>(raw: &[u8], number: impl Fn([u8; N]) -> f64) -> Vec<f64> {
        raw.chunks_exact(N).map(|word| number(word.try_into().expect("chunks are of this length"))).collect()
    }
    Some(match tensor.data_type? {
        DataType::INT64 if !raw.is_empty() => words(raw, |word| i64::from_le_bytes(word) as f64),
        DataType::INT32 if !raw.is_empty() => words(raw, |word| i32::from_le_bytes(word).into()),
        DataType::FLOAT if !raw.is_empty() => words(raw, |word| f32::from_le_bytes(word).into()),
        DataType::DOUBLE if !raw.is_empty() => words(raw, f64::from_le_bytes),
        DataType::INT64 => tensor.int64_data.iter().map(|&number| number as f64).collect(),
        DataType::INT32 => tensor.int32_data.iter().map(|&number| number.into()).collect(),
        DataType::FLOAT => tensor.float_data.iter().map(|&number| number.into()).collect(),
        DataType::DOUBLE => tensor.double_data.clone(),
        _ => return None,
    })
}
