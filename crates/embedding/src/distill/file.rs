//! Writes a distilled table as a model2vec folder.
//!
//! | file | content |
//! |---|---|
//! | `model.safetensors` | `embeddings` `[tokens, dim]`: F32, F16 or I8; for I8 also `weights`, F32 `[tokens]` |
//! | `tokenizer.json` | how a text becomes token ids |
//! | `config.json` | `normalize`, `max_length`, and how the table was made |
//!
//! As I8, a row is the whole numbers `x / s` rounded to -127 to 127, ties to even, with the scale `s = max abs x / 127` of
//! the row as its weight. Readers multiply a row by its weight, so that each row keeps its own precision and length;
//! model2vec's own I8 has one scale for all rows, and doesn't store it.

use std::path::Path;

use emberline_base::{Matrix, file};
use safetensors::tensor::{Dtype, TensorView};
use serde_json::json;

use super::{StaticTable, TokenWeights};
use crate::Error;
use crate::export::MODEL2VEC_FILES;
use crate::quantize::{LARGEST_I8, to_f16};

/// The maximum number of tokens of a text that count: model2vec's default.
const MAX_LENGTH: usize = 512;

/// The type of the numbers in the file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StoredType {
    /// 32-bit floats.
    #[default]
    F32,
    /// 16-bit floats, rounded to the nearest, ties to even.
    F16,
    /// Whole numbers of 8 bits, with a scale per row.
    I8,
}

impl StaticTable {
    /// Writes the files of a model2vec folder, and returns their bytes together.
    ///
    /// # Errors
    /// When a file can't be written.
    pub fn write(&self, folder: &Path, stored: StoredType) -> Result<u64, Error> {
        let contents = [safetensors(&self.rows, stored), self.tokenizer.clone().into_bytes(), self.config(stored)];
        for (name, content) in MODEL2VEC_FILES.iter().zip(&contents) {
            file::write_atomic(&folder.join(name), content)?;
        }
        Ok(contents.iter().map(|content| content.len() as u64).sum())
    }

    fn config(&self, stored: StoredType) -> Vec<u8> {
        let dtype = match stored {
            StoredType::F32 => "float32",
            StoredType::F16 => "float16",
            StoredType::I8 => "int8",
        };
        let dim = self.rows.cols();
        let mut config = json!({
            "model_type": "model2vec", "architectures": ["StaticModel"], "apply_pca": dim, "hidden_dim": dim,
            "seq_length": 1_000_000, "max_length": MAX_LENGTH, "normalize": true, "pooling": "mean",
            "embedding_dtype": dtype, "sif_coefficient": null, "apply_zipf": self.weights == TokenWeights::Zipf,
        });
        if let TokenWeights::Sif { coefficient } = self.weights {
            config["sif_coefficient"] = coefficient.into();
        }
        format!("{config:#}\n").into_bytes()
    }
}

fn safetensors(rows: &Matrix, stored: StoredType) -> Vec<u8> {
    let shape = vec![rows.rows(), rows.cols()];
    let mut scales = Vec::new();
    let (dtype, embeddings): (_, Vec<u8>) = match stored {
        StoredType::F32 => (Dtype::F32, rows.values().iter().flat_map(|value| value.to_le_bytes()).collect()),
        StoredType::F16 => (Dtype::F16, rows.values().iter().flat_map(|value| to_f16(*value).to_le_bytes()).collect()),
        StoredType::I8 => {
            let mut bytes = Vec::with_capacity(rows.values().len());
            for row in rows.values().chunks_exact(rows.cols().max(1)) {
                let scale = row.iter().fold(0.0_f32, |largest, x| largest.max(x.abs())) / LARGEST_I8;
                scales.extend(scale.to_le_bytes());
                bytes.extend(row.iter().map(|x| whole(*x, scale).to_le_bytes()[0]));
            }
            (Dtype::I8, bytes)
        }
    };
    let mut arrays = vec![("embeddings", view(dtype, shape, &embeddings))];
    if stored == StoredType::I8 {
        arrays.push(("weights", view(Dtype::F32, vec![rows.rows()], &scales)));
    }
    safetensors::serialize(arrays, None).expect("arrays have names of their own")
}

fn view(dtype: Dtype, shape: Vec<usize>, bytes: &[u8]) -> TensorView<'_> {
    TensorView::new(dtype, shape, bytes).expect("the shape fits")
}

fn whole(x: f32, scale: f32) -> i8 {
    if scale == 0.0 { 0 } else { (x / scale).round_ties_even().clamp(-LARGEST_I8, LARGEST_I8) as i8 }
}
