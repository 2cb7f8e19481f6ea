//! Tests the fused step against Burn's, against finite differences, and for reproducibility.

use std::sync::Arc;

use emberline_base::{Bags, Combiner, Features, Matrix, SplitName, Splits, Substream, Task};
use emberline_device::Device;

use super::super::{Engine, EngineSpec, EpochInput, build_burn};
use super::DenseEngine;
use super::trainer::HeadTrainer;
use crate::head::Architecture;
use crate::metric::basic;
use crate::optimizer::StepOptimizer;
use crate::settings::{Activation, Adam, Adamw, Head, Layer, Loss, Sgd};
use crate::weights::{Tensor, Weights};

/// Not a multiple of a batch, a tile or a panel.
const ROWS: usize = 203;
const DIM: usize = 21;

/// Everything that a spec borrows.
struct Case {
    architecture: Architecture,
    optimizer: StepOptimizer,
    loss: Loss,
    batch_size: usize,
    features: Splits<Features>,
    targets: Matrix,
    weights: Weights,
}

fn random(name: &str, rows: usize, cols: usize) -> Matrix {
    let mut stream = Substream::new(7, name);
    Matrix::new(rows, cols, (0..rows * cols).map(|_| stream.symmetric(1.0)).collect())
}

/// Returns a training and a validation split of the same rows.
fn both(features: Features) -> Splits<Features> {
    Splits { train: features.clone(), valid: Some(features), test: None }
}

fn frozen() -> Features {
    Features::Frozen(random("vectors", ROWS, DIM))
}

/// Returns bags of 0 to 11 of 60 rows; row 0 of the table is all zeros, and some bags hold only that row.
fn tuned(combiner: Combiner, normalize: bool) -> Features {
    let mut stream = Substream::new(7, "bags");
    let mut table = random("table", 60, DIM);
    table.row_mut(0).fill(0.0);
    let (mut ids, mut offsets) = (Vec::new(), vec![0]);
    for text in 0..ROWS {
        let length = text % 12;
        ids.extend((0..length).map(|_| (stream.unit() * stream.unit() * 60.0) as u32));
        if text % 50 == 1 {
            ids.truncate(offsets[text]);
            ids.push(0);
        }
        offsets.push(ids.len());
    }
    Features::Trainable(Bags { table: Arc::new(table), rows: Arc::default(), combiner, normalize, offsets, ids })
}

impl Case {
    fn new(layers: &[(u32, Activation)], optimizer: StepOptimizer, loss: Loss, features: Features) -> Self {
        let outputs = if loss == Loss::CategoricalCrossEntropy { 19 } else { 3 };
        let layers = layers.iter().map(|&(units, activation)| Layer::Dense { units, activation }).collect();
        let architecture = Architecture::new(&Head { layers }, DIM, outputs);
        let mut weights = architecture.initial_weights(1).expect("memory");
        if let Features::Trainable(bags) = &features {
            let shape = vec![bags.table.rows(), DIM];
            let values = bags.table.values().to_vec();
            weights.0.insert(0, Tensor { name: "embedding.table".into(), shape, values });
        }
        let mut targets = Matrix::zeros(ROWS, outputs);
        (0..ROWS).for_each(|row| targets.row_mut(row)[row % outputs] = 1.0);
        Self { architecture, optimizer, loss, batch_size: 32, features: both(features), targets, weights }
    }

