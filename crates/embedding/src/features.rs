//! Builds training features: one vector per text for a frozen embedding, bags of table rows for a fine-tuned one.
//!
//! An opened source and the texts of every split enter; [`Features`] leave (token ids for an encoder that is fine-tuned), with the share of the texts' words that
//! the table knows, which is counted during the look-up. Texts are processed in parallel; the result doesn't depend
//! on the number of threads.

mod bags;
mod layers;
mod reduction;
mod table;

use std::sync::Arc;

use emberline_base::record::KnownWords;
use emberline_base::{Digest, Features, Splits, TextList};
use emberline_encoder::fine_tune::Scope;
use rayon::prelude::*;

pub(crate) use self::bags::{bags, pooled_bags};
pub(crate) use self::layers::encoder_features;
pub(crate) use self::reduction::ReductionStep;
pub(crate) use self::table::frozen_vectors;

use crate::encode::Encoding;
use crate::known::{self, WordCounts};
use crate::layers::Layers;
use crate::reduce::{Projection, Reduction};
use crate::{Error, Opened, Quantize};

/// The version of the computation in this module: pooling, the mix of layers, and reduction. Raise it when the same
/// source, settings and texts give other numbers; an encoder has a version of its own.
const COMPUTATION: u32 = 1;

/// Texts per parallel work item.
const CHUNK_TEXTS: usize = 32;

/// How features are derived from a source's vectors: the layer mix, the reduction, the quantisation, and whether they are
/// fine-tuned.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FeatureSpec {
    /// How the layers of an encoder become one vector.
    pub layers: Layers,
    /// How vectors are reduced to fewer dimensions. `None`: they keep their length.
    pub reduction: Option<Reduction>,
    /// The type that a text's vector is stored in, after reduction. A fine-tuned embedding has 32 bits.
    pub quantize: Quantize,
    /// Whether training updates the table's rows; for an encoder with several layers, the weights of their mix.
    pub trainable: bool,
    /// Which weights of an encoder training updates. `None`: it updates no encoder.
    pub fine_tuning: Option<Scope>,
}

impl FeatureSpec {
    /// Refuses the quantisation of an embedding that training updates.
    fn check(&self) -> Result<(), Error> {
        if self.trainable && !self.quantize.is_f32() {
            let name = self.quantize.name();
            let message = format!("`quantize = \"{name}\"` is of frozen vectors; training updates numbers of 32 bits");
            return Err(Error::Unsupported(message));
        }
        Ok(())
    }
}

/// The features of every split, with what was learned and counted while they were built.
#[derive(Clone, Debug)]
pub struct Embedded {
    /// The training features.
    pub features: Splits<Features>,
    /// How many words of the texts the table knows. `None` for an encoder of whole texts.
    pub known_words: Option<KnownWords>,
    /// The word counts of each text, in order. `None` for an encoder, and for a source without a vocabulary.
    pub words: Option<Splits<Vec<WordCounts>>>,
    /// The projection that reduced the vectors; it may have been learned from the training texts.
    pub projection: Option<Arc<Projection>>,
}

/// Embeds texts and returns the features alone, those of [`embed()`].
///
/// # Errors
/// Those of [`embed()`].
pub fn features(
    source: &Opened,
    texts: &Splits<impl TextList>,
    spec: &FeatureSpec,
    encoding: &mut Encoding<'_>,
) -> Result<Splits<Features>, Error> {
    Ok(embed(source, texts, spec, encoding)?.features)
}

/// Returns the features of every split, and the words that the table knows.
///
/// A fine-tuned table gives bags of rows of one table, shared by the splits, that has the rows occurring in any of
/// them, in the order of the source; a text without a known word has an empty bag. An encoder whose mix is trained
/// gives its layers. Otherwise the result is one fixed vector per text, zeros for a text without a known word. A text
/// is bytes and need not be UTF-8.
///
/// # Errors
/// When an encoder fails or is asked to be fine-tuned, when vectors can't be reduced to the given length, or when a
/// fine-tuned embedding is to be quantised.
pub fn embed(
    source: &Opened,
    texts: &Splits<impl TextList>,
    spec: &FeatureSpec,
    encoding: &mut Encoding<'_>,
) -> Result<Embedded, Error> {
    spec.check()?;
    let texts = &texts.map(|_, texts| texts as &dyn TextList);
    match source {
        Opened::Table(table) => {
            let (features, words, projection) = table::table_features(table.as_ref(), texts, spec)?;
            let features = features.into_map(|features| spec.quantize.features(features));
            let known_words = Some(known::known_words(&words));
            let words = table.has_vocabulary().then_some(words);
            Ok(Embedded { features, known_words, words, projection })
        }
        Opened::Encoder(encoder) => {
            let step = ReductionStep::Fit(spec.reduction);
            let (features, projection) = encoder_features(encoder.as_ref(), texts, spec, step, encoding)?;
            Ok(Embedded { features, known_words: None, words: None, projection })
        }
    }
}

/// Returns the word counts of each text without its vector, or `None` if the source has no vocabulary.
pub fn word_counts(source: &Opened, texts: &Splits<impl TextList>) -> Option<Splits<Vec<WordCounts>>> {
    let Opened::Table(table) = source else { return None };
    let count = |texts: &dyn TextList| {
        let of_text = |ids: &mut Vec<u32>, at| {
            ids.clear();
            table.token_ids(texts.text(at), ids)
        };
        (0..texts.count()).into_par_iter().map_init(Vec::new, of_text).collect()
    };
    table.has_vocabulary().then(|| texts.map(|_, texts| count(texts)))
}

/// Returns the content address of everything that decides a text's vector. `train` are the training texts, which a
/// reduction may learn from.
pub fn digest(source: &Opened, spec: &FeatureSpec, train: &impl TextList) -> Digest {
    digest_of(source, &source.digest(), spec, train)
}

/// Returns the digest without what was learned from the training texts: it can be computed again without them.
pub(crate) fn origin(source: &Opened, spec: &FeatureSpec) -> Digest {
    digest_of(source, &source.origin(), spec, &Vec::<&str>::new())
}

/// Returns the digest of an embedding whose source has the digest `content`.
fn digest_of(source: &Opened, content: &Digest, spec: &FeatureSpec, train: &impl TextList) -> Digest {
    let unit = matches!(source, Opened::Encoder(encoder) if encoder.is_unit());
    let (computation, dim, layers) = match source {
        Opened::Table(table) => (0, table.dim(), None),
        Opened::Encoder(encoder) if encoder.layers() == 1 => (encoder.computation(), encoder.dim(), None),
        Opened::Encoder(encoder) => (encoder.computation(), 0, Some(spec.layers.description())),
    };
    let versions = format!("features/{COMPUTATION} encoder/{computation} layers={}", layers.unwrap_or_default());
    let digest = Digest::of_parts([content.as_str().as_bytes(), versions.as_bytes()]);
    let digest = match spec.reduction {
        Some(reduction) if reduction.dim != dim => reduction.digest(&digest, unit, train),
        _ => digest,
    };
    match spec.quantize.digest_part() {
        Some(part) => Digest::of_parts([digest.as_str().as_bytes(), part.as_bytes()]),
        None => digest,
    }
}

#[cfg(test)]
mod tests;
