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
//! | fastText model, `.bin` or quantised `.ftz` | `ba 16 4f 2f` | `fasttext/` |
//! | finalfusion `.fifu` | `FiFu` | `finalfusion/` |
//!
//! Each may be gzipped (`1f 8b`); names of files are never looked at. How words of a text are
//! found in a vocabulary: `tokens.rs`. Where a word stands twice in a file, the first row wins. Only rows
//! that occur are looked into, and their numbers must be finite; the row structure is checked throughout.
//!
//! A model with subwords gives unknown words vectors too; a row of the table is then a word's composed vector, and
//! where the table is trained, words move one by one, not the n-grams that they share.
//!
//! fastText's own vector of a text, `get_sentence_vector`, needs `tokens = "fasttext"` and the combiner `mean`. For a model
//! that was trained without labels it is the mean of the words' vectors, each scaled to length 1 (`pre_normalize = true`).
//! For a supervised model it is the plain mean over the rows of the words and of the line's end `</s>`, which is added here
//! (and must not be scaled); with n-grams of characters or words it can't be had, and [`Lookup::warnings`] says so.

mod binary;
mod compose;
mod fasttext;
mod fields;
mod finalfusion;
mod settings;
mod sniff;
mod stream;
mod table;
mod text;
mod tokens;
mod wanted;
mod weights;

use std::path::Path;
use std::sync::Arc;

use emberline_base::sniff::Kind;
use emberline_base::warning::Code;
use emberline_base::{Combiner, Digest, TextList, Warning};
use emberline_device::memory;

use self::compose::{Asked, Loaded, Model};
pub use self::settings::Settings;
use self::sniff::Format;
use self::stream::Stream;
use self::table::Table;
pub use self::tokens::Tokens;
use self::wanted::Wanted;
pub use self::weights::Weights;
use super::place::bytes_at;
use super::{Texts, words};
use crate::learned::{Learned, WordWeights};
use crate::{Error, Lookup, RowKey, Words};

/// The kinds of files that are word vectors, or may be, under any name.
const FORMATS: [Kind; 4] = [Kind::Gzip, Kind::FastText, Kind::Finalfusion, Kind::Text];
/// The longest vector; the longest published word vectors have 1,024 numbers.
const MAX_DIM: u64 = 1 << 15;
/// The longest word, in bytes.
const MAX_WORD: usize = 1 << 12;

/// The rows of a word vector file that occur in the texts.
#[derive(Debug)]
pub(crate) struct WordVectors {
    table: Table,
    /// Makes the rows of texts that weren't known when the file was read.
    model: Option<Arc<Model>>,
    weights: Option<Arc<WordWeights>>,
    settings: Settings,
    origin: Digest,
    digest: Digest,
}

/// Reads the rows of the words that occur in `texts.all`.
///
/// # Errors
/// When the file is missing, damaged, of another kind, or has another hash than the settings say.
fn open(settings: &Settings, base: &Path, texts: Texts<'_>) -> Result<WordVectors, Error> {
    let rules = settings.rules();
    let (content, sha256) = read_file(settings, base, Asked { texts: Some(texts.all), rules })?;
    let mut vectors = WordVectors::new(settings, content.into_table()?, &sha256);
    vectors.table.remember(texts.all, rules);
    if let Some(weights) = settings.weights {
        let weights = weights.fit(&vectors.table, rules, texts.train);
        vectors.table.weigh(&weights);
        vectors.weights = Some(Arc::new(weights));
        vectors.digest = digest(settings, &sha256, texts.train, vectors.table.line.is_some());
    }
    Ok(vectors)
}

/// Reads every row, for texts that aren't known yet; `learned` are the weights of words, and the source's digest in training.
///
/// # Errors
/// Those of [`open`], and when there is too little memory for the whole file.
fn reopen(settings: &Settings, base: &Path, learned: Option<(WordWeights, Digest)>) -> Result<WordVectors, Error> {
    // The window's rows, and twice the table while it grows.
    memory::require(bytes_at(&base.join(&settings.path), "").saturating_mul(2))?;
    let (content, sha256) = read_file(settings, base, Asked { texts: None, rules: settings.rules() })?;
    let (table, model) = match content {
        Content::Table(table) => (table, None),
        Content::Model(Loaded { model, .. }) => (model.table(&[])?, Some(Arc::new(model))),
    };
    let mut vectors = WordVectors { model, ..WordVectors::new(settings, table, &sha256) };
    if let Some((weights, digest)) = learned {
        vectors.table.weigh(&weights);
        (vectors.weights, vectors.digest) = (Some(Arc::new(weights)), digest);
    }
    Ok(vectors)
}

impl WordVectors {
    /// The vectors before they are weighed.
    fn new(settings: &Settings, mut table: Table, sha256: &str) -> Self {
        if settings.pre_normalize {
            table.normalize();
        }
        let origin = digest(settings, sha256, &[], table.line.is_some());
        Self { table, model: None, weights: None, settings: settings.clone(), digest: origin.clone(), origin }
    }
}

/// What was read of a file.
enum Content {
    /// Words and their vectors.
    Table(Table),
    /// Words and n-grams, which vectors are made of.
    Model(Loaded),
}

