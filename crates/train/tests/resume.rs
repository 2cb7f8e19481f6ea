//! Tests that a fit that is interrupted after any epoch and resumed from its checkpoint gives the same bytes as an
//! uninterrupted one.

use std::path::Path;
use std::sync::Arc;

use emberline_base::{Bags, Combiner, Features, LayerStack, Matrix, Monitor, Splits, Substream, Task};
use emberline_device::Device;
use emberline_encoder::EncoderOptions;
use emberline_encoder::fine_tune::{HostEncoder, Scope};
use emberline_encoder::sentence_transformer::SentenceTransformer;
use emberline_tensorboard::LogFolders;
use emberline_test_support::{Requirement, skip};
use emberline_train::callback::{Callback, CallbackContext, Callbacks, EarlyStopping, ReduceLrOnPlateau};
use emberline_train::settings::{Activation, Adam, Adamw, Head, Layer, LayerNorm, Optimizer, Sgd, Train};
use emberline_train::{
    Checkpoint, CheckpointAction, Checkpointer, DecisionSpec, Error, FitRequest, FitSpec, FittedModel, fit,
};
use serde_json::json;

const ROWS: usize = 70;
const DIM: usize = 9;
const EPOCHS: u32 = 7;
const IDENTITY: &str = "a fit";

/// Stops a fit after a number of epochs, and passes its checkpoint to the next.
struct StopAfter {
    epochs: u32,
    file: Option<Vec<u8>>,
}

impl Checkpointer for StopAfter {
    fn resume(&mut self) -> Option<Checkpoint> {
        self.file.take().map(|bytes| Checkpoint::from_bytes(&bytes, IDENTITY).expect("whole"))
    }

    fn next_action(&mut self) -> CheckpointAction {
        self.epochs = self.epochs.saturating_sub(1);
        if self.epochs == 0 { CheckpointAction::SaveAndStop } else { CheckpointAction::Continue }
    }

    fn save(&mut self, checkpoint: &Checkpoint) -> Result<(), Error> {
        self.file = Some(checkpoint.to_bytes(IDENTITY)?);
        Ok(())
    }
}

fn random(name: &str, rows: usize, cols: usize) -> Matrix {
    let mut stream = Substream::new(3, name);
    Matrix::new(rows, cols, (0..rows * cols).map(|_| stream.symmetric(1.0)).collect())
}

fn frozen(rows: usize, cols: usize) -> Splits<Features> {
    let features = |name| Features::Frozen(random(name, rows, cols));
    Splits { train: features("train"), valid: Some(features("valid")), test: None }
}

/// Returns texts of up to four words out of thirty.
fn tuned() -> Splits<Features> {
    let table = std::sync::Arc::new(random("table", 30, DIM));
    let bags = |name: &str| {
        let mut stream = Substream::new(3, name);
        let (mut ids, mut offsets) = (Vec::new(), vec![0]);
        for row in 0..ROWS {
            ids.extend((0..row % 5).map(|_| stream.below(30) as u32));
            offsets.push(ids.len());
        }
        Features::Trainable(Bags {
            table: table.clone(),
            rows: Arc::default(),
            ids,
            offsets,
            combiner: Combiner::Sqrtn,
            normalize: true,
        })
    };
    Splits { train: bags("train bags"), valid: Some(bags("valid bags")), test: None }
}

fn mixed() -> Splits<Features> {
    let layered = |name| Features::Mixed(LayerStack { layers: 3, vectors: random(name, ROWS, 3 * DIM) });
    Splits { train: layered("train"), valid: Some(layered("valid")), test: None }
}

struct Case {
    head: Head,
    train: Train,
    features: Splits<Features>,
    encoder: Option<HostEncoder>,
}

impl Case {
    fn new(features: Splits<Features>, optimizer: Optimizer, dropout: bool) -> Self {
        let mut layers = vec![Layer::Dense { units: 11, activation: Activation::Relu }];
        layers.extend(dropout.then_some(Layer::Dropout { rate: 0.3 }));
        let train = Train { epochs: EPOCHS, batch_size: 16, optimizer, ..Train::default() };
        Self { head: Head { layers }, train, features, encoder: None }
    }

