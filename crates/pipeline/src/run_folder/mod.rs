//! The run folder, `runs/<pipeline>/`, and how records are written to it as a whole. `emberline_base::run_files` lists
//! the files.
//!
//! Several processes may work in one run folder. Each works on one [`Attempt`] per cell, a folder of its own, and holds
//! the cell's lock meanwhile; `run.json`, `result.json` and the summary are written under the run folder's lock. Locks
//! are advisory and only save work: on a file system without them, two processes may train the same cell, and
//! `result.json`, which is replaced as a whole, names one of two complete attempts.
//!
//! `result.json` is written last: a cell without one has not finished, and is run again. So is a cell whose files don't
//! match `SHA256SUMS`. The files of a cell are not flushed to the disk one by one, which would often take longer than
//! the training; a record that a power cut left empty counts as damaged.

mod attempt;
mod baselines;
mod owner;
mod refit;
mod result;
mod shared;
mod sources;

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};

use emberline_base::file::{self, FileError};
use emberline_base::record::{Answer, Summary};
use emberline_base::{Digest, Sums, run_files};
use emberline_embedding::WordCounts;
use emberline_report::compare::{self, Comparison, Side};
use emberline_report::known::{self, RowWords};
use emberline_report::{Details, Format, Run, SummedFolder};
use serde::Serialize;
use serde::de::DeserializeOwned;

pub(crate) use self::attempt::{Attempt, Finished};
pub(crate) use self::baselines::ZeroLabel;
pub(crate) use self::shared::SharedCell;
use crate::Error;
use crate::document::Document;
use crate::inputs::{Data, Prepared};
use crate::pipeline::Pipeline;
use crate::plan::Cell;
use crate::settings;

/// The folder of a pipeline's run.
#[derive(Clone, Debug)]
pub struct RunFolder {
    path: PathBuf,
}

/// An advisory lock on a folder, held until this is dropped. The system releases it when the process ends, however it ends.
#[derive(Debug)]
pub(crate) struct Lock(Option<File>);

impl Lock {
    /// Returns a value that stands for no lock, as on a system that can't lock folders.
    pub(crate) fn none() -> Self {
        Self(None)
    }

    /// Returns whether other processes are kept out.
    fn is_held(&self) -> bool {
        self.0.is_some()
    }
}

impl RunFolder {
    /// Returns the run folder at `path`, without making it.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// Returns the run folder of a pipeline: `runs/<name>` beside the pipeline file, whatever the current folder is.
    pub fn beside(pipeline: &Pipeline) -> Self {
        Self::new(pipeline.folder.join("runs").join(&pipeline.settings.name))
    }

    /// Returns the path of the folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the folder of a cell, with its record and, for people, links to the files of the attempt that counts.
    pub fn cell(&self, id: &str) -> PathBuf {
        run_files::cell(&self.path, id)
    }

    /// Returns the folder of the attempt that counts, from which a cell's files are read, or `None` if no attempt has
    /// ended.
    pub fn files_of(&self, id: &str) -> Option<PathBuf> {
        self.attempt_that_counts(id).map(|number| run_files::attempt(&self.cell(id), number))
    }

    /// Returns the root of all TensorBoard logs, the argument of `tensorboard --logdir`.
    pub fn tensorboard(&self) -> PathBuf {
        self.path.join(run_files::TENSORBOARD)
    }

    /// Returns the folder of a cell's log that TensorBoard reads.
    pub(crate) fn log_of(&self, cell: &Cell) -> PathBuf {
        self.tensorboard().join(&cell.log_name)
    }

    /// Returns the folder with the markers of the cells that are being run.
    pub(crate) fn under_way(&self) -> PathBuf {
        self.path.join(run_files::UNDER_WAY)
    }

    /// Refuses a folder whose records were written by another version of the program, or that belongs to another
    /// pipeline file: they are neither read nor replaced.
    ///
    /// # Errors
    /// [`Error::OtherVersion`], [`Error::OtherPipeline`], [`Error::RunFile`], or when the folder can't be read.
    pub(crate) fn check(&self, pipeline: &Path) -> Result<(), Error> {
        owner::check(&self.path, pipeline)
    }

    /// Refuses a folder in which `run` couldn't write the results of this pipeline file. Nothing is written.
    ///
    /// # Errors
    /// [`Error::OtherVersion`], [`Error::OtherPipeline`], or when the folder can't be read.
    pub fn check_free_for(&self, pipeline: &Pipeline) -> Result<(), Error> {
        owner::may_claim(&self.path, &pipeline.file).map(drop)
    }

    /// Returns whether the folder holds a run of this pipeline file, in the version that is read here.
    pub fn is_of(&self, pipeline: &Pipeline) -> bool {
        owner::is_owned(&self.path, &pipeline.file).is_ok_and(|is_owned| is_owned)
    }

