//! What can be wrong with a run folder.

use std::path::PathBuf;

use emberline_base::file::FileError;

/// Why a run folder can't be read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no `summary.json`.
    #[error("{} is no run folder: it holds no summary.json; give the folder that a run wrote, for example runs/quickstart", .0.display())]
    NotARun(PathBuf),
    /// A run was begun, and no cell of it has ended.
    #[error("{}: no cell has ended yet; run the pipeline (`emberline run FILE`), which goes on from here", .0.display())]
    NoCellEnded(PathBuf),
    /// A run was cut short before its first summary.
    #[error("{}: the run was cut short before it wrote summary.json; run the pipeline again (`emberline run FILE`), which goes on from here", .0.display())]
    NotSummarised(PathBuf),
    /// A file that a run wrote isn't there any more.
    #[error("{} is missing; run the pipeline again (`emberline run FILE`) to write it anew", .0.display())]
    Missing(PathBuf),
    /// The system refused.
    #[error(transparent)]
    File(#[from] FileError),
    /// A file isn't what was written.
    #[error("{} isn't what was written: it was changed, or the disk is faulty; run the pipeline again (`emberline run FILE`) to write it anew", .0.display())]
    Changed(PathBuf),
    /// Nothing vouches for the files of a folder.
    #[error("{} is missing, so nothing tells whether the files beside it are what was written; run the pipeline again (`emberline run FILE`) to write it anew", .0.display())]
    NoSums(PathBuf),
    /// `summary.json` is not what it should be.
    #[error("{}:{line}:{column}: {message}; the file is damaged, run the pipeline again to write it anew", path.display())]
    Json {
        /// The file.
        path: PathBuf,
        /// 1 for the first.
        line: usize,
        /// 1 for the first; 0 where the line as a whole is meant.
        column: usize,
        /// What the reader of JSON said.
        message: String,
    },
    /// The file was written by a later program.
    #[error("{}: version {found} of the records is newer than this program reads ({known}); update the program", path.display())]
    Version {
        /// The file.
        path: PathBuf,
        /// The version the file states.
        found: u64,
        /// The newest version known here.
        known: u32,
    },
    /// The file was written by an earlier program.
    #[error("{}: version {found} of the records is that of an earlier program, and {known} is read; its report can't be rendered anew, and nothing was changed", path.display())]
    EarlierVersion {
        /// The file.
        path: PathBuf,
        /// The version the file states.
        found: u64,
        /// The version known here.
        known: u32,
    },
    /// A cell's entry can't be true.
    #[error("{}: cell {cell:?} {fault}; the file is damaged, run the pipeline again to write it anew", path.display())]
    Cell {
        /// The file.
        path: PathBuf,
        /// The cell's id.
        cell: String,
        /// What is wrong, as the rest of a sentence.
        fault: String,
    },
    /// A comparison was asked for by what is no metric, or one that is neither better nor worse.
    #[error("`{asked}` is no metric to compare by; {}", if there.is_empty() { "no cell of the two is done".to_owned() } else { format!("there are {}", there.join(", ")) })]
    UnknownMetric {
        /// What was asked for.
        asked: String,
        /// What the records have.
        there: Vec<String>,
    },
    /// A cell that was asked for isn't in the run.
    #[error("there is no cell `{asked}`; {}", if done.is_empty() { "no cell is done".to_owned() } else { format!("done are {}", done.join(", ")) })]
    NoSuchCell {
        /// What was asked for.
        asked: String,
        /// The ids of the cells that are done.
        done: Vec<String>,
    },
    /// A cell that was asked for isn't done.
    #[error("the cell `{cell}` isn't done; run the pipeline, or name another cell")]
    NotDone {
        /// The cell's id.
        cell: String,
    },
    /// No cell is done, or nothing tells which is best.
    #[error(
        "nothing tells which cell of {name} is best: no cell is done, there are no validation and no test rows, or every cell has the worst score there is; run the pipeline, or name a cell with --cell"
    )]
    NothingToChoose {
        /// The pipeline's name.
        name: String,
    },
    /// The settings of a cell are damaged.
    #[error("{}: it is no TOML; the file is damaged, run the cell again with --force", .0.display())]
    Settings(PathBuf),
    /// A history is damaged.
    #[error("{}:{line}: {fault}; the file is damaged, run the cell again with --force", path.display())]
    History {
        /// The file.
        path: PathBuf,
        /// 1 for the header.
        line: u64,
        /// What is wrong.
        fault: String,
    },
}
