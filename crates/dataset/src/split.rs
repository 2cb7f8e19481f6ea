//! Which rows go where: exact counts, classes in proportion, texts that count as the same
//! together, and the same result on every platform.
//!
//! The rows are gathered into groups of equal normalised text, and the groups are put into
//! random order once. From that deck test is taken first, then validation; what is left is
//! laid out so that every beginning of it holds the classes in proportion, and training is a
//! beginning. So neither other split depends on the training size, test depends on no other
//! size, and fewer training rows are a subset of more.
//!
//! - Test and validation share their counts among the classes by largest remainder (Hamilton).
//!   The layout for training follows Webster's method instead, whose shares never shrink when
//!   the count grows.
//! - A group that is larger than what its class still needs is passed over. Only where no group
//!   fits any more is one cut: a part is taken and the rest is used nowhere, so that the count
//!   is met and no text stands on two sides.
//! - The class of a group is that of its first row; of a multi-label row, its rarest label.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;

use emberline_base::Substream;

/// Groups of rows in random order.
pub(crate) struct Deck {
    /// The rows, group by group.
    members: Vec<u32>,
    groups: Vec<Group>,
    /// Rows of each stratum.
    sizes: Vec<usize>,
}

/// Rows that stay together: small, since a million of them are shuffled.
#[derive(Clone, Copy)]
struct Group {
    /// The row, where it is alone, as most are: to look it up would take longer than all else. Where the rows begin in
    /// `members`, where there are several.
    place: u32,
    length: u32,
    stratum: u32,
}

impl Group {
    fn len(&self) -> usize {
        self.length as usize
    }

    /// Appends its rows. One alone is not worth a call.
    fn put(&self, members: &[u32], rows: &mut Vec<u32>) {
        match self.length {
            1 => rows.push(self.place),
            _ => rows.extend_from_slice(&members[self.place as usize..][..self.len()]),
        }
    }
}

impl Deck {
    /// Shuffles the groups of some rows. `group_of`, `stratum_of`: of every row there is; without strata all are in one.
    pub(crate) fn new(rows: &[u32], group_of: &[u32], stratum_of: Option<&[u32]>, stream: &mut Substream) -> Self {
        let (members, ends) = by_group(rows, group_of);
        let mut groups = Vec::with_capacity(ends.len());
        let mut sizes = Vec::new();
        let mut start = 0;
        for end in ends {
            if start < end {
                let (first, length) = (members[start as usize], end - start);
                let place = if length == 1 { first } else { start };
                let stratum = stratum_of.map_or(0, |strata| strata[first as usize]);
                groups.push(Group { place, length, stratum });
                if sizes.len() <= stratum as usize {
                    sizes.resize(stratum as usize + 1, 0);
                }
                sizes[stratum as usize] += length as usize;
            }
            start = end;
        }
        stream.shuffle(&mut groups);
        Self { members, groups, sizes }
    }

    /// Takes `count` rows, or all when there are fewer; in the order of the file.
    pub(crate) fn take(&mut self, count: usize) -> Vec<usize> {
        let mut taken = Vec::with_capacity(count);
        let mut open = quotas(&self.sizes, count);
        self.take_fitting(&mut taken, &mut open, |stratum| stratum as usize);
        let short: usize = open.iter().sum();
        if short > 0 {
            let mut open = [short];
            self.take_fitting(&mut taken, &mut open, |_| 0);
            self.take_part(&mut taken, open[0]);
        }
        taken.sort_unstable();
        taken.into_iter().map(|row| row as usize).collect()
    }

    /// Takes every group that fits into what its quota still has open.
    fn take_fitting(&mut self, taken: &mut Vec<u32>, open: &mut [usize], quota: impl Fn(u32) -> usize) {
        let Self { members, groups, sizes } = self;
        groups.retain(|group| {
            let open = &mut open[quota(group.stratum)];
            let fits = group.len() <= *open;
            if fits {
                *open -= group.len();
                sizes[group.stratum as usize] -= group.len();
                group.put(members, taken);
            }
            !fits
        });
    }

    /// Takes the first rows of the smallest group left, and the others out of the deck.
    fn take_part(&mut self, taken: &mut Vec<u32>, count: usize) {
        if count == 0 {
            return;
        }
        let smallest = (0..self.groups.len()).min_by_key(|&at| self.groups[at].length);
        if let Some(at) = smallest {
            let group = self.groups.remove(at);
            self.sizes[group.stratum as usize] -= group.len();
            let end = taken.len() + count;
            group.put(&self.members, taken);
            taken.truncate(end);
        }
    }

