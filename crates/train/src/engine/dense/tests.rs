//! Tests the fused step against Burn's, against finite differences, and for reproducibility.

use std::sync::Arc;

use emberline_base::{Bags, Combiner, Features, Matrix, SplitName, Splits, Substream, Task};
use emberline_device::Device;

use super::super::{Engine, EngineSpec, EpochInput, build_burn};
use super::DenseEngine;
use super::trainer::HeadTrainer;
use crate::head::Architecture;
use crate::metric::basic;
use crate::objective::Objective;
use crate::optimizer::StepOptimizer;
use crate::settings::{Activation, Adam, Adamw, Clip, Head, Layer, Sgd, Train};
use crate::weights::{Tensor, Weights};

/// Not a multiple of a batch, a tile or a panel.
const ROWS: usize = 203;
const DIM: usize = 21;

/// Everything that a spec borrows.
struct Case {
    architecture: Architecture,
    optimizer: StepOptimizer,
    task: Task,
    objective: Objective,
    clip: Option<Clip>,
    l2: f64,
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
    fn new(layers: &[(u32, Activation)], optimizer: StepOptimizer, task: Task, features: Features) -> Self {
        let outputs = if task == Task::MultiClass { 19 } else { 3 };
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
        let objective = Objective::new(&Train::default(), task, &[], &targets).expect("an objective");
        let (clip, features) = (None, both(features));
        Self { architecture, optimizer, task, objective, clip, l2: 0.0, batch_size: 32, features, targets, weights }
    }

    /// Returns the same case with other settings of training.
    fn with(self, train: serde_json::Value) -> Self {
        let train: Train = serde_json::from_value(train).expect("settings");
        let classes: Vec<String> = (0..19).map(|class| format!("c{class}")).collect();
        let objective = Objective::new(&train, self.task, &classes, &self.targets).expect("an objective");
        Self { objective, clip: train.clip, l2: train.l2.unwrap_or(0.0), ..self }
    }

    fn spec(&self) -> EngineSpec<'_> {
        EngineSpec {
            architecture: &self.architecture,
            optimizer: &self.optimizer,
            objective: &self.objective,
            clip: self.clip,
            l2: self.l2,
            batch_size: self.batch_size,
            seed: 1,
            features: &self.features,
            targets: &self.targets,
            weights: &self.weights,
            encoder: None,
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
        let objective = (&self.objective, SplitName::Train);
        basic(self.task, objective, logits, &self.targets.select(order))[&emberline_base::Metric::Loss]
    }

    /// Runs epochs on an engine. Returns the losses of each, training and validation, and the final weights.
    fn run(&self, engine: &mut dyn Engine, epochs: u32) -> (Vec<f64>, Weights) {
        let mut losses = Vec::new();
        for epoch in 1..=epochs {
            let mut order: Vec<usize> = (0..ROWS).collect();
            Substream::new(3, &format!("{epoch}")).shuffle(&mut order);
            let learning_rate = self.optimizer.learning_rate() / f64::from(epoch);
            let learning_rates = vec![learning_rate; ROWS.div_ceil(self.batch_size)];
            let logits = engine.train_epoch(epoch, &[EpochInput { order: order.clone(), learning_rates }]);
            losses.push(self.mean_loss(&logits[0], &order));
            order.sort_unstable();
            losses.push(self.mean_loss(&engine.logits(SplitName::Valid)[0], &order));
        }
        (losses, engine.weights(&[0], vec![Weights::default()]).remove(0))
    }