    fn spec(&self) -> EngineSpec<'_> {
        EngineSpec {
            architecture: &self.architecture,
            optimizer: &self.optimizer,
            loss: self.loss,
            batch_size: self.batch_size,
            seed: 1,
            features: &self.features,
            targets: &self.targets,
            weights: &self.weights,
        }
    }

    fn dense(&self) -> HeadTrainer<'_> {
        assert!(super::supports(&self.spec()));
        HeadTrainer::new(&self.spec()).expect("memory")
    }

    fn engine(&self) -> DenseEngine<'_> {
        DenseEngine::new(&self.spec()).expect("memory")
    }

    fn mean_loss(&self, logits: &Matrix, order: &[usize]) -> f64 {
        let task = if self.loss == Loss::CategoricalCrossEntropy { Task::MultiClass } else { Task::MultiLabel };
        basic(task, self.loss, logits, &self.targets.select(order))[&emberline_base::Metric::Loss]
    }

    /// Runs epochs on an engine. Returns the losses of each, training and validation, and the final weights.
    fn run(&self, engine: &mut dyn Engine, epochs: u32) -> (Vec<f64>, Weights) {
        let mut losses = Vec::new();
        for epoch in 1..=epochs {
            let mut order: Vec<usize> = (0..ROWS).collect();
            Substream::new(3, &format!("{epoch}")).shuffle(&mut order);
            let learning_rate = self.optimizer.learning_rate() / f64::from(epoch);
            let logits = engine.train_epoch(epoch, &[EpochInput { order: order.clone(), learning_rate }]);
            losses.push(self.mean_loss(&logits[0], &order));
            order.sort_unstable();
            losses.push(self.mean_loss(&engine.logits(SplitName::Valid)[0], &order));
        }
        (losses, engine.weights(&[0], vec![Weights::default()]).remove(0))
    }

    fn compare_with_burn(&self) {
        let mut burn = build_burn(Device::Cpu, &[self.spec()]).expect("the processor is there");
        let (theirs, their_weights) = self.run(burn.as_mut(), 3);
        let (ours, our_weights) = self.run(&mut self.engine(), 3);
        let what = format!("{:?} {:?}", self.optimizer, self.architecture);
        for (ours, theirs) in ours.iter().zip(&theirs) {
            assert!((ours - theirs).abs() <= 1e-6 * theirs, "{what}: {ours}, not {theirs}");
        }
        for (ours, theirs) in our_weights.0.iter().zip(&their_weights.0) {
            assert_eq!((&ours.name, &ours.shape), (&theirs.name, &theirs.shape));
        }
    }
}

fn adam() -> StepOptimizer {
    StepOptimizer::Adam(Adam { learning_rate: 1e-3, ..Adam::default() })
}

fn optimizers() -> [StepOptimizer; 4] {
    let adamw = Adamw { weight_decay: 0.05, ..Adamw::default() };
    let sgd = |momentum| StepOptimizer::Sgd(Sgd { learning_rate: 0.05, momentum });
    [adam(), StepOptimizer::Adamw(adamw), sgd(0.0), sgd(0.9)]
}

const ACTIVATIONS: [Activation; 5] =
    [Activation::Linear, Activation::Relu, Activation::Gelu, Activation::Tanh, Activation::Sigmoid];
const LOSSES: [Loss; 2] = [Loss::BinaryCrossEntropy, Loss::CategoricalCrossEntropy];

#[test]
fn frozen_heads_train_as_burns() {
    for activation in ACTIVATIONS {
        for loss in LOSSES {
            Case::new(&[(40, activation), (18, activation)], adam(), loss, frozen()).compare_with_burn();
        }
    }
    for optimizer in optimizers() {
        let layers = [(33, Activation::Relu)];
        Case::new(&layers, optimizer.clone(), LOSSES[0], frozen()).compare_with_burn();
        Case::new(&[], optimizer, LOSSES[1], frozen()).compare_with_burn();
    }
}

#[test]
fn tuned_tables_train_as_burns() {
    for optimizer in optimizers().into_iter().filter(StepOptimizer::leaves_untouched_rows) {
        for combiner in [Combiner::Sum, Combiner::Mean, Combiner::Sqrtn] {
            let layers = [(24, Activation::Tanh)];
            Case::new(&layers, optimizer.clone(), LOSSES[0], tuned(combiner, false)).compare_with_burn();
        }
    }
}

