//! Tests that the same models give equal vectors on every available device, except for the rounding of sums.
#![cfg(feature = "gpu")]

use std::path::{Path, PathBuf};

use emberline_base::Matrix;
use emberline_device::Device;
use emberline_encoder::EncoderOptions;
use emberline_encoder::elmo::Elmo;
use emberline_encoder::sentence_transformer::SentenceTransformer;
use emberline_test_support::{Requirement, skip};

const TEXTS: [&str; 5] = ["the dog is red", "", "Why do dogs run?", "a", "the sun of the moon is how the cat walks ."];

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

fn sentences(model: &str, device: Device) -> Matrix {
    let model = SentenceTransformer::open(&fixture(model), &EncoderOptions::default(), device).expect("a good model");
    model.encode(&TEXTS.map(str::as_bytes)).expect("encoded")
}

fn elmo(device: Device) -> Matrix {
    let folder = fixture("elmo");
    let model = Elmo::open(&folder.join("weights.hdf5"), &folder.join("options.json"), device).expect("a good model");
    model.encode(&TEXTS.map(|text| text.split(' ').filter(|token| !token.is_empty()).collect()))
}

fn compare(what: &str, vectors: impl Fn(Device) -> Matrix) {
    let cpu = vectors(Device::Cpu);
    for device in [Device::Wgpu, Device::Cuda] {
        if let Err(why) = device.availability().detail {
            skip(Requirement::of_device(&device.to_string()), &format!("{what} on {device}: {why}"));
            continue;
        }
        let other = vectors(device);
        let off = cpu.values().iter().zip(other.values()).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(cpu.values().len() == other.values().len() && off < 1e-5, "{what} on {device}: off by {off}");
    }
}

#[test]
fn devices_agree_on_every_family() {
    for model in [
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
    ] {
        compare(model, |device| sentences(model, device));
    }
    compare("elmo", elmo);
}
