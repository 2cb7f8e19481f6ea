//! Inference: the forward pass through the layers of a trained head, without an optimiser, targets or data.
//!
//! It shares the functions of training (`layer::forward`, `table`), so that its logits equal those of `DenseEngine` to
//! the bit. No row's logits depend on other rows, on their number, or on the width of registers.

use emberline_base::memory::{self, OutOfMemory};
use emberline_base::{Bags, LayerStack, Matrix};
use emberline_kernels::{Group, LANES, Panels, flat_mut};
use pulp::{Arch, Simd, WithSimd};

use super::layer::forward;
use super::norm::LayerNorm;
use super::table::{add_scaled, normalize};
use super::trainer::EVALUATION_ROWS;
use crate::head::{Architecture, Step};
use crate::settings::Activation;
use crate::weights::Weights;

/// The layers of a trained head. Dropout has no effect outside training.
#[derive(Clone, Debug)]
pub(crate) struct Network {
    arch: Arch,
    dim: usize,
    outputs: usize,
    layers: Vec<TrainedLayer>,
}

#[derive(Clone, Debug)]
enum TrainedLayer {
    Dense(DenseLayer),
    LayerNorm(LayerNorm),
}

#[derive(Clone, Debug)]
struct DenseLayer {
    /// `[inputs, units]`.
    kernel: Panels,
    /// `[1, units]`.
    bias: Panels,
    activation: Activation,
}

/// The inputs of the first layer, one vector per text.
pub(crate) enum Vectors<'a> {
    /// `[texts, dim]`.
    Fixed(&'a Matrix),
    /// Bags of rows of a fine-tuned table, to be pooled.
    Pooled {
        /// The rows of each text.
        bags: &'a Bags,
        /// The table, `[rows, dim]`.
        table: &'a [f32],
    },
    /// An encoder's layers, to be mixed.
    Mixed {
        /// The layers of each text.
        layered: &'a LayerStack,
        /// The weight of each layer.
        shares: Vec<f32>,
    },
}

/// Buffers that are shared by all chunks of rows.
#[derive(Default)]
struct Buffers {
    /// `[batch, dim]`.
    vectors: Panels,
    /// One text's vector.
    vector: Vec<Group>,
    /// One row of a table.
    row: Vec<Group>,
    /// A layer's outputs and slopes, `[batch, units]`.
    layers: Vec<[Panels; 2]>,
    /// One text's outputs of a layer.
    outputs: Vec<f32>,
}

impl Network {
    /// Creates the layers of an architecture, whose arrays must be among the weights with the shapes that it names.
    ///
    /// # Errors
    /// If there is not enough memory.
    pub(crate) fn new(architecture: &Architecture, weights: &Weights) -> Result<Self, OutOfMemory> {
        let array = |name: String| weights.get(&name).expect("weights hold the arrays of their architecture");
        let layer = |step: &Step| match step {
            Step::Dense { name, inputs, units, activation } => {
                let kernel = Panels::of(*inputs, *units, &array(format!("{name}.kernel")).values);
                let bias = Panels::of(1, *units, &array(format!("{name}.bias")).values);
                let dense = |kernel, bias| DenseLayer { kernel, bias, activation: *activation };
                Some(kernel.and_then(|kernel| Ok(TrainedLayer::Dense(dense(kernel, bias?)))))
            }
            Step::LayerNorm { name, units: _, epsilon } => {
                let [gamma, beta] = ["gamma", "beta"].map(|part| array(format!("{name}.{part}")).values.clone());
                Some(Ok(TrainedLayer::LayerNorm(LayerNorm { gamma, beta, epsilon: *epsilon })))
            }
            Step::Dropout { .. } => None,
        };
        let layers = architecture.steps.iter().filter_map(layer).collect::<Result<_, _>>()?;
        Ok(Self { arch: Arch::new(), dim: architecture.dim, outputs: architecture.outputs(), layers })
    }

    /// Computes the logits of texts, `[texts, outputs]`.
    ///
    /// # Errors
    /// If there is not enough memory.
    pub(crate) fn logits(&self, vectors: &Vectors<'_>) -> Result<Matrix, OutOfMemory> {
        let outputs = self.outputs;
        let mut logits = Matrix::try_zeros(vectors.texts(), outputs)?;
        let width = self.dim.div_ceil(LANES);
        let mut buffers = Buffers {
            vector: memory::filled(Group::ZEROS, width)?,
            row: memory::filled(Group::ZEROS, width)?,
            layers: vec![Default::default(); self.layers.len()],
            ..Buffers::default()
        };
        for (chunk, logits) in logits.values_mut().chunks_mut(EVALUATION_ROWS * outputs).enumerate() {
            let (first, buffers) = (chunk * EVALUATION_ROWS, &mut buffers);
            self.arch.dispatch(Forward { network: self, vectors, first, buffers, logits });
        }
        Ok(logits)
    }

