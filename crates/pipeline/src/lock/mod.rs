//! The lock file, `<pipeline>.lock`: records the inputs and the results of a finished run, to be committed beside the
//! pipeline file.
//!
//! It is TOML, one line per subject, and each line ends with its own checksum (`line.rs`):
//!
//! | line | what it holds |
//! |---|---|
//! | `version = 4` | the version of the format |
//! | `pipeline = {...}` | its name, the tolerance of metrics on another kind of device, the version of the computation of training |
//! | `settings.SECTION = {...}` | a section of the pipeline file, defaults filled in, without paths of files and the grid |
//! | `settings.embedding."NAME" = {...}` | an embedding of the pipeline file |
//! | `files."PATH-ID" = {...}` | a data file: its SHA-256, its rows and their classes (`FileRows`) |
//! | `data."ROWS-ID" = {...}` | a dataset: its files, and the digest, rows and classes of every split |
//! | `embedding."NAME-ID" = {...}` | an embedding: digests of its content and of all that decides its vectors |
//! | `cells."NAME" = {...}` | a cell: its identity, inputs, axes and result, or why it failed by itself |
//! | `left_out."NAME" = {...}` | a combination that the pipeline file allows, but a file that it names doesn't |
//! | `refit = {...}` | with `[decide] refit`: what the best setting came to on all rows |
//!
//! An ID is the beginning of a digest of the content, so that equal lines of two branches are equal to the byte. No line
//! depends on another cell, and all are sorted: a cell that is added adds a line and changes none, and git can merge
//! branches by keeping the lines of both (`merge=union`). Metrics have six digits, for people, other kinds of devices and
//! `compare`; on the kind of device that a cell was trained on, `exact`, a digest of all their digits, must be equal.

mod compare;
mod fault;
mod inputs;
mod junit;
mod line;
mod make;
mod metrics;
mod parse;
mod refit;
mod select;
mod settings;
mod side;
mod stale;
mod statement;
mod text;
mod verified;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use emberline_base::record::RefitThreshold;
use emberline_base::{Digest, Splits, file};
use serde::{Deserialize, Serialize};

pub use self::compare::Difference;
pub use self::fault::LockFault;
pub use self::junit::junit;
pub use self::select::{Selection, Shard};
pub(crate) use self::settings::shown;
pub use self::stale::{StaleInput, Subject};
pub use self::statement::statement;
pub use self::verified::{Proof, Selected, Verified, VerifiedCell};
use crate::Error;
use crate::facts::{DataFacts, EmbeddingFacts, FileRows, SplitFacts};

/// The version of the format. It is raised if a reader of the old format would be misled by the new one.
pub(crate) const VERSION: u32 = 4;

/// The first lines of the file.
const HEAD: &str = "\
# What the pipeline's run came to, written by `emberline lock`; `emberline verify` proves it again.
# One line per subject, each with its own checksum, so that git can merge it (`pipeline.lock merge=union` in .gitattributes).
";

/// The inputs and the results of a finished run.
#[derive(Clone, Debug, PartialEq)]
pub struct Lock {
    pipeline: LockedPipeline,
    /// The sections of the pipeline file, and in `embedding` its embeddings.
    settings: toml::Table,
    files: BTreeMap<String, LockedFile>,
    data: BTreeMap<String, LockedData>,
    embedding: BTreeMap<String, EmbeddingFacts>,
    /// The cells by id.
    cells: BTreeMap<String, LockedCell>,
    /// The combinations that a file rules out, by the name that a cell would have.
    left_out: BTreeMap<String, LockedLeftOut>,
    /// The model that was trained on all rows, if there is one.
    refit: Option<LockedRefit>,
}

/// What holds for all cells.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct LockedPipeline {
    /// The pipeline's name.
    name: String,
    /// The allowed difference of a metric on another kind of device: absolute, but relative for losses above 1.
    tolerance: f64,
    /// The version of the training computation ([`COMPUTATION`](emberline_train::COMPUTATION)).
    computation: u32,
}

/// A data file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct LockedFile {
    /// Its path in the pipeline file.
    path: String,
    sha256: String,
    /// Its rows; absent for a file that only says which rows belong to which split.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    content: Option<FileRows>,
}

/// A dataset: what is taken from files, and how it is split.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct LockedData {
    /// The digest of the texts and labels of every split, in order.
    digest: Digest,
    /// The keys of its files in `files`.
    files: Vec<String>,
    /// The number of rows of all files.
    rows_read: usize,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    positive: Option<String>,
    splits: Splits<SplitFacts>,
}