    /// Returns a case that fine-tunes the encoder of a folder of tiny models.
    fn encoder(model: &str, scope: Scope, optimizer: Optimizer) -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../encoder/tests/fixtures").join(model);
        let encoder = SentenceTransformer::open(&folder, &EncoderOptions::default(), Device::Cpu).expect("a model");
        let words = ["the", "cat", "why", "house", "people of the sun"];
        let texts: Vec<String> = (0..ROWS)
            .map(|row| (0..=row % 4).map(|at| words[(row * 3 + at) % 5]).collect::<Vec<_>>().join(" "))
            .collect();
        let texts: Vec<&[u8]> = texts.iter().map(|text| text.as_bytes()).collect();
        let tokens = || Features::Tokens { sequences: encoder.tokens(&texts).expect("ids"), dim: encoder.dim() };
        let features = Splits { train: tokens(), valid: Some(tokens()), test: None };
        let host = encoder.fine_tune(scope).expect("a scope of the model");
        let train =
            json!({"accumulate": 2, "encoder_learning_rate": 1e-3, "encoder_dropout": 0.1, "clip": {"norm": 1.0}});
        Self { encoder: Some(host), ..Self::new(features, optimizer, true) }.with(train, None)
    }

    /// Returns the same case with other settings and another last layer.
    fn with(self, train: serde_json::Value, layer: Option<Layer>) -> Self {
        let mut settings = serde_json::to_value(&self.train).expect("JSON");
        let table = settings.as_object_mut().expect("a table");
        table.extend(train.as_object().expect("a table").clone());
        let mut layers = self.head.layers;
        layers.extend(layer);
        Self { head: Head { layers }, train: serde_json::from_value(settings).expect("settings"), ..self }
    }

    /// Returns the callbacks that suit the settings.
    fn callbacks(&self) -> Callbacks {
        let reduce_lr_on_plateau = callbacks().reduce_lr_on_plateau.filter(|_| self.train.schedule.is_none());
        Callbacks { reduce_lr_on_plateau, ..callbacks() }
    }

    /// Runs a fit with callbacks that have state. Returns its result and the file that the checkpointer holds
    /// afterwards.
    fn fit(
        &self,
        device: Device,
        folder: &Path,
        mut checkpointer: StopAfter,
    ) -> (Result<FittedModel, Error>, Option<Vec<u8>>) {
        let mut stream = Substream::new(5, "labels");
        let labels = Matrix::new(ROWS, 1, (0..ROWS).map(|_| f32::from(u8::from(stream.unit() < 0.5))).collect());
        let targets = Splits { train: labels.clone(), valid: Some(labels), test: None };
        let spec = FitSpec {
            head: &self.head,
            train: &self.train,
            seed: 4,
            task: Task::Binary,
            classes: &[],
            features: &self.features,
            targets: &targets,
            order: None,
            monitor: Some(Monitor::VAL_LOSS),
            encoder: self.encoder.as_ref(),
            initial: None,
            decision: DecisionSpec::default(),
        };
        let progress = Box::new(std::io::sink());
        let log = LogFolders { own: folder.to_owned(), shown: folder.join("shown") };
        let context = CallbackContext { cell: folder, tensorboard: &log, hparams: &[], steps_per_epoch: 5, progress };
        let mut started: Vec<Box<dyn Callback + '_>> = self.callbacks().start(context).expect("begun");
        let request = FitRequest { spec: &spec, callbacks: &mut started, checkpointer: Some(&mut checkpointer) };
        let fitted = fit(vec![request], device).and_then(|mut all| all.pop().expect("one"));
        (fitted, checkpointer.file)
    }
}

fn callbacks() -> Callbacks {
    let monitor = Monitor::VAL_LOSS;
    let plateau = ReduceLrOnPlateau { patience: 1, factor: 0.5, ..ReduceLrOnPlateau::default() };
    Callbacks {
        early_stopping: Some(EarlyStopping { monitor, patience: 4, min_delta: 0.0 }),
        reduce_lr_on_plateau: Some(plateau),
        csv_logger: Some(Default::default()),
        ..Callbacks::default()
    }
}

/// Formats what must be equal: everything except the times.
fn numbers(fit: &FittedModel) -> String {
    let mut fit = fit.clone();
    fit.seconds = 0.0;
    fit.contrastive.iter_mut().for_each(|pairs| pairs.seconds = 0.0);
    fit.history.iter_mut().for_each(|epoch| epoch.seconds = 0.0);
    format!("{fit:?}")
}

#[test]
fn a_fit_that_was_cut_short_comes_to_the_same_bytes() {
    for device in Device::ALL {
        match device.availability().detail {
            Ok(_) => check_on(device),
            Err(_) if !cfg!(feature = "gpu") => {}
            Err(why) => skip(Requirement::of_device(&device.to_string()), &format!("resumed fits on {device}: {why}")),
        }
    }
}

