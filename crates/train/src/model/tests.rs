//! Tests models against the logits of training, and their file against damage.

use std::collections::BTreeMap;
use std::sync::Arc;

use emberline_base::{
    Bags, Combiner, Digest, Features, LayerStack, Matrix, Monitor, Splits, Substream, Task, TunedRows,
};
use emberline_device::Device;
use emberline_metrics::calibration::Isotonic;
use safetensors::SafeTensors;

use super::{
    Calibration, EmbeddingOrigin, LogitCalibration, Model, ModelDescription, ModelError, OnnxInput,
    ProbabilityCalibration,
};
use crate::settings::{Activation, Adam, Head, Layer, LayerNorm, Optimizer, Train};
use crate::{Architecture, DecisionSpec, EngineChoice, FitRequest, FitSpec, FittedModel, Tensor, Weights, fit_with};

/// Not a multiple of a batch, a tile or a panel.
const ROWS: usize = 301;
const DIM: usize = 21;

fn random(name: &str, rows: usize, cols: usize) -> Matrix {
    let mut stream = Substream::new(7, name);
    Matrix::new(rows, cols, (0..rows * cols).map(|_| stream.symmetric(1.0)).collect())
}

/// Returns texts of 0 to 11 rows out of 60, the first of which is all zeros.
fn bags(name: &str, normalize: bool) -> Bags {
    let mut stream = Substream::new(7, name);
    let mut table = random("table", 60, DIM);
    table.row_mut(0).fill(0.0);
    let (mut ids, mut offsets) = (Vec::new(), vec![0]);
    for text in 0..ROWS {
        ids.extend((0..text % 12).map(|_| stream.below(60) as u32));
        offsets.push(ids.len());
    }
    Bags { table: Arc::new(table), combiner: Combiner::Sqrtn, normalize, offsets, ids, rows: Arc::default() }
}

fn splits(of: impl Fn(&str) -> Features) -> Splits<Features> {
    Splits { train: of("train"), valid: Some(of("valid")), test: Some(of("test")) }
}

fn dense(units: u32, activation: Activation) -> Layer {
    Layer::Dense { units, activation }
}

fn fitted(engine: EngineChoice, layers: Vec<Layer>, task: Task, features: &Splits<Features>) -> FittedModel {
    let outputs = if task == Task::Binary { 1 } else { 3 };
    let targets = features.map(|_, features| {
        let mut targets = Matrix::zeros(features.texts(), outputs);
        (0..features.texts()).filter(|row| row % 4 > 0).for_each(|row| targets.row_mut(row)[row % outputs] = 1.0);
        targets
    });
    let optimizer = Optimizer::Adam(Adam { learning_rate: 0.01, ..Adam::default() });
    let spec = FitSpec {
        head: &Head { layers },
        train: &Train { epochs: 3, optimizer, ..Train::default() },
        seed: 1,
        task,
        classes: &[],
        features,
        targets: &targets,
        order: None,
        monitor: Some(Monitor::VAL_LOSS),
        encoder: None,
        initial: None,
        decision: DecisionSpec::default(),
    };
    let request = FitRequest { spec: &spec, callbacks: &mut [], checkpointer: None };
    fit_with(engine, vec![request], Device::Cpu).expect("it begins").remove(0).expect("it ends")
}

fn description(task: Task, thresholds: Vec<f64>) -> ModelDescription {
    let classes: &[&str] = if task == Task::Binary { &["no", "yes"] } else { &["a", "b", "\"c\" é"] };
    ModelDescription {
        task,
        classes: classes.iter().map(|&class| class.to_owned()).collect(),
        thresholds,
        calibration: None,
        embedding: EmbeddingOrigin {
            name: "glove".to_owned(),
            kind: "word_vectors".to_owned(),
            digest: Digest::of(b"embedding"),
        },
        data_digest: Digest::of(b"data"),
        provenance: BTreeMap::from([("source".to_owned(), "{\"dim\":21}".to_owned())]),
    }
}

fn model_of(fit: &FittedModel, task: Task) -> Model {
    let description = description(task, fit.thresholds.clone());
    Model::new(description, fit.architecture.clone(), fit.weights.clone()).expect("a model")
}

/// Writes a model and reads it again.
fn copied(model: &Model) -> Model {
    Model::from_safetensors(&model.to_safetensors().expect("memory")).expect("a model")
}

