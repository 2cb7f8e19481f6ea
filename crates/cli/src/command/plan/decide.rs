//! `plan --decide`: how much more would tell the best setting from the others, and how long it takes on this machine.

use std::io::{self, Write};

use emberline_base::record::Summary;
use emberline_base::record::answer::{Answer, Outlook};
use emberline_pipeline::{Error as Fault, RunFolder, read_whole_summary, sentences};
use serde::Serialize;

use super::write_json;
use crate::args::ListFormat;
use crate::exit::{Code, Error};
use crate::terminal::printable;

/// What would decide, with the time that it takes by the cells that were trained here.
#[derive(Serialize)]
struct Decision<'a> {
    /// The answer as it is.
    sentences: Vec<String>,
    /// What more would decide; `None` if it is decided, or there is no answer.
    outlook: Option<&'a Outlook>,
    /// The minutes of training that the missing splits take.
    minutes_of_splits: Option<f64>,
    /// The minutes of training that the missing seeds take.
    minutes_of_seeds: Option<f64>,
    /// The minutes of training that as many splits as now take with the rows that would decide.
    minutes_of_rows: Option<f64>,
}

pub(super) fn run(folder: &RunFolder, format: ListFormat) -> Result<Code, Error> {
    let summary = read_whole_summary(folder.path()).map_err(Fault::from)?;
    let decision = decision(&summary);
    let mut out = io::stdout();
    match format {
        ListFormat::Text => write!(out, "{}", printable(&text(&decision)))?,
        ListFormat::Json => write_json(&mut out, &decision)?,
    }
    Ok(Code::Fine)
}

fn decision(summary: &Summary) -> Decision<'_> {
    let answer = summary.answer.as_ref();
    let outlook = answer.and_then(|answer| answer.outlook.as_ref());
    let trained = minutes(summary);
    let times =
        |answer: &Answer, more: f64| trained.map(|trained| trained * more / answer.replicates.splits.max(1) as f64);
    let with = |of: &dyn Fn(&Answer, &Outlook) -> Option<f64>| {
        answer.zip(outlook).and_then(|(answer, outlook)| of(answer, outlook))
    };
    let missing = |now: usize, needed: usize| needed.saturating_sub(now) as f64;
    Decision {
        sentences: answer.into_iter().flat_map(sentences).map(|sentence| sentence.text).collect(),
        outlook,
        minutes_of_splits: with(&|answer, outlook| times(answer, missing(answer.replicates.splits, outlook.splits?))),
        minutes_of_seeds: with(&|answer, outlook| {
            let seeds = answer.replicates.seeds.max(1);
            Some(trained? * missing(seeds, outlook.seeds?) / seeds as f64)
        }),
        minutes_of_rows: with(&|_, outlook| {
            let rows = summary.data.rows_read.max(1) as f64;
            Some(trained? * outlook.rows? as f64 / rows)
        }),
    }
}

/// Returns the minutes that the cells took; `None` if none is done.
fn minutes(summary: &Summary) -> Option<f64> {
    let seconds: Vec<f64> = summary.cells.iter().filter_map(|cell| cell.outcome.as_ref()).map(|o| o.seconds).collect();
    (!seconds.is_empty()).then(|| seconds.iter().sum::<f64>() / 60.0)
}

fn text(decision: &Decision<'_>) -> String {
    let mut lines = decision.sentences.clone();
    if lines.is_empty() {
        lines.push("There is no answer yet: run the pipeline first (`emberline run FILE`).".to_owned());
    }
    let time = |minutes: f64| {
        if minutes < 1.0 { format!("{:.0} s", (minutes * 60.0).ceil()) } else { format!("{minutes:.0} min") }
    };
    let of = [
        (decision.minutes_of_splits, "the missing splits"),
        (decision.minutes_of_seeds, "the missing seeds"),
        (decision.minutes_of_rows, "as many splits of so many rows"),
    ];
    let parts: Vec<String> = of
        .iter()
        .filter_map(|(minutes, what)| minutes.map(|minutes| format!("{what} about {}", time(minutes))))
        .collect();
    if !parts.is_empty() {
        lines.push(format!("Training time, by the cells that were trained here: {}.", parts.join(", ")));
    } else if decision.outlook.is_none() && !decision.sentences.is_empty() {
        lines.push(
            "At least five splits are needed to tell how much more would decide; add `[data.split] repeats = 5`."
                .to_owned(),
        );
    }
    lines.into_iter().map(|line| line + "\n").collect()
}
