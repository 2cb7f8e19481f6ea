//! `plan`: lists the cells and their states.

mod decide;

use std::io::{self, Write};

use emberline_base::number::{counted, grouped};
use emberline_base::record::Data;
use emberline_cache::Cache;
use emberline_device::DeviceChoice;
use emberline_device::memory::human_size;
use emberline_pipeline::{
    Cell, Choice as AxisValues, LeftOut, Pipeline, Plan, Report, State, Survey, ToEncode, TuningCost, TuningMemory,
    survey,
};
use serde::Serialize;

use super::run_folder;
use crate::args::{ListFormat, Plan as Args};
use crate::exit::{Code, Error};
use crate::terminal::{left_out_message, printable, say, table};

pub(super) fn run(args: &Args) -> Result<Code, Error> {
    let pipeline = Pipeline::load(&args.pipeline.file, &args.pipeline.set)?;
    let mut out = io::stdout();
    if args.resolved {
        write!(out, "{}", resolved(&pipeline))?;
        return Ok(Code::Fine);
    }
    let folder = run_folder(&pipeline, args.out.as_ref());
    if args.decide {
        return decide::run(&folder, args.format);
    }
    let plan = Plan::of(&pipeline);
    let survey = survey(&pipeline, &plan, &folder, DeviceChoice::Auto.resolve()?, Cache::for_current_user())?;
    let report = pipeline.settings.report.unwrap_or_default();
    match args.format {
        ListFormat::Text => {
            if let Some(message) = left_out_message(&plan.left_out) {
                say(&message);
            }
            write!(out, "{}", table(&rows(&plan, &survey.states)))?;
            writeln!(out, "\n{}", totals(&plan, &survey.states, &survey.data))?;
            write!(out, "{}", stored(report, &survey.data))?;
            survey.encodings.iter().try_for_each(|encoding| writeln!(out, "{}", printable(&to_encode(encoding))))?;
            survey.tunings.iter().try_for_each(|cost| writeln!(out, "{}", printable(&to_tune(cost))))?;
        }
        ListFormat::Json => write_json(&mut out, &listed(report, &plan, &survey))?,
    }
    Ok(Code::Fine)
}

/// Returns the pipeline file with every default filled in; `data.positive` is derived from the data, if they can be read.
fn resolved(pipeline: &Pipeline) -> String {
    if pipeline.settings.data.positive.is_some() {
        return pipeline.resolved();
    }
    pipeline.resolved_with_data().unwrap_or_else(|error| {
        say(&format!("`data.positive` isn't filled in, since the data can't be read: {error}"));
        pipeline.resolved()
    })
}

fn rows(plan: &Plan, states: &[State]) -> Vec<Vec<String>> {
    let axes = plan.cells.first().into_iter().flat_map(|cell| cell.axes.iter().map(|(key, _)| key.to_owned()));
    let mut rows = vec![["cell", "state"].map(str::to_owned).into_iter().chain(axes).collect::<Vec<_>>()];
    for (cell, state) in plan.cells.iter().zip(states) {
        let values = cell.axes.iter().map(|(_, value)| value.as_str().map_or_else(|| value.to_string(), str::to_owned));
        rows.push([cell.id.clone(), describe(state).to_owned()].into_iter().chain(values).collect());
    }
    rows
}

/// Describes the state of a cell in a few words.
pub(super) fn describe(state: &State) -> &'static str {
    match state {
        State::Done => "done",
        State::Failed(_) => "failed",
        State::FailedByChance(_) => "to run: it failed by its surroundings",
        State::Missing => "to run",
        State::Interrupted => "to run: it was interrupted",
        State::Damaged(_) => "to run: its record is damaged",
        State::OtherData(_) => "to run: the data changed",
        State::OtherEmbedding(_) => "to run: the embedding changed",
        State::OtherComputation(..) => "to run: its computation changed",
    }
}

