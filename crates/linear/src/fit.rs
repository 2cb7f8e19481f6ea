//! Fits linear classifiers: a task is divided into problems with one class per row, each of which is minimised.

use emberline_base::{Matrix, Task};
use rayon::prelude::*;

use crate::Error;
use crate::dense::Dense;
use crate::lbfgs::{Convergence, Limits, MEMORY, Minimiser};
use crate::loss::Loss;
use crate::model::LinearModel;
use crate::narrow::NarrowDense;
use crate::objective::{Classes, MAX_CHUNKS, MAX_GRADIENT_BYTES, Objective, Precision, penalised};
use crate::rows::{Rows, SparseRows};
use crate::single::DenseSingle;
use crate::sparse::Sparse;

/// The settings of a fit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Settings {
    /// The strength of the penalty, `l2 / 2 |weights|^2` beside the sum of the losses: 1 / C of scikit-learn.
    pub l2: f64,
    /// The fit has converged when no number of the gradient of (objective / rows) exceeds this magnitude: `tol` of
    /// scikit-learn.
    pub tolerance: f64,
    /// The most iterations.
    pub max_iterations: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self { l2: 1.0, tolerance: 1e-6, max_iterations: 1000 }
    }
}

/// A fitted classifier.
#[derive(Clone, Debug, PartialEq)]
pub struct Fit {
    /// The classifier.
    pub model: LinearModel,
    /// How the fit ended; for a multi-label task, of each class.
    pub convergence: Vec<Convergence>,
}

impl Fit {
    /// Returns whether all problems of the fit converged.
    pub fn has_converged(&self) -> bool {
        self.convergence.iter().all(|convergence| convergence.converged)
    }
}

/// The logit of a class that no training row has: its share is 1e-13.
const ABSENT: f64 = -30.0;

/// The labels of rows.
#[derive(Clone, Copy, Debug)]
pub struct Labels<'a> {
    /// The classification task.
    pub task: Task,
    /// The targets, `[rows, outputs]`: 0 or 1 for a binary task, one-hot for a multi-class task, multi-hot for a
    /// multi-label task.
    pub targets: &'a Matrix,
    /// The factor of the loss of a row by its class, negative and positive for a binary task; none if all classes count
    /// equally. Not for a multi-label task.
    pub class_weights: Option<&'a [f64]>,
}

/// Fits a classifier on rows and their targets: 0 or 1 for a binary task, one-hot for a multi-class task, multi-hot for a
/// multi-label task. `goes_on` is asked before every iteration.
///
/// A class of a multi-class task that no row has keeps zero weights and the intercept -30. An output of a binary or
/// multi-label task whose rows all have one class has no finite optimum: it keeps zero weights, and as its intercept the
/// logit of (positive rows + 1/2) / (rows + 1).
///
/// # Errors
/// If there are no rows, a feature isn't finite, a row has no class, there is not enough memory, or `goes_on` says no. A fit
/// that doesn't converge is no error: see [`Fit::has_converged`].
///
/// # Panics
/// If there isn't one row of targets per row of features.
pub fn fit(
    rows: Rows<'_>,
    task: Task,
    targets: &Matrix,
    settings: &Settings,
    goes_on: &(dyn Fn() -> bool + Sync),
) -> Result<Fit, Error> {
    fit_weighted(rows, Labels { task, targets, class_weights: None }, settings, goes_on)
}

/// Fits a classifier like [`fit()`], with classes that are weighed: the loss of a row is multiplied by the weight of its
/// class, as scikit-learn's `class_weight` does.
///
/// # Errors
/// Those of [`fit()`].
///
/// # Panics
/// If there isn't one row of targets per row of features, or not one weight per class.
pub fn fit_weighted(
    rows: Rows<'_>,
    labels: Labels<'_>,
    settings: &Settings,
    goes_on: &(dyn Fn() -> bool + Sync),
) -> Result<Fit, Error> {
    let Labels { task, targets, class_weights } = labels;
    assert_eq!(rows.rows(), targets.rows(), "one row of targets per row of features");
    assert!(class_weights.is_none_or(|weights| weights.len() == targets.cols().max(2)), "one weight per class");
    if rows.rows() == 0 {
        return Err(Error::NoRows);
    }
    rows.check_finite()?;
    let transposed = match rows {
        Rows::Dense(_) => None,
        Rows::Sparse(sparse) => Some(sparse.transposed()?),
    };
    let problem = Problem { rows, transposed: transposed.as_ref(), class_weights, settings, goes_on };
    match task {
        Task::MultiClass => problem.fit_softmax(targets),
        Task::Binary | Task::MultiLabel => problem.fit_each_output(targets),
    }
}

