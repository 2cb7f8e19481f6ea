//! Sums over the rows of a matrix, in TensorFlow's order.
//!
//! In: the ids of rows. Out: their sum, mean, or sum divided by the square root of their number, equal bit for bit to
//! `SparseSegmentSum`, `-Mean` and `-SqrtN` of TensorFlow on the CPU in 32-bit floats
//! (`SparseSegmentReductionOpBase::Reduce`):
//!
//! | rows n | sum | scaled by |
//! |---|---|---|
//! | 0 | zeros | |
//! | 1 | the row itself | |
//! | 2 to 9 | left to right | times 1/n or 1/sqrt(n) |
//! | from 10 | groups, each left to right, added up in order: the first of n mod 8 rows (8 for 0, 9 for 1), then 8 each | divided by n or sqrt(n) |

/// How several rows are reduced to one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reduction {
    /// Their sum.
    Sum,
    /// Their sum divided by their number.
    Mean,
    /// Their sum divided by the square root of their number.
    SqrtN,
}

/// Reduces rows of a table, `[rows, cols]`, into `out`, `[cols]`.
///
/// # Panics
/// When an id is not below the number of rows.
pub fn reduce(reduction: Reduction, ids: &[u32], table: &[f32], out: &mut [f32]) {
    in_groups(reduction, first_group(ids.len()), ids, table, out);
}

/// Like [`reduce`], but always adds one row after another, however many there are.
///
/// # Panics
/// When an id is not below the number of rows.
pub fn reduce_one_by_one(reduction: Reduction, ids: &[u32], table: &[f32], out: &mut [f32]) {
    in_groups(reduction, ids.len(), ids, table, out);
}

/// Adds the first `alone` rows one after another, then groups of eight.
fn in_groups(reduction: Reduction, alone: usize, ids: &[u32], table: &[f32], out: &mut [f32]) {
    let [first, rest @ ..] = ids else { return out.fill(0.0) };
    let dim = out.len();
    let row = |id: u32| &table[id as usize * dim..][..dim];
    out.copy_from_slice(row(*first));
    let (alone, groups) = rest.split_at(alone - 1);
    add_each(out, alone, row);
    groups.chunks_exact(8).for_each(|ids| add_group(out, ids, row));
    scale(out, reduction, ids.len());
}

/// Adds rows one after another. Four are read at the same time: a table is larger than any cache, and waiting for one
/// row at a time would take most of the time.
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

/// Returns how many rows the first group has; the others have 8. Example: 17 rows are groups of 9 and 8, and 18 rows
/// are groups of 2, 8 and 8.
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

fn scale(sum: &mut [f32], reduction: Reduction, rows: usize) {
    let divisor = match reduction {
        Reduction::Sum => return,
        Reduction::Mean => rows as f32,
        Reduction::SqrtN => (rows as f32).sqrt(),
    };
    match rows {
        1 => {}
        2..=9 => sum.iter_mut().for_each(|value| *value *= 1.0 / divisor),
        _ => sum.iter_mut().for_each(|value| *value /= divisor),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Reduction; 3] = [Reduction::Sum, Reduction::Mean, Reduction::SqrtN];

    /// Expected values from `SparseSegmentSum`, `-Mean` and `-SqrtN` of TensorFlow 2.21 over the rows 0 to n of a
    /// table whose row r is `1 / (3 r + 1)` in every column.
    #[test]
    fn sums_are_tensorflows_bit_for_bit() {
        for (rows, expected) in [
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
            let ids: Vec<u32> = (0..rows).collect();
            for (reduction, expected) in ALL.into_iter().zip(expected) {
                for cols in [1, 20, 64, 131] {
                    let table: Vec<f32> = (0..70).flat_map(|row| vec![1.0 / (3 * row + 1) as f32; cols]).collect();
                    let mut out = vec![f32::NAN; cols];
                    reduce(reduction, &ids, &table, &mut out);
                    assert!(out.iter().all(|v| v.to_bits() == expected), "{rows} rows, {reduction:?}: {out:?}");
                }
            }
        }
    }

    #[test]
    fn no_rows_give_zeros() {
        for reduction in ALL {
            let mut out = [f32::NAN; 3];
            reduce(reduction, &[], &[0.0; 3], &mut out);
            assert_eq!(out, [0.0; 3]);
        }
    }

    #[test]
    fn one_by_one_is_another_order() {
        let table = [1e8, 1.0];
        let ids = [0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1];
        let (mut grouped, mut alone) = ([0.0_f32], [0.0_f32]);
        reduce(Reduction::Sum, &ids, &table, &mut grouped);
        reduce_one_by_one(Reduction::Sum, &ids, &table, &mut alone);
        assert_eq!((grouped, alone), ([1e8 + 8.0], [1e8]));
    }
}
