//! Source `model2vec`: static models distilled from sentence encoders, in the folders of the Python package
//! `model2vec`.
//!
//! In: a folder with a configuration, `model.safetensors` and `tokenizer.json`. Out: a [`StaticModel`], a table with
//! one row per token. A text is truncated to `max_length` times the median token's length in characters, then to
//! `max_length` tokens; unknown tokens are dropped, the rows of the others averaged, and the mean scaled to length 1
//! if the model says so (`normalize`). Reference: model2vec 0.10.0, `StaticModel.encode`. It rounds results to the
//! file's type if that is F16; here they keep 32 bits.
//!
//! [`files`] finds the files, [`table`] reads the rows, [`tokenizer`] turns a text into token ids, and [`cuts`] finds
//! where a text may be split, so that [`pieces`] tokenises each distinct piece once.

mod cuts;
mod files;
mod pieces;
mod table;
mod tokenizer;

#[cfg(test)]
mod tests;

use std::path::Path;

use emberline_base::{Combiner, Digest, Fault, canonical, file, memory};
use emberline_device::Device;
use safetensors::SafeTensors;

use self::files::Files;
use self::pieces::Pieces;
use self::table::Table;
use self::tokenizer::Tokenizer;
use super::file_settings::{file_settings, file_settings_methods};
use super::location::bytes_at;
use super::{SourceSettings, Texts};
use crate::{Error, Lookup, Opened, TokenizerFile, WordCounts};

/// The name and version of these rules, which is part of digests; it changes when they do.
const RULES: &str = "model2vec/2";

file_settings! {
    /// `[embedding.NAME.model2vec]`
    settings,
    /// The model: a folder with `model.safetensors`, `tokenizer.json` and `config.json`.
    path {}
    /// Where the model can be downloaded.
    url,
    /// The SHA-256 of what lies at the path: of a file, or of a folder as `emberline fetch` prints it.
    sha256 {
        /// Whether a text's vector is scaled to length 1; as the model says when left out.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub normalize: Option<bool>,
        /// The most tokens of a text that count; as the model says, or 512, when left out.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[schemars(range(min = 1))]
        pub max_length: Option<usize>,
    }
    /// The length to reduce vectors to; their own when left out.
    dim,
    /// How they are reduced; by truncation when left out.
    reduce,
    /// Whether training moves the table.
    trainable,
}

impl SourceSettings for Settings {
    file_settings_methods!("model2vec", "a model's folder");

    fn own_faults(&self) -> Vec<Fault> {
        let mut faults = Vec::new();
        if self.max_length == Some(0) {
            faults.push(Fault::new("max_length", "texts of 0 tokens", "at least 1; leave it out for the model's own"));
        }
        faults
    }

    fn length(&self, base: &Path) -> Option<usize> {
        let files = Files::find(&base.join(&self.path), None).ok()?;
        let tensors = file::read(&files.model).ok()?;
        let tensors = SafeTensors::deserialize(&tensors).ok()?;
        tensors.tensor(files.tensor).ok()?.shape().get(1).copied()
    }

    fn find_files(&self, base: &Path) -> Result<(), Error> {
        Files::find(&base.join(&self.path), self.url.as_deref()).map(drop)
    }

    fn reads_texts(&self) -> bool {
        true
    }

    /// The file, and its numbers in 32 bits.
    fn memory(&self, base: &Path, _: Texts<'_>) -> u64 {
        bytes_at(&base.join(&self.path), ".safetensors").saturating_mul(3)
    }

    fn open(&self, base: &Path, texts: Texts<'_>, _: Device) -> Result<Opened, Error> {
        Ok(Opened::Table(Box::new(open(self, base, texts)?)))
    }
}

/// A table with one row per token id, and the tokens of the texts it was opened for.
#[derive(Debug)]
pub(crate) struct StaticModel {
    table: Table,
    tokenizer: Tokenizer,
    pieces: Pieces,
    limits: Limits,
    normalize: bool,
    digest: Digest,
}

