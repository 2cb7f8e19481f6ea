//! Compares what the pipeline file says with a lock: the settings and the list of cells. No data and no model is read.

use std::collections::{BTreeSet, HashMap};

use emberline_base::number::{agreeing, counted, shortened};
use emberline_base::{Change, IGNORED_KEYS, changes, run_files};
use emberline_train::COMPUTATION;

use super::stale::{StaleInput, Subject};
use super::text::readable;
use super::{Lock, LockedCell};
use crate::pipeline::Pipeline;
use crate::plan::{Cell, Plan};

/// Sections on which no result depends: what is stored for reports, what was published, which findings end a run, and,
/// since every cell has its own line, the list of cells. The name is part of the line `pipeline`.
const SECTIONS_OF_NO_RESULT: [&str; 5] = ["name", "grid", "report", "expect", "checks"];

/// Returns the settings that a result can depend on, with defaults filled in and keys sorted.
pub(super) fn settings(pipeline: &Pipeline) -> toml::Table {
    let mut table: toml::Table = pipeline.resolved().parse().expect("what was written as TOML is TOML");
    SECTIONS_OF_NO_RESULT.iter().for_each(|key| drop(table.remove(*key)));
    sorted(table)
}

fn sorted(table: toml::Table) -> toml::Table {
    let mut entries: Vec<(String, toml::Value)> =
        table.into_iter().filter(|(key, _)| !IGNORED_KEYS.contains(&key.as_str())).collect();
    entries.sort_by(|a, b| a.0.cmp(&b.0));
    let deep = |value| match value {
        toml::Value::Table(table) => toml::Value::Table(sorted(table)),
        other => other,
    };
    entries.into_iter().map(|(key, value)| (key, deep(value))).collect()
}

/// What a comparison of a lock with a plan is about: the plan, and the positions of the cells that are asked for.
pub(super) struct Asked<'p> {
    pub(super) pipeline: &'p Pipeline,
    pub(super) plan: &'p Plan,
    pub(super) cells: Vec<usize>,
}

impl Lock {
    /// Compares the lock with a pipeline file: does it fit? Neither data nor models are read.
    pub fn check(&self, pipeline: &Pipeline) -> Vec<StaleInput> {
        let plan = Plan::of_settings(pipeline);
        // A combination that a file rules out is none of the lock's cells.
        let is_asked = |cell: &Cell| {
            let left_out = self.left_out.get(readable(&cell.id, &cell.identity.to_string()));
            left_out.is_none_or(|it| it.identity != cell.identity.to_string())
        };
        let cells = (0..plan.cells.len()).filter(|&at| is_asked(&plan.cells[at])).collect();
        self.compare_settings(&Asked { pipeline, plan: &plan, cells })
    }

    /// Compares the settings, the version of the computation, the list of cells, and whether there is a refit.
    pub(super) fn compare_settings(&self, asked: &Asked<'_>) -> Vec<StaleInput> {
        if let Some(other) = self.of_another_pipeline(asked) {
            return vec![other];
        }
        let changed: BTreeSet<usize> =
            asked.cells.iter().copied().filter(|&at| !self.has(&asked.plan.cells[at])).collect();
        let mut found = self.changed_settings(asked, &changed);
        let explained: BTreeSet<usize> = found.iter().flat_map(|(_, cells)| cells).copied().collect();
        let mut stale: Vec<StaleInput> = self.changed_computation(asked).into_iter().collect();
        stale.extend(found.drain(..).map(|(difference, _)| difference));
        let unexplained: Vec<usize> = changed.difference(&explained).copied().collect();
        stale.extend(self.changed_cells(asked, &unexplained));
        stale.extend(self.cells_alone(asked));
        stale.extend(self.missing_refit(asked.pipeline));
        stale
    }

    /// Returns the lock's entry of a cell with these settings.
    pub(super) fn locked(&self, cell: &Cell) -> Option<&LockedCell> {
        self.cells.get(&cell.id).filter(|locked| locked.identity == cell.identity.to_string())
    }

