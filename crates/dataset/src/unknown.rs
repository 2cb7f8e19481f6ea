//! Applies `data.unknown_labels` to validation and test rows with a label that no training row has: they are refused, left
//! out, or counted as wrong.

use std::collections::HashSet;

use emberline_base::warning::Code;
use emberline_base::{Task, Warning};

use crate::error::Error;
use crate::labels::{Classes, similar_to};
use crate::rows::Reading;
use crate::settings::UnknownLabels;
use crate::warnings::{examples, rows_have};

impl Reading<'_> {
    /// Treats rows with unknown labels as the settings say, and returns a warning about them.
    ///
    /// # Errors
    /// When the settings refuse such labels, or a split is left without a row.
    pub(crate) fn apply_unknown_labels(&mut self, classes: &Classes) -> Result<Option<Warning>, Error> {
        let rows = self.labels.rows_of_unknown(classes);
        let Some(&first) = rows.first() else { return Ok(None) };
        let rule = self.settings.unknown_labels;
        if rule == UnknownLabels::Refuse {
            return Err(self.unknown_label(first, rows.len(), classes));
        }
        let warning = self.warning(&rows, classes, rule);
        self.count(&rows);
        if rule == UnknownLabels::Drop {
            self.drop_rows(&rows)?;
        }
        // In a multi-label task, a row with an unknown label is scored by its other labels.
        if rule == UnknownLabels::Drop || classes.task() != Task::MultiLabel {
            self.refuse_empty(rule)?;
        }
        Ok(Some(warning))
    }

    fn unknown_label(&self, row: usize, rows: usize, classes: &Classes) -> Error {
        let (place, label) = (self.place(row), self.labels.unknown_label(row, classes).to_owned());
        let classes = classes.names(&self.labels);
        let form = similar_to(&label, &classes).map(|class| {
            format!("it differs from `{class}` only by its form: if they mean the same, write them alike")
        });
        let is_first = self.parts.iter().any(|part| part.first_unnamed == Some(row));
        let header = is_first.then(|| "if the line holds the columns' names, set header = true".to_owned());
        Error::UnknownLabel { place, label: label.into(), classes, hint: form.or(header).map(String::into), rows }
    }

    fn warning(&self, rows: &[usize], classes: &Classes, rule: UnknownLabels) -> Warning {
        let what = match (rule, rows.len()) {
            (UnknownLabels::CountAsWrong, 1) => "counts as wrong",
            (UnknownLabels::CountAsWrong, _) => "count as wrong",
            (_, 1) => "is left out",
            (_, _) => "are left out",
        };
        let mut seen = HashSet::new();
        let different =
            rows.iter().map(|&row| self.labels.unknown_label(row, classes)).filter(|label| seen.insert(*label));
        let labels: Vec<String> = different.map(|label| format!("`{label}`")).collect();
        let text = format!(
            "{} a label that no training row has ({}; the first: {}), and {what}, as data.unknown_labels says.",
            rows_have(rows.len(), "validation or test"),
            examples(&labels),
            self.shown(rows[0]),
        );
        Warning::new(Code::UnknownLabels, text)
    }

    fn count(&mut self, rows: &[usize]) {
        for &row in rows {
            let part = self.parts.partition_point(|part| part.rows.end <= row);
            self.parts[part].unknown.add(self.numbers.of(row));
        }
    }

    /// Removes rows as if they had never been read.
    fn drop_rows(&mut self, rows: &[usize]) -> Result<(), Error> {
        let mut keep = vec![true; self.texts.len()];
        rows.iter().for_each(|&row| keep[row] = false);
        let kept_before = |row: usize| row - rows.partition_point(|&dropped| dropped < row);
        for part in &mut self.parts {
            let is_kept = |row: &usize| keep[*row];
            part.first_unnamed = part.first_unnamed.filter(is_kept).map(kept_before);
            part.rows = kept_before(part.rows.start)..kept_before(part.rows.end);
        }
        self.numbers.retain(&keep);
        self.ordinals.retain(&keep);
        self.groups.retain(&keep);
        self.times.retain(&keep);
        self.texts.retain(&keep)?;
        self.hashes.retain(&keep);
        self.labels.retain(&keep);
        Ok(())
    }

    /// Refuses a file in which every row has an unknown label.
    fn refuse_empty(&self, rule: UnknownLabels) -> Result<(), Error> {
        let known = |rows: usize, unknown: usize| if rule == UnknownLabels::Drop { rows } else { rows - unknown };
        match self.parts.iter().find(|part| known(part.rows.len(), part.unknown.count) == 0) {
            None => Ok(()),
            Some(part) => {
                let reason = "no training row has the label of any of its rows".to_owned();
                Err(Error::EmptySplit { path: part.path.clone(), split: part.split, reason })
            }
        }
    }
}
