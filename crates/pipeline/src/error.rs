//! What can keep a pipeline from running.

use std::path::PathBuf;

use emberline_base::file::FileError;

use crate::diagnostic::Diagnostic;
use crate::lock::Difference;
use crate::run::State;

/// Why a command on a pipeline can't be done.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The pipeline file is faulty: everything that is wrong with it.
    #[error("{}", all(.0))]
    Invalid(Vec<Diagnostic>),
    /// The pipeline file can't be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// The data can't be read, or don't fit the settings.
    #[error(transparent)]
    Data(#[from] emberline_dataset::Error),
    /// An embedding can't be opened.
    #[error("embedding `{name}`: {source}")]
    Embedding {
        /// Its name in the pipeline file.
        name: String,
        /// What is wrong with it.
        source: emberline_embedding::Error,
    },
    /// The device can't be used.
    #[error(transparent)]
    Train(#[from] emberline_train::Error),
    /// The run folder can't be read.
    #[error(transparent)]
    Report(#[from] emberline_report::Error),
    /// No combination of the grid can be done.
    #[error("no cell can be run: {0}")]
    NoCells(String),
    /// The program itself is at fault.
    #[error("the program stopped, which is a fault of its own: {0}")]
    Panic(String),
    /// There is no lock beside the pipeline file.
    #[error("there is no {}; `emberline lock` writes it from a finished run", .0.display())]
    NoLock(PathBuf),
    /// The lock isn't as it was written.
    #[error("{}: {fault}; take it back from version control, or write it anew with `emberline lock`", path.display())]
    Lock {
        /// The lock.
        path: PathBuf,
        /// What is wrong with it.
        fault: String,
    },
    /// Inputs aren't what the lock says.
    #[error("the lock is stale:\n{}\n`emberline lock` renews it after a run", lines(.0))]
    Stale(Vec<Difference>),
    /// A lock was asked for before all cells have run.
    #[error("{} of the cells are left to run, such as `{}`; run the pipeline first, then lock it", .0.len(), .0[0].0)]
    WorkPending(Vec<(String, State)>),
    /// A cell that was asked for isn't in the plan.
    #[error("there is no cell `{asked}`{}", hint.as_deref().map(|h| format!("; did you mean `{h}`?")).unwrap_or_default())]
    NoSuchCell {
        /// What was asked for.
        asked: String,
        /// The nearest cell.
        hint: Option<String>,
    },
}

impl Error {
    /// Whether it only says that the work was asked to end before its time.
    pub(crate) fn is_interruption(&self) -> bool {
        matches!(
            self,
            Self::Train(emberline_train::Error::Interrupted)
                | Self::Embedding { source: emberline_embedding::Error::Interrupted, .. }
        )
    }
}

fn lines(differences: &[Difference]) -> String {
    let lines: Vec<String> = differences.iter().map(|difference| format!("  {difference}")).collect();
    lines.join("\n")
}

fn all(diagnostics: &[Diagnostic]) -> String {
    let shown: Vec<String> = diagnostics.iter().map(ToString::to_string).collect();
    let count = if diagnostics.len() == 1 { "1 fault".to_owned() } else { format!("{} faults", diagnostics.len()) };
    format!("{}\n\n{count}", shown.join("\n\n"))
}
