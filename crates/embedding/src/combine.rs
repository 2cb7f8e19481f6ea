//! Combines the rows of a text's tokens into one vector, summed in TensorFlow's order.
//!
//! In: the row ids of a text's tokens. Out: their sum, their mean, or their sum divided by the square root of their
//! number, equal bit for bit to TensorFlow's result on the CPU ([`savedmodel::segment`] describes the order); or the
//! largest value of each column. If the source says so, the vector is then scaled to length 1.

use emberline_base::Combiner;
use savedmodel::segment::{self, Reduction};

use crate::Lookup;

/// How the rows of a text become one vector.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pooling {
    /// How the rows are combined.
    pub combiner: Combiner,
    /// Whether the result is scaled to length 1.
    pub normalize: bool,
    /// Whether rows are always added one after another, instead of in TensorFlow's groups.
    pub one_by_one: bool,
}

impl Pooling {
    /// Returns the pooling of a table.
    pub fn of(lookup: &dyn Lookup) -> Self {
        Self { combiner: lookup.combiner(), normalize: lookup.normalize(), one_by_one: lookup.one_by_one() }
    }
}

/// Writes the vector of a text with these row ids into `out`, `[dim]`.
///
/// # Panics
/// When `out` isn't as long as a row, or an id isn't below [`Lookup::rows`].
pub fn combine(lookup: &dyn Lookup, ids: &[u32], out: &mut [f32]) {
    assert_eq!(out.len(), lookup.dim(), "room for one vector");
    pool(Pooling::of(lookup), ids, lookup.table(), out);
}

/// Writes the combination of these rows of a table, `[rows, dim]`, into `out`, `[dim]`.
pub(crate) fn pool(pooling: Pooling, ids: &[u32], table: &[f32], out: &mut [f32]) {
    let reduction = match pooling.combiner {
        Combiner::Sum => Some(Reduction::Sum),
        Combiner::Mean => Some(Reduction::Mean),
        Combiner::Sqrtn => Some(Reduction::SqrtN),
        Combiner::Max => None,
    };
    match reduction {
        Some(reduction) if pooling.one_by_one => segment::reduce_one_by_one(reduction, ids, table, out),
        Some(reduction) => segment::reduce(reduction, ids, table, out),
        None => largest(ids, table, out),
    }
    if pooling.normalize {
        normalize(out);
    }
}

/// Scales a vector to length 1; a vector of zeros stays as it is. The sum of squares is computed in 64 bits.
pub fn normalize(vector: &mut [f32]) {
    let length = vector.iter().map(|&v| f64::from(v) * f64::from(v)).sum::<f64>().sqrt();
    if length > 0.0 {
        vector.iter_mut().for_each(|v| *v = (f64::from(*v) / length) as f32);
    }
}

/// Writes the largest value of each column into `out`; zeros if there are no rows.
fn largest(ids: &[u32], table: &[f32], out: &mut [f32]) {
    let [first, rest @ ..] = ids else { return out.fill(0.0) };
    let dim = out.len();
    let row = |id: u32| &table[id as usize * dim..][..dim];
    out.copy_from_slice(row(*first));
    for &id in rest {
        out.iter_mut().zip(row(id)).for_each(|(largest, value)| *largest = largest.max(*value));
    }
}

#[cfg(test)]
mod tests {
    use emberline_base::{Digest, Matrix};

    use super::*;
    use crate::WordCounts;

    struct Table(Matrix, Combiner);

    impl Lookup for Table {
        fn dim(&self) -> usize {
            self.0.cols()
        }

        fn table_rows(&self) -> u64 {
            self.0.rows() as u64
        }

        fn token_ids(&self, _: &[u8], _: &mut Vec<u32>) -> WordCounts {
            WordCounts::default()
        }

        fn table(&self) -> &[f32] {
            self.0.values()
        }

        fn combiner(&self) -> Combiner {
            self.1
        }

        fn digest(&self) -> Digest {
            Digest::of(&[])
        }
    }

    /// The sum in groups differs from the sum of one row after another.
    #[test]
    fn many_rows_are_summed_in_groups_as_tensorflow_does() {
        let ids = [0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1];
        let (rows, mut out) = (Matrix::new(2, 1, vec![1e8, 1.0]), [f32::NAN]);
        for (combiner, expected) in [
            (Combiner::Sum, 1e8 + 8.0),
            (Combiner::Mean, (1e8 + 8.0) / 12.0),
            (Combiner::Sqrtn, (1e8 + 8.0) / 12.0_f32.sqrt()),
            (Combiner::Max, 1e8),
        ] {
            combine(&Table(rows.clone(), combiner), &ids, &mut out);
            assert_eq!(out, [expected], "{combiner:?}");
        }
    }

    #[test]
    fn no_tokens_give_zeros() {
        for combiner in [Combiner::Sum, Combiner::Mean, Combiner::Sqrtn, Combiner::Max] {
            let mut out = [f32::NAN; 3];
            combine(&Table(Matrix::zeros(1, 3), combiner), &[], &mut out);
            assert_eq!(out, [0.0; 3]);
        }
    }
}
