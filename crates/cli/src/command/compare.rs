//! `compare`: compares two runs, or a run and a lock, setting by setting.

use std::io::{self, Write};
use std::path::Path;

use emberline_base::number::{agreeing, counted, fixed};
use emberline_pipeline::compare::{
    Comparison, Gate, Options, Pair, Replicates, Side, Verdict, compare, heading, markdown, notes, rows,
};
use emberline_pipeline::{Error as Fault, Lock};

use super::plan::write_json;
use crate::args::{Compare, CompareFormat, FailIf};
use crate::exit::{Code, Error};
use crate::github::{self, Annotation};
use crate::terminal::{printable, say, table};

pub(super) fn run(args: &Compare) -> Result<Code, Error> {
    if !(args.margin.is_finite() && args.margin >= 0.0) {
        return Err(Error::Usage("a margin is a number of at least 0, such as 0.005".to_owned()));
    }
    let (first, second) = (side(&args.first)?, side(&args.second)?);
    let options = Options { metric: args.metric.clone(), margin: args.margin };
    let comparison = compare(&first, &second, &options).map_err(Fault::from)?;
    let mut out = io::stdout();
    match args.format {
        CompareFormat::Text | CompareFormat::Github => write!(out, "{}", text(&comparison))?,
        CompareFormat::Markdown => write!(out, "{}", markdown(&comparison))?,
        CompareFormat::Json => write_json(&mut out, &comparison)?,
    }
    if let Some(message) = unmeasured(&comparison) {
        say(&message);
    }
    match args.fail_if.map(gate) {
        Some(gate) if !comparison.passes(gate) => {
            if args.format == CompareFormat::Github {
                github::print(&annotations(&comparison, gate))?;
            }
            say(&refusal(&comparison, gate));
            Ok(Code::OutsideTolerance)
        }
        _ => Ok(Code::Fine),
    }
}

/// Returns an annotation per setting that makes the comparison fail.
fn annotations(comparison: &Comparison, gate: Gate) -> Vec<Annotation> {
    let (metric, failing) = (&comparison.metric, comparison.failing(gate));
    if failing.is_empty() {
        return vec![Annotation::error("compare", refusal(comparison, gate))];
    }
    let mean = |side: &Option<Replicates>| side.as_ref()?.mean.map(|mean| fixed(mean, 4));
    let annotation = |pair: &&Pair| match (mean(&pair.first), mean(&pair.second), pair.verdict) {
        (Some(first), Some(second), Verdict::Worse) => {
            let by = pair.difference.map(|by| format!(" ({by:+.2e})")).unwrap_or_default();
            Annotation::error(&pair.label, format!("{metric} is worse: {first} -> {second}{by}"))
        }
        _ => Annotation::error(&pair.label, format!("{metric} is unmeasured, which does not count as a pass")),
    };
    failing.iter().map(annotation).collect()
}

fn gate(fail_if: FailIf) -> Gate {
    match fail_if {
        FailIf::Worse => Gate::Worse,
        FailIf::SignificantlyWorse => Gate::SignificantlyWorse,
    }
}

/// Loads one side of the comparison: a file is a lock, a folder is a run.
pub(super) fn side(path: &Path) -> Result<Side, Error> {
    if path.is_file() {
        return Ok(Lock::load(path)?.side(&path.display().to_string()));
    }
    Ok(Side::of_run(path).map_err(Fault::from)?)
}

fn text(comparison: &Comparison) -> String {
    let paragraph = |lines: Vec<String>| lines.into_iter().map(|line| line + "\n").collect::<String>();
    let (heading, notes) = (paragraph(heading(comparison)), paragraph(notes(comparison)));
    printable(&format!("{heading}\n{}\n{notes}", table(&rows(comparison))))
}

/// Returns a message about settings without the metric, if there are any.
fn unmeasured(comparison: &Comparison) -> Option<String> {
    let count = comparison.count(Verdict::Unmeasured);
    let metric = &comparison.metric;
    (count > 0).then(|| {
        let (are, settings) = (agreeing(count, "is", "are"), counted(comparison.settings.len(), "setting"));
        format!("{count} of {settings} {are} unmeasured by {metric}, which does not count as a pass")
    })
}

fn refusal(comparison: &Comparison, gate: Gate) -> String {
    if comparison.same_data.is_none() {
        return "fails: no setting has run on both sides, so nothing was compared".to_owned();
    }
    let (worse, unmeasured) = (comparison.count_worse(gate), comparison.count(Verdict::Unmeasured));
    let beyond_chance = if gate == Gate::SignificantlyWorse { "significantly " } else { "" };
    let by = if comparison.margin > 0.0 { format!(" by more than {}", comparison.margin) } else { String::new() };
    let (are, are_not) = (agreeing(worse, "is", "are"), agreeing(unmeasured, "is", "are"));
    let settings = counted(worse, "setting");
    format!(
        "fails: by {}, {settings} {are} {beyond_chance}worse{by} and {unmeasured} {are_not} unmeasured",
        comparison.metric
    )
}
