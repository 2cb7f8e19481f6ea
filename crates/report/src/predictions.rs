//! `predictions.safetensors`: what a cell's model says of the validation and test rows, at the best epoch.
//!
//! The layout is that of [`array_file`]: equal predictions give equal bytes, and a changed byte is noticed.
//!
//! | array | type and shape | content |
//! |---|---|---|
//! | `valid`, `test` | F32 `[rows, outputs]` | the logits, in the order of the split; absent without such rows |
//!
//! | metadata | content |
//! |---|---|
//! | `format`, `version` | `emberline predictions`, `1` |
//! | `sha256` | the digest of the file, see [`array_file`] |
//! | `valid`, `test` | the digest of the split's rows: `inputs/<digest>.rows` says which they are |

use emberline_base::array_file::{self, Array, ElementType};
use emberline_base::{Digest, Matrix, OutOfMemory, SplitName, Splits};

use crate::stored::StoredFormat;

const FORMAT: StoredFormat = StoredFormat {
    name: "emberline predictions",
    version: "1",
    holds: "predictions",
    cure: "run the cell again with --force",
};

/// The splits whose predictions are kept: training rows have been learned, and say nothing.
const KEPT: [SplitName; 2] = [SplitName::Valid, SplitName::Test];

/// The bytes of a file with the logits, `[rows, outputs]`, and the digests of the rows that they are of.
///
/// # Errors
/// When there is no memory for them.
pub fn to_bytes(logits: &Splits<Matrix>, rows: &Splits<Digest>) -> Result<Vec<u8>, OutOfMemory> {
    let mut metadata = FORMAT.metadata();
    let mut arrays = Vec::new();
    for split in KEPT {
        let (Some(logits), Some(digest)) = (logits.get(split), rows.get(split)) else { continue };
        metadata.insert(split.to_string(), digest.as_str().to_owned());
        let shape = vec![logits.rows(), logits.cols()];
        let bytes: Vec<u8> = logits.values().iter().flat_map(|value| value.to_le_bytes()).collect();
        arrays.push(Array { name: split.to_string(), element: ElementType::F32, shape, bytes: bytes.into() });
    }
    array_file::to_bytes(&metadata, arrays)
}

/// The logits that a file holds; none for training rows.
///
/// # Errors
/// What is wrong with it, as the rest of a sentence.
pub fn from_bytes(bytes: &[u8]) -> Result<Splits<Matrix>, String> {
    let file = FORMAT.open(bytes)?;
    let [valid, test] = KEPT.map(|split| file.matrix(&split.to_string()));
    Ok(Splits { train: Matrix::zeros(0, 0), valid: valid?, test: test? })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written() -> (Splits<Matrix>, Vec<u8>) {
        let valid = Matrix::new(2, 3, vec![0.5, -1.0, f32::MIN_POSITIVE, 1e30, -0.0, 2.0]);
        let logits = Splits { train: Matrix::zeros(0, 3), valid: Some(valid), test: None };
        let rows = Splits { train: Digest::of(b"t"), valid: Some(Digest::of(b"v")), test: None };
        let bytes = to_bytes(&logits, &rows).expect("memory");
        (logits, bytes)
    }

    #[test]
    fn logits_come_back_to_the_bit() {
        let (logits, bytes) = written();
        let read = from_bytes(&bytes).expect("whole");
        assert_eq!((&read.valid, &read.test), (&logits.valid, &None));
        assert_eq!(bytes, written().1);
    }

    #[test]
    fn a_damaged_file_is_refused() {
        let (_, bytes) = written();
        for at in 0..bytes.len() {
            assert!(from_bytes(&bytes[..at]).is_err(), "cut at {at}");
            let mut damaged = bytes.clone();
            damaged[at] ^= 1;
            assert!(from_bytes(&damaged).is_err(), "flipped at {at}");
        }
    }
}
