//! A fine-tuned table: pools bags of its rows into vectors, and updates the rows from the vectors' gradients.
//!
//! A step reads and updates only the rows of its batch, yet every row has the value that an optimiser would give it
//! that updates the whole table at every step: the steps that a row missed are applied when it is next used, and at the
//! end of the epoch (`lazy.rs`).

use emberline_base::Bags;
use emberline_base::memory::{self, OutOfMemory};
use emberline_kernels::dot::dot_in_order;
use emberline_kernels::product::Rule;
use emberline_kernels::{Group, LANES, Panels, flat, flat_mut};
use pulp::Simd;

use super::lazy::LazyUpdate;
use super::rule::AnyRule;
use crate::optimizer::StepOptimizer;
use crate::weights::{StatePart, Tensor};

/// The minimum sum of squares by which a row is scaled.
const SMALLEST_SQUARE: f32 = 1e-24;

/// The table, with the optimiser's state for it.
pub(super) struct Table {
    name: String,
    rows: usize,
    dim: usize,
    /// The number of groups per row.
    width: usize,
    /// `[rows, 3, width]`: a row's values and the two arrays of the optimiser's state, stored together since they are
    /// read together.
    row_data: Vec<Group>,
    /// `[rows]`: the step of this epoch up to which a row is current.
    current_step: Vec<u32>,
    lazy: LazyUpdate,
    batch: Batch,
}

/// The rows that a batch uses.
#[derive(Default)]
struct Batch {
    /// The distinct rows, in order of first use.
    touched: Vec<u32>,
    /// `[rows]`: the index of a row in `touched`, if it is there.
    touched_index: Vec<u32>,
    /// `[touched, width]`: the gradients of the rows.
    gradients: Vec<Group>,
    /// `[texts]`: the sum of squares of the vector before it was scaled to length 1.
    squares: Vec<f32>,
    /// `[width]`: one text's vector, or its gradient.
    vector: Vec<Group>,
}

impl Table {
    /// Creates the table from an array `[rows, dim]`.
    ///
    /// # Errors
    /// If there is not enough memory.
    pub(super) fn new(tensor: &Tensor, optimizer: &StepOptimizer) -> Result<Self, OutOfMemory> {
        let (rows, dim) = (tensor.shape[0], tensor.shape[1]);
        let width = dim.div_ceil(LANES);
        let mut table = Self {
            name: tensor.name.clone(),
            rows,
            dim,
            width,
            row_data: memory::filled(Group::ZEROS, rows * 3 * width)?,
            current_step: vec![0; rows],
            lazy: LazyUpdate::new(optimizer),
            batch: Batch { touched_index: vec![0; rows], vector: vec![Group::ZEROS; width], ..Batch::default() },
        };
        table.load(StatePart::Values, tensor);
        Ok(table)
    }

    /// Starts an epoch of at most `steps` steps.
    pub(super) fn begin_epoch(&mut self, steps: usize) {
        self.lazy.begin_epoch(steps);
        self.current_step.fill(0);
    }

    /// Applies the skipped steps to all rows.
    #[inline(always)]
    pub(super) fn apply_all_skipped_steps<S: Simd>(&mut self, simd: S) {
        for (row_data, current_step) in self.row_data.chunks_exact_mut(3 * self.width).zip(&mut self.current_step) {
            self.lazy.apply_skipped_steps(simd, *current_step as usize, row_data);
            *current_step = self.lazy.steps() as u32;
        }
    }

    /// Applies the skipped steps to the rows of a batch, and records which rows these are.
    #[inline(always)]
    pub(super) fn touch<S: Simd>(&mut self, simd: S, bags: &Bags, rows: &[usize]) {
        self.batch.touched.clear();
        for &id in rows.iter().flat_map(|&row| bags.of_text(row)) {
            if self.batch.mark_touched(id) {
                let row_data = &mut self.row_data[id as usize * 3 * self.width..][..3 * self.width];
                self.lazy.apply_skipped_steps(simd, self.current_step[id as usize] as usize, row_data);
            }
        }
    }

    /// Pools the vectors of texts, `[texts, dim]`. Their rows must be current.
    #[inline(always)]
    pub(super) fn pool<S: Simd>(
        &mut self,
        simd: S,
        bags: &Bags,
        texts: impl ExactSizeIterator<Item = usize>,
        vectors: &mut Panels,
    ) {
        vectors.reshape(texts.len(), self.dim);
        self.batch.squares.clear();
        for (at, text) in texts.enumerate() {
            let ids = bags.of_text(text);
            let weight = bags.combiner.weight(ids.len());
            let vector = &mut self.batch.vector;
            vector.fill(Group::ZEROS);
            for &id in ids {
                let values = &self.row_data[id as usize * 3 * self.width..][..self.width];
                add_scaled(simd, vector, values.iter(), weight);
            }
            if bags.normalize {
                self.batch.squares.push(normalize(vector));
            }
            vectors.row_mut(at).zip(vector.iter()).for_each(|(to, from)| *to = *from);
        }
    }

