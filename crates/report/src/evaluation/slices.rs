//! How good the chosen model is on parts of the rows: short and long texts, each file, groups, few and many known words.
//!
//! The score of a slice is the share of its rows that are predicted right, with the 95 % interval of a share; of a binary task, F1 of
//! the positive class stands beside it.

use std::collections::BTreeMap;

use emberline_base::Task;

use super::Evaluation;
use super::curves::wilson;
use super::mistakes::PredictedRow;

/// The number of slices by length.
const LENGTHS: usize = 4;

/// Maximum number of files, and of groups, that are shown: those with the most rows.
const MAX_NAMED: usize = 8;

/// The least rows of a group that is shown.
const LEAST_ROWS: usize = 5;

/// Says whether a slice takes the rows with a share of known words.
type TakesShare = fn(f64) -> bool;

/// A part of the rows.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Slice {
    /// What divides the rows: `length of the text`.
    pub(crate) by: &'static str,
    /// Which part it is: `1 to 54 characters`.
    pub(crate) name: String,
    /// The number of its rows.
    pub(crate) rows: usize,
    /// The share of its rows that are right.
    pub(crate) right: f64,
    /// The 95 % interval of that share.
    pub(crate) interval: (f64, f64),
    /// F1 of the positive class of a binary task; `None` without a positive row.
    pub(crate) f1: Option<f64>,
}

/// Returns all slices that tell something: a division into a single part is left out.
pub(crate) fn slices(evaluation: &Evaluation, predicted: &[PredictedRow]) -> Vec<Slice> {
    let divisions = [
        by_length(evaluation, predicted),
        by_known_words(evaluation, predicted),
        by_file(evaluation, predicted),
        by_group(evaluation, predicted),
    ];
    divisions.into_iter().filter(|parts| parts.len() > 1).flatten().collect()
}

fn slice(evaluation: &Evaluation, by: &'static str, name: String, rows: &[&PredictedRow]) -> Slice {
    let right = rows.iter().filter(|row| row.is_right).count() as f64;
    let all = rows.len() as f64;
    Slice { by, name, rows: rows.len(), right: right / all, interval: wilson(right, all), f1: f1(evaluation, rows) }
}

fn f1(evaluation: &Evaluation, rows: &[&PredictedRow]) -> Option<f64> {
    let is_positive = |row: &PredictedRow| evaluation.labels[row.row].contains(&1);
    let count = |counts: &dyn Fn(&PredictedRow) -> bool| rows.iter().filter(|row| counts(row)).count() as f64;
    let positives = count(&is_positive);
    let predicted = count(&|row| row.predicted.contains(&1));
    let both = count(&|row| is_positive(row) && row.predicted.contains(&1));
    (evaluation.task == Task::Binary && positives > 0.0).then(|| 2.0 * both / (positives + predicted))
}

/// Divides the rows into quarters by the length of their texts.
fn by_length(evaluation: &Evaluation, predicted: &[PredictedRow]) -> Vec<Slice> {
    let length = |row: &PredictedRow| evaluation.facts.lengths[row.row];
    let mut sorted: Vec<&PredictedRow> = predicted.iter().collect();
    sorted.sort_by_key(|row| (length(row), row.row));
    let mut parts: Vec<Vec<&PredictedRow>> = Vec::new();
    for (at, row) in sorted.iter().enumerate() {
        let is_full = parts.len() * sorted.len() <= at * LENGTHS;
        // Texts of equal length stay together.
        let is_new = at == 0 || length(row) != length(sorted[at - 1]);
        match parts.last_mut() {
            Some(part) if !(is_full && is_new) => part.push(row),
            _ => parts.push(vec![row]),
        }
    }
    let named = |part: &Vec<&PredictedRow>| {
        let (low, high) = (part.first().map_or(0, |row| length(row)), part.last().map_or(0, |row| length(row)));
        let name = if low == high { format!("{low} characters") } else { format!("{low} to {high} characters") };
        slice(evaluation, "length of the text", name, part)
    };
    parts.iter().map(named).collect()
}

