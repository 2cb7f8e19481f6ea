//! An embedding that was fitted in training, and embeds any later text exactly as training did.
//!
//! An opened source, what was learned from the training texts ([`LearnedState`]) and, of a fine-tuned table, the rows
//! that training moved ([`TunedRows`]) enter; [`Features`] of texts leave, bit-equal to those that
//! [`features::embed`] gives the same texts. Which texts stand beside a text, and in what chunks they come, doesn't matter.

use std::path::Path;
use std::sync::Arc;

use emberline_base::{Bags, Digest, Features, Matrix, Splits, TextList, TunedRows, memory};
use emberline_device::Device;

use crate::combine::Pooling;
use crate::encode::Encoding;
use crate::features::{self, Shortening, Wanted};
use crate::reduce::{Projection, Reduce};
use crate::tuned::Tuned;
use crate::{Error, LearnedState, Lookup, Opened, Source};

/// An embedding that needs no training texts any more.
pub struct FittedEmbedding {
    opened: Arc<Opened>,
    wanted: Wanted,
    projection: Option<Arc<Projection>>,
    digest: Digest,
    tuned: Option<Tuned>,
}

/// The rows of texts in a table, and the words of the rows.
#[derive(Clone, Debug, PartialEq)]
pub struct WordBags {
    /// The rows of each text.
    pub bags: Bags,
    /// The word of each row of the bags' table; none for a row without a word.
    pub words: Vec<Option<String>>,
    /// The text of each of the bags' tokens, if the source's rows have no words but tokens of their own text.
    pub tokens: Option<Vec<String>>,
}

impl FittedEmbedding {
    /// The embedding that training used, with the projection that [`features::embed`] fitted; `digest` is that of
    /// [`features::digest`]. It knows the rows
    /// of the texts that the source was opened for; [`reopen`](Self::reopen) gives one for any text.
    pub fn new(opened: Arc<Opened>, wanted: Wanted, projection: Option<Arc<Projection>>, digest: Digest) -> Self {
        Self { opened, wanted, projection, digest, tuned: None }
    }

