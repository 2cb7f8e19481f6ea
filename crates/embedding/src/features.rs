//! What training takes: a vector a text where the embedding is frozen, bags of rows where it is tuned.
//!
//! An opened source and the texts of every split enter, [`Features`] leave. Texts are worked on
//! side by side; the result doesn't depend on how many threads do it.

use std::sync::Arc;

use emberline_base::{Bags, Features, Matrix, Splits};
use rayon::prelude::*;

use crate::Lookup;
use crate::combine::combine;

/// The features of every split. `trainable`: one table, shared by the splits, of the rows that occur
/// in any of them, in the order of the source; a text with no known word has an empty bag.
/// Otherwise a fixed vector a text, zeros for a text with no known word.
pub fn features(lookup: &dyn Lookup, texts: &Splits<Vec<&str>>, trainable: bool) -> Splits<Features> {
    if trainable { tuned(lookup, texts) } else { texts.map(|_, texts| Features::Frozen(frozen(lookup, texts))) }
}

/// A vector a text, `[texts, dim]`.
fn frozen(lookup: &dyn Lookup, texts: &[&str]) -> Matrix {
    let mut matrix = Matrix::zeros(texts.len(), lookup.dim());
    let vectors = matrix.values_mut().par_chunks_exact_mut(lookup.dim());
    vectors.zip(texts).for_each_init(Vec::new, |ids, (vector, text)| {
        ids.clear();
        lookup.token_ids(text.as_bytes(), ids);
        combine(lookup, ids, vector);
    });
    matrix
}

fn tuned(lookup: &dyn Lookup, texts: &Splits<Vec<&str>>) -> Splits<Features> {
    let ids = texts.map(|_, texts| token_ids(lookup, texts));
    let mut occurs = vec![false; lookup.rows()];
    for (_, texts) in ids.iter() {
        texts.iter().flatten().for_each(|&id| occurs[id as usize] = true);
    }
    // The new row of every old one, and the old row of every new one.
    let mut new = vec![u32::MAX; lookup.rows()];
    let mut old = Vec::new();
    for id in (0..lookup.rows()).filter(|&id| occurs[id]) {
        new[id] = old.len() as u32;
        old.push(id as u32);
    }
    let mut table = Matrix::zeros(old.len(), lookup.dim());
    for (row, &id) in old.iter().enumerate() {
        table.row_mut(row).copy_from_slice(lookup.row(id));
    }
    let table = Arc::new(table);
    ids.map(|_, texts| {
        let mut offsets = vec![0];
        offsets.extend(texts.iter().scan(0, |end, ids| {
            *end += ids.len();
            Some(*end)
        }));
        let ids = texts.iter().flatten().map(|&id| new[id as usize]).collect();
        Features::Tuned(Bags { table: Arc::clone(&table), combiner: lookup.combiner(), offsets, ids })
    })
}

fn token_ids(lookup: &dyn Lookup, texts: &[&str]) -> Vec<Vec<u32>> {
    let ids_of = |text: &&str| {
        let mut ids = Vec::new();
        lookup.token_ids(text.as_bytes(), &mut ids);
        ids
    };
    texts.par_iter().map(ids_of).collect()
}

#[cfg(test)]
mod tests {
    use emberline_base::{Combiner, Digest};

    use super::*;

    /// Ten rows `[id, 10 * id]`; a text is digits, each its own id.
    struct Digits(Vec<[f32; 2]>);

    impl Lookup for Digits {
        fn dim(&self) -> usize {
            2
        }

        fn table_rows(&self) -> u64 {
            10
        }

        fn rows(&self) -> usize {
            10
        }

        fn token_ids(&self, text: &[u8], ids: &mut Vec<u32>) {
            ids.extend(text.iter().filter(|byte| byte.is_ascii_digit()).map(|byte| u32::from(byte - b'0')));
        }

        fn row(&self, id: u32) -> &[f32] {
            &self.0[id as usize]
        }

        fn combiner(&self) -> Combiner {
            Combiner::Sum
        }

        fn digest(&self) -> Digest {
            Digest::of(b"digits")
        }
    }

    fn digits() -> Digits {
        Digits((0..10u8).map(|id| [f32::from(id), 10.0 * f32::from(id)]).collect())
    }

    fn texts() -> Splits<Vec<&'static str>> {
        Splits { train: vec!["7 3 7", "none", "2"], valid: Some(vec!["9", ""]), test: None }
    }

    #[test]
    fn frozen_texts_are_vectors() {
        let features = features(&digits(), &texts(), false);
        assert_eq!(features.train, Features::Frozen(Matrix::new(3, 2, vec![17., 170., 0., 0., 2., 20.])));
        assert_eq!(features.valid, Some(Features::Frozen(Matrix::new(2, 2, vec![9., 90., 0., 0.]))));
        assert!(features.test.is_none());
    }

    #[test]
    fn tuned_texts_share_a_table_of_what_occurs() {
        let features = features(&digits(), &texts(), true);
        let (Features::Tuned(train), Some(Features::Tuned(valid))) = (&features.train, &features.valid) else {
            panic!("bags")
        };
        assert_eq!(train.table.values(), [2., 20., 3., 30., 7., 70., 9., 90.]);
        assert!(Arc::ptr_eq(&train.table, &valid.table));
        assert_eq!((&train.offsets[..], &train.ids[..]), (&[0, 3, 3, 4][..], &[2, 1, 2, 0][..]));
        assert_eq!((valid.of_text(0), valid.of_text(1)), (&[3][..], &[][..]));
    }

    #[test]
    fn texts_without_a_known_word_give_an_empty_table() {
        let texts = Splits { train: vec!["none"], valid: None, test: None };
        let Features::Tuned(bags) = features(&digits(), &texts, true).train else { panic!("bags") };
        assert_eq!((bags.table.rows(), bags.table.cols(), bags.of_text(0).len()), (0, 2, 0));
    }
}
