//! Writes arrays and metadata as a safetensors file that proves its own content.
//!
//! | bytes | content |
//! |---|---|
//! | 8 | N, the length of the header, little-endian |
//! | N | the header, JSON: `__metadata__` (texts by key, sorted), then a `dtype`, `shape` and `data_offsets` for each array; padded with spaces to a multiple of 8 |
//! | rest | the arrays, row-major and little-endian: 64-bit numbers first, then 32-bit numbers, then bytes, so that each is aligned; those of one width sorted by name |
//!
//! Equal content gives equal bytes. The metadata entry `sha256` is the SHA-256 of the whole file with 64 zeros in place of
//! the entry itself, so every changed byte is noticed. In Python:
//! `hashlib.sha256(file.replace(sha256, b"0" * 64, 1)).hexdigest() == sha256.decode()`.
//! Any reader of the safetensors format (<https://huggingface.co/docs/safetensors>) reads the file. [`layout`] writes the same
//! layout without that entry, for formats that prove their content in another way.

use std::borrow::Cow;
use std::cmp::Reverse;
use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::digest::sha256_hex_of;
use crate::memory::{self, OutOfMemory};

/// The type of an array's elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ElementType {
    /// 64-bit floats.
    F64,
    /// 32-bit floats.
    F32,
    /// Unsigned 32-bit integers.
    U32,
    /// Bytes.
    U8,
}

/// An array to be written.
#[derive(Clone, Debug)]
pub struct Array<'a> {
    /// Its name, unique in the file.
    pub name: String,
    /// The type of its elements.
    pub element: ElementType,
    /// The length along every axis.
    pub shape: Vec<usize>,
    /// The elements, row-major and little-endian.
    pub bytes: Cow<'a, [u8]>,
}

/// The metadata entry that holds the file's digest.
pub const DIGEST: &str = "sha256";

/// What the header holds before the digest's hex digits. A quote within a text or name has a backslash in front, so it
/// occurs once without one.
const BEFORE_DIGEST: &[u8] = b"\"sha256\":\"";

/// What stands for the digest while it is computed.
pub(crate) const ZEROS: [u8; 64] = [b'0'; 64];

/// The bytes of a file with this metadata, to which the digest is added, and these arrays.
///
/// # Errors
/// When there is no memory for it.
pub fn to_bytes(metadata: &BTreeMap<String, String>, arrays: Vec<Array<'_>>) -> Result<Vec<u8>, OutOfMemory> {
    let mut file = layout(&with_zeros(metadata), arrays)?;
    let at = digest_position(&file).expect("the header holds the digest's entry");
    let digest = sha256_hex_of([file.as_slice()]);
    file[at..at + ZEROS.len()].copy_from_slice(digest.as_bytes());
    Ok(file)
}

/// The bytes of a file with exactly this metadata and these arrays: nothing is added that proves its content.
///
/// # Errors
/// When there is no memory for it.
pub fn layout(metadata: &BTreeMap<String, String>, mut arrays: Vec<Array<'_>>) -> Result<Vec<u8>, OutOfMemory> {
    arrays.sort_by(|a, b| (Reverse(a.element.width()), &a.name).cmp(&(Reverse(b.element.width()), &b.name)));
    let header =
        header(metadata, arrays.iter().map(|a| (a.name.as_str(), a.element, a.shape.as_slice(), a.bytes.len())));
    let size = arrays.iter().map(|array| array.bytes.len()).sum::<usize>();
    let mut file = memory::with_capacity(8 + header.len() + size)?;
    file.extend_from_slice(&(header.len() as u64).to_le_bytes());
    file.extend_from_slice(header.as_bytes());
    arrays.iter().for_each(|array| file.extend_from_slice(&array.bytes));
    Ok(file)
}

/// Whether a file's content is what its digest says.
pub fn is_intact(file: &[u8]) -> bool {
    let Some(at) = digest_position(file) else { return false };
    let (before, rest) = file.split_at(at);
    let Some((digest, after)) = rest.split_at_checked(ZEROS.len()) else { return false };
    sha256_hex_of([before, &ZEROS, after]).as_bytes() == digest
}

/// The metadata with the digest's entry, which holds zeros.
pub(crate) fn with_zeros(metadata: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let mut entries = metadata.clone();
    entries.insert(DIGEST.to_owned(), "0".repeat(ZEROS.len()));
    entries
}

