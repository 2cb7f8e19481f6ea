//! Tests that the same fit gives the same numbers on every device, except for the rounding of sums in another order.
#![cfg(feature = "gpu")]

use std::sync::Arc;

use emberline_base::{Bags, Combiner, Features, LayerStack, Matrix, Metric, Monitor, Splits, Substream, Task};
use emberline_device::Device;
use emberline_test_support::{Requirement, skip};
use emberline_train::settings::{Activation, Adam, Adamw, Head, Layer, LayerNorm, Optimizer, Sgd, Train};
use emberline_train::{DecisionSpec, EngineChoice, FitRequest, FitSpec, FittedModel, fit};
use serde_json::json;

use crate::support::fit_alone;

const ROWS: usize = 96;
const DIM: usize = 6;

fn targets(features: &Matrix) -> Matrix {
    let positive = |row| f32::from(u8::from(features.row(row)[0] + features.row(row)[1] > 0.0));
    Matrix::new(features.rows(), 1, (0..features.rows()).map(positive).collect())
}

/// Trains two fits with different seeds: one after the other, or together as one computation.
fn fitted(features: &Features, targets: &Matrix, device: Device, together: bool) -> Vec<FittedModel> {
    let dense = |units| Layer::Dense { units, activation: Activation::Relu };
    let splits = Splits { train: features.clone(), valid: Some(features.clone()), test: None };
    let targets = Splits { train: targets.clone(), valid: Some(targets.clone()), test: None };
    let head = Head { layers: vec![dense(16), Layer::Dropout { rate: 0.2 }, dense(8)] };
    let train = Train { epochs: 3, ..Train::default() };
    let spec = |seed| FitSpec {
        head: &head,
        train: &train,
        seed,
        task: Task::Binary,
        classes: &[],
        features: &splits,
        targets: &targets,
        order: None,
        monitor: Some(Monitor::VAL_LOSS),
        encoder: None,
        initial: None,
        decision: DecisionSpec::default(),
    };
    let specs = [spec(1), spec(2)];
    if !together {
        return specs
            .iter()
            .map(|spec| fit_alone(EngineChoice::Fastest, spec, device, &mut []).expect("the fit ends"))
            .collect();
    }
    let requests = specs.iter().map(|spec| FitRequest { spec, callbacks: &mut [], checkpointer: None }).collect();
    let fits = fit(requests, device).expect("the fits begin");
    fits.into_iter().map(|fit| fit.expect("the fit ends")).collect()
}

fn compare(features: &Features, targets: &Matrix) {
    let cpu = fitted(features, targets, Device::Cpu, false);
    for device in gpu_devices() {
        let frozen = matches!(features, Features::Frozen(_));
        let rounding = rounding(device, !frozen);
        compare_with(&cpu, &fitted(features, targets, device, false), rounding, &device.to_string());
        if frozen {
            compare_with(&cpu, &fitted(features, targets, device, true), rounding, &format!("{device}, together"));
        }
    }
}

/// Returns the GPU devices that can be used here.
fn gpu_devices() -> impl Iterator<Item = Device> {
    [Device::Wgpu, Device::Cuda].into_iter().filter(|device| {
        let detail = device.availability().detail;
        if let Err(why) = &detail {
            skip(Requirement::of_device(&device.to_string()), &format!("training on {device}: {why}"));
        }
        detail.is_ok()
    })
}

/// Returns by what factor numbers may deviate more than single precision does: on Burn's tensors, CUDA's tensor cores
/// round factors to fewer digits.
fn rounding(device: Device, on_burns_tensors: bool) -> f32 {
    if device == Device::Cuda && on_burns_tensors { 50.0 } else { 1.0 }
}

fn compare_with(cpu: &[FittedModel], others: &[FittedModel], rounding: f32, what: &str) {
    for (cpu, other) in cpu.iter().zip(others) {
        for (a, b) in cpu.history.iter().zip(&other.history) {
            let off = (a.train[&Metric::Loss] - b.train[&Metric::Loss]).abs();
            assert!(off < 1e-5 * f64::from(rounding), "{what}, epoch {}: the loss is off by {off}", a.epoch);
        }
        for (split, a) in cpu.logits.iter() {
            let b = other.logits.get(split).expect("as many splits");
            let off = a.values().iter().zip(b.values()).map(|(x, y)| (x - y).abs()).fold(0.0, f32::max);
            assert!(off < 1e-3 * rounding && a.rows() == b.rows(), "{what}, {split:?}: logits are off by {off}");
        }
        for (a, b) in cpu.weights.0.iter().zip(&other.weights.0) {
            let off = a.values.iter().zip(&b.values).map(|(x, y)| (x - y).abs()).fold(0.0, f32::max);
            assert!(off < 1e-4 * rounding, "{what}, {}: off by {off}", a.name);
        }
    }
}