    /// Makes the folder belong to a pipeline file, so that no other may run in it, and removes partial files that
    /// killed processes left in it. A `run.json` that was lost is written again.
    ///
    /// # Errors
    /// [`Error::OtherVersion`], [`Error::OtherPipeline`], or when the folder can't be written.
    pub(crate) fn claim(&self, pipeline: &Path) -> Result<(), Error> {
        owner::may_claim(&self.path, pipeline)?;
        file::make_folder(&self.path)?;
        for folder in
            [run_files::CELLS, run_files::INPUTS, run_files::BASELINES, run_files::TENSORBOARD, run_files::SOURCES]
        {
            file::refuse_links(&self.path, Path::new(folder))?;
        }
        let _lock = self.lock();
        file::remove_stale(&self.path);
        file::remove_stale(&self.path.join(run_files::INPUTS));
        file::remove_stale(&self.path.join(run_files::BASELINES));
        owner::claim(&self.path, pipeline)?;
        sources::keep(&self.path, pipeline)
    }

    /// Keeps the pipeline file and its lock as they are now, and renders every report again: they carry both.
    ///
    /// # Errors
    /// As [`write_reports`](Self::write_reports), or if a copy can't be written.
    pub fn carry_lock(&self, pipeline: &Pipeline) -> Result<(), Error> {
        sources::keep(&self.path, &pipeline.file)?;
        self.write_reports(None).map(drop)
    }

    /// Waits for the lock of the run folder, which is held only while a small file or the summary is written.
    pub(crate) fn lock(&self) -> Lock {
        Lock(File::open(&self.path).ok().filter(|folder| folder.lock().is_ok()))
    }

