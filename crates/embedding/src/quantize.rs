//! Quantises the vector of a text: the numbers that a head is trained on become those that fewer bytes can store.
//!
//! In: the vectors of texts, after `dim` and `reduce`. Out: the same vectors with the values that the type can hold, in
//! 32 bits, for a head can be trained on nothing else. The quantisation of a vector depends on that vector alone, so
//! that nothing is learned from the training texts and a later text is quantised as training texts were.
//!
//! | `quantize` | a vector x of D numbers becomes | bytes per text |
//! |---|---|---|
//! | `f32` | x | 4 D |
//! | `f16` | each number rounded to the nearest number of IEEE 754's binary16, ties to even; beyond 65504 it is 65504 | 2 D |
//! | `i8` | s q, s = max abs x_i / 127, q_i = x_i / s rounded to a whole number from -127 to 127, ties to even: symmetric, with a scale per vector, which is stored in 32 bits | D + 4 |
//! | `bit` | 1 where x_i > 0, else -1 | D / 8, rounded up |
//!
//! The scale of `i8` is that of each vector, as in the vector index usearch, and not that of each column, as in
//! `quantize_embeddings` of sentence-transformers, which has to see texts first: a text's vector would then depend on
//! other texts. `bit` is the `binary` of sentence-transformers and the `b1` of usearch.

use emberline_base::{Features, Matrix};
use rayon::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The version of the computation in this module. Raise it when the same vectors become others.
const COMPUTATION: u32 = 1;
/// The largest magnitude of a quantised number of `i8`; -128 has no opposite.
pub(crate) const LARGEST_I8: f32 = 127.0;
/// The largest finite number of binary16.
const LARGEST_F16: f32 = 65504.0;

/// The type that the numbers of a text's vector are stored in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Quantize {
    /// 32-bit floats: the vector as it is.
    #[default]
    F32,
    /// 16-bit floats, rounded to the nearest, ties to even.
    F16,
    /// Whole numbers from -127 to 127, times one scale per vector.
    I8,
    /// The sign: 1 for a positive number, -1 for any other.
    Bit,
}

impl Quantize {
    /// Returns whether vectors stay as they are; the default.
    pub fn is_f32(&self) -> bool {
        *self == Self::F32
    }

    /// Returns the name in a pipeline file.
    pub fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::F16 => "f16",
            Self::I8 => "i8",
            Self::Bit => "bit",
        }
    }

    /// Returns the bytes that a vector of `dim` numbers takes.
    pub fn bytes(self, dim: usize) -> u64 {
        let dim = dim as u64;
        match self {
            Self::F32 => 4 * dim,
            Self::F16 => 2 * dim,
            Self::I8 => dim + 4,
            Self::Bit => dim.div_ceil(8),
        }
    }

    /// Quantises every row, `[texts, dim]`.
    pub fn apply(self, vectors: &mut Matrix) {
        let dim = vectors.cols();
        if !self.is_f32() && dim > 0 {
            vectors.values_mut().par_chunks_exact_mut(dim).for_each(|vector| self.apply_to(vector));
        }
    }

    /// Quantises one vector.
    pub(crate) fn apply_to(self, vector: &mut [f32]) {
        match self {
            Self::F32 => {}
            Self::F16 => vector.iter_mut().for_each(|x| *x = to_f16(*x).to_f32()),
            Self::I8 => to_i8(vector),
            Self::Bit => vector.iter_mut().for_each(|x| *x = if *x > 0.0 { 1.0 } else { -1.0 }),
        }
    }

    /// Quantises the vectors of a frozen embedding; all other features stay as they are.
    pub(crate) fn features(self, features: Features) -> Features {
        match features {
            Features::Frozen(mut vectors) => {
                self.apply(&mut vectors);
                Features::Frozen(vectors)
            }
            other @ (Features::Trainable(_) | Features::Mixed(_) | Features::Tokens { .. }) => other,
        }
    }

    /// Returns the part of an embedding's digest; `None` if vectors stay as they are.
    pub(crate) fn digest_part(self) -> Option<String> {
        (!self.is_f32()).then(|| format!("quantize/{COMPUTATION} {}", self.name()))
    }
}

