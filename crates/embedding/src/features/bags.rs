//! Bags of table rows: the token ids of each text, the table of the rows that occur, and the vectors pooled of them.

use std::sync::Arc;

use emberline_base::memory::{self, OutOfMemory};
use emberline_base::{Bags, Matrix, Splits, TextList};
use rayon::prelude::*;

use crate::Lookup;
use crate::combine::{Pooling, pool};
use crate::known::WordCounts;

/// Returns one vector per text, `[texts, dim]`.
pub(crate) fn pooled(bags: &Bags, pooling: Pooling) -> Result<Matrix, OutOfMemory> {
    let (texts, dim) = (bags.offsets.len() - 1, bags.table.cols());
    let mut matrix = Matrix::try_zeros(texts, dim)?;
    matrix.values_mut().par_chunks_exact_mut(dim).enumerate().for_each(|(text, vector)| {
        pool(pooling, bags.of_text(text), bags.table.values(), vector);
    });
    Ok(matrix)
}

/// Returns one vector per text as a head on a frozen embedding takes it, `[texts, dim]`.
pub(crate) fn pooled_bags(bags: &Bags, pooling: Pooling) -> Result<Matrix, OutOfMemory> {
    let mut vectors = pooled(bags, Pooling { normalize: false, ..pooling })?;
    if pooling.normalize {
        let dim = vectors.cols();
        vectors.values_mut().par_chunks_exact_mut(dim).for_each(crate::combine::normalize);
    }
    Ok(vectors)
}

/// The result of [`bags`]: bags of rows and word counts per split.
pub(crate) type SplitBags = (Splits<Bags>, Splits<Vec<WordCounts>>);

/// Returns the token ids of every text, the table of the rows that occur, and the word counts of every text.
pub(crate) fn bags(lookup: &dyn Lookup, texts: &Splits<&dyn TextList>) -> Result<SplitBags, OutOfMemory> {
    let (ids, words) = texts.try_map(|_, texts| token_ids(lookup, *texts))?.unzip();
    let (old, new) = occurring_rows(lookup, &ids)?;
    let mut table = Matrix::try_zeros(old.len(), lookup.dim())?;
    for (row, &id) in old.iter().enumerate() {
        table.row_mut(row).copy_from_slice(lookup.row(id));
    }
    let (table, rows) = (Arc::new(table), Arc::<[u32]>::from(old));
    let bags = ids.try_map(|_, texts| {
        let (offsets, ids) = joined(texts, &new)?;
        let (table, rows) = (Arc::clone(&table), Arc::clone(&rows));
        Ok(Bags { table, rows, combiner: lookup.combiner(), normalize: lookup.normalize(), offsets, ids })
    })?;
    Ok((bags, words))
}

/// Returns the rows of the table that occur in any text, ascending, and the place of each row of the table among them
/// (`u32::MAX` if it doesn't occur).
fn occurring_rows(lookup: &dyn Lookup, ids: &Splits<Vec<Vec<u32>>>) -> Result<(Vec<u32>, Vec<u32>), OutOfMemory> {
    let mut occurs = memory::filled(false, lookup.rows())?;
    for (_, texts) in ids.iter() {
        texts.iter().flatten().for_each(|&id| occurs[id as usize] = true);
    }
    let mut new = memory::filled(u32::MAX, lookup.rows())?;
    let mut old = Vec::new();
    for id in (0..lookup.rows()).filter(|&id| occurs[id]) {
        new[id] = old.len() as u32;
        old.push(id as u32);
    }
    Ok((old, new))
}

/// Joins the ids of all texts, renumbered by `new`, and returns where each text begins with them: for the texts
/// `[4, 9]` and `[4]`, and `new` = 4 -> 0, 9 -> 1, the offsets `[0, 2, 3]` and the ids `[0, 1, 0]`.
fn joined(texts: &[Vec<u32>], new: &[u32]) -> Result<(Vec<usize>, Vec<u32>), OutOfMemory> {
    let mut offsets = memory::with_capacity(texts.len() + 1)?;
    offsets.push(0);
    offsets.extend(texts.iter().scan(0, |end, ids| {
        *end += ids.len();
        Some(*end)
    }));
    let mut ids = memory::with_capacity(offsets.last().copied().unwrap_or_default())?;
    ids.extend(texts.iter().flatten().map(|&id| new[id as usize]));
    Ok((offsets, ids))
}

/// Returns the token ids and the word counts of each text.
fn token_ids(lookup: &dyn Lookup, texts: &dyn TextList) -> Result<(Vec<Vec<u32>>, Vec<WordCounts>), OutOfMemory> {
    let mut ids = vec![Vec::new(); texts.count()];
    let mut words = memory::filled(WordCounts::default(), texts.count())?;
    ids.par_iter_mut().zip(&mut words).enumerate().for_each(|(at, (ids, words))| {
        *words = lookup.token_ids(texts.text(at), ids);
    });
    Ok((ids, words))
}
