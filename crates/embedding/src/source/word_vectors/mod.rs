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

use emberline_base::sniff::Kind;
use emberline_base::warning::Code;
use emberline_base::{Combiner, Digest, Warning};

use self::compose::Asked;
pub use self::settings::Settings;
use self::sniff::Format;
use self::stream::Stream;
use self::table::Table;
pub use self::tokens::Tokens;
use self::wanted::Wanted;
pub use self::weights::Weights;
use super::{Texts, words};
use crate::{Error, Lookup, Words};

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
    settings: Settings,
    digest: Digest,
}

/// Reads the rows of the words that occur in `texts.all`.
///
/// # Errors
/// When the file is missing, damaged, of another kind, or has another hash than the settings say.
fn open(settings: &Settings, base: &Path, texts: Texts<'_>) -> Result<WordVectors, Error> {
    let path = base.join(&settings.path);
    let mut stream = Stream::open(&path, settings.url.as_deref())?;
    let rules = settings.rules();
    let outcome = read(&mut stream, Asked { texts: texts.all, rules });
    // A file with another hash is the wrong file, which says more than what is odd about its content.
    let found = stream.finish()?;
    if let Some(expected) = settings.sha256.as_ref().filter(|hash| !hash.eq_ignore_ascii_case(&found)) {
        return Err(Error::Hash { path, expected: expected.to_ascii_lowercase(), found });
    }
    let mut table = outcome?;
    if settings.pre_normalize {
        table.normalize();
    }
    table.remember(texts.all, rules);
    if let Some(weights) = settings.weights {
        table.weigh(&weights.fit(&table, rules, texts.train));
    }
    let digest = digest(settings, &found, texts.train, table.line.is_some());
    Ok(WordVectors { table, settings: settings.clone(), digest })
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

fn read(stream: &mut Stream, asked: Asked<'_>) -> Result<Table, Error> {
    let format = sniff::format(stream)?;
    let wanted = || Wanted::new(tokens::candidates(asked.texts, asked.rules));
    match format {
        Format::Binary(shape) => binary::read(stream, shape, wanted()),
        Format::Text(shape) => text::read(stream, Some(shape), wanted()),
        Format::Glove => text::read(stream, None, wanted()),
        Format::FastText => fasttext::read(stream, asked),
        Format::Finalfusion => finalfusion::read(stream, asked),
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