/// Rounds a number to binary16; beyond its range it is the largest finite number.
pub(crate) fn to_f16(x: f32) -> half::f16 {
    half::f16::from_f32(x.clamp(-LARGEST_F16, LARGEST_F16))
}

/// `[0.5, -1.27, 0.004]` has the scale 0.01, and becomes `[50, -127, 0]` times 0.01.
fn to_i8(vector: &mut [f32]) {
    let largest = vector.iter().fold(0.0_f32, |largest, x| largest.max(x.abs()));
    let scale = largest / LARGEST_I8;
    if scale == 0.0 {
        return vector.fill(0.0);
    }
    for x in vector {
        *x = scale * (*x / scale).round_ties_even().clamp(-LARGEST_I8, LARGEST_I8);
    }
}

#[cfg(test)]
mod tests {
    use emberline_base::variant_name;

    use super::*;

    fn quantised(quantize: Quantize, vector: &[f32]) -> Vec<f32> {
        let mut vectors = Matrix::new(1, vector.len(), vector.to_vec());
        quantize.apply(&mut vectors);
        vectors.into_values()
    }

    /// `numpy.float32([...]).astype(numpy.float16).astype(numpy.float32)`, but for the last two, which NumPy makes
    /// infinite.
    #[test]
    fn f16_is_rounded_to_the_nearest_even() {
        let exact = 1.0 + 1.0 / 1024.0;
        for (x, expected) in [
            (0.1, 0.099_975_586),
            (1.0 + 1.0 / 2048.0, 1.0),
            (1.0 + 3.0 / 2048.0, 1.0 + 2.0 / 1024.0),
            (exact, exact),
            (1e-8, 0.0),
            (6e-8, 5.960_464_5e-8),
            (70_000.0, 65504.0),
            (-1e30, -65504.0),
        ] {
            assert_eq!(quantised(Quantize::F16, &[x]), [expected], "{x}");
        }
    }

    #[test]
    fn i8_is_symmetric_with_a_scale_per_vector() {
        assert_eq!(quantised(Quantize::I8, &[63.5, -127.0, 0.5, 1.5, 0.4]), [64.0, -127.0, 0.0, 2.0, 0.0]);
        let halves = quantised(Quantize::I8, &[1.0, -0.25]);
        assert!((halves[0] - 1.0).abs() < 1e-6 && (halves[1] + 32.0 / 127.0).abs() < 1e-6, "{halves:?}");
        assert_eq!(quantised(Quantize::I8, &[0.0, -0.0]), [0.0; 2]);
        let mut two = Matrix::new(2, 2, vec![127.0, 1.2, 1.27, 0.012]);
        Quantize::I8.apply(&mut two);
        assert_eq!(two.row(0), [127.0, 1.0]);
        assert!((two.row(1)[1] - 0.01).abs() < 1e-7, "each vector has its own scale: {two:?}");
    }

    #[test]
    fn a_quantised_vector_stays_as_it_is_when_it_is_quantised_again() {
        let vector = [0.3, -1.7, 0.002, 0.0, 12.0];
        for quantize in [Quantize::F32, Quantize::F16, Quantize::I8, Quantize::Bit] {
            let once = quantised(quantize, &vector);
            let twice = quantised(quantize, &once);
            assert!(once.iter().zip(&twice).all(|(one, two)| (one - two).abs() <= 1e-6 * one.abs()), "{quantize:?}");
        }
    }

    #[test]
    fn bit_is_the_sign() {
        assert_eq!(quantised(Quantize::Bit, &[0.3, -2.0, 0.0, 1e-30]), [1.0, -1.0, -1.0, 1.0]);
    }

    #[test]
    fn names_and_sizes_are_those_of_the_table() {
        for (quantize, name, bytes) in [
            (Quantize::F32, "f32", 400),
            (Quantize::F16, "f16", 200),
            (Quantize::I8, "i8", 104),
            (Quantize::Bit, "bit", 13),
        ] {
            assert_eq!((quantize.name(), quantize.bytes(100)), (name, bytes));
            assert_eq!(variant_name(&quantize), name);
        }
    }
}
