//! Trains one head of dense layers on its data with the fused step, which leads from the rows of a batch to the next
//! weights.

use emberline_base::{Bags, Features, Matrix, OutOfMemory, SplitName, Splits};
use emberline_kernels::Panels;
use pulp::{Arch, Simd, WithSimd};

use super::super::EngineSpec;
use super::layer::Layer;
use super::rule::{Adjustment, AnyRule};
use super::table::Table;
use crate::head::Step;
use crate::objective::Objective;
use crate::optimizer::StepOptimizer;
use crate::weights::{StatePart, TrainingState, Weights};

/// The number of rows whose logits are computed at once during evaluation.
pub(super) const EVALUATION_ROWS: usize = 256;

/// A head of dense layers, with the fine-tuned table below it if there is one, and its features.
pub(super) struct HeadTrainer<'a> {
    arch: Arch,
    features: &'a Splits<Features>,
    head: Head<'a>,
}

/// The inputs of the first layer for one split.
#[derive(Clone, Copy)]
enum Input<'a> {
    /// `[rows, dim]`.
    Vectors(&'a Matrix),
    /// Bags of rows of the fine-tuned table.
    Bags(&'a Bags),
}

/// The trained arrays, and the buffers of a step.
struct Head<'a> {
    optimizer: &'a StepOptimizer,
    objective: &'a Objective,
    /// What an optimiser's rule does with the gradients first.
    adjustment: Adjustment,
    batch_size: usize,
    targets: &'a Matrix,
    table: Option<Table>,
    layers: Vec<Layer>,
    /// The inputs of the first layer, `[batch, dim]`.
    vectors: Panels,
    /// The gradient of `vectors`, if a table is fine-tuned.
    vectors_gradient: Panels,
    /// The gradient of the logits of one row, `[outputs]`.
    row_gradient: Vec<f32>,
    steps_done: u32,
}

impl<'a> HeadTrainer<'a> {
    /// Creates a trainer for a spec that the engine [`supports`](super::supports).
    ///
    /// # Errors
    /// If there is not enough memory.
    pub(super) fn new(spec: &EngineSpec<'a>) -> Result<Self, OutOfMemory> {
        Ok(Self { arch: Arch::new(), features: spec.features, head: Head::new(spec)? })
    }

    /// Trains on the training rows in this order, with a learning rate per step. Returns the logits as they were before
    /// each row's step, `[order.len(), outputs]`.
    pub(super) fn train_epoch(&mut self, order: &[usize], learning_rates: &[f64]) -> Matrix {
        let (outputs, batch_size) = (self.head.targets.cols(), self.head.batch_size);
        let input = Input::of(&self.features.train);
        let mut logits = Matrix::zeros(order.len(), outputs);
        if let Some(table) = &mut self.head.table {
            table.begin_epoch(order.len().div_ceil(batch_size));
        }
        let batches = order.chunks(batch_size).zip(logits.values_mut().chunks_mut(batch_size * outputs));
        for ((rows, logits), &learning_rate) in batches.zip(learning_rates) {
            let head = &mut self.head;
            self.arch.dispatch(TrainStep { head, input, rows, learning_rate, logits });
        }
        if let Some(table) = &mut self.head.table {
            self.arch.dispatch(EndEpoch { table });
        }
        logits
    }

    /// Returns the logits of a split's rows, `[rows, outputs]`; no rows if the split doesn't exist.
    pub(super) fn logits(&mut self, split: SplitName) -> Matrix {
        let outputs = self.head.targets.cols();
        let Some(input) = self.features.get(split).map(Input::of) else { return Matrix::zeros(0, outputs) };
        let mut logits = Matrix::zeros(input.rows(), outputs);
        let chunks = logits.values_mut().chunks_mut(EVALUATION_ROWS * outputs);
        for (chunk, logits) in chunks.enumerate() {
            let first = chunk * EVALUATION_ROWS;
            self.arch.dispatch(Evaluate { head: &mut self.head, input, first, logits });
        }
        logits
    }

