//! Source `word_vectors`: pretrained word vectors from one file.
//!
//! A file and the texts enter, a [`Lookup`] of the words that occur in the texts leaves. The file is
//! read once, front to back, whatever its size; memory holds the rows that were asked for.
//!
//! | format | recognised by | file |
//! |---|---|---|
//! | word2vec binary | two integers on line 1, then no text | `binary.rs` |
//! | word2vec and fastText `.vec` text | two integers on line 1, then text | `text.rs` |
//! | GloVe text | a word and its numbers on line 1 | `text.rs` |
//!
//! Each may be gzipped (`1f 8b`); names of files are never looked at. How words of a text are
//! found in a vocabulary: `tokens.rs`. Where a word stands twice in a file, the first row wins. Only rows
//! that occur are looked into, and their numbers must be finite; the row structure is checked throughout.

mod binary;
mod sniff;
mod stream;
mod text;
mod tokens;
mod wanted;

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use emberline_base::{Combiner, Digest, Fault};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use self::sniff::Format;
use self::stream::Stream;
use self::wanted::Wanted;
use super::{Lookup, Texts, words};
use crate::Error;

/// The longest vector; the longest published word vectors have 1,024 numbers.
const MAX_DIM: u64 = 1 << 15;
/// The longest word, in bytes.
const MAX_WORD: usize = 1 << 12;

/// `[embedding.NAME.word_vectors]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// A word2vec file (binary or text) or a GloVe file, plain or .gz.
    pub path: PathBuf,
    /// Where the file can be downloaded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// The SHA-256 of the file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// How the vectors of a text's words become one.
    #[serde(default = "mean")]
    pub combiner: Combiner,
    /// Whether words are looked up in lower case only (true) or as written only (false); when left out:
    /// as written, and in lower case where the file doesn't hold that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lowercase: Option<bool>,
    /// Whether training moves the vectors.
    #[serde(default)]
    pub trainable: bool,
}

fn mean() -> Combiner {
    Combiner::Mean
}

impl Settings {
    /// Every setting that can't be meant.
    pub fn faults(&self) -> Vec<Fault> {
        let mut faults = Vec::new();
        if self.path.as_os_str().is_empty() {
            faults.push(Fault::new("path", "an empty path", "name a word2vec or GloVe file"));
        }
        if self.sha256.as_ref().is_some_and(|hash| hash.len() != 64 || !hash.bytes().all(|b| b.is_ascii_hexdigit())) {
            faults.push(Fault::new("sha256", "not a SHA-256", "64 hex digits, as `sha256sum` prints them"));
        }
        faults
    }
}

/// The rows of a word vector file that occur in the texts.
#[derive(Debug)]
pub(crate) struct WordVectors {
    dim: usize,
    file_rows: u64,
    /// Row after row, in the order of the file.
    values: Vec<f32>,
    ids: HashMap<Box<[u8]>, u32>,
    lowercase: Option<bool>,
    combiner: Combiner,
    digest: Digest,
}

/// Reads the rows of the words that occur in `texts.all`.
///
/// # Errors
/// When the file is missing, damaged, of another kind, or has another hash than the settings say.
pub(super) fn open(settings: &Settings, base: &Path, texts: Texts<'_>) -> Result<WordVectors, Error> {
    let path = base.join(&settings.path);
    let mut stream = Stream::open(&path, settings.url.is_some())?;
    let mut wanted = Wanted::new(tokens::candidates(texts.all, settings.lowercase));
    let outcome = read(&mut stream, &mut wanted);
    // A file with another hash is the wrong file, which says more than what is odd about its content.
    let found = stream.finish()?;
    if let Some(expected) = settings.sha256.as_ref().filter(|hash| !hash.eq_ignore_ascii_case(&found)) {
        return Err(Error::Hash { path, expected: expected.to_ascii_lowercase(), found });
    }
    let shape = outcome?;
    let rules = format!("word_vectors/1 lowercase={:?} combiner={:?}", settings.lowercase, settings.combiner);
    let (values, ids) = wanted.into_found();
    Ok(WordVectors {
        dim: shape.dim,
        file_rows: shape.rows,
        values,
        ids,
        lowercase: settings.lowercase,
        combiner: settings.combiner,
        digest: Digest::of_parts([rules.as_bytes(), words::RULES.as_bytes(), found.as_bytes()]),
    })
}

/// What a file turned out to hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Shape {
    rows: u64,
    dim: usize,
}

fn read(stream: &mut Stream, wanted: &mut Wanted) -> Result<Shape, Error> {
    match sniff::format(stream)? {
        Format::Binary(shape) => binary::read(stream, shape, wanted),
        Format::Text(shape) => text::read(stream, Some(shape), wanted),
        Format::Glove => text::read(stream, None, wanted),
    }
}

impl Lookup for WordVectors {
    fn dim(&self) -> usize {
        self.dim
    }

    fn table_rows(&self) -> u64 {
        self.file_rows
    }

    fn rows(&self) -> usize {
        self.values.len() / self.dim
    }

    fn token_ids(&self, text: &[u8], ids: &mut Vec<u32>) {
        let known = |form: &str| self.ids.get(form.as_bytes()).copied();
        tokens::resolve(&words::normalised(text), self.lowercase, known, ids);
    }

    fn row(&self, id: u32) -> &[f32] {
        let start = id as usize * self.dim;
        &self.values[start..start + self.dim]
    }

    fn combiner(&self) -> Combiner {
        self.combiner
    }

    fn digest(&self) -> Digest {
        self.digest.clone()
    }
}

#[cfg(test)]
mod tests;
