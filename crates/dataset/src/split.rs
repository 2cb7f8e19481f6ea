//! Which rows go where: every stratum is put into an order that depends on each text alone, and cut at borders.
//!
//! A unit is what stays together: the rows of one text, or of one group. The units of a stratum (a class) lie in the order of
//! their keys, which are hashes of the texts or, for a split by time, the times. A border is a number of rows, counted from the
//! front over all strata; each stratum's part of it follows Webster's method (Sainte-Lague), and a unit lies before a border if
//! at least half of it does.
//!
//! - **One row more moves little.** Its unit takes its place among the others, and the part of each stratum in a border changes by
//!   one row at most (the method is monotone in the sizes and in the count). So at each border at most one unit of a stratum
//!   changes sides.
//! - **Smaller splits are subsets**, since a part never shrinks when the count grows; no border depends on a later one.
//! - **Counts are exact where units are single rows.** A larger unit goes whole to one side, so that a count is met up to
//!   half a unit a stratum, and no row is lost.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;

/// The units of some rows, by stratum, each stratum in order.
pub(crate) struct StratifiedSampler {
    /// The rows, unit by unit.
    members: Vec<u32>,
    strata: Vec<Stratum>,
}

/// The units of one stratum.
#[derive(Default)]
struct Stratum {
    /// In order.
    units: Vec<Unit>,
    /// Rows of all.
    size: usize,
}

/// Rows that stay together.
struct Unit {
    key: u128,
    /// The first of its rows: among equal keys the earlier unit comes first.
    row: u32,
    /// Where its rows begin in `members`.
    start: u32,
    length: u32,
}

impl StratifiedSampler {
    /// Orders the units of some rows. `unit_of`, `stratum_of`: of every row there is; without strata all are in one. `key_of`:
    /// of the rows of a unit.
    pub(crate) fn new(
        rows: &[u32],
        unit_of: &[u32],
        stratum_of: Option<&[u32]>,
        key_of: impl Fn(&[u32]) -> u128,
    ) -> Self {
        let (members, ends) = by_unit(rows, unit_of);
        let mut strata: Vec<Stratum> = Vec::new();
        let mut start = 0;
        for end in ends {
            if start < end {
                let rows = &members[start as usize..end as usize];
                let stratum = stratum_of.map_or(0, |strata| majority(rows, strata)) as usize;
                if strata.len() <= stratum {
                    strata.resize_with(stratum + 1, Stratum::default);
                }
                strata[stratum].size += rows.len();
                strata[stratum].units.push(Unit { key: key_of(rows), row: rows[0], start, length: end - start });
            }
            start = end;
        }
        strata.iter_mut().for_each(|stratum| stratum.units.sort_unstable_by_key(|unit| (unit.key, unit.row)));
        Self { members, strata }
    }

    /// The rows between borders, in the order of the file. The first piece begins behind `start` rows, the others where the
    /// piece before them ends; the last one holds the rows behind all borders, and those before the start, at which the order
    /// goes on behind its end. `borders`: rows behind the start, ascending.
    pub(crate) fn cut(&self, start: usize, borders: &[usize]) -> Vec<Vec<u32>> {
        let sizes: Vec<usize> = self.strata.iter().map(|stratum| stratum.size).collect();
        let starts = cyclic_quotas(&sizes, start);
        let ends: Vec<Vec<usize>> = borders.iter().map(|border| cyclic_quotas(&sizes, start + border)).collect();
        let mut pieces = vec![Vec::new(); borders.len() + 1];
        for (at, stratum) in self.strata.iter().enumerate() {
            let mut before = 0;
            for unit in &stratum.units {
                let length = unit.length as usize;
                // Twice the middle of the unit, a whole number: a unit of one row behind 3 others has its middle at 3.5.
                let mut middle = 2 * before + length;
                before += length;
                if middle <= 2 * starts[at] {
                    middle += 2 * stratum.size;
                }
                let piece = ends.iter().position(|end| middle <= 2 * end[at]).unwrap_or(borders.len());
                pieces[piece].extend_from_slice(&self.members[unit.start as usize..][..length]);
            }
        }
        pieces.iter_mut().for_each(|piece| piece.sort_unstable());
        pieces
    }
}

