//! What `report.html` shows beyond the summary and the histories: the predictions of the chosen model, and the files that the page
//! carries.
//!
//! Input: a run folder, its records, and the pipeline and lock files beside it, which the caller reads. Output: [`Details`]. All of it
//! is optional: a report without details is complete, but for what it would show of them.

use std::path::Path;

use emberline_base::run_files;

use crate::carried::CarriedFile;
use crate::evaluation::Evaluation;
use crate::{Error, Run, SummedFolder};

/// Maximum number of bytes that predictions and their rows take in a page.
const MAX_PREDICTIONS: usize = 300_000;

/// The files beside a run folder that a report carries.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SourceFiles {
    /// The pipeline file and its lock, as far as they are there.
    pub files: Vec<CarriedFile>,
    /// What isn't carried, and why, a sentence each.
    pub left_out: Vec<String>,
}

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
    pub fn load(dir: &Path, run: &Run, sources: SourceFiles) -> Result<Self, Error> {
        if run.summary.answer.is_none() {
            return Ok(Self::default());
        }
        let summary = SummedFolder::open(dir)?.read(run_files::SUMMARY)?;
        let SourceFiles { files: sources, mut left_out } = sources;
        let mut files = vec![CarriedFile::new(run_files::SUMMARY, summary)];
        files.extend(sources);
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

/// Takes the files that the evaluation was read from.
fn take_files(evaluation: &mut Evaluation) -> Vec<CarriedFile> {
    let files = std::mem::take(&mut evaluation.files);
    files.into_iter().map(|(name, bytes)| CarriedFile::new(name, bytes)).collect()
}
