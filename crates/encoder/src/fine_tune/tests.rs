//! Trains the models of `tests/fixtures` as PyTorch does, whose losses and gradients `make_training.py` there has written.

mod mixed;

use std::fs;
use std::path::{Path, PathBuf};

use burn::backend::{Autodiff, Flex};
use burn::tensor::activation::log_softmax;
use burn::tensor::{Int, Tensor, TensorData};
use emberline_base::Matrix;
use emberline_device::Device;
use emberline_test_support::{Requirement, from_environment};
use serde_json::Value;

use super::*;
use crate::{EncoderOptions, Precision};

type B = Autodiff<Flex>;

const RATES: [(&str, f64); 2] = [("minilm", 5e-5), ("", 1e-3)];
const MODELS: [&str; 14] = [
    "bert",
    "roberta",
    "distilbert",
    "mpnet",
    "modernbert",
    "qwen3",
    "gemma3",
    "t5",
    "t5_gated",
    "nomic",
    "gte",
    "gte_new",
    "albert",
    "deberta",
];

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures")
}

fn open(folder: &Path) -> SentenceTransformer {
    SentenceTransformer::open(folder, &EncoderOptions::default(), Device::Cpu).expect("a good model")
}

fn goldens() -> Value {
    serde_json::from_slice(&fs::read(fixtures().join("training.json")).expect("goldens")).expect("JSON")
}

fn scope(name: &str, goldens: &Value) -> Scope {
    match name {
        "last" => Scope::Last(2),
        "lora" => Scope::Lora {
            rank: goldens["rank"].as_u64().expect("a rank") as usize,
            alpha: goldens["alpha"].as_f64().expect("a number") as f32,
        },
        _ => Scope::All,
    }
}

/// Numbers of no meaning: scale * sin(0, 1, 2, ...).
fn wave(count: usize, scale: f64) -> Vec<f32> {
    (0..count).map(|at| ((at as f64).sin() * scale) as f32).collect()
}

fn matrix(values: Vec<f32>, shape: [usize; 2]) -> Tensor<B, 2> {
    Tensor::from_data(TensorData::new(values, shape), &Default::default())
}

fn slices(arrays: &[Vec<f32>]) -> Vec<&[f32]> {
    arrays.iter().map(Vec::as_slice).collect()
}

fn values<const R: usize>(x: Tensor<B, R>) -> Vec<f32> {
    x.into_data().into_vec().expect("32-bit numbers")
}

/// An array that Adam trains (Kingma and Ba, 2015), with PyTorch's defaults.
struct Parameter {
    value: Vec<f32>,
    shape: [usize; 2],
    mean: Vec<f32>,
    square: Vec<f32>,
}

impl Parameter {
    fn new(value: Vec<f32>, shape: [usize; 2]) -> Self {
        let zeros = vec![0.0; value.len()];
        Self { shape, mean: zeros.clone(), square: zeros, value }
    }

    fn tensor(&self) -> Tensor<B, 2> {
        matrix(self.value.clone(), self.shape).require_grad()
    }

    fn update(&mut self, gradient: &[f32], step: i32, rate: f64) {
        let (first, second) = (1.0 - 0.9_f64.powi(step), 1.0 - 0.999_f64.powi(step));
        for (at, gradient) in gradient.iter().enumerate() {
            self.mean[at] = 0.9 * self.mean[at] + 0.1 * gradient;
            self.square[at] = 0.999 * self.square[at] + 0.001 * gradient * gradient;
            let root = f64::from(self.square[at]).sqrt() / second.sqrt() + 1e-8;
            self.value[at] -= (rate / first * f64::from(self.mean[at]) / root) as f32;
        }
    }
}

/// A fine-tuned model with a linear head.
struct Tuning {
    host: HostEncoder,
    device: DeviceEncoder<B>,
    names: Vec<String>,
    /// The encoder's arrays, and then the head's weight, `[classes, dim]`, and bias.
    parameters: Vec<Parameter>,
}

impl Tuning {
    fn new(model: &SentenceTransformer, scope: Scope, classes: usize) -> Self {
        let host = model.fine_tune(scope).expect("trainable");
        let start = host.start(1).expect("readable");
        let names = start.iter().map(|array| array.name.clone()).collect();
        let parameter = |array: TrainedArray| {
            let shape = array.matrix_shape();
            let is_down = array.name.ends_with("lora_A.weight");
            let down = || wave(array.values.len(), 1.0 / (shape[1] as f64).sqrt());
            Parameter::new(if is_down { down() } else { array.values }, shape)
        };
        let mut parameters: Vec<Parameter> = start.into_iter().map(parameter).collect();
        parameters.push(Parameter::new(wave(classes * host.dim(), 0.3), [classes, host.dim()]));
        parameters.push(Parameter::new(vec![0.0; classes], [1, classes]));
        let device = DeviceEncoder::new(&host, Default::default()).expect("readable");
        Self { host, device, names, parameters }
    }

