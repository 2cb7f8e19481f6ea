//! `cells`: lists the ids of a pipeline's cells, which GNU Parallel, HyperQueue and similar tools run with `run --only`.

use std::collections::HashSet;
use std::io::{self, Write};

use emberline_cache::Cache;
use emberline_device::DeviceChoice;
use emberline_pipeline::{Pipeline, Plan, State, survey};

use super::plan::{state_name, write_json};
use super::run_folder;
use crate::args::{Cells, CellsFormat};
use crate::exit::{Code, Error};

pub(super) fn run(args: &Cells) -> Result<Code, Error> {
    let pipeline = Pipeline::load(&args.pipeline.file, &args.pipeline.set)?;
    let plan = Plan::of(&pipeline);
    let only: HashSet<String> = plan.select(&args.only)?.into_iter().collect();
    let chosen = |state: &State| match state {
        State::Done => args.done,
        State::Failed(_) => args.failed,
        _ => args.missing,
    };
    // Only the states of cells depend on data and embeddings, which take time to read.
    let asks_for_states = args.missing || args.failed || args.done || args.format == CellsFormat::Json;
    let states = if asks_for_states {
        let folder = run_folder(&pipeline, args.out.as_ref());
        survey(&pipeline, &plan, &folder, DeviceChoice::Auto.resolve()?, Cache::for_current_user())?.states
    } else {
        Vec::new()
    };
    let takes_all = !(args.missing || args.failed || args.done);
    let cells = plan.cells.iter().enumerate().map(|(at, cell)| (cell.id.as_str(), states.get(at)));
    let cells = cells.filter(|(id, _)| only.is_empty() || only.contains(*id));
    let cells = cells.filter(|(_, state)| takes_all || state.is_some_and(chosen));
    let mut out = io::BufWriter::new(io::stdout().lock());
    match args.format {
        CellsFormat::Lines => cells.map(|(id, _)| id).try_for_each(|id| writeln!(out, "{id}"))?,
        CellsFormat::Json => {
            let entry =
                |(id, state): (&str, Option<&State>)| serde_json::json!({"id": id, "state": state.map(state_name)});
            write_json(&mut out, &cells.map(entry).collect::<Vec<_>>())?;
        }
    }
    out.flush()?;
    Ok(Code::Fine)
}