fn check_on(device: Device) {
    let adam = Optimizer::Adam(Adam { learning_rate: 0.01, ..Adam::default() });
    let adamw = Optimizer::Adamw(Adamw { learning_rate: 0.01, ..Adamw::default() });
    let momentum = Optimizer::Sgd(Sgd { learning_rate: 0.1, momentum: 0.9 });
    let weighted = json!({"class_weight": "balanced", "loss": {"focal": {"gamma": 1.0}}, "l2": 0.01});
    let scheduled = json!({"schedule": {"cosine": {"warmup": 0.2}}, "clip": {"norm": 0.5}});
    let sampled = json!({"sampling": "balanced", "schedule": {"exponential": {"rate": 0.5, "steps": 9}}});
    let silu = Layer::Dense { units: 7, activation: Activation::Silu };
    let cases = [
        Case::new(frozen(ROWS, DIM), adam.clone(), false),
        Case::new(frozen(ROWS, DIM), adamw.clone(), false),
        Case::new(frozen(ROWS, DIM), momentum.clone(), false),
        Case::new(tuned(), adam.clone(), false),
        Case::new(tuned(), momentum.clone(), false),
        Case::new(frozen(ROWS, DIM), adam.clone(), true),
        Case::new(tuned(), momentum.clone(), true),
        Case::new(mixed(), adam.clone(), true),
        Case::new(frozen(ROWS, DIM), adam.clone(), false).with(weighted, None),
        Case::new(tuned(), adam.clone(), false).with(scheduled.clone(), None),
        Case::new(frozen(ROWS, DIM), adam.clone(), true).with(scheduled, Some(Layer::LayerNorm(LayerNorm::default()))),
        Case::new(frozen(ROWS, DIM), adam.clone(), false).with(sampled.clone(), Some(silu)),
        Case::encoder("bert", Scope::All, adamw).with(sampled, None),
        Case::encoder("mpnet", Scope::Last(1), adam),
        Case::encoder("modernbert", Scope::Lora { rank: 2, alpha: 2.0 }, momentum.clone()),
        Case::encoder("bert", Scope::Last(1), momentum).with(json!({"contrastive": {"pairs": 1}}), None),
    ];
    for (number, case) in cases.iter().enumerate() {
        let folder = tempfile::tempdir().expect("a folder");
        let log = || std::fs::read_to_string(folder.path().join("training.csv")).expect("a log");
        let whole = case.fit(device, folder.path(), StopAfter { epochs: u32::MAX, file: None }).0.expect("it ends");
        let (expected, expected_log) = (numbers(&whole), log());
        for epochs in 1..whole.history.len() as u32 {
            let (cut, file) = case.fit(device, folder.path(), StopAfter { epochs, file: None });
            assert!(matches!(cut, Err(Error::Interrupted)), "{device}, case {number}, after {epochs}");
            let resumed = case.fit(device, folder.path(), StopAfter { epochs: u32::MAX, file }).0.expect("it ends");
            assert_eq!(numbers(&resumed), expected, "{device}, case {number}, cut after {epochs}");
            assert_eq!(log(), expected_log);
        }
    }
}

#[test]
fn a_fit_that_is_cut_short_after_every_epoch_ends_too() {
    let adam = Optimizer::Adam(Adam { learning_rate: 0.01, ..Adam::default() });
    let case = Case::new(tuned(), adam, false);
    let folder = tempfile::tempdir().expect("a folder");
    let whole = case.fit(Device::Cpu, folder.path(), StopAfter { epochs: u32::MAX, file: None }).0.expect("it ends");
    let mut file = None;
    for _ in 1..whole.history.len() {
        let (cut, kept) = case.fit(Device::Cpu, folder.path(), StopAfter { epochs: 1, file });
        assert!(matches!(cut, Err(Error::Interrupted)));
        file = kept;
    }
    let last = case.fit(Device::Cpu, folder.path(), StopAfter { epochs: 1, file }).0.expect("it ends");
    assert_eq!(numbers(&last), numbers(&whole));
}

/// Cuts after steps on pairs (there are 18), with the last of them, and after epochs of the head, which starts over.
#[test]
fn a_fit_on_pairs_that_was_cut_short_comes_to_the_same_bytes() {
    let adam = Optimizer::Adam(Adam { learning_rate: 0.01, ..Adam::default() });
    let pairs = json!({"contrastive": {"pairs": 2, "epochs": 2, "batch_size": 16}});
    let case = Case::encoder("bert", Scope::All, adam).with(pairs, None);
    let folder = tempfile::tempdir().expect("a folder");
    let whole = case.fit(Device::Cpu, folder.path(), StopAfter { epochs: u32::MAX, file: None }).0.expect("it ends");
    assert_eq!(whole.contrastive.expect("pairs").steps, 18);
    for steps in [1, 7, 17, 18, 19, 20] {
        let (cut, file) = case.fit(Device::Cpu, folder.path(), StopAfter { epochs: steps, file: None });
        assert!(matches!(cut, Err(Error::Interrupted)), "after {steps}: {cut:?}");
        let resumed = case.fit(Device::Cpu, folder.path(), StopAfter { epochs: u32::MAX, file }).0.expect("it ends");
        assert_eq!(numbers(&resumed), numbers(&whole), "cut after {steps}");
    }
}
