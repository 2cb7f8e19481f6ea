//! Selects the rows that each split may be taken from, so that no text and no group is in two splits.

use emberline_base::{SplitName, Splits};

use super::Part;
use crate::error::Error;
use crate::settings::Duplicates;

/// What the rows of two splits must not have in common.
pub(super) struct SeparationKeys<'a> {
    /// The text of each row, as a number that duplicates share.
    pub(super) texts: &'a [u32],
    /// The group of each row, as a number that the rows of a group share, if there is a column of groups.
    pub(super) groups: Option<&'a Vec<u32>>,
    pub(super) duplicates: Duplicates,
}

/// The rows that each split may be taken from.
pub(super) struct Pools {
    pub(super) rows: Splits<Vec<u32>>,
    /// The number of rows of each file that were left out because their text or group is also in a more protected file.
    pub(super) leaks: Splits<usize>,
    /// How many of all of these were left out because of their group alone.
    pub(super) by_group: usize,
}

/// Returns the rows of each file, without those whose text or group is also in a more protected file, and without duplicates
/// unless they are kept.
///
/// # Errors
/// When a file has no row left.
pub(super) fn pools(parts: &[Part], keys: &SeparationKeys<'_>) -> Result<Pools, Error> {
    let mut is_own = vec![true; keys.texts.len()];
    if parts.len() > 1 && keys.duplicates == Duplicates::Drop {
        exclude_leaks(parts, keys.texts, &mut is_own);
    }
    let count = |is_own: &[bool]| is_own.iter().filter(|&&own| own).count();
    let before = count(&is_own);
    if let Some(groups) = keys.groups.filter(|_| parts.len() > 1) {
        exclude_leaks(parts, groups, &mut is_own);
    }
    let by_group = before - count(&is_own);
    let mut is_known = vec![keys.duplicates == Duplicates::Keep; keys.texts.len()];
    let (mut pools, mut leaks) = (Splits::default(), Splits::default());
    for part in parts {
        let own = || part.rows.clone().filter(|&row| is_own[row]);
        let leaked = part.rows.len() - own().count();
        let is_new = |row: &usize| {
            keys.duplicates == Duplicates::Keep || !std::mem::replace(&mut is_known[keys.texts[*row] as usize], true)
        };
        let rows: Vec<u32> = own().filter(is_new).map(|row| row as u32).collect();
        if rows.is_empty() {
            let what = if keys.groups.is_some() { "texts or groups" } else { "texts" };
            let reason = format!("each of its {what} is also in another split's file");
            return Err(Error::EmptySplit { path: part.path.clone(), split: part.split, reason });
        }
        match part.split {
            SplitName::Train => (pools.train, leaks.train) = (rows, leaked),
            SplitName::Valid => (pools.valid, leaks.valid) = (Some(rows), Some(leaked)),
            SplitName::Test => (pools.test, leaks.test) = (Some(rows), Some(leaked)),
        }
    }
    Ok(Pools { rows: pools, leaks, by_group })
}

/// Clears `is_own` of the rows that share a key with a row of a more protected file: test before validation before training.
fn exclude_leaks(parts: &[Part], numbers: &[u32], is_own: &mut [bool]) {
    let protection = |split| match split {
        SplitName::Train => 0u8,
        SplitName::Valid => 1,
        SplitName::Test => 2,
    };
    let mut highest = vec![0; numbers.iter().max().map_or(0, |&last| last as usize + 1)];
    for part in parts {
        for row in part.rows.clone() {
            let highest = &mut highest[numbers[row] as usize];
            *highest = protection(part.split).max(*highest);
        }
    }
    for part in parts {
        part.rows.clone().for_each(|row| is_own[row] &= highest[numbers[row] as usize] == protection(part.split));
    }
}