    /// Updates the rows of the batch that was last touched and pooled, given the gradient of its vectors, `[texts,
    /// dim]`.
    #[inline(always)]
    pub(super) fn backward<S: Simd>(
        &mut self,
        simd: S,
        rule: AnyRule,
        bags: &Bags,
        texts: &[usize],
        vectors: &Panels,
        gradient: &Panels,
    ) {
        self.sum_gradients(simd, bags, texts, vectors, gradient);
        match rule {
            AnyRule::Adam(adam) => self.update(simd, adam),
            AnyRule::Sgd(sgd) => self.update(simd, sgd),
        }
        self.lazy.record_step(rule);
        for &row in &self.batch.touched {
            self.current_step[row as usize] = self.lazy.steps() as u32;
        }
    }

    /// Sums the gradients of the rows; a row that a text holds twice gets the text's gradient twice.
    #[inline(always)]
    fn sum_gradients<S: Simd>(&mut self, simd: S, bags: &Bags, texts: &[usize], vectors: &Panels, gradient: &Panels) {
        let Batch { touched, touched_index, gradients, squares, vector } = &mut self.batch;
        gradients.clear();
        gradients.resize(touched.len() * self.width, Group::ZEROS);
        for (at, &text) in texts.iter().enumerate() {
            vector.iter_mut().zip(gradient.row(at)).for_each(|(to, from)| *to = *from);
            if bags.normalize {
                normalize_backward(simd, vector, || vectors.row(at), squares[at]);
            }
            let ids = bags.of_text(text);
            let weight = bags.combiner.weight(ids.len());
            for &id in ids {
                let index = touched_index[id as usize] as usize;
                let sum = &mut gradients[index * self.width..][..self.width];
                add_scaled(simd, sum, vector.iter(), weight);
            }
        }
    }

    #[inline(always)]
    fn update<S: Simd, R: Rule>(&mut self, simd: S, rule: R) {
        for (&row, gradient) in self.batch.touched.iter().zip(self.batch.gradients.chunks_exact(self.width)) {
            let row_data = &mut self.row_data[row as usize * 3 * self.width..][..3 * self.width];
            let (values, memory) = row_data.split_at_mut(self.width);
            let (first, second) = memory.split_at_mut(self.width);
            for (((gradient, value), first), second) in gradient.iter().zip(values).zip(first).zip(second) {
                rule.apply_all(simd, S::as_simd_f32s(&**gradient).0, [value, first, second]);
            }
        }
    }

    /// Returns the values, or the optimiser's state, `[rows, dim]`, in the memory of `values`.
    pub(super) fn tensor(&self, part: StatePart, mut values: Vec<f32>) -> Tensor {
        values.clear();
        values.reserve_exact(self.rows * self.dim);
        for row_data in self.row_data.chunks_exact(self.width).skip(part as usize).step_by(3) {
            values.extend_from_slice(&flat(row_data)[..self.dim]);
        }
        Tensor { name: self.name.clone(), shape: vec![self.rows, self.dim], values }
    }

    /// Replaces the values, or the optimiser's state.
    pub(super) fn load(&mut self, part: StatePart, tensor: &Tensor) {
        let row_data = self.row_data.chunks_exact_mut(self.width).skip(part as usize).step_by(3);
        for (row_data, values) in row_data.zip(tensor.values.chunks_exact(self.dim)) {
            flat_mut(row_data)[..self.dim].copy_from_slice(values);
        }
    }
}

impl Batch {
    /// Records that a row is used. Returns whether it is new in this batch. Indices of earlier batches need not be
    /// cleared: an index counts only if `touched` has the row there.
    #[inline(always)]
    fn mark_touched(&mut self, row: u32) -> bool {
        let index = self.touched_index[row as usize] as usize;
        if self.touched.get(index) == Some(&row) {
            return false;
        }
        self.touched_index[row as usize] = self.touched.len() as u32;
        self.touched.push(row);
        true
    }
}

/// Converts the gradient g of a vector x of length 1 to that of the vector before it was scaled: (g - x (x . g)) /
/// length. A vector of zeros was divided by the minimum length.
#[inline(always)]
fn normalize_backward<'a, S: Simd, I: Iterator<Item = &'a Group>>(
    simd: S,
    gradient: &mut [Group],
    scaled: impl Fn() -> I,
    square: f32,
) {
    if square > SMALLEST_SQUARE {
        let along = dot_in_order(gradient, scaled());
        add_scaled(simd, gradient, scaled(), -along);
    }
    scale(gradient, 1.0 / square.max(SMALLEST_SQUARE).sqrt());
}

/// Scales a vector to length 1 (a vector of zeros stays). Returns its former sum of squares.
#[inline(always)]
pub(super) fn normalize(vector: &mut [Group]) -> f32 {
    let square = dot_in_order(vector, vector.iter());
    scale(vector, 1.0 / square.max(SMALLEST_SQUARE).sqrt());
    square
}

/// Computes `sum += values * weight`.
#[inline(always)]
pub(super) fn add_scaled<'a, S: Simd>(
    simd: S,
    sum: &mut [Group],
    values: impl Iterator<Item = &'a Group>,
    weight: f32,
) {
    let weight = simd.splat_f32s(weight);
    for (sum, values) in sum.iter_mut().zip(values) {
        for (sum, value) in S::as_mut_simd_f32s(&mut **sum).0.iter_mut().zip(S::as_simd_f32s(&**values).0) {
            *sum = simd.mul_add_f32s(*value, weight, *sum);
        }
    }
}

#[inline(always)]
fn scale(values: &mut [Group], factor: f32) {
    for value in flat_mut(values) {
        *value *= factor;
    }
}