    /// Returns the loss of a batch, and the gradient of every array.
    fn loss(&self, batch: &[&[u32]], labels: &[usize]) -> (f64, Vec<Option<Vec<f32>>>) {
        let tracked: Vec<Tensor<B, 2>> = self.parameters.iter().map(Parameter::tensor).collect();
        loss(&self.device, &tracked, self.names.len(), batch, labels)
    }

    fn step(&mut self, (batch, labels): (&[&[u32]], &[usize]), step: i32, rate: f64) -> f64 {
        let (loss, gradients) = self.loss(batch, labels);
        for (parameter, gradient) in self.parameters.iter_mut().zip(gradients) {
            parameter.update(&gradient.unwrap_or_else(|| vec![0.0; parameter.value.len()]), step, rate);
        }
        loss
    }

    fn arrays(&self) -> Vec<&[f32]> {
        self.parameters[..self.names.len()].iter().map(|parameter| &parameter.value[..]).collect()
    }
}

/// Returns the cross-entropy of a batch, and the gradient of every array: those of the encoder, `arrays` of them, and the head's.
fn loss(
    device: &DeviceEncoder<B>,
    tracked: &[Tensor<B, 2>],
    arrays: usize,
    batch: &[&[u32]],
    labels: &[usize],
) -> (f64, Vec<Option<Vec<f32>>>) {
    let (encoder, head) = tracked.split_at(arrays);
    let vectors = device.forward(encoder, batch, None);
    let logits = vectors.matmul(head[0].clone().transpose()) + head[1].clone();
    let labels: Vec<i64> = labels.iter().map(|&label| label as i64).collect();
    let labels = Tensor::<B, 2, Int>::from_data(TensorData::new(labels, [batch.len(), 1]), &Default::default());
    let loss = log_softmax(logits, 1).gather(1, labels).mean().neg();
    let mut gradients = loss.backward();
    let of = |tensor: &Tensor<B, 2>| {
        let gradient = tensor.grad_remove(&mut gradients)?;
        Some(gradient.into_data().into_vec().expect("32-bit numbers"))
    };
    let gradients = tracked.iter().map(of).collect();
    (f64::from(values(loss)[0]), gradients)
}

/// Trains as the recipe does. Returns the losses, the lengths of the first gradients, and the tuned encoder.
fn train(
    model: &SentenceTransformer,
    scope: Scope,
    texts: &[String],
    labels: &[usize],
    rate: f64,
) -> (Vec<f64>, Vec<(String, f64)>, Tuning) {
    let texts: Vec<&[u8]> = texts.iter().map(|text| text.as_bytes()).collect();
    let tokens = model.tokens(&texts).expect("tokens");
    let classes = labels.iter().max().map_or(0, |most| most + 1);
    let mut tuning = Tuning::new(model, scope, classes);
    let (mut losses, mut lengths) = (Vec::new(), Vec::new());
    for step in 0..20 {
        let rows: Vec<usize> = (0..8).map(|i| (step * 8 + i) % texts.len()).collect();
        let batch: Vec<&[u32]> = rows.iter().map(|&row| tokens.of_text(row)).collect();
        let labels: Vec<usize> = rows.iter().map(|&row| labels[row]).collect();
        if step == 0 {
            let length = |gradient: &Vec<f32>| gradient.iter().map(|g| f64::from(*g).powi(2)).sum::<f64>().sqrt();
            let gradients = tuning.loss(&batch, &labels).1;
            let named = tuning.names.iter().zip(&gradients);
            lengths = named.filter_map(|(name, g)| Some((name.clone(), length(g.as_ref()?)))).collect();
        }
        losses.push(tuning.step((&batch, &labels), step as i32 + 1, rate));
    }
    (losses, lengths, tuning)
}

fn rate(model: &str) -> f64 {
    RATES.iter().find(|(name, _)| *name == model).unwrap_or(&RATES[1]).1
}

