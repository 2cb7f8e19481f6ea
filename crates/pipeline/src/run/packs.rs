//! Gathers cells of one shape in packs, which a GPU trains as one computation.

use emberline_train::Shape;

use super::work::{PreparedCell, Work};

/// Maximum number of full packs waiting to be trained; bounds how many feature matrices are in memory.
const MAX_QUEUED_PACKS: usize = 4;

/// An iterator over packs: gathers cells by their shapes.
pub(super) struct Packs<'p, 'c> {
    pub(super) ready: &'p mut dyn Iterator<Item = PreparedCell<'c>>,
    pub(super) work: &'p dyn Work<'c>,
    /// The number of cells in a full pack.
    pub(super) most: usize,
    /// Packs that aren't full yet.
    pub(super) open: Vec<(Shape, Vec<PreparedCell<'c>>)>,
}

impl<'c> Iterator for Packs<'_, 'c> {
    type Item = Vec<PreparedCell<'c>>;

    fn next(&mut self) -> Option<Vec<PreparedCell<'c>>> {
        while let Some(ready) = self.ready.next() {
            if let Some(pack) = self.add(ready) {
                return Some(pack);
            }
        }
        (!self.open.is_empty()).then(|| self.open.remove(0).1)
    }
}

impl<'c> Packs<'_, 'c> {
    /// Adds a cell to the pack of its shape. Returns a pack if one should be trained now.
    fn add(&mut self, ready: PreparedCell<'c>) -> Option<Vec<PreparedCell<'c>>> {
        let shape = if self.most > 1 { self.work.shape(&ready) } else { None };
        let Some(shape) = shape else { return Some(vec![ready]) };
        let at = self.open.iter().position(|(known, _)| *known == shape).unwrap_or_else(|| {
            self.open.push((shape, Vec::new()));
            self.open.len() - 1
        });
        self.open[at].1.push(ready);
        if self.open[at].1.len() == self.most {
            return Some(self.open.remove(at).1);
        }
        let waiting: usize = self.open.iter().map(|(_, pack)| pack.len()).sum();
        let fullest = (0..self.open.len()).max_by_key(|&at| self.open[at].1.len())?;
        (waiting >= MAX_QUEUED_PACKS * self.most).then(|| self.open.remove(fullest).1)
    }
}
