//! What `run` prints at its end: the answer's sentences, the settings from the best to the worst, and why cells failed.

use std::io::{self, Write};

use console::Style;
use emberline_base::Metric;
use emberline_base::number::{counted, fixed, grouped};
use emberline_base::record::{BaselineScores, Status, Summary};
use emberline_pipeline::{
    SettingScores, baseline_name, headline_metrics, ranking_metric, reference_score, sentences, setting_scores,
};
use indexmap::IndexMap;

use super::cell_table;
use crate::columns::{Column, fitted};
use crate::exit::Error;
use crate::layout::{output_width, wrapped_for_output};
use crate::terminal::{Verbosity, printable, say, seconds, table, without_numbers};

/// Maximum number of settings that are listed, unless all are asked for.
const MAX_SETTINGS: usize = 20;
/// Maximum number of causes of failures.
const MAX_CAUSES: usize = 10;

/// Prints the answer and the ranked settings; all settings, baselines and cells if the command is verbose.
pub(super) fn print(summary: &Summary, level: Verbosity) -> Result<(), Error> {
    let mut out = io::stdout();
    for sentence in summary.answer.iter().flat_map(sentences) {
        writeln!(out, "{}", wrapped_for_output(&printable(&sentence.text)))?;
    }
    if let Some(expected) = &summary.expected {
        writeln!(out, "{}", wrapped_for_output(&printable(&expected.to_string())))?;
    }
    let is_verbose = level == Verbosity::Verbose;
    let most = if is_verbose { usize::MAX } else { MAX_SETTINGS };
    let lines = settings(summary, most, is_verbose, output_width());
    for (number, line) in lines.iter().enumerate() {
        let style = Style::new().for_stdout();
        let style = if number == 0 || number == 1 { style.bold() } else { style };
        let separator = if number == 0 && summary.answer.is_some() { "\n" } else { "" };
        writeln!(out, "{separator}{}", style.apply_to(line))?;
    }
    if is_verbose {
        write!(out, "\n{}", table(&cell_table::rows(summary)))?;
    }
    Ok(())
}

/// Returns the lines of the table of settings, the best first, then the baselines; the best `most` of more settings.
fn settings(summary: &Summary, most: usize, is_verbose: bool, columns: usize) -> Vec<String> {
    let scores = setting_scores(summary);
    let shown = &scores[..scores.len().min(most)];
    let Some(metric) = ranking_metric(summary) else { return without_scores(shown, columns) };
    let baselines = baselines(summary, &metric, is_verbose);
    let rows = Rows { shown, baselines: &baselines, summary };
    let mut lines = fitted(rows.columns(&metric), columns);
    let more = scores.len() - shown.len();
    if more > 0 {
        let lower = if summary.answer.as_ref().is_some_and(|answer| !answer.fewer_labels.is_empty()) {
            "with fewer labels or lower scores"
        } else {
            "with lower scores"
        };
        let text = format!("and {} {lower}: `--verbose` and settings.csv have them", counted(more, "setting"));
        lines.insert(1 + shown.len(), text);
    }
    lines
}

/// Returns the table of settings without any score: how many cells of each are done.
fn without_scores(scores: &[SettingScores], columns: usize) -> Vec<String> {
    let labels = scores.iter().map(|scores| printable(&scores.label)).collect();
    let cells = scores.iter().map(cells).collect();
    fitted(vec![Column::new("setting", labels), Column::new("cells done", cells)], columns)
}

/// Returns the baselines that are applicable: all of them, or else the best on each set of rows.
fn baselines<'s>(summary: &'s Summary, metric: &str, all: bool) -> Vec<BaselineScores<'s>> {
    let lower = Metric::from_name(metric.trim_start_matches("val_").trim_start_matches("test_"))
        .is_some_and(Metric::smaller_is_better);
    let scores = summary.baseline_scores().into_iter().filter(|scores| scores.not_applicable.is_none());
    let scored = scores.filter(|scores| all || scores.mean(metric).is_some_and(f64::is_finite));
    if all {
        return scored.collect();
    }
    let mut best: IndexMap<String, BaselineScores<'s>> = IndexMap::new();
    for scores in scored {
        let rows = format!("{:?}", scores.settings);
        let is_better = |other: &BaselineScores<'_>| {
            let (one, other) = (scores.mean(metric), other.mean(metric));
            if lower { one < other } else { one > other }
        };
        if best.get(&rows).is_none_or(is_better) {
            best.insert(rows, scores);
        }
    }
    best.into_values().collect()
}

/// The rows of the table: settings, then baselines.
struct Rows<'a> {
    shown: &'a [SettingScores],
    baselines: &'a [BaselineScores<'a>],
    summary: &'a Summary,
}

