//! A matrix of fastText with 32-bit floats, as it was trained.
//!
//! | field | type | content |
//! |---|---|---|
//! | m, n | i64 | rows and columns |
//! | m n times | f32 | row after row |

use crate::compose::{GatheredRows, NeededRows, read_rows};
use crate::error::Error;
use crate::fields::Fields;

/// Reads the rows `needed`, which are below `rows`.
pub(super) fn read(
    fields: &mut Fields<'_>,
    rows: u64,
    dim: usize,
    needed: NeededRows,
    what: &str,
) -> Result<GatheredRows, Error> {
    let found = shape(fields, dim, what)?;
    check_rows(fields, found, rows, what)?;
    read_rows(fields, rows, dim, needed, what)
}

/// Checks that a matrix has one row for each of the `rows` words and n-grams of the dictionary.
pub(super) fn check_rows(fields: &Fields<'_>, found: u64, rows: u64, what: &str) -> Result<(), Error> {
    if found == rows {
        return Ok(());
    }
    Err(fields.fault(format!("{what} has {found} rows for {rows} words and n-grams; the file is damaged")))
}

/// Skips a whole matrix.
pub(super) fn skip_matrix(fields: &mut Fields<'_>, dim: usize, what: &str) -> Result<(), Error> {
    let rows = shape(fields, dim, what)?;
    fields.check_left(rows.checked_mul(4 * dim as u64), what)?;
    fields.skip(rows * 4 * dim as u64, what)
}

/// Returns the number of rows, after checking that there are `dim` columns.
pub(super) fn shape(fields: &mut Fields<'_>, dim: usize, what: &str) -> Result<u64, Error> {
    let (rows, columns) = (fields.i64(what)?, fields.i64(what)?);
    match u64::try_from(rows) {
        Ok(rows) if columns == dim as i64 => Ok(rows),
        _ => Err(fields.fault(format!(
            "{what} is said to be {rows} by {columns}, with vectors of {dim} numbers; the file is damaged"
        ))),
    }
}
