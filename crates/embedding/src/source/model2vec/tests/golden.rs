//! Vectors that model2vec 0.10.0 computed, compared to 1e-6 of their largest number (at least 1).

use std::fs;

use emberline_test_support::shared;
use serde_json::Value;

use super::*;

/// Returns a file of a published model or of its golden vectors, if the shared folder has it.
fn asset(below: &str) -> Option<PathBuf> {
    shared(&format!("assets/model2vec/{below}"))
}

fn json(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).expect("readable")).expect("JSON")
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().expect("a vector").iter().map(|v| v.as_f64().expect("a number")).collect()
}

fn assert_close(found: &[f32], expected: &[f64], what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}");
    let scale = expected.iter().fold(1.0, |largest: f64, v| largest.max(v.abs()));
    for (found, expected) in found.iter().zip(expected) {
        assert!((f64::from(*found) - expected).abs() <= 1e-6 * scale, "{what}: {found} instead of {expected}");
    }
}

#[test]
fn every_layout_and_type_gives_the_references_vectors() {
    let expected = json(&fixtures().join("expected.json"));
    let texts: Vec<&str> = expected["texts"].as_array().expect("texts").iter().filter_map(Value::as_str).collect();
    for (name, vectors) in expected["models"].as_object().expect("models") {
        let mut settings = settings(&fixtures().join(name.split(',').next().expect("a name")));
        if name.contains("4 tokens") {
            settings.max_length = Some(4);
        }
        let vectors = vectors.as_array().expect("vectors");
        assert_eq!(vectors.len(), texts.len());
        // Opening the model for all texts or for none gives the same vectors.
        for known in [&texts[..], &[]] {
            let model = open_for(&settings, known).expect("a model");
            for (text, expected) in texts.iter().zip(vectors) {
                let expected = numbers(expected);
                let mut found = vec![f32::NAN; model.dim()];
                combine(&model, &ids(&model, text), &mut found);
                if expected.len() < model.dim() {
                    // Columns are selected first, and the mean is normalised afterwards.
                    found = (0..expected.len()).map(|column| mean(&model, text, column)).collect();
                    crate::combine::normalize(&mut found);
                }
                assert_close(&found, &expected, &format!("{name}, {text:?}"));
            }
        }
    }
}

fn mean(model: &StaticModel, text: &str, column: usize) -> f32 {
    let ids = ids(model, text);
    ids.iter().map(|&id| model.row(id)[column]).sum::<f32>() / ids.len().max(1) as f32
}

#[test]
fn real_models_give_the_published_vectors() {
    let long = ["hello"; 1000].join(" ");
    for (model, text, file) in [
        ("test-model-float32", "hello world", "embeddings_short.json"),
        ("test-model-float32", &long, "embeddings_long.json"),
        ("test-model-sentence-transformers", "hello world", "embeddings_short.json"),
        ("test-model-vocab-quantized", &long, "embeddings_vocab_quantized.json"),
    ] {
        let (Some(folder), Some(file)) = (asset(model), asset(file)) else { return };
        let model = open_for(&settings(&folder), &[text]).expect("a model");
        assert_close(&vector(&model, text), &numbers(&json(&file)[0]), &folder.display().to_string());
    }
}

/// Expected values from `StaticModel.encode`; for F16, from the same numbers in F32.
#[test]
fn rounded_models_give_the_references_vectors() {
    for (model, expected) in [
        ("test-model-float16", [-0.393_567_949_5, -0.919_295_549_4]),
        ("test-model-int8", [-0.388_056_993_5, -0.921_635_389_3]),
    ] {
        let Some(folder) = asset(model) else { return };
        let model = open_for(&settings(&folder), &[]).expect("a model");
        assert_close(&vector(&model, "hello world"), &expected, &folder.display().to_string());
    }
}

#[test]
fn settings_override_the_model_and_change_the_digest() {
    let own = settings(&fixtures().join("f32"));
    let model = open_for(&own, &[]).expect("a model");
    let plain = open_for(&Settings { normalize: Some(false), ..own.clone() }, &[]).expect("a model");
    assert!(model.normalize() && !plain.normalize());
    assert_ne!(model.digest(), plain.digest());
    let short = open_for(&Settings { max_length: Some(2), ..own.clone() }, &[]).expect("a model");
    assert_eq!(ids(&short, "the [UNK] of"), ids(&model, "the"), "unknown tokens count in `max_length`");
    assert_ne!(model.digest(), short.digest());
    let same = open_for(&Settings { normalize: Some(true), max_length: Some(512), ..own }, &["the"]).expect("a model");
    assert_eq!(model.digest(), same.digest());
}

#[test]
fn a_quantised_vocabulary_counts_the_rows_of_its_file() {
    let model = open_for(&settings(&fixtures().join("quantised")), &[]).expect("a model");
    assert_eq!((model.table_rows(), model.dim()), (9, 4));
    assert!(model.rows() > 9);
}
