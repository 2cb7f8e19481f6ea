//! Labels: the task they make, their classes, and the targets a head is trained on.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Matrix;

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
    /// One class a row (binary and multi-class).
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

    /// The classes of one row.
    pub fn of_row(&self, row: usize) -> &[u32] {
        match &self.targets {
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
    /// one-hot for a multi-class one, multi-hot for a multi-label one.
    pub fn matrix(&self, rows: &[usize]) -> Matrix {
        let mut matrix = Matrix::zeros(rows.len(), self.outputs());
        for (to, &from) in rows.iter().enumerate() {
            for &class in self.of_row(from) {
                match self.task {
                    Task::Binary => matrix.row_mut(to)[0] = class as f32,
                    Task::MultiClass | Task::MultiLabel => matrix.row_mut(to)[class as usize] = 1.0,
                }
            }
        }
        matrix
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
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_become_numbers() {
        let classes = vec!["a".to_owned(), "b".to_owned(), "c".to_owned()];
        let binary =
            Labels { task: Task::Binary, classes: classes[..2].to_vec(), targets: Targets::Single(vec![0, 1]) };
        assert_eq!(binary.matrix(&[1, 0]).values(), [1., 0.]);
        let multi = Labels {
            task: Task::MultiLabel,
            classes,
            targets: Targets::Multi { offsets: vec![0, 2, 2], ids: vec![0, 2] },
        };
        assert_eq!(multi.matrix(&[0, 1]).values(), [1., 0., 1., 0., 0., 0.]);
        assert_eq!(multi.counts(&[0, 1]), [1, 0, 1]);
    }
}
