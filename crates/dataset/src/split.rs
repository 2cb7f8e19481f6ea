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

use std::cmp::Reverse;
use std::ops::Range;

use emberline_base::Substream;

/// Groups of rows in random order.
pub(crate) struct Deck {
    /// The rows, group by group.
    members: Vec<usize>,
    groups: Vec<Group>,
    strata: usize,
}

#[derive(Clone)]
struct Group {
    /// In `members`.
    rows: Range<usize>,
    stratum: u32,
}

impl Deck {
    /// Shuffles the groups of some rows. `group_of`, `stratum_of`: of every row there is.
    pub(crate) fn new(rows: &[usize], group_of: &[u32], stratum_of: &[u32], stream: &mut Substream) -> Self {
        let mut members = rows.to_vec();
        members.sort_by_key(|&row| group_of[row]);
        let mut groups = Vec::with_capacity(members.len());
        let mut start = 0;
        for same in members.chunk_by(|&a, &b| group_of[a] == group_of[b]) {
            groups.push(Group { rows: start..start + same.len(), stratum: stratum_of[same[0]] });
            start += same.len();
        }
        stream.shuffle(&mut groups);
        let strata = groups.iter().map(|group| group.stratum as usize + 1).max().unwrap_or(0);
        Self { members, groups, strata }
    }

    /// Takes `count` rows, or all when there are fewer; in the order of the file.
    pub(crate) fn take(&mut self, count: usize) -> Vec<usize> {
        let mut taken = Vec::with_capacity(count);
        let mut open = quotas(&self.sizes(), count);
        self.take_fitting(&mut taken, &mut open, |stratum| stratum as usize);
        let short: usize = open.iter().sum();
        if short > 0 {
            let mut open = [short];
            self.take_fitting(&mut taken, &mut open, |_| 0);
            self.take_part(&mut taken, open[0]);
        }
        taken.sort_unstable();
        taken
    }

    /// Takes every group that fits into what its quota still has open.
    fn take_fitting(&mut self, taken: &mut Vec<usize>, open: &mut [usize], quota: impl Fn(u32) -> usize) {
        let members = &self.members;
        self.groups.retain(|group| {
            let open = &mut open[quota(group.stratum)];
            let fits = group.rows.len() <= *open;
            if fits {
                *open -= group.rows.len();
                taken.extend_from_slice(&members[group.rows.clone()]);
            }
            !fits
        });
    }

    /// Takes the first rows of the smallest group left, and the others out of the deck.
    fn take_part(&mut self, taken: &mut Vec<usize>, count: usize) {
        if count == 0 {
            return;
        }
        let smallest = (0..self.groups.len()).min_by_key(|&at| self.groups[at].rows.len());
        if let Some(at) = smallest {
            let group = self.groups.remove(at);
            taken.extend(self.members[group.rows].iter().take(count));
        }
    }

    /// All rows that are left, so that every beginning holds the strata in proportion: the k-th
    /// row (from 0) of a stratum of n rows stands at (k + 1/2) / n of the whole.
    pub(crate) fn layout(self) -> Vec<usize> {
        let sizes = self.sizes();
        let mut before = vec![0usize; self.strata];
        let mut places: Vec<(u64, u32, usize)> = Vec::with_capacity(self.groups.len());
        for (at, group) in self.groups.iter().enumerate() {
            let stratum = group.stratum as usize;
            let middle = 2 * before[stratum] as u128 + group.rows.len() as u128;
            let place = (middle << 62) / (2 * sizes[stratum] as u128);
            before[stratum] += group.rows.len();
            places.push((place as u64, group.stratum, at));
        }
        places.sort_unstable();
        let rows = |&(_, _, at): &(u64, u32, usize)| self.members[self.groups[at].rows.clone()].iter().copied();
        places.iter().flat_map(rows).collect()
    }

    /// Rows a stratum.
    fn sizes(&self) -> Vec<usize> {
        let mut sizes = vec![0; self.strata];
        for group in &self.groups {
            sizes[group.stratum as usize] += group.rows.len();
        }
        sizes
    }
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
