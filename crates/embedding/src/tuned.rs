//! Fine-tuned rows of a table: what training moved, put over the rows of the source.
//!
//! A row that occurred in training comes from the model; every other row comes from the source, since training never
//! moved it. Rows are found again by their id, or by their word where ids depend on the texts at hand ([`RowKey`]).

use std::collections::HashMap;
use std::sync::Arc;

use emberline_base::{Bags, Matrix, TunedRows};

use crate::{Error, Lookup, RowKey};

/// Fine-tuned rows, found by what names them.
#[derive(Clone, Debug)]
pub(crate) struct Tuned {
    places: Places,
    table: Matrix,
}

/// The place of each row in the tuned table.
#[derive(Clone, Debug)]
enum Places {
    ById(HashMap<u32, usize>),
    ByWord(HashMap<String, usize>),
}

impl Tuned {
    /// Checks rows, `table` `[rows, dim]` after training, against the source's table, which they belong to; `dim` is the
    /// length of a row after reduction.
    ///
    /// # Errors
    /// When there are more or fewer names than rows, a row isn't of the table, a row is named twice, or rows have another length.
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
        let (places, distinct) = match (lookup.row_key(), words) {
            (RowKey::Word, None) => return refused("they have no words, by which this source names its rows".into()),
            (RowKey::Word, Some(words)) => {
                let places: HashMap<String, usize> = words.into_iter().zip(0..).collect();
                let distinct = places.len();
                (Places::ByWord(places), distinct)
            }
            (RowKey::Id, _) => {
                if let Some(id) = ids.iter().find(|&&id| id as usize >= lookup.rows()) {
                    return refused(format!("there is a row {id}, but the source's table has {}", lookup.rows()));
                }
                let places: HashMap<u32, usize> = ids.into_iter().zip(0..).collect();
                let distinct = places.len();
                (Places::ById(places), distinct)
            }
        };
        if distinct != count {
            return refused(format!("{} of {count} rows are named twice", count - distinct));
        }
        Ok(Self { places, table })
    }

    /// The fine-tuned row that a source's row has become; none for a row that training never moved.
    pub(crate) fn row(&self, lookup: &dyn Lookup, id: u32) -> Option<&[f32]> {
        let place = match &self.places {
            Places::ById(places) => places.get(&id),
            Places::ByWord(places) => places.get(&lookup.row_word(id)?),
        };
        place.map(|&place| self.table.row(place))
    }

    /// Puts fine-tuned rows in the place of the source's.
    pub(crate) fn overlay(&self, lookup: &dyn Lookup, bags: &mut Bags) {
        let table = Arc::make_mut(&mut bags.table);
        for (at, &id) in bags.rows.iter().enumerate() {
            if let Some(row) = self.row(lookup, id) {
                table.row_mut(at).copy_from_slice(row);
            }
        }
    }
}
