//! The coded warnings about data (`docs/warnings.md`), which `check --data`, `run` and the report show.
//!
//! Files are named as the settings name them, so that a warning doesn't depend on the working folder.

use std::collections::HashMap;

use emberline_base::number::{agreeing, counted};
use emberline_base::record::ChosenBy;
use emberline_base::warning::Code;
use emberline_base::{SplitName, Splits, Warning};
use indexmap::IndexMap;

use crate::error::excerpt;
use crate::labels::{Positive, number, similar};
use crate::missing::looks_missing;
use crate::rows::{Part, Reading, Rows};
use crate::settings::Duplicates;

/// Maximum number of examples in a warning.
const EXAMPLES: usize = 5;

/// The share of rows from which a positive class that was chosen as the minority causes a warning.
const BALANCED: f64 = 0.45;

/// Common names of label columns.
pub(crate) const COLUMN_NAMES: [&str; 16] = [
    "label",
    "labels",
    "class",
    "classes",
    "target",
    "targets",
    "category",
    "sentiment",
    "intent",
    "topic",
    "rating",
    "score",
    "stars",
    "tag",
    "tags",
    "y",
];

impl Reading<'_> {
    /// Returns the warnings about the labels in the files: EMB001, EMB002, EMB010.
    pub(crate) fn label_warnings(&self) -> Vec<Warning> {
        if self.labels.are_flags() {
            return Vec::new();
        }
        let counts = self.labels.counts();
        let found = [self.similar_labels(&counts), self.header_as_row(&counts), self.missing_as_label(&counts)];
        found.into_iter().flatten().collect()
    }

    /// EMB001: labels that differ only by their form.
    fn similar_labels(&self, counts: &[usize]) -> Option<Warning> {
        let names = self.labels.names();
        let groups = similar(names);
        let named = |&at: &usize| format!("`{}` ({})", excerpt(&names[at]), rows(counts[at]));
        let group = |(labels, by): &(Vec<usize>, _)| {
            let labels: Vec<String> = labels.iter().map(named).collect();
            format!("{} differ only {by}", examples(&labels))
        };
        let mut described: Vec<String> = groups.iter().take(EXAMPLES).map(group).collect();
        if groups.len() > EXAMPLES {
            let (more, do_so) = (groups.len() - EXAMPLES, agreeing(groups.len() - EXAMPLES, "does", "do"));
            described.push(format!("and so {do_so} {} of labels", counted(more, "more group")));
        }
        let second = *groups.first()?.0.get(1)?;
        let text = format!(
            "Labels {}. Each is a label of its own; if they mean the same, write them alike. The first `{}` is in {}.",
            described.join("; "),
            excerpt(&names[second]),
            self.labels.first_row(second as u32).map(|row| self.shown(row)).unwrap_or_default(),
        );
        Some(Warning::new(Code::SimilarLabels, text))
    }

    /// EMB002: the first row of a file that is read without a header has a label that only such rows have, and looks like
    /// names of columns.
    fn header_as_row(&self, counts: &[usize]) -> Option<Warning> {
        let firsts: Vec<usize> = self.parts.iter().filter_map(|part| part.first_unnamed).collect();
        let of_row = |row: usize| match self.labels.of_row(row) {
            [label] => Some(*label as usize),
            _ => None,
        };
        let is_alone = |label: usize| counts[label] == firsts.iter().filter(|&&row| of_row(row) == Some(label)).count();
        let looks_so = |row: usize, label: usize| {
            let names = self.labels.names();
            let others_are_numbers = (0..names.len()).all(|at| (at == label) != number(&names[at]).is_some());
            let is_word = !self.texts[row].trim().contains(char::is_whitespace);
            let label = names[label].to_lowercase();
            let mut words = label.split(|c: char| !c.is_alphanumeric());
            others_are_numbers || is_word || words.any(|word| COLUMN_NAMES.contains(&word))
        };
        let suspect = |row: usize| of_row(row).filter(|&label| is_alone(label) && looks_so(row, label));
        let (row, label) = firsts.iter().find_map(|&row| Some((row, suspect(row)?)))?;
        let text = format!(
            "{}: this row seems to hold the names of the columns, since no other row has its label `{}`. If so, set \
             header = true in [data] (columns may then be given by name); now it is a row and a class.",
            self.shown(row),
            excerpt(&self.labels.names()[label]),
        );
        Some(Warning::new(Code::HeaderAsRow, text))
    }

    /// EMB010: labels that other programs write in place of a missing value.
    fn missing_as_label(&self, counts: &[usize]) -> Option<Warning> {
        let names = self.labels.names();
        let found: Vec<usize> = (0..names.len()).filter(|&at| looks_missing(&names[at])).collect();
        let first = *found.first()?;
        let named: Vec<String> = found.iter().map(|&at| format!("`{}` ({})", names[at], rows(counts[at]))).collect();
        let text = format!(
            "Other programs write {} for a missing value, but here it is a label like any other. If it means that there is \
             no label, leave the field empty: such rows are left out and counted. The first is in {}.",
            examples(&named),
            self.labels.first_row(first as u32).map(|row| self.shown(row)).unwrap_or_default(),
        );
        Some(Warning::new(Code::MissingAsLabel, text))
    }

    /// Returns the file of a row, as the settings name it, and its line.
    pub(crate) fn shown(&self, row: usize) -> String {
        shown(&self.parts, self.numbers.of(row), row)
    }
}

