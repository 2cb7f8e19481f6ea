//! Orthonormal columns of a tall matrix, by Cholesky QR: `Y' Y = R' R`, `Q = Y R^-1`. Two passes are as orthogonal as
//! Householder's method (Yamamoto et al., 2015), and all the work runs along rows.
//!
//! Matrices are row-major. Rows are summed in blocks whose bounds depend on the matrix alone, so that the number of
//! threads changes no bit.

use rayon::prelude::*;

/// The minimum number of rows that a thread sums, and the maximum number of partial sums.
const BLOCK_ROWS: usize = 512;
const MAX_BLOCKS: usize = 64;
/// A column that keeps less than this share of its squared length, after the columns before it are subtracted, is
/// linearly dependent on them.
const DEPENDENT: f64 = 1e-11;

/// Makes the columns of `matrix`, `[rows, width]`, orthonormal; a column that is linearly dependent on those before
/// it becomes zero.
pub(super) fn orthonormalise(matrix: &mut [f64], width: usize, passes: usize) {
    for _ in 0..passes {
        let triangle = cholesky(gram(matrix, width), width);
        matrix.par_chunks_exact_mut(width).with_min_len(64).for_each(|row| solve(row, &triangle));
    }
}

/// Returns `matrix' * matrix`, `[width, width]`.
pub(super) fn gram(matrix: &[f64], width: usize) -> Vec<f64> {
    let rows = matrix.len() / width;
    let block = BLOCK_ROWS.max(rows.div_ceil(MAX_BLOCKS)) * width;
    let blocks: Vec<Vec<f64>> = matrix.par_chunks(block).map(|rows| upper_gram(rows, width)).collect();
    let mut gram = vec![0.0; width * width];
    for block in &blocks {
        gram.iter_mut().zip(block).for_each(|(sum, part)| *sum += part);
    }
    for row in 0..width {
        for column in 0..row {
            gram[row * width + column] = gram[column * width + row];
        }
    }
    gram
}

/// Returns the upper triangle of one block's product; four rows are added at a time, so that each sum is loaded once
/// for four of them.
fn upper_gram(rows: &[f64], width: usize) -> Vec<f64> {
    let mut gram = vec![0.0; width * width];
    let fours = rows.chunks_exact(4 * width);
    for single in fours.remainder().chunks_exact(width) {
        for (at, &a) in single.iter().enumerate() {
            let sums = &mut gram[at * width + at..(at + 1) * width];
            sums.iter_mut().zip(&single[at..]).for_each(|(sum, number)| *sum += a * number);
        }
    }
    for four in fours {
        let (first, rest) = four.split_at(width);
        let (second, rest) = rest.split_at(width);
        let (third, fourth) = rest.split_at(width);
        for at in 0..width {
            let (a, b, c, d) = (first[at], second[at], third[at], fourth[at]);
            let sums = &mut gram[at * width + at..(at + 1) * width];
            let numbers = first[at..].iter().zip(&second[at..]).zip(third[at..].iter().zip(&fourth[at..]));
            for (sum, ((e, f), (g, h))) in sums.iter_mut().zip(numbers) {
                *sum += (a * e + b * f) + (c * g + d * h);
            }
        }
    }
    gram
}

/// Returns the rows of the upper triangle `R` of a Gram matrix; a dependent column has a zero on the diagonal.
fn cholesky(mut gram: Vec<f64>, width: usize) -> Vec<f64> {
    let lengths: Vec<f64> = (0..width).map(|at| gram[at * width + at]).collect();
    for pivot in 0..width {
        let (above, below) = gram.split_at_mut((pivot + 1) * width);
        let row = &mut above[pivot * width..];
        let left = row[pivot];
        if left <= DEPENDENT * lengths[pivot] {
            row[pivot..].fill(0.0);
            continue;
        }
        let root = left.sqrt();
        row[pivot..].iter_mut().for_each(|number| *number /= root);
        for (next, other) in below.chunks_exact_mut(width).enumerate() {
            let at = pivot + 1 + next;
            let factor = row[at];
            other[at..].iter_mut().zip(&row[at..]).for_each(|(sum, number)| *sum -= factor * number);
        }
    }
    gram
}

/// Replaces one row `y` by the solution `x` of `x R = y`.
fn solve(row: &mut [f64], triangle: &[f64]) {
    let width = row.len();
    for at in 0..width {
        let upper = &triangle[at * width + at..(at + 1) * width];
        let (done, rest) = row[at..].split_at_mut(1);
        done[0] = if upper[0] == 0.0 { 0.0 } else { done[0] / upper[0] };
        let factor = done[0];
        rest.iter_mut().zip(&upper[1..]).for_each(|(number, weight)| *number -= factor * weight);
    }
}

#[cfg(test)]
mod tests {
    use emberline_base::Substream;

    use super::*;

    fn random(rows: usize, width: usize) -> Vec<f64> {
        let mut stream = Substream::new(5, "test");
        (0..rows * width).map(|_| f64::from(stream.symmetric(1.0))).collect()
    }

    #[test]
    fn columns_become_orthonormal_and_span_the_same() {
        let (rows, width) = (1100, 7);
        let before = random(rows, width);
        let mut after = before.clone();
        orthonormalise(&mut after, width, 2);
        for (at, value) in gram(&after, width).iter().enumerate() {
            let expected = f64::from(u8::from(at % width == at / width));
            assert!((value - expected).abs() < 1e-13, "{at}: {value}");
        }
        // The first column keeps its direction.
        let ratio = after[0] / before[0];
        assert!((0..rows).all(|row| (after[row * width] - ratio * before[row * width]).abs() < 1e-12));
    }

    #[test]
    fn a_dependent_column_becomes_zero() {
        let mut matrix = random(50, 3);
        for row in matrix.chunks_exact_mut(3) {
            row[1] = -2.0 * row[0];
        }
        orthonormalise(&mut matrix, 3, 2);
        assert!(matrix.chunks_exact(3).all(|row| row[1] == 0.0));
        assert!((gram(&matrix, 3)[8] - 1.0).abs() < 1e-13);
    }

    #[test]
    fn the_gram_matrix_is_the_sum_over_rows() {
        let (rows, width) = (1037, 3);
        let matrix = random(rows, width);
        let expected: f64 = matrix.chunks_exact(width).map(|row| row[0] * row[2]).sum();
        let found = gram(&matrix, width);
        assert!((found[2] - expected).abs() < 1e-9 && found[2] == found[6]);
    }
}
