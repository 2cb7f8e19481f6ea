//! `explain`: explains why cells would run, with the old and new value of each input that changed.

use std::io::{self, Write};

use emberline_base::number::shortened;
use emberline_cache::Cache;
use emberline_device::DeviceChoice;
use emberline_pipeline::{Change, Explanation, Pipeline, Plan, Replaced, State, explain};

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
        ListFormat::Text => explained.iter().try_for_each(|cell| write!(out, "{}", printable(&text(cell))))?,
        ListFormat::Json => write_json(&mut out, &explained.iter().map(json).collect::<Vec<_>>())?,
    }
    out.flush()?;
    Ok(Code::Fine)
}

/// Returns a line for the cell, then one line per change.
fn text(explained: &Explanation) -> String {
    let lines = match &explained.state {
        State::Failed(why) => vec![why.clone(), "`run --retry-failed` tries it again".to_owned()],
        State::FailedByChance(why) => vec![why.clone(), "the next `run` tries it again".to_owned()],
        State::Damaged(what) => vec![what.clone()],
        State::Missing => vec![match &explained.nearest {
            Some(nearest) => format!("it has never run; the nearest that has is {nearest}"),
            None => "it has never run".to_owned(),
        }],
        State::OtherData(Replaced { new: Err(why), .. }) | State::OtherEmbedding(Replaced { new: Err(why), .. }) => {
            vec![why.clone()]
        }
        State::Done
        | State::Interrupted
        | State::OtherData(_)
        | State::OtherEmbedding(_)
        | State::OtherComputation(..) => Vec::new(),
    };
    let changes = explained.changes.iter().map(change_line);
    let lines: String = lines.into_iter().chain(changes).map(|line| format!("  {line}\n")).collect();
    format!("{}: {}\n{lines}", explained.cell, describe(&explained.state))
}

fn change_line(change: &Change) -> String {
    let shown = |value: &Option<String>| value.as_deref().map_or_else(|| "nothing".to_owned(), shortened);
    format!("{}: {} -> {}", change.what, shown(&change.old), shown(&change.new))
}

fn json(explained: &Explanation) -> serde_json::Value {
    let Explanation { cell, state, changes, nearest } = explained;
    let detail = match state {
        State::Failed(why) | State::FailedByChance(why) | State::Damaged(why) => Some(why),
        State::OtherData(Replaced { new: Err(why), .. }) | State::OtherEmbedding(Replaced { new: Err(why), .. }) => {
            Some(why)
        }
        _ => None,
    };
    serde_json::json!({
        "cell": cell, "state": state_name(state), "detail": detail, "changes": changes, "nearest": nearest,
    })
}
