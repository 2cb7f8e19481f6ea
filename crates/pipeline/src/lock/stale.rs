//! An input or a setting that isn't what the lock says. It is said once, with the cells that it touches.

use std::fmt;

use emberline_base::{Change, run_files};
use serde::Serialize;

use crate::plan::Plan;

/// The subject of a difference from the lock.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Subject {
    /// The pipeline, of which the lock is.
    Pipeline,
    /// The settings in the pipeline file.
    Settings,
    /// The list of cells.
    Cells,
    /// A data file, by its path in the pipeline file.
    Data(String),
    /// An embedding, by its name.
    Embedding(String),
    /// The result of a cell, by its id.
    Cell(String),
    /// The model of all rows.
    Refit,
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pipeline => f.write_str("lock"),
            Self::Settings => f.write_str("settings"),
            Self::Cells => f.write_str("cells"),
            Self::Data(file) => f.write_str(file),
            Self::Embedding(name) => write!(f, "embedding `{name}`"),
            Self::Cell(id) => f.write_str(id),
            Self::Refit => f.write_str(run_files::REFIT),
        }
    }
}

/// An input or a setting that isn't what the lock says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StaleInput {
    /// The subject.
    pub subject: Subject,
    /// What differs, in a line.
    pub summary: String,
    /// Everything that differs, by dotted keys, for programs.
    pub changes: Vec<Change>,
    /// The ids of the cells that it touches.
    pub cells: Vec<String>,
    /// The same cells in a few words; `None` if it isn't about cells.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub touches: Option<String>,
    /// Whether it is a file of an embedding that has another content, which is an asset that can be fetched or restored.
    pub is_asset: bool,
}

impl StaleInput {
    /// Returns a difference that touches the cells at the positions `touched`, among those at `all` that were asked for.
    pub(super) fn of(subject: Subject, summary: String, plan: &Plan, touched: &[usize], all: &[usize]) -> Self {
        let cells = touched.iter().map(|&at| plan.cells[at].id.clone()).collect();
        let touches = Some(plan.describe(touched, all));
        Self { subject, summary, changes: Vec::new(), cells, touches, is_asset: false }
    }

    /// Returns a difference that isn't about certain cells.
    pub(super) fn as_a_whole(subject: Subject, summary: String) -> Self {
        Self { subject, summary, changes: Vec::new(), cells: Vec::new(), touches: None, is_asset: false }
    }

    /// Adds what programs read.
    pub(super) fn with_changes(self, changes: Vec<Change>) -> Self {
        Self { changes, ..self }
    }
}

impl fmt::Display for StaleInput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.subject, self.summary)?;
        match &self.touches {
            Some(cells) => write!(f, "; touches {cells}"),
            None => Ok(()),
        }
    }
}
