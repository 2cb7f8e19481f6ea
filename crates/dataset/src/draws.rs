//! Reads `data.split.rows`: explicit rows for each split, from a file with the columns `draw`, `split` and `row`.
//!
//! | column | holds |
//! |---|---|
//! | `draw` | the name of the draw: `1`, `2`, ...; each is a replicate |
//! | `split` | `train`, `valid` or `test` |
//! | `row` | the number of a row of the data file: 1 is the first below the header, and every row counts, the empty ones too |
//!
//! Training takes its rows in the order in which they are listed. The file may have any format that data files have. Every
//! error names a line of it.

use std::path::Path;

use emberline_base::{SplitName, Splits};
use indexmap::{IndexMap, IndexSet};

use crate::error::{Error, Place};
use crate::format::{self, Field, Format, Request, Row};
use crate::missing::trimmed;
use crate::rows::Rows;
use crate::settings::{Column, Duplicates};

/// The rows of each split, per draw by its name.
pub(crate) type Draws = IndexMap<String, Splits<Vec<u32>>>;

/// One line of the file.
struct DrawLine {
    draw: String,
    split: SplitName,
    /// The number of the row in the data file.
    row: u64,
    place: Place,
}

/// Returns the names of the draws in such a file, in the order of their first lines.
///
/// # Errors
/// When the file can't be read, or a line is faulty.
pub fn draw_names(path: &Path) -> Result<Vec<String>, Error> {
    let mut names = IndexSet::new();
    read(path, &mut |line| {
        names.insert(line.draw);
        Ok(())
    })?;
    Ok(names.into_iter().collect())
}

impl Rows {
    /// Reads the draws.
    ///
    /// # Errors
    /// When the file can't be read, lists a row that can't be used, lists a row twice in a draw, lists a text for two splits
    /// (unless duplicates are kept), or lists no training row.
    pub(crate) fn read_draws(&self, path: &Path, duplicates: Duplicates) -> Result<Draws, Error> {
        let mut draws = Draws::new();
        // By number of the draw: the split and place of each text, and the place of each row.
        let mut texts: IndexMap<(usize, u32), (SplitName, Place)> = IndexMap::new();
        let mut rows: IndexMap<(usize, u32), Place> = IndexMap::new();
        read(path, &mut |line| {
            let row = self.listed_row(&line)?;
            let DrawLine { draw, split, place, .. } = line;
            let entry = draws.entry(draw);
            let number = entry.index();
            let splits = entry.or_default();
            if let Some(earlier) = rows.insert((number, row), place.clone()) {
                return Err(fault(
                    place,
                    format!(
                        "row {} is listed twice in this draw, first in {} {}",
                        line.row, earlier.unit, earlier.number
                    ),
                ));
            }
            let text = self.groups[row as usize];
            let (other, earlier) = texts.entry((number, text)).or_insert_with(|| (split, place.clone()));
            if *other != split && duplicates == Duplicates::Drop {
                let reason = format!(
                    "row {} is for {split}, but {} {} has the same text for {other}, so that one would give the other \
                     away; leave one out, or set data.duplicates = \"keep\" to repeat a published protocol",
                    line.row, earlier.unit, earlier.number
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

    /// Returns the position of a listed row among the usable rows.
    fn listed_row(&self, line: &DrawLine) -> Result<u32, Error> {
        let part = &self.parts[0];
        if line.row == 0 || line.row > part.read as u64 {
            let reason = format!(
                "there is no row {}, since {} has rows 1 to {}; correct the number, or remove the line",
                line.row,
                part.path.display(),
                part.read
            );
            return Err(fault(line.place.clone(), reason));
        }
        self.ordinals.find(line.row, part.rows.end).map(|row| row as u32).ok_or_else(|| {
            let reason = format!("row {} of {} has no text or no label; leave it out", line.row, part.path.display());
            fault(line.place.clone(), reason)
        })
    }
}

fn fault(place: Place, reason: String) -> Error {
    Error::Draw { place, reason }
}

/// Passes every line of the file to `take`.
fn read(path: &Path, take: &mut dyn FnMut(DrawLine) -> Result<(), Error>) -> Result<(), Error> {
    let columns = ["draw", "split", "row"].map(|name| Column::Name(name.to_owned()));
    let request =
        Request { path, columns: &columns, header: None, delimiter: None, originals: false, needs_text: false };
    format::read(&request, Format::of, &mut |row| take(draw_line(path, &row)?)).map(drop)
}

fn draw_line(path: &Path, row: &Row<'_>) -> Result<DrawLine, Error> {
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
        other => return Err(fault(place(), format!("unknown split `{other}`; write train, valid or test"))),
    };
    let number = value(2, "row")?;
    let row =
        number.parse().map_err(|_| fault(place(), format!("`{number}` is not a row number; 1 is the first row")))?;
    Ok(DrawLine { draw: value(0, "draw")?.to_owned(), split, row, place: place() })
}
