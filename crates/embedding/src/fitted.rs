//! A fitted embedding: embeds any later text exactly as training did.
//!
//! An opened source enters, with what was learned from the training texts ([`LearnedState`]) and, for a fine-tuned
//! table, the rows that training updated ([`TunedRows`]); [`Features`] of texts leave, bit-equal to those that
//! [`features::embed`] gives for the same texts. The result doesn't depend on the other texts of a call, or on how
//! texts are divided into chunks.

use std::path::Path;
use std::sync::Arc;

use emberline_base::{Bags, Digest, Features, Matrix, Splits, TextList, TunedRows, memory};
use emberline_device::Device;

use crate::combine::Pooling;
use crate::encode::Encoding;
use crate::features::{self, FeatureSpec, ReductionStep};
use crate::reduce::{Projection, Reduce};
use crate::tuned::TunedTable;
use crate::{Error, HostEncoder, LearnedState, Lookup, Opened, Quantize, Scope, Source};

/// An embedding that needs no training texts any more.
pub struct FittedEmbedding {
    opened: Arc<Opened>,
    spec: FeatureSpec,
    projection: Option<Arc<Projection>>,
    digest: Digest,
    tuned: Option<TunedTable>,
}

/// The table rows of texts, with the words of the rows.
#[derive(Clone, Debug, PartialEq)]
pub struct WordBags {
    /// The rows of each text.
    pub bags: Bags,
    /// The word of each row of the bags' table. `None` for a row without a word.
    pub words: Vec<Option<String>>,
    /// The text of each of the bags' tokens, if the source's rows have no words and its tokens have texts of their
    /// own.
    pub tokens: Option<Vec<String>>,
    /// How a text's vector is quantised.
    pub quantize: Quantize,
}

impl FittedEmbedding {
    /// Returns the embedding that training used, with the projection that [`features::embed`] fitted; `digest` is
    /// that of [`features::digest`]. It knows the rows of the texts that the source was opened for;
    /// [`reopen`](Self::reopen) returns one for any text.
    pub fn new(opened: Arc<Opened>, spec: FeatureSpec, projection: Option<Arc<Projection>>, digest: Digest) -> Self {
        Self { opened, spec, projection, digest, tuned: None }
    }

    /// Reopens the source (paths relative to `base`) for texts that aren't known yet. `state` is what was learned
    /// from the training texts, `None` if nothing was ([`learned`](Self::learned)); `expected` is the digest of the
    /// embedding in training.
    ///
    /// # Errors
    /// When a file is missing or damaged, when the source, its settings or `state` aren't those of the training
    /// ([`Error::OtherSource`]), or when there is too little memory.
    pub fn reopen(
        source: &Source,
        base: &Path,
        state: Option<&LearnedState>,
        expected: &Digest,
        device: Device,
    ) -> Result<Self, Error> {
        let other = |expected: &Digest, found: Digest| {
            Err(Error::OtherSource { kind: source.kind(), expected: expected.clone(), found })
        };
        if let Some(state) = state.filter(|state| state.embedding != *expected) {
            return other(expected, state.embedding.clone());
        }
        let spec = source.feature_spec();
        let opened = source.without_tuning().reopen(base, state, device)?;
        let origin = features::origin(&opened, &spec);
        let known = state.map_or(expected, |state| &state.origin);
        if origin != *known {
            return other(known, origin);
        }
        let projection = projection(&opened, &spec, state)?;
        Ok(Self { opened: Arc::new(opened), spec, projection, digest: expected.clone(), tuned: None })
    }

    /// Returns what was learned from the training texts: together with the source's files and settings, everything
    /// that [`reopen`](Self::reopen) needs. `None` if nothing was learned.
    pub fn learned(&self) -> Option<LearnedState> {
        let source = self.opened.learned();
        let is_learned = self.spec.reduction.is_some_and(|reduction| reduction.reduce == Reduce::Pca);
        let projection = self.projection.clone().filter(|_| is_learned);
        if source.is_none() && projection.is_none() {
            return None;
        }
        let (origin, content) = (features::origin(&self.opened, &self.spec), self.opened.digest());
        Some(LearnedState { source, projection, origin, content, embedding: self.digest.clone() })
    }

    /// Returns the same embedding with a fine-tuned table: rows that training updated come from `table` `[rows,
    /// dim]`, where `rows` names them, and all others from the source.
    ///
    /// # Errors
    /// When the rows don't fit the table, or the source isn't a table.
    pub fn with_tuned(self, rows: TunedRows, table: Matrix) -> Result<Self, Error> {
        let Opened::Table(lookup) = self.opened.as_ref() else {
            return Err(Error::TunedRows { reason: "the embedding is an encoder of whole texts".into() });
        };
        let dim = self.projection.as_deref().map_or(lookup.dim(), Projection::dim);
        let tuned = Some(TunedTable::new(lookup.as_ref(), dim, rows, table)?);
        Ok(Self { tuned, ..self })
    }

