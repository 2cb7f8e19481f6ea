//! Reduces the dimension of vectors, so that one source can be swept over sizes.
//!
//! | `reduce` | a vector x of D numbers becomes |
//! |---|---|
//! | `truncate` | its first `dim` numbers: for models trained for it (Matryoshka), and those whose columns are principal components. The vectors of an encoder that scales them to length 1 are scaled to it again |
//! | `pca` | x W, W the leading principal directions `[D, dim]` of the training texts' vectors about their mean (`pca.rs`); the mean isn't subtracted, since a head's bias absorbs it |
//! | `random` | x W, W of +1/sqrt(dim) and -1/sqrt(dim), each equally likely (Achlioptas, "Database-friendly random projections", 2003); the same in every pipeline |
//!
//! All three are linear (but for that scaling), so that a table is reduced row by row and combined afterwards: frozen and fine-tuned cells
//! start from the same vectors. Sums are computed in 64 bits and in a fixed order.

use std::borrow::Cow;

use emberline_base::{Digest, Fault, Matrix, OutOfMemory, Substream, TextList, variant_name};
use rayon::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Error, pca};

/// How vectors are made shorter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Reduce {
    /// The first numbers: for models trained for it (Matryoshka) or ordered by principal components.
    #[default]
    Truncate,
    /// The leading principal components of the training texts' vectors.
    Pca,
    /// A random projection.
    Random,
}

/// A reduction: the target dimension, and the method.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reduction {
    /// The length of a vector afterwards.
    pub dim: usize,
    /// The method.
    pub reduce: Reduce,
}

impl Reduction {
    /// Returns the reduction that `dim` and `reduce` of a source ask for. `None`: vectors keep their length.
    pub(crate) fn of(dim: Option<usize>, reduce: Option<Reduce>) -> Option<Self> {
        dim.map(|dim| Self { dim, reduce: reduce.unwrap_or_default() })
    }

    /// Returns what is wrong with the settings.
    pub(crate) fn faults(self) -> Vec<Fault> {
        let mut faults = Vec::new();
        if self.dim == 0 {
            faults.push(Fault::new("dim", "a vector of 0 numbers", "1 to the source's own length"));
        }
        faults
    }

    /// Checks that vectors of `from` numbers are long enough.
    ///
    /// # Errors
    /// When `dim` is larger than `from`.
    pub fn check_length(self, from: usize) -> Result<(), Error> {
        let dim = self.dim;
        if dim <= from {
            return Ok(());
        }
        Err(Error::Unsupported(format!(
            "`dim = {dim}`: the source's vectors have {from} numbers; set `dim` to at most {from}"
        )))
    }

    /// Returns the content address of the reduced vectors of a source with the digest `source`; `train` are the
    /// training texts, and `unit` says whether the source scales its vectors to length 1.
    pub(crate) fn digest(self, source: &Digest, unit: bool, train: &impl TextList) -> Digest {
        let Self { dim, reduce } = self;
        let again = if self.normalizes(unit) { " normalize" } else { "" };
        let settings = format!("reduce/2 dim={dim} reduce={}{again}", variant_name(&reduce));
        let learned = (self.reduce == Reduce::Pca).then(|| train.all());
        let head = [source.as_str().as_bytes(), settings.as_bytes()];
        Digest::of_parts(head.into_iter().chain(learned.into_iter().flatten()))
    }

    /// Returns whether reduced vectors are scaled to length 1 again: truncated ones of a source that does so (`unit`).
    fn normalizes(self, unit: bool) -> bool {
        unit && self.reduce == Reduce::Truncate
    }

    /// Returns the projection of vectors of `from` numbers, whose length is 1 if `unit`. `None` if they already have the target
    /// length. `training` computes the vectors of the training texts, `[texts, from]`; it is only called if they are needed.
    ///
    /// # Errors
    /// When `dim` is larger than `from`, or than the number of directions in the training texts.
    pub(crate) fn fit<'m>(
        self,
        from: usize,
        unit: bool,
        training: impl FnOnce() -> Result<Cow<'m, Matrix>, OutOfMemory>,
    ) -> Result<Option<Projection>, Error> {
        self.check_length(from)?;
        let dim = self.dim;
        if dim == from {
            return Ok(None);
        }
        Ok(Some(match self.reduce {
            Reduce::Truncate => Projection::Truncate { dim, normalize: self.normalizes(unit) },
            Reduce::Pca => Projection::Matrix { dim, weights: pca::directions(training()?.as_ref(), dim)? },
            Reduce::Random => Projection::Matrix { dim, weights: random(from, dim) },
        }))
    }
}

/// A linear map to vectors of fewer dimensions.
#[derive(Clone, Debug, PartialEq)]
pub enum Projection {
    /// Keeps the first numbers.
    Truncate {
        /// How many numbers are kept.
        dim: usize,
        /// Whether vectors are then scaled to length 1; a vector of zeros stays as it is.
        normalize: bool,
    },
    /// A matrix `[from, dim]`, row-major.
    Matrix {
        /// The length of a vector afterwards.
        dim: usize,
        /// `from * dim` numbers.
        weights: Vec<f64>,
    },
}

impl Projection {
    /// Returns the length of a vector afterwards.
    pub(crate) fn dim(&self) -> usize {
        let (Self::Truncate { dim, .. } | Self::Matrix { dim, .. }) = *self;
        dim
    }