impl Content {
    /// The vectors of the texts that the file was read for.
    fn into_table(self) -> Result<Table, Error> {
        match self {
            Self::Table(table) => Ok(table),
            Self::Model(Loaded { model, parts }) => {
                parts.map_or_else(|| model.table(&[]), |parts| model.compose(parts))
            }
        }
    }
}

/// Reads the settings' file, and gives its SHA-256 too.
fn read_file(settings: &Settings, base: &Path, asked: Asked<'_>) -> Result<(Content, String), Error> {
    let path = base.join(&settings.path);
    let mut stream = Stream::open(&path, settings.url.as_deref())?;
    let outcome = read(&mut stream, asked);
    // A file with another hash is the wrong file, which says more than what is odd about its content.
    let found = stream.finish()?;
    if let Some(expected) = settings.sha256.as_ref().filter(|hash| !hash.eq_ignore_ascii_case(&found)) {
        return Err(Error::Hash { path, expected: expected.to_ascii_lowercase(), found });
    }
    Ok((outcome?, found))
}

/// The length of a file's vectors, as far as its first bytes tell.
fn length(path: &Path) -> Option<usize> {
    let mut stream = Stream::open(path, None).ok()?;
    match sniff::format(&mut stream).ok()? {
        Format::Binary(shape) | Format::Text(shape) => Some(shape.dim),
        Format::Glove => text::dim_of(sniff::first_line(&mut stream).ok()?),
        Format::FastText => fasttext::dim_of(stream.window()),
        Format::Finalfusion => None,
    }
}

/// The content address. Weights depend on the training texts.
fn digest(settings: &Settings, sha256: &str, train: &[&str], reads_lines: bool) -> Digest {
    let mut description = settings.description();
    if reads_lines {
        description.push_str(" lines=1");
    }
    let head = [description.as_bytes(), words::RULES.as_bytes(), sha256.as_bytes()];
    let train = if settings.weights.is_some() { train } else { &[] };
    Digest::of_parts(head.into_iter().chain(train.iter().map(|text| text.as_bytes())))
}

/// What a file's header says that it holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Shape {
    rows: u64,
    dim: usize,
}

fn read(stream: &mut Stream, asked: Asked<'_>) -> Result<Content, Error> {
    let format = sniff::format(stream)?;
    let wanted = || asked.texts.map_or_else(Wanted::all, |texts| Wanted::new(tokens::candidates(texts, asked.rules)));
    match format {
        Format::Binary(shape) => binary::read(stream, shape, wanted()).map(Content::Table),
        Format::Text(shape) => text::read(stream, Some(shape), wanted()).map(Content::Table),
        Format::Glove => text::read(stream, None, wanted()).map(Content::Table),
        Format::FastText => fasttext::read(stream, asked).map(Content::Model),
        Format::Finalfusion => finalfusion::read(stream, asked).map(Content::Model),
    }
}

impl Lookup for WordVectors {
    fn dim(&self) -> usize {
        self.table.dim
    }

    fn table_rows(&self) -> u64 {
        self.table.file_rows
    }

    fn token_ids(&self, text: &[u8], ids: &mut Vec<u32>) -> Words {
        self.table.token_ids(text, self.settings.rules(), ids)
    }

    fn table(&self) -> &[f32] {
        &self.table.values
    }

    fn combiner(&self) -> Combiner {
        self.settings.combiner
    }

    fn normalize(&self) -> bool {
        self.settings.normalize
    }

    fn digest(&self) -> Digest {
        self.digest.clone()
    }

    fn origin(&self) -> Digest {
        self.origin.clone()
    }

    fn learned(&self) -> Option<Learned> {
        self.weights.as_deref().cloned().map(Learned::Weights)
    }

    fn row_key(&self) -> RowKey {
        RowKey::Word
    }

    fn row_word(&self, id: u32) -> Option<String> {
        self.table.words().get(id as usize).filter(|word| !word.is_empty()).cloned()
    }

    fn for_texts(&self, texts: &dyn TextList) -> Result<Option<Box<dyn Lookup>>, Error> {
        let Some(model) = &self.model else { return Ok(None) };
        let texts: Vec<_> = texts.all().map(String::from_utf8_lossy).collect();
        let texts: Vec<&str> = texts.iter().map(AsRef::as_ref).collect();
        let mut table = model.table(&texts)?;
        if self.settings.pre_normalize {
            table.normalize();
        }
        self.weights.iter().for_each(|weights| table.weigh(weights));
        let (settings, origin, digest) = (self.settings.clone(), self.origin.clone(), self.digest.clone());
        Ok(Some(Box::new(Self { table, model: None, weights: self.weights.clone(), settings, origin, digest })))
    }

    fn warnings(&self) -> Vec<Warning> {
        let Some(line) = self.table.line else { return Vec::new() };
        let reason = match (self.settings.pre_normalize, self.settings.combiner) {
            (true, _) => {
                Some("`pre_normalize` scales its words to length 1, which fastText does for unsupervised models only")
            }
            (false, Combiner::Mean) => line.differs,
            (false, _) => Some("fastText takes the mean; leave `combiner` out"),
        };
        let text = |reason| {
            format!(
                "`tokens` is \"fasttext\" and the model is supervised, but the vectors of texts are not those of fastText: {reason}."
            )
        };
        reason.map(|reason| Warning::new(Code::OtherThanFastText, text(reason))).into_iter().collect()
    }
}

#[cfg(test)]
mod tests;
