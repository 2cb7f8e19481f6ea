//! The engine for heads of dense layers on cards: two kernels a step, for all models that are in.
//!
//! A step of a small head on tensors is bound by the launches of its many kernels. Here a step is two launches, whatever the
//! layers: `propagate` takes rows forward and back, `update` moves the arrays. Vectors, weights and
//! what the optimiser remembers stay on the card; an epoch uploads the orders of rows, and downloads the logits.
//!
//! Frozen vectors enter; every loss, optimiser and activation is here, and dropout behind a dense layer. A tuned table, a mix of
//! layers, and dropout elsewhere are left to Burn's tensors. A model that leaves stays where it is on the card: kernels are
//! told the models that are in. How a model's sums are rounded depends neither on its batch nor on the models beside it.

mod array;
mod kernel;
mod layout;

use cubecl::prelude::*;
use emberline_base::{Features, Matrix, SplitName, Splits};
use rayon::prelude::*;

use self::array::CardArray;
use self::kernel::{
    BINDINGS, MOST_UNITS, QUAD, RuleLaunch, SIDE, SizesLaunch, UNITS, propagate, shared_bytes_of_quad, update,
};
use self::layout::Layout;
use super::dropout::Dropout;
use super::stack::stacked;
use super::{Engine, EngineSpec, EpochInput};
use crate::optimizer::{scaled_rate, settles};
use crate::settings::{Loss, Optimizer};
use crate::weights::{Part, State, Weights};

/// Rows whose logits are computed at once, where nothing is trained.
const EVALUATION_ROWS: usize = 1024;

/// Cubes that a card has at least to be given, where there are so many, before one is given more rows.
const ENOUGH_CUBES: usize = 256;

/// Heads of dense layers of one shape.
pub(super) struct CardEngine<R: Runtime> {
    client: ComputeClient<R>,
    layout: Layout,
    optimizer: Optimizer,
    loss: Loss,
    batch_size: usize,
    /// Of every model.
    seeds: Vec<u64>,
    vectors: Splits<Stack<R>>,
    targets: Stack<R>,
    arrays: Arrays<R>,
    /// The models that are in, here and on the card.
    models: (Vec<u32>, CardArray<R, u32>),
    cubes: Cubes,
    steps_done: u32,
}

/// What is on the card of every model, whether it is in or not.
struct Arrays<R: Runtime> {
    facts: CardArray<R, u32>,
    /// `[models, parameters]`, by [`Part`].
    parts: [CardArray<R, f32>; 3],
    /// `[models, transposed]`
    transposed: CardArray<R, f32>,
    /// `[models, capacity, columns]`
    outputs: CardArray<R, f32>,
    /// The same.
    slopes: CardArray<R, f32>,
    capacity: usize,
}

/// A matrix of the same shape for every model; one that several share is there once.
struct Stack<R: Runtime> {
    /// `[matrices * rows, cols]`
    numbers: CardArray<R, f32>,
    /// The first row of each model.
    starts: CardArray<R, u32>,
    rows: usize,
    cols: usize,
}

/// What the models are told of an epoch.
struct Epoch<R: Runtime> {
    /// `[models, rows]`
    order: CardArray<R, u32>,
    /// `[models, rows, words]`
    masks: CardArray<R, u32>,
    /// The size of each step, and what is left of a weight before it, `[steps, models, 2]`.
    rates: CardArray<R, f32>,
}

/// Rows that are handled at once.
#[derive(Clone, Copy)]
struct Batch {
    first: usize,
    rows: usize,
}

/// How cubes share the work: the same in all steps, since a kernel is compiled anew for every choice.
struct Cubes {
    /// Of `propagate`.
    units: usize,
    /// The quads of rows of one of its cubes.
    quads: usize,
    /// The rows that `update` takes at a time.
    staged: usize,
}

impl Cubes {
    /// For batches of so many rows, of so many models.
    fn new<R: Runtime>(client: &ComputeClient<R>, rows: usize, models: usize) -> Self {
        let card = &client.properties().hardware;
        let units = MOST_UNITS.min(1 << card.max_units_per_cube.ilog2());
        let fits = |quads: usize| quads * shared_bytes_of_quad(units) <= card.max_shared_memory_size;
        let enough = |quads: usize| rows.div_ceil(quads * QUAD) * models >= ENOUGH_CUBES;
        let quads = [4, 2].into_iter().find(|&quads| fits(quads) && enough(quads)).unwrap_or(1);
        Self { units, quads, staged: if rows > SIDE { 2 * SIDE } else { SIDE } }
    }
}

