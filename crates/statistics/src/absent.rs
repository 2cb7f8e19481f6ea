//! The scores that a setting lacks: why each is absent, and what to do about it, in words.

use emberline_base::number::counted;

/// Why a cell has no score.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Absence {
    /// It hasn't run yet.
    NotRun,
    /// It failed because of its surroundings, such as a full disk; the next run tries it again.
    Surroundings,
    /// It failed by itself, and would fail again.
    Itself,
    /// It has run, but the metric is undefined or not finite on its rows.
    Unmeasured,
}

/// A cell without a score.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Absent {
    /// The id of the cell.
    pub cell: String,
    /// Why it has no score.
    pub why: Absence,
}

impl Absence {
    const ALL: [Self; 4] = [Self::NotRun, Self::Surroundings, Self::Itself, Self::Unmeasured];

    /// Returns what is the matter with `count` cells, and the cure.
    fn sentence(self, count: usize) -> String {
        let cells = counted(count, "cell");
        match self {
            Self::NotRun if count == 1 => "1 cell hasn't run yet: `run` trains it.".to_owned(),
            Self::NotRun => format!("{cells} haven't run yet: `run` trains them."),
            Self::Surroundings if count == 1 => {
                "1 cell failed because of its surroundings: the next `run` tries it again.".to_owned()
            }
            Self::Surroundings => {
                format!("{cells} failed because of their surroundings: the next `run` tries them again.")
            }
            Self::Itself if count == 1 => {
                "1 cell failed by itself and would fail again: change its settings, or take them out of the grid."
                    .to_owned()
            }
            Self::Itself => {
                format!(
                    "{cells} failed by themselves and would fail again: change their settings, or take them out of the grid."
                )
            }
            Self::Unmeasured => {
                format!(
                    "{cells} ended without this metric, which its rows don't define: choose another in `[decide] metric`."
                )
            }
        }
    }
}

/// Returns a sentence for each cause among cells without a score, joined by spaces.
pub(crate) fn causes(absent: &[Absent]) -> String {
    let count = |why: Absence| absent.iter().filter(|absent| absent.why == why).count();
    let found = Absence::ALL.into_iter().filter(|why| count(*why) > 0);
    found.map(|why| why.sentence(count(why))).collect::<Vec<_>>().join(" ")
}
