//! `plan`: the cells, and where each stands.

use std::io::{self, Write};

use emberline_base::record::Data;
use emberline_cache::Cache;
use emberline_device::Choice;
use emberline_pipeline::{Cell, Pipeline, Plan, State, Survey, ToEncode, survey};

use super::run_folder;
use crate::args::{ListFormat, Plan as Args};
use crate::exit::{Code, Error};
use crate::terminal::{left_out_message, printable, say, table};

pub(super) fn run(args: &Args) -> Result<Code, Error> {
    let pipeline = Pipeline::load(&args.pipeline.file, &args.pipeline.set)?;
    let mut out = io::stdout();
    if args.resolved {
        write!(out, "{}", pipeline.resolved())?;
        return Ok(Code::Fine);
    }
    let plan = Plan::of(&pipeline);
    let folder = run_folder(&pipeline, args.out.as_ref());
    let survey = survey(&pipeline, &plan, &folder, Choice::Auto.resolve()?, Cache::of_user())?;
    match args.format {
        ListFormat::Text => {
            if let Some(message) = left_out_message(&plan.left_out) {
                say(&message);
            }
            write!(out, "{}", table(&rows(&plan, &survey.states)))?;
            writeln!(out, "\n{}", totals(&plan, &survey.states, &survey.data))?;
            survey.encodings.iter().try_for_each(|encoding| writeln!(out, "{}", printable(&to_encode(encoding))))?;
        }
        ListFormat::Json => writeln!(out, "{}", json(&plan, &survey))?,
    }
    Ok(Code::Fine)
}

fn rows(plan: &Plan, states: &[State]) -> Vec<Vec<String>> {
    let axes: Vec<String> = plan.cells.first().map(|c| c.axes.keys().cloned().collect()).unwrap_or_default();
    let mut rows = vec![["cell", "state"].map(str::to_owned).into_iter().chain(axes).collect::<Vec<_>>()];
    for (cell, state) in plan.cells.iter().zip(states) {
        let values = cell.axes.values().map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned));
        rows.push([cell.id.clone(), describe(*state).to_owned()].into_iter().chain(values).collect());
    }
    rows
}

fn describe(state: State) -> &'static str {
    match state {
        State::Done => "done",
        State::Failed => "failed",
        State::Missing => "to run",
        State::OtherData => "to run: the data changed",
        State::OtherEmbedding => "to run: the embedding changed",
    }
}

/// How many cells there are to run, and the most steps that they can take.
fn totals(plan: &Plan, states: &[State], data: &Data) -> String {
    let count = |wanted: &dyn Fn(State) -> bool| states.iter().filter(|s| wanted(**s)).count();
    let (done, failed) = (count(&|s| s == State::Done), count(&|s| s == State::Failed));
    let steps = |cell: &Cell| {
        let train = &cell.settings.train;
        (data.splits.train.rows as u64).div_ceil(u64::from(train.batch_size)) * u64::from(train.epochs)
    };
    let waiting = plan.cells.iter().zip(states).filter(|(_, s)| !matches!(s, State::Done | State::Failed));
    let most: u64 = waiting.map(|(cell, _)| steps(cell)).sum();
    let to_run = states.len() - done - failed;
    let splits: Vec<String> = data.splits.iter().map(|(name, split)| format!("{} {name}", split.rows)).collect();
    let cost = if to_run > 0 { format!(", at most {most} steps of training") } else { String::new() };
    format!("{} cells: {done} done, {failed} failed, {to_run} to run{cost}\nrows: {}", states.len(), splits.join(", "))
}

/// What a neural encoder has to do.
fn to_encode(encoding: &ToEncode) -> String {
    let name = &encoding.embedding;
    match &encoding.texts {
        Ok(texts) => {
            let new = texts.texts - texts.cached;
            format!("{name}: {} different texts, {} cached, {new} to encode", texts.texts, texts.cached)
        }
        Err(problem) => format!("{name} can't encode its texts: {problem}"),
    }
}

fn json(plan: &Plan, survey: &Survey) -> serde_json::Value {
    let cell = |(cell, state): (&Cell, &State)| serde_json::json!({"id": cell.id, "state": state_name(*state), "settings": cell.axes});
    let left_out = plan.left_out.iter().map(|l| serde_json::json!({"settings": l.axes, "reason": l.reason}));
    let encoding = |encoding: &ToEncode| match &encoding.texts {
        Ok(texts) => {
            serde_json::json!({"embedding": encoding.embedding, "texts": texts.texts, "cached": texts.cached})
        }
        Err(problem) => serde_json::json!({"embedding": encoding.embedding, "error": problem}),
    };
    serde_json::json!({
        "cells": plan.cells.iter().zip(&survey.states).map(cell).collect::<Vec<_>>(),
        "left_out": left_out.collect::<Vec<_>>(),
        "encodings": survey.encodings.iter().map(encoding).collect::<Vec<_>>(),
    })
}

fn state_name(state: State) -> &'static str {
    match state {
        State::Done => "done",
        State::Failed => "failed",
        State::Missing => "missing",
        State::OtherData => "other_data",
        State::OtherEmbedding => "other_embedding",
    }
}