impl Rows {
    /// Returns the warnings about the usable rows: EMB003, EMB004, EMB009, EMB012.
    pub(crate) fn row_warnings(&self) -> Vec<Warning> {
        let of_files = [self.texts_of_two_files(), self.groups_of_two_files()];
        [self.conflicting_labels(), self.balanced_positive()].into_iter().chain(of_files).flatten().collect()
    }

    /// EMB003: equal texts with different labels.
    fn conflicting_labels(&self) -> Option<Warning> {
        let first = self.conflicts.iter().position(|&conflict| conflict)?;
        let count = self.conflicts.iter().filter(|&&conflict| conflict).count();
        let rows: Vec<usize> = self.rows_of_group(first as u32).collect();
        let differs = |row: &&usize| self.labels.of_row(**row) != self.labels.of_row(rows[0]);
        let says = |row: usize| format!("{} in {}", self.labels_in_words(row), self.shown(row));
        let text = format!(
            "{} {} different labels in different rows, such as {:?}: {}, {}. No head can learn both: correct the labels, or \
             remove the rows; `check --data` lists more of them.",
            counted(count, "text"),
            agreeing(count, "has", "have"),
            excerpt(&self.texts[rows[0]]),
            says(rows[0]),
            rows.iter().find(differs).map(|&row| says(row)).unwrap_or_default(),
        );
        Some(Warning::new(Code::ConflictingLabels, text))
    }

    /// EMB004: the positive class was chosen by a difference that may be chance.
    fn balanced_positive(&self) -> Option<Warning> {
        let Positive { by, rows, of } = self.positive?;
        let share = rows as f64 / of as f64;
        let why = match by {
            ChosenBy::Setting | ChosenBy::Name => return None,
            ChosenBy::Minority => "it has fewer rows than the other",
            ChosenBy::Order => "it is the last in order of two with equally many rows",
        };
        if share < BALANCED {
            return None;
        }
        let [other, positive] = [0, 1].map(|class| excerpt(&self.labels.classes[class]));
        let text = format!(
            "`{positive}` was taken as the positive class because {why}: {rows} of {} ({:.1} %). F1, precision, \
             recall and PR-AUC are of it, and a few rows more could make it `{other}`: set data.positive.",
            counted(of, "row"),
            100.0 * share,
        );
        Some(Warning::new(Code::BalancedPositive, text))
    }

    /// EMB009: texts in the files of two splits.
    fn texts_of_two_files(&self) -> Option<Warning> {
        if self.parts.len() == 1 {
            return None;
        }
        let mut first_rows: Vec<Option<usize>> = vec![None; self.conflicts.len()];
        let (mut is_shared, mut example) = (vec![false; self.conflicts.len()], None);
        for (at, part) in self.parts.iter().enumerate() {
            for row in part.rows.clone() {
                let group = self.groups[row] as usize;
                let first = *first_rows[group].get_or_insert(row);
                if first < self.parts[at].rows.start {
                    is_shared[group] = true;
                    example = example.or(Some((first, row)));
                }
            }
        }
        let (first, second) = example?;
        let count = is_shared.into_iter().filter(|&shared| shared).count();
        let outcome = match self.duplicates {
            Duplicates::Drop => {
                "The rows of the most protected file stay (test before validation before training), the others are left out"
            }
            Duplicates::Keep => {
                "All of them stay, as data.duplicates = \"keep\" says, so that training may have seen what it is scored on"
            }
        };
        let text = format!(
            "{} {} in the files of two splits, such as {:?} ({}; {}). {outcome}; `check --data` lists more of them.",
            counted(count, "text"),
            agreeing(count, "is", "are"),
            excerpt(&self.texts[first]),
            self.shown(first),
            self.shown(second),
        );
        Some(Warning::new(Code::SharedTexts, text))
    }