/// The header of a file with this metadata and these arrays: name, type, shape and length in bytes.
pub(crate) fn header<'a>(
    metadata: &BTreeMap<String, String>,
    arrays: impl Iterator<Item = (&'a str, ElementType, &'a [usize], usize)>,
) -> String {
    let entries: Map<String, Value> =
        metadata.iter().map(|(key, text)| (key.clone(), Value::String(text.clone()))).collect();
    let mut header = Map::from_iter([("__metadata__".to_owned(), Value::Object(entries))]);
    let mut begin = 0;
    for (name, element, shape, length) in arrays {
        let (end, dtype) = (begin + length, element.name());
        header.insert(name.to_owned(), json!({ "dtype": dtype, "shape": shape, "data_offsets": [begin, end] }));
        begin = end;
    }
    let text = Value::Object(header).to_string();
    let padding = text.len().next_multiple_of(8) - text.len();
    text + &" ".repeat(padding)
}

/// Where the digest's hex digits begin.
pub(crate) fn digest_position(file: &[u8]) -> Option<usize> {
    let (length, rest) = file.split_first_chunk::<8>()?;
    let header = rest.get(..usize::try_from(u64::from_le_bytes(*length)).ok()?)?;
    let begins = |at: &usize| header[*at..].starts_with(BEFORE_DIGEST) && header[at.saturating_sub(1)] != b'\\';
    let at = (0..header.len()).find(begins)?;
    Some(8 + at + BEFORE_DIGEST.len())
}

impl ElementType {
    /// The name in a file's header.
    pub fn name(self) -> &'static str {
        match self {
            Self::F64 => "F64",
            Self::F32 => "F32",
            Self::U32 => "U32",
            Self::U8 => "U8",
        }
    }

    /// The bytes of one element.
    fn width(self) -> usize {
        match self {
            Self::F64 => 8,
            Self::F32 | Self::U32 => 4,
            Self::U8 => 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file() -> Vec<u8> {
        let metadata = [("title", "\"sha256\":\"é"), ("a\"sha256", "b")].map(|(key, text)| (key.into(), text.into()));
        let array = |name: &str, element, bytes: &'static [u8]| {
            let shape = vec![if element == ElementType::U8 { bytes.len() } else { bytes.len() / 4 }];
            Array { name: name.into(), element, shape, bytes: bytes.into() }
        };
        let (text, number) = (array("a", ElementType::U8, b"[]!"), array("b", ElementType::U32, &[1, 0, 0, 0]));
        to_bytes(&BTreeMap::from(metadata), vec![text, number]).expect("memory")
    }

    #[test]
    fn the_layout_is_that_of_safetensors() {
        let file = file();
        let length = u64::from_le_bytes(*file.first_chunk().expect("a length")) as usize;
        assert!(length.is_multiple_of(8) && file[8 + length..] == [1, 0, 0, 0, b'[', b']', b'!']);
        let header: Value = serde_json::from_slice(&file[8..8 + length]).expect("JSON");
        assert_eq!(header["a"], json!({ "dtype": "U8", "shape": [3], "data_offsets": [4, 7] }));
        assert_eq!(header["__metadata__"]["title"], "\"sha256\":\"é");
        let keys: Vec<&str> = header["__metadata__"].as_object().expect("a map").keys().map(String::as_str).collect();
        assert_eq!(keys, ["a\"sha256", "sha256", "title"]);
    }

    #[test]
    fn wider_numbers_come_first() {
        let array = |name: &str, element: ElementType| {
            let bytes = vec![name.as_bytes()[0]; element.width()];
            Array { name: name.into(), element, shape: vec![1], bytes: bytes.into() }
        };
        use ElementType::{F32, F64, U8, U32};
        let arrays = [("a", U8), ("d", U32), ("c", F32), ("z", F64)].map(|(name, element)| array(name, element));
        let file = layout(&BTreeMap::new(), arrays.to_vec()).expect("memory");
        assert!(file.ends_with(b"zzzzzzzzccccdddda") && !is_intact(&file), "no digest is added");
    }

    #[test]
    fn every_changed_byte_is_noticed() {
        let file = file();
        assert!(is_intact(&file) && file == self::file());
        for at in 0..file.len() {
            assert!(!is_intact(&file[..at]), "cut at {at}");
            let mut damaged = file.clone();
            damaged[at] ^= 1;
            assert!(!is_intact(&damaged), "flipped at {at}");
        }
    }
}
