//! `runs/<pipeline>/`: where records lie, and how they come there whole.
//!
//! ```text
//! summary.json  report.html  report.md  summary.csv
//! cells/<cell>/  cell.toml  history.csv  record.jsonl  head.safetensors  result.json
//! tensorboard/<cell>/  events.out.tfevents.*  train/  validation/
//! ```
//! `result.json` is written last: a cell without one has not finished, and is run again. The files of a cell are not
//! flushed to the disk one by one, which would take longer than many a training; a record that a power cut left empty
//! counts as none.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use emberline_base::file::{self, FileError};
use emberline_base::record::{self, Epoch, Status, Summary};
use emberline_report::{Format, Run, history};

use crate::Error;
use crate::plan::Cell;

/// The folder of a pipeline's run.
#[derive(Clone, Debug)]
pub struct RunFolder {
    path: PathBuf,
}

impl RunFolder {
    /// A run folder at `path`; nothing is made yet.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// The folder itself.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The folder of a cell's records.
    pub(crate) fn cell(&self, id: &str) -> PathBuf {
        self.path.join("cells").join(id)
    }

    /// The root of all TensorBoard logs: what `tensorboard --logdir` is given.
    pub fn tensorboard(&self) -> PathBuf {
        self.path.join("tensorboard")
    }

    /// The record of a cell that has finished or failed. A record that can't be read, or is another
    /// cell's, counts as none: the work is done again.
    pub fn result(&self, id: &str) -> Option<record::Cell> {
        let folder = self.cell(id);
        let bytes = fs::read(folder.join("result.json")).ok()?;
        let is_written =
            |name: &str| folder.join(name).metadata().is_ok_and(|facts| facts.is_file() && facts.len() > 0);
        let cell: record::Cell = serde_json::from_slice(&bytes).ok()?;
        let whole = match cell.status {
            Status::Done => cell.outcome.is_some() && is_written("history.csv") && is_written("head.safetensors"),
            Status::Failed => cell.error.is_some(),
            Status::Pending => false,
        };
        (whole && cell.id == id).then_some(cell)
    }

    /// Makes a cell's folder, empty but for its settings.
    pub(crate) fn begin(&self, cell: &Cell) -> Result<(), FileError> {
        let folder = self.cell(&cell.id);
        match fs::remove_dir_all(&folder) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                Err(FileError::new("empty the folder", &folder)(error))
            }
            Ok(()) | Err(_) => file::write_atomic_unflushed(&folder.join("cell.toml"), cell.to_toml().as_bytes()),
        }
    }

    /// Writes what a finished fit left; `record` last.
    pub(crate) fn finish(&self, record: &record::Cell, epochs: &[Epoch], weights: &[u8]) -> Result<(), FileError> {
        let folder = self.cell(&record.id);
        file::write_atomic_unflushed(&folder.join("history.csv"), history::to_csv(epochs).as_bytes())?;
        let mut lines = String::new();
        for epoch in epochs {
            lines += &json(epoch);
            lines.push('\n');
        }
        file::write_atomic_unflushed(&folder.join("record.jsonl"), lines.as_bytes())?;
        file::write_atomic_unflushed(&folder.join("head.safetensors"), weights)?;
        self.write_result(record)
    }

    /// Writes the record of a cell that has ended.
    pub(crate) fn write_result(&self, record: &record::Cell) -> Result<(), FileError> {
        file::write_atomic_unflushed(&self.cell(&record.id).join("result.json"), (pretty(record) + "\n").as_bytes())
    }

    /// Writes the summary and, from the records alone, every report.
    pub(crate) fn write_summary(&self, summary: &Summary) -> Result<(), Error> {
        file::write_atomic(&self.path.join("summary.json"), (pretty(summary) + "\n").as_bytes())?;
        self.write_reports().map(drop)
    }

    /// Renders every report from the records; gives the files.
    ///
    /// # Errors
    /// When a record is damaged, or a report can't be written.
    pub fn write_reports(&self) -> Result<Vec<PathBuf>, Error> {
        let run = Run::load(&self.path)?;
        let mut written = Vec::new();
        for format in Format::ALL {
            let path = self.path.join(emberline_report::file_name(format));
            file::write_atomic(&path, emberline_report::render(&run, format).as_bytes())?;
            written.push(path);
        }
        Ok(written)
    }
}

fn json(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).expect("records are plain data with text keys")
}

fn pretty(value: &impl serde::Serialize) -> String {
    serde_json::to_string_pretty(value).expect("records are plain data with text keys")
}
