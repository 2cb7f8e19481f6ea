//! A head that is fitted by L-BFGS equals scikit-learn's `LogisticRegression` on the same vectors, on the dense problems of
//! `crates/linear/tests/fixtures/logistic.json`.

use emberline_base::record::{Epoch, Stop};
use emberline_base::{Features, LayerStack, Matrix, Metric, Monitor, Splits, Task};
use emberline_device::Device;
use emberline_train::callback::{Callback, Control};
use emberline_train::settings::{Activation, ClassWeight, Head, Layer, Lbfgs, Optimizer, Schedule, Train, WeightRule};
use emberline_train::{DecisionSpec, EngineChoice, Error, FitSpec, FittedModel, Objective};
use serde_json::Value;

use crate::support::fit_alone;

fn list(value: &Value) -> &[Value] {
    value.as_array().expect("a list")
}

fn numbers(value: &Value) -> Vec<f64> {
    list(value).iter().map(|value| value.as_f64().expect("a number")).collect()
}

fn matrix(value: &Value) -> Matrix {
    let rows: Vec<Vec<f64>> = list(value).iter().map(numbers).collect();
    Matrix::new(rows.len(), rows[0].len(), rows.concat().into_iter().map(|value| value as f32).collect())
}

struct Problem {
    task: Task,
    rows: Matrix,
    targets: Matrix,
}

impl Problem {
    fn of(problem: &Value) -> Self {
        let task = serde_json::from_value(problem["task"].clone()).expect("a task");
        Self { task, rows: matrix(&problem["rows"]), targets: matrix(&problem["targets"]) }
    }

