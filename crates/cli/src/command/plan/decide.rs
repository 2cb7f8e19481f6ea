//! `plan --decide`: how much more would tell the best setting from the others, and how long it takes on this machine.

use std::io::{self, Write};

use emberline_base::number::counted;
use emberline_base::record::Summary;
use emberline_base::record::answer::{Answer, Outlook};
use emberline_pipeline::{Error as Fault, RunFolder, all_sentences, read_whole_summary};
use serde::Serialize;

use super::write_json;
use crate::args::ListFormat;
use crate::exit::{Code, Error};
use crate::terminal::printable;

/// What would decide, with the time that it takes by the cells that were trained here.
#[derive(Serialize)]
struct Decision<'a> {
    /// The answer as it is, with all that is said of each number of labels.
    sentences: Vec<String>,
    /// What decides, of the settings with the most labels.
    #[serde(flatten)]
    most_labels: ToDecide<'a>,
    /// The same of the settings with fewer labels, the most labels first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    fewer_labels: Vec<ToDecide<'a>>,
}

/// What would decide between settings with equal numbers of labels.
#[derive(Default, Serialize)]
struct ToDecide<'a> {
    /// The number of labels; absent unless settings differ in it.
    #[serde(skip_serializing_if = "Option::is_none")]
    labels: Option<usize>,
    /// What more would decide; `None` if it is decided, or there is no answer.
    outlook: Option<&'a Outlook>,
    /// The minutes of training that the missing splits take, of all cells.
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
    let Some(answer) = &summary.answer else {
        return Decision { sentences: Vec::new(), most_labels: ToDecide::default(), fewer_labels: Vec::new() };
    };
    Decision {
        sentences: all_sentences(answer).into_iter().map(|sentence| sentence.text).collect(),
        most_labels: to_decide(summary, answer),
        fewer_labels: answer.fewer_labels.iter().map(|fewer| to_decide(summary, fewer)).collect(),
    }
}

fn to_decide<'a>(summary: &Summary, answer: &'a Answer) -> ToDecide<'a> {
    let (outlook, trained) = (answer.outlook.as_ref(), minutes(summary));
    let more =
        |now: usize, needed: Option<usize>| Some(trained? * needed?.saturating_sub(now) as f64 / now.max(1) as f64);
    let rows = summary.data.rows_read.max(1) as f64;
    ToDecide {
        labels: answer.labels,
        outlook,
        minutes_of_splits: outlook.and_then(|outlook| more(answer.replicates.splits, outlook.splits)),
        minutes_of_seeds: outlook.and_then(|outlook| more(answer.replicates.seeds, outlook.seeds)),
        minutes_of_rows: outlook.and_then(|outlook| Some(trained? * outlook.rows? as f64 / rows)),
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
    let decisions = || std::iter::once(&decision.most_labels).chain(&decision.fewer_labels);
    let times: Vec<String> = decisions().filter_map(times).collect();
    if times.is_empty() && !decision.sentences.is_empty() && decisions().all(|decision| decision.outlook.is_none()) {
        lines.push(
            "At least five splits are needed to tell how much more would decide; add `[data.split] repeats = 5`."
                .to_owned(),
        );
    }
    lines.into_iter().chain(times).map(|line| line + "\n").collect()
}

/// Says how long it takes to train what would decide; `None` if nothing would.
fn times(decision: &ToDecide<'_>) -> Option<String> {
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
    let of_labels = decision.labels.map(|labels| format!(" to decide with {}", counted(labels, "label")));
    (!parts.is_empty()).then(|| {
        format!(
            "Training time{}, by the cells that were trained here: {}.",
            of_labels.unwrap_or_default(),
            parts.join(", ")
        )
    })
}
