//! The errors of this crate.

use std::path::{Path, PathBuf};

use emberline_base::file::FileError;
use emberline_base::number::{agreeing, counted};
use emberline_base::record::Exit;
use emberline_base::{Warning, run_files};

use crate::diagnostics::Diagnostics;
use crate::lock::{LockFault, StaleInput};
use crate::run::{RefitState, State};

/// Why a command on a pipeline failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The pipeline file has faults; all of them.
    #[error("{0}")]
    Invalid(Diagnostics),
    /// The pipeline file is far too large to be one.
    #[error("{} is larger than {megabytes} MB, which no pipeline file is; name a .toml file", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Maximum size of a pipeline file.
        megabytes: u64,
    },
    /// The pipeline file can't be read.
    #[error("{0}; name a pipeline file (`emberline init` writes one)")]
    PipelineFile(FileError),
    /// A file of the run can't be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// Several files that the pipeline names are missing.
    #[error("{} {} missing:\n{}", counted(.0.len(), "file"), agreeing(.0.len(), "is", "are"), each(.0))]
    MissingFiles(Vec<Error>),
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
    /// The baselines can't be computed.
    #[error("{source}")]
    Baselines {
        /// Why.
        source: emberline_linear::Error,
    },
    /// The device can't be used.
    #[error(transparent)]
    Train(#[from] emberline_train::Error),
    /// The run folder can't be read.
    #[error(transparent)]
    Report(#[from] emberline_report::Error),
    /// A bundle can't be written or used.
    #[error("{}: {why}", path.display())]
    Bundle {
        /// The bundle.
        path: PathBuf,
        /// What is wrong with it.
        why: crate::BundleError,
    },
    /// The data that a model was trained on can't be read again.
    #[error(
        "the nearest training rows are found in the data that the model was trained on: {source}; restore them, or ask for no neighbours"
    )]
    TrainingData {
        /// Why.
        source: Box<emberline_dataset::Error>,
    },
    /// The data have changed since a model was trained on them.
    #[error(
        "{files}: the data have changed since the model was trained, so that nobody can tell its training rows; restore them, run the \
         pipeline again, or ask for no neighbours"
    )]
    OtherTrainingData {
        /// The files, as the pipeline names them.
        files: String,
    },
    /// The training rows of a bundle were asked for.
    #[error("a bundle holds no training text, so that it has no nearest training rows; name the run folder instead")]
    NoTrainingText,
    /// No combination of the grid can be run.
    #[error("no cell can be run: {0}")]
    NoCells(String),
    /// The records of the run folder were written by another version of the program.
    #[error("{}", other_version(folder, *found, *known))]
    OtherVersion {
        /// The run folder.
        folder: PathBuf,
        /// The version that its files state; `None` if they state none, as the first versions did.
        found: Option<u64>,
        /// The version that this program reads and writes.
        known: u32,
    },
    /// The file that says which pipeline a run folder belongs to is damaged, or missing beside records.
    #[error(
        "{} {fault}: it says which pipeline file the run is of; run the pipeline again (`emberline run FILE`), which writes it \
         anew", path.display()
    )]
    RunFile {
        /// The file.
        path: PathBuf,
        /// What is wrong with it, as the rest of a sentence.
        fault: &'static str,
    },
    /// The file with what a cell's embedding learned from the training texts is missing.
    #[error(
        "{} is missing: it holds what the embedding learned from the training texts ({what}); run the cell again with \
         `emberline run FILE --force`, which writes it anew", path.display()
    )]
    Learned {
        /// The file.
        path: PathBuf,
        /// What was learned.
        what: &'static str,
    },
    /// The weights of a cell's fine-tuned encoder weren't kept.
    #[error(
        "the weights of the fine-tuned encoder of `{cell}` weren't kept, so that it can't classify: [decide] keep_encoders says whose \
         are; set `keep_encoders = \"all\"`, and train it again with `emberline run FILE{} --force`",
        only(cell)
    )]
    EncoderNotKept {
        /// The cell's id, `refit` for the refit.
        cell: String,
    },
    /// The file of a fine-tuned encoder isn't the one that the model was trained with.
    #[error("{} is damaged, or belongs to another model; train the cell again with `emberline run FILE --force`", path.display())]
    EncoderDamaged {
        /// The file.
        path: PathBuf,
    },
    /// The encoder of a model that has none, or a frozen one, was to be exported.
    #[error("`{cell}` has no fine-tuned encoder to export; name a cell whose encoder was trained with --cell")]
    FrozenEncoder {
        /// The cell's id.
        cell: String,
    },
    /// The run folder belongs to another pipeline file.
    #[error(
        "{} holds the results of {}, not of {}; give another folder with --out, or another `name` to one of the pipelines",
        folder.display(), other.display(), wanted.display()
    )]
    OtherPipeline {
        /// The run folder.
        folder: PathBuf,
        /// The pipeline file that it belongs to.
        other: PathBuf,
        /// The pipeline file that was to run.
        wanted: PathBuf,
    },
    /// A disk has too little space for what a run writes.
    #[error("{}: {what} take about {needed} MB, and {free} MB are free; {cure}", folder.display())]
    NoSpace {
        /// What needs the space.
        what: String,
        /// The space that it takes, in megabytes.
        needed: u64,
        /// The folder on the disk.
        folder: PathBuf,
        /// The free space, in megabytes.
        free: u64,
        /// What to do.
        cure: &'static str,
    },
    /// A panic: an error of the program itself.
    #[error("internal error: the cell panicked: {0}")]
    Panic(String),
    /// The process was killed more than once in a row while this cell was being run.
    #[error(
        "the process ended {} while this cell was under way, perhaps for lack of memory; another run tries it again, and so does --retry-failed",
        counted(*times as usize, "time")
    )]
    Vanished {
        /// The number of times.
        times: u32,
    },
    /// A process that runs cells couldn't be started, or ended with an error of its own.
    #[error("a process that runs cells ended by {ended}: {said}")]
    Subprocess {
        /// How it ended.
        ended: String,
        /// The last line that it printed.
        said: String,
    },
    /// The best setting couldn't be trained on all rows.
    #[error("all cells have ended, but the best setting couldn't be trained on all rows ([decide] refit): {source}")]
    Refit {
        /// Why.
        source: Box<Error>,
    },
    /// There is no lock beside the pipeline file.
    #[error("there is no {}; `emberline lock` writes it from a finished run", .0.display())]
    NoLock(PathBuf),
    /// The lock isn't as it was written.
    #[error("{}: {fault}", path.display())]
    Lock {
        /// The lock.
        path: PathBuf,
        /// What is wrong with it, and the cure.
        fault: Box<LockFault>,
    },
    /// Inputs aren't what the lock says.
    #[error("the lock is stale:\n{}\n`emberline lock` renews it after a run", lines(.0))]
    Stale(Vec<StaleInput>),
    /// A lock was asked for before all cells have run.
    #[error("{} {} left to run, such as `{}`; run the pipeline first, then lock it", counted(.0.len(), "cell"), agreeing(.0.len(), "is", "are"), .0[0].0)]
    WorkPending(Vec<(String, State)>),
    /// A lock was asked for before the refit was made of the present results.
    #[error("all cells have run, but the refit ([decide] refit) {0}; run the pipeline first, then lock it")]
    RefitPending(RefitState),
    /// Checks found what `[checks] fatal` names.
    #[error("{}", fatal(.0))]
    Checks(Vec<Warning>),
    /// A cell that was asked for isn't in the plan.
    #[error("{}", no_such_cell(asked, hint.as_deref()))]
    NoSuchCell {
        /// What was asked for.
        asked: String,
        /// The nearest cells, quoted.
        hint: Option<String>,
    },
}