fn compare(losses: &[f64], expected: &Value, what: &str) {
    let expected: Vec<f64> = serde_json::from_value(expected.clone()).expect("losses");
    let off = losses.iter().zip(&expected).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
    assert!(losses.len() == 20 && expected.len() == 20 && off < 1e-4, "{what}: {off}: {losses:?} {expected:?}");
}

/// Every pooling mode (`bert` has all six), prompts that aren't pooled (`roberta`), Dense modules with and without a residual and
/// Normalize (`distilbert`).
#[test]
fn losses_and_gradients_are_those_of_pytorch() {
    let goldens = goldens();
    let (texts, labels) = made_up(&goldens);
    let models = goldens["losses"].as_object().expect("models").iter().filter(|(name, _)| *name != "minilm");
    let mut count = 0;
    for (model, scopes) in models {
        for (name, expected) in scopes.as_object().expect("scopes") {
            let what = format!("{model} {name}");
            let (losses, lengths, tuning) =
                train(&open(&fixtures().join(model)), scope(name, &goldens), &texts, &labels, rate(model));
            compare(&losses, expected, &what);
            let known = goldens["gradients"][model][name].as_object().expect("lengths");
            let longest = known.values().filter_map(Value::as_f64).fold(0.0, f64::max);
            for (array, length) in &lengths {
                let expected = known.get(array).and_then(Value::as_f64);
                let expected = expected.unwrap_or_else(|| panic!("{what}: {array} has no gradient there"));
                let off = (length - expected).abs();
                assert!(off < 1e-4 * expected + 1e-6 * longest, "{what}: {array} {length} {expected}");
            }
            assert_eq!(lengths.len(), known.len(), "{what}");
            agrees(&tuning, 1e-4, &what);
            count += 1;
        }
    }
    assert_eq!(count, 11);
}

#[test]
fn a_published_model_is_trained_as_by_pytorch() {
    let what = "the losses of all-MiniLM-L6-v2";
    let Some(folder) = from_environment(Requirement::Minilm, what) else { return };
    let goldens = goldens();
    let (texts, labels) = questions();
    let model = open(&folder);
    for (name, expected) in goldens["losses"]["minilm"].as_object().expect("scopes") {
        let (losses, ..) = train(&model, scope(name, &goldens), &texts, &labels, rate("minilm"));
        compare(&losses, expected, name);
    }
}

/// Returns the texts and labels that the tiny models are trained on.
fn made_up(goldens: &Value) -> (Vec<String>, Vec<usize>) {
    let texts: Vec<String> = serde_json::from_value(goldens["texts"].clone()).expect("texts");
    let labels = (0..texts.len()).map(|at| at % 3).collect();
    (texts, labels)
}

/// Returns the texts and labels that the published model is trained on.
fn questions() -> (Vec<String>, Vec<usize>) {
    let file = fixtures().join("../../../../pipelines/data/questions.csv");
    let file = fs::read_to_string(file).expect("the questions");
    // None of the first rows has a line break.
    let rows = file.lines().skip(1).take(160).filter_map(|line| line.rsplit_once(','));
    let unquoted = |text: &str| match text.strip_prefix('"').and_then(|text| text.strip_suffix('"')) {
        Some(text) => text.replace("\"\"", "\""),
        None => text.to_owned(),
    };
    rows.map(|(text, label)| (unquoted(text), label.parse::<usize>().expect("a label"))).unzip()
}

/// Checks that the merged encoder gives the vectors of the forward pass in training.
fn agrees(tuning: &Tuning, most: f32, what: &str) {
    let encoder = tuning.host.tuned(&tuning.arrays()).expect("fine arrays");
    let tokens = encoder.tokens(&[b"the dog is red", b"", b"why"]).expect("tokens");
    let own = encoder.encode_tokens(&tokens).expect("encoded");
    let burn = vectors(tuning, &tokens);
    let off = own.values().iter().zip(&burn).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(own.values().len() == burn.len() && off < most, "{what}: {off}");
}

fn vectors(tuning: &Tuning, tokens: &emberline_base::TokenSequences) -> Vec<f32> {
    let batch: Vec<&[u32]> = (0..tokens.texts()).map(|text| tokens.of_text(text)).collect();
    let tracked: Vec<Tensor<B, 2>> = tuning.parameters.iter().map(Parameter::tensor).collect();
    values(tuning.device.forward(&tracked[..tuning.names.len()], &batch, None))
}

