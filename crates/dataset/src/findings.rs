//! The findings of `check --data`: empty texts, missing labels, duplicate texts, texts with different labels, texts in the files
//! of two splits, class balance, the positive class, and the coded warnings.

use std::fmt;

use emberline_base::number::{agreeing, counted, grouped};
use emberline_base::warning::Code;
use emberline_base::{SplitName, Warning};
use indexmap::IndexMap;
use serde::Serialize;

use crate::dataset::split_rows;
use crate::error::{Place, excerpt};
use crate::rows::{Part, Rows};
use crate::settings::Duplicates;

/// Maximum number of examples of each kind.
const EXAMPLES: usize = 10;
/// Maximum number of rows shown per example.
const SHOWN: usize = 5;

/// The findings about the data, before any split.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Findings {
    /// The files; that of the training rows (or of all rows) is the first.
    pub files: Vec<FileFindings>,
    /// The number of rows whose normalised text occurs in an earlier row.
    pub duplicate_texts: usize,
    /// Whether these rows are kept; otherwise they are left out.
    pub duplicates_kept: bool,
    /// The number of normalised texts with different labels in different rows.
    pub conflicting_labels: usize,
    /// The number of normalised texts in the files of two splits.
    pub shared_texts: usize,
    /// The first duplicate texts whose rows have equal labels.
    pub duplicates: Vec<Repeated>,
    /// The first texts with different labels.
    pub conflicts: Vec<Repeated>,
    /// The first texts in the files of two splits.
    pub shared: Vec<Repeated>,
    /// The positive class of a binary task, and how it was chosen.
    pub positive: Option<String>,
    /// The coded warnings.
    pub warnings: Vec<Warning>,
}

/// The findings about one file.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FileFindings {
    /// The file.
    pub path: String,
    /// The split of the file; none for a file that is split.
    pub split: Option<SplitName>,
    /// The number of all rows.
    pub rows_read: usize,
    /// The number of usable rows: those with a text and a label.
    pub rows: usize,
    /// Usable rows per class, in the order of the classes.
    pub classes: IndexMap<String, usize>,
    /// The number of rows without a text.
    pub empty_texts: usize,
    /// The lines of the first of these rows.
    pub empty_at: Vec<u64>,
    /// The number of rows without a label.
    pub missing_labels: usize,
    /// The lines of the first of these rows.
    pub missing_at: Vec<u64>,
    /// The number of rows with a label that no training row has, whether they are left out or count as wrong.
    pub unknown_labels: usize,
    /// The lines of the first of these rows.
    pub unknown_at: Vec<u64>,
}

/// A text that several rows have.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Repeated {
    /// The text of its first row; a long one is truncated.
    pub text: String,
    /// The number of rows with the text.
    pub rows: usize,
    /// The first of these rows.
    pub occurrences: Vec<Occurrence>,
}

/// One row of a repeated text.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Occurrence {
    /// The file.
    pub path: String,
    /// The line, or the row of a file without lines; 1 is the first.
    pub line: u64,
    /// Its labels.
    pub labels: Vec<String>,
}

impl Findings {
    /// Whether there is a finding that invalidates results rather than only costing rows: texts with different labels, or in the
    /// files of two splits. `counts` tells whether warnings of a code count.
    pub fn are_serious(&self, counts: impl Fn(Code) -> bool) -> bool {
        let conflicts = self.conflicting_labels > 0 && counts(Code::ConflictingLabels);
        conflicts || self.shared_texts > 0 && counts(Code::SharedTexts)
    }
}

impl Rows {
    /// Returns the findings about the usable rows of the files, before any split.
    pub fn findings(&self) -> Findings {
        let mut rows_of: Vec<Vec<usize>> = vec![Vec::new(); self.conflicts.len()];
        for (row, &group) in self.groups.iter().enumerate() {
            rows_of[group as usize].push(row);
        }
        let part_of = |row: usize| self.parts.partition_point(|part| part.rows.end <= row);
        let is_shared = |rows: &[usize]| rows.iter().any(|&row| part_of(row) != part_of(rows[0]));
        let (mut duplicates, mut conflicts, mut shared) = (Vec::new(), Vec::new(), Vec::new());
        let mut shared_texts = 0;
        for (rows, &conflict) in rows_of.iter().zip(&self.conflicts).filter(|(rows, _)| rows.len() > 1) {
            if is_shared(rows) {
                shared_texts += 1;
                self.add(&mut shared, rows);
            }
            self.add(if conflict { &mut conflicts } else { &mut duplicates }, rows);
        }
        Findings {
            files: self.parts.iter().map(|part| self.file_findings(part)).collect(),
            duplicate_texts: self.texts.len() - self.conflicts.len(),
            duplicates_kept: self.duplicates == Duplicates::Keep,
            conflicting_labels: self.conflicts.iter().filter(|&&conflict| conflict).count(),
            shared_texts,
            duplicates,
            conflicts,
            shared,
            positive: self.positive.map(|positive| format!("{} ({})", self.labels.classes[1], positive.by)),
            warnings: self.warnings.clone(),
        }
    }

