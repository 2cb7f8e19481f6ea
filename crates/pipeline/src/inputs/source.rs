//! The stages from settings to features: opens a source, and embeds the texts with it.

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use emberline_base::record::KnownWords;
use emberline_base::{Features, SplitName, Splits, TextList, Warning};
use emberline_device::{Device, memory};
use emberline_embedding::encode::{Encoding, Event, Progress};
use emberline_embedding::features::{self, FeatureSpec};
use emberline_embedding::reduce::Projection;
use emberline_embedding::{Opened, Texts, WordCounts};
use serde::Serialize;

use super::data::Data;
use crate::Error;
use crate::checks::embedding_warnings;
use crate::plan::Cell;

/// The features of the texts, shared by the cells that need the same.
#[derive(Clone)]
pub(super) struct Embedded {
    pub(super) features: Arc<Splits<Features>>,
    pub(super) known_words: Option<KnownWords>,
    pub(super) words: Option<Arc<HeldOutWords>>,
    /// What users should know of the embedding of these texts; `cells` is empty.
    pub(super) warnings: Arc<[Warning]>,
    /// The projection that shortens the vectors, if it was learned from the texts.
    pub(super) projection: Option<Arc<Projection>>,
}

/// The words of each validation and test text, with those that a table knows.
pub(crate) struct HeldOutWords {
    words: Splits<Vec<WordCounts>>,
    /// Whether this process has written them to files.
    is_written: AtomicBool,
}

impl HeldOutWords {
    fn new(words: Splits<Vec<WordCounts>>) -> Arc<Self> {
        Arc::new(Self { words, is_written: AtomicBool::new(false) })
    }

    /// Calls `write` with the words of the validation and of the test texts, once per process.
    ///
    /// # Errors
    /// Those of `write`.
    pub(crate) fn write<E>(&self, mut write: impl FnMut(SplitName, &[WordCounts]) -> Result<(), E>) -> Result<(), E> {
        if self.is_written.swap(true, Ordering::Relaxed) {
            return Ok(());
        }
        let held_out = self.words.iter().filter(|(split, _)| *split != SplitName::Train);
        held_out.into_iter().try_for_each(|(split, words)| write(split, words))
    }
}

/// Number of texts that neural encoders were asked for. Within one encoding, equal texts count once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Encoded {
    /// All texts.
    pub texts: usize,
    /// Texts whose vectors came from the cache.
    pub cached: usize,
}

impl Encoded {
    /// Counts an encoding when its first event arrives.
    pub(super) fn count(&mut self, event: &Event) {
        if let Event::Progress(Progress { texts, cached, encoded: 0, .. }) = event {
            self.texts += texts;
            self.cached += cached;
        }
    }
}

/// Opens the cell's source.
pub(super) fn open(
    folder: &Path,
    device: Device,
    cell: &Cell,
    texts: &Splits<Vec<&str>>,
) -> Result<Arc<Opened>, Error> {
    let name = cell.embedding();
    let all: Vec<&str> = texts.iter().flat_map(|(_, texts)| texts.iter().copied()).collect();
    let opened = cell.opened_source().open(folder, Texts { all: &all, train: &texts.train }, device);
    opened.map(Arc::new).map_err(|source| Error::Embedding { name: name.to_owned(), source })
}

/// Computes the features of the cell's texts, after checking that there is enough memory.
pub(super) fn embed(
    cell: &Cell,
    opened: &Opened,
    data: &Data,
    wanted: &FeatureSpec,
    encoding: &mut Encoding<'_>,
) -> Result<Embedded, Error> {
    memory::require(size(opened, data, wanted)).map_err(emberline_train::Error::from)?;
    let made = features::embed(opened, &data.dataset.lists(), wanted, encoding);
    let made = made.map_err(|source| Error::Embedding { name: cell.embedding().to_owned(), source })?;
    let features::Embedded { features, known_words, words, projection } = made;
    let warnings = embedding_warnings(cell.embedding(), opened, &data.dataset, words.as_ref());
    let held_out = words.map(|words| HeldOutWords::new(Splits { train: Vec::new(), ..words }));
    let (features, warnings) = (Arc::new(features), warnings.into());
    Ok(Embedded { features, known_words, words: held_out, warnings, projection })
}

/// Returns how many of the texts an encoder still has to encode, or `None` for other sources.
pub(super) fn survey(opened: &Opened, data: &Data, encoding: &mut Encoding<'_>) -> Option<Progress> {
    let Opened::Encoder(encoder) = opened else { return None };
    let texts = data.dataset.lists();
    let all: Vec<&[u8]> = texts.iter().flat_map(|(_, texts)| texts.all()).collect();
    Some(encoding.survey(encoder.as_ref(), &all))
}

/// Encodes a share of the distinct texts, in the order of the data.
pub(super) fn encode_share(
    cell: &Cell,
    opened: &Opened,
    data: &Data,
    (part, parts): (usize, usize),
    encoding: &mut Encoding<'_>,
) -> Result<(), Error> {
    let Opened::Encoder(encoder) = opened else { return Ok(()) };
    let texts = data.dataset.lists();
    let mut seen = HashSet::new();
    let distinct: Vec<&[u8]> =
        texts.iter().flat_map(|(_, texts)| texts.all()).filter(|text| seen.insert(*text)).collect();
    let border = |part: usize| distinct.len() * part / parts.max(1);
    let share = &distinct[border(part)..border(part + 1)];
    let encoded = encoding.vectors(encoder.as_ref(), share);
    encoded.map(drop).map_err(|source| Error::Embedding { name: cell.embedding().to_owned(), source })
}

/// Returns the name of a source for people who list the cache.
pub(super) fn label(cell: &Cell) -> String {
    let (name, source) = cell.source();
    format!("{} {name}", source.kind())
}

/// Estimates the bytes that features take while they are computed: all vectors, twice if they are shortened, mixed or
/// split; and the ids of tokens with the table rows that they name.
fn size(opened: &Opened, data: &Data, wanted: &FeatureSpec) -> u64 {
    let rows: usize = data.dataset.splits.iter().map(|(_, rows)| rows.len()).sum();
    let bytes =
        data.dataset.splits.iter().flat_map(|(name, _)| data.dataset.texts_of(name)).map(str::len).sum::<usize>();
    let vectors = |dim: usize| (rows as u64).saturating_mul(4 * dim as u64);
    match (opened, wanted) {
        (Opened::Table(table), FeatureSpec { reduction: None, trainable: false, .. }) => vectors(table.dim()),
        (Opened::Table(table), _) => {
            // A token takes at least two bytes of its text, including the space after it; usually six.
            let tokens = bytes as u64 / 2;
            let named = table.table_rows().min(tokens).saturating_mul(4 * table.dim() as u64);
            let vectors = if wanted.trainable && wanted.reduction.is_none() { 0 } else { vectors(table.dim()) };
            named.saturating_mul(2).saturating_add(vectors.saturating_mul(2)).saturating_add(8 * tokens)
        }
        // A token id takes four bytes, and at least one of its text.
        (Opened::Encoder(_), FeatureSpec { fine_tuning: Some(_), .. }) => 4 * bytes as u64 + 16 * rows as u64,
        (Opened::Encoder(encoder), _) => vectors(encoder.dim()).saturating_mul(2),
    }
}
