//! What is known of a tensor before the graph is run.

use rten_onnx::onnx::{DataType, TensorProto};

/// Tensors of more numbers are followed by their shape alone: nobody computes shapes with them.
const MOST_NUMBERS: usize = 1 << 10;

/// What is known of a tensor.
#[derive(Clone, Debug)]
pub(super) struct Tensor {
    /// Its shape.
    pub(super) dims: Option<Vec<u64>>,
    /// Its numbers, of a small one.
    pub(super) numbers: Option<Vec<f64>>,
    /// How many numbers it has at least.
    pub(super) least: u64,
}

impl Default for Tensor {
    /// Nothing is known.
    fn default() -> Self {
        Self::at_least(1)
    }
}

impl Tensor {
    /// One of a shape.
    pub(super) fn of(dims: Vec<u64>) -> Self {
        let least = dims.iter().fold(1, |size: u64, &dim| size.saturating_mul(dim));
        Self { dims: Some(dims), numbers: None, least }
    }

    /// One of a shape that depends on the texts.
    pub(super) fn at_least(least: u64) -> Self {
        Self { dims: None, numbers: None, least }
    }

    /// The same, with these numbers.
    pub(super) fn with(self, numbers: Option<Vec<f64>>) -> Self {
        let fits = |numbers: &Vec<f64>| numbers.len() as u64 == self.least && numbers.len() <= MOST_NUMBERS;
        Self { numbers: numbers.filter(fits), ..self }
    }

    /// A vector of these numbers.
    pub(super) fn vector(numbers: Vec<f64>) -> Self {
        Self::of(vec![numbers.len() as u64]).with(Some(numbers))
    }

    /// Its numbers as lengths.
    pub(super) fn lengths(&self) -> Option<Vec<u64>> {
        Some(self.numbers.as_ref()?.iter().map(|&number| number.max(0.0) as u64).collect())
    }

    /// Its only number.
    pub(super) fn number(&self) -> Option<f64> {
        match self.numbers.as_deref()? {
            [number] => Some(*number),
            _ => None,
        }
    }
}

/// The numbers of a small constant.
pub(super) fn numbers(tensor: &TensorProto) -> Option<Vec<f64>> {
    let raw = tensor.raw_data.as_ref().map(|raw| raw.borrow());
    let raw = raw.as_deref().map_or(&[][..], Vec::as_slice);
    if raw.len() > 8 * MOST_NUMBERS {
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
