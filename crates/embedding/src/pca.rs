//! Principal component analysis: finds the directions along which the vectors of texts vary most (Pearson, 1901;
//! Jolliffe, "Principal Component Analysis", 2002). Equal to scikit-learn's `PCA(svd_solver="covariance_eigh")` up to
//! signs.
//!
//! The covariance is summed in 64 bits, text after text, whatever the number of threads; nalgebra computes its
//! eigenvectors.

use emberline_base::Matrix;
use nalgebra::{DMatrix, SymmetricEigen};
use rayon::prelude::*;

use crate::Error;

/// Vectors per block: they stay in the processor's cache while every row of the covariance is updated.
const BLOCK: usize = 64;
/// A direction whose variance is below this share of the largest one is rounding error.
const NEGLIGIBLE: f64 = 1e-10;

/// Returns the `dim` leading directions of the vectors `[texts, from]` about their mean, as the columns of a matrix
/// `[from, dim]`, row-major. In each direction the number with the largest magnitude is positive.
///
/// # Errors
/// When the vectors vary along fewer than `dim` directions.
pub(crate) fn directions(vectors: &Matrix, dim: usize) -> Result<Vec<f64>, Error> {
    leading(vectors, dim).map_err(|rank| {
        Error::Unsupported(format!(
            "`dim = {dim}` with `reduce = \"pca\"`: the vectors of the {} training texts vary along {rank} directions only; \
             set a smaller `dim`, train on more texts, or set `reduce = \"random\"`",
            vectors.rows()
        ))
    })
}

/// Returns the same as [`directions`], or the number of directions that the vectors vary along if it is less than `dim`.
pub(crate) fn leading(vectors: &Matrix, dim: usize) -> Result<Vec<f64>, usize> {
    let from = vectors.cols();
    let eigen = SymmetricEigen::new(DMatrix::from_vec(from, from, covariance(vectors)));
    let values = &eigen.eigenvalues;
    let mut order: Vec<usize> = (0..from).collect();
    order.sort_by(|&a, &b| values[b].total_cmp(&values[a]));
    let least = NEGLIGIBLE * order.first().map_or(0.0, |&first| values[first]);
    let rank = order.iter().take_while(|&&at| values[at] > least).count();
    if rank < dim {
        return Err(rank);
    }
    let mut weights = vec![0.0; from * dim];
    for (column, &at) in order.iter().take(dim).enumerate() {
        let direction = eigen.eigenvectors.column(at);
        let sign = direction[direction.icamax()].signum();
        for (row, number) in direction.iter().enumerate() {
            weights[row * dim + column] = sign * number;
        }
    }
    Ok(weights)
}

/// Returns the sum of `(x - mean)' (x - mean)` over the vectors, `[cols, cols]`.
fn covariance(vectors: &Matrix) -> Vec<f64> {
    let cols = vectors.cols();
    let mean = mean(vectors);
    let mut sums = vec![0.0; cols * cols];
    for block in vectors.values().chunks(BLOCK * cols) {
        let centred: Vec<f64> =
            block.chunks_exact(cols).flat_map(|x| x.iter().zip(&mean).map(|(x, mean)| f64::from(*x) - mean)).collect();
        sums.par_chunks_exact_mut(cols).enumerate().with_min_len(8).for_each(|(row, sums)| {
            for x in centred.chunks_exact(cols) {
                let factor = x[row];
                sums[row..].iter_mut().zip(&x[row..]).for_each(|(sum, number)| *sum += factor * number);
            }
        });
    }
    for row in 0..cols {
        for column in 0..row {
            sums[row * cols + column] = sums[column * cols + row];
        }
    }
    sums
}

/// Returns the coordinates of the vectors, less their mean, along directions `[from, dim]`: `[texts, dim]`.
pub(crate) fn scores(vectors: &Matrix, directions: &[f64], dim: usize) -> Vec<f64> {
    let mean = mean(vectors);
    let mut scores = vec![0.0; vectors.rows() * dim];
    scores.par_chunks_exact_mut(dim.max(1)).enumerate().for_each(|(row, scores)| {
        for ((x, mean), weights) in vectors.row(row).iter().zip(&mean).zip(directions.chunks_exact(dim)) {
            let centred = f64::from(*x) - mean;
            scores.iter_mut().zip(weights).for_each(|(score, weight)| *score += centred * weight);
        }
    });
    scores
}

fn mean(vectors: &Matrix) -> Vec<f64> {
    let mut sums = vec![0.0; vectors.cols()];
    for x in vectors.values().chunks_exact(vectors.cols()) {
        sums.iter_mut().zip(x).for_each(|(sum, number)| *sum += f64::from(*number));
    }
    sums.iter().map(|sum| sum / vectors.rows().max(1) as f64).collect()
}

#[cfg(test)]
mod tests {
    use emberline_base::Substream;

    use super::*;

    /// Returns vectors about `(5, 5, ...)` that vary along known directions: column k of the discrete cosine basis,
    /// with the standard deviation `10 / (k + 1)`.
    fn known(texts: usize, size: usize) -> (Matrix, impl Fn(usize, usize) -> f64) {
        let cosine = move |k: usize, i: usize| {
            let angle = std::f64::consts::PI * (i as f64 + 0.5) * (k + 1) as f64 / size as f64;
            angle.cos() * (2.0 / size as f64).sqrt()
        };
        let mut stream = Substream::new(1, "test");
        let mut values = Vec::new();
        for _ in 0..texts {
            let weights: Vec<f64> = (0..4).map(|k| f64::from(stream.symmetric(10.0)) / (k + 1) as f64).collect();
            values.extend(
                (0..size)
                    .map(|i| (5.0 + weights.iter().enumerate().map(|(k, w)| w * cosine(k, i)).sum::<f64>()) as f32),
            );
        }
        (Matrix::new(texts, size, values), cosine)
    }

    #[test]
    fn known_directions_come_back() {
        let (vectors, cosine) = known(20_000, 12);
        let found = directions(&vectors, 3).expect("4 directions");
        for k in 0..3 {
            let agreement: f64 = (0..12).map(|i| found[i * 3 + k] * cosine(k, i)).sum();
            assert!(agreement.abs() > 0.999, "direction {k}: {agreement}");
            let largest = (0..12).map(|i| found[i * 3 + k]).max_by(|a, b| a.abs().total_cmp(&b.abs()));
            assert!(largest.is_some_and(|number| number > 0.0));
        }
    }

    /// `sklearn.decomposition.PCA(2, svd_solver="covariance_eigh").fit(x).components_`, with the same choice of signs
    /// as here.
    #[test]
    fn directions_are_scikit_learns() {
        let x = Matrix::new(5, 3, vec![1., 2., 0., 4., 0., 1., -1., 3., 2., 0.5, -2., 7., 3., 3., 3.]);
        let expected = [
            -0.12530558628883962,
            0.8928931770533051,
            -0.5570223305044529,
            -0.42404331389570715,
            0.8209900324390046,
            -0.15142338759914875,
        ];
        let found = directions(&x, 2).expect("rank 3");
        for (found, expected) in found.iter().zip(expected) {
            assert!((found - expected).abs() < 1e-9, "{found} {expected}");
        }
    }

    #[test]
    fn too_few_directions_are_refused() {
        let (vectors, _) = known(100, 12);
        let error = directions(&vectors, 5).expect_err("4 directions").to_string();
        assert!(error.contains("vary along 4 directions"), "{error}");
        assert!(directions(&Matrix::zeros(3, 2), 1).is_err());
        assert!(directions(&Matrix::zeros(0, 2), 1).is_err());
    }
}
