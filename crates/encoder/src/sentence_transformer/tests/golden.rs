//! Compares vectors with those of the reference implementation, on the CPU and in Burn.

use burn::backend::Flex;
use emberline_base::Matrix;
use emberline_test_support::{Requirement, from_environment};

use super::*;
use crate::Precision;
use crate::sentence_transformer::modules::Modules;
use crate::sentence_transformer::pooling::Pooling;
use crate::transformer::{self, Config, CpuModel, DeviceModel, Forward, Transformer};

fn options(case: &str) -> EncoderOptions {
    let mut options = EncoderOptions::default();
    match case.split_once('=') {
        Some(("prompt", prompt)) => options.prompt = Some(prompt.to_owned()),
        Some(("max_length", most)) => options.max_length = Some(most.parse().expect("a number")),
        _ => options.normalize = case == "normalize",
    }
    options
}

/// Returns the largest absolute difference between vectors and the expected ones.
fn distance(vectors: &Matrix, expected: &serde_json::Value) -> f64 {
    let expected: Vec<Vec<f64>> = serde_json::from_value(expected.clone()).expect("vectors");
    assert_eq!((vectors.rows(), vectors.cols()), (expected.len(), expected[0].len()));
    let expected = expected.iter().flatten();
    vectors.values().iter().zip(expected).map(|(a, b)| (f64::from(*a) - b).abs()).fold(0.0, f64::max)
}

#[test]
fn vectors_are_those_of_sentence_transformers() {
    let goldens = goldens();
    let texts = texts(&goldens);
    for name in MODELS {
        let cases = goldens["models"][name].as_object().expect("cases");
        for (case, expected) in cases {
            let model = open(&fixtures().join(name), &options(case)).expect("a good model");
            let vectors = model.encode(&bytes(&texts)).expect("encoded");
            let distance = distance(&vectors, expected);
            assert!(distance < 1e-5, "{name} {case}: {distance}");
        }
    }
}

/// The means over tokens of the last four hidden states.
#[test]
fn layers_are_those_of_transformers() {
    let goldens = goldens();
    let texts = texts(&goldens);
    let models = goldens["layers"].as_object().expect("models");
    assert_eq!(models.len(), 3);
    for (name, expected) in models {
        let expected: Vec<Vec<Vec<f64>>> = serde_json::from_value(expected.clone()).expect("layers");
        let mut model = model(name);
        (model.pooling, model.stages) = (Pooling::mean(), Vec::new());
        let hidden = model.hidden;
        let model = model.with_last_layers(4).expect("four layers");
        assert_eq!((model.dim(), model.last_layers()), (4 * hidden, 4));
        let vectors = model.encode(&bytes(&texts)).expect("encoded");
        for (row, layers) in expected.iter().enumerate() {
            let expected = layers.iter().flatten();
            let far = vectors.row(row).iter().zip(expected).map(|(a, b)| (f64::from(*a) - b).abs()).fold(0.0, f64::max);
            assert!(far < 2e-5, "{name} text {row}: {far}");
        }
    }
}

/// The last of four layers is what the model alone gives, with its own pooling and modules.
#[test]
fn the_last_of_several_layers_is_the_models_vector() {
    let texts: [&[u8]; 3] = [b"the dog is red", b"", b"why"];
    for name in ["qwen3", "modernbert", "t5_gated", "gte"] {
        let alone = model(name);
        let digest = alone.digest();
        let alone = alone.encode(&texts).expect("encoded");
        let all = model(name).with_last_layers(4).expect("four layers");
        assert_ne!(all.digest(), digest);
        let all = all.encode(&texts).expect("encoded");
        for row in 0..texts.len() {
            assert_eq!(all.row(row)[3 * alone.cols()..], *alone.row(row), "{name}");
        }
    }
    for (name, reason) in [("bert", "has 2 layers, fewer than 4"), ("gemma3", "has Dense modules")] {
        assert!(SentenceTransformer::lacks_layers(&fixtures().join(name), 4).is_some_and(|why| why.contains(reason)));
        let error = model(name).with_last_layers(4).err().expect("refused").to_string();
        assert!(error.contains(reason), "{error}");
    }
    assert_eq!(SentenceTransformer::lacks_layers(&fixtures().join("qwen3"), 4), None);
}

/// A text is cut if it has more tokens than the model reads.
#[test]
fn texts_that_are_cut_are_told() {
    let texts = texts(&goldens());
    let long = "a text of many words, ".repeat(4);
    let mut all = Vec::new();
    for name in MODELS {
        let [whole, short] = [None, Some(9)].map(|max_length| {
            let options = EncoderOptions { max_length, ..EncoderOptions::default() };
            open(&fixtures().join(name), &options).expect("a good model")
        });
        assert_eq!(short.max_tokens(), 9);
        let texts = texts.iter().map(String::as_bytes).chain([long.as_bytes(), &b"a"[..]]);
        for text in texts {
            let is_cut = short.is_cut(text).expect("a sound tokenizer");
            assert_eq!(is_cut, whole.tokens.ids(text).expect("ids").len() > 9, "{name} {text:?}");
            all.push(is_cut);
        }
    }
    assert!(all.contains(&true) && all.contains(&false));
}