/// Returns the features of one text.
fn one_text(features: &Features, text: usize) -> Features {
    match features {
        Features::Frozen(matrix) => Features::Frozen(matrix.select(&[text])),
        Features::Trainable(bags) => {
            let ids = bags.of_text(text).to_vec();
            Features::Trainable(Bags { offsets: vec![0, ids.len()], ids, ..bags.clone() })
        }
        Features::Mixed(LayerStack { vectors, layers }) => {
            Features::Mixed(LayerStack { vectors: vectors.select(&[text]), layers: *layers })
        }
        Features::Tokens { .. } => unreachable!("a model takes the vectors of a fine-tuned encoder"),
    }
}

/// Returns every kind of features, with heads with and without dropout.
fn cases() -> Vec<(Vec<Layer>, Splits<Features>)> {
    let frozen = || splits(|name| Features::Frozen(random(name, ROWS, DIM)));
    let tuned = |normalize| splits(|name| Features::Trainable(bags(name, normalize)));
    let mixed = || splits(|name| Features::Mixed(LayerStack { layers: 3, vectors: random(name, ROWS, 3 * DIM) }));
    let dropout = Layer::Dropout { rate: 0.3 };
    let norm = Layer::LayerNorm(LayerNorm::default());
    let hidden = vec![dense(40, Activation::Gelu), dense(18, Activation::Relu)];
    vec![
        (hidden.clone(), frozen()),
        (Vec::new(), frozen()),
        (hidden.clone(), tuned(false)),
        (vec![dense(300, Activation::Tanh)], tuned(true)),
        (vec![dropout.clone(), dense(19, Activation::Sigmoid)], frozen()),
        (vec![dense(19, Activation::Relu), dropout.clone()], tuned(true)),
        (hidden, mixed()),
        (vec![dropout], mixed()),
        (vec![norm.clone(), dense(19, Activation::Silu), norm.clone()], frozen()),
        (vec![dense(37, Activation::Silu)], tuned(true)),
        (vec![norm], mixed()),
    ]
}

#[test]
fn a_saved_model_gives_the_logits_of_training_to_the_bit() {
    for (number, (layers, features)) in cases().into_iter().enumerate() {
        for task in [Task::Binary, Task::MultiClass] {
            let fit = fitted(EngineChoice::Fastest, layers.clone(), task, &features);
            let model = copied(&model_of(&fit, task));
            for (split, expected) in fit.logits.iter().skip(1) {
                let features = features.get(split).expect("a split");
                let logits = model.logits(features).expect("logits");
                assert_eq!(&logits, expected, "case {number}, {task:?}, {split:?}");
                for text in [0, 13, ROWS - 1] {
                    let alone = model.logits(&one_text(features, text)).expect("logits");
                    assert_eq!(alone.row(0), expected.row(text), "case {number}, {split:?}, text {text}");
                }
            }
        }
    }
}

#[test]
fn the_logits_are_near_those_of_burn() {
    for (layers, features) in cases() {
        let fit = fitted(EngineChoice::Burn, layers, Task::Binary, &features);
        let logits = model_of(&fit, Task::Binary).logits(features.valid.as_ref().expect("rows")).expect("logits");
        let burn = fit.logits.valid.as_ref().expect("logits");
        let pairs = logits.values().iter().zip(burn.values());
        assert!(pairs.map(|(ours, theirs)| (ours - theirs).abs()).all(|off| off < 1e-5));
    }
}

#[test]
fn bags_may_bring_rows_that_training_never_saw() {
    let features = splits(|name| Features::Trainable(bags(name, true)));
    let fit = fitted(EngineChoice::Fastest, vec![dense(8, Activation::Relu)], Task::Binary, &features);
    let model = model_of(&fit, Task::Binary);
    let own = model.table().expect("a table");
    let expected = model.logits(&features.train).expect("logits");
    let Features::Trainable(known) = &features.train else { unreachable!("bags were made") };
    // The same rows, moved by one, after a row of the source.
    let rows = [&[9.0; DIM][..], &own.values].concat();
    let table = |cols: usize| Arc::new(Matrix::new(rows.len() / cols, cols, rows[..rows.len() / cols * cols].to_vec()));
    let moved = Bags { ids: known.ids.iter().map(|id| id + 1).collect(), table: table(DIM), ..known.clone() };
    assert_eq!(model.logits_of_bags(&moved).expect("logits"), expected);
    let unseen = Bags { ids: vec![0; known.ids.len()], ..moved.clone() };
    assert_ne!(model.logits_of_bags(&unseen).expect("logits"), expected);
    let missing = Bags { ids: vec![u32::MAX; known.ids.len()], ..moved.clone() };
    for refused in [missing, Bags { table: table(DIM + 1), ..moved }] {
        assert!(matches!(model.logits_of_bags(&refused), Err(ModelError::Features { .. })));
    }
}