/// The stratum of most of the rows; of equally many the first.
fn majority(rows: &[u32], stratum_of: &[u32]) -> u32 {
    let stratum = |row: &u32| stratum_of[*row as usize];
    if rows.iter().all(|row| stratum(row) == stratum(&rows[0])) {
        return stratum(&rows[0]);
    }
    let mut strata: Vec<u32> = rows.iter().map(stratum).collect();
    strata.sort_unstable();
    let runs = strata.chunk_by(|a, b| a == b);
    runs.max_by_key(|run| (run.len(), Reverse(run[0]))).map_or(0, |run| run[0])
}

/// The rows unit after unit, those of a unit as they came, and where each unit ends: sorted by counting, since units are
/// numbers without large gaps.
fn by_unit(rows: &[u32], unit_of: &[u32]) -> (Vec<u32>, Vec<u32>) {
    let unit_of = |row: u32| unit_of[row as usize] as usize;
    let units = rows.iter().map(|&row| unit_of(row) + 1).max().unwrap_or(0);
    let mut next = vec![0u32; units + 1];
    for &row in rows {
        next[unit_of(row) + 1] += 1;
    }
    for unit in 1..=units {
        next[unit] += next[unit - 1];
    }
    let mut members = vec![0; rows.len()];
    for &row in rows {
        let at = &mut next[unit_of(row)];
        members[*at as usize] = row;
        *at += 1;
    }
    next.truncate(units);
    (members, next)
}

/// The parts of a count that may go around: behind all rows the first ones come again.
fn cyclic_quotas(sizes: &[usize], count: usize) -> Vec<usize> {
    let total: usize = sizes.iter().sum();
    if count <= total {
        return quotas(sizes, count);
    }
    let again = quotas(sizes, count - total);
    sizes.iter().zip(again).map(|(size, again)| size + again).collect()
}

/// A row of a stratum in the order of all: the k-th row (from 0) of a stratum of n rows stands at (k + 1/2) / n of the
/// whole, here as (2 k + 1) / n. Two are compared without a division.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Seat {
    numerator: u64,
    denominator: u64,
    stratum: usize,
}

impl Ord for Seat {
    fn cmp(&self, other: &Self) -> Ordering {
        let across = |a: &Self, b: &Self| u128::from(a.numerator) * u128::from(b.denominator);
        across(self, other).cmp(&across(other, self)).then(self.stratum.cmp(&other.stratum))
    }
}

impl PartialOrd for Seat {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Shares `count` among strata in proportion to their sizes, by Webster's method: the first `count` seats in their order.
/// Of equal seats the lower stratum's comes first. No stratum gets more than its size.
fn quotas(sizes: &[usize], count: usize) -> Vec<usize> {
    let total: usize = sizes.iter().sum();
    if count >= total {
        return sizes.to_vec();
    }
    let seat =
        |stratum: usize, k: usize| Seat { numerator: 2 * k as u64 + 1, denominator: sizes[stratum] as u64, stratum };
    // Every seat up to 2 * count / total, the share of each stratum rounded; that is nearly as many as are wanted.
    let rounded = |size: usize| ((2 * size as u128 * count as u128 + total as u128) / (2 * total as u128)) as usize;
    let mut quotas: Vec<usize> = sizes.iter().map(|&size| rounded(size)).collect();
    let mut given: usize = quotas.iter().sum();
    let free = |stratum: usize, quota: usize| (quota < sizes[stratum]).then(|| Reverse(seat(stratum, quota)));
    let mut next: BinaryHeap<_> = (0..sizes.len()).filter_map(|stratum| free(stratum, quotas[stratum])).collect();
    while given < count {
        let Some(Reverse(Seat { stratum, .. })) = next.pop() else { break };
        quotas[stratum] += 1;
        given += 1;
        next.extend(free(stratum, quotas[stratum]));
    }
    let taken = |stratum: usize, quota: usize| quota.checked_sub(1).map(|last| seat(stratum, last));
    let mut last: BinaryHeap<_> = (0..sizes.len()).filter_map(|stratum| taken(stratum, quotas[stratum])).collect();
    while given > count {
        let Some(Seat { stratum, .. }) = last.pop() else { break };
        quotas[stratum] -= 1;
        given -= 1;
        last.extend(taken(stratum, quotas[stratum]));
    }
    quotas
}

#[cfg(test)]
mod tests;
