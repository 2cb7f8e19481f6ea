//! A product-quantised matrix of fastText (Jégou, Douze and Schmid, 2011): each row is a few code bytes.
//!
//! | field | type | content |
//! |---|---|---|
//! | qnorm | u8 | 1: rows were scaled to length 1, and their norms quantised separately |
//! | m, n | i64 | rows and columns |
//! | codesize | i32 | m times the codes of a row |
//! | codes | u8 | row after row |
//! | quantiser | | of the rows |
//! | if qnorm: codes | m u8 | one code per row |
//! | if qnorm: quantiser | | of the norms, with dim 1 |
//!
//! A quantiser:
//!
//! | field | type | content |
//! |---|---|---|
//! | dim, nsubq | i32 | columns; parts of a row, with one code each |
//! | dsub, lastdsub | i32 | columns of a part, and of the last one |
//! | 256 dim times | f32 | part after part, 256 centroids each; a centroid of the last part has lastdsub numbers |

use super::matrix;
use crate::compose::{GatheredRows, NeededRows, decoded, visit_rows};
use crate::error::Error;
use crate::fields::Fields;

/// Centroids per part: as many as a byte can number.
const CENTROIDS: usize = 256;

/// Reads the rows `needed`, which are below `rows`.
pub(super) fn read(
    fields: &mut Fields<'_>,
    rows: u64,
    dim: usize,
    needed: NeededRows,
    what: &str,
) -> Result<GatheredRows, Error> {
    let header = header(fields, dim, what)?;
    matrix::check_rows(fields, header.rows, rows, what)?;
    let mut codes = Vec::new();
    visit_rows(fields, rows, header.codes, &needed, what, |bytes| codes.extend_from_slice(bytes))?;
    let quantiser = Quantiser::read(fields, dim, header.codes, what)?;
    let lengths = if header.has_lengths { Some(lengths(fields, rows, &needed, what)?) } else { None };
    let mut values = decoded(fields.query, codes.len() / header.codes, dim)?;
    for (at, codes) in codes.chunks_exact(header.codes).enumerate() {
        let length = lengths.as_ref().map_or(1.0, |lengths| lengths[at]);
        values.extend(quantiser.decode(codes).map(|value| length * value));
    }
    GatheredRows { dim, needed, values }.checked(fields)
}

/// Skips a whole matrix.
pub(super) fn skip_matrix(fields: &mut Fields<'_>, dim: usize, what: &str) -> Result<(), Error> {
    let header = header(fields, dim, what)?;
    visit_rows(fields, header.rows, header.codes, &NeededRows::Rows(Vec::new()), what, |_| {})?;
    Quantiser::read(fields, dim, header.codes, what)?;
    if header.has_lengths {
        lengths(fields, header.rows, &NeededRows::Rows(Vec::new()), what)?;
    }
    Ok(())
}

struct Header {
    has_lengths: bool,
    rows: u64,
    /// The number of codes of a row.
    codes: usize,
}

fn header(fields: &mut Fields<'_>, dim: usize, what: &str) -> Result<Header, Error> {
    let has_lengths = fields.u8(what)? == 1;
    let rows = matrix::shape(fields, dim, what)?;
    let size = fields.i32(what)?;
    let codes = u64::try_from(size).ok().filter(|_| rows > 0).map(|size| (size / rows, size % rows));
    match codes {
        Some((codes, 0)) if (1..=dim as u64).contains(&codes) => {
            Ok(Header { has_lengths, rows, codes: codes as usize })
        }
        _ => Err(fields.fault(format!("{what} has {size} codes for {rows} rows; the file is damaged"))),
    }
}

/// Returns the norms of the rows `needed`.
fn lengths(fields: &mut Fields<'_>, rows: u64, needed: &NeededRows, what: &str) -> Result<Vec<f32>, Error> {
    let mut codes = Vec::new();
    visit_rows(fields, rows, 1, needed, what, |bytes| codes.extend_from_slice(bytes))?;
    let quantiser = Quantiser::read(fields, 1, 1, what)?;
    Ok(codes.into_iter().map(|code| quantiser.centroids[usize::from(code)]).collect())
}

struct Quantiser {
    /// The number of columns of every part except the last.
    part: usize,
    dim: usize,
    /// The centroids, 256 times `dim` numbers.
    centroids: Vec<f32>,
}

impl Quantiser {
    fn read(fields: &mut Fields<'_>, dim: usize, codes: usize, what: &str) -> Result<Self, Error> {
        let mut field = || fields.i32(what);
        let said = [field()?, field()?, field()?, field()?];
        let part = usize::try_from(said[2]).unwrap_or(0);
        // The last part has the remaining columns.
        let last = dim.saturating_sub((codes - 1).saturating_mul(part));
        if part == 0 || last == 0 || last > part || said != [dim as i32, codes as i32, part as i32, last as i32] {
            let [dim, codes, part, last] = said;
            return Err(fields.fault(format!(
                "{what} is quantised in {codes} parts of {part} columns, the last of {last}, for rows of {dim}; the file is damaged"
            )));
        }
        Ok(Self { part, dim, centroids: fields.floats((CENTROIDS * dim) as u64, what)? })
    }

    /// Returns a row's numbers from its codes.
    fn decode(&self, codes: &[u8]) -> impl Iterator<Item = f32> {
        codes.iter().enumerate().flat_map(|(at, &code)| {
            let width = self.part.min(self.dim - at * self.part);
            let start = at * self.part * CENTROIDS + usize::from(code) * width;
            self.centroids[start..start + width].iter().copied()
        })
    }
}
