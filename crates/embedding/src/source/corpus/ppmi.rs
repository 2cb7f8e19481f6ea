//! Positive pointwise mutual information: turns counts into a sparse matrix of associations.
//!
//! `M[w, c] = max(0, ln(P(w, c) / (P(w) P'(c))) - ln SHIFT)`, where the contexts' distribution `P'` is smoothed by
//! the power 0.75, which keeps rare contexts from dominating every word (Levy et al., section 3.1). A shift of k
//! corresponds to k negative samples in word2vec; 1 (no shift) is best on as few texts as a classifier has, where a
//! larger one leaves most rare words without any context.

use super::counts::Pair;

const SMOOTHING: f64 = 0.75;
const SHIFT: f64 = 1.0;

/// A square sparse matrix in compressed sparse row format.
#[derive(Clone, Debug)]
pub(super) struct Sparse {
    /// `size + 1` positions: row `i` holds `entries[starts[i]..starts[i + 1]]`.
    starts: Vec<usize>,
    /// Column and value, ordered by column within a row.
    entries: Vec<(u32, f64)>,
}

impl Sparse {
    /// Returns the number of rows, which is that of columns.
    pub(super) fn size(&self) -> usize {
        self.starts.len() - 1
    }

    /// Returns the columns and values of one row.
    pub(super) fn row(&self, row: usize) -> &[(u32, f64)] {
        &self.entries[self.starts[row]..self.starts[row + 1]]
    }

    /// Builds rows from triplets `(row, column, value)` whose columns are in order within each row.
    pub(super) fn new(size: usize, triplets: impl Iterator<Item = (u32, u32, f64)> + Clone) -> Self {
        let mut starts = vec![0; size + 1];
        for (row, _, _) in triplets.clone() {
            starts[row as usize + 1] += 1;
        }
        for row in 0..size {
            starts[row + 1] += starts[row];
        }
        let mut next = starts.clone();
        let mut entries = vec![(0, 0.0); starts[size]];
        for (row, column, value) in triplets {
            entries[next[row as usize]] = (column, value);
            next[row as usize] += 1;
        }
        Self { starts, entries }
    }

    pub(super) fn transposed(&self) -> Self {
        let triplets = (0..self.size() as u32)
            .flat_map(|row| self.row(row as usize).iter().map(move |&(column, value)| (column, row, value)));
        Self::new(self.size(), triplets)
    }
}

/// Returns the matrix of `words` words; the pairs must be in order, each once.
pub(super) fn weigh(pairs: &[Pair], words: usize) -> Sparse {
    let mut sums = vec![0u64; words];
    for pair in pairs {
        // Each word is the other's context; a word next to itself counts twice.
        sums[pair.first as usize] += pair.weight;
        sums[pair.second as usize] += pair.weight;
    }
    let smoothed: Vec<f64> = sums.iter().map(|&sum| libm::pow(sum as f64, SMOOTHING)).collect();
    let total: f64 = smoothed.iter().sum();
    let association = |word: u32, context: u32, weight: u64| {
        let share = weight as f64 / sums[word as usize] as f64;
        libm::log(share * total / smoothed[context as usize]) - libm::log(SHIFT)
    };
    let below = pairs.iter().filter(|pair| pair.first != pair.second).map(|p| (p.second, p.first, p.weight));
    let above = pairs.iter().map(|p| (p.first, p.second, if p.first == p.second { 2 * p.weight } else { p.weight }));
    // A row's columns below the diagonal come before those from it on, and both are in order.
    let triplets =
        below.chain(above).map(|(word, context, weight)| (word, context, association(word, context, weight)));
    Sparse::new(words, triplets.filter(|&(_, _, value)| value > 0.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_formula_holds_on_three_words() {
        let pair = |first, second, weight| Pair { first, second, weight };
        let matrix = weigh(&[pair(0, 1, 6), pair(0, 2, 1), pair(2, 2, 2)], 3);
        let sums = [7.0f64, 6.0, 5.0];
        let total: f64 = sums.iter().map(|s| s.powf(0.75)).sum();
        let pmi =
            |word: usize, context: usize, weight: f64| (weight / sums[word] * total / sums[context].powf(0.75)).ln();
        let close = |found: &[(u32, f64)], expected: &[(u32, f64)]| {
            assert_eq!(found.len(), expected.len(), "{found:?}");
            assert!(found.iter().zip(expected).all(|(f, e)| f.0 == e.0 && (f.1 - e.1).abs() < 1e-12), "{found:?}");
        };
        close(matrix.row(0), &[(1, pmi(0, 1, 6.0))]);
        close(matrix.row(1), &[(0, pmi(1, 0, 6.0))]);
        close(matrix.row(2), &[(2, pmi(2, 2, 4.0))]);
        assert!(pmi(0, 2, 1.0) < 0.0 && pmi(2, 0, 1.0) < 0.0);
    }

    #[test]
    fn a_transposed_matrix_has_its_columns_as_rows() {
        let matrix = Sparse::new(3, [(0, 1, 1.0), (0, 2, 2.0), (2, 0, 3.0)].into_iter());
        let turned = matrix.transposed();
        assert_eq!((turned.row(0), turned.row(1), turned.row(2)), (&[(2, 3.0)][..], &[(0, 1.0)][..], &[(0, 2.0)][..]));
    }
}