/// Summarises the plan: the number of cells to run, the maximum number of training steps, and the rows of each split.
fn totals(plan: &Plan, states: &[State], data: &Data) -> String {
    let count = |wanted: &dyn Fn(&State) -> bool| states.iter().filter(|state| wanted(state)).count();
    let (done, failed) = (count(&|s| *s == State::Done), count(&|s| matches!(s, State::Failed(_))));
    let steps = |cell: &Cell| {
        let train = &cell.settings.train;
        // Of an encoder that is trained on pairs before, no batches of the head make a step together.
        let accumulate = train.accumulate.filter(|_| train.contrastive.is_none()).unwrap_or(1);
        let rows_per_step = u64::from(train.batch_size) * u64::from(accumulate);
        (data.splits.train.rows as u64).div_ceil(rows_per_step) * u64::from(train.epochs)
    };
    let waiting = plan.cells.iter().zip(states).filter(|(_, state)| !state.is_up_to_date());
    let most: u64 = waiting.map(|(cell, _)| steps(cell)).sum();
    let to_run = states.len() - done - failed;
    let splits: Vec<String> = data.splits.iter().map(|(name, split)| format!("{} {name}", split.rows)).collect();
    let cost =
        if to_run > 0 { format!(", at most {} of training", counted(most as usize, "step")) } else { String::new() };
    let shared = shared_texts(data).map(|message| format!("\n{message}")).unwrap_or_default();
    let rows = splits.join(", ");
    let positive = data.describe_positive().map(|words| format!("\npositive class: {words}")).unwrap_or_default();
    format!(
        "{}: {done} done, {failed} failed, {to_run} to run{cost}\nrows: {rows}{positive}{shared}",
        counted(states.len(), "cell")
    )
}

/// Returns the disk space of a cell's predictions; empty if no row is held out.
fn stored(report: Report, data: &Data) -> String {
    let bytes = Report::predictions_size(data);
    let size = megabytes(bytes);
    match report.keeps_predictions(bytes) {
        _ if bytes == 0 => String::new(),
        true => format!("predictions: {size} per cell\n"),
        false if report.predictions == Some(false) => "predictions: not stored, as [report] says\n".to_owned(),
        false => format!(
            "predictions: not stored, since they take {size} per cell; [report] predictions = true stores them\n"
        ),
    }
}

/// Formats a size on disk, in kilobytes below 0.1 MB.
fn megabytes(bytes: u64) -> String {
    if bytes < 100_000 { format!("{} kB", bytes.div_ceil(1000)) } else { format!("{:.1} MB", bytes as f64 / 1e6) }
}

/// Returns a message about rows that were left out because two files share texts or groups.
pub(super) fn shared_texts(data: &Data) -> Option<String> {
    let left_out = |rows: usize, what: &str| {
        let reason = format!("{} whose {what} is also in the file of a more protected split", counted(rows, "row"));
        (rows > 0).then_some(reason)
    };
    let reasons: Vec<String> =
        left_out(data.shared_texts, "text").into_iter().chain(left_out(data.shared_groups, "group")).collect();
    (!reasons.is_empty()).then(|| format!("left out: {}; `check --data` says more", reasons.join(", and ")))
}

/// Describes how many texts a neural encoder has to encode.
fn to_encode(encoding: &ToEncode) -> String {
    let name = &encoding.embedding;
    match &encoding.texts {
        Ok(texts) => {
            let new = texts.texts - texts.cached;
            format!("{name}: {}, {} cached, {new} to encode", counted(texts.texts, "different text"), texts.cached)
        }
        Err(problem) => format!("{name} can't encode its texts: {problem}"),
    }
}

/// Describes what fine-tuning an encoder takes.
fn to_tune(cost: &TuningCost) -> String {
    let TuningCost { embedding, cell, memory, weights } = cost;
    match memory {
        Ok(TuningMemory { bytes, refused, pairs }) => {
            let pairs = pairs.map(|pairs| format!("; first, it is trained on {} pairs of texts", grouped(pairs)));
            let pairs = pairs.unwrap_or_default();
            let refused = refused.as_ref().map(|why| format!("\n{embedding}: {why}")).unwrap_or_default();
            let (memory, weights) = (human_size(*bytes), megabytes(*weights));
            format!(
                "{embedding}: fine-tuning takes about {memory} of memory, and {weights} of weights per cell, such as `{cell}`{pairs}{refused}"
            )
        }
        Err(problem) => format!("{embedding} can't be fine-tuned: {problem}"),
    }
}

