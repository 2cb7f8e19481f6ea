//! Labels: the task they make, their classes, and the targets a head is trained on.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Matrix, OutOfMemory};

/// What kind of question the labels ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Task {
    /// One of two classes; one output.
    Binary,
    /// One of several classes; an output a class.
    MultiClass,
    /// Any subset of the classes; an output a class.
    MultiLabel,
}

/// The class of every row, as indices into the class list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Targets {
    /// One class a row (binary and multi-class); [`Labels::UNKNOWN`] where the row's label isn't among the classes.
    Single(Vec<u32>),
    /// A sorted set of classes a row (multi-label): row `i` holds `ids[offsets[i]..offsets[i + 1]]`.
    Multi {
        /// `rows + 1` positions in `ids`.
        offsets: Vec<usize>,
        /// Class indices, row after row.
        ids: Vec<u32>,
    },
}

/// The labels of a list of rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Labels {
    /// What the labels ask.
    pub task: Task,
    /// The names of the classes, in a stable order. Binary: `[negative, positive]`.
    pub classes: Vec<String>,
    /// The class, or classes, of each row.
    pub targets: Targets,
}

impl Labels {
    /// Stands for the class of a validation or test row whose label no training row has.
    pub const UNKNOWN: u32 = u32::MAX;

    /// The number of rows.
    pub fn len(&self) -> usize {
        match &self.targets {
            Targets::Single(classes) => classes.len(),
            Targets::Multi { offsets, .. } => offsets.len() - 1,
        }
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The classes of one row; none if its label isn't among them.
    pub fn of_row(&self, row: usize) -> &[u32] {
        match &self.targets {
            Targets::Single(classes) if classes[row] == Self::UNKNOWN => &[],
            Targets::Single(classes) => &classes[row..=row],
            Targets::Multi { offsets, ids } => &ids[offsets[row]..offsets[row + 1]],
        }
    }

    /// The number of outputs a head needs: 1 for a binary task, else one a class.
    pub fn outputs(&self) -> usize {
        match self.task {
            Task::Binary => 1,
            Task::MultiClass | Task::MultiLabel => self.classes.len(),
        }
    }

    /// The targets of the named rows as numbers, `[rows.len(), outputs]`: 0/1 for a binary task,
    /// one-hot for a multi-class one, multi-hot for a multi-label one. A row whose class is [unknown](Self::UNKNOWN) is NaN:
    /// it has no loss, is a negative of every class, and never counts as right.
    ///
    /// # Errors
    /// When there is no memory for it.
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

    /// How many of the named rows carry each class, in the order of `classes`.
    pub fn counts(&self, rows: &[usize]) -> Vec<usize> {
        let mut counts = vec![0; self.classes.len()];
        for &row in rows {
            for &class in self.of_row(row) {
                counts[class as usize] += 1;
            }
        }
        counts
    }

    /// How many of the named rows have a label that isn't among the classes.
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
