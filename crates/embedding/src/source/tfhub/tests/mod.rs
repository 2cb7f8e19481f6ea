//! Tests of whole modules: against TensorFlow's own results, synthetic ones, and damaged ones.

mod damage;
mod golden;
mod interpreted;
#[path = "../../../../../savedmodel/tests/synthetic/mod.rs"]
mod synthetic;
mod written;

use std::path::{Path, PathBuf};

use emberline_test_support::shared;

use self::synthetic::{PLAIN, Recipe, write};
use super::{Module, Settings, TextModule, open};
use crate::{Error, Lookup, WordCounts, combine::combine};

fn settings(path: impl Into<PathBuf>) -> Settings {
    let quantize = crate::Quantize::F32;
    Settings { path: path.into(), url: None, sha256: None, dim: None, reduce: None, quantize, trainable: false }
}

/// Opens a module that is a table.
fn open_at(path: &Path) -> Result<TextModule, Error> {
    open(&settings(path), Path::new("")).map(table)
}

fn table(module: Module) -> TextModule {
    match module {
        Module::Table(module) => module,
        Module::Graph(_) => panic!("not recognised as a table"),
    }
}

fn ids(module: &TextModule, text: &[u8]) -> Vec<u32> {
    let mut ids = Vec::new();
    module.token_ids(text, &mut ids);
    ids
}

fn vector(module: &TextModule, text: &[u8]) -> Vec<f32> {
    let mut out = vec![f32::NAN; module.dim()];
    combine(module, &ids(module, text), &mut out);
    out
}
