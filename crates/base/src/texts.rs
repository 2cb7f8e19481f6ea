//! Random access to a list of texts, however they are stored.

/// An ordered list of texts. Texts are bytes, which need not be valid UTF-8.
pub trait TextList: Sync {
    /// Returns the number of texts.
    fn count(&self) -> usize;

    /// Returns the text at an index, counted from 0.
    ///
    /// # Panics
    /// If `at >= count()`.
    fn text(&self, at: usize) -> &[u8];

    /// Iterates over all texts in order.
    fn all<'a>(&'a self) -> Box<dyn ExactSizeIterator<Item = &'a [u8]> + 'a> {
        Box::new((0..self.count()).map(|at| self.text(at)))
    }
}

impl<T: AsRef<[u8]> + Sync> TextList for &[T] {
    fn count(&self) -> usize {
        self.len()
    }

    fn text(&self, at: usize) -> &[u8] {
        self[at].as_ref()
    }
}

impl<T: AsRef<[u8]> + Sync> TextList for Vec<T> {
    fn count(&self) -> usize {
        self.len()
    }

    fn text(&self, at: usize) -> &[u8] {
        self[at].as_ref()
    }
}
