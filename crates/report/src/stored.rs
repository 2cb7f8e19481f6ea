//! The array files that a run keeps beside its records, each of one [`StoredFormat`]: written with the same first entries, and
//! opened by the same checks.
//!
//! The layout is that of [`array_file`]. What is read is of the format's name and version, and exactly what was written;
//! only then are its arrays looked at, whose types and lengths are checked when they are taken.

use std::collections::{BTreeMap, HashMap};

use emberline_base::{Matrix, array_file};
use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView};

/// A kind of file.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StoredFormat {
    /// The entry `format`.
    pub(crate) name: &'static str,
    /// The entry `version`: the one that is written, and the only one that is read.
    pub(crate) version: &'static str,
    /// What a file of it holds, in a word.
    pub(crate) holds: &'static str,
    /// What makes a damaged file whole again.
    pub(crate) cure: &'static str,
}

/// A file that is whole.
pub(crate) struct Stored<'b> {
    arrays: SafeTensors<'b>,
    metadata: HashMap<String, String>,
    format: StoredFormat,
}

impl StoredFormat {
    /// The metadata that a file of this format begins with.
    pub(crate) fn metadata(&self) -> BTreeMap<String, String> {
        [("format", self.name), ("version", self.version)].map(|(key, text)| (key.to_owned(), text.to_owned())).into()
    }

    /// Opens the bytes of a file.
    ///
    /// # Errors
    /// What is wrong with it, as the rest of a sentence.
    pub(crate) fn open(self, bytes: &[u8]) -> Result<Stored<'_>, String> {
        let Self { name, version, holds, .. } = self;
        let damaged = |_| self.damaged();
        let (_, header) = SafeTensors::read_metadata(bytes).map_err(damaged)?;
        let metadata = header.metadata().clone().unwrap_or_default();
        let entry = |key: &str| metadata.get(key).map(String::as_str);
        if entry("format") != Some(name) {
            return Err(format!("holds no {holds}"));
        }
        if entry("version") != Some(version) {
            let found = entry("version").unwrap_or("none");
            return Err(format!("has version {found}, and {version} is read; use a newer emberline"));
        }
        if !array_file::is_intact(bytes) {
            return Err(format!("isn't what was written; {}", self.cure));
        }
        let arrays = SafeTensors::deserialize(bytes).map_err(damaged)?;
        Ok(Stored { arrays, metadata, format: self })
    }

    fn damaged(&self) -> String {
        format!("is damaged; {}", self.cure)
    }
}

impl Stored<'_> {
    /// An entry of the metadata.
    ///
    /// # Errors
    /// When it is missing.
    pub(crate) fn entry(&self, key: &str) -> Result<&str, String> {
        self.metadata.get(key).map(String::as_str).ok_or_else(|| self.damaged())
    }

    /// The integers of an array, `[numbers]`; none if there is no such array.
    ///
    /// # Errors
    /// When it has another type.
    pub(crate) fn integers(&self, name: &str) -> Result<Option<Vec<u32>>, String> {
        let Some(array) = self.array(name, Dtype::U32)? else { return Ok(None) };
        Ok(Some(array.data().chunks_exact(4).map(|bytes| u32::from_le_bytes(four(bytes))).collect()))
    }

    /// The bytes of an array; none if there is no such array.
    ///
    /// # Errors
    /// When it has another type.
    pub(crate) fn bytes(&self, name: &str) -> Result<Option<&[u8]>, String> {
        Ok(self.array(name, Dtype::U8)?.map(|array| array.data()))
    }

    /// A matrix of 32-bit numbers; none if there is no such array.
    ///
    /// # Errors
    /// When it has another type or shape.
    pub(crate) fn matrix(&self, name: &str) -> Result<Option<Matrix>, String> {
        let Some(array) = self.array(name, Dtype::F32)? else { return Ok(None) };
        let &[rows, cols] = array.shape() else { return Err(self.damaged()) };
        let numbers = array.data().chunks_exact(4).map(|bytes| f32::from_le_bytes(four(bytes)));
        Ok(Some(Matrix::new(rows, cols, numbers.collect())))
    }

    /// What is said of a file whose content contradicts itself.
    pub(crate) fn damaged(&self) -> String {
        self.format.damaged()
    }

    fn array(&self, name: &str, dtype: Dtype) -> Result<Option<TensorView<'_>>, String> {
        match self.arrays.tensor(name) {
            Ok(array) if array.dtype() == dtype => Ok(Some(array)),
            Ok(_) => Err(self.damaged()),
            Err(_) => Ok(None),
        }
    }
}

fn four(bytes: &[u8]) -> [u8; 4] {
    bytes.try_into().expect("four bytes")
}

#[cfg(test)]
mod tests {
    use emberline_base::array_file::{Array, ElementType};

    use super::*;

    const FORMAT: StoredFormat = StoredFormat { name: "a test", version: "2", holds: "tests", cure: "make it anew" };

    fn file(format: StoredFormat) -> Vec<u8> {
        let bytes = [1u32, 2, 3].iter().flat_map(|number| number.to_le_bytes()).collect::<Vec<u8>>().into();
        let array = Array { name: "n".to_owned(), element: ElementType::U32, shape: vec![3], bytes };
        array_file::to_bytes(&format.metadata(), vec![array]).expect("memory")
    }

    fn refusal(bytes: &[u8]) -> String {
        FORMAT.open(bytes).map(drop).expect_err("refused")
    }

    #[test]
    fn arrays_are_taken_by_their_type() {
        let bytes = file(FORMAT);
        let stored = FORMAT.open(&bytes).expect("whole");
        assert_eq!((stored.integers("n"), stored.integers("m")), (Ok(Some(vec![1, 2, 3])), Ok(None)));
        assert_eq!(stored.bytes("n"), Err("is damaged; make it anew".to_owned()));
        assert_eq!(stored.matrix("n"), Err("is damaged; make it anew".to_owned()));
        assert_eq!(stored.entry("version"), Ok("2"));
    }

    #[test]
    fn other_formats_and_versions_are_named() {
        assert_eq!(refusal(&file(StoredFormat { name: "another", ..FORMAT })), "holds no tests");
        let newer = refusal(&file(StoredFormat { version: "3", ..FORMAT }));
        assert_eq!(newer, "has version 3, and 2 is read; use a newer emberline");
        assert_eq!(refusal(b"no file"), "is damaged; make it anew");
        let mut changed = file(FORMAT);
        *changed.last_mut().expect("bytes") ^= 1;
        assert_eq!(refusal(&changed), "isn't what was written; make it anew");
    }
}