    /// Projects every row: `[rows, from]` -> `[rows, dim]`.
    pub(crate) fn apply(&self, vectors: &Matrix) -> Result<Matrix, OutOfMemory> {
        let dim = self.dim();
        let mut shorter = Matrix::try_zeros(vectors.rows(), dim)?;
        shorter.values_mut().par_chunks_exact_mut(dim).enumerate().for_each_init(
            || vec![0.0; dim],
            |sums, (row, out)| match self {
                Self::Truncate { dim, normalize } => {
                    out.copy_from_slice(&vectors.row(row)[..*dim]);
                    if *normalize {
                        scale_to_unit(out);
                    }
                }
                Self::Matrix { weights, .. } => project(vectors.row(row), weights, sums, out),
            },
        );
        Ok(shorter)
    }
}

/// Scales a vector to length 1, unless it is zero.
fn scale_to_unit(vector: &mut [f32]) {
    let square: f64 = vector.iter().map(|number| f64::from(*number) * f64::from(*number)).sum();
    let length = (square.sqrt() as f32).max(1e-12);
    vector.iter_mut().for_each(|number| *number /= length);
}

/// Computes `out = x W`, x `[from]`, W `[from, dim]`.
fn project(x: &[f32], weights: &[f64], sums: &mut [f64], out: &mut [f32]) {
    sums.fill(0.0);
    for (&number, weights) in x.iter().zip(weights.chunks_exact(out.len())) {
        let number = f64::from(number);
        sums.iter_mut().zip(weights).for_each(|(sum, weight)| *sum += number * weight);
    }
    out.iter_mut().zip(sums).for_each(|(out, sum)| *out = *sum as f32);
}

/// Returns a random projection, `[from, dim]`.
fn random(from: usize, dim: usize) -> Vec<f64> {
    let mut stream = Substream::new(0, &format!("embedding/reduce/{from}/{dim}"));
    let weight = 1.0 / (dim as f64).sqrt();
    (0..from * dim).map(|_| if stream.bits() >> 63 == 0 { weight } else { -weight }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reduced(reduce: Reduce, dim: usize, vectors: &Matrix) -> Matrix {
        let projection =
            Reduction { dim, reduce }.fit(vectors.cols(), false, || Ok(Cow::Borrowed(vectors))).expect("possible");
        projection.map_or_else(|| vectors.clone(), |projection| projection.apply(vectors).expect("memory"))
    }

    fn vectors(rows: usize, cols: usize) -> Matrix {
        let mut stream = Substream::new(3, "test");
        Matrix::new(rows, cols, (0..rows * cols).map(|_| stream.symmetric(1.0)).collect())
    }

    #[test]
    fn truncation_keeps_the_first_numbers() {
        let short = reduced(Reduce::Truncate, 2, &Matrix::new(2, 3, vec![1., 2., 3., 4., 5., 6.]));
        assert_eq!((short.cols(), short.values()), (2, &[1., 2., 4., 5.][..]));
    }

    /// What the cards of Matryoshka models ask for.
    #[test]
    fn truncated_vectors_of_length_1_have_it_again() {
        let long = Matrix::new(2, 3, vec![0.36, 0.48, 0.8, 0.0, 0.0, 1.0]);
        let reduction = Reduction { dim: 2, reduce: Reduce::Truncate };
        let projection = reduction.fit(3, true, || unreachable!()).expect("possible").expect("shorter");
        let short = projection.apply(&long).expect("memory");
        assert!(short.values().iter().zip([0.6, 0.8, 0.0, 0.0]).all(|(a, b)| (a - b).abs() < 1e-7), "{short:?}");
        let (source, texts) = (Digest::of(b"source"), [""].as_slice());
        assert_ne!(reduction.digest(&source, true, &texts), reduction.digest(&source, false, &texts));
        let random = Reduction { reduce: Reduce::Random, ..reduction };
        assert_eq!(random.digest(&source, true, &texts), random.digest(&source, false, &texts));
    }

    #[test]
    fn a_random_projection_keeps_lengths_about() {
        let long = vectors(40, 1024);
        let short = reduced(Reduce::Random, 512, &long);
        let length = |v: &[f32]| v.iter().map(|x| f64::from(x * x)).sum::<f64>().sqrt();
        for row in 0..long.rows() {
            let ratio = length(short.row(row)) / length(long.row(row));
            assert!((ratio - 1.0).abs() < 0.15, "row {row}: {ratio}");
        }
        assert_eq!(short, reduced(Reduce::Random, 512, &long));
    }

    #[test]
    fn the_sources_own_length_changes_nothing_and_more_is_refused() {
        let long = vectors(5, 8);
        for reduce in [Reduce::Truncate, Reduce::Pca, Reduce::Random] {
            assert_eq!(reduced(reduce, 8, &long), long);
            let error = Reduction { dim: 9, reduce }.fit(8, false, || Ok(Cow::Borrowed(&long))).expect_err("longer");
            assert!(error.to_string().contains("at most 8"), "{error}");
        }
    }

    #[test]
    fn digests_tell_reductions_apart_and_pca_from_its_texts() {
        let source = Digest::of(b"source");
        let digest = |reduce, dim, train: &[&str]| Reduction { dim, reduce }.digest(&source, false, &train);
        assert_ne!(digest(Reduce::Pca, 2, &["a"]), digest(Reduce::Pca, 2, &["b"]));
        assert_ne!(digest(Reduce::Pca, 2, &[]), digest(Reduce::Random, 2, &[]));
        assert_ne!(digest(Reduce::Random, 2, &[]), digest(Reduce::Random, 3, &[]));
        assert_eq!(digest(Reduce::Random, 2, &["a"]), digest(Reduce::Random, 2, &["b"]));
    }
}