/// The vectors that enter the head are those that the logits are computed from, to the bit.
#[test]
fn the_inputs_of_a_head_give_its_logits() {
    for (layers, features) in cases() {
        let fit = fitted(EngineChoice::Fastest, layers, Task::Binary, &features);
        let model = model_of(&fit, Task::Binary);
        let mut train = features.train.clone();
        if let (Features::Trainable(bags), Some(table)) = (&mut train, model.table()) {
            bags.table = Arc::new(Matrix::new(table.shape[0], table.shape[1], table.values.clone()));
        }
        let inputs = model.head_inputs(train).expect("vectors");
        assert_eq!((inputs.rows(), inputs.cols()), (features.train.texts(), model.dim()));
        assert_eq!(model.logits_of_vectors(&inputs).expect("logits"), model.logits(&features.train).expect("logits"));
    }
    let features = splits(|name| Features::Frozen(random(name, ROWS, DIM)));
    let model = model_of(&fitted(EngineChoice::Fastest, Vec::new(), Task::Binary, &features), Task::Binary);
    assert!(model.head_inputs(Features::Frozen(random("", 2, DIM - 1))).is_err());
}

#[test]
fn features_of_another_kind_or_length_are_refused() {
    let features = splits(|name| Features::Frozen(random(name, ROWS, DIM)));
    let model = model_of(&fitted(EngineChoice::Fastest, Vec::new(), Task::Binary, &features), Task::Binary);
    for wrong in [
        Features::Frozen(random("", 2, DIM + 1)),
        Features::Trainable(bags("", false)),
        Features::Mixed(LayerStack { vectors: random("", 2, DIM), layers: 1 }),
    ] {
        let refused = model.logits(&wrong).expect_err("refused");
        assert!(refused.to_string().starts_with("the model takes vectors of length 21, not "), "{refused}");
    }
    assert!(model.logits_of_vectors(&random("", 2, DIM - 1)).is_err());
    assert_eq!(model.logits(&Features::Frozen(random("", 0, DIM))).expect("no rows").rows(), 0);
}

#[test]
fn decisions_follow_the_task_and_its_thresholds() {
    let model = |task, outputs, thresholds| {
        let architecture = Architecture::new(&Head::default(), DIM, outputs);
        let weights = architecture.initial_weights(1).expect("memory");
        Model::new(description(task, thresholds), architecture, weights).expect("a model")
    };
    let decided = |model: &Model, logits: &[f32]| model.decide(logits);
    let binary = model(Task::Binary, 1, vec![0.75]);
    assert_eq!((decided(&binary, &[1.0]), decided(&binary, &[1.2])), (vec![0], vec![1]));
    assert_eq!((binary.decide(&[1.098]), binary.decide(&[1.099])), (vec![0], vec![1]), "ln 3 = 1.0986");
    assert_eq!(binary.description().positive_class(), Some("yes"));
    let several = model(Task::MultiClass, 3, Vec::new());
    assert_eq!(decided(&several, &[0.5, 2.0, 2.0]), [1]);
    assert!((several.probabilities(&[0.5, 2.0, -1.0]).iter().sum::<f64>() - 1.0).abs() < 1e-15);
    assert_eq!(decided(&model(Task::MultiLabel, 3, Vec::new()), &[0.0, 0.1, 3.0]), [1, 2]);
    assert_eq!(decided(&model(Task::MultiLabel, 3, vec![0.5, 0.9, 0.9]), &[0.0, 0.1, 3.0]), [0, 2]);
}

#[test]
fn a_calibration_changes_probabilities_and_survives_the_file() {
    let architecture = Architecture::new(&Head::default(), DIM, 1);
    let weights = architecture.initial_weights(1).expect("memory");
    let calibration = Some(Calibration::Logits(LogitCalibration { scale: 0.5, offset: -1.0 }));
    let description = ModelDescription { calibration: calibration.clone(), ..description(Task::Binary, vec![0.5]) };
    let model = copied(&Model::new(description, architecture, weights).expect("a model"));
    assert_eq!((model.probabilities(&[2.0]), &model.description().calibration), (vec![0.5], &calibration));
}

