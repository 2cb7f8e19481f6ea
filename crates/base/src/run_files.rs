//! The layout of a run folder: the name of every file and folder in it. All code that writes, reads or reserves a name uses
//! these constants.
//!
//! ```text
//! run.json  summary.json  report.html  report.md  summary.csv  settings.csv  settings.json
//! summary.parquet  settings.parquet  SHA256SUMS
//! cells/<cell>/result.json                 the cell's record; names the valid attempt; written last
//!              cell.toml  history.csv ...  the files of that attempt (hard links)
//!              attempts/<number>/          cell.toml  history.csv  record.jsonl  model.safetensors
//!                                          predictions.safetensors  SHA256SUMS
//!                                          encoder.safetensors, the weights of a fine-tuned encoder, as `[decide]
//!                                          keep_encoders` says; checkpoint.safetensors, while the cell is trained
//!                                          tensorboard/, the event files of this attempt
//! inputs/<digest>.json                     facts about a dataset or an embedding, for `explain`
//!        <digest>.rows                     the rows of a validation or test split
//!        <rows>.<embedding>.known          the number of known words of each of these rows, for an embedding
//!        <digest>.safetensors              what an embedding learned from the training texts
//! under_way/<cell>.json                    a marker, while the cell is running
//! baselines/<digest>.json                  the baselines on the rows of a dataset
//!           <rows>.<embedding>.json        the zero-label baseline on these rows, by the vectors of an embedding
//! refit/                                   result.json  cell.toml  history.csv  model.safetensors  SHA256SUMS: the best setting,
//!                                          trained once more on all rows
//! sources/                                 the pipeline file and its lock, which the report carries; SHA256SUMS
//! submit/<n>/                              what was asked of a cluster: profile.toml  manifest.json  jobs.json  <job>.sh  logs/
//! tensorboard/<name>/                      events.out.tfevents.*  train/  validation/: links to the event files of the attempt that
//!                                          counts, or of one under way; the name is the cell's id without its identity
//! ```

use std::path::{Path, PathBuf};

use crate::Digest;
pub use crate::sums::FILE as SUMS;

/// The file with the pipeline that the run folder belongs to, and the format version.
pub const RUN: &str = "run.json";
/// The summary of the whole run.
pub const SUMMARY: &str = "summary.json";
/// The folder that contains one folder per cell.
pub const CELLS: &str = "cells";
/// The folder of a cell's attempts, in the cell's folder.
pub const ATTEMPTS: &str = "attempts";
/// The folder of facts about datasets and embeddings.
pub const INPUTS: &str = "inputs";
/// The folder of the baselines, one file per dataset, and one per dataset and embedding.
pub const BASELINES: &str = "baselines";
/// The folder of the markers of running cells.
pub const UNDER_WAY: &str = "under_way";
/// The folder of the refit: the model of the best setting, trained once more on all rows.
pub const REFIT: &str = "refit";
/// The folder with copies of the pipeline file and its lock.
pub const SOURCES: &str = "sources";
/// The folder of the submissions to a cluster.
pub const SUBMIT: &str = "submit";
/// The folder of TensorBoard's event files, in the run folder and in that of an attempt.
pub const TENSORBOARD: &str = "tensorboard";

/// A cell's record, which names the valid attempt.
pub const RESULT: &str = "result.json";
/// A cell's settings, with every default filled in.
pub const SETTINGS: &str = "cell.toml";
/// A cell's epochs as a CSV table.
pub const HISTORY: &str = "history.csv";
/// A cell's epochs as JSON Lines, one line per epoch.
pub const EPOCHS: &str = "record.jsonl";
/// A cell's trained model.
pub const MODEL: &str = "model.safetensors";
/// The logits of a cell's validation and test rows, if predictions are kept.
pub const PREDICTIONS: &str = "predictions.safetensors";
/// The weights of a cell's fine-tuned encoder, if they are kept. `SHA256SUMS` doesn't list them, since they may be removed later; the
/// model names their hash.
pub const ENCODER: &str = "encoder.safetensors";
/// The checkpoint from which an interrupted cell resumes.
pub const CHECKPOINT: &str = "checkpoint.safetensors";

/// The reserved names in a cell's folder, which a user's log file must not have.
pub const CELL_FILES: [&str; 11] =
    [RESULT, SETTINGS, HISTORY, EPOCHS, MODEL, PREDICTIONS, ENCODER, CHECKPOINT, SUMS, ATTEMPTS, TENSORBOARD];

/// Returns the folder of a cell in a run folder.
pub fn cell(run: &Path, id: &str) -> PathBuf {
    run.join(CELLS).join(id)
}

/// Returns the file with the rows of a split, given by their digest.
pub fn rows(run: &Path, rows: &Digest) -> PathBuf {
    run.join(INPUTS).join(format!("{}.rows", rows.as_str()))
}

/// Returns the file with the number of known words of each row of a split, for an embedding; both are given by their digests.
pub fn known(run: &Path, rows: &Digest, embedding: &Digest) -> PathBuf {
    // Two whole digests would be a longer name than some file systems allow below a deep folder; the file contains both.
    run.join(INPUTS).join(format!("{}.{}.known", rows.as_str(), &embedding.as_str()[..32]))
}

/// Returns the folder of an attempt in a cell's folder. Attempts are counted from 1.
pub fn attempt(cell: &Path, number: u32) -> PathBuf {
    cell.join(ATTEMPTS).join(number.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_lie_where_the_header_says() {
        let cell = cell(Path::new("runs/p"), "glove-frozen-s1-0a");
        assert_eq!(attempt(&cell, 3), Path::new("runs/p/cells/glove-frozen-s1-0a/attempts/3"));
    }
}