    /// Returns the current weights, with the table in the memory of an old one.
    pub(super) fn weights(&self, old: Weights) -> Weights {
        self.arrays(StatePart::Values, old)
    }

    /// Replaces the weights by others of the same shapes.
    pub(super) fn load(&mut self, weights: &Weights) {
        self.load_part(StatePart::Values, weights);
    }

    /// Returns the training state.
    pub(super) fn state(&self) -> TrainingState {
        TrainingState {
            parts: StatePart::ALL.map(|part| self.arrays(part, Weights::default())),
            steps: self.head.steps_done,
        }
    }

    /// Continues from a training state.
    pub(super) fn resume(&mut self, state: &TrainingState) {
        StatePart::ALL.iter().zip(&state.parts).for_each(|(&part, arrays)| self.load_part(part, arrays));
        self.head.steps_done = state.steps;
    }

    fn arrays(&self, part: StatePart, old: Weights) -> Weights {
        let old = old.0.into_iter().next().map_or(Vec::new(), |first| first.values);
        let table = self.head.table.as_ref().map(|table| table.tensor(part, old)).into_iter();
        Weights(table.chain(self.head.layers.iter().flat_map(|layer| layer.tensors(part))).collect())
    }

    fn load_part(&mut self, part: StatePart, weights: &Weights) {
        let mut arrays = weights.0.as_slice();
        if let (Some(table), [first, head @ ..]) = (&mut self.head.table, arrays) {
            table.load(part, first);
            arrays = head;
        }
        for (layer, arrays) in self.head.layers.iter_mut().zip(arrays.chunks_exact(2)) {
            layer.load(part, &arrays[0], &arrays[1]);
        }
    }
}

impl<'a> Head<'a> {
    fn new(spec: &EngineSpec<'a>) -> Result<Self, OutOfMemory> {
        let mut arrays = spec.weights.0.as_slice();
        let mut table = None;
        if let (Features::Trainable(_), [first, head @ ..]) = (&spec.features.train, arrays) {
            table = Some(Table::new(first, spec.optimizer)?);
            arrays = head;
        }
        let layer = |(step, arrays): (&Step, &[crate::Tensor])| Layer::new(step, &arrays[0], &arrays[1]);
        let steps = spec.architecture.steps.iter();
        Ok(Self {
            optimizer: spec.optimizer,
            objective: spec.objective,
            adjustment: Adjustment::new(spec.clip, spec.l2),
            batch_size: spec.batch_size,
            targets: spec.targets,
            table,
            layers: steps.zip(arrays.chunks_exact(2)).map(layer).collect::<Result<_, _>>()?,
            vectors: Panels::default(),
            vectors_gradient: Panels::default(),
            row_gradient: vec![0.0; spec.targets.cols()],
            steps_done: 0,
        })
    }

    /// Takes one step on a batch, and writes its logits to `logits`, `[batch, outputs]`.
    #[inline(always)]
    fn step<S: Simd>(&mut self, simd: S, input: Input<'_>, rows: &[usize], learning_rate: f64, logits: &mut [f32]) {
        self.steps_done += 1;
        let rule = AnyRule::of(self.optimizer, learning_rate, self.steps_done).adjusted(self.adjustment);
        if let (Input::Bags(bags), Some(table)) = (input, &mut self.table) {
            table.touch(simd, bags, rows);
        }
        self.forward(simd, input, rows.iter().copied(), logits);
        self.compute_logit_gradient(rows, logits);
        self.backward(simd, rule);
        if let (Input::Bags(bags), Some(table)) = (input, &mut self.table) {
            let rule = rule.without_penalty();
            table.backward(simd, rule, bags, rows, &self.vectors, &self.vectors_gradient);
        }
    }