/// In every family, the first step is taken from the model itself, and a small change of every array along its gradient has the
/// effect that the gradient says.
#[test]
fn gradients_are_differences_of_losses() {
    let texts: [&[u8]; 4] = [b"the dog is red", b"", b"why do dogs run ? the sun , the moon and a tree are blue", b"a"];
    for name in MODELS {
        let model = open(&fixtures().join(name));
        let tokens = model.tokens(&texts).expect("tokens");
        let batch: Vec<&[u32]> = (0..texts.len()).map(|text| tokens.of_text(text)).collect();
        let labels = [0, 1, 2, 0];
        for scope in [Scope::All, Scope::Lora { rank: 2, alpha: 3.0 }] {
            let mut tuning = Tuning::new(&model, scope, 3);
            let frozen = model.encode(&texts).expect("encoded");
            let first = Matrix::new(texts.len(), model.dim(), vectors(&tuning, &tokens));
            let off = frozen.values().iter().zip(first.values()).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            assert!(off < 2e-5, "{name}: {off}");
            let gradients = tuning.loss(&batch, &labels).1;
            for (at, gradient) in gradients.iter().enumerate() {
                let Some(gradient) = gradient else { continue };
                let square: f64 = gradient.iter().map(|g| f64::from(*g).powi(2)).sum();
                if square.sqrt() < 1e-3 {
                    continue;
                }
                let before = tuning.parameters[at].value.clone();
                let mut moved = |step: f64| {
                    let change =
                        |(value, g): (&f32, &f32)| (f64::from(*value) + step / square.sqrt() * f64::from(*g)) as f32;
                    tuning.parameters[at].value = before.iter().zip(gradient).map(change).collect();
                    tuning.loss(&batch, &labels).0
                };
                let step = 2e-3;
                let slope = (moved(step) - moved(-step)) / (2.0 * step);
                let off = (slope - square.sqrt()).abs();
                tuning.parameters[at].value = before;
                let what = tuning.names.get(at).map_or("the head", |name| name);
                assert!(off < 0.02 * square.sqrt() + 5e-4, "{name} {scope:?} {what}: {slope} {}", square.sqrt());
            }
        }
    }
}

/// A text's vector doesn't depend on what it is padded to.
#[test]
fn padding_changes_nothing() {
    for name in MODELS {
        let model = open(&fixtures().join(name));
        let tuning = Tuning::new(&model, Scope::All, 2);
        let both =
            model.tokens(&[b"the dog", b"why do dogs run ? the sun , the moon and a tree are blue"]).expect("tokens");
        let alone = model.tokens(&[b"the dog"]).expect("tokens");
        let (both, alone) = (vectors(&tuning, &both), vectors(&tuning, &alone));
        let off = alone.iter().zip(&both).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(off < 2e-6, "{name}: {off}");
    }
}

#[test]
fn what_is_trained_is_told() {
    let model = open(&fixtures().join("bert"));
    let names = |scope| {
        let host = model.fine_tune(scope).expect("trainable");
        let named: Vec<_> = host.shapes().map(|(name, shape)| (name.to_owned(), shape.to_vec())).collect();
        (named, host.trained_parameters(), host.parameters())
    };
    let (all, count, parameters) = names(Scope::All);
    assert_eq!(
        (count, all[0].clone()),
        (parameters, ("bert.embeddings.word_embeddings.weight".to_owned(), vec![32, 24]))
    );
    let (last, count, _) = names(Scope::Last(1));
    assert!(count < parameters / 2 && last.iter().all(|(name, _)| name.starts_with("bert.encoder.layer.1.")));
    let (lora, count, same) = names(Scope::Lora { rank: 2, alpha: 4.0 });
    assert_eq!((lora.len(), same), (2 * 6 * 2, parameters));
    assert_eq!(lora[0], ("bert.encoder.layer.0.attention.self.query.lora_A.weight".to_owned(), vec![2, 24]));
    assert_eq!(count, 2 * (4 * (24 + 24) * 2 + 2 * (24 + 40) * 2));
    let lacks = |name: &str, scope| SentenceTransformer::lacks_fine_tuning(&fixtures().join(name), scope);
    assert_eq!(lacks("bert", Scope::Last(3)).as_deref(), Some("has 2 layers, fewer than 3"));
    assert_eq!(lacks("bert", Scope::Last(2)), None);
    assert!(lacks("albert", Scope::Last(2)).is_some_and(|reason| reason.contains("share their weights")));
    assert!(lacks("bert", Scope::Lora { rank: 25, alpha: 1.0 }).is_some_and(|reason| reason.contains("the rank 25")));
    assert!(model.fine_tune(Scope::Last(3)).is_err());
    let host = model.fine_tune(Scope::All).expect("trainable");
    assert!(host.tuned(&[]).is_err_and(|error| error.to_string().contains("arrays were trained")));
    let memory = host.memory(8, 20);
    assert_eq!(memory, Memory::of(&fixtures().join("bert"), Scope::All, (8, 20), Precision::F32).expect("readable"));
    let mixed = Memory::of(&fixtures().join("bert"), Scope::All, (8, 20), Precision::Bf16).expect("readable");
    let host = open(&fixtures().join("bert")).with_precision(Precision::Bf16).fine_tune(Scope::All).expect("trainable");
    assert!(mixed == host.memory(8, 20) && mixed.activations > memory.activations, "{mixed:?} {memory:?}");
    assert_eq!((memory.frozen, memory.trained), (0, 4 * parameters));
}

