//! The rows that each split may be taken from: no text, and no group, is in two of them.

use emberline_base::{SplitName, Splits};

use super::Part;
use crate::error::Error;
use crate::settings::Duplicates;

/// What decides which rows may be on two sides.
pub(super) struct Sides<'a> {
    /// A number a row that rows of one text share.
    pub(super) texts: &'a [u32],
    /// A number a row that rows of one group share, where there is a column of groups.
    pub(super) groups: Option<&'a Vec<u32>>,
    pub(super) duplicates: Duplicates,
}

/// The rows that each split may be taken from.
pub(super) struct Pools {
    pub(super) rows: Splits<Vec<u32>>,
    /// How many rows of each file were left out because their text or group stands in a more protected one.
    pub(super) leaks: Splits<usize>,
    /// How many of all of these were left out for their group alone.
    pub(super) by_group: usize,
}

/// Each file's rows, without those whose text or group stands in a more protected file too, and without copies of a text
/// unless they are kept.
pub(super) fn pools(parts: &[Part], sides: &Sides<'_>) -> Result<Pools, Error> {
    let mut is_own = vec![true; sides.texts.len()];
    if parts.len() > 1 && sides.duplicates == Duplicates::Drop {
        refuse_leaks(parts, sides.texts, &mut is_own);
    }
    let count = |is_own: &[bool]| is_own.iter().filter(|&&own| own).count();
    let before = count(&is_own);
    if let Some(groups) = sides.groups.filter(|_| parts.len() > 1) {
        refuse_leaks(parts, groups, &mut is_own);
    }
    let by_group = before - count(&is_own);
    let mut is_known = vec![sides.duplicates == Duplicates::Keep; sides.texts.len()];
    let (mut pools, mut leaks) = (Splits::default(), Splits::default());
    for part in parts {
        let own = || part.rows.clone().filter(|&row| is_own[row]);
        let leaked = part.rows.len() - own().count();
        let is_new = |row: &usize| {
            sides.duplicates == Duplicates::Keep || !std::mem::replace(&mut is_known[sides.texts[*row] as usize], true)
        };
        let rows: Vec<u32> = own().filter(is_new).map(|row| row as u32).collect();
        if rows.is_empty() {
            let what = if sides.groups.is_some() { "texts or groups" } else { "texts" };
            let reason = format!("each of its {what} stands in another split's file too");
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

/// Marks the rows that share a number with a row of a more protected file: test before validation before training.
fn refuse_leaks(parts: &[Part], numbers: &[u32], is_own: &mut [bool]) {
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
