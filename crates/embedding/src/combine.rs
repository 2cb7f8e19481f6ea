//! One vector of a text's rows, summed in TensorFlow's order.
//!
//! In: the row ids of a text's tokens. Out: their sum, mean, or sum divided by the square root of their number, equal
//! bit for bit to `SparseSegmentSum`, `-Mean` and `-SqrtN` of TensorFlow on the CPU in 32-bit floats
//! (`SparseSegmentReductionOpBase::Reduce`):
//!
//! | tokens n | sum | scaled by |
//! |---|---|---|
//! | 0 | zeros | |
//! | 1 | the row itself | |
//! | 2 to 9 | left to right | times 1/n or 1/sqrt(n) |
//! | from 10 | groups, each left to right, added up in order: the first of n mod 8 rows (8 for 0, 9 for 1), then 8 each | divided by n or sqrt(n) |
//!
//! Or the largest value of each column. Where the source says so, the vector is scaled to length 1 afterwards.

use emberline_base::Combiner;

use crate::Lookup;

/// How rows become a vector.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pooling {
    /// How the rows are combined.
    pub combiner: Combiner,
    /// Whether the outcome is scaled to length 1.
    pub normalize: bool,
    /// Whether rows are added one after the other, however many they are.
    pub one_by_one: bool,
}

impl Pooling {
    /// That of a table.
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

/// Writes the vector of these rows of a table, `[rows, dim]`, into `out`, `[dim]`.
pub(crate) fn pool(pooling: Pooling, ids: &[u32], table: &[f32], out: &mut [f32]) {
    let [first, rest @ ..] = ids else { return out.fill(0.0) };
    let dim = out.len();
    let row = |id: u32| &table[id as usize * dim..][..dim];
    out.copy_from_slice(row(*first));
    if pooling.combiner == Combiner::Max {
        rest.iter().for_each(|&id| raise(out, row(id)));
    } else {
        let alone = if pooling.one_by_one { ids.len() } else { first_group(ids.len()) };
        let (alone, groups) = rest.split_at(alone - 1);
        add_each(out, alone, row);
        groups.chunks_exact(8).for_each(|ids| add_group(out, ids, row));
        scale(out, pooling.combiner, ids.len());
    }
    if pooling.normalize {
        normalize(out);
    }
}

/// Scales a vector to length 1; the vector 0 stays. The sum of squares is taken in 64 bits.
pub fn normalize(vector: &mut [f32]) {
    let length = vector.iter().map(|&v| f64::from(v) * f64::from(v)).sum::<f64>().sqrt();
    if length > 0.0 {
        vector.iter_mut().for_each(|v| *v = (f64::from(*v) / length) as f32);
    }
}

/// Adds rows one after the other. Four are read side by side: a table is larger than any cache, and waiting for one row
/// at a time would take most of the time.
fn add_each<'r>(sum: &mut [f32], ids: &[u32], row: impl Fn(u32) -> &'r [f32]) {
    let fours = ids.chunks_exact(4);
    let single = fours.remainder();
    for ids in fours {
        let next = |at: usize| &row(ids[at])[..sum.len()];
        let (a, b, c, d) = (next(0), next(1), next(2), next(3));
        for (at, sum) in sum.iter_mut().enumerate() {
            *sum = *sum + a[at] + b[at] + c[at] + d[at];
        }
    }
    single.iter().for_each(|&id| add(sum, row(id)));
}

/// Adds the sum of eight rows.
fn add_group<'r>(sum: &mut [f32], ids: &[u32], row: impl Fn(u32) -> &'r [f32]) {
    let next = |at: usize| &row(ids[at])[..sum.len()];
    let (a, b, c, d) = (next(0), next(1), next(2), next(3));
    let (e, f, g, h) = (next(4), next(5), next(6), next(7));
    for (at, sum) in sum.iter_mut().enumerate() {
        *sum += a[at] + b[at] + c[at] + d[at] + e[at] + f[at] + g[at] + h[at];
    }
}

