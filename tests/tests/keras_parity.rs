//! Same weights in, same curves out: Keras's own trainings, repeated from their initial weights in
//! their order. The goldens come from `peers/scripts/golden_train.py` (Keras 2, TensorFlow 2.21).

use std::collections::BTreeMap;
use std::path::Path;

use emberline_base::{Features, Matrix, Metric, Monitor, Splits, Task};
use emberline_tests::{Array, read_npz, shared};
use emberline_train::settings::{Activation, Adam, Head, Layer, Optimizer, Train};
use emberline_train::{Device, Fit, Job, Tensor, Weights, fit};

/// One golden training.
struct Golden {
    arrays: BTreeMap<String, Array>,
    settings: serde_json::Value,
}

impl Golden {
    fn load(folder: &Path, case: &str) -> Self {
        let settings = std::fs::read(folder.join(format!("{case}.json"))).expect("the settings");
        Self {
            arrays: read_npz(&folder.join(format!("{case}.npz"))),
            settings: serde_json::from_slice(&settings).expect("JSON"),
        }
    }

    fn matrix(&self, name: &str) -> Matrix {
        let array = &self.arrays[name];
        let cols = array.shape.get(1).copied().unwrap_or(1);
        Matrix::new(array.shape[0], cols, array.values.clone())
    }

    /// The arrays `init_0`, ... or `final_0`, ... of the head; `first` is 1 where a table comes before it.
    fn weights(&self, kind: &str, first: usize) -> Weights {
        let arrays = (first..first + 6).map(|i| &self.arrays[&format!("{kind}_{i}")]);
        let tensor = |a: &Array| Tensor { name: String::new(), shape: a.shape.clone(), values: a.values.clone() };
        Weights(arrays.map(tensor).collect())
    }

    fn train(&self) -> Train {
        let number = |key: &str| self.settings[key].as_f64().expect("a number");
        Train {
            epochs: number("epochs") as u32,
            batch_size: number("batch") as u32,
            optimizer: Optimizer::Adam(Adam { learning_rate: number("lr"), ..Adam::default() }),
            loss: None,
            shuffle: false,
        }
    }

    fn run(&self, features: &Splits<Features>, first: usize) -> Fit {
        let dense = |units| Layer::Dense { units, activation: Activation::Relu };
        let targets = Splits { train: self.matrix("y_train"), valid: Some(self.matrix("y_valid")), test: None };
        let job = Job {
            head: &Head { layers: vec![dense(256), dense(64)] },
            train: &self.train(),
            seed: 0,
            task: Task::Binary,
            features,
            targets: &targets,
            monitor: Monitor { valid: false, metric: Metric::Loss },
            initial: Some(&self.weights("init", first)),
        };
        fit(&job, Device::Cpu, &mut []).expect("the fit ends")
    }

    /// Per-epoch loss and val_loss within 1e-5; accuracies to a row.
    fn compare_history(&self, case: &str, fit: &Fit) {
        let history = &self.settings["history"];
        for epoch in &fit.history {
            let at = epoch.epoch as usize - 1;
            let valid = epoch.valid.as_ref().expect("a validation split");
            for (name, ours, tolerance) in [
                ("loss", epoch.train[&Metric::Loss], 1e-5),
                ("val_loss", valid[&Metric::Loss], 1e-5),
                ("accuracy", epoch.train[&Metric::Accuracy], 1e-6),
                ("val_accuracy", valid[&Metric::Accuracy], 1e-6),
            ] {
                let keras = history[name][at].as_f64().expect("a number");
                assert!((ours - keras).abs() < tolerance, "{case}, epoch {}, {name}: {ours}, not {keras}", at + 1);
            }
        }
    }

    /// The weights within 1e-4, where the best epoch is the last one, whose weights Keras kept.
    fn compare_weights(&self, case: &str, fit: &Fit, first: usize) {
        assert_eq!(fit.best_epoch as usize, fit.history.len(), "{case}: the goldens hold the last epoch's weights");
        let keras = (0..first + 6).map(|i| &self.arrays[&format!("final_{i}")]);
        for (keras, ours) in keras.zip(&fit.weights.0) {
            let worst = keras.values.iter().zip(&ours.values).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            assert!(worst < 1e-4, "{case}, {}: off by {worst}", ours.name);
        }
    }
}

fn frozen(case: &str) {
    let Some(folder) = shared("assets/keras-golden/train-keras2") else { return };
    let golden = Golden::load(&folder, case);
    let features = Splits {
        train: Features::Frozen(golden.matrix("x_train")),
        valid: Some(Features::Frozen(golden.matrix("x_valid"))),
        test: None,
    };
    let fit = golden.run(&features, 0);
    golden.compare_history(case, &fit);
    golden.compare_weights(case, &fit, 0);
}

#[test]
fn a_frozen_head_at_1e_4() {
    frozen("frozen_lr1e-4");
}

#[test]
fn a_frozen_head_at_1e_2() {
    frozen("frozen_lr1e-2");
}
