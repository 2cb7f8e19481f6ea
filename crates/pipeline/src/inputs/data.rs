//! The stages from data files to a dataset: reads files to rows, and splits rows.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use emberline_base::{Digest, Matrix, SplitName, Splits, normalise, record, sha256_prefix};
use emberline_dataset::{Dataset, RowOrigin, Rows, Settings};
use emberline_metrics::half_of;
use emberline_report::rows::{Row, RowTable};

use crate::Error;
use crate::data_files::DataFiles;
use crate::facts::{DataFacts, FileRows, SplitFacts};
use crate::plan::Cell;
use crate::row_changes::file_rows;

/// The rows of all files, and the state of the files when they were read.
#[derive(Clone)]
pub(super) struct RowsRead {
    rows: Arc<Rows>,
    files: DataFiles,
    /// The description of the rows of every file, made when it is first needed and shared by all splits of them.
    file_rows: Arc<OnceLock<BTreeMap<String, FileRows>>>,
}

impl RowsRead {
    pub(super) fn read(settings: &Settings, folder: &Path) -> Result<Self, Error> {
        let read = || Ok(Arc::new(emberline_dataset::read(settings, folder)?));
        let (rows, files) = DataFiles::unchanged(settings, folder, read)?;
        Ok(Self { rows, files, file_rows: Arc::default() })
    }
}

/// A dataset that is split and ready for training.
pub(crate) struct Data {
    pub(crate) dataset: Dataset,
    pub(crate) targets: Splits<Matrix>,
    pub(crate) digest: Digest,
    /// All rows; `dataset` is one split of them.
    rows: Arc<Rows>,
    /// The state of the files when they were read.
    files: DataFiles,
    /// The description of the rows of every file.
    file_rows: Arc<OnceLock<BTreeMap<String, FileRows>>>,
    split_digests: OnceLock<Splits<Digest>>,
    /// In which of two halves each validation row is.
    valid_halves: OnceLock<Option<Vec<bool>>>,
    /// Whether this process has written the tables of rows.
    has_row_tables: AtomicBool,
}

impl Data {
    /// Splits rows by a cell's settings.
    pub(super) fn of(RowsRead { rows, files, file_rows }: RowsRead, cell: &Cell) -> Result<Arc<Self>, Error> {
        let split = &cell.settings.data.split;
        let dataset = rows.split(split, cell.settings.seed)?;
        let targets =
            dataset.splits.try_map(|_, rows| dataset.labels.matrix(rows)).map_err(emberline_dataset::Error::from)?;
        let digest = dataset.digest();
        let (split_digests, valid_halves, has_row_tables) = Default::default();
        Ok(Arc::new(Self {
            dataset,
            targets,
            digest,
            rows,
            files,
            file_rows,
            split_digests,
            valid_halves,
            has_row_tables,
        }))
    }

    /// Returns the digest of the rows of each split.
    pub(crate) fn split_digests(&self) -> &Splits<Digest> {
        self.split_digests.get_or_init(|| self.dataset.splits.map(|name, _| self.dataset.split_digest(name)))
    }

    /// Returns in which of two halves each validation row is, `[rows]`, so that one half can choose thresholds for the
    /// other: by the hash of its group, or else of its text. `None` without validation rows.
    pub(crate) fn valid_halves(&self) -> Option<&[bool]> {
        let halves = || {
            let rows = self.dataset.splits.valid.as_ref()?;
            let mut normalised = Vec::new();
            let half = |&row: &usize| match self.origin(row).group {
                Some(group) => half_of(sha256_prefix(group.as_bytes())),
                None => {
                    normalised.clear();
                    normalise::push_key(&self.dataset.texts[row], &mut normalised);
                    half_of(sha256_prefix(&normalised))
                }
            };
            Some(rows.iter().map(half).collect())
        };
        self.valid_halves.get_or_init(halves).as_deref()
    }

    /// Calls `write` with the rows of the validation and of the test split, once per process.
    ///
    /// # Errors
    /// Those of `write`.
    pub(crate) fn write_row_tables<E>(
        &self,
        mut write: impl FnMut(&Digest, &RowTable) -> Result<(), E>,
    ) -> Result<(), E> {
        if self.has_row_tables.swap(true, Ordering::Relaxed) {
            return Ok(());
        }
        for split in [SplitName::Valid, SplitName::Test] {
            if let (Some(rows), Some(digest)) = (self.dataset.splits.get(split), self.split_digests().get(split)) {
                write(digest, &self.row_table(rows))?;
            }
        }
        Ok(())
    }

    fn row_table(&self, rows: &[usize]) -> RowTable {
        let (mut table, mut normalised) = (RowTable::default(), Vec::new());
        for &row in rows {
            let RowOrigin { file, number, group } = self.origin(row);
            let (file, text) = (file.to_string_lossy(), &self.dataset.texts[row]);
            normalised.clear();
            normalise::push_key(text, &mut normalised);
            let classes = self.dataset.labels.of_row(row);
            table.push(&Row { file: &file, number, text, normalised: &normalised, classes, group });
        }
        table
    }

    /// Returns the rows of all files, of which the dataset is one split.
    pub(crate) fn rows(&self) -> &Rows {
        &self.rows
    }

    /// Returns where a row comes from.
    pub(crate) fn origin(&self, row: usize) -> RowOrigin<'_> {
        self.rows.origin(row)
    }

    /// Returns the texts of every split.
    pub(crate) fn texts(&self) -> Splits<Vec<&str>> {
        self.dataset.splits.map(|name, _| self.dataset.texts_of(name).collect())
    }

    /// Describes the data. Files that were replaced since are read again, and must give the same data.
    pub(super) fn facts(&self, cell: &Cell, folder: &Path) -> Result<DataFacts, Error> {
        let settings = &cell.settings.data;
        let again = || {
            let dataset = emberline_dataset::read(settings, folder)?.split(&settings.split, cell.settings.seed)?;
            Ok(dataset.digest() == self.digest && dataset.data == self.dataset.data)
        };
        let files = self.files.hashes(settings, folder, again)?;
        let record::Data { rows_read, positive, splits, .. } = &self.dataset.data;
        let splits = splits.map(|name, split| SplitFacts {
            rows: split.rows,
            digest: self.split_digests().get(name).expect("every split has a digest").clone(),
            classes: split.classes.clone(),
        });
        let rows = self.file_rows.get_or_init(|| file_rows(&self.rows)).clone();
        let (digest, positive) = (self.digest.clone(), positive.clone());
        Ok(DataFacts { digest, rows_read: *rows_read, files, rows, positive, splits })
    }
}
