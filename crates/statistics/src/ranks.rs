//! Ranks with their uncertainty: an interval of ranks for each setting, and the group that the best one belongs to.
//!
//! The verdicts on pairs enter, ranks leave. If all verdicts hold at once (which Holm's procedure over all pairs grants with
//! probability 1 - alpha), every true rank lies in its interval, and the group holds the truly best setting. D. Al Mohamad, J.
//! Goeman and E. van Zwet, Simultaneous confidence intervals for ranks, Biometrika 109 (2022).

/// The lowest and highest rank that a setting may have; 1 is the best.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RankInterval {
    /// One more than the number of settings told apart as better; 1 in the best group.
    pub low: usize,
    /// The number of settings less those told apart as worse.
    pub high: usize,
}

/// Returns the rank interval of each of `settings`, from pairs (better, worse) that are told apart, and from the best `group`.
///
/// A may be told apart from B, and B from C, but A not from C, if their difference varies more. C then belongs to the best group,
/// and its interval begins at 1 although B is better: an interval that is wider than it need be still holds the true rank.
pub fn rank_intervals(settings: usize, told_apart: &[(usize, usize)], group: &[usize]) -> Vec<RankInterval> {
    let mut ranks = vec![RankInterval { low: 1, high: settings }; settings];
    for &(better, worse) in told_apart {
        ranks[worse].low += 1;
        ranks[better].high -= 1;
    }
    group.iter().for_each(|&setting| ranks[setting].low = 1);
    ranks
}

/// Returns the settings among which the best one is: those that `top`, the setting with the best mean, is not told apart from,
/// and itself. It may be the best alone only if it is told apart from every other one directly.
pub fn best_group(settings: usize, told_apart: &[(usize, usize)], top: usize) -> Vec<usize> {
    let mut is_worse = vec![false; settings];
    told_apart.iter().filter(|(better, _)| *better == top).for_each(|&(_, worse)| is_worse[worse] = true);
    (0..settings).filter(|&setting| !is_worse[setting]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(ranks: &[RankInterval]) -> Vec<(usize, usize)> {
        ranks.iter().map(|rank| (rank.low, rank.high)).collect()
    }

    #[test]
    fn ranks_follow_from_the_pairs() {
        let told_apart = [(0, 3), (1, 3), (0, 2)];
        let group = best_group(4, &told_apart, 0);
        assert_eq!(group, [0, 1]);
        assert_eq!(found(&rank_intervals(4, &told_apart, &group)), [(1, 2), (1, 3), (2, 4), (3, 4)]);
    }

    #[test]
    fn nothing_told_apart_leaves_every_rank_open() {
        assert_eq!(best_group(3, &[], 1), [0, 1, 2]);
        assert_eq!(found(&rank_intervals(3, &[], &[0, 1, 2])), [(1, 3); 3]);
        assert!(rank_intervals(0, &[], &[]).is_empty());
    }

    /// 0 before 1 before 2, but 0 and 2 are not told apart: their own comparison leaves open which of the two is best.
    #[test]
    fn a_sole_winner_is_told_apart_from_every_other_directly() {
        let told_apart = [(0, 1), (1, 2)];
        let group = best_group(3, &told_apart, 0);
        assert_eq!(group, [0, 2]);
        assert_eq!(found(&rank_intervals(3, &told_apart, &group)), [(1, 2), (2, 2), (1, 3)]);
    }
}
