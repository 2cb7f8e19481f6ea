//! Whole models: against model2vec's own results, cut texts against whole ones, damaged files.

mod cut;
mod damage;
mod golden;

use std::path::{Path, PathBuf};

use super::{Settings, StaticModel, open};
use crate::{Error, Lookup, Texts, combine::combine};

/// The models of the recipe `make.py`.
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

fn vector(model: &StaticModel, text: &str) -> Vec<f32> {
    let mut out = vec![f32::NAN; model.dim()];
    combine(model, &ids(model, text), &mut out);
    out
}