    /// EMB012: groups with rows in the files of two splits.
    fn groups_of_two_files(&self) -> Option<Warning> {
        if self.parts.len() == 1 || !self.group_column.exists() {
            return None;
        }
        let (mut first_rows, mut shared) = (HashMap::new(), IndexMap::new());
        for part in &self.parts {
            for row in part.rows.clone() {
                let Some(group) = self.group_column.name_of(row) else { continue };
                let first = *first_rows.entry(group).or_insert(row);
                if first < part.rows.start {
                    shared.entry(group).or_insert((first, row));
                }
            }
        }
        let (group, &(first, second)) = shared.first()?;
        let left_out = self.group_leaks;
        let text = format!(
            "{} {} in the files of two splits, such as `{}` ({}; {}). Its rows in the most protected file stay (test before \
             validation before training); {} of the others {} left out for that.",
            counted(shared.len(), "group"),
            agreeing(shared.len(), "is", "are"),
            excerpt(group),
            self.shown(first),
            self.shown(second),
            counted(left_out, "row"),
            agreeing(left_out, "is", "are"),
        );
        Some(Warning::new(Code::SharedGroups, text))
    }

    /// EMB005: validation or test rows of classes without a training row in this split.
    pub(crate) fn untrained_classes(&self, splits: &Splits<Vec<usize>>) -> Option<Warning> {
        let in_training = self.labels.counts(&splits.train);
        let is_untrained = |class: &u32| in_training[*class as usize] == 0;
        let held_out = || splits.iter().filter(|(name, _)| *name != SplitName::Train).flat_map(|(_, rows)| rows);
        let rows = held_out().filter(|&&row| self.labels.of_row(row).iter().any(is_untrained)).count();
        if rows == 0 {
            return None;
        }
        let mut classes: Vec<u32> = held_out().flat_map(|&row| self.labels.of_row(row)).copied().collect();
        classes.sort_unstable();
        classes.dedup();
        let untrained = classes.iter().filter(|class| is_untrained(class));
        let names: Vec<String> =
            untrained.map(|&class| format!("`{}`", excerpt(&self.labels.classes[class as usize]))).collect();
        let text = format!(
            "{} a class that no training row has ({}), so no head can answer them: give training more rows, or set \
             stratify = true.",
            rows_have(rows, "validation or test"),
            examples(&names),
        );
        Some(Warning::new(Code::UnknownLabels, text))
    }

    /// Returns the rows of one group of duplicates.
    fn rows_of_group(&self, group: u32) -> impl Iterator<Item = usize> {
        self.groups.iter().enumerate().filter(move |(_, of)| **of == group).map(|(row, _)| row)
    }

    fn labels_in_words(&self, row: usize) -> String {
        let labels = self.labels.of_row(row).iter();
        let labels: Vec<String> =
            labels.map(|&class| format!("`{}`", excerpt(&self.labels.classes[class as usize]))).collect();
        if labels.is_empty() { "no known label".to_owned() } else { examples(&labels) }
    }

    /// Returns the file of a row, as the settings name it, and its line: `train.csv, line 7`.
    pub fn shown(&self, row: usize) -> String {
        shown(&self.parts, self.numbers.of(row), row)
    }
}

fn shown(parts: &[Part], number: u64, row: usize) -> String {
    let part = &parts[parts.partition_point(|part| part.rows.end <= row)];
    format!("{}, {} {number}", part.name.display(), part.unit)
}

/// Lists the first names, and the number of others.
pub(crate) fn examples(names: &[String]) -> String {
    let mut shown = names.iter().take(EXAMPLES).cloned().collect::<Vec<_>>().join(", ");
    if names.len() > EXAMPLES {
        shown += &format!(" and {} more", names.len() - EXAMPLES);
    }
    shown
}

fn rows(count: usize) -> String {
    counted(count, "row")
}

/// Such as `1 test row has` and `5 test rows have`.
pub(crate) fn rows_have(count: usize, kind: &str) -> String {
    format!("{} {}", counted(count, &format!("{kind} row")), agreeing(count, "has", "have"))
}
