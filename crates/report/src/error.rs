//! The errors of reading a run folder.

use std::path::PathBuf;

use emberline_base::file::FileError;

/// The reason why a run folder can't be read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no `summary.json`.
    #[error("{} is not a run folder: it has no summary.json; give the folder that a run wrote, for example runs/quickstart", .0.display())]
    NotARun(PathBuf),
    /// A run was started, but no cell of it has ended.
    #[error("{}: no cell has ended yet; run the pipeline (`emberline run FILE`), which continues from here", .0.display())]
    NoCellEnded(PathBuf),
    /// A run was interrupted before it wrote its first summary.
    #[error("{}: the run was interrupted before it wrote summary.json; run the pipeline again (`emberline run FILE`), which continues from here", .0.display())]
    NotSummarised(PathBuf),
    /// A table of Parquet can't be written.
    #[error("{0}")]
    Table(String),
    /// The records of a run contradict each other, so that its settings can't be compared.
    #[error("the settings can't be compared: {0}")]
    Study(String),
    /// A file that a run wrote is missing.
    #[error("{} is missing; run the pipeline again (`emberline run FILE`) to recreate it", .0.display())]
    Missing(PathBuf),
    /// An I/O error.
    #[error(transparent)]
    File(#[from] FileError),
    /// A file doesn't match its checksum.
    #[error("{} isn't what was written: it was changed, or the disk is faulty; run the pipeline again (`emberline run FILE`) to recreate it", .0.display())]
    Changed(PathBuf),
    /// A folder has no checksum file.
    #[error("{} is missing, so the files of its folder can't be verified; run the pipeline again (`emberline run FILE`) to recreate it", .0.display())]
    NoSums(PathBuf),
    /// A file is not valid JSON, or has an unexpected structure.
    #[error("{}:{line}:{column}: {message}; the file is damaged, run the pipeline again to recreate it", path.display())]
    Json {
        /// The file.
        path: PathBuf,
        /// The line, counted from 1.
        line: usize,
        /// The column, counted from 1; 0 for the line as a whole.
        column: usize,
        /// What is wrong.
        message: String,
    },
    /// The file was written by a newer program.
    #[error("{}: version {found} of the records is newer than this program reads ({known}); update the program", path.display())]
    Version {
        /// The file.
        path: PathBuf,
        /// The version of the file.
        found: u64,
        /// The version that this program reads.
        known: u32,
    },
    /// The file was written by an earlier program.
    #[error("{}: version {found} of the records is that of an earlier program, but this program reads version {known}; the report can't be rendered again, and nothing was changed", path.display())]
    EarlierVersion {
        /// The file.
        path: PathBuf,
        /// The version of the file.
        found: u64,
        /// The version that this program reads.
        known: u32,
    },
    /// The entry of a cell is invalid.
    #[error("{}: cell {cell:?} {fault}; the file is damaged, run the pipeline again to recreate it", path.display())]
    Cell {
        /// The file.
        path: PathBuf,
        /// The cell's id.
        cell: String,
        /// What is wrong, as a phrase that follows the cell's id.
        fault: String,
    },
    /// The files that a page carries can't be read or written.
    #[error("{} {fault}", path.display())]
    Page {
        /// The page, or the file that can't be written.
        path: PathBuf,
        /// What is wrong, as a phrase that follows the path.
        fault: String,
    },
    /// A comparison was requested by an unknown metric, or by one without better and worse values.
    #[error("can't compare by `{name}`: there is no such metric; {}", if known.is_empty() { "no cell of either run is done".to_owned() } else { format!("there are {}", known.join(", ")) })]
    UnknownMetric {
        /// The name that was requested.
        name: String,
        /// The names of the metrics in the records.
        known: Vec<String>,
    },
    /// A comparison was requested by a loss, and the cells were trained with different ones.
    #[error(
        "can't compare by `{name}`: the cells differ in `{key}`, and losses are comparable neither across loss functions nor across class weights; use `{}`, which counts every row alike",
        log_loss_for(name)
    )]
    LossesDiffer {
        /// The name of the loss: `val_loss`.
        name: String,
        /// The key that differs: `train.class_weight`.
        key: String,
    },
    /// The run has no cell with the requested id.
    #[error("there is no cell `{id}`; {}", if done.is_empty() { "no cell is done".to_owned() } else { format!("the cells that are done: {}", done.join(", ")) })]
    NoSuchCell {
        /// The id that was requested.
        id: String,
        /// The ids of the cells that are done.
        done: Vec<String>,
    },
    /// The requested cell isn't done.
    #[error("the cell `{cell}` isn't done; run the pipeline, or name another cell")]
    NotDone {
        /// The cell's id.
        cell: String,
    },
    /// No cell is done, or there are no scores to rank the cells by.
    #[error(
        "can't tell which cell of {name} is best: no cell is done, there are neither validation nor test rows, or every cell has the worst possible score; run the pipeline, or name a cell with --cell"
    )]
    NothingToChoose {
        /// The pipeline's name.
        name: String,
    },
    /// The settings of a cell are damaged.
    #[error("{}: invalid TOML; the file is damaged, run the cell again with --force", .0.display())]
    Settings(PathBuf),
    /// A history is damaged.
    #[error("{}:{line}: {fault}; the file is damaged, run the cell again with --force", path.display())]
    History {
        /// The file.
        path: PathBuf,
        /// The line, counted from 1; the header is line 1.
        line: u64,
        /// What is wrong.
        fault: String,
    },
}

/// Returns the name of the log loss of the same rows as a loss; that of the validation rows in place of the training rows, which have
/// none.
fn log_loss_for(loss: &str) -> String {
    let split = loss.strip_suffix("loss").filter(|split| !split.is_empty()).unwrap_or("val_");
    format!("{split}log_loss")
}
