//! What `report.html` shows beyond the summary and the histories: the predictions of the chosen model, and the files that the page
//! carries.
//!
//! Input: a run folder and its records. Output: [`Details`]. All of it is optional: a report without details is complete, but for what
//! it would show of them.

use std::path::Path;

use emberline_base::run_files;

use crate::carried::CarriedFile;
use crate::evaluation::Evaluation;
use crate::{Error, Run, SummedFolder};

/// Maximum number of bytes that predictions and their rows take in a page.
const MAX_PREDICTIONS: usize = 300_000;

/// Why a page doesn't carry the pipeline file.
const NO_PIPELINE: &str = "The pipeline file isn't in this page: a URL in it has a user, a query or a fragment, which may be a secret, or \
                           the run was made by an earlier version.";

/// What a page shows beyond the records of [`Run`].
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Details {
    /// The predictions of the chosen model; `None` if there are none.
    pub(crate) evaluation: Option<Evaluation>,
    /// The files that the page carries.
    pub(crate) files: Vec<CarriedFile>,
    /// What the page doesn't carry, and why, a sentence each.
    pub(crate) left_out: Vec<String>,
}

impl Details {
    /// Reads the details of a run from its folder `dir`. While the run is under way there are none, since they change with every cell.
    ///
    /// # Errors
    /// If the summary can't be read, or isn't what was written.
    pub fn load(dir: &Path, run: &Run) -> Result<Self, Error> {
        if run.summary.answer.is_none() {
            return Ok(Self::default());
        }
        let summary = SummedFolder::open(dir)?.read(run_files::SUMMARY)?;
        let mut files = vec![CarriedFile::new(run_files::SUMMARY, summary)];
        files.extend(sources(dir));
        let mut left_out = Vec::new();
        if files.iter().skip(1).all(|file| is_lock(&file.name)) {
            left_out.push(NO_PIPELINE.to_owned());
        }
        let mut evaluation = Evaluation::load(dir, run);
        let of_model: Vec<CarriedFile> = evaluation.iter_mut().flat_map(take_files).collect();
        let size: usize = of_model.iter().map(CarriedFile::packed_size).sum();
        if size <= MAX_PREDICTIONS {
            files.extend(of_model);
        } else {
            left_out.push(format!(
                "The predictions of the chosen model take {} kB, more than the {} kB that a page carries; they are in its folder, \
                 cells/{}.",
                size / 1000,
                MAX_PREDICTIONS / 1000,
                evaluation.as_ref().map_or("", |evaluation| evaluation.cell.as_str())
            ));
        }
        Ok(Self { evaluation, files, left_out })
    }
}

/// Reads the copies of the pipeline file and its lock; one that isn't what was written is left out.
fn sources(dir: &Path) -> Vec<CarriedFile> {
    let Ok(folder) = SummedFolder::open(dir.join(run_files::SOURCES)) else { return Vec::new() };
    let read = |name: &str| folder.read(name).ok().map(|bytes| CarriedFile::new(name, bytes));
    let mut files: Vec<CarriedFile> = folder.names().filter_map(read).collect();
    // The pipeline before its lock.
    files.sort_by_key(|file| is_lock(&file.name));
    files
}

/// Returns whether a file is a lock, by its name.
pub(crate) fn is_lock(name: &str) -> bool {
    name.ends_with(".lock")
}

/// Takes the files that the evaluation was read from.
fn take_files(evaluation: &mut Evaluation) -> Vec<CarriedFile> {
    let files = std::mem::take(&mut evaluation.files);
    files.into_iter().map(|(name, bytes)| CarriedFile::new(name, bytes)).collect()
}
