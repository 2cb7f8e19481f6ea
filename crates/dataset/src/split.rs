//! Stratified, stable splitting: every stratum has an order that depends on each text alone, and is cut at borders.
//!
//! A unit is a set of rows that stay together: those of one text, or of one group. The units of a stratum (a class) are ordered
//! by their keys, which are hashes of the texts or, for a split by time, the times. A border is a number of rows, counted from
//! the front over all strata; Webster's method (Sainte-Lague) apportions it to the strata, and a unit is before a border if at
//! least half of it is.
//!
//! - **An added row moves few others.** Its unit is inserted into the order, and the quota of each stratum changes by at most one
//!   row (the method is monotone in the sizes and in the count). So at each border at most one unit per stratum changes sides.
//! - **Smaller splits are subsets** of larger ones, because a quota never shrinks when the count grows, and no border depends on
//!   a later one.
//! - **Counts are exact if units are single rows.** A larger unit is wholly on one side, so a count is exact up to half a unit per
//!   stratum, and no row is lost.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;

use rayon::prelude::*;

/// The fewest units whose keys a thread computes at a time.
const MIN_UNITS: usize = 512;

/// Cuts rows into pieces that keep the proportions of the strata.
pub(crate) struct StratifiedSampler {
    /// The rows, unit by unit.
    members: Vec<u32>,
    strata: Vec<Stratum>,
}

/// The units of one stratum.
#[derive(Default)]
struct Stratum {
    /// Ordered by their keys.
    units: Vec<Unit>,
    /// The number of rows in all units.
    size: usize,
}

/// Rows that stay together.
struct Unit {
    key: u128,
    /// Its first row: of units with equal keys, the one with the earlier row comes first.
    row: u32,
    /// The position of its first row in `members`.
    start: u32,
    length: u32,
}

impl StratifiedSampler {
    /// Orders the units of `rows`. `unit_of` and `stratum_of` are indexed by row, of all rows there are; without strata, all rows
    /// are in one. `key_of` returns the key of the rows of a unit.
    pub(crate) fn new(
        rows: &[u32],
        unit_of: &[u32],
        stratum_of: Option<&[u32]>,
        key_of: impl Fn(&[u32]) -> u128 + Sync,
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
                strata[stratum].units.push(Unit { key: 0, row: rows[0], start, length: end - start });
            }
            start = end;
        }
        for stratum in &mut strata {
            let rows_of = |unit: &Unit| &members[unit.start as usize..][..unit.length as usize];
            stratum.units.par_iter_mut().with_min_len(MIN_UNITS).for_each(|unit| unit.key = key_of(rows_of(unit)));
            stratum.units.par_sort_unstable_by_key(|unit| (unit.key, unit.row));
        }
        Self { members, strata }
    }

    /// Returns the rows between the borders, each piece in the order of the file. The first piece begins after `start` rows, each
    /// other piece where the one before it ends. The order is cyclic: the last piece holds the rows after all borders, and those
    /// before the start. `borders` are numbers of rows after the start, ascending.
    pub(crate) fn cut(&self, start: usize, borders: &[usize]) -> Vec<Vec<u32>> {
        let sizes: Vec<usize> = self.strata.iter().map(|stratum| stratum.size).collect();
        let starts = cyclic_quotas(&sizes, start);
        let ends: Vec<Vec<usize>> = borders.iter().map(|border| cyclic_quotas(&sizes, start + border)).collect();
        let mut pieces = vec![Vec::new(); borders.len() + 1];
        for (at, stratum) in self.strata.iter().enumerate() {
            let mut before = 0;
            for unit in &stratum.units {
                let length = unit.length as usize;
                // Twice the middle of the unit, which is a whole number: the middle of a unit of one row after 3 others is 3.5.
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

/// Returns the stratum of most of the rows; if several have equally many, the lowest.
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

/// Groups rows by unit. Returns the rows unit after unit, those of a unit in their given order, and where each unit ends. It is
/// a counting sort, because units are numbered without large gaps: rows `[5, 6, 7]` of units `[1, 0, 1]` become `[6, 5, 7]`, and
/// the units end at `[1, 3]`.
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

/// Returns the quotas of a count that may exceed the number of rows: after the last row, the first ones are counted again.
fn cyclic_quotas(sizes: &[usize], count: usize) -> Vec<usize> {
    let total: usize = sizes.iter().sum();
    if count <= total {
        return quotas(sizes, count);
    }
    let again = quotas(sizes, count - total);
    sizes.iter().zip(again).map(|(size, again)| size + again).collect()
}

/// A row of a stratum in the proportional order of all rows: the k-th row (from 0) of a stratum of n rows is at (k + 1/2) / n of
/// the whole, stored as (2 k + 1) / n. Two seats are compared without division, by cross-multiplication.
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

/// Apportions `count` to strata in proportion to their sizes, by Webster's method: it takes the first `count` seats in order. Of
/// equal seats, the one of the lower stratum comes first. No stratum gets more than its size.
fn quotas(sizes: &[usize], count: usize) -> Vec<usize> {
    let total: usize = sizes.iter().sum();
    if count >= total {
        return sizes.to_vec();
    }
    let seat =
        |stratum: usize, k: usize| Seat { numerator: 2 * k as u64 + 1, denominator: sizes[stratum] as u64, stratum };
    // The exact share of each stratum, rounded, is nearly the quota: the loops below add or remove the last few seats.
    let rounded = |size: usize| ((2 * size as u128 * count as u128 + total as u128) / (2 * total as u128)) as usize;
    let mut quotas: Vec<usize> = sizes.iter().map(|&size| rounded(size)).collect();
    let mut assigned: usize = quotas.iter().sum();
    let free = |stratum: usize, quota: usize| (quota < sizes[stratum]).then(|| Reverse(seat(stratum, quota)));
    let mut next: BinaryHeap<_> = (0..sizes.len()).filter_map(|stratum| free(stratum, quotas[stratum])).collect();
    while assigned < count {
        let Some(Reverse(Seat { stratum, .. })) = next.pop() else { break };
        quotas[stratum] += 1;
        assigned += 1;
        next.extend(free(stratum, quotas[stratum]));
    }
    let taken = |stratum: usize, quota: usize| quota.checked_sub(1).map(|last| seat(stratum, last));
    let mut last: BinaryHeap<_> = (0..sizes.len()).filter_map(|stratum| taken(stratum, quotas[stratum])).collect();
    while assigned > count {
        let Some(Seat { stratum, .. }) = last.pop() else { break };
        quotas[stratum] -= 1;
        assigned -= 1;
        last.extend(taken(stratum, quotas[stratum]));
    }
    quotas
}

#[cfg(test)]
mod tests;
