//! The same fit on every device that is there: equal within what the order of sums can change.
#![cfg(feature = "gpu")]

use std::sync::Arc;

use emberline_base::{Bags, Combiner, Features, Layered, Matrix, Metric, Monitor, Splits, Substream, Task};
use emberline_device::Device;
use emberline_train::settings::{Activation, Head, Layer, Train};
use emberline_train::{Fit, Job, fit};

const ROWS: usize = 96;
const DIM: usize = 6;

fn targets(features: &Matrix) -> Matrix {
    let positive = |row| f32::from(u8::from(features.row(row)[0] + features.row(row)[1] > 0.0));
    Matrix::new(features.rows(), 1, (0..features.rows()).map(positive).collect())
}

fn fitted(features: &Features, targets: &Matrix, device: Device) -> Fit {
    let dense = |units| Layer::Dense { units, activation: Activation::Relu };
    let splits = Splits { train: features.clone(), valid: Some(features.clone()), test: None };
    let job = Job {
        head: &Head { layers: vec![dense(16), Layer::Dropout { rate: 0.2 }, dense(8)] },
        train: &Train { epochs: 3, ..Train::default() },
        seed: 1,
        task: Task::Binary,
        features: &splits,
        targets: &Splits { train: targets.clone(), valid: Some(targets.clone()), test: None },
        monitor: Monitor::VAL_LOSS,
        initial: None,
    };
    fit(&job, device, &mut []).expect("the fit ends")
}

fn compare(features: &Features, targets: &Matrix) {
    let cpu = fitted(features, targets, Device::Cpu);
    for device in [Device::Wgpu, Device::Cuda] {
        if let Err(why) = device.availability().detail {
            use std::io::Write;
            let _ = writeln!(std::io::stderr(), "SKIPPED: {device}: {why}");
            continue;
        }
        let other = fitted(features, targets, device);
        for (a, b) in cpu.history.iter().zip(&other.history) {
            let off = (a.train[&Metric::Loss] - b.train[&Metric::Loss]).abs();
            assert!(off < 1e-5, "{device}, epoch {}: the loss is off by {off}", a.epoch);
        }
        for (a, b) in cpu.weights.0.iter().zip(&other.weights.0) {
            let off = a.values.iter().zip(&b.values).map(|(x, y)| (x - y).abs()).fold(0.0, f32::max);
            assert!(off < 1e-4, "{device}, {}: off by {off}", a.name);
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
    let tuned =
        Bags { table: Arc::new(random(40)), combiner: Combiner::Sqrtn, normalize: true, offsets, ids: bags.concat() };
    compare(&Features::Tuned(tuned), &targets);
    let layers = random(3 * ROWS);
    let vectors = Matrix::new(ROWS, 3 * DIM, layers.into_values());
    compare(&Features::Mixed(Layered { vectors, layers: 3 }), &targets);
}
