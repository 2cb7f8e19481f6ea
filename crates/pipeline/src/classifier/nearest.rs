//! Finds the nearest vectors by cosine similarity. Every pair is compared, so the answer is exact.
//!
//! Similarities are rounded to millionths, so that vectors that differ only by rounding errors tie, and an exact copy
//! has similarity 1; among equal similarities the lower row comes first. Products are computed in blocks that fit the
//! processor's caches. Each is one chain of operations that depends only on the length of a vector, so the answer is
//! the same on every machine and for every number of threads.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use emberline_base::{Matrix, OutOfMemory, memory};
use emberline_kernels::dot::dot_unfused;
use rayon::prelude::*;

/// Number of queries that one thread works on at a time.
const QUERIES_PER_CHUNK: usize = 32;

/// Numbers in a block of rows: 128 kB, which fits a core's cache beside the queries.
const BLOCK_SIZE: usize = 32 << 10;

/// Similarities are rounded to multiples of 1 / this.
const STEPS_PER_UNIT: f64 = 1e6;

/// Vectors of length 1 that can be searched.
pub(super) struct UnitVectors {
    /// Vectors, `[rows, dim]`; a row is 0 if its vector has no direction.
    vectors: Matrix,
    has_direction: Vec<bool>,
}

/// A row that was found. Better matches compare as greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Found {
    millionths: i32,
    row: Reverse<u32>,
}

impl Found {
    /// Returns the row.
    pub(super) fn row(self) -> usize {
        self.row.0 as usize
    }

    /// Returns the cosine similarity, from -1 to 1, rounded to millionths.
    pub(super) fn similarity(self) -> f64 {
        f64::from(self.millionths) / STEPS_PER_UNIT
    }
}

impl UnitVectors {
    /// Scales vectors, `[rows, dim]`, to length 1.
    ///
    /// # Errors
    /// If there is too little memory.
    pub(super) fn new(mut vectors: Matrix) -> Result<Self, OutOfMemory> {
        let mut has_direction = memory::filled(false, vectors.rows())?;
        let dim = vectors.cols().max(1);
        let rows = vectors.values_mut().par_chunks_exact_mut(dim).zip(&mut has_direction);
        rows.for_each(|(vector, has_direction)| *has_direction = scale_to_unit(vector));
        Ok(Self { vectors, has_direction })
    }

    /// Returns the `count` nearest rows of each query, `[queries, dim]`, nearest first; fewer if there are fewer rows.
    /// `None` for a query without a direction.
    ///
    /// # Errors
    /// If there is too little memory.
    ///
    /// # Panics
    /// If the queries have another length.
    pub(super) fn nearest(&self, queries: Matrix, count: usize) -> Result<Vec<Option<Vec<Found>>>, OutOfMemory> {
        assert_eq!(queries.cols(), self.vectors.cols(), "vectors of one length");
        let count = count.min(self.vectors.rows());
        let queries = Self::new(queries)?;
        let mut nearest = vec![None; queries.vectors.rows()];
        nearest.par_chunks_mut(QUERIES_PER_CHUNK).enumerate().for_each(|(chunk, nearest)| {
            self.search(&queries, chunk * QUERIES_PER_CHUNK, count, nearest);
        });
        Ok(nearest)
    }

    /// Finds the nearest rows of the queries of one chunk, which begins at `first`.
    fn search(&self, queries: &Self, first: usize, count: usize, nearest: &mut [Option<Vec<Found>>]) {
        let dim = self.vectors.cols().max(1);
        let mut best: Vec<BestRows> = nearest.iter().map(|_| BestRows::new(count)).collect();
        let rows_per_block = (BLOCK_SIZE / dim).max(1);
        for (block, rows) in self.vectors.values().chunks(rows_per_block * dim).enumerate() {
            for (at, best) in best.iter_mut().enumerate().filter(|(at, _)| queries.has_direction[first + at]) {
                let query = queries.vectors.row(first + at);
                for (row, vector) in (block * rows_per_block..).zip(rows.chunks_exact(dim)) {
                    if self.has_direction[row] {
                        best.offer(dot_unfused(query, vector), row as u32);
                    }
                }
            }
        }
        for ((at, nearest), best) in nearest.iter_mut().enumerate().zip(best) {
            *nearest = queries.has_direction[first + at].then(|| best.into_sorted());
        }
    }
}

/// The best rows found so far.
struct BestRows {
    count: usize,
    /// A heap with the worst row on top.
    heap: BinaryHeap<Reverse<Found>>,
    /// The lower bound: a smaller product can't be among the best.
    floor: f32,
}

impl BestRows {
    fn new(count: usize) -> Self {
        Self { count, heap: BinaryHeap::new(), floor: if count == 0 { f32::INFINITY } else { f32::NEG_INFINITY } }
    }