/// Opens a model for `texts.all`; `settings.path` is relative to `base`.
///
/// # Errors
/// [`Error::Missing`] when nothing is at the path, [`Error::Format`] when a file of the model is missing, damaged, or
/// doesn't fit the others.
fn open(settings: &Settings, base: &Path, texts: Texts<'_>) -> Result<StaticModel, Error> {
    let files = Files::find(&base.join(&settings.path), settings.url.as_deref())?;
    let config = files.config()?;
    let json = file::read(&files.tokenizer)?;
    let tokenizer_fault = |reason: String| Error::format(&files.tokenizer, reason);
    let tokenizer = Tokenizer::new(&json).map_err(tokenizer_fault)?;
    let tensors = file::read(&files.model)?;
    // A number takes at least one byte in the file, and four in the table.
    memory::probe(4 * tensors.len() as u64)?;
    let fault = |reason: String| Error::format(&files.model, reason);
    let table = Table::read(&tensors, files.tensor, tokenizer.tokens()).map_err(fault)?;
    let limits = Limits::new(settings.max_length.or(config.max_length), tokenizer.tokens().median_length);
    let pieces = Pieces::of(texts.all.iter().map(|text| limits.cut(text)), &tokenizer).map_err(tokenizer_fault)?;
    let normalize = settings.normalize.unwrap_or(config.normalize);
    let rules = format!("{RULES} normalize={normalize} max_length={}", canonical(&limits.tokens));
    let digest = Digest::of_parts([rules.as_bytes(), &tensors, &json]);
    Ok(StaticModel { table, tokenizer, pieces, limits, normalize, digest })
}

/// The limits that a text is truncated to.
#[derive(Clone, Copy, Debug)]
struct Limits {
    characters: usize,
    /// The maximum number of tokens, including unknown ones.
    tokens: usize,
}

impl Limits {
    fn new(max_length: Option<usize>, median_length: usize) -> Self {
        let tokens = max_length.unwrap_or(usize::MAX);
        Self { characters: max_length.map_or(usize::MAX, |tokens| tokens.saturating_mul(median_length)), tokens }
    }

    /// Truncates a text to its first characters (code points).
    fn cut<'t>(&self, text: &'t str) -> &'t str {
        if text.len() <= self.characters {
            return text;
        }
        text.char_indices().nth(self.characters).map_or(text, |(end, _)| &text[..end])
    }
}

impl Lookup for StaticModel {
    fn dim(&self) -> usize {
        self.table.dim
    }

    fn table_rows(&self) -> u64 {
        self.table.file_rows
    }

    /// The tokens counted are pieces of words; the unknown token, which replaces what no piece fits, isn't known.
    fn token_ids(&self, text: &[u8], ids: &mut Vec<u32>) -> WordCounts {
        let text = String::from_utf8_lossy(text);
        let start = ids.len();
        self.pieces.token_ids(self.limits.cut(&text), &self.tokenizer, ids);
        ids.truncate(start.saturating_add(self.limits.tokens));
        let pieces = ids.len() - start;
        if let Some(unknown) = self.tokenizer.unknown() {
            let mut kept = start;
            for at in start..ids.len() {
                ids[kept] = ids[at];
                kept += usize::from(ids[at] != unknown);
            }
            ids.truncate(kept);
        }
        WordCounts { all: pieces as u32, ..WordCounts::all_known(ids.len() - start) }
    }

    fn table(&self) -> &[f32] {
        &self.table.values
    }

    fn combiner(&self) -> Combiner {
        Combiner::Mean
    }

    fn normalize(&self) -> bool {
        self.normalize
    }

    fn one_by_one(&self) -> bool {
        self.table.narrow
    }

    fn digest(&self) -> Digest {
        self.digest.clone()
    }

    fn tokenizer_file(&self) -> Result<TokenizerFile, String> {
        let max_length = Some(self.limits.tokens).filter(|&tokens| tokens < usize::MAX);
        Ok(TokenizerFile { json: self.tokenizer.json()?, max_length, adds_unknown: false })
    }

    fn row_word(&self, id: u32) -> Option<String> {
        self.tokenizer.token(id)
    }
}