/// Whether the card can train what is asked for: its numbers are counted in 32 bits.
fn fits<R: Runtime>(client: &ComputeClient<R>, layout: &Layout, specs: &[EngineSpec<'_>]) -> bool {
    let card = &client.properties().hardware;
    let first = &specs[0];
    let frozen = matches!(first.features.train, Features::Frozen(_));
    let inputs = [SplitName::Train, SplitName::Valid, SplitName::Test]
        .map(|split| specs.iter().filter_map(|spec| frozen_vectors(spec, split)).map(|m| m.values().len()).sum());
    let outputs = capacity(first) * first.architecture.units() as usize * specs.len();
    let trained = first.architecture.parameters() as usize * specs.len();
    let masks = layout.words() * first.targets.rows() * specs.len();
    let numbers: [usize; 6] = [inputs[0], inputs[1], inputs[2], outputs, trained, masks];
    let (most_across, most_models, _) = card.max_cube_count;
    frozen
        && card.max_bindings >= BINDINGS
        && numbers.iter().all(|&numbers| u32::try_from(numbers).is_ok())
        && layout.tiles.max(capacity(first)) <= most_across as usize
        && specs.len() <= most_models as usize
}

/// Rows that there is room for.
fn capacity(spec: &EngineSpec<'_>) -> usize {
    EVALUATION_ROWS.max(spec.batch_size.min(spec.targets.rows()))
}

fn frozen_vectors<'b>(spec: &EngineSpec<'b>, split: SplitName) -> Option<&'b Matrix> {
    match spec.features.get(split)? {
        Features::Frozen(matrix) => Some(matrix),
        Features::Tuned(_) | Features::Mixed(_) => None,
    }
}

/// Whether the kernel computes a loss's gradient as softmax(z) - y; else it is sigmoid(z) - y. Every loss must be decided
/// here, since the kernel has no other.
fn ends_with_softmax(loss: Loss) -> bool {
    match loss {
        Loss::BinaryCrossEntropy => false,
        Loss::CategoricalCrossEntropy => true,
    }
}

