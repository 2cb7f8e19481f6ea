//! Layer normalisation of rows during inference; training is left to Burn.
//!
//! A row enters, `[units]`; gamma (x - mean) / sqrt(variance + epsilon) + beta leaves. Sums are taken in the order of the
//! units and in 64 bits, so that a row's numbers depend neither on other rows nor on the width of registers.

use emberline_kernels::Panels;

/// A trained layer normalisation.
#[derive(Clone, Debug)]
pub(super) struct LayerNorm {
    /// `[units]`
    pub(super) gamma: Vec<f32>,
    /// `[units]`
    pub(super) beta: Vec<f32>,
    /// Added to the variance before its root is taken.
    pub(super) epsilon: f64,
}

impl LayerNorm {
    /// Normalises the rows of a matrix, `[batch, units]`, into another. `row` is a buffer.
    pub(super) fn apply(&self, inputs: &Panels, outputs: &mut Panels, row: &mut Vec<f32>) {
        outputs.reshape(inputs.rows(), inputs.cols());
        row.resize(inputs.cols(), 0.0);
        for at in 0..inputs.rows() {
            inputs.copy_row(at, row);
            self.normalise(row);
            outputs.set_row(at, row);
        }
    }

    fn normalise(&self, row: &mut [f32]) {
        let units = row.len() as f64;
        let mean = row.iter().map(|&x| f64::from(x)).sum::<f64>() / units;
        let variance = row.iter().map(|&x| (f64::from(x) - mean).powi(2)).sum::<f64>() / units;
        let scale = 1.0 / (variance + self.epsilon).sqrt();
        for ((x, &gamma), &beta) in row.iter_mut().zip(&self.gamma).zip(&self.beta) {
            *x = ((f64::from(*x) - mean) * scale * f64::from(gamma) + f64::from(beta)) as f32;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// NumPy: `x = [1, 2, 3, 6]; g * (x - 3) / sqrt(3.5 + 0.5) + b` with g = [1, 1, 2, 2] and b = [0, 1, 0, 1].
    #[test]
    fn rows_are_normalised_one_by_one() {
        let norm = LayerNorm { gamma: vec![1.0, 1.0, 2.0, 2.0], beta: vec![0.0, 1.0, 0.0, 1.0], epsilon: 0.5 };
        let inputs = Panels::of(2, 4, &[1.0, 2.0, 3.0, 6.0, 5.0, 5.0, 5.0, 5.0]).expect("memory");
        let (mut outputs, mut row) = (Panels::default(), Vec::new());
        norm.apply(&inputs, &mut outputs, &mut row);
        assert_eq!(outputs.to_values(), [-1.0, 0.5, 0.0, 4.0, 0.0, 1.0, 0.0, 1.0]);
    }
}
