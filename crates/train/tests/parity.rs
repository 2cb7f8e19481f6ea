//! Same weights in, same losses out: small trainings by Keras with weighted classes, other losses, schedules, clipped
//! gradients, a penalty, and other layers, repeated from their initial weights in their order. `fixtures/training.py`
//! made them.

use emberline_base::{Features, Matrix, Metric, Monitor, Splits, Task};
use emberline_device::Device;
use emberline_train::settings::{Head, Layer, Train};
use emberline_train::{Architecture, DecisionSpec, EngineChoice, FitSpec, FittedModel, Weights};
use serde_json::Value;

use crate::support::fit_alone;

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().expect("a list").iter().map(|value| value.as_f64().expect("a number")).collect()
}

fn matrix(value: &Value) -> Matrix {
    let rows: Vec<Vec<f64>> = value.as_array().expect("rows").iter().map(numbers).collect();
    Matrix::new(rows.len(), rows[0].len(), rows.concat().into_iter().map(|value| value as f32).collect())
}

fn stored() -> Value {
    serde_json::from_str(include_str!("fixtures/training.json")).expect("JSON")
}

/// A training of Keras, in our settings.
struct Golden<'s> {
    stored: &'s Value,
    case: &'s Value,
}

impl Golden<'_> {
    fn task(&self) -> Task {
        serde_json::from_value(self.case["task"].clone()).expect("a task")
    }

    fn head(&self) -> Head {
        let layers: Vec<Layer> = serde_json::from_value(self.case["head"].clone()).expect("layers");
        Head { layers }
    }

    fn train(&self) -> Train {
        let mut train = self.case["train"].clone();
        train["epochs"] = self.stored["epochs"].clone();
        train["batch_size"] = self.stored["batch_size"].clone();
        train["shuffle"] = false.into();
        serde_json::from_value(train).expect("settings")
    }

    fn split(&self, key: &str) -> Splits<Matrix> {
        Splits {
            train: matrix(&self.stored["train"][key]),
            valid: Some(matrix(&self.stored["valid"][key])),
            test: None,
        }
    }

    fn fit(&self, engine: EngineChoice) -> FittedModel {
        let (head, train, task) = (self.head(), self.train(), self.task());
        let features = self.split("rows").map(|_, rows| Features::Frozen(rows.clone()));
        let targets = self.split(self.case["task"].as_str().expect("a name"));
        let outputs = targets.train.cols();
        let mut initial: Weights =
            Architecture::new(&head, features.train.dim(), outputs).initial_weights(1).expect("memory");
        for (array, values) in initial.0.iter_mut().zip(self.case["initial"].as_array().expect("arrays")) {
            array.values = numbers(values).into_iter().map(|value| value as f32).collect();
        }
        let classes = ["a", "b", "c"].map(str::to_owned);
        let spec = FitSpec {
            head: &head,
            train: &train,
            seed: 0,
            task,
            classes: if task == Task::Binary { &classes[..2] } else { &classes },
            features: &features,
            targets: &targets,
            order: None,
            monitor: Some(Monitor { valid: false, metric: Metric::Loss }),
            encoder: None,
            initial: Some(&initial),
            decision: DecisionSpec::default(),
        };
        fit_alone(engine, &spec, Device::Cpu, &mut []).expect("it ends")
    }

    /// Compares the losses of all epochs.
    fn compare(&self, engine: EngineChoice) {
        let fitted = self.fit(engine);
        let [train, valid] = ["loss", "val_loss"].map(|key| numbers(&self.case[key]));
        assert_eq!(fitted.history.len(), train.len());
        for ((epoch, train), valid) in fitted.history.iter().zip(train).zip(valid) {
            let of_valid = epoch.valid.as_ref().expect("validation rows")[&Metric::Loss];
            for (ours, theirs) in [(epoch.train[&Metric::Loss], train), (of_valid, valid)] {
                let off = (ours - theirs).abs();
                assert!(off < 1e-5, "{} {engine:?}, epoch {}: {ours}, not {theirs}", self.case["name"], epoch.epoch);
            }
        }
    }
}

#[test]
fn losses_are_those_of_keras_on_every_engine() {
    let stored = stored();
    let cases = stored["cases"].as_array().expect("cases");
    assert_eq!(cases.len(), 19);
    for case in cases {
        for engine in [EngineChoice::Fastest, EngineChoice::Burn] {
            Golden { stored: &stored, case }.compare(engine);
        }
    }
}

/// The rate of an epoch's record is that of its last step.
#[test]
fn records_have_the_scheduled_learning_rates() {
    let stored = stored();
    let case = stored["cases"].as_array().expect("cases").iter().find(|case| case["name"] == "exponential");
    let fitted = Golden { stored: &stored, case: case.expect("a case") }.fit(EngineChoice::Fastest);
    for (epoch, at) in fitted.history.iter().zip([5_i32, 11, 17, 23, 29]) {
        let expected = 0.05 * 0.5_f64.powf(f64::from(at) / 7.0);
        assert!((epoch.learning_rate - expected).abs() < 1e-12, "{}", epoch.learning_rate);
    }
}
