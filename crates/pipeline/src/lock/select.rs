//! Chooses which cells of a plan are verified: a sample that the verifier's hash draws, and a share of several machines.
//!
//! Both go by the digest of a cell's settings alone. A cell that is added to a grid moves no other into or out of a share,
//! and whoever knows the hash and the lock can compute the sample:
//!
//! - sample: cells are ordered by the SHA-256 of `challenge:HASH:IDENTITY`; the first N are taken;
//! - shard I of N: the cells whose SHA-256 of `shard:IDENTITY`, its first 16 hexadecimal digits as a number, leaves the
//!   remainder I - 1 when divided by N. Every cell is in exactly one shard; shards are equal in size on average only.
//!
//! The sample is drawn first, from all cells, and shared out then: the shards of a sample verify together what the sample
//! alone would. IDENTITY is the identity of a cell in its line of the lock.

use std::str::FromStr;

use emberline_base::file::sha256;

use crate::plan::{Cell, Plan};

/// Which cells are verified. By default, all of them and the refit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    /// The number of cells to draw.
    pub sample: Option<usize>,
    /// The hash that draws them. Without one, the lock itself draws: always the same cells, which its author knows.
    pub challenge: Option<String>,
    /// The share of the cells.
    pub shard: Option<Shard>,
}

/// A share of the cells: number `index`, from 1, of `count`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shard {
    index: u64,
    count: u64,
}

impl FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = |text: &str| text.parse::<u32>().ok().map(u64::from).filter(|_| !text.starts_with('+'));
        let numbers = text.split_once('/').and_then(|(index, count)| Some((number(index)?, number(count)?)));
        match numbers {
            Some((index, count)) if (1..=count).contains(&index) => Ok(Self { index, count }),
            _ => Err("a shard is a number and a count, such as 2/5 for the second of five".to_owned()),
        }
    }
}

impl std::fmt::Display for Shard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.index, self.count)
    }
}

impl Shard {
    fn has(self, cell: &Cell) -> bool {
        let digits = sha256(format!("shard:{}", cell.identity).as_bytes());
        let number = u64::from_str_radix(&digits[..16], 16).expect("16 hexadecimal digits");
        number % self.count == self.index - 1
    }
}

impl Selection {
    /// Returns whether all cells are selected.
    pub(crate) fn is_all(&self) -> bool {
        self.sample.is_none() && self.shard.is_none()
    }

    /// Returns the ids of the selected cells, in the order of the plan. `own` is the hash that draws if there is no
    /// challenge.
    pub(crate) fn of(&self, plan: &Plan, own: impl FnOnce() -> String) -> Vec<String> {
        let mut positions: Vec<usize> = (0..plan.cells.len()).collect();
        if let Some(count) = self.sample {
            let challenge = self.challenge.clone().unwrap_or_else(own);
            let rank = |at: &usize| sha256(format!("challenge:{challenge}:{}", plan.cells[*at].identity).as_bytes());
            positions.sort_by_cached_key(rank);
            positions.truncate(count);
            positions.sort_unstable();
        }
        let cells = positions.into_iter().map(|at| &plan.cells[at]);
        cells.filter(|cell| self.shard.is_none_or(|shard| shard.has(cell))).map(|cell| cell.id.clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use super::*;
    use crate::pipeline::Pipeline;

    fn plan(seeds: u32) -> Plan {
        let text = format!(
            "name = \"p\"\n[data]\npath = \"t.csv\"\ntext = \"text\"\nlabel = \"label\"\n[embedding.a.hashing]\ndim = 4\n\
             [grid]\nseed = {:?}",
            (0..seeds).collect::<Vec<_>>()
        );
        Plan::of(&Pipeline::parse("p.toml", &text, Path::new(""), &[]).expect("sound"))
    }

    fn selected(plan: &Plan, sample: Option<usize>, challenge: &str, shard: Option<&str>) -> Vec<String> {
        let shard = shard.map(|text| text.parse().expect("a shard"));
        let challenge = Some(challenge.to_owned()).filter(|text| !text.is_empty());
        Selection { sample, challenge, shard }.of(plan, || "own".to_owned())
    }

    #[test]
    fn shards_are_complete_and_stable() {
        let (small, large) = (plan(60), plan(200));
        for count in [1, 2, 5, 70] {
            let shards = |plan: &Plan| -> Vec<Vec<String>> {
                (1..=count).map(|index| selected(plan, None, "", Some(&format!("{index}/{count}")))).collect()
            };
            let (of_small, of_large) = (shards(&small), shards(&large));
            let all: BTreeSet<&String> = of_small.iter().flatten().collect();
            assert_eq!((all.len(), of_small.iter().map(Vec::len).sum::<usize>()), (60, 60), "each cell once");
            for (small, large) in of_small.iter().zip(&of_large) {
                assert!(small.iter().all(|id| large.contains(id)), "added cells move no other");
            }
        }
    }

    #[test]
    fn a_challenge_draws_cells_that_the_lock_s_author_does_not_know() {
        let plan = plan(60);
        let drawn = selected(&plan, Some(6), "one", None);
        assert_eq!((drawn.len(), &drawn), (6, &selected(&plan, Some(6), "one", None)));
        assert_ne!(drawn, selected(&plan, Some(6), "another", None));
        assert_ne!(drawn, selected(&plan, Some(6), "", None));
        assert!(drawn.iter().all(|id| selected(&plan, Some(7), "one", None).contains(id)), "more only add");
        assert_eq!(selected(&plan, Some(1000), "one", None).len(), 60);
        let shared: Vec<String> =
            ["1/3", "2/3", "3/3"].iter().flat_map(|shard| selected(&plan, Some(6), "one", Some(shard))).collect();
        let sorted = |ids: &[String]| ids.iter().cloned().collect::<BTreeSet<_>>();
        assert_eq!(sorted(&shared), sorted(&drawn), "the shards of a sample are the sample");
        // Pinned, so that verifiers can compute it.
        let identity = plan.cells[0].identity;
        let first = sha256(format!("shard:{identity}").as_bytes());
        let index = u64::from_str_radix(&first[..16], 16).expect("digits") % 5 + 1;
        assert!(selected(&plan, None, "", Some(&format!("{index}/5"))).contains(&plan.cells[0].id));
    }

    #[test]
    fn only_shards_that_exist_are_read() {
        for wrong in ["", "0/5", "6/5", "2", "2/", "/5", "a/b", "-1/5", "+1/5", "1/0", "1/5/5", "1/99999999999"] {
            assert!(wrong.parse::<Shard>().is_err(), "{wrong}");
        }
        assert_eq!("2/5".parse::<Shard>().map(|shard| shard.to_string()), Ok("2/5".to_owned()));
    }
}
