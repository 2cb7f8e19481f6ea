//! Exports tables in the formats of other programs: word2vec text, and the folders of model2vec.
//!
//! | format | file | content |
//! |---|---|---|
//! | word2vec text | one | `ROWS DIM`, then a line per word: the word and its numbers, separated by single spaces |
//! | model2vec | `model.safetensors` | `embeddings`, F32 `[tokens, dim]` |
//! | | `tokenizer.json` | how a text becomes token ids |
//! | | `config.json` | `normalize`, `max_length` |
//!
//! A [`FittedEmbedding`] enters, with its reduced and fine-tuned rows. An embedding that a format can't represent is
//! refused ([`Error::Export`]): a model2vec text is the mean of its tokens' rows, and word2vec text has rows of whole
//! words only.

use std::path::Path;

use emberline_base::{Combiner, Matrix, file};
use safetensors::tensor::{Dtype, TensorView};
use serde_json::json;

use crate::{Error, FittedEmbedding, Lookup, Opened};

const WORD2VEC: &str = "word2vec text";
const MODEL2VEC: &str = "a model2vec folder";
const TOKEN_IDS: &str = "an ONNX graph of token ids";

/// The files of a model2vec folder.
pub const MODEL2VEC_FILES: [&str; 3] = ["model.safetensors", "tokenizer.json", "config.json"];

/// How much of a table was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exported {
    /// The rows written.
    pub rows: usize,
    /// Rows that the format can't hold: rows without a word, or whose word contains white space.
    pub left_out: usize,
}

/// A whole table, with the way its rows become a text's vector.
#[derive(Clone, Debug, PartialEq)]
pub struct WholeTable {
    /// The rows, `[rows, dim]`, after reduction and fine-tuning.
    pub rows: Matrix,
    /// The word of every row. `None` for a row that belongs to no word, or to several.
    pub words: Vec<Option<String>>,
    /// How the rows of a text are combined.
    pub combiner: Combiner,
    /// Whether the result is scaled to length 1; a vector of zeros stays as it is.
    pub normalize: bool,
}

/// Returns the table of an embedding, for a graph that takes token ids.
///
/// # Errors
/// When the embedding has no table, when the table's rows depend on the texts, or when there is too little memory.
pub fn whole_table(embedding: &FittedEmbedding) -> Result<WholeTable, Error> {
    let table = table_of(embedding, TOKEN_IDS)?;
    let rows = embedding.whole_table(table)?;
    let words = (0..rows.rows()).map(|id| table.row_word(id as u32)).collect();
    Ok(WholeTable { rows, words, combiner: table.combiner(), normalize: table.normalize() })
}

/// Returns the bytes of a word2vec text file with every word of the table.
///
/// # Errors
/// When the embedding has no table of whole words, or there is too little memory.
pub fn word2vec_text(embedding: &FittedEmbedding) -> Result<(Vec<u8>, Exported), Error> {
    let table = table_of(embedding, WORD2VEC)?;
    let rows = embedding.whole_table(table)?;
    let words: Vec<Option<String>> = (0..rows.rows()).map(|id| table.row_word(id as u32)).collect();
    let is_writable = |word: &String| !word.is_empty() && !word.contains(|c: char| c.is_whitespace() || c.is_control());
    let named: Vec<(&str, &[f32])> = words
        .iter()
        .enumerate()
        .filter_map(|(id, word)| Some((word.as_ref().filter(|word| is_writable(word))?.as_str(), rows.row(id))))
        .collect();
    if named.is_empty() {
        return refused(WORD2VEC, "its rows belong to no words");
    }
    let mut bytes = Vec::new();
    wordvectors::write_text(&mut bytes, &named).expect("the words are writable, and memory takes all bytes");
    Ok((bytes, Exported { rows: named.len(), left_out: rows.rows() - named.len() }))
}

/// Writes a folder that the Python package model2vec loads, and that gives the same vectors as the embedding.
///
/// # Errors
/// When model2vec can't compute texts' vectors in this way (a combiner other than the mean, or tokens that no
/// `tokenizer.json` produces), or when a file can't be written.
pub fn model2vec(embedding: &FittedEmbedding, folder: &Path) -> Result<Exported, Error> {
    let table = table_of(embedding, MODEL2VEC)?;
    if table.combiner() != Combiner::Mean {
        let reason =
            "it takes the mean of a text's tokens, and the `combiner` is another; train with `combiner = \"mean\"`";
        return refused(MODEL2VEC, reason);
    }
    let tokenizer = table.tokenizer_file().or_else(|reason| refused(MODEL2VEC, format!("the source {reason}")))?;
    let mut rows = embedding.whole_table(table)?;
    if tokenizer.adds_unknown {
        let (count, dim) = (rows.rows() + 1, rows.cols());
        let mut values = rows.into_values();
        values.resize(count * dim, 0.0);
        rows = Matrix::new(count, dim, values);
    }
    let config = json!({
        "model_type": "model2vec", "architectures": ["StaticModel"], "embedding_dtype": "float32",
        "normalize": table.normalize(), "max_length": tokenizer.max_length, "hidden_dim": rows.cols(),
    });
    let contents = [safetensors(&rows), tokenizer.json.into_bytes(), config.to_string().into_bytes()];
    for (name, content) in MODEL2VEC_FILES.iter().zip(&contents) {
        file::write_atomic(&folder.join(name), content)?;
    }
    Ok(Exported { rows: rows.rows(), left_out: 0 })
}

fn safetensors(rows: &Matrix) -> Vec<u8> {
    let bytes: Vec<u8> = rows.values().iter().flat_map(|value| value.to_le_bytes()).collect();
    let view = TensorView::new(Dtype::F32, vec![rows.rows(), rows.cols()], &bytes).expect("the shape fits");
    safetensors::serialize([("embeddings", view)], None).expect("one array has one name")
}

/// Returns the table of an embedding whose rows are all loaded.
fn table_of<'e>(embedding: &'e FittedEmbedding, format: &'static str) -> Result<&'e dyn Lookup, Error> {
    let Opened::Table(table) = embedding.opened().as_ref() else {
        return refused(format, "it is an encoder of whole texts, and has no table");
    };
    if !embedding.quantize().is_f32() {
        let reason = format!(
            "its vectors are quantised (`quantize = \"{}\"`), and the format computes them in 32 bits; export a cell with \
             `quantize = \"f32\"`, or a bundle",
            embedding.quantize().name()
        );
        return refused(format, reason);
    }
    if table.for_texts(&Vec::<&str>::new())?.is_some() {
        return refused(format, "it composes the vectors of words from their n-grams or other parts");
    }
    Ok(table.as_ref())
}

fn refused<T>(format: &'static str, reason: impl Into<String>) -> Result<T, Error> {
    Err(Error::Export { format, reason: reason.into() })
}