impl<R: Runtime> CardEngine<R> {
    /// None for specs that the card can't train so.
    pub(super) fn new(specs: &[EngineSpec<'_>]) -> Option<Self> {
        let client = R::client(&R::Device::default());
        let first = &specs[0];
        let layout = Layout::new(&first.architecture.steps, first.weights)?;
        if !fits(&client, &layout, specs) {
            return None;
        }
        let weights: Vec<&Weights> = specs.iter().map(|spec| spec.weights).collect();
        let targets: Vec<&Matrix> = specs.iter().map(|spec| spec.targets).collect();
        let vectors = first.features.map(|split, _| {
            let of_split: Vec<&Matrix> = specs.iter().filter_map(|b| frozen_vectors(b, split)).collect();
            Stack::new(&client, &of_split)
        });
        let cubes = Cubes::new(&client, first.batch_size.min(first.targets.rows()), weights.len());
        let mut engine = Self {
            optimizer: first.optimizer.clone(),
            loss: first.loss,
            batch_size: first.batch_size,
            seeds: specs.iter().map(|spec| spec.seed).collect(),
            vectors,
            targets: Stack::new(&client, &targets),
            arrays: Arrays::new(&client, &layout, capacity(first), weights.len()),
            models: (Vec::new(), CardArray::new(&client, &[])),
            cubes,
            steps_done: 0,
            layout,
            client,
        };
        engine.load(&weights);
        Some(engine)
    }

    /// The logits of a batch's rows, which go to `logits` `[models, rows of the split, outputs]`. In an epoch, the gradients go
    /// back as well.
    fn propagate(&self, vectors: &Stack<R>, epoch: Option<&Epoch<R>>, batch: Batch, logits: &CardArray<R, f32>) {
        let Arrays { facts, parts, transposed, outputs, slopes, .. } = &self.arrays;
        let (models, models_on_card) = &self.models;
        let Cubes { units, quads, .. } = self.cubes;
        #[expect(unsafe_code, reason = "a checked kernel checks every access again")]
        // SAFETY: kernels stay within the arrays, whose lengths follow from the same sizes.
        unsafe {
            propagate::launch_unchecked::<R>(
                &self.client,
                CubeCount::new_2d(batch.rows.div_ceil(quads * QUAD) as u32, models.len() as u32),
                CubeDim::new_1d(units as u32),
                models_on_card.arg(),
                vectors.numbers.arg(),
                vectors.starts.arg(),
                self.targets.numbers.arg(),
                self.targets.starts.arg(),
                epoch.map_or(models_on_card, |epoch| &epoch.order).arg(),
                epoch.map_or(models_on_card, |epoch| &epoch.masks).arg(),
                facts.arg(),
                parts[0].arg(),
                transposed.arg(),
                outputs.arg(),
                slopes.arg(),
                logits.arg(),
                self.sizes(vectors, batch),
                self.loss.divisor(batch.rows, self.targets.cols),
                epoch.is_some(),
                ends_with_softmax(self.loss),
                quads,
                units,
            );
        }
    }

    /// Moves all arrays along the gradients of a batch, in a step of an epoch, 0 for its first.
    fn update(&self, epoch: &Epoch<R>, batch: Batch, step: usize) {
        let Arrays { facts, parts: [weights, first, second], transposed, outputs, slopes, .. } = &self.arrays;
        let (models, models_on_card) = &self.models;
        let vectors = &self.vectors.train;
        #[expect(unsafe_code, reason = "a checked kernel checks every access again")]
        // SAFETY: kernels stay within the arrays, whose lengths follow from the same sizes.
        unsafe {
            update::launch_unchecked::<R>(
                &self.client,
                CubeCount::new_2d(self.layout.tiles as u32, models.len() as u32),
                CubeDim::new_1d(UNITS as u32),
                models_on_card.arg(),
                vectors.numbers.arg(),
                vectors.starts.arg(),
                epoch.order.arg(),
                facts.arg(),
                outputs.arg(),
                slopes.arg(),
                epoch.rates.arg(),
                weights.arg(),
                transposed.arg(),
                first.arg(),
                second.arg(),
                self.sizes(vectors, batch),
                self.rule(),
                step,
                !matches!(self.optimizer, Optimizer::Sgd(_)),
                self.cubes.staged,
            );
        }
    }

    fn sizes(&self, vectors: &Stack<R>, batch: Batch) -> SizesLaunch<R> {
        let Layout { parameters, transposed, columns, .. } = self.layout;
        SizesLaunch::new(
            self.layout.layers(),
            vectors.cols,
            columns,
            self.layout.words(),
            parameters,
            transposed,
            self.arrays.capacity,
            vectors.rows,
            batch.first,
            batch.rows,
        )
    }

    /// What the optimiser is told in the present step.
    fn rule(&self) -> RuleLaunch<R> {
        let (beta_1, beta_2, epsilon) = match &self.optimizer {
            Optimizer::Adam(s) => (s.beta_1, s.beta_2, s.epsilon),
            Optimizer::Adamw(s) => (s.beta_1, s.beta_2, s.epsilon),
            Optimizer::Sgd(s) => (s.momentum, 0.0, 0.0),
        };
        let settles = u32::from(settles(self.steps_done));
        let [rest_1, rest_2] = [beta_1, beta_2].map(|beta| (1.0 - beta) as f32);
        RuleLaunch::new(beta_1 as f32, rest_1, beta_2 as f32, rest_2, epsilon as f32, settles)
    }

    fn epoch(&self, number: u32, inputs: &[EpochInput]) -> Epoch<R> {
        let rows = self.targets.rows;
        let order: Vec<u32> = inputs.iter().flat_map(|input| &input.order).map(|&row| row as u32).collect();
        let masks = |&model: &u32| {
            let dropout = Dropout::new(self.seeds[model as usize], number);
            self.layout.masks(dropout, rows, self.batch_size)
        };
        let masks: Vec<Vec<u32>> = self.models.0.par_iter().map(masks).collect();
        Epoch {
            order: CardArray::new(&self.client, &order),
            masks: CardArray::new(&self.client, &masks.concat()),
            rates: CardArray::new(&self.client, &self.rates(rows.div_ceil(self.batch_size), inputs)),
        }
    }

    /// By step that follows, and by model.
    fn rates(&self, steps: usize, inputs: &[EpochInput]) -> Vec<f32> {
        let of_step = |step: u32| {
            inputs.iter().flat_map(move |input| match &self.optimizer {
                Optimizer::Adam(s) => [scaled_rate(input.learning_rate, s.beta_1, s.beta_2, step), 1.0],
                Optimizer::Adamw(s) => [
                    scaled_rate(input.learning_rate, s.beta_1, s.beta_2, step),
                    (1.0 - input.learning_rate * s.weight_decay) as f32,
                ],
                Optimizer::Sgd(_) => [input.learning_rate as f32, 1.0],
            })
        };
        (self.steps_done + 1..=self.steps_done + steps as u32).flat_map(of_step).collect()
    }

    /// Downloads logits `[models, rows, outputs]`.
    fn matrices(&self, logits: &CardArray<R, f32>, rows: usize) -> Vec<Matrix> {
        let outputs = self.targets.cols;
        let matrix = |values: &[f32]| Matrix::new(rows, outputs, values.to_vec());
        logits.read(&self.client, |numbers| numbers.chunks_exact(rows * outputs).map(matrix).collect())
    }

    fn room_for_logits(&self, rows: usize) -> CardArray<R, f32> {
        CardArray::room(&self.client, self.models.0.len() * rows * self.targets.cols)
    }

    /// A part of some of the models that are in.
    fn part(&self, part: Part, places: &[usize]) -> Vec<Weights> {
        let length = self.layout.parameters;
        self.arrays.parts[part as usize].read(&self.client, |numbers| {
            let first = |place: usize| self.models.0[place] as usize * length;
            let of_place = |&place: &usize| self.layout.weights(&numbers[first(place)..first(place) + length]);
            places.iter().map(of_place).collect()
        })
    }

    /// Puts a part of every model on the card.
    fn load_part(&mut self, part: Part, models: &[&Weights]) {
        let numbers: Vec<f32> =
            models.iter().flat_map(|weights| &weights.0).flat_map(|tensor| &tensor.values).copied().collect();
        self.arrays.parts[part as usize] = CardArray::new(&self.client, &numbers);
        if part == Part::Values {
            let models = numbers.chunks_exact(self.layout.parameters);
            let transposed: Vec<f32> = models.flat_map(|numbers| self.layout.transpose(numbers)).collect();
            self.arrays.transposed = CardArray::new(&self.client, &transposed);
        }
    }

    fn admit(&mut self, models: Vec<u32>) {
        let on_card = CardArray::new(&self.client, &models);
        self.models = (models, on_card);
    }
}

impl<R: Runtime> Engine for CardEngine<R> {
    fn train_epoch(&mut self, number: u32, inputs: &[EpochInput]) -> Vec<Matrix> {
        let rows = self.targets.rows;
        let epoch = self.epoch(number, inputs);
        let logits = self.room_for_logits(rows);
        for (step, first) in (0..rows).step_by(self.batch_size).enumerate() {
            let batch = Batch { first, rows: self.batch_size.min(rows - first) };
            self.steps_done += 1;
            self.propagate(&self.vectors.train, Some(&epoch), batch, &logits);
            self.update(&epoch, batch, step);
        }
        self.matrices(&logits, rows)
    }