    /// Computes the logits of rows, `[rows, outputs]`.
    #[inline(always)]
    fn forward<S: Simd>(
        &mut self,
        simd: S,
        input: Input<'_>,
        rows: impl ExactSizeIterator<Item = usize>,
        logits: &mut [f32],
    ) {
        match (input, &mut self.table) {
            (Input::Vectors(matrix), _) => {
                self.vectors.reshape(rows.len(), matrix.cols());
                rows.enumerate().for_each(|(at, row)| self.vectors.set_row(at, matrix.row(row)));
            }
            (Input::Bags(bags), Some(table)) => table.pool(simd, bags, rows, &mut self.vectors),
            (Input::Bags(_), None) => unreachable!("bags come with a table"),
        }
        let mut inputs = &self.vectors;
        for layer in &mut self.layers {
            layer.forward(simd, inputs);
            inputs = layer.outputs();
        }
        for (at, logits) in logits.chunks_exact_mut(inputs.cols()).enumerate() {
            inputs.copy_row(at, logits);
        }
    }

    /// Computes the gradient of the batch's mean loss with respect to the logits, into the last layer.
    #[inline(always)]
    fn compute_logit_gradient(&mut self, rows: &[usize], logits: &[f32]) {
        let outputs = self.row_gradient.len();
        let gradient = self.layers.last_mut().expect("an output layer").gradient_mut();
        gradient.reshape(rows.len(), outputs);
        for ((at, &row), logits) in rows.iter().enumerate().zip(logits.chunks_exact(outputs)) {
            let targets = self.targets.row(row);
            self.objective.gradient_of_row(rows.len(), logits, targets, &mut self.row_gradient);
            gradient.set_row(at, &self.row_gradient);
        }
    }

    /// Propagates the gradient from the last layer to the first; each layer updates its arrays when the gradient has
    /// passed.
    #[inline(always)]
    fn backward<S: Simd>(&mut self, simd: S, rule: AnyRule) {
        for index in (0..self.layers.len()).rev() {
            let (lower, upper) = self.layers.split_at_mut(index);
            match lower.last_mut() {
                Some(lower) => {
                    let (inputs, gradient) = lower.outputs_and_gradient_mut();
                    upper[0].backward(simd, rule, inputs, Some(gradient));
                }
                None => {
                    let input_gradient = self.table.is_some().then_some(&mut self.vectors_gradient);
                    upper[0].backward(simd, rule, &self.vectors, input_gradient);
                }
            }
        }
    }
}

impl<'a> Input<'a> {
    fn of(features: &'a Features) -> Self {
        match features {
            Features::Frozen(matrix) => Self::Vectors(matrix),
            Features::Trainable(bags) => Self::Bags(bags),
            Features::Mixed(_) | Features::Tokens { .. } => {
                unreachable!("neither mixed layers nor encoders are supported")
            }
        }
    }

    fn rows(self) -> usize {
        match self {
            Self::Vectors(matrix) => matrix.rows(),
            Self::Bags(bags) => bags.offsets.len() - 1,
        }
    }
}

/// [`Head::step`] as a function that `pulp` compiles for the widest registers.
struct TrainStep<'s, 'a> {
    head: &'s mut Head<'a>,
    input: Input<'a>,
    rows: &'s [usize],
    learning_rate: f64,
    logits: &'s mut [f32],
}

impl WithSimd for TrainStep<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        self.head.step(simd, self.input, self.rows, self.learning_rate, self.logits);
    }
}

/// [`Table::apply_all_skipped_steps`], likewise.
struct EndEpoch<'s> {
    table: &'s mut Table,
}

impl WithSimd for EndEpoch<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        self.table.apply_all_skipped_steps(simd);
    }
}

/// [`Head::forward`] for rows from `first` on, likewise.
struct Evaluate<'s, 'a> {
    head: &'s mut Head<'a>,
    input: Input<'a>,
    first: usize,
    logits: &'s mut [f32],
}

impl WithSimd for Evaluate<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let rows = self.logits.len() / self.head.targets.cols();
        self.head.forward(simd, self.input, self.first..self.first + rows, self.logits);
    }
}