/// Returns the option that runs a cell alone; the refit has none.
fn only(cell: &str) -> String {
    if cell == run_files::REFIT { String::new() } else { format!(" --only {cell}") }
}

fn no_such_cell(asked: &str, hint: Option<&str>) -> String {
    let what = if asked.contains(['*', '?']) { "no cell matches" } else { "there is no cell" };
    let cure =
        hint.map_or_else(|| "`emberline cells` lists them all".to_owned(), |near| format!("did you mean {near}?"));
    format!("{what} `{asked}`; {cure}")
}

impl From<emberline_tensorboard::Error> for Error {
    fn from(error: emberline_tensorboard::Error) -> Self {
        let emberline_tensorboard::Error::File(error) = error;
        Self::File(error)
    }
}

impl Error {
    /// Returns whether the failure is the cell's own, so that the same inputs lead to it again. Other failures come
    /// from the cell's surroundings, which may have changed at the next run.
    pub(crate) fn is_of_the_cell(&self) -> bool {
        use emberline_train::Error as Train;
        match self {
            Self::Train(error) => match error {
                Train::Diverged { .. } | Train::Unmeasured { .. } | Train::Unsupported(_) => true,
                Train::File(_)
                | Train::Device(_)
                | Train::Memory(_)
                | Train::EncoderMemory(_)
                | Train::Encoder(_)
                | Train::OutOfMemory(_)
                | Train::Interrupted
                | Train::Model(_)
                | Train::ModelFile { .. }
                | Train::Weights(_) => false,
            },
            _ => false,
        }
    }

