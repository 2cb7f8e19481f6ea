//! Truncated SVD of a sparse matrix by randomised subspace iteration: algorithm 4.4 of Halko, Martinsson and Tropp,
//! "Finding Structure with Randomness" (SIAM Review 53, 2011).
//!
//! `Q` starts as an orthonormal basis of `M W` with a random `W` of `dim + OVERSAMPLING` columns; each iteration
//! replaces it by a basis of `M (M' Q)`. With `Z = M' Q`, the eigenvectors `E` of `Z' Z` and its eigenvalues `s^2`
//! give `M ~ (Q E) diag(s) (...)'`. Dense matrices are row-major, `[words, width]`.

use emberline_base::Substream;
use rayon::prelude::*;

use super::eigen;
use super::orthonormal::{gram, orthonormalise};
use super::ppmi::Sparse;

const OVERSAMPLING: usize = 10;
const ITERATIONS: usize = 2;
/// Singular values below this share of the largest one are rounding errors.
const NEGLIGIBLE: f64 = 1e-6;

/// Returns `U sqrt(S)` of the `dim` largest singular values, `[size, dim]`, the largest first. In each column the
/// number with the largest magnitude is positive.
///
/// # Errors
/// The rank of the matrix, if it is below `dim`.
pub(super) fn left_vectors(matrix: &Sparse, dim: usize, stream: &mut Substream) -> Result<Vec<f64>, usize> {
    let width = (dim + OVERSAMPLING).min(matrix.size());
    let turned = matrix.transposed();
    let start: Vec<f64> = (0..matrix.size() * width).map(|_| f64::from(stream.symmetric(1.0))).collect();
    let mut basis = product(matrix, &start, width);
    orthonormalise(&mut basis, width, 1);
    for iteration in 1..=ITERATIONS {
        let mut other = product(&turned, &basis, width);
        orthonormalise(&mut other, width, 1);
        basis = product(matrix, &other, width);
        orthonormalise(&mut basis, width, if iteration == ITERATIONS { 2 } else { 1 });
    }
    let image = product(&turned, &basis, width);
    let (values, vectors) = eigen::symmetric(gram(&image, width), width);
    let singular: Vec<f64> = values.iter().map(|value| value.max(0.0).sqrt()).collect();
    let rank = singular.iter().take_while(|&&value| value > NEGLIGIBLE * singular[0]).count();
    if rank < dim {
        return Err(rank);
    }
    let mut left = project(&basis, &vectors, &singular[..dim], width);
    fix_signs(&mut left, dim);
    Ok(left)
}

/// Returns `matrix * dense`, `[size, width]`; every row is summed in the order of its columns.
fn product(matrix: &Sparse, dense: &[f64], width: usize) -> Vec<f64> {
    let mut result = vec![0.0; matrix.size() * width];
    result.par_chunks_exact_mut(width).enumerate().for_each(|(row, sum)| {
        for &(column, value) in matrix.row(row) {
            let start = column as usize * width;
            for (sum, number) in sum.iter_mut().zip(&dense[start..start + width]) {
                *sum += value * number;
            }
        }
    });
    result
}

/// Returns the columns `basis * vectors[j] * sqrt(singular[j])`, `[size, dim]`; `vectors` holds one vector per row.
fn project(basis: &[f64], vectors: &[f64], singular: &[f64], width: usize) -> Vec<f64> {
    let dim = singular.len();
    // [width, dim]
    let mut weights = vec![0.0; width * dim];
    for (column, (vector, value)) in vectors.chunks_exact(width).zip(singular).enumerate() {
        for (row, number) in vector.iter().enumerate() {
            weights[row * dim + column] = number * value.sqrt();
        }
    }
    let mut result = vec![0.0; basis.len() / width * dim];
    result.par_chunks_exact_mut(dim).zip(basis.par_chunks_exact(width)).for_each(|(sum, row)| {
        for (factor, weights) in row.iter().zip(weights.chunks_exact(dim)) {
            for (sum, weight) in sum.iter_mut().zip(weights) {
                *sum += factor * weight;
            }
        }
    });
    result
}

/// Fixes the signs of singular vectors, which are only determined up to them.
fn fix_signs(columns: &mut [f64], dim: usize) {
    let mut largest = vec![0.0f64; dim];
    for row in columns.chunks_exact(dim) {
        for (largest, &number) in largest.iter_mut().zip(row) {
            if number.abs() > largest.abs() {
                *largest = number;
            }
        }
    }
    for row in columns.chunks_exact_mut(dim) {
        for (number, largest) in row.iter_mut().zip(&largest) {
            if *largest < 0.0 {
                *number = -*number;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream() -> Substream {
        Substream::new(3, "test")
    }

    fn dense(size: usize, value: impl Fn(usize, usize) -> f64) -> Sparse {
        let cells: Vec<_> =
            (0..size as u32).flat_map(|row| (0..size as u32).map(move |column| (row, column))).collect();
        Sparse::new(size, cells.iter().map(|&(row, column)| (row, column, value(row as usize, column as usize))))
    }

    /// A matrix with known singular vectors: discrete cosines on the left, and shifted ones on the right.
    #[test]
    fn known_singular_vectors_come_back() {
        let size = 40usize;
        let cosine = |k: usize, i: usize| {
            let angle = std::f64::consts::PI * (i as f64 + 0.5) * k as f64 / size as f64;
            angle.cos() * (2.0 / size as f64).sqrt()
        };
        let singular = |k: usize| 100.0 / (k * k) as f64;
        let matrix = dense(size, |i, j| (1..20).map(|k| singular(k) * cosine(k, i) * cosine(20 - k, j)).sum());
        let dim = 4;
        let left = left_vectors(&matrix, dim, &mut stream()).expect("rank 19");
        for k in 1..=dim {
            let sign = left[k - 1].signum() * cosine(k, 0).signum();
            for i in 0..size {
                let expected = sign * cosine(k, i) * singular(k).sqrt();
                assert!((left[i * dim + k - 1] - expected).abs() < 1e-6, "vector {k}, place {i}");
            }
        }
    }

    #[test]
    fn a_rank_below_dim_is_reported() {
        let matrix = dense(30, |i, j| f64::from(u8::from(i % 3 == j % 3)));
        assert_eq!(left_vectors(&matrix, 4, &mut stream()), Err(3));
        assert!(left_vectors(&matrix, 3, &mut stream()).is_ok());
        assert_eq!(left_vectors(&dense(5, |_, _| 0.0), 1, &mut stream()), Err(0));
    }

    #[test]
    fn the_largest_number_of_a_column_is_positive() {
        let mut columns = vec![1.0, -1.0, -2.0, 3.0];
        fix_signs(&mut columns, 2);
        assert_eq!(columns, [-1.0, -1.0, 2.0, 3.0]);
    }
}
