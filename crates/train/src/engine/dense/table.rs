//! A tuned table: bags of its rows are pooled into vectors, and gradients by the vectors go back to the rows.
//!
//! A step reads and moves the rows of its batch alone, yet every row is where an optimiser would have it that moves the
//! whole table at every step: a row's missed steps are made up for when it is next touched, and at the end of the epoch
//! (`idle.rs`).

use emberline_base::Bags;
use emberline_base::memory::{self, OutOfMemory};
use pulp::Simd;

use super::idle::Idle;
use super::panels::{Group, LANES, Panels, flat, flat_mut};
use super::rule::{AnyRule, Rule};
use crate::settings::Optimizer;
use crate::weights::{Part, Tensor};

/// The least sum of squares that a row is scaled by.
const SMALLEST_SQUARE: f32 = 1e-24;

/// The table, with what the optimiser remembers of it.
pub(super) struct Table {
    name: String,
    rows: usize,
    dim: usize,
    /// Groups of a row.
    width: usize,
    /// `[rows, 3, width]`: a row's values and the optimiser's two arrays stand together, since they are read together.
    cells: Vec<Group>,
    /// `[rows]`: the step of this epoch up to which a row has been moved.
    current: Vec<u32>,
    idle: Idle,
    batch: Batch,
}

/// The rows that a batch touches.
#[derive(Default)]
struct Batch {
    /// Each once, in the order in which they occur.
    touched: Vec<u32>,
    /// `[rows]`: where a row stands in `touched`, if it does.
    places: Vec<u32>,
    /// `[touched, width]`.
    gradients: Vec<Group>,
    /// `[texts]`: the sum of squares of the vector before it was scaled to length 1.
    squares: Vec<f32>,
    /// `[width]`: one text's vector, or its gradient.
    vector: Vec<Group>,
}

impl Table {
    /// From a table `[rows, dim]`.
    ///
    /// # Errors
    /// When there is no memory for it.
    pub(super) fn new(tensor: &Tensor, optimizer: &Optimizer) -> Result<Self, OutOfMemory> {
        let (rows, dim) = (tensor.shape[0], tensor.shape[1]);
        let width = dim.div_ceil(LANES);
        let mut table = Self {
            name: tensor.name.clone(),
            rows,
            dim,
            width,
            cells: memory::filled(Group::ZEROS, rows * 3 * width)?,
            current: vec![0; rows],
            idle: Idle::new(optimizer),
            batch: Batch { places: vec![0; rows], vector: vec![Group::ZEROS; width], ..Batch::default() },
        };
        table.load(Part::Values, tensor);
        Ok(table)
    }

    /// An epoch of at most so many steps begins.
    pub(super) fn begin_epoch(&mut self, steps: usize) {
        self.idle.begin(steps);
        self.current.fill(0);
    }

    /// Brings all rows up to date.
    #[inline(always)]
    pub(super) fn catch_up_all<S: Simd>(&mut self, simd: S) {
        for (cells, current) in self.cells.chunks_exact_mut(3 * self.width).zip(&mut self.current) {
            self.idle.catch_up(simd, *current as usize, cells);
            *current = self.idle.steps() as u32;
        }
    }

    /// Brings the rows of a batch up to date, and notes which they are.
    #[inline(always)]
    pub(super) fn touch<S: Simd>(&mut self, simd: S, bags: &Bags, rows: &[usize]) {
        self.batch.touched.clear();
        for &id in rows.iter().flat_map(|&row| bags.of_text(row)) {
            if self.batch.note(id) {
                let cells = &mut self.cells[id as usize * 3 * self.width..][..3 * self.width];
                self.idle.catch_up(simd, self.current[id as usize] as usize, cells);
            }
        }
    }

