//! Equality with TensorFlow on the golden vectors of the shared folder: recipes in its
//! `peers/scripts/export_hub_module.py` and `golden_text_primitives.py`.

use std::fs;
use std::path::Path;

use base64::{Engine, engine::general_purpose::STANDARD};
use savedmodel::text::{PUNCTUATION, fingerprint64, split, without_punctuation};
use serde_json::Value;

use super::*;

struct Golden {
    text: Vec<u8>,
    normalized: Vec<u8>,
    ids: Vec<u32>,
}

fn base64(value: &Value) -> Vec<u8> {
    STANDARD.decode(value.as_str().expect("a string")).expect("base64")
}

fn json(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).expect("readable")).expect("JSON")
}

fn golden(folder: &Path) -> Vec<Golden> {
    let lines = fs::read_to_string(folder.join("texts.jsonl")).expect("readable");
    let parse = |line: &str| {
        let line: Value = serde_json::from_str(line).expect("JSON");
        let ids = line["ids"].as_array().expect("ids").iter().map(|id| id.as_u64().expect("an id") as u32);
        Golden { text: base64(&line["b64"]), normalized: base64(&line["normalized_b64"]), ids: ids.collect() }
    };
    lines.lines().map(parse).collect()
}

/// Reads the numbers of a NumPy file of 32-bit floats.
fn npy(path: &Path) -> Vec<f32> {
    let bytes = fs::read(path).expect("readable");
    let header = usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
    bytes[10 + header..].as_chunks::<4>().0.iter().map(|&b| f32::from_le_bytes(b)).collect()
}

#[test]
fn ids_and_vectors_are_tensorflows() {
    let (Some(modules), Some(goldens)) = (shared("assets/tfhub"), shared("assets/tfhub-golden")) else { return };
    for name in ["quora-20", "quora-50", "quora-128", "tiny-none", "tiny-punct", "tiny-punct-oov13"] {
        let module = open_at(&modules.join(name)).expect(name);
        let texts = golden(&goldens.join(name));
        let expected = npy(&goldens.join(name).join("embeddings.npy"));
        assert_eq!(expected.len(), texts.len() * module.dim(), "{name}");
        assert_eq!(texts.len(), 267, "{name}");
        for (index, (text, row)) in texts.iter().zip(expected.chunks_exact(module.dim())).enumerate() {
            assert_eq!(ids(&module, &text.text), text.ids, "{name}, text {index}");
            let bits = |values: &[f32]| values.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
            assert_eq!(bits(&vector(&module, &text.text)), bits(row), "{name}, text {index}");
            if name != "tiny-none" {
                assert_eq!(without_punctuation(&text.text), text.normalized, "{name}, text {index}");
            }
        }
    }
}

/// Expected values from the module itself, loaded with TensorFlow 2.21:
/// `tf.saved_model.load(path)(tf.constant(texts)).numpy()`.
#[test]
fn a_table_spread_over_variables_is_read_in_the_order_of_ids() {
    let Some(path) = shared("assets/tfhub/mod-sharded") else { return };
    let module = open_at(&path).expect("mod-sharded");
    assert_eq!((module.rows(), module.dim(), module.table_rows()), (9, 3, 9));
    for (text, expected) in [
        ("", [0x41b0_0000, 0x41b8_0000, 0x41c0_0000]),
        ("  ", [0x41b0_0000, 0x41b8_0000, 0x41c0_0000]),
        ("cat", [0x3f80_0000, 0x4000_0000, 0x4040_0000]),
        ("the! the?", [0x4162_4630, 0x4178_e6ce, 0x4187_c3b6]),
        ("  cat  dog ", [0x4062_4630, 0x409e_6455, 0x40cb_a591]),
        ("zzz yyy", [0x41c5_fd6a, 0x41d1_4db9, 0x41dc_9e08]),
        ("mouse the cat! dog? x y", [0x419c_c470, 0x41b0_5cfe, 0x41c3_f58c]),
        ("a b c d e f g h i j k", [0x4283_757d, 0x428a_179a, 0x4290_b9b7]),
    ] {
        let found: Vec<u32> = vector(&module, text.as_bytes()).iter().map(|v| v.to_bits()).collect();
        assert_eq!(found, expected, "{text:?}");
    }
}

#[test]
fn fingerprints_are_tensorflows() {
    let Some(path) = shared("assets/tfhub-golden/primitives/fingerprint64.json") else { return };
    let cases = json(&path);
    for case in cases.as_array().expect("cases") {
        let bytes = base64(&case["b64"]);
        let found = fingerprint64(&bytes);
        assert_eq!(found.to_string(), case["fp_le"].as_str().expect("digits"), "{bytes:?}");
        assert_eq!(found % 1_000_003, case["bucket_1000003"].as_u64().expect("a bucket"), "{bytes:?}");
    }
    assert!(cases.as_array().is_some_and(|c| c.len() > 100));
}

#[test]
fn punctuation_is_tensorflows() {
    let Some(path) = shared("assets/tfhub-golden/primitives/punct_ranges.json") else { return };
    let ranges: Vec<(u32, u32)> = serde_json::from_value(json(&path)["ranges"].clone()).expect("ranges");
    assert_eq!(ranges, PUNCTUATION);
}

#[test]
fn splits_are_tensorflows() {
    let Some(path) = shared("assets/tfhub-golden/primitives/split.json") else { return };
    let at = savedmodel::text::Split::At(b" ".to_vec());
    for (text, expected) in json(&path).as_object().expect("texts") {
        let mut tokens = Vec::new();
        split(text.as_bytes(), &at, &mut |token: &[u8]| tokens.push(String::from_utf8_lossy(token).into_owned()));
        assert_eq!(serde_json::json!(tokens), *expected, "{text:?}");
    }
}

#[test]
fn a_model_that_embeds_no_text_is_refused() {
    for name in ["saved_model_half_plus_two_cpu", "saved_model_half_plus_three"] {
        let Some(folder) = shared(&format!("assets/savedmodel-samples/tf-serving/{name}")) else { return };
        let version = fs::read_dir(&folder).expect("a folder").next().expect("a version").expect("readable").path();
        let error = open_at(&version).expect_err("no texts");
        assert!(matches!(&error, Error::Format { path, .. } if path.ends_with("saved_model.pb")), "{error}");
    }
}
