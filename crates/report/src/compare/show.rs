//! Formats a comparison for people: the lines above the table, the table, and the notes below it.
//!
//! The parts are plain text that contains text of the user; [`markdown`] escapes it, and the terminal has its own escaping.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use emberline_base::Change;
use emberline_base::number::{agreeing, shortened};
use emberline_base::record::answer::Level;
use indexmap::IndexMap;

use super::pairing::DATA;
use super::{Comparison, Pair, Replicates, Test, Verdict};
use crate::escape;
use crate::number::{counted, decimals, fixed, signed};

/// Maximum number of changes that are listed.
const MAX_CHANGES: usize = 30;

/// Maximum length in characters of the value of a changed setting, and of a label.
const MAX_LENGTH: usize = 120;

/// Number of digits of a digest that are shown.
const DIGEST_DIGITS: usize = 12;

/// Returns the lines above the table: whether both sides were scored on the same rows, their names, and the metric.
pub fn heading(comparison: &Comparison) -> Vec<String> {
    let Comparison { first, second, metric, smaller_is_better, .. } = comparison;
    let rows = match comparison.same_data {
        None => "nothing to compare: no setting has run on both sides".to_owned(),
        Some(true) => "same data: both were scored on the same rows".to_owned(),
        Some(false) => {
            format!(
                "DIFFERENT DATA: {}; a difference may be due to the rows alone",
                shown_digests(comparison).join(", ")
            )
        }
    };
    let better = if *smaller_is_better { "smaller" } else { "larger" };
    let cells = |side: fn(&Pair) -> Option<&Replicates>| {
        let cells = comparison.settings.iter().filter_map(side).map(|replicates| replicates.cells.len()).sum();
        counted(cells, "cell")
    };
    vec![
        rows,
        format!("first: {first}, {}", cells(|pair| pair.first.as_ref())),
        format!("second: {second}, {}", cells(|pair| pair.second.as_ref())),
        format!("by {metric}: {better} is better; the difference is second minus first"),
    ]
}

/// Formats the digests of data that differ, at most three: `data digest 0123456789ab -> ba9876543210`.
fn shown_digests(comparison: &Comparison) -> Vec<String> {
    let changes = comparison.settings.iter().flat_map(|pair| &pair.changes).filter(|change| change.what == DATA);
    let all: BTreeSet<String> = changes.map(|change| from_to(change, DIGEST_DIGITS)).collect();
    let more = all.len().saturating_sub(3);
    let mut shown: Vec<String> = all.into_iter().take(3).map(|digests| format!("data digest {digests}")).collect();
    if more > 0 {
        shown.push(format!("{more} more"));
    }
    shown
}

/// Returns the table: the heading, then one row per setting.
pub fn rows(comparison: &Comparison) -> Vec<Vec<String>> {
    let sides = |pair: &Pair| [pair.first.as_ref().and_then(|s| s.mean), pair.second.as_ref().and_then(|s| s.mean)];
    let digits = decimals(comparison.settings.iter().flat_map(sides).flatten());
    let head = ["setting", "first", "second", "difference", "paired", "interval", ""].map(str::to_owned).to_vec();
    let row = |pair: &Pair| {
        let difference = pair.difference.map_or_else(|| "-".to_owned(), |difference| signed(difference, digits));
        let paired = pair.paired.as_ref().map_or_else(
            || "-".to_owned(),
            |paired| {
                let count = paired.differences.len();
                with_spread(signed(paired.mean, digits), paired.standard_deviation, digits, &count.to_string())
            },
        );
        let [first, second] = [&pair.first, &pair.second].map(|side| measured(side.as_ref(), digits));
        let interval = pair.test.as_ref().map_or_else(
            || "-".to_owned(),
            |test| format!("[{}, {}]", signed(test.low, digits), signed(test.high, digits)),
        );
        let label = escape::shorten(&pair.label, MAX_LENGTH);
        vec![label, first, second, difference, paired, interval, verdict(pair)]
    };
    std::iter::once(head).chain(comparison.settings.iter().map(row)).collect()
}

fn measured(side: Option<&Replicates>, digits: usize) -> String {
    let Some(side) = side else { return "-".to_owned() };
    let Some(mean) = side.mean else { return "unmeasured".to_owned() };
    let (count, all) = (side.values.len(), side.cells.len());
    let count = if count == all { count.to_string() } else { format!("{count} of {all}") };
    with_spread(fixed(mean, digits), side.standard_deviation, digits, &count)
}

/// Formats a mean with its standard deviation and count: `0.7012 ± 0.0110 (3)`; only the number for a single value.
fn with_spread(mean: String, deviation: Option<f64>, digits: usize, count: &str) -> String {
    match deviation {
        Some(deviation) => format!("{mean} ± {} ({count})", fixed(deviation, digits)),
        None if count == "1" => mean,
        None => format!("{mean} ({count})"),
    }
}

