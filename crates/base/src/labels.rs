//! Labels: the classification task, the classes, and the targets that a head is trained on.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Matrix, OutOfMemory};

/// The classification task.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Task {
    /// Each text has one of two classes; the head has one output.
    Binary,
    /// Each text has one of several classes; the head has one output per class.
    MultiClass,
    /// Each text has any subset of the classes; the head has one output per class.
    MultiLabel,
}

/// The class or classes of every row, as indices into the list of classes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Targets {
    /// One class per row (binary and multi-class), `[rows]`; [`Labels::UNKNOWN`] if the row's label isn't among the classes.
    Single(Vec<u32>),
    /// A sorted set of classes per row (multi-label): row `i` has the classes `ids[offsets[i]..offsets[i + 1]]`.
    Multi {
        /// The bounds of the rows in `ids`, `[rows + 1]`.
        offsets: Vec<usize>,
        /// Class indices, row after row.
        ids: Vec<u32>,
    },
}

/// The labels of a list of rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Labels {
    /// The classification task.
    pub task: Task,
    /// The names of the classes, in a stable order. Binary: `[negative, positive]`.
    pub classes: Vec<String>,
    /// The class, or classes, of each row.
    pub targets: Targets,
}

impl Labels {
    /// The class index of a validation or test row whose label no training row has.
    pub const UNKNOWN: u32 = u32::MAX;

    /// Returns the number of rows.
    pub fn len(&self) -> usize {
        match &self.targets {
            Targets::Single(classes) => classes.len(),
            Targets::Multi { offsets, .. } => offsets.len() - 1,
        }
    }

    /// Returns whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the class indices of one row; empty if its label isn't among the classes.
    pub fn of_row(&self, row: usize) -> &[u32] {
        match &self.targets {
            Targets::Single(classes) if classes[row] == Self::UNKNOWN => &[],
            Targets::Single(classes) => &classes[row..=row],
            Targets::Multi { offsets, ids } => &ids[offsets[row]..offsets[row + 1]],
        }
    }

    /// Returns the number of outputs of a head: 1 for a binary task, else one per class.
    pub fn outputs(&self) -> usize {
        match self.task {
            Task::Binary => 1,
            Task::MultiClass | Task::MultiLabel => self.classes.len(),
        }
    }

    /// Returns the targets of the given rows, `[rows.len(), outputs]`: 0 or 1 for a binary task, one-hot for a multi-class
    /// task, multi-hot for a multi-label task. A row whose class is [unknown](Self::UNKNOWN) is NaN: it has no loss, is a
    /// negative of every class, and its prediction is never correct.
    ///
    /// # Errors
    /// If there is not enough memory.
    pub fn matrix(&self, rows: &[usize]) -> Result<Matrix, OutOfMemory> {
        let mut matrix = Matrix::try_zeros(rows.len(), self.outputs())?;
        for (to, &from) in rows.iter().enumerate() {
            if matches!(&self.targets, Targets::Single(classes) if classes[from] == Self::UNKNOWN) {
                matrix.row_mut(to).fill(f32::NAN);
            }
            for &class in self.of_row(from) {
                match self.task {
                    Task::Binary => matrix.row_mut(to)[0] = class as f32,
                    Task::MultiClass | Task::MultiLabel => matrix.row_mut(to)[class as usize] = 1.0,
                }
            }
        }
        Ok(matrix)
    }

    /// Counts the given rows per class, in the order of `classes`.
    pub fn counts(&self, rows: &[usize]) -> Vec<usize> {
        let mut counts = vec![0; self.classes.len()];
        for &row in rows {
            for &class in self.of_row(row) {
                counts[class as usize] += 1;
            }
        }
        counts
    }

    /// Counts the given rows whose label isn't among the classes.
    pub fn unknown(&self, rows: &[usize]) -> usize {
        match &self.targets {
            Targets::Single(classes) => rows.iter().filter(|&&row| classes[row] == Self::UNKNOWN).count(),
            Targets::Multi { .. } => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_become_numbers() {
        let classes = vec!["a".to_owned(), "b".to_owned(), "c".to_owned()];
        let binary =
            Labels { task: Task::Binary, classes: classes[..2].to_vec(), targets: Targets::Single(vec![0, 1]) };
        assert_eq!(binary.matrix(&[1, 0]), Ok(Matrix::new(2, 1, vec![1., 0.])));
        let multi = Labels {
            task: Task::MultiLabel,
            classes,
            targets: Targets::Multi { offsets: vec![0, 2, 2], ids: vec![0, 2] },
        };
        assert_eq!(multi.matrix(&[0, 1]), Ok(Matrix::new(2, 3, vec![1., 0., 1., 0., 0., 0.])));
        assert_eq!(multi.counts(&[0, 1]), [1, 0, 1]);
    }

    #[test]
    fn a_row_of_an_unknown_class_has_no_class_and_no_number() {
        let classes = vec!["a".to_owned(), "b".to_owned()];
        let targets = Targets::Single(vec![1, Labels::UNKNOWN]);
        let labels = Labels { task: Task::Binary, classes, targets };
        assert!(labels.of_row(1).is_empty() && labels.matrix(&[1]).expect("memory").values()[0].is_nan());
        assert_eq!((labels.counts(&[0, 1]), labels.unknown(&[0, 1])), (vec![0, 1], 1));
    }
}