#[test]
fn both_forward_passes_agree() {
    for name in MODELS {
        let modules = Modules::read(&fixtures().join(name)).expect("modules");
        let config = Config::read(&modules.transformer).expect("a config");
        let mut weights = transformer::open_weights(&modules.transformer).expect("weights");
        let model = Transformer::read(&config, &mut weights).expect("a model");
        let texts: Vec<Vec<u32>> = [1, 2, 7, 7, 30, 31].map(|n| (0..n).map(|i| (i * 7 + n) % 20).collect()).to_vec();
        let texts: Vec<&[u32]> = texts.iter().map(Vec::as_slice).collect();
        let burn = DeviceModel::<Flex>::new(&model, Precision::F32, Default::default())
            .expect("memory")
            .layers(&texts, 2)
            .concat();
        let own = CpuModel::new(model.clone(), Precision::F32, u64::MAX).layers(&texts, 2).concat();
        // The hidden states of models without a norm at a layer's end are sums of many terms, larger than 1.
        let largest = own.iter().fold(1.0_f32, |most, value| most.max(value.abs()));
        let distance = own.iter().zip(&burn).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max) / largest;
        assert!(own.len() == burn.len() && distance < 1e-5, "{name}: {distance}");
        // Weights that stay in the files give equal bits.
        assert!(own == CpuModel::new(model, Precision::F32, 0).layers(&texts, 2).concat(), "{name}");
    }
}

/// Layers in 8-bit integers give vectors near those in floating point, and the same bits whether the weights are packed or stay in
/// the files.
#[test]
fn quantised_layers_give_vectors_near_those_of_whole_ones() {
    for name in MODELS {
        let modules = Modules::read(&fixtures().join(name)).expect("modules");
        let config = Config::read(&modules.transformer).expect("a config");
        let mut weights = transformer::open_weights(&modules.transformer).expect("weights");
        let model = Transformer::read(&config, &mut weights).expect("a model");
        let texts: Vec<Vec<u32>> = [1, 2, 7, 30].map(|n| (0..n).map(|i| (i * 7 + n) % 20).collect()).to_vec();
        let texts: Vec<&[u32]> = texts.iter().map(Vec::as_slice).collect();
        let of = |precision, most| CpuModel::new(model.clone(), precision, most).layers(&texts, 2);
        let (whole, quantised) = (of(Precision::F32, u64::MAX), of(Precision::I8, u64::MAX));
        assert!(quantised == of(Precision::I8, 0), "{name}");
        for (whole, quantised) in whole.iter().zip(&quantised) {
            let lowest = whole.chunks(model.hidden).zip(quantised.chunks(model.hidden)).map(|(a, b)| cosine(a, b));
            let lowest = lowest.fold(1.0, f64::min);
            // The fewer numbers a vector has, the more a rounded one turns it.
            assert!(lowest > 0.97, "{name}: {lowest}");
            assert_ne!(whole, quantised, "{name}");
        }
    }
}

/// The vectors of all-MiniLM-L6-v2 in 8-bit integers, of 1,854 questions.
#[test]
fn quantised_vectors_of_a_real_model_point_where_whole_ones_do() {
    let Some(folder) = from_environment(Requirement::Minilm, "the cosine of quantised vectors of all-MiniLM-L6-v2")
    else {
        return;
    };
    let questions = include_str!("../../../../../pipelines/data/questions.csv");
    let texts: Vec<&[u8]> = questions.lines().skip(1).take(2000).map(str::as_bytes).collect();
    let whole = open(&folder, &EncoderOptions::default()).expect("a good model");
    let quantised = open(&folder, &EncoderOptions::default()).expect("a good model").with_precision(Precision::I8);
    assert_ne!(whole.digest(), quantised.digest());
    let (whole, quantised) = (whole.encode(&texts).expect("vectors"), quantised.encode(&texts).expect("vectors"));
    let lowest = (0..texts.len()).map(|row| cosine(whole.row(row), quantised.row(row))).fold(1.0, f64::min);
    assert!(lowest > 0.99, "{lowest}");
}

fn cosine(a: &[f32], b: &[f32]) -> f64 {
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>();
    dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
}

#[test]
fn what_changes_a_vector_changes_the_digest() {
    let of = |options: EncoderOptions| open(&fixtures().join("roberta"), &options).expect("a model").digest();
    let prompt = |prompt: &str| EncoderOptions { prompt: Some(prompt.to_owned()), ..EncoderOptions::default() };
    let all = [
        of(EncoderOptions::default()),
        of(prompt("passage")),
        of(EncoderOptions { normalize: true, ..EncoderOptions::default() }),
        of(EncoderOptions { max_length: Some(9), ..EncoderOptions::default() }),
    ];
    for (at, digest) in all.iter().enumerate() {
        assert!(all[..at].iter().all(|other| other != digest), "{at}");
    }
    // The default prompt, by name and as a text.
    assert_eq!(all[0], of(prompt("query")));
    assert_eq!(all[0], of(prompt("what is ")));
    let elsewhere = copy("roberta");
    assert_eq!(all[0], open(elsewhere.path(), &EncoderOptions::default()).expect("a model").digest());
}

/// Compares with the first numbers that sentence-transformers computes for all-MiniLM-L6-v2, in the folder `EMBERLINE_MINILM`.
#[test]
fn a_published_model_gives_the_published_vectors() {
    let published = "the published vectors of all-MiniLM-L6-v2";
    let Some(folder) = from_environment(Requirement::Minilm, published) else { return };
    let model = open(&folder, &EncoderOptions::default()).expect("the model");
    let texts: [&[u8]; 3] = [b"This is an example sentence", b"Each sentence is converted", b""];
    let vectors = model.encode(&texts).expect("encoded");
    let expected = [
        [0.067657, 0.063496, 0.048713, 0.079305, 0.037448],
        [0.086439, 0.102763, 0.005395, 0.002044, -0.009963],
        [-0.118838, 0.048299, -0.002548, -0.011011, 0.051951],
    ];
    for (row, expected) in expected.iter().enumerate() {
        assert!(
            vectors.row(row).iter().zip(expected).all(|(a, b)| (a - b).abs() < 2e-6),
            "{:?}",
            &vectors.row(row)[..5]
        );
    }
}