    /// Fits with the training rows as validation rows, too.
    fn fit(&self, settings: Lbfgs, callbacks: &mut [Box<dyn Callback + '_>]) -> Result<FittedModel, Error> {
        let frozen = Features::Frozen(self.rows.clone());
        self.fit_on(frozen, Head::default(), settings, callbacks)
    }

    fn fit_on(
        &self,
        features: Features,
        head: Head,
        settings: Lbfgs,
        callbacks: &mut [Box<dyn Callback + '_>],
    ) -> Result<FittedModel, Error> {
        self.fit_all((features, head), &Train { optimizer: Optimizer::Lbfgs(settings), ..Train::default() }, callbacks)
    }

    /// Fits a linear head with further settings of training.
    fn fit_with(&self, train: &Train, settings: Lbfgs) -> Result<FittedModel, Error> {
        let train = Train { optimizer: Optimizer::Lbfgs(settings), ..train.clone() };
        self.fit_all((Features::Frozen(self.rows.clone()), Head::default()), &train, &mut [])
    }

    fn fit_all(
        &self,
        (features, head): (Features, Head),
        train: &Train,
        callbacks: &mut [Box<dyn Callback + '_>],
    ) -> Result<FittedModel, Error> {
        let features = Splits { valid: Some(features.clone()), train: features, test: None };
        let targets = Splits { train: self.targets.clone(), valid: Some(self.targets.clone()), test: None };
        let spec = FitSpec {
            head: &head,
            train,
            seed: 1,
            task: self.task,
            classes: &[],
            features: &features,
            targets: &targets,
            order: None,
            monitor: Some(Monitor::VAL_LOSS),
            encoder: None,
            initial: None,
            decision: DecisionSpec::default(),
        };
        assert_eq!(spec.shape(), None, "it is trained alone");
        fit_alone(EngineChoice::Fastest, &spec, Device::Cpu, callbacks)
    }
}

fn stored() -> Value {
    serde_json::from_str(include_str!("../../linear/tests/fixtures/logistic.json")).expect("JSON")
}

fn dense_binary() -> Problem {
    Problem::of(&stored()["problems"][0])
}

#[test]
fn heads_equal_those_of_scikit_learn() {
    let stored = stored();
    let dense = |problem: &&Value| problem["name"].as_str().is_some_and(|name| name.starts_with("dense"));
    let problems: Vec<&Value> = list(&stored["problems"]).iter().filter(dense).collect();
    assert_eq!(problems.len(), 4);
    for stored in problems {
        let problem = Problem::of(stored);
        for expected in list(&stored["fits"]) {
            let l2 = 1.0 / expected["c"].as_f64().expect("C");
            let fitted = problem.fit(Lbfgs { l2, tolerance: 1e-10, max_iterations: 10_000 }, &mut []).expect("a fit");
            let kernel: Vec<f64> = list(&expected["weights"]).iter().flat_map(numbers).collect();
            for (name, expected) in [("kernel", kernel), ("bias", numbers(&expected["intercepts"]))] {
                let ours = fitted.weights.get(&format!("head.output.{name}")).expect("an array");
                let difference = ours.values.iter().zip(&expected).map(|(a, b)| (f64::from(*a) - b).abs());
                assert!(difference.fold(0.0, f64::max) < 1e-4, "{} {name}, l2 = {l2}", stored["name"]);
            }
        }
    }
}

/// Counts the epochs that it is notified of.
struct Counter<'a>(&'a mut Vec<u32>);

impl Callback for Counter<'_> {
    fn on_epoch_end(&mut self, epoch: &Epoch, _: &mut Control) -> Result<(), Error> {
        self.0.push(epoch.epoch);
        Ok(())
    }

    fn on_train_end(&mut self, best: u32, _: &std::collections::BTreeMap<String, f64>) -> Result<(), Error> {
        self.0.push(100 + best);
        Ok(())
    }
}

#[test]
fn the_history_is_one_epoch_of_the_converged_head() {
    let mut notified = Vec::new();
    let fitted = dense_binary().fit(Lbfgs::default(), &mut [Box::new(Counter(&mut notified))]).expect("a fit");
    assert_eq!(notified, [1, 101]);
    let [epoch] = fitted.history.as_slice() else { panic!("one epoch") };
    let valid = epoch.valid.as_ref().expect("validation rows");
    // The validation rows are the training rows.
    assert_eq!(epoch.train[&Metric::Loss], valid[&Metric::Loss]);
    assert_eq!(
        (fitted.best_epoch, fitted.stopped, fitted.metrics["val_loss"]),
        (1, Stop::Converged, valid[&Metric::Loss])
    );
    let end = fitted.convergence.expect("it is known");
    assert!(end.converged && end.gradient <= 1e-6 && end.iterations > 3 && end.evaluations > end.iterations);
    assert_eq!(fitted.logits.valid.map(|logits| logits.rows()), Some(150));
}

#[test]
fn a_fit_that_stops_early_is_kept_and_says_so() {
    let fitted = dense_binary().fit(Lbfgs { max_iterations: 2, ..Lbfgs::default() }, &mut []).expect("a fit");
    assert_eq!(fitted.stopped, Stop::NotConverged);
    assert!(fitted.convergence.is_some_and(|end| !end.converged && end.iterations == 2));
}

/// The loss of the record is weighted as the objective is: no other head has a lower one.
#[test]
fn weighted_classes_have_the_lowest_weighted_loss() {
    let problem = dense_binary();
    let settings = Lbfgs { l2: 1e-3, tolerance: 1e-9, max_iterations: 10_000 };
    let weighted = |class_weight| Train { class_weight, ..Train::default() };
    let balanced = weighted(Some(ClassWeight::Rule(WeightRule::Balanced)));
    let fit = |train: &Train| problem.fit_with(train, settings.clone()).expect("a fit");
    let (of_rows, of_classes) = (fit(&Train::default()), fit(&balanced));
    let loss = |fitted: &FittedModel| {
        let objective = Objective::new(&balanced, problem.task, &[], &problem.targets).expect("an objective");
        let logits = fitted.logits.valid.as_ref().expect("logits");
        let rows = 0..logits.rows();
        rows.map(|row| objective.held_out_loss(logits.row(row), problem.targets.row(row))).sum::<f64>() / 150.0
    };
    assert!(loss(&of_classes) < loss(&of_rows) - 1e-5);
    assert!((of_classes.metrics["val_loss"] - loss(&of_classes)).abs() < 1e-12);
}

#[test]
fn settings_of_steps_are_refused() {
    let train = Train { schedule: Some(Schedule::Warmup(0.1)), ..Train::default() };
    let error = dense_binary().fit_with(&train, Lbfgs::default()).expect_err("no steps");
    assert!(error.to_string().contains("doesn't know `schedule`"), "{error}");
}

#[test]
fn what_cannot_be_fitted_is_refused() {
    let problem = dense_binary();
    let layers = vec![Layer::Dense { units: 2, activation: Activation::Relu }];
    let frozen = || Features::Frozen(problem.rows.clone());
    let error = problem.fit_on(frozen(), Head { layers }, Lbfgs::default(), &mut []).expect_err("hidden layers");
    assert!(error.to_string().contains("the head has layers"), "{error}");
    let mixed = Features::Mixed(LayerStack { vectors: problem.rows.clone(), layers: 3 });
    let error = problem.fit_on(mixed, Head::default(), Lbfgs::default(), &mut []).expect_err("a mix");
    assert!(error.to_string().contains("frozen vectors"), "{error}");
    let mut nan = problem.rows.clone();
    nan.row_mut(7)[0] = f32::NAN;
    let error = problem.fit_on(Features::Frozen(nan), Head::default(), Lbfgs::default(), &mut []).expect_err("NaN");
    assert!(error.to_string().contains("row 7"), "{error}");
}
