//! Replicate axes: those whose values repeat a setting instead of making another one. Replicates are averaged and compared
//! pair by pair, and never ranked.
//!
//! This is the one list of them: plans show them in the ids of cells, and reports leave them out of the labels of settings.

use crate::Substream;

/// An axis whose values are repetitions of a setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ReplicateAxis {
    /// The seed of initialisation, order and dropout.
    Seed,
    /// The seed of the split.
    SplitSeed,
    /// The number of a repeat: another split, another initialisation, other random tables.
    Repeat,
    /// The number of a fold of a cross-validation: its rows are the test rows.
    Fold,
    /// The name of a draw of a file of explicit rows.
    Draw,
}

impl ReplicateAxis {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Seed, Self::SplitSeed, Self::Repeat, Self::Fold, Self::Draw];

    /// The dotted key of the setting.
    pub fn key(self) -> &'static str {
        match self {
            Self::Seed => "seed",
            Self::SplitSeed => "data.split.seed",
            Self::Repeat => "data.split.repeat",
            Self::Fold => "data.split.fold",
            Self::Draw => "data.split.draw",
        }
    }

    /// The axis with that dotted key; none where the key makes settings that are compared.
    pub fn of(key: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|axis| axis.key() == key)
    }

    /// What stands before its value in the id of a cell.
    pub fn prefix(self) -> &'static str {
        match self {
            Self::Seed => "s",
            Self::SplitSeed => "split",
            Self::Repeat => "r",
            Self::Fold => "f",
            Self::Draw => "d",
        }
    }

    /// What one of its values is called.
    pub fn noun(self) -> &'static str {
        match self {
            Self::Seed => "seed",
            Self::SplitSeed => "split",
            Self::Repeat => "repeat",
            Self::Fold => "fold",
            Self::Draw => "draw",
        }
    }

    /// Whether its values have other rows in their splits.
    pub fn moves_rows(self) -> bool {
        match self {
            Self::Seed => false,
            Self::SplitSeed | Self::Repeat | Self::Fold | Self::Draw => true,
        }
    }
}

/// The seed of a repeat: that of the first one is the seed itself, so that the first of several repeats is what a pipeline
/// without repeats comes to. The others have 53 bits, which every format of numbers holds exactly.
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
        assert!(!ReplicateAxis::Seed.moves_rows() && ReplicateAxis::Fold.moves_rows());
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
