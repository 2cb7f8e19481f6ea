//! The space on disks that a run takes: the predictions of its cells and the weights of fine-tuned encoders, and the cached vectors
//! of frozen ones.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use emberline_base::disk::free_bytes;
use emberline_base::number::counted;
use emberline_base::record::Data;
use emberline_embedding::Source;

use crate::Error;
use crate::pipeline::Pipeline;
use crate::plan::{Cell, Plan};
use crate::settings::{KeepEncoders, Report};

/// The bytes that a run of all cells writes, apart from what is small.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Space {
    /// The cells.
    cells: usize,
    /// Their predictions, in the run folder.
    predictions: u64,
    /// The weights of fine-tuned encoders, in the run folder, before those that aren't kept are removed.
    encoders: u64,
    /// The vectors that neural encoders make, in the cache.
    vectors: u64,
}

impl Space {
    /// Estimates the space that the cells of a plan take, with data like these.
    pub(crate) fn of(pipeline: &Pipeline, plan: &Plan, data: &Data, texts: usize) -> Self {
        let report = pipeline.settings.report.unwrap_or_default();
        let of_cell = Report::predictions_size(data);
        let of_cell = if report.keeps_predictions(of_cell) { of_cell } else { 0 };
        let mut known = HashSet::new();
        let sources =
            plan.cells.iter().map(Cell::source).filter(|(_, source)| {
                source.fine_tuning().is_none() && known.insert(format!("{:?}", source.location()))
            });
        let encoders = sources.filter(|(_, source)| source.encodes(&pipeline.folder));
        let numbers: usize = encoders.filter_map(|(_, source)| source.length(&pipeline.folder)).sum();
        Self {
            cells: plan.cells.len(),
            predictions: of_cell.saturating_mul(plan.cells.len() as u64),
            encoders: tuned_encoders(pipeline, plan),
            vectors: (4 * numbers as u64).saturating_mul(texts as u64),
        }
    }

    /// Compares with the free space on the disks of the run folder and of the cache.
    ///
    /// # Errors
    /// [`Error::NoSpace`] if one of them has too little.
    pub fn check(&self, run: &Path, cache: Option<&Path>) -> Result<(), Error> {
        self.compare(run, free_bytes(run), cache, cache.and_then(free_bytes))
    }

    fn compare(
        &self,
        run: &Path,
        of_run: Option<u64>,
        cache: Option<&Path>,
        of_cache: Option<u64>,
    ) -> Result<(), Error> {
        let refused = |what: String, needed: u64, folder: &Path, free: u64, cure| {
            Err(Error::NoSpace {
                what,
                needed: megabytes(needed),
                folder: folder.to_owned(),
                free: megabytes(free),
                cure,
            })
        };
        if let Some(free) = of_run.filter(|free| *free < self.predictions) {
            let what = format!("the predictions of {}", counted(self.cells, "cell"));
            let cure =
                "set `predictions = false` in [report], which leaves them out, or give another folder with --out";
            return refused(what, self.predictions, run, free, cure);
        }
        if let Some(free) = of_run.filter(|free| *free < self.predictions.saturating_add(self.encoders)) {
            let what = format!("the fine-tuned encoders of {}", counted(self.cells, "cell"));
            let cure = "train fewer weights (`lora = { rank = 8 }`), set `keep_encoders = \"none\"` in [decide], or give another folder \
                        with --out";
            return refused(what, self.encoders, run, free, cure);
        }
        match (cache, of_cache) {
            (Some(folder), Some(free)) if free < self.vectors => {
                let cure =
                    "set EMBERLINE_CACHE_DIR to a folder on another disk, or remove vectors with `emberline cache gc`";
                refused("the vectors of all texts".to_owned(), self.vectors, folder, free, cure)
            }
            _ => Ok(()),
        }
    }
}

/// Returns the bytes of the weights of all cells' fine-tuned encoders, if they are kept at all.
fn tuned_encoders(pipeline: &Pipeline, plan: &Plan) -> u64 {
    if pipeline.settings.keep_encoders() == KeepEncoders::None {
        return 0;
    }
    let mut known: HashMap<String, u64> = HashMap::new();
    let tuned = plan.cells.iter().map(Cell::source).filter(|(_, source)| source.fine_tuning().is_some());
    let bytes = |(_, source): (&str, &Source)| {
        let key = format!("{:?} {:?}", source.location(), source.fine_tuning());
        *known.entry(key).or_insert_with(|| source.tuned_bytes(&pipeline.folder))
    };
    tuned.map(bytes).fold(0, u64::saturating_add)
}

/// Returns a number of bytes in megabytes, rounded up.
fn megabytes(bytes: u64) -> u64 {
    bytes.div_ceil(1_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn too_little_space_is_named_with_its_folder_and_the_cure() {
        let space = Space { cells: 300, predictions: 9_000_000, encoders: 0, vectors: 5_000_000 };
        let (run, cache) = (Path::new("runs/p"), Path::new("cache"));
        let compared = |of_run, of_cache| {
            let outcome = space.compare(run, of_run, Some(cache), of_cache);
            outcome.err().map(|error| error.to_string()).unwrap_or_default()
        };
        assert_eq!(compared(Some(9_000_000), Some(5_000_000)), "");
        assert_eq!(compared(None, None), "", "the system doesn't say");
        let error = compared(Some(1_000_000), None);
        assert!(
            error.starts_with("runs/p: the predictions of 300 cells take about 9 MB, and 1 MB are free"),
            "{error}"
        );
        assert!(error.contains("predictions = false"), "{error}");
        let error = compared(Some(u64::MAX), Some(0));
        assert!(
            error.starts_with("cache: the vectors of all texts take about 5 MB") && error.contains("cache gc"),
            "{error}"
        );
    }
}
