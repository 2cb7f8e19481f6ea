//! A list of texts in one block of memory. A million separate strings would need an allocation each, and more memory for
//! their headers than for short texts themselves.

use std::ops::{Index, Range};

use emberline_base::{OutOfMemory, TextList};

/// The largest block that is reserved before the texts are read.
const MAX_RESERVED: usize = 1 << 30;

/// A list of texts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Texts {
    block: String,
    /// Where each text ends in `block`.
    ends: Vec<usize>,
}

impl Texts {
    /// The number of texts.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there are no texts.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// The texts in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &str> {
        (0..self.len()).map(|at| &self[at])
    }

    /// Returns the bytes of one text. This is faster than indexing, which checks that a string is cut between characters.
    pub fn bytes(&self, at: usize) -> &[u8] {
        &self.block.as_bytes()[self.range(at)]
    }

    fn range(&self, at: usize) -> Range<usize> {
        let start = if at == 0 { 0 } else { self.ends[at - 1] };
        start..self.ends[at]
    }

    /// Adds a text.
    ///
    /// # Errors
    /// When there is no memory for it.
    pub(crate) fn push(&mut self, text: &str) -> Result<(), OutOfMemory> {
        let bytes = text.len().max(size_of::<usize>()) as u64;
        self.block.try_reserve(text.len()).map_err(|_| OutOfMemory { bytes })?;
        self.ends.try_reserve(1).map_err(|_| OutOfMemory { bytes })?;
        self.block.push_str(text);
        self.ends.push(self.block.len());
        Ok(())
    }

    /// Reserves space for `bytes` bytes of text, so that the block need not be copied while it grows. Reserved memory that is
    /// never written to costs nothing; if the reservation fails, a later [`push`](Self::push) reports it.
    pub(crate) fn reserve(&mut self, bytes: u64) {
        let bytes = usize::try_from(bytes).unwrap_or(MAX_RESERVED).min(MAX_RESERVED);
        let _ = self.block.try_reserve(bytes);
    }

    /// Removes the texts whose `keep` is false.
    ///
    /// # Errors
    /// When there is no memory for a second block.
    pub(crate) fn retain(&mut self, keep: &[bool]) -> Result<(), OutOfMemory> {
        let mut kept = Self::default();
        (0..self.len()).filter(|&at| keep[at]).try_for_each(|at| kept.push(&self[at]))?;
        *self = kept;
        self.shrink();
        Ok(())
    }

    /// Frees the reserved memory that isn't used.
    pub(crate) fn shrink(&mut self) {
        self.block.shrink_to_fit();
        self.ends.shrink_to_fit();
    }
}

impl TextList for Texts {
    fn count(&self) -> usize {
        self.len()
    }

    fn text(&self, at: usize) -> &[u8] {
        self.bytes(at)
    }
}

impl Index<usize> for Texts {
    type Output = str;

    fn index(&self, at: usize) -> &str {
        &self.block[self.range(at)]
    }
}

#[cfg(test)]
impl<'a> FromIterator<&'a str> for Texts {
    fn from_iter<I: IntoIterator<Item = &'a str>>(texts: I) -> Self {
        let mut all = Self::default();
        texts.into_iter().for_each(|text| all.push(text).expect("memory"));
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_come_back_in_order() {
        let mut texts: Texts = ["ä", "", "bc"].into_iter().collect();
        texts.reserve(u64::MAX);
        texts.shrink();
        assert_eq!((texts.len(), &texts[0], &texts[1], &texts[2]), (3, "ä", "", "bc"));
        assert_eq!(texts.iter().collect::<Vec<_>>(), ["ä", "", "bc"]);
        texts.retain(&[true, false, true]).expect("memory");
        assert_eq!(texts.iter().collect::<Vec<_>>(), ["ä", "bc"]);
    }
}
