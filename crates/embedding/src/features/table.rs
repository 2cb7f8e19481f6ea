//! The features of a table of vectors: one combined vector per text, or bags of rows if the table is fine-tuned.

use std::borrow::Cow;
use std::sync::Arc;

use emberline_base::memory::{self, OutOfMemory};
use emberline_base::{Bags, Features, Matrix, Splits, TextList};
use rayon::prelude::*;

use super::bags::{bags, pooled, pooled_bags};
use super::reduction::ReductionStep;
use super::{CHUNK_TEXTS, FeatureSpec};
use crate::combine::{Pooling, combine};
use crate::known::WordCounts;
use crate::reduce::Projection;
use crate::{Error, Lookup};

/// The features of a table, the word counts of each text, and the projection of the vectors.
pub(crate) type TableFeatures = (Splits<Features>, Splits<Vec<WordCounts>>, Option<Arc<Projection>>);

pub(crate) fn table_features(
    table: &dyn Lookup,
    texts: &Splits<&dyn TextList>,
    spec: &FeatureSpec,
) -> Result<TableFeatures, Error> {
    if let FeatureSpec { reduction: None, trainable: false, .. } = spec {
        let (vectors, words) = texts.try_map(|_, texts| frozen_vectors(table, *texts))?.unzip();
        return Ok((vectors.into_map(Features::Frozen), words, None));
    }
    let (mut bags, words) = bags(table, texts)?;
    // The directions are those of the vectors before they are scaled to length 1.
    let unscaled = Pooling { normalize: false, ..Pooling::of(table) };
    let training = || Ok(Cow::Owned(pooled(&bags.train, unscaled)?));
    let projection = ReductionStep::Fit(spec.reduction).projection(table.dim(), false, training)?;
    if let Some(projection) = &projection {
        let table = Arc::new(projection.apply(&bags.train.table)?);
        bags = bags.into_map(|bags| Bags { table: Arc::clone(&table), ..bags });
    }
    if spec.trainable {
        return Ok((bags.into_map(Features::Trainable), words, projection));
    }
    let frozen = bags.try_map(|_, bags| Ok::<_, Error>(Features::Frozen(pooled_bags(bags, Pooling::of(table))?)))?;
    Ok((frozen, words, projection))
}

/// Returns one vector per text, `[texts, dim]`, and the word counts of each text.
pub(crate) fn frozen_vectors(
    lookup: &dyn Lookup,
    texts: &dyn TextList,
) -> Result<(Matrix, Vec<WordCounts>), OutOfMemory> {
    let dim = lookup.dim();
    let mut matrix = Matrix::try_zeros(texts.count(), dim)?;
    let mut words = memory::filled(WordCounts::default(), texts.count())?;
    let together =
        matrix.values_mut().par_chunks_mut(dim * CHUNK_TEXTS).zip(words.par_chunks_mut(CHUNK_TEXTS)).enumerate();
    together.for_each_init(Vec::new, |ids, (chunk, (vectors, words))| {
        for ((at, vector), words) in (chunk * CHUNK_TEXTS..).zip(vectors.chunks_exact_mut(dim)).zip(words) {
            ids.clear();
            *words = lookup.token_ids(texts.text(at), ids);
            combine(lookup, ids, vector);
        }
    });
    Ok((matrix, words))
}
