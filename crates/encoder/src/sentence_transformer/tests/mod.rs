//! Compares the models of `tests/fixtures` (made by `make.py` there) with the results of sentence-transformers.

mod damage;
mod golden;
mod order;
mod speed;

use std::fs;
use std::path::{Path, PathBuf};

use emberline_device::Device;

use super::SentenceTransformer;
use crate::{EncoderOptions, Error};

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

fn open(folder: &Path, options: &EncoderOptions) -> Result<SentenceTransformer, Error> {
    SentenceTransformer::open(folder, options, Device::Cpu)
}

/// Opens a model of the fixtures.
fn model(name: &str) -> SentenceTransformer {
    open(&fixtures().join(name), &EncoderOptions::default()).expect("a good model")
}

/// Returns the texts of the reference data.
fn texts(goldens: &serde_json::Value) -> Vec<String> {
    serde_json::from_value(goldens["texts"].clone()).expect("texts")
}

fn goldens() -> serde_json::Value {
    serde_json::from_slice(&fs::read(fixtures().join("goldens.json")).expect("goldens")).expect("JSON")
}

fn bytes(texts: &[String]) -> Vec<&[u8]> {
    texts.iter().map(|text| text.as_bytes()).collect()
}

/// Copies a model, so that a test can corrupt it.
fn copy(name: &str) -> tempfile::TempDir {
    let to = tempfile::tempdir().expect("a folder");
    copy_all(&fixtures().join(name), to.path());
    to
}

fn copy_all(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder");
    for entry in fs::read_dir(from).expect("a folder") {
        let (from, name) = entry.map(|entry| (entry.path(), entry.file_name())).expect("an entry");
        if from.is_dir() {
            copy_all(&from, &to.join(name));
        } else {
            fs::copy(&from, to.join(name)).expect("copied");
        }
    }
}
