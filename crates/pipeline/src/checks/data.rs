//! Checks the texts and labels of data.

use emberline_base::Splits;
use emberline_checks::{Checked, Depth, Subject, check};
use emberline_dataset::{Dataset, Rows};

use crate::inputs::Data;

/// Checks the rows of a run, as far as it costs little: `emberline_checks::QUICK_ROWS` says which checks are made of how many.
pub(crate) fn check_data(data: &Data) -> Vec<Checked> {
    checked(data.rows(), data.dataset.splits.clone(), Depth::Quick)
}

/// Makes every check of the rows of all files. Without a dataset (rows that can't be split), all rows are training rows.
pub(crate) fn check_rows(rows: &Rows, dataset: Option<&Dataset>) -> Vec<Checked> {
    let all = || Splits { train: (0..rows.texts().len()).collect(), valid: None, test: None };
    checked(rows, dataset.map_or_else(all, |dataset| dataset.splits.clone()), Depth::Thorough)
}

fn checked(rows: &Rows, splits: Splits<Vec<usize>>, depth: Depth) -> Vec<Checked> {
    let place = |row| rows.shown(row);
    check(&Subject { texts: rows.texts(), labels: rows.labels(), splits, place: &place }, depth)
}