/// Equal values give an equal encoder; a changed one another digest.
#[test]
fn untrained_values_make_the_same_encoder() {
    let texts: [&[u8]; 3] = [b"the dog is red", b"", b"why"];
    for name in MODELS {
        let model = open(&fixtures().join(name));
        let host = model.fine_tune(Scope::All).expect("trainable");
        let mut arrays: Vec<Vec<f32>> =
            host.start(1).expect("readable").into_iter().map(|array| array.values).collect();
        let same = host.tuned(&slices(&arrays)).expect("fine");
        assert_eq!(same.encode(&texts).expect("encoded"), model.encode(&texts).expect("encoded"), "{name}");
        arrays[0][0] += 1.0;
        let other = host.tuned(&slices(&arrays)).expect("fine");
        assert!(other.digest() != same.digest() && same.digest() != model.digest(), "{name}");
        arrays[0][0] = f32::NAN;
        assert!(host.tuned(&slices(&arrays)).is_err_and(|error| error.to_string().contains("NaN")), "{name}");
    }
}

/// An exported folder is read again with equal vectors, without the options that the first one was opened with.
#[test]
fn an_export_is_read_again() {
    let texts: [&[u8]; 3] = [b"the dog is red", b"", b"why do dogs run"];
    let with = |prompt: Option<&str>, normalize, max_length| EncoderOptions {
        prompt: prompt.map(str::to_owned),
        normalize,
        max_length,
    };
    let all = [with(None, false, None), with(Some("the "), true, Some(6))];
    for name in MODELS {
        for (options, scope) in all.iter().zip([Scope::All, Scope::Lora { rank: 2, alpha: 2.0 }]) {
            let model = SentenceTransformer::open(&fixtures().join(name), options, Device::Cpu).expect("a good model");
            let host = model.fine_tune(scope).expect("trainable");
            let moved = |array: TrainedArray| {
                let moves = wave(array.values.len(), 0.02);
                array.values.iter().zip(moves).map(|(value, by)| value + by).collect()
            };
            let arrays: Vec<Vec<f32>> = host.start(1).expect("readable").into_iter().map(moved).collect();
            let tuned = host.tuned(&slices(&arrays)).expect("fine");
            let folder = tempfile::tempdir().expect("a folder");
            let to = folder.path().join("model");
            host.export(&slices(&arrays), &to).expect("written");
            let again = open(&to);
            let (own, read) = (tuned.encode(&texts).expect("encoded"), again.encode(&texts).expect("encoded"));
            assert_eq!(own, read, "{name} {scope:?}");
            assert_ne!(own, model.encode(&texts).expect("encoded"), "{name} {scope:?}");
            assert!(host.export(&slices(&arrays), &to).is_err_and(|error| error.to_string().contains("isn't empty")));
        }
    }
}

/// Dropout drops about as much as it says, by its stream alone.
#[test]
fn dropout_follows_its_stream() {
    let model = open(&fixtures().join("modernbert"));
    let tuning = Tuning::new(&model, Scope::Last(1), 2);
    let tokens = model.tokens(&[b"the dog is red"]).expect("tokens");
    let tracked: Vec<Tensor<B, 2>> = tuning.parameters.iter().map(Parameter::tensor).collect();
    let of = |rate, seed| {
        let mut stream = Substream::new(seed, "dropout");
        let dropout = Dropout { rate, stream: &mut stream };
        values(tuning.device.forward(&tracked[..tuning.names.len()], &[tokens.of_text(0)], Some(dropout)))
    };
    assert_eq!(of(0.5, 1), of(0.5, 1));
    assert_ne!(of(0.5, 1), of(0.5, 2));
    assert_eq!(of(0.0, 1), vectors(&tuning, &tokens));
}