/// Estimates the bytes that a fit needs besides its rows and targets: the vectors of L-BFGS, the gradients of all chunks, and
/// the residuals or the transposed rows of sparse ones.
pub fn memory(rows: Rows<'_>, outputs: usize) -> u64 {
    let parameters = (rows.cols() as u64 + 1).saturating_mul(outputs as u64);
    let of_rows = match rows {
        Rows::Dense(_) => parameters.saturating_mul(8 * MAX_CHUNKS as u64).min(MAX_GRADIENT_BYTES as u64),
        Rows::Sparse(sparse) => 8 * (sparse.rows() * outputs + sparse.values()) as u64,
    };
    parameters.saturating_mul(8 * (2 * MEMORY as u64 + 6)).saturating_add(of_rows)
}

/// Rows, and how they are fitted.
#[derive(Clone, Copy)]
struct Problem<'a> {
    rows: Rows<'a>,
    /// The transposed rows, if they are sparse.
    transposed: Option<&'a SparseRows>,
    /// The weight of each class; none if all count equally.
    class_weights: Option<&'a [f64]>,
    settings: &'a Settings,
    goes_on: &'a (dyn Fn() -> bool + Sync),
}

impl Problem<'_> {
    fn fit_softmax(self, targets: &Matrix) -> Result<Fit, Error> {
        let outputs = targets.cols();
        let classes = (0..targets.rows()).map(|row| class_of(targets, row)).collect::<Result<Vec<u32>, Error>>()?;
        let mut occurs = vec![false; outputs];
        classes.iter().for_each(|&class| occurs[class as usize] = true);
        let present: Vec<usize> = (0..outputs).filter(|&class| occurs[class]).collect();
        let mut places = vec![0; outputs];
        present.iter().enumerate().for_each(|(place, &class)| places[class] = place as u32);
        let classes: Vec<u32> = classes.iter().map(|&class| places[class as usize]).collect();
        let weights =
            self.class_weights.map(|weights| present.iter().map(|&class| weights[class]).collect::<Vec<f64>>());
        let problem = Problem { class_weights: weights.as_deref(), ..self };
        let (parameters, convergence) = problem.minimise(&classes, present.len(), Loss::Softmax)?;
        let mut model =
            LinearModel { weights: vec![0.0; self.rows.cols() * outputs], intercepts: vec![ABSENT; outputs] };
        for (row, of_row) in parameters.chunks_exact(present.len()).enumerate() {
            let target = match row * outputs {
                start if start < model.weights.len() => &mut model.weights[start..start + outputs],
                _ => &mut model.intercepts,
            };
            present.iter().zip(of_row).for_each(|(&class, &value)| target[class] = value);
        }
        Ok(Fit { model, convergence: vec![convergence] })
    }

    /// Fits every output as a binary problem of its own.
    fn fit_each_output(self, targets: &Matrix) -> Result<Fit, Error> {
        let outputs = targets.cols();
        let fit = |output: usize| self.fit_output(targets, output);
        let fits = (0..outputs).into_par_iter().map(fit).collect::<Result<Vec<_>, Error>>()?;
        let mut weights = vec![0.0; self.rows.cols() * outputs];
        let (mut intercepts, mut convergence) = (Vec::with_capacity(outputs), Vec::with_capacity(outputs));
        for (output, (mut parameters, end)) in fits.into_iter().enumerate() {
            intercepts.extend(parameters.pop());
            parameters.iter().enumerate().for_each(|(row, &value)| weights[row * outputs + output] = value);
            convergence.push(end);
        }
        Ok(Fit { model: LinearModel { weights, intercepts }, convergence })
    }

    fn fit_output(self, targets: &Matrix, output: usize) -> Result<(Vec<f64>, Convergence), Error> {
        let target = |row: usize| match targets.row(row)[output] {
            value if value.is_nan() => Err(Error::NoClass(row)),
            value => Ok(u32::from(value > 0.5)),
        };
        let classes = (0..targets.rows()).map(target).collect::<Result<Vec<u32>, Error>>()?;
        let positive = classes.iter().filter(|&&class| class == 1).count();
        if positive == 0 || positive == classes.len() {
            return Ok(self.constant(positive));
        }
        self.minimise(&classes, 1, Loss::Logistic)
    }

    /// Returns the parameters of an output whose rows all have one class.
    fn constant(self, positive: usize) -> (Vec<f64>, Convergence) {
        let (positive, rows) = (positive as f64, self.rows.rows() as f64);
        let intercept = ((positive + 0.5) / (rows - positive + 0.5)).ln();
        let mut parameters = vec![0.0; self.rows.cols()];
        parameters.push(intercept);
        let objective = -(-0.5 / (rows + 1.0)).ln_1p();
        (parameters, Convergence { converged: true, iterations: 0, evaluations: 0, gradient: 0.0, objective })
    }

    /// Minimises the loss of rows with one class each. Returns the parameters, `[features + 1, outputs]`.
    fn minimise(self, classes: &[u32], outputs: usize, loss: Loss) -> Result<(Vec<f64>, Convergence), Error> {
        let classes = Classes { of_rows: classes, weights: self.class_weights };
        match (self.rows, self.transposed, loss) {
            (Rows::Dense(rows), _, Loss::Logistic) => {
                self.run(&[(Precision::Double, &NarrowDense::new(rows, classes))])
            }
            (Rows::Dense(rows), _, Loss::Softmax) => {
                let single = DenseSingle::new(rows, classes, outputs);
                let double = Dense::new(rows, classes, outputs);
                let stages: [(Precision, &dyn Objective); 2] =
                    [(Precision::Single, &single), (Precision::Double, &double)];
                self.run(if single.is_faster() { &stages } else { &stages[1..] })
            }
            (Rows::Sparse(rows), Some(transposed), _) => {
                self.run(&[(Precision::Double, &Sparse::new((rows, transposed), classes, outputs, loss))])
            }
            (Rows::Sparse(_), None, _) => unreachable!("sparse rows are transposed first"),
        }
    }

    /// Minimises an objective in several precisions, one after another. The last one tells how the fit ended.
    fn run(self, stages: &[(Precision, &dyn Objective)]) -> Result<(Vec<f64>, Convergence), Error> {
        let Settings { l2, tolerance, max_iterations } = *self.settings;
        let (_, objective) = stages[0];
        let length = (objective.features() + 1) * objective.outputs();
        let mut minimiser = Minimiser::new(emberline_base::memory::filled(0.0, length)?);
        let mut end = None;
        for &(precision, objective) in stages {
            let evaluate = |parameters: &[f64], gradient: &mut [f64]| penalised(objective, l2, parameters, gradient);
            end = minimiser.run(precision, Limits { tolerance, max_iterations }, evaluate, |_| (self.goes_on)());
            if end.is_none() {
                break;
            }
        }
        end.map(|end| (minimiser.into_point(), end)).ok_or(Error::Interrupted)
    }
}

