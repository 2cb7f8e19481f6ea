//! The small TensorFlow SavedModels of `crates/savedmodel/tests/fixtures/models`, with the vectors that TensorFlow computed of
//! their texts. `make.py` beside them wrote both.

use std::fs;
use std::path::{Path, PathBuf};

/// The folder of a model, or of all models if the name is empty.
pub fn saved_model(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../crates/savedmodel/tests/fixtures/models").join(name)
}

/// The texts, of any bytes, that every model was run on.
///
/// # Panics
/// If the file can't be read.
pub fn texts() -> Vec<Vec<u8>> {
    let bytes = fs::read(saved_model("texts.txt")).expect("readable");
    // Each text ends with an ASCII record separator.
    let mut texts: Vec<Vec<u8>> = bytes.split(|&byte| byte == 0x1e).map(<[u8]>::to_vec).collect();
    texts.pop();
    texts
}

/// The vectors that TensorFlow computed of the texts, `[texts, dim]`.
///
/// # Panics
/// If the file can't be read.
pub fn golden(name: &str) -> Vec<f32> {
    let bytes = fs::read(saved_model(name).join("golden.f32")).expect("readable");
    bytes.as_chunks::<4>().0.iter().map(|&number| f32::from_le_bytes(number)).collect()
}