    fn has(&self, cell: &Cell) -> bool {
        self.locked(cell).is_some()
    }

    /// Says that the lock is of another pipeline: it has another name, and none of its cells.
    fn of_another_pipeline(&self, asked: &Asked<'_>) -> Option<StaleInput> {
        let (old, new) = (&self.pipeline.name, &asked.pipeline.settings.name);
        let summary = || {
            let (old, new) = (crate::name::short(old), crate::name::short(new));
            format!("it is of the pipeline `{old}`, not of `{new}`, and has none of its cells")
        };
        let is_other = old != new && !asked.plan.cells.iter().any(|cell| self.has(cell));
        is_other.then(|| StaleInput::as_a_whole(Subject::Pipeline, summary()))
    }

    fn changed_computation(&self, asked: &Asked<'_>) -> Option<StaleInput> {
        let (old, new) = (self.pipeline.computation, COMPUTATION);
        let change = Change { what: "computation".to_owned(), old: Some(old.to_string()), new: Some(new.to_string()) };
        let summary = format!("the program computes otherwise: computation: {old} -> {new}");
        let stale = || StaleInput::of(Subject::Settings, summary, asked.plan, &asked.cells, &asked.cells);
        (old != new).then(|| stale().with_changes(vec![change]))
    }

    /// Returns the settings that changed, each with the cells that it touches: those whose settings the lock doesn't
    /// know and, of a setting of an embedding, that have this embedding.
    fn changed_settings(&self, asked: &Asked<'_>, changed: &BTreeSet<usize>) -> Vec<(StaleInput, Vec<usize>)> {
        let new = settings(asked.pipeline);
        let mut found = Vec::new();
        if self.pipeline.name != asked.pipeline.settings.name {
            let (old, new) = (self.pipeline.name.clone(), asked.pipeline.settings.name.clone());
            let change = Change { what: "name".to_owned(), old: Some(old), new: Some(new) };
            found.push((StaleInput::of(Subject::Settings, shown(&change), asked.plan, &[], &asked.cells), change));
        }
        let mut touched_by: Vec<Vec<usize>> = vec![Vec::new(); found.len()];
        for (summary, change, embedding) in self.setting_changes(&new) {
            let is_touched =
                |at: &&usize| embedding.as_deref().is_none_or(|name| asked.plan.cells[**at].embedding() == name);
            let cells: Vec<usize> = changed.iter().filter(is_touched).copied().collect();
            found.push((StaleInput::of(Subject::Settings, summary, asked.plan, &cells, &asked.cells), change));
            touched_by.push(cells);
        }
        let with_change =
            |((stale, change), cells): ((StaleInput, Change), Vec<usize>)| (stale.with_changes(vec![change]), cells);
        found.into_iter().zip(touched_by).map(with_change).collect()
    }

    /// Lists the settings that changed: a line, the change, and the embedding that it is of. An embedding that is new or
    /// gone is one change.
    fn setting_changes(&self, new: &toml::Table) -> Vec<(String, Change, Option<String>)> {
        let sources =
            |table: &toml::Table| table.get("embedding").and_then(toml::Value::as_table).cloned().unwrap_or_default();
        let [old_sources, new_sources] = [sources(&self.settings), sources(new)];
        let mut seen = BTreeSet::new();
        let mut found = Vec::new();
        for change in changes(&self.settings, new) {
            let name =
                change.what.strip_prefix("embedding.").and_then(|rest| rest.split('.').next()).map(str::to_owned);
            let whole = name.as_ref().and_then(|name| {
                let what = match (old_sources.contains_key(name), new_sources.contains_key(name)) {
                    (false, true) => "is new",
                    (true, false) => "is gone",
                    _ => return None,
                };
                Some(format!("the embedding `{}` {what}", crate::name::short(name)))
            });
            let summary = whole.unwrap_or_else(|| shown(&change));
            if seen.insert(summary.clone()) {
                found.push((summary, change, name));
            }
        }
        found
    }