/// How many rows the first group has; the others have 8.
fn first_group(tokens: usize) -> usize {
    match (tokens, tokens % 8) {
        (0..=9, _) => tokens,
        (_, 0) => 8,
        (_, 1) => 9,
        (_, rest) => rest,
    }
}

fn add(sum: &mut [f32], row: &[f32]) {
    for (sum, value) in sum.iter_mut().zip(row) {
        *sum += value;
    }
}

fn raise(largest: &mut [f32], row: &[f32]) {
    for (largest, value) in largest.iter_mut().zip(row) {
        *largest = largest.max(*value);
    }
}

fn scale(sum: &mut [f32], combiner: Combiner, tokens: usize) {
    let divisor = match combiner {
        Combiner::Sum | Combiner::Max => return,
        Combiner::Mean => tokens as f32,
        Combiner::Sqrtn => (tokens as f32).sqrt(),
    };
    match tokens {
        1 => {}
        2..=9 => sum.iter_mut().for_each(|value| *value *= 1.0 / divisor),
        _ => sum.iter_mut().for_each(|value| *value /= divisor),
    }
}

#[cfg(test)]
mod tests {
    use emberline_base::{Digest, Matrix};

    use super::*;
    use crate::Words;

    struct Table(Matrix, Combiner);

    impl Lookup for Table {
        fn dim(&self) -> usize {
            self.0.cols()
        }

        fn table_rows(&self) -> u64 {
            self.0.rows() as u64
        }

        fn token_ids(&self, _: &[u8], _: &mut Vec<u32>) -> Words {
            Words::default()
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

    /// Expectations from `SparseSegmentSum`, `-Mean` and `-SqrtN` of TensorFlow 2.21 over the rows 0 to n of a table
    /// whose row r is `1 / (3 r + 1)` in every column.
    #[test]
    fn sums_are_tensorflows_bit_for_bit() {
        for (tokens, expected) in [
            (1, [0x3f80_0000, 0x3f80_0000, 0x3f80_0000]),
            (2, [0x3fa0_0000, 0x3f20_0000, 0x3f62_4630]),
            (3, [0x3fb2_4925, 0x3eed_b6dc, 0x3f4d_ddda]),
            (9, [0x3fe2_9b5e, 0x3e49_6da9, 0x3f17_123f]),
            (10, [0x3fe7_2da6, 0x3e38_f152, 0x3f12_35c3]),
            (16, [0x3ffb_7dab, 0x3dfb_7dab, 0x3efb_7dab]),
            (17, [0x3ffe_1a66, 0x3def_27e8, 0x3ef6_8428]),
            (25, [0x4007_5846, 0x3dad_3dca, 0x3ed8_8d3d]),
            (31, [0x400b_f608, 0x3d90_79d7, 0x3ec9_1a1c]),
            (70, [0x401d_668f, 0x3d0f_e8bd, 0x3e96_80f8]),
        ] {
            let ids: Vec<u32> = (0..tokens).collect();
            for (combiner, expected) in [Combiner::Sum, Combiner::Mean, Combiner::Sqrtn].into_iter().zip(expected) {
                for cols in [1, 20, 64, 131] {
                    let values = (0..70).flat_map(|row| vec![1.0 / (3 * row + 1) as f32; cols]).collect();
                    let mut out = vec![f32::NAN; cols];
                    combine(&Table(Matrix::new(70, cols, values), combiner), &ids, &mut out);
                    assert!(out.iter().all(|v| v.to_bits() == expected), "{tokens} tokens, {combiner:?}: {out:?}");
                }
            }
        }
    }

    #[test]
    fn no_tokens_give_zeros() {
        for combiner in [Combiner::Sum, Combiner::Mean, Combiner::Sqrtn] {
            let mut out = [f32::NAN; 3];
            combine(&Table(Matrix::zeros(1, 3), combiner), &[], &mut out);
            assert_eq!(out, [0.0; 3]);
        }
    }
}