/// The JSON output. It borrows from the plan and is serialised directly, because a plan may be long.
#[derive(Serialize)]
struct Listed<'a> {
    cells: Vec<ListedCell<'a>>,
    left_out: Vec<ListedLeftOut<'a>>,
    encodings: Vec<serde_json::Value>,
    /// What fine-tuning encoders takes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tunings: Vec<serde_json::Value>,
    /// The positive class of a binary task.
    #[serde(skip_serializing_if = "Option::is_none")]
    positive: Option<&'a str>,
    predictions: ListedPredictions,
}

/// The size of a cell's predictions, and whether they are stored.
#[derive(Serialize)]
struct ListedPredictions {
    bytes_per_cell: u64,
    stored: bool,
}

#[derive(Serialize)]
struct ListedCell<'a> {
    id: &'a str,
    state: &'static str,
    settings: &'a AxisValues,
}

#[derive(Serialize)]
struct ListedLeftOut<'a> {
    settings: &'a AxisValues,
    reason: &'a str,
}

fn listed<'a>(report: Report, plan: &'a Plan, survey: &'a Survey) -> Listed<'a> {
    let cell =
        |(cell, state): (&'a Cell, &State)| ListedCell { id: &cell.id, state: state_name(state), settings: &cell.axes };
    let left_out = |left_out: &'a LeftOut| ListedLeftOut { settings: &left_out.axes, reason: &left_out.reason };
    let encoding = |encoding: &ToEncode| match &encoding.texts {
        Ok(texts) => {
            serde_json::json!({"embedding": encoding.embedding, "texts": texts.texts, "cached": texts.cached})
        }
        Err(problem) => serde_json::json!({"embedding": encoding.embedding, "error": problem}),
    };
    let tuning = |cost: &TuningCost| {
        let TuningCost { embedding, cell, memory, weights } = cost;
        match memory {
            Ok(TuningMemory { bytes, refused, pairs }) => serde_json::json!({
                "embedding": embedding, "cell": cell, "memory": bytes, "refused": refused, "bytes_per_cell": weights, "pairs": pairs
            }),
            Err(problem) => serde_json::json!({"embedding": embedding, "cell": cell, "error": problem}),
        }
    };
    let bytes_per_cell = Report::predictions_size(&survey.data);
    Listed {
        predictions: ListedPredictions { bytes_per_cell, stored: report.keeps_predictions(bytes_per_cell) },
        cells: plan.cells.iter().zip(&survey.states).map(cell).collect(),
        left_out: plan.left_out.iter().map(left_out).collect(),
        encodings: survey.encodings.iter().map(encoding).collect(),
        tunings: survey.tunings.iter().map(tuning).collect(),
        positive: survey.data.positive.as_deref(),
    }
}

/// Writes a value as JSON, with a line end.
pub(in crate::command) fn write_json(out: &mut impl Write, value: &impl Serialize) -> io::Result<()> {
    let mut out = io::BufWriter::new(out);
    serde_json::to_writer(&mut out, value)?;
    writeln!(out)?;
    out.flush()
}

/// Returns the name of a cell's state in JSON output.
pub(in crate::command) fn state_name(state: &State) -> &'static str {
    match state {
        State::Done => "done",
        State::Failed(_) => "failed",
        State::FailedByChance(_) => "failed_by_chance",
        State::Missing => "missing",
        State::Interrupted => "interrupted",
        State::Damaged(_) => "damaged",
        State::OtherData(_) => "other_data",
        State::OtherEmbedding(_) => "other_embedding",
        State::OtherComputation(..) => "other_computation",
    }
}