    /// Returns whether there was, or seems to have been, too little memory: with more of it, the same cell may succeed.
    pub(crate) fn is_lack_of_memory(&self) -> bool {
        match self {
            Self::Vanished { .. } => true,
            Self::File(error) => error.is_out_of_memory(),
            Self::Data(error) => error.is_out_of_memory(),
            Self::Embedding { source, .. } => source.is_out_of_memory(),
            Self::Train(error) => error.is_out_of_memory(),
            _ => false,
        }
    }

    /// Returns how an attempt at a cell ended that failed with this error.
    pub(crate) fn exit(&self) -> Exit {
        match self {
            Self::Panic(_) => Exit::Panicked,
            Self::Vanished { .. } => Exit::Killed,
            error if error.is_lack_of_memory() => Exit::OutOfMemory,
            error if error.is_of_the_cell() => Exit::Failed,
            _ => Exit::Surroundings,
        }
    }

    /// Returns whether the error only says that the work was interrupted.
    pub(crate) fn is_interruption(&self) -> bool {
        matches!(
            self,
            Self::Train(emberline_train::Error::Interrupted)
                | Self::Embedding { source: emberline_embedding::Error::Interrupted, .. }
        )
    }
}

fn other_version(folder: &Path, found: Option<u64>, known: u32) -> String {
    let folder = folder.display();
    match found {
        Some(found) if found > u64::from(known) => {
            format!(
                "{folder}: its records have version {found}, which is newer than this program reads ({known}); update it"
            )
        }
        _ => format!(
            "{folder}: its records were written by an earlier version of Emberline, whose cells have other ids and whose \
             results may differ; nothing was changed. Move the folder away, or give another one with --out, and run again"
        ),
    }
}

fn each(errors: &[Error]) -> String {
    let lines: Vec<String> = errors.iter().map(|error| format!("  {error}")).collect();
    lines.join("\n")
}

fn lines(differences: &[StaleInput]) -> String {
    let lines: Vec<String> = differences.iter().map(|difference| format!("  {difference}")).collect();
    lines.join("\n")
}

/// Lists warnings that end a command.
fn fatal(warnings: &[Warning]) -> String {
    let each: Vec<String> = warnings.iter().map(|warning| format!("  {warning}")).collect();
    let these = agreeing(warnings.len(), "this warning", "these warnings");
    format!("[checks] fatal ends the run for {these}, before anything is trained:\n{}", each.join("\n"))
}
