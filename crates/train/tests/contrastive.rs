//! Tests that an encoder is trained on pairs of texts, and the head on its vectors.

use std::path::Path;

use emberline_base::{Features, Matrix, Monitor, Splits, Task};
use emberline_device::Device;
use emberline_encoder::EncoderOptions;
use emberline_encoder::fine_tune::{HostEncoder, Scope};
use emberline_encoder::sentence_transformer::SentenceTransformer;
use emberline_train::settings::{Head, Train};
use emberline_train::{DecisionSpec, Error, FitRequest, FitSpec, FittedModel, fit};
use serde_json::json;

const ROWS: usize = 24;

static LINEAR: Head = Head { layers: Vec::new() };

fn spec<'a>(
    train: &'a Train,
    features: &'a Splits<Features>,
    targets: &'a Splits<Matrix>,
    encoder: Option<&'a HostEncoder>,
) -> FitSpec<'a> {
    FitSpec {
        head: &LINEAR,
        train,
        seed: 4,
        task: Task::MultiClass,
        classes: &[],
        features,
        targets,
        order: None,
        monitor: Some(Monitor::VAL_LOSS),
        encoder,
        initial: None,
        decision: DecisionSpec::default(),
    }
}

/// Texts of three classes that differ by a word, as tokens of a tiny encoder.
struct Texts {
    encoder: SentenceTransformer,
    features: Splits<Features>,
    targets: Splits<Matrix>,
}

impl Texts {
    fn new() -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../encoder/tests/fixtures/bert");
        let encoder = SentenceTransformer::open(&folder, &EncoderOptions::default(), Device::Cpu).expect("a model");
        let text =
            |row: usize| format!("the {} {}", ["cat", "why", "house"][row % 3], ["people", "sun", "of"][row / 3 % 3]);
        let texts: Vec<String> = (0..ROWS).map(text).collect();
        let texts: Vec<&[u8]> = texts.iter().map(|text| text.as_bytes()).collect();
        let tokens = || Features::Tokens { sequences: encoder.tokens(&texts).expect("ids"), dim: encoder.dim() };
        let features = Splits { train: tokens(), valid: Some(tokens()), test: None };
        let one_hot = |row: usize| (0..3).map(move |class| f32::from(u8::from(row % 3 == class)));
        let targets = Matrix::new(ROWS, 3, (0..ROWS).flat_map(one_hot).collect());
        Self { encoder, features, targets: Splits { train: targets.clone(), valid: Some(targets), test: None } }
    }

    fn host(&self, scope: Scope) -> HostEncoder {
        self.encoder.fine_tune(scope).expect("a scope of the model")
    }

    fn fit(&self, host: &HostEncoder, train: serde_json::Value) -> Result<FittedModel, Error> {
        let train: Train = serde_json::from_value(train).expect("settings");
        let spec = spec(&train, &self.features, &self.targets, Some(host));
        let request = FitRequest { spec: &spec, callbacks: &mut [], checkpointer: None };
        fit(vec![request], Device::Cpu).and_then(|mut all| all.pop().expect("one"))
    }
}

#[test]
fn texts_of_one_label_get_similar_vectors_and_those_of_others_different_ones() {
    let texts = Texts::new();
    for scope in [Scope::All, Scope::Last(1), Scope::Lora { rank: 2, alpha: 2.0 }] {
        let host = texts.host(scope);
        let with = |rate: f64| {
            let train = json!({
                "contrastive": {"pairs": 10, "epochs": 4}, "encoder_learning_rate": rate, "encoder_weight_decay": 0.0,
                "optimizer": {"lbfgs": {}},
            });
            texts.fit(&host, train).expect("it ends")
        };
        let (before, after) = (with(1e-12), with(3e-3));
        let [loss_before, loss_after] = [&before, &after].map(|fit| fit.contrastive.expect("pairs").loss);
        assert!(loss_after < 0.5 * loss_before, "{scope:?}: {loss_before} {loss_after}");
        let pairs = after.contrastive.expect("pairs");
        assert_eq!((pairs.pairs, pairs.steps), (4 * 2 * 10 * ROWS as u64, 4 * 2 * 10 * ROWS as u32 / 16));
        assert!(after.metrics["val_loss"] < before.metrics["val_loss"], "the head gains from it");
    }
}

#[test]
fn the_encoder_comes_before_a_head_that_is_fitted_as_on_frozen_vectors() {
    let texts = Texts::new();
    let host = texts.host(Scope::All);
    let settings = |optimizer: serde_json::Value| json!({"contrastive": {"pairs": 2}, "encoder_learning_rate": 1e-3, "optimizer": optimizer, "epochs": 5, "batch_size": 8});
    for optimizer in [json!({"adam": {"learning_rate": 0.01}}), json!({"lbfgs": {}})] {
        let mut fitted = texts.fit(&host, settings(optimizer.clone())).expect("it ends");
        let again = texts.fit(&host, settings(optimizer.clone())).expect("it ends");
        assert_eq!(fitted.weights, again.weights);
        let encoder = fitted.weights.take_encoder().expect("an encoder");
        let arrays: Vec<&[f32]> = encoder.0.iter().map(|array| array.values.as_slice()).collect();
        let tuned = host.tuned(&arrays).expect("an encoder");
        let vectors = |features: &Features| match features {
            Features::Tokens { sequences, .. } => Features::Frozen(tuned.encode_tokens(sequences).expect("vectors")),
            other => other.clone(),
        };
        let Splits { train, valid, .. } = &texts.features;
        let frozen = Splits { train: vectors(train), valid: valid.as_ref().map(vectors), test: None };
        let train: Train = serde_json::from_value(settings(optimizer)).expect("settings");
        let train = train.without_encoder();
        let spec = spec(&train, &frozen, &texts.targets, None);
        let request = FitRequest { spec: &spec, callbacks: &mut [], checkpointer: None };
        let of_head = fit(vec![request], Device::Cpu).expect("a fit").pop().expect("one").expect("it ends");
        assert_eq!((fitted.weights, fitted.logits.valid), (of_head.weights, of_head.logits.valid));
    }
}

#[test]
fn labels_that_give_no_pairs_are_refused() {
    let mut texts = Texts::new();
    let one = Matrix::new(ROWS, 3, [1.0, 0.0, 0.0].repeat(ROWS));
    texts.targets = Splits { train: one.clone(), valid: Some(one), test: None };
    let refused = texts.fit(&texts.host(Scope::All), json!({"contrastive": {}}));
    assert!(
        matches!(&refused, Err(Error::Unsupported(why)) if why.contains("training texts of two labels")),
        "{refused:?}"
    );
}
