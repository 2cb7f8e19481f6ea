//! Implements `check`: finds missing files, and splits that the data can't be divided into.

use std::collections::HashSet;
use std::sync::Arc;

use emberline_dataset::{Findings, Rows};
use emberline_embedding::Source;

use crate::Error;
use crate::inputs::rows_key;
use crate::pipeline::Pipeline;
use crate::plan::{Cell, Plan};
use crate::run::no_cells;

/// The findings about the data.
#[derive(Debug)]
pub struct Examined {
    /// A summary of the data with the pipeline file's own settings.
    pub findings: Findings,
    /// Faults of the data that keep cells from running, with the axes' values that cause them.
    pub faults: Vec<DataFault>,
}

/// A fault of the data that keeps cells from running.
#[derive(Debug)]
pub struct DataFault {
    /// The values of the axes that affect the data, such as `data.split.train = 400`; empty if there is no such axis.
    pub axes: String,
    /// What is wrong.
    pub error: Error,
}

impl Pipeline {
    /// Checks that the plan has a cell and that the files that its cells need exist. Large files aren't read.
    ///
    /// # Errors
    /// If there is no cell; otherwise, all files that are missing.
    pub fn check_files(&self, plan: &Plan) -> Result<(), Error> {
        if plan.cells.is_empty() {
            return Err(no_cells(plan));
        }
        let missing_data = data_variants(plan).into_iter().flat_map(|cell| {
            let missing = cell.settings.data.missing_files(&self.folder);
            missing.into_iter().map(Error::Data)
        });
        let missing_sources = self.sources(plan).into_iter().filter_map(|(name, source)| {
            let found = source.find_files(&self.folder);
            found.err().map(|source| Error::Embedding { name: name.to_owned(), source })
        });
        let mut missing: Vec<Error> = Vec::new();
        for error in missing_data.chain(missing_sources) {
            if !missing.iter().any(|known| known.to_string() == error.to_string()) {
                missing.push(error);
            }
        }
        match missing.len() {
            0 => Ok(()),
            1 => Err(missing.remove(0)),
            _ => Err(Error::MissingFiles(missing)),
        }
    }

    /// Reads the data, and splits them in every way that the plan's cells ask for.
    ///
    /// # Errors
    /// If the data of the pipeline file can't be read.
    pub fn examine_data(&self, plan: &Plan) -> Result<Examined, Error> {
        let read = |cell: &Cell| Ok(Arc::new(emberline_dataset::read(&cell.settings.data, &self.folder)?));
        let rows = Arc::new(emberline_dataset::read(&self.settings.data, &self.folder)?);
        let findings = rows.findings();
        let mut known: Vec<(String, Arc<Rows>)> = vec![(rows_key(&self.settings.data), rows)];
        let mut faults = Vec::new();
        for cell in data_variants(plan) {
            let files = rows_key(&cell.settings.data);
            let rows = match known.iter().find(|(key, _)| *key == files) {
                Some((_, rows)) => Ok(rows.clone()),
                None => read(cell),
            };
            // Rows of other files are dropped again, since an axis may name many files.
            known.truncate(1);
            let divided = rows.and_then(|rows| {
                known.push((files, rows.clone()));
                let data = rows.split(&cell.settings.data.split, cell.settings.seed)?;
                cell.settings.train.loss_for(data.labels.task).map(drop).map_err(unsupported)
            });
            if let Err(error) = divided {
                faults.push(DataFault { axes: data_axes(cell), error });
            }
        }
        Ok(Examined { findings, faults })
    }

    /// Returns the sources of the plan's cells, each once.
    fn sources<'p>(&self, plan: &'p Plan) -> Vec<(&'p str, &'p Source)> {
        let mut known = HashSet::new();
        let of_cells = plan.cells.iter().map(Cell::source);
        of_cells.filter(|(name, source)| known.insert((*name, format!("{:?}", source.location())))).collect()
    }
}

/// Returns a cell for every variant of the data and the loss.
fn data_variants(plan: &Plan) -> Vec<&Cell> {
    let mut known = HashSet::new();
    let of = |cell: &&Cell| (Arc::as_ptr(&cell.settings.data), cell.settings.train.loss.map(|loss| loss.name()));
    plan.cells.iter().filter(|cell| known.insert(of(cell))).collect()
}

fn unsupported(reason: String) -> Error {
    emberline_train::Error::Unsupported(reason).into()
}

/// Returns the values of a cell's axes that affect its data.
fn data_axes(cell: &Cell) -> String {
    let is_of_data = |key: &str| key == "data" || key.starts_with("data.");
    let axes = cell.axes.iter().filter(|(key, _)| is_of_data(key));
    axes.map(|(key, value)| format!("{key} = {value}")).collect::<Vec<_>>().join(", ")
}
