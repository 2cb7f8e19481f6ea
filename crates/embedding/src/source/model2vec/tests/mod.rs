//! Tests of whole models: against model2vec's own results, split texts against whole ones, and damaged files.

mod cut;
mod damage;
mod golden;

use std::path::{Path, PathBuf};

use super::{Settings, StaticModel, open};
use crate::{Error, Lookup, Texts, combine::combine};

/// The folder of the models that `make.py` writes.
fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/model2vec")
}

fn settings(path: &Path) -> Settings {
    Settings {
        path: path.to_owned(),
        url: None,
        sha256: None,
        normalize: None,
        max_length: None,
        dim: None,
        reduce: None,
        quantize: crate::Quantize::F32,
        trainable: false,
    }
}

fn open_for(settings: &Settings, texts: &[&str]) -> Result<StaticModel, Error> {
    open(settings, Path::new(""), Texts { all: texts, train: &[] })
}

fn ids(model: &StaticModel, text: &str) -> Vec<u32> {
    let mut ids = Vec::new();
    model.token_ids(text.as_bytes(), &mut ids);
    ids
}

/// The token that replaces a piece missing from the vocabulary isn't known.
#[test]
fn unknown_pieces_are_counted() {
    let texts = ["the river", "\u{2603}\u{2604} the"];
    let model = open_for(&settings(&fixtures().join("f32")), &texts).expect("a model");
    let unknown = model.tokenizer.unknown().expect("a word-piece model has one");
    for text in texts {
        let mut pieces = Vec::new();
        model.pieces.token_ids(text, &model.tokenizer, &mut pieces);
        let known = pieces.iter().filter(|&&piece| piece != unknown).count();
        let words = model.token_ids(text.as_bytes(), &mut Vec::new());
        assert_eq!((words.all as usize, words.known as usize), (pieces.len(), known), "{text}");
    }
    let words = model.token_ids(texts[1].as_bytes(), &mut Vec::new());
    assert!(words.known < words.all, "{words:?}");
}

fn vector(model: &StaticModel, text: &str) -> Vec<f32> {
    let mut out = vec![f32::NAN; model.dim()];
    combine(model, &ids(model, text), &mut out);
    out
}