    /// Says which cells of the plan the lock doesn't have as they are, for no reason that was given before.
    fn changed_cells(&self, asked: &Asked<'_>, unexplained: &[usize]) -> Vec<StaleInput> {
        let names: HashMap<&str, &str> =
            self.cells.iter().map(|(id, cell)| (readable(id, &cell.identity), id.as_str())).collect();
        let is_known = |at: &usize| {
            let cell = &asked.plan.cells[*at];
            self.cells.contains_key(&cell.id) || names.contains_key(readable(&cell.id, &cell.identity.to_string()))
        };
        let (other, new): (Vec<usize>, Vec<usize>) = unexplained.iter().copied().partition(is_known);
        let mut found = Vec::new();
        for (cells, one, many) in [
            (other, " has other settings than in the lock", " have other settings than in the lock"),
            (new, " is missing in the lock", " are missing in the lock"),
        ] {
            if !cells.is_empty() {
                let mut summary = asked.plan.describe(&cells, &asked.cells);
                // `30 of 90 cells: seed = 2` becomes `30 of 90 cells are missing in the lock: seed = 2`.
                let at = summary.find([':', ',']).unwrap_or(summary.len());
                summary.insert_str(at, agreeing(cells.len(), one, many));
                let of_plan = StaleInput::of(Subject::Cells, summary, asked.plan, &cells, &asked.cells);
                found.push(StaleInput { touches: None, ..of_plan });
            }
        }
        found
    }

    /// Says which cells only the lock has. A cell that has other settings by now, or whose embedding is gone, was named
    /// before.
    fn cells_alone(&self, asked: &Asked<'_>) -> Option<StaleInput> {
        let identities: Vec<String> = asked.plan.cells.iter().map(|cell| cell.identity.to_string()).collect();
        let planned: BTreeSet<&str> = asked.plan.cells.iter().map(|cell| cell.id.as_str()).collect();
        let names: BTreeSet<&str> =
            asked.plan.cells.iter().zip(&identities).map(|(cell, identity)| readable(&cell.id, identity)).collect();
        let is_alone = |(id, cell): &(&String, &LockedCell)| {
            let embedding = self.embedding.get(&cell.embedding).map(|facts| facts.name.as_str());
            let is_gone = embedding.is_some_and(|name| !asked.pipeline.settings.embedding.contains_key(name));
            !planned.contains(id.as_str()) && !names.contains(readable(id, &cell.identity)) && !is_gone
        };
        let alone: Vec<String> = self.cells.iter().filter(is_alone).map(|(id, _)| id.clone()).collect();
        let first = alone.first()?;
        let such_as = if alone.len() == 1 { first.clone() } else { format!("such as {first}") };
        let (count, are) = (counted(alone.len(), "cell"), agreeing(alone.len(), "is", "are"));
        let stale = StaleInput::as_a_whole(Subject::Cells, format!("{count} {are} in the lock alone: {such_as}"));
        Some(StaleInput { cells: alone, ..stale })
    }

    /// Says that the refit is missing if the pipeline asks for one and the lock has none.
    fn missing_refit(&self, pipeline: &Pipeline) -> Option<StaleInput> {
        let is_missing = pipeline.settings.asks_for_refit() && self.refit.is_none();
        let change = Change { what: run_files::REFIT.to_owned(), old: None, new: Some("asked for".to_owned()) };
        let summary = "it isn't in the lock, and `[decide] refit` asks for it".to_owned();
        is_missing.then(|| StaleInput::as_a_whole(Subject::Refit, summary).with_changes(vec![change]))
    }
}

/// Shows a change: `train.epochs: 3 -> 4`.
pub(crate) fn shown(change: &Change) -> String {
    let value = |value: &Option<String>| {
        value
            .as_deref()
            .map_or_else(|| "nothing".to_owned(), |value| crate::diagnostic::clipped(&shortened(value), 200))
    };
    format!("{}: {} -> {}", change.what, value(&change.old), value(&change.new))
}
