//! Whole modules: against TensorFlow's own results, synthetic ones, damaged ones.

mod damage;
mod golden;
mod synthetic;

use std::path::{Path, PathBuf};

use super::{Settings, TextModule, open};
use crate::{Error, Lookup, combine::combine};

/// The folder with goldens; says so where it isn't there.
#[expect(clippy::print_stderr, reason = "a skipped test says so")]
fn shared(below: &str) -> Option<PathBuf> {
    let default = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared");
    let root = std::env::var_os("EMBERLINE_SHARED").map_or_else(|| PathBuf::from(default), PathBuf::from);
    let path = root.join(below);
    if path.exists() {
        return Some(path);
    }
    eprintln!("SKIPPED: {} isn't there; EMBERLINE_SHARED names the folder with goldens", path.display());
    None
}

fn open_at(path: &Path) -> Result<TextModule, Error> {
    let settings = Settings { path: path.to_owned(), url: None, sha256: None, trainable: false };
    open(&settings, Path::new(""))
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
