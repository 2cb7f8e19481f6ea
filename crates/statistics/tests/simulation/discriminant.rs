//! Fisher's linear discriminant with a little shrinkage: a converged linear head in closed form.

use super::{DIM, Vector};

/// Added to the diagonal of the covariance, so that few rows suffice.
const SHRINKAGE: f64 = 0.1;

/// A linear score per class.
pub(crate) struct Discriminant {
    weights: Vec<Vector>,
    biases: Vec<f64>,
}

impl Discriminant {
    /// Fits it to (vector, class) rows.
    pub(crate) fn fit<'a>(rows: impl Iterator<Item = (&'a Vector, usize)> + Clone, classes: usize) -> Self {
        let (mut sums, mut counts) = (vec![[0.0; DIM]; classes], vec![0.0f64; classes]);
        for (vector, class) in rows.clone() {
            counts[class] += 1.0;
            for (sum, value) in sums[class].iter_mut().zip(vector) {
                *sum += value;
            }
        }
        let means: Vec<Vector> =
            sums.iter().zip(&counts).map(|(sum, count)| sum.map(|value| value / count.max(1.0))).collect();
        let covariance = covariance(rows, &means);
        let total: f64 = counts.iter().sum();
        let weights: Vec<Vector> = means.iter().map(|mean| solve(&covariance, mean)).collect();
        let bias = |class: usize| {
            let square: f64 = weights[class].iter().zip(&means[class]).map(|(w, m)| w * m).sum();
            ((counts[class] + 0.5) / total).ln() - square / 2.0
        };
        let biases = (0..classes).map(bias).collect();
        Self { weights, biases }
    }

    fn score(&self, class: usize, vector: &Vector) -> f64 {
        self.biases[class] + self.weights[class].iter().zip(vector).map(|(w, x)| w * x).sum::<f64>()
    }

    /// How much more the second class scores than the first.
    pub(crate) fn margin(&self, vector: &Vector) -> f64 {
        self.score(1, vector) - self.score(0, vector)
    }

    /// The class with the highest score.
    pub(crate) fn predict(&self, vector: &Vector) -> usize {
        let scores: Vec<f64> = (0..self.biases.len()).map(|class| self.score(class, vector)).collect();
        (1..scores.len()).fold(0, |best, class| if scores[class] > scores[best] { class } else { best })
    }
}

/// The pooled covariance within classes.
fn covariance<'a>(rows: impl Iterator<Item = (&'a Vector, usize)>, means: &[Vector]) -> [Vector; DIM] {
    let (mut matrix, mut count) = ([[0.0; DIM]; DIM], 0.0);
    for (vector, class) in rows {
        let centred: Vector = std::array::from_fn(|at| vector[at] - means[class][at]);
        for (row, left) in matrix.iter_mut().zip(&centred) {
            for (value, right) in row.iter_mut().zip(&centred) {
                *value += left * right;
            }
        }
        count += 1.0;
    }
    for (at, row) in matrix.iter_mut().enumerate() {
        row.iter_mut().for_each(|value| *value /= count);
        row[at] += SHRINKAGE;
    }
    matrix
}

/// Solves matrix x = right, for a positive definite matrix, by elimination.
fn solve(matrix: &[Vector; DIM], right: &Vector) -> Vector {
    let (mut matrix, mut right) = (*matrix, *right);
    for pivot in 0..DIM {
        for below in pivot + 1..DIM {
            let factor = matrix[below][pivot] / matrix[pivot][pivot];
            let of_pivot = matrix[pivot];
            // Columns before the pivot are 0 in its row.
            matrix[below].iter_mut().zip(of_pivot).skip(pivot).for_each(|(value, above)| *value -= factor * above);
            right[below] -= factor * right[pivot];
        }
    }
    let mut solution = [0.0; DIM];
    for row in (0..DIM).rev() {
        let known: f64 = (row + 1..DIM).map(|at| matrix[row][at] * solution[at]).sum();
        solution[row] = (right[row] - known) / matrix[row][row];
    }
    solution
}