    fn file_findings(&self, part: &Part) -> FileFindings {
        let rows: Vec<usize> = part.rows.clone().collect();
        FileFindings {
            path: part.path.display().to_string(),
            split: (self.parts.len() > 1).then_some(part.split),
            rows_read: part.read,
            rows: rows.len(),
            classes: split_rows(&self.labels, &rows).classes,
            empty_texts: part.empty.count,
            empty_at: part.empty.first.clone(),
            missing_labels: part.unlabelled.count,
            missing_at: part.unlabelled.first.clone(),
            unknown_labels: part.unknown.count,
            unknown_at: part.unknown.first.clone(),
        }
    }

    /// Adds an example unless there are enough.
    fn add(&self, examples: &mut Vec<Repeated>, rows: &[usize]) {
        if examples.len() == EXAMPLES {
            return;
        }
        // One row of each label comes first, so that a conflict is visible.
        let mut order: Vec<usize> = Vec::new();
        for &row in rows {
            if order.len() < SHOWN && order.iter().all(|&seen| self.labels.of_row(seen) != self.labels.of_row(row)) {
                order.push(row);
            }
        }
        let more: Vec<usize> = rows.iter().copied().filter(|row| !order.contains(row)).collect();
        order.extend(more.iter().take(SHOWN - order.len()));
        order.sort_unstable();
        let occurrences = order.into_iter().map(|row| self.occurrence(row)).collect();
        examples.push(Repeated { text: excerpt(&self.texts[rows[0]]), rows: rows.len(), occurrences });
    }

    fn occurrence(&self, row: usize) -> Occurrence {
        let Place { path, number, .. } = self.place(row);
        let labels = self.labels.of_row(row).iter().map(|&class| self.labels.classes[class as usize].clone()).collect();
        Occurrence { path: path.display().to_string(), line: number, labels }
    }
}

impl fmt::Display for Findings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for file in &self.files {
            write!(f, "{file}")?;
        }
        let repeated = match self.duplicates_kept {
            false => "repeated texts (rows beyond the first, which are left out)",
            true => "repeated texts (rows beyond the first, which are kept: data.duplicates = \"keep\")",
        };
        let kinds = [
            (repeated, self.duplicate_texts, &self.duplicates),
            ("texts with different labels", self.conflicting_labels, &self.conflicts),
            ("texts in the files of two splits", self.shared_texts, &self.shared),
        ];
        for (title, count, examples) in kinds {
            writeln!(f, "{title}: {count}")?;
            for example in examples {
                write!(f, "{example}")?;
            }
        }
        if let Some(positive) = &self.positive {
            writeln!(f, "positive class: {positive}")?;
        }
        writeln!(f, "warnings: {}", self.warnings.len())?;
        self.warnings.iter().try_for_each(|warning| writeln!(f, "  {warning}"))
    }
}

impl fmt::Display for FileFindings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let split = self.split.map(|split| format!(" ({split})")).unwrap_or_default();
        writeln!(f, "{}{split}: {}, {} usable", self.path, counted(self.rows_read, "row"), grouped(self.rows as u64))?;
        for (title, count, at) in [
            ("empty texts", self.empty_texts, &self.empty_at),
            ("missing labels", self.missing_labels, &self.missing_at),
            ("labels that no training row has", self.unknown_labels, &self.unknown_at),
        ] {
            if count > 0 {
                let lines = agreeing(count, "line", "lines");
                let at: Vec<String> = at.iter().map(u64::to_string).collect();
                writeln!(
                    f,
                    "  {title}: {count} ({lines} {}{})",
                    at.join(", "),
                    if count > at.len() { ", ..." } else { "" }
                )?;
            }
        }
        for (class, rows) in &self.classes {
            let share = 100.0 * *rows as f64 / self.rows.max(1) as f64;
            writeln!(f, "  {}: {rows} ({share:.2} %)", excerpt(class))?;
        }
        Ok(())
    }
}

impl fmt::Display for Repeated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "  {:?}, {}", self.text, counted(self.rows, "row"))?;
        for Occurrence { path, line, labels } in &self.occurrences {
            let labels: Vec<String> = labels.iter().map(|label| excerpt(label)).collect();
            writeln!(f, "    {path}, {line}: {}", labels.join(", "))?;
        }
        Ok(())
    }
}
