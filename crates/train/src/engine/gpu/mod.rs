//! The engine for heads of dense layers on GPUs: two kernels per step, for all active models.
//!
//! A step of a small head on Burn's tensors is bound by the launches of its many kernels. Here a step is two launches,
//! whatever the layers are: `propagate` computes the forward and the backward pass, `update` changes the arrays.
//! Vectors, weights and the optimiser's state stay on the GPU; an epoch uploads the order of the rows, and downloads
//! the logits.
//!
//! The engine takes frozen vectors, and supports the cross-entropies, every optimiser, every activation but SiLU, and
//! dropout after a dense layer. Anything else is left to Burn's tensors: other losses, weighted classes, a penalty, clipped
//! gradients, layer normalisation, a fine-tuned table, a mix of layers, and dropout elsewhere. The arrays of an inactive
//! model stay on the GPU; kernels get the list of active models. How the sums of a model are rounded depends neither on
//! its batch nor on the other models.

mod array;
mod buffers;
mod kernel;
mod launch_config;
mod layout;

use cubecl::prelude::*;
use emberline_base::{Features, Matrix, SplitName, Splits};
use rayon::prelude::*;

use self::array::GpuArray;
use self::buffers::{Arrays, Epoch, Stack};
use self::kernel::{
    BINDINGS, DimensionsLaunch, PropagationConfig, PropagationInputLaunch, QUAD, RuleLaunch, UPDATE_THREADS,
    UpdateConfig, UpdateInputLaunch, propagate, update,
};
use self::launch_config::LaunchConfig;
use self::layout::Layout;
use super::dropout::Dropout;
use super::{Engine, EngineSpec, EpochInput};
use crate::loss::LossFunction;
use crate::objective::Objective;
use crate::optimizer::{StepOptimizer, flush_subnormals, scaled_rate};
use crate::weights::{StatePart, TrainingState, Weights};

/// The number of rows whose logits are computed at once during evaluation.
const EVALUATION_ROWS: usize = 1024;

/// Trains heads of dense layers of one shape on a GPU.
pub(super) struct GpuEngine<R: Runtime> {
    client: ComputeClient<R>,
    layout: Layout,
    optimizer: StepOptimizer,
    loss: LossFunction,
    /// Whether the gradient of the loss is softmax(z) - y; otherwise it is sigmoid(z) - y.
    ends_with_softmax: bool,
    batch_size: usize,
    /// The seed of every model.
    seeds: Vec<u64>,
    vectors: Splits<Stack<R>>,
    targets: Stack<R>,
    arrays: Arrays<R>,
    /// The indices of the active models, on the host and on the GPU.
    models: (Vec<u32>, GpuArray<R, u32>),
    launch_config: LaunchConfig,
    steps_done: u32,
    /// What kernels that don't train are bound to in place of the data of an epoch; they don't read it.
    no_epoch: Epoch<R>,
}

/// What a launch of `propagate` computes.
enum Pass<'e, R: Runtime> {
    /// The logits and the gradients, in an epoch.
    Train(&'e Epoch<R>),
    /// The logits only.
    Evaluate,
}

/// A batch of consecutive rows.
#[derive(Clone, Copy)]
struct Batch {
    first: usize,
    rows: usize,
}

/// Returns whether the GPU can train these specs. Kernels index arrays with 32-bit numbers.
fn supports<R: Runtime>(client: &ComputeClient<R>, layout: &Layout, specs: &[EngineSpec<'_>]) -> bool {
    let hardware = &client.properties().hardware;
    let first = &specs[0];
    let frozen = matches!(first.features.train, Features::Frozen(_));
    let inputs = [SplitName::Train, SplitName::Valid, SplitName::Test]
        .map(|split| specs.iter().filter_map(|spec| frozen_vectors(spec, split)).map(|m| m.values().len()).sum());
    let outputs = capacity(first) * first.architecture.units() as usize * specs.len();
    let trained = first.architecture.parameters() as usize * specs.len();
    let masks = layout.words() * first.targets.rows() * specs.len();
    let values: [usize; 6] = [inputs[0], inputs[1], inputs[2], outputs, trained, masks];
    let (max_across, max_models, _) = hardware.max_cube_count;
    frozen
        && hardware.max_bindings >= BINDINGS
        && values.iter().all(|&values| u32::try_from(values).is_ok())
        && layout.tiles.max(capacity(first)) <= max_across as usize
        && specs.len() <= max_models as usize
}

/// Returns the number of rows for which the arrays of activations have space.
fn capacity(spec: &EngineSpec<'_>) -> usize {
    EVALUATION_ROWS.max(spec.batch_size.min(spec.targets.rows()))
}

fn frozen_vectors<'b>(spec: &EngineSpec<'b>, split: SplitName) -> Option<&'b Matrix> {
    match spec.features.get(split)? {
        Features::Frozen(matrix) => Some(matrix),
        Features::Trainable(_) | Features::Mixed(_) | Features::Tokens { .. } => None,
    }
}

