//! `explain`: explains why cells would run, with the old and new value of each input that changed.

use std::collections::BTreeMap;
use std::io::{self, Write};

use emberline_cache::Cache;
use emberline_device::DeviceChoice;
use emberline_pipeline::{Explanation, Pipeline, Plan, Replaced, State, explain};

use super::plan::{describe, state_name, write_json};
use super::run_folder;
use crate::args::{Explain, ListFormat};
use crate::exit::{Code, Error};
use crate::terminal::{printable, say};

pub(super) fn run(args: &Explain) -> Result<Code, Error> {
    let pipeline = Pipeline::load(&args.pipeline.file, &args.pipeline.set)?;
    let plan = Plan::of(&pipeline);
    let folder = run_folder(&pipeline, args.out.as_ref());
    let (device, cache) = (DeviceChoice::Auto.resolve()?, Cache::for_current_user());
    let mut explained = explain(&pipeline, &plan, &folder, device, cache, args.cell.as_deref())?;
    explained.retain(|cell| args.cell.is_some() || cell.state != State::Done);
    let mut out = io::BufWriter::new(io::stdout().lock());
    match args.format {
        ListFormat::Text if explained.is_empty() => say("all cells are done: nothing would run"),
        ListFormat::Text => write!(out, "{}", printable(&text(&plan, &explained)))?,
        ListFormat::Json => write_json(&mut out, &explained.iter().map(json).collect::<Vec<_>>())?,
    }
    out.flush()?;
    Ok(Code::Fine)
}

/// Returns a paragraph per reason: a line with the state and the cells that it is the state of, then what led to it. What
/// is the same for many cells is said once.
fn text(plan: &Plan, explained: &[Explanation]) -> String {
    let mut order: Vec<(String, Vec<String>)> = Vec::new();
    let mut groups: BTreeMap<(String, Vec<String>), Vec<&str>> = BTreeMap::new();
    for cell in explained {
        let key = (describe(&cell.state).to_owned(), reasons(cell));
        let cells = groups.entry(key.clone()).or_default();
        if cells.is_empty() {
            order.push(key);
        }
        cells.push(&cell.cell);
    }
    let paragraph = |key: (String, Vec<String>)| {
        let cells = match groups[&key].as_slice() {
            [only] => (*only).to_owned(),
            cells => plan.describe_cells(cells.iter().copied()),
        };
        let lines: String = key.1.iter().map(|line| format!("  {line}\n")).collect();
        format!("{}: {cells}\n{lines}", key.0)
    };
    order.into_iter().map(paragraph).collect()
}

/// Returns what led to the state of a cell, in lines.
fn reasons(explained: &Explanation) -> Vec<String> {
    let mut lines = match &explained.state {
        State::Failed(why) => vec![why.clone(), "`run --retry-failed` tries it again".to_owned()],
        State::FailedByChance(why) => vec![why.clone(), "the next `run` tries it again".to_owned()],
        State::Damaged(what) => vec![what.clone()],
        State::Missing => vec![never_run(explained)],
        State::OtherData(Replaced { new: Err(why), .. }) | State::OtherEmbedding(Replaced { new: Err(why), .. }) => {
            vec![why.clone()]
        }
        State::Done
        | State::Interrupted
        | State::OtherData(_)
        | State::OtherEmbedding(_)
        | State::OtherComputation(..) => Vec::new(),
    };
    lines.extend(explained.reasons.iter().cloned());
    lines
}

/// Says that a cell has never run. Which cell it resembles is said without the digest of its settings, so that cells that
/// differ from theirs in the same settings are told together.
fn never_run(explained: &Explanation) -> String {
    match (&explained.nearest, explained.reasons.is_empty()) {
        (Some(_), false) => "it has never run; one that has differs in".to_owned(),
        (Some(nearest), true) => format!("it has never run; the nearest that has is {nearest}"),
        (None, _) => "it has never run".to_owned(),
    }
}

fn json(explained: &Explanation) -> serde_json::Value {
    let Explanation { cell, state, changes, reasons, nearest } = explained;
    let detail = match state {
        State::Failed(why) | State::FailedByChance(why) | State::Damaged(why) => Some(why),
        State::OtherData(Replaced { new: Err(why), .. }) | State::OtherEmbedding(Replaced { new: Err(why), .. }) => {
            Some(why)
        }
        _ => None,
    };
    serde_json::json!({
        "cell": cell, "state": state_name(state), "detail": detail, "changes": changes, "reasons": reasons, "nearest": nearest,
    })
}