/// Checks gradients against finite differences. One step of plain gradient descent with learning rate 1 subtracts the
/// gradient.
fn check_gradients(layers: &[(u32, Activation)], loss: Loss, features: Features) {
    let plain = StepOptimizer::Sgd(Sgd { learning_rate: 1.0, momentum: 0.0 });
    let case = Case { batch_size: ROWS, ..Case::new(layers, plain, loss, features) };
    let order: Vec<usize> = (0..ROWS).collect();
    let mut engine = case.dense();
    engine.train_epoch(&order, 1.0);
    let moved = engine.weights(Weights::default());
    for (array, tensor) in case.weights.0.iter().enumerate() {
        for at in (0..tensor.values.len()).step_by(tensor.values.len() / 7 + 1) {
            let mut loss_at = |offset: f32| {
                let mut weights = case.weights.clone();
                weights.0[array].values[at] += offset;
                engine.load(&weights);
                case.mean_loss(&engine.logits(SplitName::Valid), &order)
            };
            let slope = (loss_at(1e-2) - loss_at(-1e-2)) / 2e-2;
            let gradient = f64::from(tensor.values[at] - moved.0[array].values[at]);
            assert!((slope - gradient).abs() < 2e-4, "{layers:?} {} {at}: {gradient}, not {slope}", tensor.name);
        }
    }
}

#[test]
fn gradients_are_the_slopes_of_the_loss() {
    for activation in [Activation::Linear, Activation::Gelu, Activation::Tanh, Activation::Sigmoid] {
        for loss in LOSSES {
            check_gradients(&[(19, activation), (7, activation)], loss, frozen());
        }
    }
    for combiner in [Combiner::Sum, Combiner::Mean, Combiner::Sqrtn] {
        check_gradients(&[(19, Activation::Tanh)], LOSSES[0], tuned(combiner, false));
    }
}

#[test]
fn gradients_pass_through_vectors_of_length_1() {
    let Features::Trainable(mut bags) = tuned(Combiner::Mean, true) else { unreachable!("bags") };
    // A vector of zeros has no direction and thus no derivative, so the rows are replaced by others.
    let rows = random("rows", 60, DIM);
    bags.table = Arc::new(rows);
    check_gradients(&[(19, Activation::Tanh)], LOSSES[0], Features::Trainable(bags));
}

#[test]
fn a_row_of_zeros_passes_no_gradient_that_is_not_finite() {
    let case = Case::new(&[(8, Activation::Relu)], adam(), LOSSES[0], tuned(Combiner::Sqrtn, true));
    let (losses, weights) = case.run(&mut case.engine(), 2);
    assert!(losses.iter().all(|loss| loss.is_finite()));
    assert!(weights.0.iter().flat_map(|t| &t.values).all(|v| v.is_finite()));
}

#[test]
fn two_runs_give_equal_bytes() {
    for features in [frozen(), tuned(Combiner::Sqrtn, false)] {
        let case = Case::new(&[(40, Activation::Gelu)], adam(), LOSSES[0], features);
        assert_eq!(case.run(&mut case.engine(), 2), case.run(&mut case.engine(), 2));
    }
}

#[test]
fn logits_do_not_depend_on_other_rows() {
    let mut case = Case::new(&[(300, Activation::Relu), (18, Activation::Tanh)], adam(), LOSSES[0], frozen());
    let all = case.dense().logits(SplitName::Valid);
    let rows: Vec<usize> = (150..ROWS).rev().collect();
    case.features.valid = Some(Features::Frozen(random("vectors", ROWS, DIM).select(&rows)));
    assert_eq!(case.dense().logits(SplitName::Valid), all.select(&rows));
}

#[test]
fn nan_in_a_vector_shows_in_the_logits() {
    let mut vectors = random("vectors", ROWS, DIM);
    vectors.row_mut(5)[3] = f32::NAN;
    let case = Case::new(&[(40, Activation::Relu)], adam(), LOSSES[0], Features::Frozen(vectors));
    let order: Vec<usize> = (0..ROWS).collect();
    assert!(case.dense().train_epoch(&order, 1e-3).row(5).iter().all(|z| z.is_nan()));
}