    /// Opens the source again (paths relative to `base`) for texts that aren't known yet. `state` is what was learned from the
    /// training texts, none if nothing was ([`learned`](Self::learned)); `expected` is the digest of the training's embedding.
    ///
    /// # Errors
    /// When a file is missing or damaged, when the source, its settings or `state` aren't those of the training
    /// ([`Error::OtherSource`]), or there is too little memory.
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
        let wanted = source.wanted();
        let opened = source.bare().reopen(base, state, device)?;
        let origin = features::origin(&opened, &wanted);
        let known = state.map_or(expected, |state| &state.origin);
        if origin != *known {
            return other(known, origin);
        }
        let projection = projection(&opened, &wanted, state)?;
        Ok(Self { opened: Arc::new(opened), wanted, projection, digest: expected.clone(), tuned: None })
    }

    /// What was learned from the training texts: with the source's files and settings, all that [`reopen`](Self::reopen) needs.
    /// None if nothing was learned.
    pub fn learned(&self) -> Option<LearnedState> {
        let source = self.opened.learned();
        let is_learned = self.wanted.reduction.is_some_and(|reduction| reduction.reduce == Reduce::Pca);
        let projection = self.projection.clone().filter(|_| is_learned);
        if source.is_none() && projection.is_none() {
            return None;
        }
        let (origin, content) = (features::origin(&self.opened, &self.wanted), self.opened.digest());
        Some(LearnedState { source, projection, origin, content, embedding: self.digest.clone() })
    }

    /// The same embedding with a fine-tuned table: rows that training moved come from `table` `[rows, dim]`, in which `rows`
    /// names them, all others from the source.
    ///
    /// # Errors
    /// When the rows don't fit the table, or the source is no table.
    pub fn with_tuned(self, rows: TunedRows, table: Matrix) -> Result<Self, Error> {
        let Opened::Table(lookup) = self.opened.as_ref() else {
            return Err(Error::TunedRows { reason: "the embedding is an encoder of whole texts".into() });
        };
        let dim = self.projection.as_deref().map_or(lookup.dim(), Projection::dim);
        let tuned = Some(Tuned::new(lookup.as_ref(), dim, rows, table)?);
        Ok(Self { tuned, ..self })
    }

    /// The digest of the embedding, as [`features::digest`] gave it in training.
    pub fn digest(&self) -> &Digest {
        &self.digest
    }

    /// The opened source.
    pub fn opened(&self) -> &Arc<Opened> {
        &self.opened
    }

    /// What training took of the same texts: a vector per text, bags of rows of a fine-tuned table, or an encoder's layers.
    ///
    /// # Errors
    /// When an encoder can't compute, or there is too little memory.
    pub fn features(&self, texts: &dyn TextList, encoding: &mut Encoding<'_>) -> Result<Features, Error> {
        match self.opened.as_ref() {
            Opened::Table(table) if self.wanted.trainable => {
                Ok(Features::Tuned(self.with_rows(table.as_ref(), texts, |_, bags| Ok(bags))?))
            }
            Opened::Table(table) => Ok(Features::Frozen(self.pooled(table.as_ref(), texts)?)),
            Opened::Encoder(encoder) => {
                let texts = Splits { train: texts, valid: None, test: None };
                let shortening = Shortening::Fitted(self.projection.clone());
                Ok(features::of_encoder(encoder.as_ref(), &texts, &self.wanted, shortening, encoding)?.0.train)
            }
        }
    }

    /// A vector per text, `[texts, dim]`; of a fine-tuned table, its rows combined as those of a frozen one are.
    ///
    /// # Errors
    /// Those of [`features`](Self::features), and when training learned the mix of an encoder's layers: a model holds it.
    pub fn vectors(&self, texts: &dyn TextList, encoding: &mut Encoding<'_>) -> Result<Matrix, Error> {
        if let Opened::Table(table) = self.opened.as_ref() {
            return self.pooled(table.as_ref(), texts);
        }
        match self.features(texts, encoding)? {
            Features::Frozen(vectors) => Ok(vectors),
            Features::Tuned(_) | Features::Mixed(_) => {
                Err(Error::Unsupported("the mix of the layers was trained; take the model's own vectors".into()))
            }
        }
    }

    /// The rows of texts in the table and their words: what a text's vector is made of. None if the source is no table.
    ///
    /// # Errors
    /// When a row can't be made, or there is too little memory.
    pub fn word_bags(&self, texts: &dyn TextList) -> Result<Option<WordBags>, Error> {
        let Opened::Table(table) = self.opened.as_ref() else { return Ok(None) };
        let words = |lookup: &dyn Lookup, bags: &Bags| bags.rows.iter().map(|&row| lookup.row_word(row)).collect();
        let tokens = |lookup: &dyn Lookup| {
            let mut tokens = Vec::new();
            texts.all().all(|text| lookup.token_texts(text, &mut tokens)).then_some(tokens)
        };
        let named = |lookup: &dyn Lookup, bags: Bags| {
            let (words, tokens) = (words(lookup, &bags), tokens(lookup));
            Ok(WordBags { bags, words, tokens })
        };
        self.with_rows(table.as_ref(), texts, named).map(Some)
    }

    /// The whole table as a model sees it, `[rows, dim]`: shortened, and with the rows that training moved.
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
        if self.projection.is_some() || self.tuned.is_some() {
            return self.with_rows(table, texts, |lookup, bags| Ok(features::of_bags(&bags, Pooling::of(lookup))?));
        }
        let own = table.for_texts(texts)?;
        Ok(features::frozen(own.as_deref().unwrap_or(table), texts)?.0)
    }

    /// Gives `take` the table that has the rows of these texts, and their bags.
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

/// How a reopened source's vectors are made shorter.
fn projection(
    opened: &Opened,
    wanted: &Wanted,
    state: Option<&LearnedState>,
) -> Result<Option<Arc<Projection>>, Error> {
    let Some(reduction) = wanted.reduction else { return Ok(None) };
    let layers = |layers: usize| Ok::<_, Error>(if wanted.layers.shares(layers)?.is_some() { layers } else { 1 });
    let from = match opened {
        Opened::Table(table) => table.dim(),
        Opened::Encoder(encoder) => encoder.dim() / layers(encoder.layers())?,
    };
    if reduction.reduce != Reduce::Pca || reduction.dim >= from {
        // It follows from the lengths alone.
        let fitted = reduction.fit(from, || unreachable!("only principal components are learned from texts"))?;
        return Ok(fitted.map(Arc::new));
    }
    let learned = state.and_then(|state| state.projection.clone());
    let fits = |projection: &Projection| matches!(projection, Projection::Matrix { dim, weights } if *dim == reduction.dim && weights.len() == from * dim);
    match learned {
        Some(projection) if fits(&projection) => Ok(Some(projection)),
        _ => Err(Error::NotLearned { what: "the principal directions (`reduce = \"pca\"`)" }),
    }
}
