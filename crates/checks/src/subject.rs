//! What is checked: texts, their labels, and the splits that they are in.

use emberline_base::{Labels, Splits, TextList};

use crate::words::mix;

/// Labelled texts, divided into splits.
#[derive(Clone)]
pub struct Subject<'a> {
    /// The texts.
    pub texts: &'a dyn TextList,
    /// The class, or classes, of each text.
    pub labels: &'a Labels,
    /// The rows of every split, as indices of `texts`, ascending. If rows can't be split, all of them are in `train`.
    pub splits: Splits<Vec<usize>>,
    /// Returns where a row is from, for people: `train.csv, line 7`.
    pub place: &'a (dyn Fn(usize) -> String + Sync),
}

impl<'a> Subject<'a> {
    /// Returns the number of rows in all splits.
    pub fn len(&self) -> usize {
        self.splits.iter().map(|(_, rows)| rows.len()).sum()
    }

    /// Returns whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the rows of all splits, ascending.
    pub(crate) fn rows(&self) -> Vec<usize> {
        let mut rows: Vec<usize> = self.splits.iter().flat_map(|(_, rows)| rows.iter().copied()).collect();
        rows.sort_unstable();
        rows
    }

    /// Returns the text of a row; what isn't UTF-8 is empty.
    pub(crate) fn text(&self, row: usize) -> &'a str {
        str::from_utf8(self.texts.text(row)).unwrap_or_default()
    }

    /// Returns the subject with about `most` rows of all splits together, each split in proportion.
    pub(crate) fn sample(&self, most: usize) -> Self {
        let all = self.len();
        let of = |rows: &Vec<usize>| thinned(rows, (rows.len() * most).div_ceil(all.max(1)));
        Self { splits: self.splits.map(|_, rows| of(rows)), ..self.clone() }
    }
}

/// Returns `most` of the rows: the list is cut into `most` equal pieces, and one row of each is taken, at a place that varies
/// from piece to piece, so that neither a sorted nor a periodic file is misrepresented.
pub(crate) fn thinned(rows: &[usize], most: usize) -> Vec<usize> {
    if rows.len() <= most {
        return rows.to_vec();
    }
    let of_piece = |piece: usize| {
        let (start, end) = (piece * rows.len() / most, (piece + 1) * rows.len() / most);
        rows[start + (mix(piece as u64) % (end - start) as u64) as usize]
    };
    (0..most).map(of_piece).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_has_as_many_rows_as_asked_for_from_everywhere() {
        let rows: Vec<usize> = (0..100_003).collect();
        let some = thinned(&rows, 1_000);
        assert_eq!(some.len(), 1_000);
        assert!(some.is_sorted() && some[0] < 101 && some[999] > 99_900);
        let odd = some.iter().filter(|row| *row % 2 == 1).count();
        assert!((400..600).contains(&odd), "{odd}");
        assert_eq!(thinned(&rows[..5], 9), [0, 1, 2, 3, 4]);
    }
}