    /// Returns the same embedding with an encoder whose weights training updated: `arrays` are the values by name, those of
    /// [`HostEncoder::shapes`](crate::HostEncoder::shapes) in any order.
    ///
    /// # Errors
    /// If they aren't the arrays that this scope trains, or the source isn't a sentence encoder.
    pub fn with_tuned_encoder(self, scope: Scope, arrays: &[(&str, &[f32])]) -> Result<Self, Error> {
        let host = self.opened.fine_tune(scope)?;
        let values = tuned_values(&host, arrays)?;
        let opened = Arc::new(Opened::Encoder(Box::new(host.tuned(&values)?)));
        let spec = FeatureSpec { trainable: false, fine_tuning: None, ..self.spec };
        Ok(Self { opened, spec, ..self })
    }

    /// Writes the encoder with these weights as a folder of sentence-transformers, `folder`, which doesn't exist yet. Arguments and
    /// errors are those of [`with_tuned_encoder`](Self::with_tuned_encoder).
    ///
    /// # Errors
    /// If a file can't be written, too.
    pub fn export_tuned_encoder(&self, scope: Scope, arrays: &[(&str, &[f32])], folder: &Path) -> Result<(), Error> {
        let host = self.opened.fine_tune(scope)?;
        Ok(host.export(&tuned_values(&host, arrays)?, folder)?)
    }

    /// Returns the digest of the embedding, as [`features::digest`] gave it in training.
    pub fn digest(&self) -> &Digest {
        &self.digest
    }

    /// Returns the type that a text's vector is stored in.
    pub fn quantize(&self) -> Quantize {
        self.spec.quantize
    }

    /// The opened source.
    pub fn opened(&self) -> &Arc<Opened> {
        &self.opened
    }

    /// Returns the features that training used for the same texts: one vector per text, bags of rows of a fine-tuned
    /// table, or an encoder's layers.
    ///
    /// # Errors
    /// When an encoder fails, or there is too little memory.
    pub fn features(&self, texts: &dyn TextList, encoding: &mut Encoding<'_>) -> Result<Features, Error> {
        match self.opened.as_ref() {
            Opened::Table(table) if self.spec.trainable => {
                Ok(Features::Trainable(self.with_rows(table.as_ref(), texts, |_, bags| Ok(bags))?))
            }
            Opened::Table(table) => Ok(Features::Frozen(self.pooled(table.as_ref(), texts)?)),
            Opened::Encoder(encoder) => {
                let texts = Splits { train: texts, valid: None, test: None };
                let step = ReductionStep::Fitted(self.projection.clone());
                Ok(features::encoder_features(encoder.as_ref(), &texts, &self.spec, step, encoding)?.0.train)
            }
        }
    }

    /// Returns one vector per text, `[texts, dim]`. The rows of a fine-tuned table are combined as those of a frozen
    /// one are.
    ///
    /// # Errors
    /// Those of [`features`](Self::features), and when training learned the mix of an encoder's layers, which only
    /// the model holds.
    pub fn vectors(&self, texts: &dyn TextList, encoding: &mut Encoding<'_>) -> Result<Matrix, Error> {
        if let Opened::Table(table) = self.opened.as_ref() {
            return self.pooled(table.as_ref(), texts);
        }
        match self.features(texts, encoding)? {
            Features::Frozen(vectors) => Ok(vectors),
            Features::Trainable(_) | Features::Mixed(_) | Features::Tokens { .. } => {
                Err(Error::Unsupported("the mix of the layers was trained; take the model's own vectors".into()))
            }
        }
    }

    /// Returns the table rows of texts with their words, from which a text's vector is computed. `None` if the source
    /// isn't a table.
    ///
    /// # Errors
    /// When a row can't be computed, or there is too little memory.
    pub fn word_bags(&self, texts: &dyn TextList) -> Result<Option<WordBags>, Error> {
        let Opened::Table(table) = self.opened.as_ref() else { return Ok(None) };
        let words = |lookup: &dyn Lookup, bags: &Bags| bags.rows.iter().map(|&row| lookup.row_word(row)).collect();
        let tokens = |lookup: &dyn Lookup| {
            let mut tokens = Vec::new();
            texts.all().all(|text| lookup.token_texts(text, &mut tokens)).then_some(tokens)
        };
        let named = |lookup: &dyn Lookup, bags: Bags| {
            let (words, tokens) = (words(lookup, &bags), tokens(lookup));
            Ok(WordBags { bags, words, tokens, quantize: self.spec.quantize })
        };
        self.with_rows(table.as_ref(), texts, named).map(Some)
    }