    /// Returns l2 times the squared weights of all kernels.
    fn penalty(&self, weights: &Weights) -> f64 {
        let kernels = weights.0.iter().filter(|array| array.name.ends_with(".kernel"));
        self.l2 * kernels.flat_map(|array| &array.values).map(|&value| f64::from(value).powi(2)).sum::<f64>()
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

const ACTIVATIONS: [Activation; 6] =
    [Activation::Linear, Activation::Relu, Activation::Gelu, Activation::Tanh, Activation::Sigmoid, Activation::Silu];
/// The tasks whose cross-entropies are the binary and the categorical one.
const LOSSES: [Task; 2] = [Task::MultiLabel, Task::MultiClass];

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

/// Settings of the objective that suit both tasks of [`LOSSES`], and those that suit the second alone.
fn objectives() -> (Vec<serde_json::Value>, Vec<serde_json::Value>) {
    let json = |text: &str| serde_json::from_str(text).expect("JSON");
    let both =
        [r#"{"loss": {"focal": {"gamma": 2.0}}}"#, r#"{"l2": 0.01}"#, r#"{"l2": 0.01, "clip": {"value": 1e-3}}"#];
    let one = [
        r#"{"class_weight": {"c0": 4.0, "c7": 0.25}}"#,
        r#"{"class_weight": "balanced", "loss": {"categorical_cross_entropy": {"label_smoothing": 0.1}}, "l2": 0.05}"#,
    ];
    (both.map(json).to_vec(), one.map(json).to_vec())
}

#[test]
fn weighted_smoothed_and_penalised_heads_train_as_burns() {
    let (both, one) = objectives();
    let layers = [(24, Activation::Silu)];
    for train in &both {
        for optimizer in optimizers() {
            Case::new(&layers, optimizer.clone(), LOSSES[0], frozen()).with(train.clone()).compare_with_burn();
            let combiner = Combiner::Mean;
            if optimizer.leaves_untouched_rows() {
                let case = Case::new(&layers, optimizer, LOSSES[0], tuned(combiner, false));
                case.with(train.clone()).compare_with_burn();
            }
        }
    }
    for train in both.iter().chain(&one) {
        Case::new(&layers, adam(), LOSSES[1], frozen()).with(train.clone()).compare_with_burn();
    }
}

#[test]
fn a_common_norm_is_left_to_burn() {
    let case = Case::new(&[], adam(), LOSSES[0], frozen()).with(serde_json::json!({"clip": {"norm": 1.0}}));
    assert!(!super::supports(&case.spec()));
}

/// Checks gradients against finite differences. One step of plain gradient descent with learning rate 1 subtracts the
/// gradient.
fn check_gradients(layers: &[(u32, Activation)], task: Task, features: Features) {
    check_gradients_with(layers, task, features, serde_json::json!({}));
}

fn check_gradients_with(layers: &[(u32, Activation)], task: Task, features: Features, train: serde_json::Value) {
    let plain = StepOptimizer::Sgd(Sgd { learning_rate: 1.0, momentum: 0.0 });
    let case = Case { batch_size: ROWS, ..Case::new(layers, plain, task, features).with(train) };
    let order: Vec<usize> = (0..ROWS).collect();
    let mut engine = case.dense();
    engine.train_epoch(&order, &[1.0]);
    let moved = engine.weights(Weights::default());
    for (array, tensor) in case.weights.0.iter().enumerate() {
        for at in (0..tensor.values.len()).step_by(tensor.values.len() / 7 + 1) {
            let mut loss_at = |offset: f32| {
                let mut weights = case.weights.clone();
                weights.0[array].values[at] += offset;
                engine.load(&weights);
                case.mean_loss(&engine.logits(SplitName::Valid), &order) + case.penalty(&weights)
            };
            let slope = (loss_at(1e-2) - loss_at(-1e-2)) / 2e-2;
            let gradient = f64::from(tensor.values[at] - moved.0[array].values[at]);
            assert!((slope - gradient).abs() < 2e-4, "{layers:?} {} {at}: {gradient}, not {slope}", tensor.name);
        }
    }
}

#[test]
fn gradients_are_the_slopes_of_the_loss() {
    for activation in [Activation::Linear, Activation::Gelu, Activation::Tanh, Activation::Sigmoid, Activation::Silu] {
        for loss in LOSSES {
            check_gradients(&[(19, activation), (7, activation)], loss, frozen());
        }
    }
    let (both, one) = objectives();
    for train in both.iter().filter(|train| train.get("clip").is_none()) {
        check_gradients_with(&[(19, Activation::Silu)], LOSSES[0], frozen(), train.clone());
    }
    for train in one {
        check_gradients_with(&[(19, Activation::Silu)], LOSSES[1], frozen(), train);
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
    assert!(case.dense().train_epoch(&order, &[1e-3; ROWS.div_ceil(32)]).row(5).iter().all(|z| z.is_nan()));
}
