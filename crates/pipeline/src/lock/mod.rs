//! The lock file, `<pipeline>.lock`: records the inputs and the results of a finished run, to be committed beside the
//! pipeline file.
//!
//! ```toml
//! version = 3
//! checksum = "..."                 # of all that follows: a lock isn't written by hand
//! tolerance = 0.01                 # how far a metric may be off on another kind of device
//! computation = 1                  # the version of the computation of training
//! [settings]                       # the pipeline file, defaults filled in, without places of files
//! [data.ID]                        # a dataset: hashes of files, rows and classes of every split (`DataFacts`)
//! [embedding.NAME-ID]              # an embedding: hashes of content and preprocessing (`EmbeddingFacts`)
//! [cells.CELL]                     # its identity and its inputs
//! [cells.CELL.axes]                # the value of each axis of the grid
//! [cells.CELL.result]              # the device, and the hashes of its weights and predictions
//! [cells.CELL.result.metrics]
//! [cells.CELL.failure]             # of a cell that failed by itself: why, and on which device
//! [refit]                          # with `[decide] refit`: what the best setting came to on all rows
//! [refit.threshold]                # of a binary task
//! [refit.metrics]                  # of its training rows: nothing is held out
//! ```
//! Tables are sorted by their keys, so that a change gives a short diff. On the kind of device that a cell was trained
//! on, its results are reproduced byte for byte; on other kinds, within the tolerance.

mod compare;
mod junit;
mod make;
mod refit;
mod side;
mod verified;

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use emberline_base::record::{Outcome, RefitThreshold};
use emberline_base::{Digest, file};
use serde::{Deserialize, Serialize};

pub use self::compare::{Difference, Subject};
pub use self::junit::junit;
pub use self::verified::{Proof, Verified, VerifiedCell};
use crate::Error;
use crate::document::{Document, from_tree};
use crate::facts::{DataFacts, EmbeddingFacts};

/// The version of the format. It is raised if a reader of the old format would be misled by the new one.
const VERSION: u32 = 3;

/// The first line of the file.
const HEAD: &str =
    "# What the pipeline's run came to, written by `emberline lock`; `emberline verify` proves it again.\n";

/// The inputs and the results of a finished run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lock {
    version: u32,
    checksum: String,
    name: String,
    /// The allowed difference of a metric on another kind of device: absolute, but relative for losses above 1.
    tolerance: f64,
    /// The version of the training computation ([`COMPUTATION`](emberline_train::COMPUTATION)).
    computation: u32,
    settings: toml::Table,
    data: BTreeMap<String, DataFacts>,
    embedding: BTreeMap<String, EmbeddingFacts>,
    cells: BTreeMap<String, LockedCell>,
    /// The model that was trained on all rows. The key is absent if there is none, so the format's version needn't be
    /// raised.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    refit: Option<LockedRefit>,
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
    metrics: BTreeMap<String, f64>,
}

/// The fields that every version of the format has.
#[derive(Deserialize)]
struct Versioned {
    version: u32,
}

impl LockedResult {
    fn of(outcome: &Outcome) -> Self {
        Self {
            device: outcome.device.clone(),
            arithmetic: outcome.arithmetic.clone(),
            epochs: outcome.epochs,
            best_epoch: outcome.best_epoch,
            weights: outcome.digests.weights.clone(),
            predictions: outcome.digests.predictions.clone(),
            metrics: outcome.metrics.clone(),
        }
    }
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
        Self::parse(&bytes).map_err(|fault| Error::Lock { path: path.to_owned(), fault })
    }

    /// Parses the bytes of a lock file.
    ///
    /// # Errors
    /// A description of what is wrong, with the line if it is known.
    pub fn parse(bytes: &[u8]) -> Result<Self, String> {
        let text = str::from_utf8(bytes).map_err(|_| "it is not UTF-8".to_owned())?;
        let document = Document::written("the lock", text).map_err(|faults| {
            let first = faults.iter().next();
            first.map_or_else(String::new, |fault| format!("line {}: {}", fault.span.position().0, fault.message))
        })?;
        let unlike = |(path, place): (String, crate::diagnostic::Span)| {
            let what = if path == "." { "it".to_owned() } else { format!("`{}`", crate::name::short(&path)) };
            format!("line {}: {what} isn't as it was written", place.position().0)
        };
        let Versioned { version } = from_tree(&document.root).map_err(unlike)?;
        match version.cmp(&VERSION) {
            Ordering::Greater => {
                return Err(format!("its version {version} is newer than this program reads ({VERSION}); update it"));
            }
            Ordering::Less => {
                return Err(format!(
                    "its version {version} is that of an earlier program, whose cells have other ids ({VERSION} is read); \
                     run the pipeline again first"
                ));
            }
            Ordering::Equal => {}
        }
        let lock: Self = from_tree(&document.root).map_err(unlike)?;
        if lock.checksum != lock.sum() {
            return Err("it was changed after it was written".to_owned());
        }
        Ok(lock)
    }

    /// Writes the lock.
    ///
    /// # Errors
    /// When the file can't be written.
    pub fn write(&self, path: &Path) -> Result<(), Error> {
        Ok(file::write_output(path, (HEAD.to_owned() + &self.to_text()).as_bytes())?)
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

    fn to_text(&self) -> String {
        toml::to_string(self).expect("a lock is plain data with text keys")
    }

    /// Returns the checksum of everything but the checksum itself.
    fn sum(&self) -> String {
        let without_checksum = Self { checksum: String::new(), ..self.clone() };
        file::sha256(without_checksum.to_text().as_bytes())
    }
}

#[cfg(test)]
mod tests;
