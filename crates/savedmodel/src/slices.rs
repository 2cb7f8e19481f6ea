//! Slices of partitioned variables: their regions, and the keys they are stored under.
//!
//! Follows TensorFlow's `saved_tensor_slice_util.cc` (`EncodeTensorNameSlice`) and `ordered_code.cc`.
//!
//! | bytes | content |
//! |---|---|
//! | `00` | mark of a slice |
//! | name, `00 01` | the full tensor's name; 00 in it as `00 ff`, ff as `ff 00` |
//! | `01`, ndims | number of dimensions |
//! | signed start, signed length | for each dimension; a length of -1 is all of it |

use crate::proto::TensorSlice;

/// The maximum number of slices; no partitioned variable has more.
const MAX_SLICES: usize = 4096;

/// A rectangle of a matrix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Region {
    /// The first row.
    pub row: usize,
    /// The first column.
    pub col: usize,
    /// The number of rows.
    pub rows: usize,
    /// The number of columns.
    pub cols: usize,
}

impl Region {
    /// Returns the region of a whole matrix.
    pub fn whole(rows: usize, cols: usize) -> Self {
        Self { row: 0, col: 0, rows, cols }
    }

    fn overlaps(&self, other: &Self) -> bool {
        let apart = |a: usize, len: usize, b: usize, other_len: usize| a + len <= b || b + other_len <= a;
        !apart(self.row, self.rows, other.row, other.rows) && !apart(self.col, self.cols, other.col, other.cols)
    }
}

/// Returns the regions of a matrix's slices, after checking that they cover it and don't overlap.
pub(crate) fn regions(slices: &[TensorSlice], rows: usize, cols: usize) -> Result<Vec<Region>, String> {
    if slices.len() > MAX_SLICES {
        return Err(format!("has {} slices; at most {MAX_SLICES} are read", slices.len()));
    }
    let regions = slices.iter().map(|slice| region(slice, rows, cols)).collect::<Result<Vec<_>, _>>()?;
    // Regions within the matrix that don't overlap cover it if the sum of their areas equals its own.
    let apart = regions.iter().enumerate().all(|(i, a)| regions[..i].iter().all(|b| !a.overlaps(b)));
    let area = regions.iter().try_fold(0_usize, |sum, r| sum.checked_add(r.rows * r.cols));
    if apart && area == Some(rows * cols) {
        Ok(regions)
    } else {
        Err("has slices that overlap or leave gaps".to_owned())
    }
}

fn region(slice: &TensorSlice, rows: usize, cols: usize) -> Result<Region, String> {
    let all = crate::proto::Extent::default();
    let (down, across) = match slice.extent.as_slice() {
        [down, across] => (down, across),
        // A vector is a matrix of one column.
        [down] if cols == 1 => (down, &all),
        _ => return Err("has a slice of another rank than its own".to_owned()),
    };
    let extent = |extent: &crate::proto::Extent, size: usize| {
        let start = usize::try_from(extent.start).ok()?;
        let len = extent.length.map_or(Some(size), |length| usize::try_from(length).ok())?;
        (start.checked_add(len)? <= size).then_some((start, len))
    };
    match (extent(down, rows), extent(across, cols)) {
        (Some((row, rows)), Some((col, cols))) => Ok(Region { row, col, rows, cols }),
        _ => Err("has a slice beyond its own shape".to_owned()),
    }
}

/// Returns the key under which a slice of the tensor is stored.
pub fn slice_key(name: &str, slice: &TensorSlice) -> Vec<u8> {
    let mut key = vec![0];
    for &byte in name.as_bytes() {
        match byte {
            0 => key.extend([0, 0xff]),
            0xff => key.extend([0xff, 0]),
            byte => key.push(byte),
        }
    }
    key.extend([0, 1]);
    match slice.extent.len() {
        0 => key.push(0),
        // There are at most two: `region` has checked them.
        dims => key.extend([1, dims as u8]),
    }
    for extent in &slice.extent {
        push_signed(&mut key, extent.start);
        push_signed(&mut key, extent.length.unwrap_or(-1));
    }
    key
}

/// Appends an order-preserving signed number: its length in unary, as leading ones (zeros for a negative number),
/// then its bits.
fn push_signed(key: &mut Vec<u8>, value: i64) {
    let magnitude = if value < 0 { !value } else { value };
    // n bytes hold 7 n - 1 bits in addition to the unary length and the sign.
    let bits = 64 - magnitude.leading_zeros() as usize;
    let len = bits / 7 + 1;
    let mut wide = [if value < 0 { 0xff } else { 0_u8 }; 10];
    wide[2..].copy_from_slice(&value.to_be_bytes());
    let header: u16 = !(0xffff_u16 >> len);
    let bytes = &mut wide[10 - len..];
    bytes[0] ^= (header >> 8) as u8;
    if len > 1 {
        bytes[1] ^= header as u8;
    }
    key.extend_from_slice(bytes);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::Extent;

    #[test]
    fn numbers_are_encoded_as_in_ordered_code() {
        for (value, expected) in [
            (0, "80"),
            (4, "84"),
            (63, "bf"),
            (64, "c040"),
            (100, "c064"),
            (8191, "dfff"),
            (8192, "e02000"),
            (26667, "e0682b"),
            (-1, "7f"),
            (i64::MAX, "ffc07fffffffffffffff"),
        ] {
            let mut key = Vec::new();
            push_signed(&mut key, value);
            assert_eq!(key.iter().map(|b| format!("{b:02x}")).collect::<String>(), expected, "{value}");
        }
    }

    #[test]
    fn a_key_names_the_tensor_and_its_extents() {
        let slice =
            TensorSlice { extent: vec![Extent { start: 64, length: Some(4) }, Extent { start: 0, length: None }] };
        assert_eq!(slice_key("ab", &slice), b"\0ab\0\x01\x01\x02\xc0\x40\x84\x80\x7f");
    }

    #[test]
    fn gaps_and_overlaps_are_refused() {
        let slice = |start, length| TensorSlice {
            extent: vec![Extent { start, length: Some(length) }, Extent { start: 0, length: None }],
        };
        assert_eq!(regions(&[slice(0, 3), slice(3, 2)], 5, 2).expect("whole").len(), 2);
        for bad in [
            [slice(0, 3), slice(2, 2)],
            [slice(0, 2), slice(3, 2)],
            [slice(0, 3), slice(3, 3)],
            [slice(-1, 3), slice(3, 2)],
        ] {
            regions(&bad, 5, 2).expect_err("no partition");
        }
    }
}