impl Rows<'_> {
    /// Returns the columns in the order of their importance: the metric that settings are ranked by, with what is claimed of it, then
    /// the other scores, and what training took.
    fn columns(&self, metric: &str) -> Vec<Column> {
        let names = headline_metrics(self.summary);
        let split = metric.split('_').next().unwrap_or_default();
        let (of_split, others): (Vec<&String>, Vec<&String>) =
            names.iter().filter(|name| *name != metric).partition(|name| name.starts_with(split));
        let other_split =
            others.iter().position(|name| name.split_once('_').map(|x| x.1) == metric.split_once('_').map(|x| x.1));
        let mut columns = vec![self.names(metric), self.metric(metric)];
        columns.extend(self.intervals());
        columns.extend(self.of_settings("cells", &cells));
        // The same metric of the other rows says how far the choice flatters the chosen one.
        columns.extend(other_split.map(|at| self.metric(others[at])));
        columns.extend(of_split.into_iter().map(|name| self.metric(name)));
        columns.extend(
            self.of_settings("epochs", &|scores| scores.epochs.map_or(String::new(), |epochs| fixed(epochs.mean, 1))),
        );
        columns.extend(
            self.of_settings("seconds", &|scores| scores.seconds.map_or(String::new(), |s| seconds(s.mean, 2))),
        );
        columns.extend(
            self.of_settings("dim", &|scores| scores.sizes.map_or(String::new(), |sizes| sizes.dim.to_string())),
        );
        columns.extend(self.of_settings("parameters", &|scores| {
            scores.sizes.map_or(String::new(), |sizes| grouped(sizes.parameters))
        }));
        columns
    }

    fn names(&self, metric: &str) -> Column {
        let settings = self.shown.iter().map(|scores| printable(&scores.label));
        let baseline = |scores: &BaselineScores<'_>| {
            let rows = scores.settings.iter().map(|(axis, value)| {
                format!(
                    " · {} {}",
                    axis.rsplit('.').next().unwrap_or(axis),
                    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
                )
            });
            printable(&format!("({}{})", baseline_name(scores), rows.collect::<String>()))
        };
        let baselines = self.baselines.iter().map(baseline);
        Column::new("setting", settings.chain(baselines).chain(self.reference(metric)).collect())
    }

    /// Returns the name of the last row, which holds what is had without any model; none if no column has such a number.
    fn reference(&self, metric: &str) -> Option<String> {
        let name_for = |metric: &str| reference_score(metric, &self.summary.data).map(|(name, _)| name);
        let others = || headline_metrics(self.summary).iter().any(|metric| name_for(metric).is_some());
        match name_for(metric) {
            Some(name) => Some(format!("({name})")),
            None => others().then(|| "(no skill)".to_owned()),
        }
    }

    fn metric(&self, name: &str) -> Column {
        let settings = self.shown.iter().map(|scores| scores.metrics.get(name).map(|spread| spread.mean));
        let baselines = self.baselines.iter().map(|scores| scores.mean(name));
        let reference = reference_score(name, &self.summary.data).map(|(_, value)| Some(value));
        Column::new(name, settings.chain(baselines).chain(reference).map(cell_table::shown).collect())
    }

    /// Returns the columns of what the answer claims; none if it claims nothing.
    fn intervals(&self) -> Vec<Column> {
        let Some(first) = self.shown.iter().find_map(|scores| scores.answer.as_ref()) else { return Vec::new() };
        let head = format!("{:.0} % interval", first.confidence * 100.0);
        let interval = |scores: &SettingScores| match scores.answer.as_ref().map(|claimed| (claimed.low, claimed.high))
        {
            Some((Some(low), Some(high))) => format!("[{}, {}]", fixed(low, 4), fixed(high, 4)),
            _ => String::new(),
        };
        let rank = |scores: &SettingScores| match &scores.answer {
            Some(claimed) if claimed.rank_low == claimed.rank_high => claimed.rank_low.to_string(),
            Some(claimed) => format!("{}-{}", claimed.rank_low, claimed.rank_high),
            None => String::new(),
        };
        self.of_settings(&head, &interval).into_iter().chain(self.of_settings("rank", &rank)).collect()
    }

    /// Returns a column of settings alone, unless it is empty.
    fn of_settings(&self, head: &str, field: &dyn Fn(&SettingScores) -> String) -> Option<Column> {
        let fields: Vec<String> = self.shown.iter().map(field).collect();
        fields.iter().any(|field| !field.is_empty()).then(|| Column::new(head, fields))
    }
}

/// Returns how many cells of a setting are done: `5`, or `4 of 5`.
fn cells(scores: &SettingScores) -> String {
    let counts = scores.cells;
    let all = counts.done + counts.failed + counts.pending;
    if counts.done == all { all.to_string() } else { format!("{} of {all}", counts.done) }
}

/// Prints why cells failed: each cause once, with the number of its cells and the first of them.
pub(super) fn print_failures(summary: &Summary) {
    let mut causes: IndexMap<String, (&str, Vec<&str>)> = IndexMap::new();
    for cell in summary.cells.iter().filter(|cell| cell.status == Status::Failed) {
        let cause = cell.error.as_deref().unwrap_or("for an unknown reason");
        causes.entry(without_numbers(cause)).or_insert_with(|| (cause, Vec::new())).1.push(&cell.id);
    }
    let failed: usize = causes.values().map(|(_, cells)| cells.len()).sum();
    if failed == 0 {
        return;
    }
    for (cause, cells) in causes.values().take(MAX_CAUSES) {
        let named = match cells.as_slice() {
            [only] => (*only).to_owned(),
            [first, ..] => format!("{}, such as {first}", counted(cells.len(), "cell")),
            [] => String::new(),
        };
        say(&format!("failed: {named}: {cause}"));
    }
    let more = causes.len().saturating_sub(MAX_CAUSES);
    let others = if more > 0 { format!("; {} more: see the report", counted(more, "cause")) } else { String::new() };
    let them = if failed == 1 { "it" } else { "them" };
    say(&format!("{} failed; `--retry-failed` tries {them} again{others}", counted(failed, "cell")));
}
