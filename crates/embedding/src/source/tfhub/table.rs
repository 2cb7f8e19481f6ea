//! The table of a module: its variables' rows, brought into the order of ids.

use emberline_base::{Digest, Matrix, memory};
use savedmodel::proto::MetaGraphDef;
use savedmodel::{Bundle, Files, Keys, Numbers, SAVED_MODEL};

use super::files;
use super::graph::{Lines, Plan};
use crate::Error;

/// Rows in the order of ids, `[rows, dim]`, and the content address of the bytes they came from.
pub(super) struct Table {
    pub(super) rows: Matrix,
    pub(super) digest: Digest,
}

/// Loads the variables of a plan.
pub(super) fn load(plan: &Plan, meta: &MetaGraphDef, files: &Files, lines: Lines) -> Result<Table, Error> {
    let fault = |reason: String| files::fault(files, SAVED_MODEL, reason);
    let explained = files::explained(files);
    let bundle = Bundle::open(files).map_err(explained)?;
    let keys = Keys::read(meta, &bundle, plan.variables()).map_err(explained)?;
    let mut parts = Vec::with_capacity(plan.variables().len());
    for variable in plan.variables() {
        let (key, region) = keys.of(variable).map_err(fault)?;
        parts.push(bundle.floats(&key, region.as_ref()).map_err(explained)?);
    }
    let digest = Digest::of_parts(parts.iter().map(|part| part.digest.as_bytes()));
    let rows = if plan.is_plain() { parts.pop().map(plain) } else { None };
    if rows.is_none() {
        let numbers: usize = parts.iter().map(|part| part.values.len()).sum();
        memory::probe(4 * numbers as u64)?;
    }
    match rows {
        Some(rows) => Ok(Table { rows, digest }),
        None => Ok(Table { rows: joined(plan, &parts, lines).map_err(fault)?, digest }),
    }
}

fn plain(part: Numbers<f32>) -> Matrix {
    Matrix::new(part.rows, part.cols, part.values)
}

/// Joins the rows of all parts in the order of ids.
fn joined(plan: &Plan, parts: &[Numbers<f32>], lines: Lines) -> Result<Matrix, String> {
    let cols = parts.first().map_or(0, |part| part.cols);
    if parts.iter().any(|part| part.cols != cols) {
        return Err("spreads a table over variables of different widths".to_owned());
    }
    let rows: usize = parts.iter().map(|part| part.rows).sum();
    let mut values = memory::with_capacity(rows * cols).map_err(|error| error.to_string())?;
    for id in 0..rows {
        let place = plan.place(id as i64, lines).and_then(|(part, row)| Some((parts.get(part)?, row)));
        let (part, row) = place
            .filter(|(part, row)| *row < part.rows)
            .ok_or_else(|| format!("looks for row {id} of {rows} where no variable has it"))?;
        values.extend_from_slice(&part.values[row * cols..(row + 1) * cols]);
    }
    Ok(Matrix::new(rows, cols, values))
}
