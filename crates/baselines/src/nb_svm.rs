//! NB-SVM (Wang and Manning, "Baselines and bigrams: simple, good sentiment and topic classification", 2012): terms that are
//! present or not, each scaled by its log-count ratio, under a linear classifier.
//!
//! The variant: words and pairs of words, alpha = 1, logistic loss in place of the squared hinge loss, C = 1, no
//! interpolation with the mean weight; with several classes, one against the rest.

use emberline_base::{Matrix, Task};
use emberline_linear::{Error, LinearModel, Rows, Settings, fit};
use rayon::prelude::*;

use crate::counts::{Counts, Terms};
use crate::naive_bayes::ClassCounts;

/// Words and pairs of words.
pub(crate) const TERMS: Terms = Terms { lengths: (1, 2), min_texts: 1 };

/// A classifier of terms that are present or not, and whether its fits converged.
pub(crate) struct NbSvm {
    model: LinearModel,
    pub(crate) converged: bool,
}

impl NbSvm {
    pub(crate) fn fit(
        counts: &Counts,
        targets: &Matrix,
        settings: &Settings,
        goes_on: &(dyn Fn() -> bool + Sync),
    ) -> Result<Self, Error> {
        let present = present(counts);
        let sums = ClassCounts::of(&present, targets);
        let of_output = |output: usize| {
            let ratios = sums.log_ratios(output);
            let scaled = present.scaled_by_column(&ratios);
            let column = (0..targets.rows()).map(|row| targets.row(row)[output]).collect();
            let column = Matrix::new(targets.rows(), 1, column);
            let mut fit = fit(Rows::Sparse(&scaled), Task::Binary, &column, settings, goes_on)?;
            fit.model.weights.iter_mut().zip(&ratios).for_each(|(weight, ratio)| *weight *= ratio);
            Ok(fit)
        };
        let fits = (0..targets.cols()).into_par_iter().map(of_output).collect::<Result<Vec<_>, Error>>()?;
        let outputs = fits.len();
        let mut model = LinearModel { weights: vec![0.0; present.cols() * outputs], intercepts: Vec::new() };
        for (output, fit) in fits.iter().enumerate() {
            let places = model.weights.iter_mut().skip(output).step_by(outputs);
            places.zip(&fit.model.weights).for_each(|(place, &weight)| *place = weight);
            model.intercepts.extend(&fit.model.intercepts);
        }
        Ok(Self { model, converged: fits.iter().all(|fit| fit.has_converged()) })
    }

    /// Returns the logits of texts. Those of a multi-class task are logarithms of the probabilities of each class against the
    /// rest, so that their softmax are these probabilities divided by their sum.
    pub(crate) fn logits(&self, counts: &Counts, task: Task) -> Result<Matrix, Error> {
        let mut logits = self.model.logits(Rows::Sparse(&present(counts)))?;
        if task == Task::MultiClass {
            let log_sigmoid = |z: f64| z.min(0.0) - (-z.abs()).exp().ln_1p();
            logits.values_mut().iter_mut().for_each(|z| *z = log_sigmoid(f64::from(*z)) as f32);
        }
        Ok(logits)
    }
}

/// Returns 1 for every term that is present.
fn present(counts: &Counts) -> Counts {
    let mut present = counts.clone();
    present.values_mut().fill(1.0);
    present
}