    fn offer(&mut self, product: f32, row: u32) {
        if product < self.floor {
            return;
        }
        let millionths = (f64::from(product).clamp(-1.0, 1.0) * STEPS_PER_UNIT).round() as i32;
        let found = Found { millionths, row: Reverse(row) };
        if self.heap.len() == self.count {
            if self.heap.peek().is_none_or(|worst| found <= worst.0) {
                return;
            }
            self.heap.pop();
        }
        self.heap.push(Reverse(found));
        if self.heap.len() == self.count {
            let worst = self.heap.peek().map_or(-1.0, |worst| worst.0.similarity());
            // Products above this may round up to the worst row's millionth.
            self.floor = (worst - 2.0 / STEPS_PER_UNIT) as f32;
        }
    }

    /// Returns the rows, the best first.
    fn into_sorted(self) -> Vec<Found> {
        self.heap.into_sorted_vec().into_iter().map(|Reverse(found)| found).collect()
    }
}

/// Scales a vector to length 1 and returns whether it has a direction. A zero or non-finite vector becomes zeros.
fn scale_to_unit(vector: &mut [f32]) -> bool {
    let length = vector.iter().map(|&value| f64::from(value) * f64::from(value)).sum::<f64>().sqrt();
    if length > 0.0 && length.is_finite() {
        vector.iter_mut().for_each(|value| *value = (f64::from(*value) / length) as f32);
        return true;
    }
    vector.fill(0.0);
    false
}

#[cfg(test)]
mod tests {
    use emberline_base::Substream;

    use super::*;

    fn random(name: &str, rows: usize, dim: usize) -> Matrix {
        let mut stream = Substream::new(5, name);
        Matrix::new(rows, dim, (0..rows * dim).map(|_| stream.symmetric(1.0)).collect())
    }

    fn found(vectors: &Matrix, queries: &Matrix, count: usize) -> Vec<Option<Vec<(usize, f64)>>> {
        let nearest = UnitVectors::new(vectors.clone()).expect("memory").nearest(queries.clone(), count);
        let pair = |found: &Found| (found.row(), found.similarity());
        let each = |found: Option<Vec<Found>>| found.map(|found| found.iter().map(pair).collect());
        nearest.expect("memory").into_iter().map(each).collect()
    }

    /// Returns the cosine similarity to each vector, computed in 64 bits.
    fn naive(vectors: &Matrix, query: &[f32]) -> Vec<f64> {
        let length = |v: &[f32]| v.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>().sqrt();
        let of_row = |row: usize| {
            let vector = vectors.row(row);
            let product: f64 = vector.iter().zip(query).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum();
            product / (length(vector) * length(query))
        };
        (0..vectors.rows()).map(of_row).collect()
    }

    /// More rows than a block holds, more queries than a chunk, and lengths that are no multiple of the lanes.
    #[test]
    fn the_nearest_rows_are_those_of_a_comparison_of_all_pairs() {
        for (rows, dim, count) in [(1500, 37, 7), (40, 1, 3), (3, 500, 10), (700, 128, 1)] {
            let (vectors, queries) = (random("rows", rows, dim), random("queries", 70, dim));
            for (query, found) in found(&vectors, &queries, count).into_iter().enumerate() {
                let (found, similarities) = (found.expect("a direction"), naive(&vectors, queries.row(query)));
                let mut sorted = similarities.clone();
                sorted.sort_by(|a, b| b.total_cmp(a));
                assert_eq!(found.len(), count.min(rows));
                for ((row, similarity), best) in found.iter().zip(sorted) {
                    assert!(
                        (similarity - similarities[*row]).abs() < 1e-6 && (similarity - best).abs() < 1e-6,
                        "{row}"
                    );
                }
                assert!(found.is_sorted_by(|a, b| a.1 > b.1 || (a.1 == b.1 && a.0 < b.0)), "{found:?}");
            }
        }
    }

    #[test]
    fn of_equal_similarities_the_lower_row_is_first() {
        let vectors = Matrix::new(5, 2, vec![0.0, 1.0, 2.0, 0.0, 1.0, 1e-9, 7.0, 0.0, -1.0, 0.0]);
        let query = Matrix::new(1, 2, vec![3.0, 0.0]);
        assert_eq!(found(&vectors, &query, 2), [Some(vec![(1, 1.0), (2, 1.0)])]);
        assert_eq!(found(&vectors, &query, 99), [Some(vec![(1, 1.0), (2, 1.0), (3, 1.0), (0, 0.0), (4, -1.0)])]);
        assert_eq!(found(&vectors, &query, 0), [Some(vec![])]);
    }

    #[test]
    fn vectors_without_a_direction_neither_find_nor_are_found() {
        let vectors = Matrix::new(3, 2, vec![0.0, 0.0, 1.0, 1.0, f32::NAN, 1.0]);
        let queries = Matrix::new(2, 2, vec![0.0, 0.0, -2.0, -2.0]);
        assert_eq!(found(&vectors, &queries, 3), [None, Some(vec![(1, -1.0)])]);
        let huge = Matrix::new(1, 2, vec![f32::MAX, f32::MIN_POSITIVE]);
        assert_eq!(found(&huge, &huge, 1), [Some(vec![(0, 1.0)])]);
    }
}