/// Returns whether the kernel computes the gradient of an objective as softmax(z) - y; otherwise it is sigmoid(z) - y.
/// None for an objective that the kernel doesn't know. Every loss must be decided here.
fn ends_with_softmax(objective: &Objective) -> Option<bool> {
    match objective.loss() {
        _ if objective.class_weights().is_some() => None,
        LossFunction::BinaryCrossEntropy { smoothing } => (smoothing == 0.0).then_some(false),
        LossFunction::CategoricalCrossEntropy { smoothing } => (smoothing == 0.0).then_some(true),
        LossFunction::BinaryFocal(_) | LossFunction::CategoricalFocal(_) => None,
    }
}

impl<R: Runtime> GpuEngine<R> {
    /// Creates the engine; none for specs that it can't train.
    pub(super) fn new(specs: &[EngineSpec<'_>]) -> Option<Self> {
        let client = R::client(&R::Device::default());
        let first = &specs[0];
        let EngineSpec {
            architecture,
            optimizer,
            objective,
            clip,
            l2,
            batch_size,
            seed: _,
            features,
            targets: _,
            weights: _,
            encoder: _,
        } = first;
        let ends_with_softmax = ends_with_softmax(objective)?;
        let layout = Layout::new(&architecture.steps, first.weights)?;
        if clip.is_some() || *l2 != 0.0 || !supports(&client, &layout, specs) {
            return None;
        }
        let weights: Vec<&Weights> = specs.iter().map(|spec| spec.weights).collect();
        let targets: Vec<&Matrix> = specs.iter().map(|spec| spec.targets).collect();
        let vectors = features.map(|split, _| {
            let of_split: Vec<&Matrix> = specs.iter().filter_map(|b| frozen_vectors(b, split)).collect();
            Stack::new(&client, &of_split)
        });
        let launch_config = LaunchConfig::new(&client, first.batch_size.min(first.targets.rows()), weights.len());
        let mut engine = Self {
            optimizer: (*optimizer).clone(),
            loss: objective.loss(),
            ends_with_softmax,
            batch_size: *batch_size,
            seeds: specs.iter().map(|spec| spec.seed).collect(),
            vectors,
            targets: Stack::new(&client, &targets),
            arrays: Arrays::new(&client, &layout, capacity(first), weights.len()),
            models: (Vec::new(), GpuArray::new(&client, &[])),
            launch_config,
            steps_done: 0,
            no_epoch: Epoch::unused(&client),
            layout,
            client,
        };
        engine.load(&weights);
        Some(engine)
    }

    /// Computes the logits of a batch of a split, into `logits` `[positions, rows of the split, outputs]`; when training,
    /// the gradients as well.
    fn propagate(&self, vectors: &Stack<R>, pass: Pass<'_, R>, batch: Batch, logits: &GpuArray<R, f32>) {
        let LaunchConfig { threads, quads, .. } = self.launch_config;
        let (epoch, trains) = match pass {
            Pass::Train(epoch) => (epoch, true),
            Pass::Evaluate => (&self.no_epoch, false),
        };
        let input = PropagationInputLaunch::new(
            self.models.1.arg(),
            vectors.arg(),
            self.targets.arg(),
            epoch.order.arg(),
            epoch.masks.arg(),
            self.loss.divisor(batch.rows, self.targets.cols),
        );
        let config = PropagationConfig { trains, softmax: self.ends_with_softmax, quads, threads };
        #[expect(unsafe_code, reason = "a checked kernel checks every access again")]
        // SAFETY: kernels stay within the arrays, whose lengths follow from the same dimensions.
        unsafe {
            propagate::launch_unchecked::<R>(
                &self.client,
                self.cube_count(batch.rows.div_ceil(quads * QUAD)),
                CubeDim::new_1d(threads as u32),
                input,
                self.arrays.network(),
                self.arrays.activations(),
                logits.arg(),
                self.dimensions(vectors.rows, batch),
                config,
            );
        }
    }

    /// Updates all arrays by the gradients of a batch, in a step of an epoch, 0 for its first.
    fn update(&self, epoch: &Epoch<R>, batch: Batch, step: usize) {
        let input = UpdateInputLaunch::new(
            self.models.1.arg(),
            self.vectors.train.arg(),
            epoch.order.arg(),
            self.arrays.descriptors.arg(),
            epoch.rates.arg(),
            step,
        );
        let adam = !matches!(self.optimizer, StepOptimizer::Sgd(_));
        let config = UpdateConfig { adam, staged_rows: self.launch_config.staged_rows };
        #[expect(unsafe_code, reason = "a checked kernel checks every access again")]
        // SAFETY: kernels stay within the arrays, whose lengths follow from the same dimensions.
        unsafe {
            update::launch_unchecked::<R>(
                &self.client,
                self.cube_count(self.layout.tiles),
                CubeDim::new_1d(UPDATE_THREADS as u32),
                input,
                self.arrays.activations(),
                self.arrays.optimizer_arrays(),
                self.dimensions(self.vectors.train.rows, batch),
                self.rule(),
                config,
            );
        }
    }

    /// Returns the cubes of a launch: this number along the x axis, one per active model along the y axis.
    fn cube_count(&self, across: usize) -> CubeCount {
        CubeCount::new_2d(across as u32, self.models.0.len() as u32)
    }

    /// Returns the dimensions of the arrays and of a batch of a split with this number of rows.
    fn dimensions(&self, rows: usize, batch: Batch) -> DimensionsLaunch<R> {
        let head = self.layout.dimensions(self.vectors.train.cols);
        DimensionsLaunch::new(head, self.arrays.capacity, rows, batch.first, batch.rows)
    }

    /// Returns the settings of the optimiser in the present step.
    fn rule(&self) -> RuleLaunch<R> {
        let (beta_1, beta_2, epsilon) = match &self.optimizer {
            StepOptimizer::Adam(s) => (s.beta_1, s.beta_2, s.epsilon),
            StepOptimizer::Adamw(s) => (s.beta_1, s.beta_2, s.epsilon),
            StepOptimizer::Sgd(s) => (s.momentum, 0.0, 0.0),
        };
        let flush = u32::from(flush_subnormals(self.steps_done));
        let [one_minus_beta_1, one_minus_beta_2] = [beta_1, beta_2].map(|beta| (1.0 - beta) as f32);
        RuleLaunch::new(beta_1 as f32, one_minus_beta_1, beta_2 as f32, one_minus_beta_2, epsilon as f32, flush)
    }

    /// Uploads the data of an epoch.
    fn epoch(&self, number: u32, inputs: &[EpochInput]) -> Epoch<R> {
        let rows = self.targets.rows;
        let order: Vec<u32> = inputs.iter().flat_map(|input| &input.order).map(|&row| row as u32).collect();
        let masks = |&model: &u32| {
            let dropout = Dropout::new(self.seeds[model as usize], number);
            self.layout.masks(dropout, rows, self.batch_size)
        };
        let masks: Vec<Vec<u32>> = self.models.0.par_iter().map(masks).collect();
        Epoch {
            order: GpuArray::new(&self.client, &order),
            masks: GpuArray::new(&self.client, &masks.concat()),
            rates: GpuArray::new(&self.client, &self.rates(rows.div_ceil(self.batch_size), inputs)),
        }
    }

    /// Returns the learning rates and decay factors of the following steps, `[steps, positions, 2]`.
    fn rates(&self, steps: usize, inputs: &[EpochInput]) -> Vec<f32> {
        let of_step = |at: usize| {
            let step = self.steps_done + 1 + at as u32;
            inputs.iter().map(move |input| input.learning_rates[at]).flat_map(move |rate| match &self.optimizer {
                StepOptimizer::Adam(s) => [scaled_rate(rate, s.beta_1, s.beta_2, step), 1.0],
                StepOptimizer::Adamw(s) => {
                    [scaled_rate(rate, s.beta_1, s.beta_2, step), (1.0 - rate * s.weight_decay) as f32]
                }
                StepOptimizer::Sgd(_) => [rate as f32, 1.0],
            })
        };
        (0..steps).flat_map(of_step).collect()
    }

    /// Downloads logits `[positions, rows, outputs]`.
    fn matrices(&self, logits: &GpuArray<R, f32>, rows: usize) -> Vec<Matrix> {
        let outputs = self.targets.cols;
        let matrix = |values: &[f32]| Matrix::new(rows, outputs, values.to_vec());
        logits.read(&self.client, |values| values.chunks_exact(rows * outputs).map(matrix).collect())
    }

    /// Allocates logits `[positions, rows, outputs]`.
    fn alloc_logits(&self, rows: usize) -> GpuArray<R, f32> {
        GpuArray::alloc_uninit(&self.client, self.models.0.len() * rows * self.targets.cols)
    }

    /// Downloads a part of the state of the active models at these positions.
    fn part(&self, part: StatePart, positions: &[usize]) -> Vec<Weights> {
        let length = self.layout.parameters;
        self.arrays.parts[part as usize].read(&self.client, |values| {
            let first = |position: usize| self.models.0[position] as usize * length;
            let of_position =
                |&position: &usize| self.layout.weights(&values[first(position)..first(position) + length]);
            positions.iter().map(of_position).collect()
        })
    }

    /// Uploads a part of the state of every model.
    fn load_part(&mut self, part: StatePart, models: &[&Weights]) {
        let values: Vec<f32> =
            models.iter().flat_map(|weights| &weights.0).flat_map(|tensor| &tensor.values).copied().collect();
        self.arrays.parts[part as usize] = GpuArray::new(&self.client, &values);
        if part == StatePart::Values {
            let models = values.chunks_exact(self.layout.parameters);
            let transposed: Vec<f32> = models.flat_map(|values| self.layout.transpose(values)).collect();
            self.arrays.transposed = GpuArray::new(&self.client, &transposed);
        }
    }

    /// Activates these models only.
    fn activate(&mut self, models: Vec<u32>) {
        let on_gpu = GpuArray::new(&self.client, &models);
        self.models = (models, on_gpu);
    }
}

impl<R: Runtime> Engine for GpuEngine<R> {
    fn train_epoch(&mut self, number: u32, inputs: &[EpochInput]) -> Vec<Matrix> {
        let rows = self.targets.rows;
        let epoch = self.epoch(number, inputs);
        let logits = self.alloc_logits(rows);
        for (step, first) in (0..rows).step_by(self.batch_size).enumerate() {
            let batch = Batch { first, rows: self.batch_size.min(rows - first) };
            self.steps_done += 1;
            self.propagate(&self.vectors.train, Pass::Train(&epoch), batch, &logits);
            self.update(&epoch, batch, step);
        }
        self.matrices(&logits, rows)
    }

