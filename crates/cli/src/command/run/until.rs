//! `run --until decided`: trains on more and more splits until the best setting is told apart from the others.
//!
//! The looks are fixed in advance, at 5, 10, 20 and 40 splits, and each has a quarter of the error rate, so that looking several times
//! doesn't claim too much. The first splits stay what they are: more splits only add cells.

use std::time::{Duration, Instant};

use emberline_pipeline::{LOOKS, NextStep, Outline, Pipeline, next_step};

use super::{print, train};
use crate::args::Run;
use crate::command::load;
use crate::exit::{Code, Error};
use crate::terminal::say;

pub(super) fn run(args: &Run) -> Result<Code, Error> {
    let begun = Instant::now();
    refuse_other_splits(&load(&args.pipeline)?)?;
    let mut splits = LOOKS[0];
    loop {
        let mut look = args.clone();
        look.pipeline.set.push(format!("data.split.repeats={splits}"));
        let pipeline = load(&look.pipeline)?;
        let begun_look = Instant::now();
        let outline = train(&look, &pipeline, true)?;
        let next = next(&outline, splits, Spent { total: begun.elapsed(), look: begun_look.elapsed() }, args.budget);
        let Next::Look { splits: more } = next else {
            let code = print(&look, &pipeline, &outline)?;
            say(&ending(&next, splits));
            return Ok(code);
        };
        say(&format!("not decided after {splits} splits; going on to {more}"));
        splits = more;
    }
}

/// The time since the command began, and that of the last look.
struct Spent {
    total: Duration,
    look: Duration,
}

/// What comes after a look.
enum Next {
    Look { splits: usize },
    Decided,
    Hopeless,
    OutOfTime { splits: usize, expected: Duration },
    Incomplete,
}

fn next(outline: &Outline, splits: usize, spent: Spent, budget: Option<Duration>) -> Next {
    if outline.interrupted || outline.pending > 0 {
        return Next::Incomplete;
    }
    let Some(answer) = &outline.summary.answer else { return Next::Incomplete };
    match next_step(answer) {
        NextStep::Decided => Next::Decided,
        NextStep::GiveUp => Next::Hopeless,
        NextStep::Continue { .. } if answer.replicates.splits < splits => Next::Incomplete,
        NextStep::Continue { splits: more } => {
            // A look that found its cells done says nothing of what new ones take.
            let of_cells: f64 = outline
                .summary
                .cells
                .iter()
                .filter_map(|cell| cell.outcome.as_ref())
                .map(|outcome| outcome.seconds)
                .sum();
            let per_split = (spent.look.as_secs_f64() / splits as f64).max(of_cells / splits as f64 / 64.0);
            let expected = Duration::from_secs_f64(per_split * (more - splits) as f64);
            if budget.is_some_and(|budget| spent.total + expected > budget) {
                Next::OutOfTime { splits: more, expected }
            } else {
                Next::Look { splits: more }
            }
        }
    }
}

/// Returns the last line: how it ended, and how the splits are kept.
fn ending(next: &Next, splits: usize) -> String {
    let keep = format!("to keep these splits, write `[data.split] repeats = {splits}` into the pipeline file");
    match next {
        Next::Decided => format!("decided after {splits} splits; {keep}"),
        Next::Hopeless => {
            format!("not decided after {splits} splits, and no further look can be expected to decide it; {keep}")
        }
        Next::OutOfTime { splits: more, expected } => format!(
            "not decided after {splits} splits; {more} splits are expected to take {:.0} s more, which is beyond the budget; {keep}",
            expected.as_secs_f64().ceil()
        ),
        Next::Incomplete | Next::Look { .. } => {
            format!("not decided: cells are missing or failed; run the same command again to go on; {keep}")
        }
    }
}

/// Refuses a pipeline whose splits aren't random draws of one pool, which can't be added to.
fn refuse_other_splits(pipeline: &Pipeline) -> Result<(), Error> {
    let split = &pipeline.settings.data.split;
    let fixed = [
        (split.folds.is_some(), "folds"),
        (split.rows.is_some(), "rows"),
        (split.fold.is_some(), "fold"),
        (split.repeat.is_some(), "repeat"),
        (split.draw.is_some(), "draw"),
    ];
    match fixed.into_iter().find(|(is_set, _)| *is_set) {
        Some((_, key)) => Err(Error::Usage(format!(
            "--until decided adds random splits, and `[data.split] {key}` fixes them; remove it, or run without --until"
        ))),
        None => Ok(()),
    }
}
