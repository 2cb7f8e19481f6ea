//! EMB020: labels that the length of a text gives away.
//!
//! For every class, the lengths of its texts (in characters) are compared with those of all others by the area under the ROC
//! curve, which is the probability that a text of the class is longer than another one (a tie counts half): .5 if length says
//! nothing, 0 or 1 if it says everything. Its standard error is that of Hanley and McNeil (1982).

use crate::Subject;
use crate::verdict::{Finding, Verdict, listed, named};

/// Least number of texts of a class, and of others.
const MIN_TEXTS: usize = 20;
/// An area causes a warning if it is above this (or below one minus this) by three standard errors.
const MIN_AREA: f64 = 0.8;
const ERRORS: f64 = 3.0;

/// A class that is told by length.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ByLength {
    /// The class.
    pub class: usize,
    /// The probability that a text of the class is longer than another one.
    pub area: f64,
    /// The median length of the class's texts, and of the others, in characters.
    pub median: usize,
    /// The median length of other texts, in characters.
    pub others: usize,
}

/// Returns the classes that are told by the length of a text, the clearest first; `None` if every class has too few texts.
pub fn find(subject: &Subject<'_>) -> Option<Vec<ByLength>> {
    let rows = subject.rows();
    let counts = subject.labels.counts(&rows);
    let has_enough = |class: &usize| counts[*class].min(rows.len() - counts[*class]) >= MIN_TEXTS;
    let mut classes: Vec<usize> = (0..counts.len()).filter(has_enough).collect();
    if classes.is_empty() {
        return None;
    }
    if counts.len() == 2 && classes.len() == 2 && counts[0] + counts[1] == rows.len() {
        // Of two classes, one says it all.
        classes.remove(0);
    }
    let mut lengths: Vec<(usize, usize)> = rows.iter().map(|&row| (subject.text(row).chars().count(), row)).collect();
    lengths.sort_unstable();
    let by_length = |class: usize| {
        let is_of_class = |row: usize| subject.labels.of_row(row).contains(&(class as u32));
        let of: Vec<(usize, bool)> = lengths.iter().map(|&(length, row)| (length, is_of_class(row))).collect();
        let area = area(&of);
        let (inside, outside) = (counts[class], rows.len() - counts[class]);
        let distance = area.max(1.0 - area);
        if distance - ERRORS * standard_error(distance, inside, outside) < MIN_AREA {
            return None;
        }
        Some(ByLength { class, area, median: median(&of, true), others: median(&of, false) })
    };
    let mut found: Vec<ByLength> = classes.into_iter().filter_map(by_length).collect();
    found.sort_by(|a, b| (b.area - 0.5).abs().total_cmp(&(a.area - 0.5).abs()));
    Some(found)
}

pub(crate) fn check(subject: &Subject<'_>) -> Verdict {
    let Some(found) = find(subject) else {
        return Verdict::NotApplicable(format!("no class has {MIN_TEXTS} texts, and as many of other classes"));
    };
    if found.is_empty() {
        return Verdict::Clear;
    }
    let one = |by: &ByLength| {
        let how = if by.area > 0.5 { "longer" } else { "shorter" };
        let share = 100.0 * by.area.max(1.0 - by.area);
        let (name, median, others) = (named(&subject.labels.classes[by.class]), by.median, by.others);
        format!(
            "a text of {name} is {how} than another one in {share:.0} % of pairs (medians: {median} and {others} characters)"
        )
    };
    let shown: Vec<String> = found.iter().map(one).collect();
    let text = format!(
        "The length of a text alone tells its label: {}. A head may learn the length instead of the meaning, and any embedding will \
         look good: check where the texts of each class come from, and compare the scores with those of texts of equal length.",
        listed(&shown)
    );
    Verdict::Found(Finding { text, rows: Vec::new() })
}

/// Returns the probability that a text of the class is longer than another one. Lengths are ascending, each with whether the
/// text is of the class.
fn area(lengths: &[(usize, bool)]) -> f64 {
    let (mut below, mut won) = (0.0, 0.0);
    for tied in lengths.chunk_by(|a, b| a.0 == b.0) {
        let inside = tied.iter().filter(|(_, is_of_class)| *is_of_class).count() as f64;
        let outside = tied.len() as f64 - inside;
        won += inside * (below + outside / 2.0);
        below += outside;
    }
    let inside = lengths.len() as f64 - below;
    won / (inside * below)
}

/// The standard error of an area by Hanley and McNeil, for `inside` texts of the class and `outside` others.
fn standard_error(area: f64, inside: usize, outside: usize) -> f64 {
    let (inside, outside) = (inside as f64, outside as f64);
    let (both_inside, both_outside) = (area / (2.0 - area), 2.0 * area * area / (1.0 + area));
    let variance = area * (1.0 - area)
        + (inside - 1.0) * (both_inside - area * area)
        + (outside - 1.0) * (both_outside - area * area);
    (variance.max(0.0) / (inside * outside)).sqrt()
}

/// The median of the lengths on one side; the higher of two.
fn median(lengths: &[(usize, bool)], side: bool) -> usize {
    let of: Vec<usize> = lengths.iter().filter(|(_, of)| *of == side).map(|(length, _)| *length).collect();
    of.get(of.len() / 2).copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_area_is_the_share_of_pairs() {
        let of = |inside: &[usize], outside: &[usize]| {
            let both = inside.iter().map(|&l| (l, true)).chain(outside.iter().map(|&l| (l, false)));
            let mut lengths: Vec<(usize, bool)> = both.collect();
            lengths.sort_unstable();
            area(&lengths)
        };
        assert_eq!(of(&[5, 6], &[1, 2, 3]), 1.0);
        assert_eq!(of(&[1], &[2, 3]), 0.0);
        assert_eq!(of(&[2, 4], &[2, 3]), 0.625, "0.5 + 0 + 1 + 1 of 4 pairs");
        assert_eq!(of(&[7, 7], &[7]), 0.5);
    }

    /// Hanley and McNeil 1982, the exponential model, by hand: A = .8, 50 and 50 texts:
    /// Q1 = .8 / 1.2 = .666667, Q2 = 1.28 / 1.8 = .711111; (.16 + 49 (.026667 + .071111)) / 2500 = .00198044.
    #[test]
    fn the_standard_error_is_the_published_one() {
        assert!((standard_error(0.8, 50, 50) - 0.001_980_44_f64.sqrt()).abs() < 1e-6);
    }
}