    fn logits(&mut self, split: SplitName) -> Vec<Matrix> {
        let rows = self.vectors.get(split).map_or(0, |vectors| vectors.rows);
        let Some(vectors) = self.vectors.get(split).filter(|_| rows > 0) else {
            return vec![Matrix::zeros(0, self.targets.cols); self.models.0.len()];
        };
        let logits = self.alloc_logits(rows);
        for first in (0..rows).step_by(EVALUATION_ROWS) {
            self.propagate(vectors, Pass::Evaluate, Batch { first, rows: EVALUATION_ROWS.min(rows - first) }, &logits);
        }
        self.matrices(&logits, rows)
    }

    fn weights(&self, positions: &[usize], _: Vec<Weights>) -> Vec<Weights> {
        self.part(StatePart::Values, positions)
    }

    fn retain(&mut self, positions: &[usize]) {
        self.activate(positions.iter().map(|&position| self.models.0[position]).collect());
    }

    fn load(&mut self, weights: &[&Weights]) {
        self.load_part(StatePart::Values, weights);
        self.activate((0..weights.len() as u32).collect());
    }

    fn states(&self, positions: &[usize]) -> Vec<TrainingState> {
        let [values, first, second] = StatePart::ALL.map(|part| self.part(part, positions));
        let state =
            |((values, first), second)| TrainingState { parts: [values, first, second], steps: self.steps_done };
        values.into_iter().zip(first).zip(second).map(state).collect()
    }

    fn resume(&mut self, states: &[&TrainingState]) {
        for part in StatePart::ALL {
            let of_states: Vec<&Weights> = states.iter().map(|state| &state.parts[part as usize]).collect();
            self.load_part(part, &of_states);
        }
        self.activate((0..states.len() as u32).collect());
        self.steps_done = states.first().map_or(0, |state| state.steps);
    }
}