    /// Returns what enters the first layer, `[texts, dim]`: the very numbers that [`logits`](Self::logits) are computed from.
    ///
    /// # Errors
    /// If there is not enough memory.
    pub(crate) fn inputs(&self, vectors: &Vectors<'_>) -> Result<Matrix, OutOfMemory> {
        let dim = self.dim;
        let mut inputs = Matrix::try_zeros(vectors.texts(), dim)?;
        let width = dim.div_ceil(LANES);
        let mut buffers = Buffers {
            vector: memory::filled(Group::ZEROS, width)?,
            row: memory::filled(Group::ZEROS, width)?,
            ..Buffers::default()
        };
        for (chunk, inputs) in inputs.values_mut().chunks_mut(EVALUATION_ROWS * dim).enumerate() {
            let (first, buffers) = (chunk * EVALUATION_ROWS, &mut buffers);
            self.arch.dispatch(Gather { vectors, first, buffers, inputs, dim });
        }
        Ok(inputs)
    }

    /// Computes the logits of texts from `first` on.
    #[inline(always)]
    fn forward<S: Simd>(
        &self,
        simd: S,
        vectors: &Vectors<'_>,
        first: usize,
        buffers: &mut Buffers,
        logits: &mut [f32],
    ) {
        let batch = logits.len() / self.outputs;
        buffers.vectors.reshape(batch, self.dim);
        (0..batch).for_each(|at| buffers.load(simd, vectors, first + at, at));
        let Buffers { vectors, layers, outputs: row, .. } = buffers;
        let mut inputs = &*vectors;
        for (layer, [outputs, slopes]) in self.layers.iter().zip(layers) {
            match layer {
                TrainedLayer::Dense(DenseLayer { kernel, bias, activation }) => {
                    forward(simd, *activation, [kernel, bias], inputs, [outputs, slopes]);
                }
                TrainedLayer::LayerNorm(norm) => norm.apply(inputs, outputs, row),
            }
            inputs = outputs;
        }
        for (at, logits) in logits.chunks_exact_mut(self.outputs).enumerate() {
            inputs.copy_row(at, logits);
        }
    }
}

impl Vectors<'_> {
    fn texts(&self) -> usize {
        match self {
            Self::Fixed(matrix) => matrix.rows(),
            Self::Pooled { bags, .. } => bags.offsets.len() - 1,
            Self::Mixed { layered, .. } => layered.vectors.rows(),
        }
    }
}

impl Buffers {
    /// Computes the vector of a text into the row `at` of the batch.
    #[inline(always)]
    fn load<S: Simd>(&mut self, simd: S, vectors: &Vectors<'_>, text: usize, at: usize) {
        match vectors {
            Vectors::Fixed(matrix) => return self.vectors.set_row(at, matrix.row(text)),
            Vectors::Pooled { bags, table } => self.pool(simd, bags, table, text),
            Vectors::Mixed { layered, shares } => self.mix(simd, layered.vectors.row(text), shares),
        }
        self.vectors.row_mut(at).zip(&self.vector).for_each(|(to, from)| *to = *from);
    }

    #[inline(always)]
    fn pool<S: Simd>(&mut self, simd: S, bags: &Bags, table: &[f32], text: usize) {
        let (ids, dim) = (bags.of_text(text), self.vectors.cols());
        let weight = bags.combiner.weight(ids.len());
        self.vector.fill(Group::ZEROS);
        for &id in ids {
            self.add(simd, &table[id as usize * dim..][..dim], weight);
        }
        if bags.normalize {
            normalize(&mut self.vector);
        }
    }

    #[inline(always)]
    fn mix<S: Simd>(&mut self, simd: S, layers: &[f32], shares: &[f32]) {
        self.vector.fill(Group::ZEROS);
        for (layer, &share) in layers.chunks_exact(self.vectors.cols()).zip(shares) {
            self.add(simd, layer, share);
        }
    }

    /// Adds `row * weight` to the vector.
    #[inline(always)]
    fn add<S: Simd>(&mut self, simd: S, row: &[f32], weight: f32) {
        flat_mut(&mut self.row)[..row.len()].copy_from_slice(row);
        add_scaled(simd, &mut self.vector, self.row.iter(), weight);
    }
}

/// [`Network::forward`] as a function that `pulp` compiles for the widest registers.
struct Forward<'s, 'a> {
    network: &'s Network,
    vectors: &'s Vectors<'a>,
    first: usize,
    buffers: &'s mut Buffers,
    logits: &'s mut [f32],
}

impl WithSimd for Forward<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        self.network.forward(simd, self.vectors, self.first, self.buffers, self.logits);
    }
}

/// Puts the vectors of texts from `first` on into `inputs`, compiled for the widest registers there are.
struct Gather<'s, 'a> {
    vectors: &'s Vectors<'a>,
    first: usize,
    buffers: &'s mut Buffers,
    inputs: &'s mut [f32],
    dim: usize,
}

impl WithSimd for Gather<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { vectors, first, buffers, inputs, dim } = self;
        buffers.vectors.reshape(inputs.len() / dim, dim);
        for (at, row) in inputs.chunks_exact_mut(dim).enumerate() {
            buffers.load(simd, vectors, first + at, at);
            buffers.vectors.copy_row(at, row);
        }
    }
}
