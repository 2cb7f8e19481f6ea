//! Eigenvalues and eigenvectors of a symmetric matrix by cyclic Jacobi rotations (Golub and Van Loan, "Matrix
//! Computations", section 8.5): short, as exact as possible, and with a fixed order of operations.

/// The maximum number of sweeps over all pairs; a dozen is enough, since convergence is quadratic.
const MAX_SWEEPS: usize = 40;
/// An entry this small relative to its diagonal counts as zero.
const ZERO: f64 = 1e-15;

/// Returns the eigenvalues, the largest first, and the eigenvectors, one per row, `[size, size]`.
pub(super) fn symmetric(mut matrix: Vec<f64>, size: usize) -> (Vec<f64>, Vec<f64>) {
    let mut vectors = vec![0.0; size * size];
    (0..size).for_each(|at| vectors[at * size + at] = 1.0);
    for _ in 0..MAX_SWEEPS {
        if !sweep(&mut matrix, &mut vectors, size) {
            break;
        }
    }
    let values: Vec<f64> = (0..size).map(|at| matrix[at * size + at]).collect();
    let mut order: Vec<usize> = (0..size).collect();
    order.sort_by(|&a, &b| values[b].total_cmp(&values[a]));
    let sorted = order.iter().flat_map(|&at| &vectors[at * size..(at + 1) * size]).copied().collect();
    (order.iter().map(|&at| values[at]).collect(), sorted)
}

/// Rotates every pair that isn't zero yet; returns whether there was one.
fn sweep(matrix: &mut [f64], vectors: &mut [f64], size: usize) -> bool {
    let mut rotated = false;
    for p in 0..size {
        for q in p + 1..size {
            let (app, aqq, apq) = (matrix[p * size + p], matrix[q * size + q], matrix[p * size + q]);
            if apq.abs() <= ZERO * (app.abs() * aqq.abs()).sqrt() || apq == 0.0 {
                continue;
            }
            let (c, s) = rotation(app, aqq, apq);
            rotate_rows(matrix, size, (p, q), (c, s));
            for row in matrix.chunks_exact_mut(size) {
                (row[p], row[q]) = (c * row[p] - s * row[q], s * row[p] + c * row[q]);
            }
            rotate_rows(vectors, size, (p, q), (c, s));
            rotated = true;
        }
    }
    rotated
}

/// Returns the cosine and sine of the smaller angle that makes the entry zero.
fn rotation(app: f64, aqq: f64, apq: f64) -> (f64, f64) {
    let tau = (aqq - app) / (2.0 * apq);
    let root = (1.0 + tau * tau).sqrt();
    let tangent = if tau >= 0.0 { 1.0 / (tau + root) } else { 1.0 / (tau - root) };
    let cosine = 1.0 / (1.0 + tangent * tangent).sqrt();
    (cosine, tangent * cosine)
}

fn rotate_rows(matrix: &mut [f64], size: usize, (p, q): (usize, usize), (c, s): (f64, f64)) {
    let (above, below) = matrix.split_at_mut(q * size);
    let pairs = above[p * size..(p + 1) * size].iter_mut().zip(&mut below[..size]);
    for (a, b) in pairs {
        (*a, *b) = (c * *a - s * *b, s * *a + c * *b);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The matrix of a path graph has the eigenvalues `2 - 2 cos(k pi / (n + 1))`.
    #[test]
    fn the_eigenvalues_of_a_path_graph() {
        let size = 25usize;
        let mut matrix = vec![0.0; size * size];
        for at in 0..size {
            matrix[at * size + at] = 2.0;
            if at > 0 {
                matrix[at * size + at - 1] = -1.0;
                matrix[(at - 1) * size + at] = -1.0;
            }
        }
        let (values, vectors) = symmetric(matrix.clone(), size);
        for (at, value) in values.iter().enumerate() {
            let angle = (size - at) as f64 * std::f64::consts::PI / (size + 1) as f64;
            assert!((value - (2.0 - 2.0 * angle.cos())).abs() < 1e-12, "{at}: {value}");
            let vector = &vectors[at * size..(at + 1) * size];
            for (row, number) in matrix.chunks_exact(size).zip(vector) {
                let image: f64 = row.iter().zip(vector).map(|(a, b)| a * b).sum();
                assert!((image - value * number).abs() < 1e-12);
            }
        }
    }

    #[test]
    fn zeros_and_diagonals_end_at_once() {
        assert_eq!(symmetric(vec![0.0; 4], 2), (vec![0.0, 0.0], vec![1.0, 0.0, 0.0, 1.0]));
        assert_eq!(symmetric(vec![1.0, 0.0, 0.0, 2.0], 2).0, [2.0, 1.0]);
    }
}