    /// All rows that are left, so that every beginning holds the strata in proportion: the k-th
    /// row (from 0) of a stratum of n rows stands at (k + 1/2) / n of the whole.
    pub(crate) fn layout(self) -> Vec<u32> {
        let mut lines: Vec<Line<'_>> = self.sizes.iter().copied().map(Line::new).collect();
        for group in &self.groups {
            lines[group.stratum as usize].groups.push(group);
        }
        let first = |(stratum, line): (usize, &Line<'_>)| Some(Reverse((line.place()?, stratum)));
        // Of all strata whose next group stands first; of equal ones the lower stratum.
        let mut next: BinaryHeap<_> = lines.iter().enumerate().filter_map(first).collect();
        let mut rows = Vec::with_capacity(lines.iter().map(|line| line.size).sum());
        while let Some(Reverse((_, stratum))) = next.pop() {
            let line = &mut lines[stratum];
            let rival = next.peek();
            let overtaken = loop {
                let group = line.groups[line.taken];
                group.put(&self.members, &mut rows);
                line.pass();
                match line.place() {
                    Some(place) if rival.is_some_and(|rival| *rival > Reverse((place, stratum))) => break Some(place),
                    Some(_) => {}
                    None => break None,
                }
            };
            next.extend(overtaken.map(|place| Reverse((place, stratum))));
        }
        rows
    }
}

/// The groups of one stratum, in order, and how many of them are laid out. Their places only grow.
struct Line<'d> {
    groups: Vec<&'d Group>,
    taken: usize,
    /// Rows of the groups that are laid out.
    before: usize,
    /// Rows of all.
    size: usize,
}

impl Line<'_> {
    fn new(size: usize) -> Self {
        Self { groups: Vec::with_capacity(size), taken: 0, before: 0, size }
    }

    /// Where the middle of the next group stands.
    fn place(&self) -> Option<Place> {
        let group = self.groups.get(self.taken)?;
        Some(Place { numerator: (2 * self.before + group.len()) as u64, denominator: self.size as u64 })
    }

    fn pass(&mut self) {
        self.before += self.groups[self.taken].len();
        self.taken += 1;
    }
}

/// A part of twice the whole. Two are compared without a division, which takes longer than all else in a layout.
#[derive(Clone, Copy)]
struct Place {
    numerator: u64,
    denominator: u64,
}

impl Ord for Place {
    fn cmp(&self, other: &Self) -> Ordering {
        let across = |a: &Self, b: &Self| u128::from(a.numerator) * u128::from(b.denominator);
        across(self, other).cmp(&across(other, self))
    }
}

impl PartialOrd for Place {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Place {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Place {}

/// The rows group after group, those of a group as they came, and where each group ends: sorted by counting, since groups
/// are numbers without gaps.
fn by_group(rows: &[u32], group_of: &[u32]) -> (Vec<u32>, Vec<u32>) {
    let group_of = |row: u32| group_of[row as usize] as usize;
    let groups = rows.iter().map(|&row| group_of(row) + 1).max().unwrap_or(0);
    let mut next = vec![0u32; groups + 1];
    for &row in rows {
        next[group_of(row) + 1] += 1;
    }
    for group in 1..=groups {
        next[group] += next[group - 1];
    }
    let mut members = vec![0; rows.len()];
    for &row in rows {
        let at = &mut next[group_of(row)];
        members[*at as usize] = row;
        *at += 1;
    }
    next.truncate(groups);
    (members, next)
}

/// Shares `count` among parts in proportion to their sizes: each gets its share rounded down,
/// and those with the largest remainders (the first among equals) one more. No part gets more
/// than its size.
fn quotas(sizes: &[usize], count: usize) -> Vec<usize> {
    let total: usize = sizes.iter().sum();
    if count >= total {
        return sizes.to_vec();
    }
    let share = |size: usize| (size as u128 * count as u128) / total as u128;
    let remainder = |size: usize| (size as u128 * count as u128) % total as u128;
    let mut quotas: Vec<usize> = sizes.iter().map(|&size| share(size) as usize).collect();
    let mut order: Vec<usize> = (0..sizes.len()).collect();
    order.sort_by_key(|&part| Reverse(remainder(sizes[part])));
    let missing = count - quotas.iter().sum::<usize>();
    for &part in order.iter().take(missing) {
        quotas[part] += 1;
    }
    quotas
}

#[cfg(test)]
mod tests;