    /// Locks a cell's folder, or returns `None` while another process works on the cell.
    ///
    /// # Errors
    /// If the folder can't be made.
    pub(crate) fn lock_cell(&self, id: &str) -> Result<Option<Lock>, FileError> {
        let path = file::make_folder_below(&self.path, &Path::new(run_files::CELLS).join(id))?;
        let Ok(folder) = File::open(&path) else { return Ok(Some(Lock::none())) };
        match folder.try_lock() {
            Ok(()) => Ok(Some(Lock(Some(folder)))),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(_)) => Ok(Some(Lock::none())),
        }
    }

    /// Returns whether a process works on a cell, that is, whether its folder is locked.
    pub(crate) fn is_locked(&self, id: &str) -> bool {
        let folder = File::open(self.cell(id));
        folder.is_ok_and(|folder| matches!(folder.try_lock(), Err(TryLockError::WouldBlock)))
    }

    /// Writes the description of an input, named by its digest, unless it exists already.
    pub(crate) fn note_input<T: Serialize>(
        &self,
        digest: &Digest,
        input: impl FnOnce() -> Result<T, Error>,
    ) -> Result<(), Error> {
        let path = self.input_path(digest);
        if path.exists() {
            return Ok(());
        }
        file::refuse_links(&self.path, Path::new(run_files::INPUTS))?;
        Ok(file::write_atomic_unflushed(&path, (pretty(&input()?) + "\n").as_bytes())?)
    }

    /// Writes what an embedding learned from the training texts, if it did, unless it exists already.
    ///
    /// # Errors
    /// If the file can't be written, or there is too little memory for it.
    pub(crate) fn note_learned(&self, prepared: &Prepared) -> Result<(), Error> {
        let path = self.learned_path(&prepared.digest);
        if path.exists() {
            return Ok(());
        }
        let Some(learned) = prepared.learned() else { return Ok(()) };
        file::refuse_links(&self.path, Path::new(run_files::INPUTS))?;
        let bytes = learned.to_safetensors().map_err(emberline_train::Error::from)?;
        Ok(file::write_atomic_unflushed(&path, &bytes)?)
    }

    /// Writes which rows the validation and test splits have, unless that exists already.
    pub(crate) fn note_rows(&self, data: &Data, report: settings::Report) -> Result<(), Error> {
        data.write_row_tables(|digest, table| {
            let path = run_files::rows(&self.path, digest);
            let bytes =
                table.to_bytes(&data.dataset.labels.classes, report.texts).map_err(emberline_train::Error::from)?;
            // The same rows may have moved to other lines since then.
            self.write_input(&path, &bytes)
        })
    }

    /// Writes how many words of each validation and test text the embedding's table knows, unless that exists already.
    pub(crate) fn note_known_words(&self, prepared: &Prepared) -> Result<(), Error> {
        let Some(words) = &prepared.words else { return Ok(()) };
        words.write(|split, words| {
            let Some(rows) = prepared.data.split_digests().get(split) else { return Ok(()) };
            let of_row = |&WordCounts { all, known, composed }: &WordCounts| RowWords { words: all, known, composed };
            let of_rows: Vec<RowWords> = words.iter().map(of_row).collect();
            let bytes = known::to_bytes(rows, &prepared.digest, &of_rows).map_err(emberline_train::Error::from)?;
            self.write_input(&run_files::known(&self.path, rows, &prepared.digest), &bytes)
        })
    }

    /// Writes a file of an input, which may exist already.
    fn write_input(&self, path: &Path, bytes: &[u8]) -> Result<(), Error> {
        if fs::read(path).is_ok_and(|written| written == bytes) {
            return Ok(());
        }
        file::refuse_links(&self.path, Path::new(run_files::INPUTS))?;
        Ok(file::write_atomic_unflushed(path, bytes)?)
    }

    /// Returns the path of what an embedding learned, by the embedding's digest.
    pub(crate) fn learned_path(&self, embedding: &Digest) -> PathBuf {
        self.path.join(run_files::INPUTS).join(format!("{}.safetensors", embedding.as_str()))
    }

    /// Returns the folder of the pipeline file that the run belongs to. Paths of sources are relative to it.
    ///
    /// # Errors
    /// [`Error::OtherVersion`], [`Error::RunFile`], or when `run.json` can't be read.
    pub(crate) fn pipeline_folder(&self) -> Result<PathBuf, Error> {
        owner::pipeline_folder(&self.path)
    }

    /// Reads the description of an input, or returns `None` if there is none or it can't be read.
    pub(crate) fn input<T: DeserializeOwned>(&self, digest: &Digest) -> Option<T> {
        serde_json::from_slice(&fs::read(self.input_path(digest)).ok()?).ok()
    }

    fn input_path(&self, digest: &Digest) -> PathBuf {
        self.path.join(run_files::INPUTS).join(format!("{}.json", digest.as_str()))
    }

    /// Returns the ids of all cells that have a folder, sorted.
    pub(crate) fn cells(&self) -> Vec<String> {
        let entries = fs::read_dir(self.path.join(run_files::CELLS)).into_iter().flatten().flatten();
        let mut ids: Vec<String> = entries.filter_map(|entry| entry.file_name().into_string().ok()).collect();
        ids.sort();
        ids
    }

    /// Reads the settings that a cell was trained with.
    pub(crate) fn settings(&self, id: &str) -> Option<toml::Table> {
        Document::table(&fs::read_to_string(self.files_of(id)?.join(run_files::SETTINGS)).ok()?)
    }

    /// Returns the answer in the summary; `None` if there is none, or it isn't what was written.
    pub(crate) fn answer(&self) -> Option<Answer> {
        let bytes = SummedFolder::open(&self.path).ok()?.read(run_files::SUMMARY).ok()?;
        serde_json::from_slice::<Summary>(&bytes).ok()?.answer
    }

    /// Writes the summary and, from the records alone, every report. The caller holds the folder's [`lock`](Self::lock).
    pub(crate) fn write_summary(&self, summary: &Summary) -> Result<(), Error> {
        let text = pretty(summary) + "\n";
        file::write_atomic(&self.path.join(run_files::SUMMARY), text.as_bytes())?;
        let mut sums = Sums::default();
        sums.add(run_files::SUMMARY, text.as_bytes());
        file::write_atomic(&self.path.join(run_files::SUMS), sums.to_text().as_bytes())?;
        self.render_reports(None).map(drop)
    }

    /// Renders every report from the records, and returns the files; with a baseline, the Markdown report says what changed.
    ///
    /// # Errors
    /// If a record is damaged, or a report can't be written.
    pub fn write_reports(&self, baseline: Option<&Side>) -> Result<Vec<PathBuf>, Error> {
        // The lock keeps other processes from adding a record that the summary doesn't list.
        let _lock = self.lock();
        self.render_reports(baseline)
    }

    /// Renders the Markdown report from the records, with what changed against a baseline.
    ///
    /// # Errors
    /// If a record is damaged.
    pub fn markdown(&self, baseline: Option<&Side>) -> Result<String, Error> {
        let _lock = self.lock();
        let run = Run::load(&self.path)?;
        let change = self.change(&run, baseline)?;
        Ok(emberline_report::render_with(&run, &Details::default(), Format::Markdown, change.as_ref()))
    }

    fn render_reports(&self, baseline: Option<&Side>) -> Result<Vec<PathBuf>, Error> {
        let run = Run::load(&self.path)?;
        let details = Details::load(&self.path, &run)?;
        let change = self.change(&run, baseline)?;
        let mut written = Vec::new();
        for format in Format::ALL {
            let path = self.path.join(emberline_report::file_name(format));
            let report = emberline_report::render_with(&run, &details, format, change.as_ref());
            file::write_atomic(&path, report.as_bytes())?;
            written.push(path);
        }
        let tables = emberline_report::render_parquet(&run).map_err(emberline_report::Error::Table)?;
        for (name, table) in tables {
            let path = self.path.join(name);
            file::write_atomic(&path, &table)?;
            written.push(path);
        }
        Ok(written)
    }

    /// Compares the run with a baseline, by the metric that its settings are ranked by if the baseline has it.
    fn change(&self, run: &Run, baseline: Option<&Side>) -> Result<Option<Comparison>, Error> {
        let Some(baseline) = baseline else { return Ok(None) };
        let is_known = |metric: &String| baseline.cells.iter().any(|cell| cell.metrics.contains_key(metric));
        let metric = emberline_report::ranking_metric(&run.summary).filter(is_known);
        let options = compare::Options { metric, margin: 0.0 };
        Ok(Some(compare::compare(baseline, &Side::of_run(&self.path)?, &options)?))
    }
}

fn pretty(value: &impl Serialize) -> String {
    serde_json::to_string_pretty(value).expect("records are plain data with text keys")
}

#[cfg(test)]
mod tests;
