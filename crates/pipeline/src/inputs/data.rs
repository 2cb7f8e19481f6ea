//! The stages of data: files are read to rows, rows are divided into a dataset.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use emberline_base::{Digest, Matrix, SplitName, Splits, normalise, record};
use emberline_dataset::{Dataset, RowOrigin, Rows, Settings};
use emberline_report::rows::{Row, RowTable};

use crate::Error;
use crate::data_files::DataFiles;
use crate::facts::{DataFacts, SplitFacts};
use crate::plan::Cell;

/// The rows of all files, and the files as they were read.
#[derive(Clone)]
pub(super) struct RowsRead {
    rows: Arc<Rows>,
    files: DataFiles,
}

impl RowsRead {
    pub(super) fn read(settings: &Settings, folder: &Path) -> Result<Self, Error> {
        let read = || Ok(Arc::new(emberline_dataset::read(settings, folder)?));
        let (rows, files) = DataFiles::unchanged(settings, folder, read)?;
        Ok(Self { rows, files })
    }
}

/// A divided dataset, ready for training.
pub(crate) struct Data {
    pub(crate) dataset: Dataset,
    pub(crate) targets: Splits<Matrix>,
    pub(crate) digest: Digest,
    /// All rows, of which `dataset` is a division.
    rows: Arc<Rows>,
    /// The files as they were read.
    files: DataFiles,
    split_digests: OnceLock<Splits<Digest>>,
    /// Whether the tables of rows have been written by this process.
    has_row_tables: AtomicBool,
}

impl Data {
    /// Divides rows as a cell's settings say.
    pub(super) fn of(RowsRead { rows, files }: RowsRead, cell: &Cell) -> Result<Arc<Self>, Error> {
        let split = &cell.settings.data.split;
        let dataset = rows.split(split, cell.settings.seed)?;
        let targets =
            dataset.splits.try_map(|_, rows| dataset.labels.matrix(rows)).map_err(emberline_dataset::Error::from)?;
        let digest = dataset.digest();
        let (split_digests, has_row_tables) = (OnceLock::new(), AtomicBool::new(false));
        Ok(Arc::new(Self { dataset, targets, digest, rows, files, split_digests, has_row_tables }))
    }

    /// The digest of the rows of each split.
    pub(crate) fn split_digests(&self) -> &Splits<Digest> {
        self.split_digests.get_or_init(|| self.dataset.splits.map(|name, _| self.dataset.split_digest(name)))
    }

    /// Calls `write` with the rows of validation and of test, once.
    ///
    /// # Errors
    /// What `write` answers.
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

    /// Where a row of the texts comes from.
    pub(crate) fn origin(&self, row: usize) -> RowOrigin<'_> {
        self.rows.origin(row)
    }

    /// The texts of every split.
    pub(super) fn texts(&self) -> Splits<Vec<&str>> {
        self.dataset.splits.map(|name, _| self.dataset.texts_of(name).collect())
    }

    /// What the data are, in words. Files that were replaced since are read again, and have to give the same data.
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
        Ok(DataFacts { digest: self.digest.clone(), rows_read: *rows_read, files, positive: positive.clone(), splits })
    }
}
