//! Texts that stand somewhere, in order.

/// A list of texts. They are bytes: they need not be UTF-8.
pub trait TextList: Sync {
    /// How many there are.
    fn count(&self) -> usize;

    /// One of them, from 0.
    ///
    /// # Panics
    /// When there are not so many.
    fn text(&self, at: usize) -> &[u8];

    /// All of them.
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