    fn logits(&mut self, split: SplitName) -> Vec<Matrix> {
        let rows = self.vectors.get(split).map_or(0, |vectors| vectors.rows);
        let Some(vectors) = self.vectors.get(split).filter(|_| rows > 0) else {
            return vec![Matrix::zeros(0, self.targets.cols); self.models.0.len()];
        };
        let logits = self.room_for_logits(rows);
        for first in (0..rows).step_by(EVALUATION_ROWS) {
            self.propagate(vectors, None, Batch { first, rows: EVALUATION_ROWS.min(rows - first) }, &logits);
        }
        self.matrices(&logits, rows)
    }

    fn weights(&self, places: &[usize], _: Vec<Weights>) -> Vec<Weights> {
        self.part(Part::Values, places)
    }

    fn keep(&mut self, places: &[usize]) {
        self.admit(places.iter().map(|&place| self.models.0[place]).collect());
    }

    fn load(&mut self, weights: &[&Weights]) {
        self.load_part(Part::Values, weights);
        self.admit((0..weights.len() as u32).collect());
    }

    fn states(&self, places: &[usize]) -> Vec<State> {
        let [values, first, second] = Part::ALL.map(|part| self.part(part, places));
        let state = |((values, first), second)| State { parts: [values, first, second], steps: self.steps_done };
        values.into_iter().zip(first).zip(second).map(state).collect()
    }

    fn resume(&mut self, states: &[&State]) {
        for part in Part::ALL {
            let of_states: Vec<&Weights> = states.iter().map(|state| &state.parts[part as usize]).collect();
            self.load_part(part, &of_states);
        }
        self.admit((0..states.len() as u32).collect());
        self.steps_done = states.first().map_or(0, |state| state.steps);
    }
}

impl<R: Runtime> Arrays<R> {
    /// Without weights, which are to be loaded.
    fn new(client: &ComputeClient<R>, layout: &Layout, capacity: usize, models: usize) -> Self {
        let zeros = || CardArray::new(client, &vec![0.0; models * layout.parameters]);
        let outputs = || CardArray::room(client, models * capacity * layout.columns);
        Self {
            facts: CardArray::new(client, &layout.facts()),
            parts: [CardArray::new(client, &[]), zeros(), zeros()],
            transposed: CardArray::new(client, &[]),
            outputs: outputs(),
            slopes: outputs(),
            capacity,
        }
    }
}

impl<R: Runtime> Stack<R> {
    /// Copies the matrices to the card, one a model.
    fn new(client: &ComputeClient<R>, matrices: &[&Matrix]) -> Self {
        let (rows, cols) = (matrices[0].rows(), matrices[0].cols());
        let (numbers, starts) = stacked(matrices);
        let starts: Vec<u32> = starts.into_iter().map(|row| row as u32).collect();
        Self { numbers: CardArray::new(client, &numbers), starts: CardArray::new(client, &starts), rows, cols }
    }
}
