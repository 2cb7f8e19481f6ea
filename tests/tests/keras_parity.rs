//! Same weights in, same curves out: Keras's own trainings, repeated from their initial weights in
//! their order. The goldens come from `peers/scripts/golden_train.py` (Keras 2, TensorFlow 2.21).

use std::collections::BTreeMap;
use std::path::Path;

use emberline_base::{Features, Matrix, Metric, Monitor, Splits, Task};
use emberline_device::Device;
use emberline_embedding::encode::Encoding;
use emberline_embedding::features::{FeatureSpec, features};
use emberline_embedding::source::tfhub;
use emberline_embedding::{Lookup, Opened, Quantize, Source, Texts};
use emberline_test_support::shared;
use emberline_tests::{Array, read_npz};
use emberline_train::settings::{Activation, Adam, Head, Layer, Optimizer, Train};
use emberline_train::{DecisionSpec, FitRequest, FitSpec, FittedModel, Tensor, Weights, fit};

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
            shuffle: false,
            ..Train::default()
        }
    }

    fn run(&self, features: &Splits<Features>, first: usize) -> FittedModel {
        let dense = |units| Layer::Dense { units, activation: Activation::Relu };
        let targets = Splits { train: self.matrix("y_train"), valid: Some(self.matrix("y_valid")), test: None };
        let spec = FitSpec {
            head: &Head { layers: vec![dense(256), dense(64)] },
            train: &self.train(),
            seed: 0,
            task: Task::Binary,
            classes: &[],
            features,
            targets: &targets,
            order: None,
            monitor: Some(Monitor { valid: false, metric: Metric::Loss }),
            encoder: None,
            initial: Some(&self.weights("init", first)),
            decision: DecisionSpec::default(),
        };
        let request = FitRequest { spec: &spec, callbacks: &mut [], checkpointer: None };
        fit(vec![request], Device::Cpu).expect("the fit begins").remove(0).expect("the fit ends")
    }

    /// Per-epoch loss and val_loss within 1e-5; accuracies to a row.
    fn compare_history(&self, case: &str, fit: &FittedModel) {
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

    /// The head's weights within 1e-4, behind a tuned table.
    fn compare_head(&self, case: &str, fit: &FittedModel) {
        assert_eq!(fit.best_epoch as usize, fit.history.len(), "{case}: the goldens hold the last epoch's weights");
        for (keras, ours) in self.weights("final", 1).0.iter().zip(&fit.weights.0[1..]) {
            close(case, &ours.name, &keras.values, &ours.values);
        }
    }

    /// The rows that occur, against the whole table of Keras; the rows that don't, against the start.
    fn compare_table(&self, case: &str, fit: &FittedModel, lookup: &dyn Lookup, texts: &Splits<Vec<&str>>) {
        let mut ids = Vec::new();
        texts.iter().flat_map(|(_, texts)| texts).for_each(|text| {
            lookup.token_ids(text.as_bytes(), &mut ids);
        });
        ids.sort_unstable();
        ids.dedup();
        let (keras, start) = (self.matrix("final_0"), self.matrix("init_0"));
        let table = fit.weights.get("embedding.table").expect("a table");
        assert_eq!(table.shape, [ids.len(), keras.cols()]);
        for row in 0..keras.rows() {
            match ids.binary_search(&(row as u32)) {
                Ok(at) => {
                    close(case, "table", keras.row(row), &table.values[at * keras.cols()..(at + 1) * keras.cols()])
                }
                Err(_) => assert_eq!(keras.row(row), start.row(row), "{case}: row {row} doesn't occur"),
            }
        }
    }

    /// The weights within 1e-4, where the best epoch is the last one, whose weights Keras kept.
    fn compare_weights(&self, case: &str, fit: &FittedModel) {
        assert_eq!(fit.best_epoch as usize, fit.history.len(), "{case}: the goldens hold the last epoch's weights");
        let keras = (0..6).map(|i| &self.arrays[&format!("final_{i}")]);
        for (keras, ours) in keras.zip(&fit.weights.0) {
            close(case, &ours.name, &keras.values, &ours.values);
        }
    }
}

fn close(case: &str, name: &str, keras: &[f32], ours: &[f32]) {
    let worst = keras.iter().zip(ours).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(keras.len() == ours.len() && worst < 1e-4, "{case}, {name}: off by {worst}");
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
    golden.compare_weights(case, &fit);
}

#[test]
fn a_frozen_head_at_1e_4() {
    frozen("frozen_lr1e-4");
}

#[test]
fn a_frozen_head_at_1e_2() {
    frozen("frozen_lr1e-2");
}

/// Bags, or vectors, of the golden's texts, looked up in the very module that Keras used.
fn text(case: &str, trainable: bool) {
    let Some(folder) = shared("assets/keras-golden/train-keras2") else { return };
    let Some(module) = shared("assets/tfhub/tiny-punct") else { return };
    let golden = Golden::load(&folder, case);
    let texts = |split: &str| -> Vec<String> {
        serde_json::from_value(golden.settings["texts"][split].clone()).expect("texts")
    };
    let (train, valid) = (texts("train"), texts("valid"));
    let borrowed = Splits {
        train: train.iter().map(String::as_str).collect::<Vec<_>>(),
        valid: Some(valid.iter().map(String::as_str).collect()),
        test: None,
    };
    let quantize = Quantize::F32;
    let source = Source::Tfhub(tfhub::Settings {
        path: module,
        url: None,
        sha256: None,
        dim: None,
        reduce: None,
        quantize,
        trainable,
    });
    let all = Texts { all: &borrowed.train, train: &borrowed.train };
    let opened = source.open(Path::new(""), all, Device::Cpu).expect("the module opens");
    let on_event = &mut |_| {};
    let mut encoding = Encoding {
        cache: None,
        device: Device::Cpu,
        label: "",
        on_event,
        interrupt: emberline_base::CancellationToken::default(),
    };
    let features = features(&opened, &borrowed, &FeatureSpec { trainable, ..FeatureSpec::default() }, &mut encoding)
        .expect("a table");
    let first = usize::from(trainable);
    let fit = golden.run(&features, first);
    golden.compare_history(case, &fit);
    if !trainable {
        return golden.compare_weights(case, &fit);
    }
    golden.compare_head(case, &fit);
    let Opened::Table(lookup) = &opened else { panic!("a text module is a table") };
    golden.compare_table(case, &fit, lookup.as_ref(), &borrowed);
}

#[test]
fn a_frozen_module() {
    text("text_frozen", false);
}

#[test]
fn a_tuned_module() {
    text("text_trainable", true);
}