    /// Returns the whole table as a model sees it, `[rows, dim]`: reduced, and with the rows that training updated.
    pub(crate) fn whole_table(&self, table: &dyn Lookup) -> Result<Matrix, Error> {
        let mut rows = Matrix::new(table.rows(), table.dim(), memory::copied(table.table())?);
        if let Some(projection) = &self.projection {
            rows = projection.apply(&rows)?;
        }
        if let Some(tuned) = &self.tuned {
            for id in 0..rows.rows() {
                tuned.row(table, id as u32).into_iter().for_each(|row| rows.row_mut(id).copy_from_slice(row));
            }
        }
        Ok(rows)
    }

    fn pooled(&self, table: &dyn Lookup, texts: &dyn TextList) -> Result<Matrix, Error> {
        let mut vectors = self.pooled_in_32_bits(table, texts)?;
        self.spec.quantize.apply(&mut vectors);
        Ok(vectors)
    }

    fn pooled_in_32_bits(&self, table: &dyn Lookup, texts: &dyn TextList) -> Result<Matrix, Error> {
        if self.projection.is_some() || self.tuned.is_some() {
            return self.with_rows(table, texts, |lookup, bags| Ok(features::pooled_bags(&bags, Pooling::of(lookup))?));
        }
        let own = table.for_texts(texts)?;
        Ok(features::frozen_vectors(own.as_deref().unwrap_or(table), texts)?.0)
    }

    /// Calls `take` with a table that has the rows of these texts, and with their bags.
    fn with_rows<T>(
        &self,
        table: &dyn Lookup,
        texts: &dyn TextList,
        take: impl FnOnce(&dyn Lookup, Bags) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let own = table.for_texts(texts)?;
        let table = own.as_deref().unwrap_or(table);
        let mut bags = features::bags(table, &Splits { train: texts, valid: None, test: None })?.0.train;
        if let Some(projection) = &self.projection {
            bags.table = Arc::new(projection.apply(&bags.table)?);
        }
        if let Some(tuned) = &self.tuned {
            tuned.overlay(table, &mut bags);
        }
        take(table, bags)
    }
}

/// Returns the values of an encoder's trained arrays in the encoder's order.
fn tuned_values<'a>(host: &HostEncoder, arrays: &[(&str, &'a [f32])]) -> Result<Vec<&'a [f32]>, Error> {
    let refused = |reason: String| Error::TunedEncoder { reason };
    let shapes = host.shapes();
    if shapes.len() != arrays.len() {
        return Err(refused(format!("there are {} arrays, and {} are trained", arrays.len(), shapes.len())));
    }
    let values = |(name, shape): (&str, &[usize])| {
        let found = arrays.iter().find(|(found, _)| *found == name).map(|(_, values)| *values);
        let values = found.ok_or_else(|| refused(format!("`{name}` is missing")))?;
        match shape.iter().product::<usize>() == values.len() {
            true => Ok(values),
            false => Err(refused(format!("`{name}` has {} numbers, not the shape {shape:?}", values.len()))),
        }
    };
    shapes.map(values).collect()
}

/// Returns the projection of a reopened source's vectors.
fn projection(
    opened: &Opened,
    spec: &FeatureSpec,
    state: Option<&LearnedState>,
) -> Result<Option<Arc<Projection>>, Error> {
    let Some(reduction) = spec.reduction else { return Ok(None) };
    let layers = |layers: usize| Ok::<_, Error>(if spec.layers.shares(layers)?.is_some() { layers } else { 1 });
    let (from, unit) = match opened {
        Opened::Table(table) => (table.dim(), false),
        Opened::Encoder(encoder) => (encoder.dim() / layers(encoder.layers())?, encoder.is_unit()),
    };
    if reduction.reduce != Reduce::Pca || reduction.dim >= from {
        // The projection follows from the lengths alone.
        let fitted = reduction.fit(from, unit, || unreachable!("only principal components are learned from texts"))?;
        return Ok(fitted.map(Arc::new));
    }
    let learned = state.and_then(|state| state.projection.clone());
    let fits = |projection: &Projection| matches!(projection, Projection::Matrix { dim, weights } if *dim == reduction.dim && weights.len() == from * dim);
    match learned {
        Some(projection) if fits(&projection) => Ok(Some(projection)),
        _ => Err(Error::NotLearned { what: "the principal directions (`reduce = \"pca\"`)" }),
    }
}