    /// The vectors of texts, `[texts, dim]`. Their rows must be up to date.
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
                let values = &self.cells[id as usize * 3 * self.width..][..self.width];
                add_scaled(simd, vector, values.iter(), weight);
            }
            if bags.normalize {
                self.batch.squares.push(normalize(vector));
            }
            vectors.row_mut(at).zip(vector.iter()).for_each(|(to, from)| *to = *from);
        }
    }

    /// Moves the rows of the batch that was touched and pooled last, from the gradient by its vectors, `[texts, dim]`.
    #[inline(always)]
    pub(super) fn learn<S: Simd>(
        &mut self,
        simd: S,
        rule: AnyRule,
        bags: &Bags,
        texts: &[usize],
        vectors: &Panels,
        gradient: &Panels,
    ) {
        self.collect(simd, bags, texts, vectors, gradient);
        match rule {
            AnyRule::Adam(adam) => self.step(simd, adam),
            AnyRule::Sgd(sgd) => self.step(simd, sgd),
        }
        self.idle.advance(rule);
        for &row in &self.batch.touched {
            self.current[row as usize] = self.idle.steps() as u32;
        }
    }

    /// The gradients by the rows: a row that a text holds twice gets the text's gradient twice.
    #[inline(always)]
    fn collect<S: Simd>(&mut self, simd: S, bags: &Bags, texts: &[usize], vectors: &Panels, gradient: &Panels) {
        let Batch { touched, places, gradients, squares, vector } = &mut self.batch;
        gradients.clear();
        gradients.resize(touched.len() * self.width, Group::ZEROS);
        for (at, &text) in texts.iter().enumerate() {
            vector.iter_mut().zip(gradient.row(at)).for_each(|(to, from)| *to = *from);
            if bags.normalize {
                unscale(simd, vector, || vectors.row(at), squares[at]);
            }
            let ids = bags.of_text(text);
            let weight = bags.combiner.weight(ids.len());
            for &id in ids {
                let place = places[id as usize] as usize;
                let sum = &mut gradients[place * self.width..][..self.width];
                add_scaled(simd, sum, vector.iter(), weight);
            }
        }
    }

    #[inline(always)]
    fn step<S: Simd, R: Rule>(&mut self, simd: S, rule: R) {
        for (&row, gradient) in self.batch.touched.iter().zip(self.batch.gradients.chunks_exact(self.width)) {
            let cells = &mut self.cells[row as usize * 3 * self.width..][..3 * self.width];
            let (values, memory) = cells.split_at_mut(self.width);
            let (first, second) = memory.split_at_mut(self.width);
            for (((gradient, value), first), second) in gradient.iter().zip(values).zip(first).zip(second) {
                rule.apply_all(simd, S::as_simd_f32s(&**gradient).0, [value, first, second]);
            }
        }
    }

    /// The values, or what the optimiser remembers of them, as they are now, `[rows, dim]`, in this memory.
    pub(super) fn tensor(&self, part: Part, mut values: Vec<f32>) -> Tensor {
        values.clear();
        values.reserve_exact(self.rows * self.dim);
        for cells in self.cells.chunks_exact(self.width).skip(part as usize).step_by(3) {
            values.extend_from_slice(&flat(cells)[..self.dim]);
        }
        Tensor { name: self.name.clone(), shape: vec![self.rows, self.dim], values }
    }

    /// Puts other values in place of the present ones.
    pub(super) fn load(&mut self, part: Part, tensor: &Tensor) {
        let cells = self.cells.chunks_exact_mut(self.width).skip(part as usize).step_by(3);
        for (cells, values) in cells.zip(tensor.values.chunks_exact(self.dim)) {
            flat_mut(cells)[..self.dim].copy_from_slice(values);
        }
    }
}

impl Batch {
    /// Notes that a row is touched; whether that is new. CallbackContext of earlier batches need not be wiped: a place counts only
    /// if the row stands there.
    #[inline(always)]
    fn note(&mut self, row: u32) -> bool {
        let place = self.places[row as usize] as usize;
        if self.touched.get(place) == Some(&row) {
            return false;
        }
        self.places[row as usize] = self.touched.len() as u32;
        self.touched.push(row);
        true
    }
}

/// From the gradient by a vector x of length 1 to that by the vector that was scaled: (g - x (x . g)) / length. The vector 0
/// was divided by the least length.
#[inline(always)]
fn unscale<'a, S: Simd, I: Iterator<Item = &'a Group>>(
    simd: S,
    gradient: &mut [Group],
    scaled: impl Fn() -> I,
    square: f32,
) {
    if square > SMALLEST_SQUARE {
        let along = dot(gradient, scaled());
        add_scaled(simd, gradient, scaled(), -along);
    }
    scale(gradient, 1.0 / square.max(SMALLEST_SQUARE).sqrt());
}

/// Scales a vector to length 1 (the vector 0 stays); returns the sum of squares that it had.
#[inline(always)]
pub(super) fn normalize(vector: &mut [Group]) -> f32 {
    let square = dot(vector, vector.iter());
    scale(vector, 1.0 / square.max(SMALLEST_SQUARE).sqrt());
    square
}

/// `sum += values * weight`
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

/// The inner product, its partial sums added in one fixed order.
#[inline(always)]
fn dot<'a>(left: &[Group], right: impl Iterator<Item = &'a Group>) -> f32 {
    let mut sums = [0.0_f32; LANES];
    for (left, right) in left.iter().zip(right) {
        for ((sum, left), right) in sums.iter_mut().zip(&**left).zip(&**right) {
            *sum = left.mul_add(*right, *sum);
        }
    }
    sums.iter().sum()
}

#[inline(always)]
fn scale(values: &mut [Group], factor: f32) {
    for value in flat_mut(values) {
        *value *= factor;
    }
}