/// Returns the class of a row of one-hot targets.
fn class_of(targets: &Matrix, row: usize) -> Result<u32, Error> {
    let class = targets.row(row).iter().position(|&value| value > 0.5);
    class.map(|class| class as u32).ok_or(Error::NoClass(row))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows() -> Matrix {
        Matrix::new(6, 2, vec![0.0, 1.0, 0.5, 1.5, -1.0, 0.25, 2.0, -1.0, 1.5, -0.5, 1.0, 1.0])
    }

    fn fitted(task: Task, targets: &[f32], settings: Settings) -> Result<Fit, Error> {
        let (rows, targets) = (rows(), Matrix::new(6, targets.len() / 6, targets.to_vec()));
        fit(Rows::Dense(&rows), task, &targets, &settings, &|| true)
    }

    #[test]
    fn a_class_without_rows_changes_nothing_for_the_others() {
        let two = [1., 0., 1., 0., 1., 0., 0., 1., 0., 1., 0., 1.];
        let three = [1., 0., 0., 1., 0., 0., 1., 0., 0., 0., 0., 1., 0., 0., 1., 0., 0., 1.];
        let two = fitted(Task::MultiClass, &two, Settings::default()).expect("a fit").model;
        let three = fitted(Task::MultiClass, &three, Settings::default()).expect("a fit").model;
        assert_eq!(three.intercepts, [two.intercepts[0], ABSENT, two.intercepts[1]]);
        assert_eq!(three.weights, [two.weights[0], 0.0, two.weights[1], two.weights[2], 0.0, two.weights[3]]);
    }

    #[test]
    fn an_output_of_one_class_is_its_smoothed_frequency() {
        let fit = fitted(Task::Binary, &[1.0; 6], Settings::default()).expect("a fit");
        assert_eq!((fit.model.weights, fit.model.intercepts), (vec![0.0; 2], vec![13.0_f64.ln()]));
    }

    /// A row that counts three times is the same as three rows.
    #[test]
    fn a_weight_is_a_number_of_rows() {
        let rows = rows();
        let settings = Settings { tolerance: 1e-12, ..Settings::default() };
        let repeated = |classes: &[usize], often: usize| -> Vec<usize> {
            (0..6).flat_map(|row| vec![row; if classes[row] == 1 { often } else { 1 }]).collect()
        };
        for (task, classes, count) in [(Task::Binary, [0, 0, 1, 1, 0, 1], 1), (Task::MultiClass, [0, 2, 1, 1, 0, 2], 3)]
        {
            let of_row = |row: usize| match count {
                1 => vec![classes[row] as f32],
                _ => (0..count).map(|class| f32::from(u8::from(class == classes[row]))).collect(),
            };
            let targets = Matrix::new(6, count, (0..6).flat_map(of_row).collect());
            let more = repeated(&classes, 3);
            let (more_rows, more_targets) = (rows.select(&more), targets.select(&more));
            let weights = [1.0, 3.0, 1.0];
            let labels = Labels { task, targets: &targets, class_weights: Some(&weights[..count.max(2)]) };
            let expected = fit(Rows::Dense(&more_rows), task, &more_targets, &settings, &|| true).expect("a fit").model;
            let sparse =
                SparseRows::new(2, (0..=6).map(|row| 2 * row).collect(), [0, 1].repeat(6), rows.values().to_vec());
            for rows in [Rows::Dense(&rows), Rows::Sparse(&sparse)] {
                let found = fit_weighted(rows, labels, &settings, &|| true).expect("a fit").model;
                let pairs = found
                    .weights
                    .iter()
                    .zip(&expected.weights)
                    .chain(found.intercepts.iter().zip(&expected.intercepts));
                for (found, expected) in pairs {
                    assert!((found - expected).abs() < 1e-7, "{task:?}: {found} {expected}");
                }
            }
        }
    }

    #[test]
    fn a_fit_that_stops_early_says_so() {
        let settings = Settings { max_iterations: 1, ..Settings::default() };
        let fit = fitted(Task::Binary, &[1., 1., 1., 0., 0., 1.], settings).expect("a fit");
        assert!(!fit.has_converged() && fit.convergence[0].iterations == 1, "{fit:?}");
    }

    #[test]
    fn what_cannot_be_fitted_is_an_error() {
        let none = Matrix::zeros(6, 3);
        let task = Task::MultiClass;
        assert_eq!(fitted(task, none.values(), Settings::default()), Err(Error::NoClass(0)));
        let mut nan = rows();
        nan.row_mut(4)[1] = f32::INFINITY;
        let error = fit(Rows::Dense(&nan), task, &none, &Settings::default(), &|| true);
        assert_eq!(error, Err(Error::NotFinite { row: 4, value: f32::INFINITY }));
        let empty = Matrix::zeros(0, 2);
        let error = fit(Rows::Dense(&empty), Task::Binary, &Matrix::zeros(0, 1), &Settings::default(), &|| true);
        assert_eq!(error, Err(Error::NoRows));
        let targets = Matrix::new(6, 1, vec![1., 1., 1., 0., 0., 1.]);
        let error = fit(Rows::Dense(&rows()), Task::Binary, &targets, &Settings::default(), &|| false);
        assert_eq!(error, Err(Error::Interrupted));
    }

    #[test]
    fn logits_are_those_of_dense_and_sparse_rows() {
        let model = LinearModel { weights: vec![1.0, -1.0, 0.5, 2.0], intercepts: vec![0.0, 10.0] };
        let dense = Matrix::new(2, 2, vec![0.0, 3.0, 2.0, 0.0]);
        let sparse = SparseRows::new(2, vec![0, 1, 2], vec![1, 0], vec![3.0, 2.0]);
        let expected = Matrix::new(2, 2, vec![1.5, 16.0, 2.0, 8.0]);
        assert_eq!(model.logits(Rows::Dense(&dense)), Ok(expected.clone()));
        assert_eq!(model.logits(Rows::Sparse(&sparse)), Ok(expected));
    }
}