/// Divides the rows by the share of their words that the embedding knows.
fn by_known_words(evaluation: &Evaluation, predicted: &[PredictedRow]) -> Vec<Slice> {
    let Some(words) = &evaluation.words else { return Vec::new() };
    let parts: [(&str, TakesShare); 4] = [
        ("less than half of the words", |share| share < 0.5),
        ("half of the words to less than 90 %", |share| (0.5..0.9).contains(&share)),
        ("90 % or more, not all", |share| (0.9..1.0).contains(&share)),
        ("all words", |share| share >= 1.0),
    ];
    let part = |(name, takes): &(&str, TakesShare)| {
        let rows: Vec<&PredictedRow> = predicted.iter().filter(|row| takes(words[row.row].share())).collect();
        (!rows.is_empty()).then(|| slice(evaluation, "known words", (*name).to_owned(), &rows))
    };
    parts.iter().filter_map(part).collect()
}

fn by_file(evaluation: &Evaluation, predicted: &[PredictedRow]) -> Vec<Slice> {
    let mut files: BTreeMap<&str, Vec<&PredictedRow>> = BTreeMap::new();
    for row in predicted {
        files.entry(evaluation.locations[row.row].file.as_str()).or_default().push(row);
    }
    let named = largest(files.into_iter().map(|(file, rows)| (file.to_owned(), rows)).collect());
    named.into_iter().map(|(name, rows)| slice(evaluation, "file", name, &rows)).collect()
}

/// Groups have no names in the records, only digests; the first digits of theirs stand for them.
fn by_group(evaluation: &Evaluation, predicted: &[PredictedRow]) -> Vec<Slice> {
    let Some(digests) = &evaluation.facts.groups else { return Vec::new() };
    let mut groups: BTreeMap<[u8; 16], Vec<&PredictedRow>> = BTreeMap::new();
    for row in predicted.iter().filter(|row| digests[row.row] != [0; 16]) {
        groups.entry(digests[row.row]).or_default().push(row);
    }
    let named = groups.into_iter().filter(|(_, rows)| rows.len() >= LEAST_ROWS);
    let named = named.map(|(digest, rows)| (format!("group {}", hex(&digest[..4])), rows)).collect();
    largest(named).into_iter().map(|(name, rows)| slice(evaluation, "group", name, &rows)).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Keeps the parts with the most rows.
fn largest<R>(mut parts: Vec<(String, Vec<R>)>) -> Vec<(String, Vec<R>)> {
    parts.sort_by(|a, b| b.1.len().cmp(&a.1.len()).then(a.0.cmp(&b.0)));
    parts.truncate(MAX_NAMED);
    parts
}

#[cfg(test)]
mod tests {
    use super::super::mistakes::predicted_rows;
    use super::*;
    use crate::sample;

    fn slices_of(evaluation: &Evaluation) -> Vec<Slice> {
        slices(evaluation, &predicted_rows(evaluation))
    }

    #[test]
    fn every_division_has_all_rows() {
        let evaluation = sample::evaluation();
        let slices = slices_of(&evaluation);
        for by in ["length of the text", "known words", "file"] {
            let rows: usize = slices.iter().filter(|slice| slice.by == by).map(|slice| slice.rows).sum();
            assert_eq!(rows, evaluation.rows(), "{by}: {slices:?}");
        }
        assert!(slices.iter().all(|slice| slice.interval.0 <= slice.right && slice.right <= slice.interval.1));
    }

    #[test]
    fn a_division_into_one_part_tells_nothing() {
        let mut evaluation = sample::evaluation();
        evaluation.facts.lengths = vec![7; evaluation.rows()];
        evaluation.words = None;
        evaluation.locations.iter_mut().for_each(|location| "a.csv".clone_into(&mut location.file));
        assert_eq!(slices_of(&evaluation), []);
    }
}
