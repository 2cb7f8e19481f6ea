//! Replicate axes: grid axes whose values repeat a setting (seeds, folds, repeats) instead of making another one. Replicates
//! are averaged and compared pairwise, and never ranked.
//!
//! This is the only list of these axes: plans show them in the ids of cells, and reports omit them from the labels of
//! settings.

use crate::Substream;

/// A grid axis whose values are replicates of a setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ReplicateAxis {
    /// The seed of initialisation, order and dropout.
    Seed,
    /// The seed of the split.
    SplitSeed,
    /// The number of a repeat: it has its own split, initialisation and random tables.
    Repeat,
    /// The number of a cross-validation fold: its rows are the test rows.
    Fold,
    /// The name of a draw in a file of explicit rows.
    Draw,
}

impl ReplicateAxis {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Seed, Self::SplitSeed, Self::Repeat, Self::Fold, Self::Draw];

    /// Returns the dotted key of the setting.
    pub fn key(self) -> &'static str {
        match self {
            Self::Seed => "seed",
            Self::SplitSeed => "data.split.seed",
            Self::Repeat => "data.split.repeat",
            Self::Fold => "data.split.fold",
            Self::Draw => "data.split.draw",
        }
    }

    /// Returns the replicate axis with a dotted key; `None` if the key distinguishes settings that are compared.
    pub fn of(key: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|axis| axis.key() == key)
    }

    /// Returns the prefix of the axis's value in the id of a cell.
    pub fn prefix(self) -> &'static str {
        match self {
            Self::Seed => "s",
            Self::SplitSeed => "split",
            Self::Repeat => "r",
            Self::Fold => "f",
            Self::Draw => "d",
        }
    }

    /// Returns the noun for one replicate of the axis.
    pub fn noun(self) -> &'static str {
        match self {
            Self::Seed => "seed",
            Self::SplitSeed => "split",
            Self::Repeat => "repeat",
            Self::Fold => "fold",
            Self::Draw => "draw",
        }
    }

    /// Returns whether the replicates differ in the rows of their splits.
    pub fn changes_split(self) -> bool {
        match self {
            Self::Seed => false,
            Self::SplitSeed | Self::Repeat | Self::Fold | Self::Draw => true,
        }
    }
}

/// Derives the seed of a repeat, counted from 1. The first repeat has the seed itself, so that it equals a run without
/// repeats. The others have 53 bits, which a 64-bit float (and so JSON in any program) holds exactly.
pub fn seed_of_repeat(seed: u64, repeat: u32) -> u64 {
    match repeat {
        0 | 1 => seed,
        repeat => Substream::new(seed, &format!("repeat/{repeat}")).bits() >> 11,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_are_found_by_their_keys() {
        for axis in ReplicateAxis::ALL {
            assert_eq!(ReplicateAxis::of(axis.key()), Some(axis));
        }
        assert_eq!(ReplicateAxis::of("data.split.train"), None);
        assert!(!ReplicateAxis::Seed.changes_split() && ReplicateAxis::Fold.changes_split());
    }

    /// Pinned: recorded results depend on these numbers.
    #[test]
    fn repeats_have_seeds_of_their_own() {
        let seeds: Vec<u64> = (1..=3).map(|repeat| seed_of_repeat(7, repeat)).collect();
        assert_eq!(seeds[0], 7);
        assert!(seeds[1] != seeds[2] && seeds[1] != 7 && seeds.iter().all(|&seed| seed < 1 << 53));
        assert_ne!(seed_of_repeat(8, 2), seed_of_repeat(7, 2));
    }
}