/// Equal probabilities after calibration aren't equal decisions, and the file keeps every bit of the functions.
#[test]
fn an_isotonic_calibration_changes_probabilities_alone_and_survives_the_file() {
    let rows = [(0.1, false), (0.3, true), (0.4, false), (0.45, true), (0.9, true)];
    let function = Isotonic::fit(rows.into_iter()).expect("rows");
    let of = |isotonic: Vec<Isotonic>| Some(Calibration::Probabilities(ProbabilityCalibration { isotonic }));
    let model = |task, outputs: usize, thresholds, calibration| {
        let architecture = Architecture::new(&Head::default(), DIM, outputs);
        let weights = architecture.initial_weights(1).expect("memory");
        Model::new(ModelDescription { calibration, ..description(task, thresholds) }, architecture, weights)
    };
    let binary = copied(&model(Task::Binary, 1, vec![0.35], of(vec![function.clone()])).expect("a model"));
    assert_eq!(binary.description().calibration, of(vec![function.clone()]));
    let logit = |p: f64| (p / (1.0 - p)).ln() as f32;
    let [low, high] = [0.32, 0.38].map(logit);
    assert_eq!((binary.probabilities(&[low]), binary.probabilities(&[high])), (vec![0.5], vec![0.5]));
    assert_eq!((binary.decide(&[low]), binary.decide(&[high])), (vec![0], vec![1]));
    let several = model(Task::MultiClass, 3, Vec::new(), of(vec![function.clone(); 3])).expect("a model");
    assert!((several.probabilities(&[0.5, 0.4, -1.0]).iter().sum::<f64>() - 1.0).abs() < 1e-15);
    assert_eq!(several.decide(&[0.5, 0.4, -1.0]), [0]);
    assert!(matches!(several.to_onnx(OnnxInput::Vectors), Err(ModelError::OnnxCalibration)));
    let missing = model(Task::MultiClass, 3, Vec::new(), of(vec![function; 2]));
    assert!(matches!(missing, Err(ModelError::Description { .. })));
}

#[test]
fn an_inconsistent_model_is_refused() {
    let architecture = || Architecture::new(&Head::default(), DIM, 1);
    let weights = || architecture().initial_weights(1).expect("memory");
    let refused = |description, weights| Model::new(description, architecture(), weights).expect_err("refused");
    let fits = description(Task::Binary, vec![0.5]);
    for wrong in [
        ModelDescription { thresholds: Vec::new(), ..fits.clone() },
        ModelDescription { thresholds: vec![f64::NAN], ..fits.clone() },
        ModelDescription { classes: vec!["one".to_owned()], ..fits.clone() },
        description(Task::MultiClass, Vec::new()),
    ] {
        assert!(matches!(refused(wrong, weights()), ModelError::Description { .. }));
    }
    let extra = Tensor { name: "head.7.bias".to_owned(), shape: vec![1], values: vec![0.0] };
    let mut many = weights();
    many.0.push(extra);
    assert!(matches!(refused(fits.clone(), many), ModelError::UnknownArray { name } if name == "head.7.bias"));
    let mut turned = weights();
    turned.0[0].shape.reverse();
    assert!(matches!(refused(fits.clone(), turned), ModelError::WrongArray { .. }));
    assert!(matches!(refused(fits, Weights::default()), ModelError::MissingArray { .. }));
}

/// Returns a small model with a fine-tuned table whose rows have words.
fn small() -> Model {
    let architecture = Architecture::new(&Head { layers: vec![dense(2, Activation::Tanh)] }, 2, 1);
    let mut weights = architecture.initial_weights(1).expect("memory");
    weights.0.push(Tensor { name: "embedding.table".to_owned(), shape: vec![3, 2], values: vec![0.5; 6] });
    let words = ["a", "\"", "é"].map(str::to_owned).to_vec();
    let rows = TunedRows { ids: vec![7, 9, 1 << 31], words: Some(words) };
    let model = Model::new(description(Task::Binary, vec![0.25]), architecture, weights).expect("a model");
    model.with_tuned_rows(rows).expect("as many rows")
}

