//! Source `word_vectors`: pretrained word vectors from one file.
//!
//! A file and the texts enter; a [`Lookup`] of the words that occur in the texts leaves. The crate [`wordvectors`]
//! reads the file once, from start to end, whatever its size and format; here, the words of texts become a query to
//! the file (`query.rs`, `tokens.rs`), and its vectors become a table (`table.rs`).
//!
//! A model with subwords has vectors for unknown words too; a row of the table is then the composed vector of a word,
//! and if the table is trained, words are updated one by one, not the n-grams that they share.
//!
//! fastText's own vector of a text, `get_sentence_vector`, needs `tokens = "fasttext"` and the combiner `mean`. For a
//! model that was trained without labels it is the mean of the words' vectors, each scaled to length 1
//! (`pre_normalize = true`). For a supervised model it is the plain mean over the rows of the words and of the end of
//! the line, `</s>`, which is added here (and must not be scaled); with n-grams of characters or words it can't be
//! computed, and [`Lookup::warnings`] says so.

mod query;
mod settings;
mod table;
mod tokens;
mod weights;

use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;

use emberline_base::file::{self, FileError};
use emberline_base::sniff::{self, Kind};
use emberline_base::warning::Code;
use emberline_base::{Combiner, Digest, OutOfMemory, TextList, Warning};
use emberline_device::memory::{self, InsufficientMemory};
use wordvectors::{Content, Difference, Model, VectorFile};

use self::query::WordsOf;
pub use self::settings::Settings;
use self::table::Table;
pub use self::tokens::Tokens;
pub use self::weights::Weights;
use super::location::{bytes_at, missing_hint};
use super::{Texts, words};
use crate::learned::{Learned, WordWeights};
use crate::{Case, Error, Lookup, RowKey, WordCounts};

/// The kinds of files that contain word vectors, or may contain them, whatever their names.
const FORMATS: [Kind; 4] = [Kind::Gzip, Kind::FastText, Kind::Finalfusion, Kind::Text];
/// The rows of a word vector file that occur in the texts.
#[derive(Debug)]
pub(crate) struct WordVectors {
    table: Table,
    /// Computes the rows of texts that weren't known when the file was read.
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
    let query = WordsOf { texts: Some(texts.all), rules };
    let (content, sha256) = read_file(settings, base, query)?;
    let read = content.into_vectors(&query).map_err(explained)?;
    let mut vectors = WordVectors::new(settings, Table::of(read), &sha256);
    vectors.table.remember(texts.all, rules);
    if let Some(weights) = settings.weights {
        let weights = weights.fit(&vectors.table, rules, texts.train);
        vectors.table.weigh(&weights);
        vectors.weights = Some(Arc::new(weights));
        vectors.digest = digest(settings, &sha256, texts.train, vectors.table.line.is_some());
    }
    Ok(vectors)
}

/// Reads every row, for texts that aren't known yet; `learned` holds the weights of words, and the source's digest in
/// training.
///
/// # Errors
/// Those of [`open`], and when there is too little memory for the whole file.
fn reopen(settings: &Settings, base: &Path, learned: Option<(WordWeights, Digest)>) -> Result<WordVectors, Error> {
    // The rows of the window, and twice the table while it grows.
    memory::require(bytes_at(&base.join(&settings.path), "").saturating_mul(2))?;
    let (content, sha256) = read_file(settings, base, WordsOf { texts: None, rules: settings.rules() })?;
    let (read, model) = match content {
        Content::Vectors(vectors) => (vectors, None),
        Content::Model(loaded) => {
            let none = WordsOf { texts: Some(&[]), rules: settings.rules() };
            (loaded.model.vectors(&none).map_err(explained)?, Some(Arc::new(loaded.model)))
        }
    };
    let mut vectors = WordVectors { model, ..WordVectors::new(settings, Table::of(read), &sha256) };
    if let Some((weights, digest)) = learned {
        vectors.table.weigh(&weights);
        (vectors.weights, vectors.digest) = (Some(Arc::new(weights)), digest);
    }
    Ok(vectors)
}

impl WordVectors {
    /// Returns the vectors before they are weighted.
    fn new(settings: &Settings, mut table: Table, sha256: &str) -> Self {
        if settings.pre_normalize {
            table.normalize();
        }
        let origin = digest(settings, sha256, &[], table.line.is_some());
        Self { table, model: None, weights: None, settings: settings.clone(), digest: origin.clone(), origin }
    }
}

/// Reads the settings' file, and returns its SHA-256 too.
fn read_file(settings: &Settings, base: &Path, query: WordsOf<'_>) -> Result<(Content, String), Error> {
    let path = base.join(&settings.path);
    let mut file = open_file(&path, settings.url.as_deref())?;
    let outcome = read(&path, &mut file, query);
    // A file with another hash is the wrong file, which is a more useful message than what is wrong with its content.
    let found = file.finish().map_err(explained)?;
    if let Some(expected) = settings.sha256.as_ref().filter(|hash| !hash.eq_ignore_ascii_case(&found)) {
        return Err(Error::Hash { path, expected: expected.to_ascii_lowercase(), found });
    }
    Ok((outcome?, found))
}

