//! The chunks with numbers: the vectors, plain or quantised, and the original norms of the words' vectors.
//!
//! | kind | content |
//! |---|---|
//! | 2 floats | u64 rows, u32 columns, u32 type 10; padding; f32 row after row |
//! | 4 quantised | u32 projection, u32 norms (0 or 1 each), u32 parts of a row, u32 columns, u32 centroids of a part, u64 rows, u32 type 1, u32 type 10; padding; with projection: f32 columns times columns; centroids: f32 part after part; with norms: one f32 per row; codes: u8 row after row |
//! | 6 norms | u64 words, u32 type 10; padding; one f32 per word |
//!
//! Padding is 1 to 4 bytes, up to a multiple of 4 in the file. A quantised row is the concatenation of the centroids
//! that its codes number, times the transposed projection, times the row's norm.

use super::{LENGTHS, chunk};
use crate::MAX_DIM;
use crate::compose::{GatheredRows, NeededRows, decoded, read_rows, visit_rows};
use crate::error::Error;
use crate::fields::Fields;

const FLOATS: u32 = 2;
const QUANTISED: u32 = 4;
/// The codes of the number types.
const U8: u32 = 1;
const F32: u32 = 10;
/// The maximum width of a projection, which is held in memory.
const MAX_PROJECTION: u64 = 1 << 12;
const VECTORS: &str = "the vectors";

/// Reads the rows `needed`; there must be `rows` in all.
pub(super) fn read(
    fields: &mut Fields<'_>,
    kind: Option<u32>,
    rows: u64,
    needed: NeededRows,
) -> Result<GatheredRows, Error> {
    match kind {
        Some(FLOATS) => floats(fields, rows, needed),
        Some(QUANTISED) => quantised(fields, rows, needed),
        _ => Err(fields.fault("no vectors where the header should name them; the file is damaged")),
    }
}

/// Reads the norms of the words `needed`; there must be `words` in all.
pub(super) fn lengths(fields: &mut Fields<'_>, words: u64, needed: NeededRows) -> Result<GatheredRows, Error> {
    chunk(fields, LENGTHS)?;
    let what = "the lengths of the vectors";
    check_rows(fields, words)?;
    check_type(fields, F32)?;
    padding(fields)?;
    read_rows(fields, words, 1, needed, what)
}

fn floats(fields: &mut Fields<'_>, rows: u64, needed: NeededRows) -> Result<GatheredRows, Error> {
    chunk(fields, FLOATS)?;
    check_rows(fields, rows)?;
    let dim = dim(fields)?;
    check_type(fields, F32)?;
    padding(fields)?;
    read_rows(fields, rows, dim, needed, VECTORS)
}

fn quantised(fields: &mut Fields<'_>, rows: u64, needed: NeededRows) -> Result<GatheredRows, Error> {
    chunk(fields, QUANTISED)?;
    let (has_projection, has_lengths) = (flag(fields)?, flag(fields)?);
    let parts = fields.u32(VECTORS)? as usize;
    let dim = dim(fields)?;
    let centroids = fields.u32(VECTORS)? as usize;
    check_rows(fields, rows)?;
    check_type(fields, U8)?;
    check_type(fields, F32)?;
    padding(fields)?;
    if parts == 0 || !dim.is_multiple_of(parts) || !(1..=256).contains(&centroids) {
        return Err(fields.fault(format!(
            "rows of {dim} numbers quantised in {parts} parts of {centroids} centroids; the file is damaged"
        )));
    }
    let projection = if has_projection { Some(projection(fields, dim)?) } else { None };
    let quantiser =
        Quantiser { dim, parts, centroids: fields.floats((centroids * dim) as u64, "the centroids")?, projection };
    let what = "the lengths of the rows";
    let lengths = if has_lengths { Some(read_rows(fields, rows, 1, needed.clone(), what)?) } else { None };
    let mut codes = Vec::new();
    visit_rows(fields, rows, parts, &needed, VECTORS, |bytes| codes.extend_from_slice(bytes))?;
    if let Some(code) = codes.iter().find(|&&code| usize::from(code) >= centroids) {
        return Err(fields.fault(format!("centroid {code} of {centroids}; the file is damaged")));
    }
    let mut values = decoded(fields.query, codes.len() / parts, dim)?;
    for (at, codes) in codes.chunks_exact(parts).enumerate() {
        let length = lengths.as_ref().map_or(1.0, |lengths| lengths.values[at]);
        values.extend(quantiser.decode(codes).into_iter().map(|value| length * value));
    }
    GatheredRows { dim, needed, values }.checked(fields)
}

struct Quantiser {
    dim: usize,
    parts: usize,
    /// `[parts, centroids of a part, dim / parts]`
    centroids: Vec<f32>,
    /// `[dim, dim]`
    projection: Option<Vec<f32>>,
}

impl Quantiser {
    /// Returns a row's numbers from its codes.
    fn decode(&self, codes: &[u8]) -> Vec<f32> {
        let (width, part) = (self.dim / self.parts, self.centroids.len() / self.parts);
        let row = codes.iter().enumerate().flat_map(|(at, &code)| {
            let start = at * part + usize::from(code) * width;
            self.centroids[start..start + width].iter().copied()
        });
        let row: Vec<f32> = row.collect();
        let Some(projection) = &self.projection else { return row };
        let dot = |line: &[f32]| line.iter().zip(&row).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>() as f32;
        projection.chunks_exact(self.dim).map(dot).collect()
    }
}

fn projection(fields: &mut Fields<'_>, dim: usize) -> Result<Vec<f32>, Error> {
    let dim = dim as u64;
    if dim > MAX_PROJECTION {
        return Err(fields.fault(format!("a projection of {dim} columns; the widest that is read is {MAX_PROJECTION}")));
    }
    fields.floats(dim * dim, "the projection")
}

fn dim(fields: &mut Fields<'_>) -> Result<usize, Error> {
    match fields.u32(VECTORS)? {
        dim if dim > 0 && u64::from(dim) <= MAX_DIM => Ok(dim as usize),
        dim => Err(fields.fault(format!("vectors of {dim} numbers; 1 to {MAX_DIM} are read"))),
    }
}

fn check_rows(fields: &mut Fields<'_>, rows: u64) -> Result<(), Error> {
    match fields.u64(VECTORS)? {
        found if found == rows => Ok(()),
        found => Err(fields.fault(format!("{found} rows where the vocabulary has {rows}; the file is damaged"))),
    }
}

fn check_type(fields: &mut Fields<'_>, expected: u32) -> Result<(), Error> {
    match fields.u32(VECTORS)? {
        kind if kind == expected => Ok(()),
        kind => Err(fields.fault(format!("numbers of type {kind}, {expected} expected; the file is damaged"))),
    }
}

fn flag(fields: &mut Fields<'_>) -> Result<bool, Error> {
    Ok(fields.u32(VECTORS)? != 0)
}

fn padding(fields: &mut Fields<'_>) -> Result<(), Error> {
    let length = 4 - fields.stream.offset() % 4;
    fields.skip(length, VECTORS)
}
