//! Fine-tuned rows of a table: replace the source's rows that training updated.
//!
//! A row that occurred in training comes from the model; every other row comes from the source, since training never
//! updated it. Rows are identified by their id, or by their word if ids depend on the given texts ([`RowKey`]).

use std::collections::HashMap;
use std::sync::Arc;

use emberline_base::{Bags, Matrix, TunedRows};

use crate::{Error, Lookup, RowKey};

/// Fine-tuned rows with an index that finds them.
#[derive(Clone, Debug)]
pub(crate) struct TunedTable {
    positions: RowIndex,
    table: Matrix,
}

/// Maps each row of the source to its position in the fine-tuned table.
#[derive(Clone, Debug)]
enum RowIndex {
    ById(HashMap<u32, usize>),
    ByWord(HashMap<String, usize>),
}

impl TunedTable {
    /// Checks fine-tuned rows, `table` `[rows, dim]`, against the source's table that they belong to; `dim` is the
    /// length of a row after reduction.
    ///
    /// # Errors
    /// When the number of names isn't that of the rows, a row isn't in the table, a row is named twice, or rows have
    /// another length.
    pub(crate) fn new(lookup: &dyn Lookup, dim: usize, rows: TunedRows, table: Matrix) -> Result<Self, Error> {
        let TunedRows { ids, words } = rows;
        let refused = |reason: String| Err(Error::TunedRows { reason });
        if table.cols() != dim {
            return refused(format!("they have {} numbers each, the embedding's {dim}", table.cols()));
        }
        if ids.len() != table.rows() || words.as_ref().is_some_and(|words| words.len() != ids.len()) {
            return refused(format!("{} rows have {} ids", table.rows(), ids.len()));
        }
        let count = ids.len();
        let (positions, distinct) = match (lookup.row_key(), words) {
            (RowKey::Word, None) => return refused("they have no words, by which this source names its rows".into()),
            (RowKey::Word, Some(words)) => {
                let positions: HashMap<String, usize> = words.into_iter().zip(0..).collect();
                let distinct = positions.len();
                (RowIndex::ByWord(positions), distinct)
            }
            (RowKey::Id, _) => {
                if let Some(id) = ids.iter().find(|&&id| id as usize >= lookup.rows()) {
                    return refused(format!("there is a row {id}, but the source's table has {}", lookup.rows()));
                }
                let positions: HashMap<u32, usize> = ids.into_iter().zip(0..).collect();
                let distinct = positions.len();
                (RowIndex::ById(positions), distinct)
            }
        };
        if distinct != count {
            return refused(format!("{} of {count} rows are named twice", count - distinct));
        }
        Ok(Self { positions, table })
    }

    /// Returns the fine-tuned row of a source's row. `None` for a row that training never updated.
    pub(crate) fn row(&self, lookup: &dyn Lookup, id: u32) -> Option<&[f32]> {
        let place = match &self.positions {
            RowIndex::ById(positions) => positions.get(&id),
            RowIndex::ByWord(positions) => positions.get(&lookup.row_word(id)?),
        };
        place.map(|&place| self.table.row(place))
    }

    /// Replaces the source's rows by the fine-tuned ones.
    pub(crate) fn overlay(&self, lookup: &dyn Lookup, bags: &mut Bags) {
        let table = Arc::make_mut(&mut bags.table);
        for (at, &id) in bags.rows.iter().enumerate() {
            if let Some(row) = self.row(lookup, id) {
                table.row_mut(at).copy_from_slice(row);
            }
        }
    }
}