/// Opens a file. `url`: where it can be downloaded.
fn open_file(path: &Path, url: Option<&str>) -> Result<VectorFile, Error> {
    let about = fs::metadata(path).map_err(|source| match source.kind() {
        io::ErrorKind::NotFound => Error::Missing { path: path.to_owned(), hint: missing_hint(url) },
        _ => FileError::new("read", path)(source).into(),
    })?;
    if about.is_dir() {
        return Err(Error::format(path, "not a file; name the file with the word vectors"));
    }
    let file = file::open(path).map_err(FileError::new("read", path))?;
    VectorFile::new(path, file).map_err(explained)
}

/// Reads the vectors that the query asks for. Pickles, models and archives are refused by name.
fn read(path: &Path, file: &mut VectorFile, query: WordsOf<'_>) -> Result<Content, Error> {
    let head = file.head().map_err(explained)?;
    match sniff::kind(&head[..head.len().min(sniff::HEAD)]) {
        Some(found) if !FORMATS.contains(&found) => {
            Err(Error::format(path, found.mismatch_message("word vectors", sniff::FileUse::Model)))
        }
        _ => file.read(&query).map_err(explained),
    }
}

/// Converts an error of the word vector reader, for `map_err`.
fn explained(error: wordvectors::Error) -> Error {
    match error {
        wordvectors::Error::File { path, source } => FileError { action: "read", path, source }.into(),
        wordvectors::Error::Format { path, reason } => Error::format(path, reason),
        wordvectors::Error::OutOfMemory { bytes } => OutOfMemory { bytes }.into(),
        wordvectors::Error::Refused(reason) => match reason.downcast::<InsufficientMemory>() {
            Ok(lack) => (*lack).into(),
            Err(other) => Error::Unsupported(other.to_string()),
        },
    }
}

/// Returns the length of a file's vectors, as far as its first bytes show it.
fn length(path: &Path) -> Option<usize> {
    open_file(path, None).ok()?.into_dim()
}

/// Returns the content address. Weights depend on the training texts.
fn digest(settings: &Settings, sha256: &str, train: &[&str], reads_lines: bool) -> Digest {
    let mut description = settings.description();
    if reads_lines {
        description.push_str(" lines=1");
    }
    let head = [description.as_bytes(), words::RULES.as_bytes(), sha256.as_bytes()];
    let train = if settings.weights.is_some() { train } else { &[] };
    Digest::of_parts(head.into_iter().chain(train.iter().map(|text| text.as_bytes())))
}

impl Lookup for WordVectors {
    fn dim(&self) -> usize {
        self.table.dim
    }

    fn table_rows(&self) -> u64 {
        self.table.file_rows
    }

    fn token_ids(&self, text: &[u8], ids: &mut Vec<u32>) -> WordCounts {
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

    /// Only the words of the texts have been read: if none of those that are known has a capital, the file is taken for one in
    /// lower case.
    fn case(&self, _: &[String]) -> Case {
        let folds = self.settings.lowercase.unwrap_or(self.settings.tokens != Tokens::Fasttext);
        match (self.settings.lowercase, self.table.is_cased) {
            (Some(true), _) => Case::Ignored,
            (Some(false), _) if !self.table.words().iter().any(|word| word.contains(char::is_uppercase)) => {
                Case::LowerOnly
            }
            (_, true) => Case::Distinguished,
            (_, false) if folds => Case::Ignored,
            (_, false) => Case::LowerOnly,
        }
    }

    fn for_texts(&self, texts: &dyn TextList) -> Result<Option<Box<dyn Lookup>>, Error> {
        let Some(model) = &self.model else { return Ok(None) };
        let texts: Vec<_> = texts.all().map(String::from_utf8_lossy).collect();
        let texts: Vec<&str> = texts.iter().map(AsRef::as_ref).collect();
        let query = WordsOf { texts: Some(&texts), rules: self.settings.rules() };
        let mut table = Table::of(model.vectors(&query).map_err(explained)?);
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
            (false, Combiner::Mean) => line.differs.map(difference),
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

/// Explains why the mean over a text's words is not fastText's vector of the text.
fn difference(difference: Difference) -> &'static str {
    match difference {
        Difference::WordNgrams => "it was trained with n-grams of words (`wordNgrams`), which are not read here",
        Difference::CharacterNgrams => {
            "it has n-grams of characters (`maxn`), which fastText counts one by one and Emberline as parts of their word"
        }
    }
}

#[cfg(test)]
mod tests;