/// Tests heads on frozen vectors, which GPUs train with their own kernels: every activation, optimiser and loss,
/// dropout, and sizes below and above what a cube handles at once.
#[test]
fn devices_agree_on_dense_heads() {
    type Case = (usize, usize, u32, Vec<Layer>, fn(f64) -> Optimizer, Task, usize);
    let adam = |learning_rate| Optimizer::Adam(Adam { learning_rate, ..Adam::default() });
    let adamw = |learning_rate| Optimizer::Adamw(Adamw { learning_rate, ..Adamw::default() });
    let sgd = |learning_rate| Optimizer::Sgd(Sgd { learning_rate, momentum: 0.0 });
    let momentum = |learning_rate| Optimizer::Sgd(Sgd { learning_rate, momentum: 0.9 });
    use Activation::{Gelu, Linear, Relu, Sigmoid, Tanh};
    let dense = |units, activation| Layer::Dense { units, activation };
    let dropout = |rate| Layer::Dropout { rate };
    let cases: [Case; 8] = [
        (20, 96, 32, vec![dense(256, Relu), dense(64, Relu)], adam, Task::Binary, 1),
        (7, 61, 16, vec![dense(300, Gelu), dropout(0.3)], adamw, Task::MultiClass, 5),
        (300, 40, 64, vec![], adam, Task::MultiLabel, 3),
        (5, 33, 1, vec![dense(3, Tanh), dropout(0.5), dense(40, Relu), dropout(0.1)], momentum, Task::Binary, 1),
        (33, 130, 100, vec![dense(1, Sigmoid), dense(31, Linear)], sgd, Task::MultiClass, 300),
        (520, 70, 35, vec![dense(40, Relu), dense(600, Tanh), dense(2, Gelu)], adam, Task::Binary, 1),
        (4, 1, 32, vec![dense(8, Relu)], adam, Task::Binary, 1),
        (9, 50, 32, vec![dropout(0.2), dense(8, Relu)], adam, Task::Binary, 1), // On Burn's tensors.
    ];
    for (dim, rows, batch_size, layers, optimizer, task, outputs) in cases {
        let what = format!("{dim} {rows} {batch_size} {layers:?} {:?} {outputs}", optimizer(0.0));
        let mut stream = Substream::new(5, &what);
        let mut random = |rows: usize| Matrix::new(rows, dim, (0..rows * dim).map(|_| stream.symmetric(1.0)).collect());
        let vectors = Splits { train: random(rows), valid: Some(random(1030)), test: Some(random(3)) };
        let targets = vectors.map(|_, vectors| {
            let mut targets = Matrix::zeros(vectors.rows(), outputs);
            let label = |row: usize| f32::from(u8::from(!row.is_multiple_of(3) || outputs > 1));
            (0..vectors.rows()).for_each(|row| targets.row_mut(row)[row * 7 % outputs] = label(row));
            targets
        });
        let features = vectors.into_map(Features::Frozen);
        let head = Head { layers };
        let train =
            |(rate, epochs): (f64, u32)| Train { epochs, batch_size, optimizer: optimizer(rate), ..Train::default() };
        let trains = [(1e-2, 3), (3e-3, 2), (3e-3, 4)].map(train);
        let spec = |(seed, train)| FitSpec {
            head: &head,
            train,
            seed,
            task,
            classes: &[],
            features: &features,
            targets: &targets,
            order: None,
            monitor: Some(Monitor::VAL_LOSS),
            encoder: None,
            initial: None,
            decision: DecisionSpec::default(),
        };
        let specs: Vec<FitSpec<'_>> = (1..).zip(&trains).map(spec).collect();
        compare_fits(&specs, &what);
    }
}

