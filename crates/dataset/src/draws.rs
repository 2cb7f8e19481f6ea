//! `data.split.rows`: explicit rows for each split, from a file with the columns `draw`, `split` and `row`.
//!
//! | column | holds |
//! |---|---|
//! | `draw` | the name of the draw: `1`, `2`, ...; each is a replicate |
//! | `split` | `train`, `valid` or `test` |
//! | `row` | the number of a row of the data file: 1 is the first below the header, and every row counts, the empty ones too |
//!
//! The rows of training are taken in the order in which they are listed. The file may be of any format that data have. All
//! of its faults name its line.

use std::path::Path;

use emberline_base::{SplitName, Splits};
use indexmap::{IndexMap, IndexSet};

use crate::error::{Error, Place};
use crate::format::{self, Field, Format, Request, Row};
use crate::missing::trimmed;
use crate::rows::Rows;
use crate::settings::{Column, Duplicates};

/// The rows of each split, by the name of the draw.
pub(crate) type Draws = IndexMap<String, Splits<Vec<u32>>>;

/// A line of the file.
struct Listed {
    draw: String,
    split: SplitName,
    /// The number of the row in the data file.
    row: u64,
    place: Place,
}

/// The names of the draws of such a file, in the order of their first lines.
///
/// # Errors
/// When the file can't be read, or a line is faulty.
pub fn draw_names(path: &Path) -> Result<Vec<String>, Error> {
    let mut names = IndexSet::new();
    read(path, &mut |listed| {
        names.insert(listed.draw);
        Ok(())
    })?;
    Ok(names.into_iter().collect())
}

impl Rows {
    /// Reads the draws that say which rows go where.
    ///
    /// # Errors
    /// When the file can't be read, or names rows that can't be used, or one twice, or a text for two splits (unless copies
    /// are kept), or none for training.
    pub(crate) fn read_draws(&self, path: &Path, duplicates: Duplicates) -> Result<Draws, Error> {
        let mut draws = Draws::new();
        // Of each draw: the place and split of each text, and of each row.
        let mut texts: IndexMap<(usize, u32), (SplitName, Place)> = IndexMap::new();
        let mut rows: IndexMap<(usize, u32), Place> = IndexMap::new();
        read(path, &mut |listed| {
            let row = self.listed_row(&listed)?;
            let Listed { draw, split, place, .. } = listed;
            let entry = draws.entry(draw);
            let number = entry.index();
            let splits = entry.or_default();
            if let Some(earlier) = rows.insert((number, row), place.clone()) {
                return Err(fault(
                    place,
                    format!(
                        "row {} stands in this draw twice, first in {} {}",
                        listed.row, earlier.unit, earlier.number
                    ),
                ));
            }
            let text = self.groups[row as usize];
            let (other, earlier) = texts.entry((number, text)).or_insert_with(|| (split, place.clone()));
            if *other != split && duplicates == Duplicates::Drop {
                let reason = format!(
                    "row {} is for {split}, but {} {} has the same text for {other}, so that one would give the other \
                     away; leave one out, or set data.duplicates = \"keep\" to repeat a published protocol",
                    listed.row, earlier.unit, earlier.number
                );
                return Err(fault(place, reason));
            }
            match split {
                SplitName::Train => splits.train.push(row),
                SplitName::Valid => splits.valid.get_or_insert_default().push(row),
                SplitName::Test => splits.test.get_or_insert_default().push(row),
            }
            Ok(())
        })?;
        match draws.iter().find(|(_, splits)| splits.train.is_empty()) {
            Some((draw, _)) => {
                let reason = format!("draw `{draw}` of {} lists none", path.display());
                Err(Error::EmptySplit { path: self.parts[0].path.clone(), split: SplitName::Train, reason })
            }
            None => Ok(draws),
        }
    }

    /// The position of a listed row among the usable ones.
    fn listed_row(&self, listed: &Listed) -> Result<u32, Error> {
        let part = &self.parts[0];
        if listed.row == 0 || listed.row > part.read as u64 {
            let reason = format!("there is no row {}; {} has rows 1 to {}", listed.row, part.path.display(), part.read);
            return Err(fault(listed.place.clone(), reason));
        }
        self.ordinals.find(listed.row, part.rows.end).map(|row| row as u32).ok_or_else(|| {
            let reason = format!("row {} of {} has no text or no label; leave it out", listed.row, part.path.display());
            fault(listed.place.clone(), reason)
        })
    }
}

fn fault(place: Place, reason: String) -> Error {
    Error::Draw { place, reason }
}

/// Hands every line of the file to `take`.
fn read(path: &Path, take: &mut dyn FnMut(Listed) -> Result<(), Error>) -> Result<(), Error> {
    let columns = ["draw", "split", "row"].map(|name| Column::Name(name.to_owned()));
    let request =
        Request { path, columns: &columns, header: None, delimiter: None, originals: false, needs_text: false };
    format::read(&request, Format::of, &mut |row| take(listed(path, &row)?)).map(drop)
}

fn listed(path: &Path, row: &Row<'_>) -> Result<Listed, Error> {
    let place = || row.place(path);
    let value = |at: usize, name: &str| match row.fields.get(at) {
        Some(Field::Text(text)) if !trimmed(text).is_empty() => Ok(trimmed(text)),
        Some(Field::Scalar(scalar)) => Ok(scalar.as_str()),
        _ => Err(fault(place(), format!("there is no `{name}`; each line needs a draw, a split and a row"))),
    };
    let split = match value(1, "split")? {
        "train" => SplitName::Train,
        "valid" => SplitName::Valid,
        "test" => SplitName::Test,
        other => return Err(fault(place(), format!("`{other}` is no split; write train, valid or test"))),
    };
    let number = value(2, "row")?;
    let row =
        number.parse().map_err(|_| fault(place(), format!("`{number}` is no number of a row; 1 is the first")))?;
    Ok(Listed { draw: value(0, "draw")?.to_owned(), split, row, place: place() })
}
