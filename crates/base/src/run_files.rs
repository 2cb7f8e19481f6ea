//! The names of the files of a run folder, each written once: whoever writes, reads or reserves one takes it from here.
//!
//! ```text
//! run.json  summary.json  report.html  report.md  summary.csv  SHA256SUMS
//! cells/<cell>/result.json                 names the attempt that counts; written last
//!              cell.toml  history.csv ...  the files of that attempt, hard links
//!              attempts/<number>/          cell.toml  history.csv  record.jsonl  model.safetensors
//!                                          predictions.safetensors  SHA256SUMS
//!                                          checkpoint.safetensors, while it is trained
//! inputs/<digest>.json                     what a dataset or an embedding was, for `explain`
//!        <digest>.rows                     which rows a split of validation or test has
//!        <rows>.<embedding>.known          how many words of each of these rows an embedding knows
//!        <digest>.safetensors              what an embedding learned from the training texts
//! under_way/<cell>.json                    while the cell is under way
//! refit/                                   result.json  cell.toml  history.csv  model.safetensors  SHA256SUMS: the best setting,
//!                                          trained once more on all rows
//! tensorboard/<cell>/                      events.out.tfevents.*  train/  validation/
//! ```

use std::path::{Path, PathBuf};

use crate::Digest;
pub use crate::sums::FILE as SUMS;

/// Whose folder it is, and the version of its files.
pub const RUN: &str = "run.json";
/// The whole run.
pub const SUMMARY: &str = "summary.json";
/// The folder of the cells' folders.
pub const CELLS: &str = "cells";
/// The folder of a cell's attempts, in the cell's.
pub const ATTEMPTS: &str = "attempts";
/// The folder of what datasets and embeddings were.
pub const INPUTS: &str = "inputs";
/// The folder of the markers of cells under way.
pub const UNDER_WAY: &str = "under_way";
/// The folder of the best setting's model that was trained once more on all rows.
pub const REFIT: &str = "refit";
/// The folder of TensorBoard's logs.
pub const TENSORBOARD: &str = "tensorboard";

/// A cell's record, which names the attempt that counts.
pub const RESULT: &str = "result.json";
/// A cell's settings, every default filled in.
pub const SETTINGS: &str = "cell.toml";
/// A cell's epochs, as a table.
pub const HISTORY: &str = "history.csv";
/// A cell's epochs, one line of JSON per epoch.
pub const EPOCHS: &str = "record.jsonl";
/// A cell's trained model.
pub const MODEL: &str = "model.safetensors";
/// The logits of a cell's validation and test rows, if they are kept.
pub const PREDICTIONS: &str = "predictions.safetensors";
/// What a cell that is cut short goes on from.
pub const CHECKPOINT: &str = "checkpoint.safetensors";

/// Every name that a cell's own files have: a log of the user's must have another.
pub const OF_A_CELL: [&str; 9] = [RESULT, SETTINGS, HISTORY, EPOCHS, MODEL, PREDICTIONS, CHECKPOINT, SUMS, ATTEMPTS];

/// The folder of a cell in a run folder.
pub fn cell(run: &Path, id: &str) -> PathBuf {
    run.join(CELLS).join(id)
}

/// How many words of each row of a split an embedding's table knows, by the digests of both.
pub fn known(run: &Path, rows: &Digest, embedding: &Digest) -> PathBuf {
    // Two whole digests would be a longer name than some file systems take below a deep folder; the file states both.
    run.join(INPUTS).join(format!("{}.{}.known", rows.as_str(), &embedding.as_str()[..32]))
}

/// The folder of one of a cell's attempts, in the cell's folder.
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
