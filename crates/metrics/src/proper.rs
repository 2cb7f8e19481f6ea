//! How good probabilities are: the Brier score and the expected calibration error.
//!
//! Rows of an unknown class are left out, since no probability of theirs can be right.

use emberline_base::Task;

use crate::RowMetric;
use crate::predictions::{Predictions, argmax};
use crate::probability::Probabilities;
use crate::ranked::Counts;

/// The number of bins of equal width by which probabilities are compared with frequencies, as in C. Guo et al., On
/// Calibration of Modern Neural Networks, 2017.
pub const BINS: usize = 15;

/// Returns the Brier score of each row: the squared difference of probability and target, `[rows]`; summed over the
/// classes (multi-class, as scikit-learn's `brier_score_loss`) or averaged over them (multi-label). None for a row of an
/// unknown class.
pub fn brier_of_rows<'a>(predictions: &'a Predictions<'a>) -> impl Iterator<Item = Option<f64>> + 'a {
    let probabilities = Probabilities::of(predictions.task(), predictions.logits());
    let outputs = predictions.outputs() as f64;
    let divisor = if predictions.task() == Task::MultiLabel { outputs } else { 1.0 };
    (0..predictions.rows()).map(move |row| {
        let squares = probabilities.row(row).zip(predictions.target(row)).map(|(p, &y)| (p - f64::from(y)).powi(2));
        (!predictions.is_unknown(row)).then(|| squares.sum::<f64>() / divisor)
    })
}

/// The expected calibration error: the mean distance between a probability and how often it is right, over bins of
/// equal width of the probability.
///
/// The probability is that of the positive class (binary), of the predicted class (multi-class), or of each class
/// (multi-label; all pairs of a row and a class together). A probability on the border of two bins is in the lower one.
#[derive(Clone, Debug, PartialEq)]
pub struct CalibrationError(Vec<Claim>);

/// A probability and whether it came true.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Claim {
    row: u32,
    bin: u8,
    came_true: bool,
    probability: f64,
}

/// One bin of a reliability diagram.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ReliabilityBin {
    /// The number of probabilities in the bin.
    pub count: f64,
    /// The sum of the probabilities.
    pub probability: f64,
    /// How many of them came true.
    pub came_true: f64,
}

impl CalibrationError {
    /// Sorts probabilities into bins.
    pub fn new(predictions: &Predictions<'_>) -> Self {
        let probabilities = Probabilities::of(predictions.task(), predictions.logits());
        Self::of(predictions, |row, output| probabilities.get(row, output))
    }

    /// Sorts other probabilities than those of the logits into bins; the predicted class stays that of the logits.
    /// `probability`: of a row and an output.
    pub(crate) fn of(predictions: &Predictions<'_>, probability: impl Fn(usize, usize) -> f64) -> Self {
        let mut claims = Vec::with_capacity(predictions.rows());
        for row in (0..predictions.rows()).filter(|&row| !predictions.is_unknown(row)) {
            let outputs = match predictions.task() {
                Task::Binary | Task::MultiLabel => 0..predictions.outputs(),
                Task::MultiClass => {
                    let top = argmax(predictions.of_row(row));
                    top..top + 1
                }
            };
            claims.extend(outputs.map(|output| {
                let probability = probability(row, output);
                let came_true = predictions.is_positive(row, output);
                Claim { row: row as u32, bin: bin_of(probability), came_true, probability }
            }));
        }
        Self(claims)
    }

    /// Returns the bins of the reliability diagram, from probability 0 to 1.
    pub fn bins(&self, counts: Counts<'_>) -> [ReliabilityBin; BINS] {
        let mut bins = [ReliabilityBin::default(); BINS];
        for claim in &self.0 {
            let (bin, count) = (&mut bins[usize::from(claim.bin)], counts.of(claim.row));
            bin.count += count;
            bin.probability += count * claim.probability;
            bin.came_true += if claim.came_true { count } else { 0.0 };
        }
        bins
    }
}

impl RowMetric for CalibrationError {
    fn of(&self, counts: &[u32]) -> f64 {
        let bins = self.bins(Counts::Of(counts));
        let total: f64 = bins.iter().map(|bin| bin.count).sum();
        bins.iter().map(|bin| (bin.probability - bin.came_true).abs()).sum::<f64>() / total
    }
}

/// Returns the bin of a probability: the number of borders between bins below it.
fn bin_of(probability: f64) -> u8 {
    let width = 1.0 / BINS as f64;
    (1..BINS).take_while(|&border| (border as f64 * width) < probability).count() as u8
}

#[cfg(test)]
mod tests {
    use emberline_base::Matrix;

    use super::*;

    #[test]
    fn borders_are_in_the_lower_bin() {
        let width: f64 = 1.0 / 15.0;
        assert_eq!([0.0, width, width.next_up(), 1.0, f64::NAN].map(bin_of), [0, 0, 1, 14, 0]);
    }

    #[test]
    fn rows_of_an_unknown_class_are_left_out() {
        let logits = Matrix::new(2, 1, vec![0.0, 3.0]);
        let targets = Matrix::new(2, 1, vec![1.0, f32::NAN]);
        let predictions = Predictions::new(Task::Binary, &logits, &targets).expect("shapes");
        assert_eq!(brier_of_rows(&predictions).collect::<Vec<_>>(), [Some(0.25), None]);
        let error = CalibrationError::new(&predictions);
        assert_eq!((error.of(&[1, 1]), error.of(&[0, 1]).is_nan()), (0.5, true));
    }
}