/// The inputs and the results of a cell.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct LockedCell {
    /// The digest of the cell's settings.
    identity: String,
    /// The key of its dataset in `data`.
    data: String,
    /// The key of its embedding in `embedding`.
    embedding: String,
    /// The value of each axis, by dotted key.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    axes: BTreeMap<String, toml::Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    result: Option<LockedResult>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    failure: Option<LockedFailure>,
}

/// A combination of the grid that the pipeline file allows, but that a file rules out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct LockedLeftOut {
    /// The digest of the settings that the cell would have.
    identity: String,
}

/// Why a cell has no result. Only a failure of the cell itself is locked, since it is reproduced by the same inputs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct LockedFailure {
    device: String,
    arithmetic: String,
    reason: String,
}

/// The results of a finished cell.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct LockedResult {
    device: String,
    arithmetic: String,
    epochs: u32,
    best_epoch: u32,
    weights: Digest,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    predictions: Option<Digest>,
    /// The digest of all digits of the metrics ([`exact`](metrics::exact)).
    exact: String,
    /// The metrics, rounded to six digits.
    metrics: BTreeMap<String, f64>,
}

/// The results of the best setting, trained on all rows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct LockedRefit {
    /// The digest of the refit's settings and its number of epochs.
    identity: String,
    /// The label of the setting.
    setting: String,
    /// The ids of the replicates that decided the epochs and the threshold, in the order of the plan.
    cells: Vec<String>,
    device: String,
    arithmetic: String,
    rows: usize,
    epochs: u32,
    data: Digest,
    embedding: Digest,
    weights: Digest,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    predictions: Option<Digest>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    threshold: Option<RefitThreshold>,
    /// The digest of all digits of the metrics.
    exact: String,
    /// The metrics, rounded to six digits.
    metrics: BTreeMap<String, f64>,
}

impl Lock {
    /// Returns the path of a pipeline file's lock: beside it, with `.lock` in place of `.toml`, or appended to any
    /// other name.
    pub fn path_of(pipeline: &Path) -> PathBuf {
        if pipeline.extension().is_some_and(|extension| extension == "toml") {
            return pipeline.with_extension("lock");
        }
        let mut name = pipeline.as_os_str().to_owned();
        name.push(".lock");
        name.into()
    }

    /// Reads a lock file.
    ///
    /// # Errors
    /// If there is no lock, or it isn't as it was written.
    pub fn load(path: &Path) -> Result<Self, Error> {
        let bytes = file::read(path).map_err(|error| match error.source.kind() {
            std::io::ErrorKind::NotFound => Error::NoLock(path.to_owned()),
            _ => Error::File(error),
        })?;
        Self::parse(&bytes).map_err(|fault| Error::Lock { path: path.to_owned(), fault: Box::new(fault) })
    }

    /// Parses the bytes of a lock file.
    ///
    /// # Errors
    /// What is wrong, with the line and the cure.
    pub fn parse(bytes: &[u8]) -> Result<Self, LockFault> {
        parse::parse(bytes)
    }

    /// Returns the line of every cell in a lock file, by the cell's id; empty if the file can't be read.
    pub fn lines_of_cells(path: &Path) -> BTreeMap<String, usize> {
        file::read(path).map(|bytes| parse::cell_lines(&bytes)).unwrap_or_default()
    }

    /// Writes the lock.
    ///
    /// # Errors
    /// When the file can't be written.
    pub fn write(&self, path: &Path) -> Result<(), Error> {
        Ok(file::write_output(path, self.to_text().as_bytes())?)
    }

    /// Returns the number of cells.
    pub fn cells(&self) -> usize {
        self.cells.len()
    }

    /// Returns the number of cells that failed and are expected to fail again.
    pub fn failed(&self) -> usize {
        self.cells.values().filter(|cell| cell.failure.is_some()).count()
    }

    /// Returns whether the lock has a model of all rows.
    pub fn has_refit(&self) -> bool {
        self.refit.is_some()
    }

    /// Returns the tolerance of metrics on another kind of device.
    pub fn tolerance(&self) -> f64 {
        self.pipeline.tolerance
    }

    /// Returns the description of a dataset, by its key.
    fn data_facts(&self, key: &str) -> Option<DataFacts> {
        let LockedData { digest, files, rows_read, positive, splits } = self.data.get(key)?.clone();
        let files: Vec<&LockedFile> = files.iter().filter_map(|key| self.files.get(key)).collect();
        let rows = files.iter().filter_map(|file| Some((file.path.clone(), file.content.clone()?))).collect();
        let files = files.into_iter().map(|file| (file.path.clone(), file.sha256.clone())).collect();
        Some(DataFacts { digest, rows_read, files, rows, positive, splits })
    }
}

#[cfg(test)]
mod tests;
