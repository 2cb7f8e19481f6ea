//! Tests of the source on the encoder's tiny model, whose layers `crates/encoder/tests/fixtures/elmo/make.py`
//! computed.

use std::fs;

use emberline_base::{CancellationToken, Features, Splits};

use super::*;
use crate::Source;
use crate::encode::Encoding;
use crate::features::features;

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../encoder/tests/fixtures/elmo");

fn settings(toml: &str) -> Settings {
    toml::from_str(&format!("path = {FOLDER:?}\n{toml}")).expect("settings")
}

fn opened(toml: &str) -> Sentences {
    open(&settings(toml), Path::new(""), Device::Cpu).expect("a model")
}

fn vector(source: &Sentences, text: &str) -> Vec<f32> {
    source.encode(&[text.as_bytes()]).expect("a vector").into_values()
}

fn assert_close(a: &[f32], b: &[f32]) {
    assert_eq!(a.len(), b.len());
    assert!(a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-6), "{a:?} {b:?}");
}

#[derive(Deserialize)]
struct Expected {
    tokens: Vec<String>,
    layers: Vec<Vec<Vec<f32>>>,
}

/// The mean over tokens of each layer of "Why ?".
fn golden() -> [Vec<f32>; 3] {
    let text = fs::read(Path::new(FOLDER).join("expected.json")).expect("expected layers");
    let expected: Vec<Expected> = serde_json::from_slice(&text).expect("json");
    assert_eq!(expected[0].tokens, ["Why", "?"]);
    let mean = |layer: usize| {
        let tokens = &expected[0].layers[layer];
        (0..8).map(|i| (tokens[0][i] + tokens[1][i]) / 2.0).collect()
    };
    [mean(0), mean(1), mean(2)]
}

/// The vector that a frozen cell gets.
fn made(toml: &str) -> Vec<f32> {
    let source = Source::Elmo(settings(toml));
    let opened =
        source.without_tuning().open(Path::new(""), Texts { all: &[], train: &[] }, Device::Cpu).expect("a model");
    let texts = Splits { train: vec![b"Why?".as_slice()], valid: None, test: None };
    let on_event = &mut |_| {};
    let mut encoding =
        Encoding { cache: None, device: Device::Cpu, label: "", on_event, interrupt: CancellationToken::default() };
    match features(&opened, &texts, &source.feature_spec(), &mut encoding).expect("vectors").train {
        Features::Frozen(matrix) => matrix.into_values(),
        Features::Trainable(_) | Features::Mixed(_) | Features::Tokens { .. } => panic!("frozen"),
    }
}

#[test]
fn layers_are_chosen() {
    let golden = golden();
    for (layers, expected) in [
        ("tokens", golden[0].clone()),
        ("lstm_1", golden[1].clone()),
        ("lstm_2", golden[2].clone()),
        ("all", golden.concat()),
    ] {
        assert_close(&made(&format!("layers = {layers:?}")), &expected);
    }
}

#[test]
fn layers_are_mixed_through_a_softmax() {
    let golden = golden();
    let mixed = |weights: [f32; 3]| -> Vec<f32> {
        (0..8).map(|i| (0..3).map(|layer| weights[layer] * golden[layer][i]).sum()).collect()
    };
    assert_close(&made(""), &mixed([1.0 / 3.0; 3]));
    assert_close(&made("mix = [0, 0.6931472, 0]\ngamma = 4"), &mixed([1.0, 2.0, 1.0]));
    assert_close(&made("mix = [-1000, 1000, 0]"), &mixed([0.0, 1.0, 0.0]));
}

#[test]
fn tokens_are_cut_and_case_counts() {
    let (words, whitespace) = (opened(""), opened("tokens = \"whitespace\""));
    assert_eq!(vector(&words, "Why?"), vector(&whitespace, " Why\t? "));
    assert_ne!(vector(&words, "Why?"), vector(&whitespace, "Why?"));
    assert_ne!(vector(&words, "why?"), vector(&words, "Why?"));
    assert_eq!(vector(&words, " \n"), [0.0; 24]);
    assert_eq!(words.encode(&[b"a\xff", b""]).expect("vectors").rows(), 2);
}

#[test]
fn the_digest_is_the_contents() {
    let digest = |toml| opened(toml).digest();
    assert_ne!(digest("tokens = \"whitespace\""), digest(""));
    // All layers are encoded, whatever is derived from them.
    assert_eq!(digest("layers = \"lstm_1\""), digest(""));
    let folder = tempfile::tempdir().expect("a folder");
    for (from, to) in [("weights.hdf5", "other.hdf5"), ("options.json", "options.json")] {
        fs::copy(Path::new(FOLDER).join(from), folder.path().join(to)).expect("copied");
    }
    let moved = Settings { path: folder.path().join("other.hdf5"), ..settings("") };
    assert_eq!(open(&moved, Path::new(""), Device::Cpu).expect("a model").digest, digest(""));
    let options = folder.path().join("options.json");
    let text = fs::read_to_string(&options).expect("options").replace("\"cell_clip\": 0.6", "\"cell_clip\": 0.7");
    fs::write(options, text).expect("written");
    assert_ne!(open(&moved, Path::new(""), Device::Cpu).expect("a model").digest, digest(""));
}

#[test]
fn what_cant_be_meant_is_a_fault() {
    let keys = |toml: &str| settings(toml).faults().into_iter().map(|fault| fault.key).collect::<Vec<_>>();
    assert_eq!(keys(""), Vec::<String>::new());
    assert_eq!(keys("dim = 64\nreduce = \"pca\"\nmix = [1, 2, 3]\ngamma = 0.5"), Vec::<String>::new());
    assert_eq!(keys("dim = 64"), ["reduce"]);
    assert_eq!(keys("dim = 64\nreduce = \"truncate\""), ["reduce"]);
    assert_eq!(keys("trainable = true"), Vec::<String>::new());
    assert_eq!(keys("trainable = true\nlayers = \"all\""), ["trainable"]);
    assert_eq!(keys("trainable = true\nmix = [1, 2, 3]"), ["trainable"]);
    assert_eq!(keys("layers = \"all\"\nmix = [1, 2, 3]\ngamma = 2"), ["mix", "gamma"]);
    assert_eq!(keys("mix = []\ngamma = nan\nsha256 = \"x\""), ["sha256", "mix", "gamma"]);
}

#[test]
fn a_hash_must_fit_the_file() {
    let error = |toml: &str| open(&settings(toml), Path::new(""), Device::Cpu).err().expect("an error").to_string();
    let hash = "0".repeat(64);
    assert!(error(&format!("sha256 = {hash:?}")).contains("its sha256 is "));
}