/// Returns the verdict, and whether the difference is more than chance.
fn verdict(pair: &Pair) -> String {
    let word = by_means(pair);
    match &pair.test {
        Some(test) if test.told_apart => format!("{word}, told apart"),
        Some(_) => format!("{word}, not told apart"),
        None => word.to_owned(),
    }
}

fn by_means(pair: &Pair) -> &'static str {
    match pair.verdict {
        Verdict::Better => "better",
        Verdict::Equal if pair.difference == Some(0.0) => "equal",
        Verdict::Equal => "within the margin",
        Verdict::Worse => "worse",
        Verdict::Unmeasured if pair.second.is_none() => "unmeasured: the second lacks it",
        Verdict::Unmeasured => "unmeasured",
        Verdict::New => "the first lacks it",
    }
}

/// Returns the notes below the table: what differs besides the metric, and what the figures mean.
pub fn notes(comparison: &Comparison) -> Vec<String> {
    let mut counts: IndexMap<&Change, usize> = IndexMap::new();
    for change in comparison.settings.iter().flat_map(|pair| &pair.changes) {
        *counts.entry(change).or_default() += 1;
    }
    let compared = comparison.settings.iter().filter(|pair| pair.first.is_some() && pair.second.is_some()).count();
    let line = |(change, count): (&&Change, &usize)| {
        let scope = if *count == compared {
            String::new()
        } else {
            format!(" (in {count} of {})", counted(compared, "setting"))
        };
        let length = if change.what.ends_with("digest") { DIGEST_DIGITS } else { MAX_LENGTH };
        format!("differs: {}: {}{scope}", change.what, from_to(change, length))
    };
    let mut notes: Vec<String> = counts.iter().take(MAX_CHANGES).map(line).collect();
    if counts.len() > MAX_CHANGES {
        let more = counts.len() - MAX_CHANGES;
        notes.push(format!("{more} more {}; `--format json` lists all", agreeing(more, "differs", "differ")));
    } else if counts.is_empty() && compared > 0 {
        notes.push("no setting, data, embedding or device differs between the cells that are compared".to_owned());
    }
    notes.push(
        "mean ± standard deviation (number of replicates); paired: the differences of equal replicates".to_owned(),
    );
    notes.push(about_tests(comparison).to_owned());
    let answers = [("first", &comparison.first_answer), ("second", &comparison.second_answer)];
    for ((name, sentences), verdicts) in answers.into_iter().zip(comparison.verdicts) {
        notes.extend(sentences.iter().take(verdicts).map(|sentence| format!("answer of the {name}: {sentence}")));
    }
    notes
}

/// Explains the intervals.
fn about_tests(comparison: &Comparison) -> &'static str {
    let tests: Vec<&Test> = comparison.settings.iter().filter_map(|pair| pair.test.as_ref()).collect();
    if tests.is_empty() {
        "whether a difference is more than chance isn't told: that needs two runs, with five splits in common or with predictions"
    } else if tests.iter().all(|test| test.level == Level::Embeddings) {
        "interval: of the difference on other rows too, by the splits that both have, adjusted for all settings here"
    } else {
        "interval: of the difference between the heads trained here, on new texts, adjusted for all settings here; other training rows \
         may turn it over"
    }
}

fn from_to(change: &Change, length: usize) -> String {
    let shown = |value: &Option<String>| {
        value.as_deref().map_or_else(
            || "nothing".to_owned(),
            |value| match value.len() {
                64 if length == DIGEST_DIGITS => value.chars().take(DIGEST_DIGITS).collect(),
                _ => escape::shorten(&shortened(value), length),
            },
        )
    };
    format!("{} -> {}", shown(&change.old), shown(&change.new))
}

/// Renders the comparison as GitHub-flavoured Markdown, for pull requests.
pub fn markdown(comparison: &Comparison) -> String {
    let mut out = String::new();
    let lines = |out: &mut String, lines: Vec<String>| {
        for line in lines {
            let _ = writeln!(out, "- {}", escape::markdown(&line));
        }
    };
    lines(&mut out, heading(comparison));
    out.push('\n');
    for (number, row) in rows(comparison).iter().enumerate() {
        let fields: Vec<String> = row.iter().map(|field| escape::markdown(field)).collect();
        let _ = writeln!(out, "| {} |", fields.join(" | "));
        if number == 0 {
            out.push_str("| --- | ---: | ---: | ---: | ---: | ---: | --- |\n");
        }
    }
    out.push('\n');
    lines(&mut out, notes(comparison));
    out
}