#[test]
fn a_model_survives_its_file() {
    let model = small();
    let bytes = model.to_safetensors().expect("memory");
    let read = Model::from_safetensors(&bytes).expect("a model");
    assert_eq!(
        (read.description(), read.architecture(), read.weights(), read.tuned_rows()),
        (model.description(), model.architecture(), model.weights(), model.tuned_rows())
    );
    assert_eq!(read.to_safetensors().expect("memory"), bytes);
    let rows = TunedRows { ids: vec![1], words: None };
    assert!(matches!(model.with_tuned_rows(rows), Err(ModelError::Description { .. })));
}

#[test]
fn any_safetensors_reader_reads_the_metadata() {
    let bytes = small().to_safetensors().expect("memory");
    let (_, header) = SafeTensors::read_metadata(&bytes).expect("safetensors");
    let entries = header.metadata().as_ref().expect("metadata");
    for (key, text) in [
        ("format", "emberline model"),
        ("version", "1"),
        ("task", "binary"),
        ("classes", "[\"no\",\"yes\"]"),
        ("positive_class", "yes"),
        ("layers", "[{\"dense\":2,\"activation\":\"tanh\"}]"),
        ("dim", "2"),
        ("thresholds", "[0.25]"),
        ("embedding", "glove"),
        ("provenance.source", "{\"dim\":21}"),
    ] {
        assert_eq!(entries[key], text);
    }
    let names = SafeTensors::deserialize(&bytes).expect("safetensors").names().len();
    assert_eq!(names, 7);
}

#[test]
fn a_file_that_is_cut_or_changed_is_refused() {
    let bytes = small().to_safetensors().expect("memory");
    for at in 0..bytes.len() {
        assert!(Model::from_safetensors(&bytes[..at]).is_err(), "cut at {at}");
        for bit in [1, 0x80] {
            let mut damaged = bytes.clone();
            damaged[at] ^= bit;
            assert!(Model::from_safetensors(&damaged).is_err(), "flipped at {at}");
        }
    }
}

/// Replaces a string in the header of the small model by one of the same length, and updates the digest. Returns the
/// error of reading it.
fn forged(old: &str, new: &str) -> ModelError {
    let bytes = small().to_safetensors().expect("memory");
    let (_, header) = SafeTensors::read_metadata(&bytes).expect("safetensors");
    let mut entries: BTreeMap<String, String> =
        header.metadata().iter().flatten().map(|(key, text)| (key.clone(), text.clone())).collect();
    entries.remove("sha256");
    entries.values_mut().for_each(|text| *text = text.replace(old, new));
    let file = SafeTensors::deserialize(&bytes).expect("safetensors");
    let floats = file.tensors().into_iter().filter(|(_, view)| view.dtype() == safetensors::Dtype::F32);
    let tensors: Vec<Tensor> =
        floats.map(|(name, view)| Tensor::of_view(name.replace(old, new), &view).expect("memory")).collect();
    let bytes = emberline_base::array_file::to_bytes(&entries, tensors.iter().map(Tensor::to_array).collect());
    Model::from_safetensors(&bytes.expect("memory")).expect_err("refused")
}

#[test]
fn forged_files_are_refused_with_the_right_error() {
    for (old, new, expected) in [
        ("emberline model", "another format", "this isn't a model file"),
        ("1", "2", "the model file has version 2, and this program reads version 1; use a newer emberline"),
        ("binary", "unary", "the model file's metadata entry `task` can't be used"),
        ("[\"no\",\"yes\"]", "[\"no\",\"no\"]", "the model file's metadata entry `positive_class` can't be used"),
        ("[0.25]", "[]", "the model is inconsistent: 0 thresholds"),
        ("tanh", "tahn", "the model file's metadata entry `layers` can't be used"),
        (
            "\"dense\":2",
            "\"dense\":65536",
            "the array `head.0.kernel` has the shape [2, 2], and the model needs the shape [2, 65536]",
        ),
        ("\"dense\":2", "\"dense\":0", "the model file's metadata entry `layers` can't be used"),
        ("head.0.bias", "head.9.bias", "the model lacks the array `head.0.bias`"),
        ("embedding.table", "embedding.chair", "the model holds an array `embedding.chair`"),
    ] {
        let refused = forged(old, new).to_string();
        assert!(refused.starts_with(expected), "{old} -> {new}: {refused}");
    }
}