/// Kernels follow schedules and draws; what they don't know is left to Burn.
#[test]
fn devices_agree_on_settings_of_training() {
    let mut stream = Substream::new(6, "settings");
    let vectors: Vec<f32> = (0..ROWS * DIM).map(|_| stream.symmetric(1.0)).collect();
    let vectors = Matrix::new(ROWS, DIM, vectors);
    let column = targets(&vectors);
    let features = Features::Frozen(vectors);
    let features = Splits { train: features.clone(), valid: Some(features), test: None };
    let targets = Splits { train: column.clone(), valid: Some(column), test: None };
    let plain = [Layer::Dense { units: 16, activation: Activation::Relu }];
    let other = [Layer::Dense { units: 16, activation: Activation::Silu }, Layer::LayerNorm(LayerNorm::default())];
    let cases = [
        (&plain[..], json!({"schedule": {"cosine": {"warmup": 0.1}}, "sampling": "balanced"})),
        (&plain[..], json!({"class_weight": "balanced", "l2": 0.01})),
        (&plain[..], json!({"loss": {"focal": {"gamma": 2.0, "alpha": 0.25}}, "clip": {"value": 0.01}})),
        (&other[..], json!({"loss": {"binary_cross_entropy": {"label_smoothing": 0.1}}, "clip": {"norm": 0.1}})),
    ];
    for (layers, settings) in cases {
        let head = Head { layers: layers.to_vec() };
        let train: Train = serde_json::from_value(settings.clone()).expect("settings");
        let train = Train { epochs: 3, ..train };
        let spec = |seed| FitSpec {
            head: &head,
            train: &train,
            seed,
            task: Task::Binary,
            classes: &[],
            features: &features,
            targets: &targets,
            order: None,
            monitor: Some(Monitor::VAL_LOSS),
            encoder: None,
            initial: None,
            decision: DecisionSpec::default(),
        };
        compare_fits(&[spec(1), spec(2)], &settings.to_string());
    }
}

fn compare_fits(specs: &[FitSpec<'_>], what: &str) {
    let alone = |device| {
        specs
            .iter()
            .map(|spec| fit_alone(EngineChoice::Fastest, spec, device, &mut []).expect("the fit ends"))
            .collect::<Vec<_>>()
    };
    let cpu = alone(Device::Cpu);
    for device in gpu_devices() {
        let uses_burn = !(specs[0].head.has_gpu_kernels() && specs[0].train.has_gpu_kernels());
        let on_gpu = alone(device);
        compare_with(&cpu, &on_gpu, rounding(device, uses_burn), &format!("{device}, {what}"));
        let requests = specs.iter().map(|spec| FitRequest { spec, callbacks: &mut [], checkpointer: None }).collect();
        let together = fit(requests, device).expect("the fits begin").into_iter();
        let together: Vec<FittedModel> = together.map(|fit| fit.expect("the fit ends")).collect();
        for (alone, together) in on_gpu.iter().zip(&together) {
            assert!(uses_burn || alone.weights == together.weights, "{device}, {what}: a pack changes bytes");
        }
    }
}

#[test]
fn devices_agree_on_frozen_tuned_and_mixed_fits() {
    let mut stream = Substream::new(3, "test");
    let mut random = |rows: usize| Matrix::new(rows, DIM, (0..rows * DIM).map(|_| stream.symmetric(1.0)).collect());
    let frozen = random(ROWS);
    let targets = targets(&frozen);
    compare(&Features::Frozen(frozen), &targets);
    // Row i is the bag {i mod 40, i mod 7}; every tenth one is empty.
    let bags = (0..ROWS as u32).map(|i| if i % 10 == 9 { vec![] } else { vec![i % 40, i % 7] });
    let bags: Vec<Vec<u32>> = bags.collect();
    let mut offsets = vec![0];
    offsets.extend(bags.iter().scan(0, |end, bag| {
        *end += bag.len();
        Some(*end)
    }));
    let tuned = Bags {
        table: Arc::new(random(40)),
        rows: Arc::default(),
        combiner: Combiner::Sqrtn,
        normalize: true,
        offsets,
        ids: bags.concat(),
    };
    compare(&Features::Trainable(tuned), &targets);
    let layers = random(3 * ROWS);
    let vectors = Matrix::new(ROWS, 3 * DIM, layers.into_values());
    compare(&Features::Mixed(LayerStack { vectors, layers: 3 }), &targets);
}
