//! The same fit on every device that is there: equal within what the order of sums can change.
#![cfg(feature = "gpu")]

use std::sync::Arc;

use emberline_base::{Bags, Combiner, Features, Layered, Matrix, Metric, Monitor, Splits, Substream, Task};
use emberline_device::Device;
use emberline_train::settings::{Activation, Head, Layer, Train};
use emberline_train::{Fit, Job, Watched, fit, fit_together};

const ROWS: usize = 96;
const DIM: usize = 6;

fn targets(features: &Matrix) -> Matrix {
    let positive = |row| f32::from(u8::from(features.row(row)[0] + features.row(row)[1] > 0.0));
    Matrix::new(features.rows(), 1, (0..features.rows()).map(positive).collect())
}

/// Two fits that differ in their seeds: alone, one after the other, or as one computation.
fn fitted(features: &Features, targets: &Matrix, device: Device, together: bool) -> Vec<Fit> {
    let dense = |units| Layer::Dense { units, activation: Activation::Relu };
    let splits = Splits { train: features.clone(), valid: Some(features.clone()), test: None };
    let targets = Splits { train: targets.clone(), valid: Some(targets.clone()), test: None };
    let head = Head { layers: vec![dense(16), Layer::Dropout { rate: 0.2 }, dense(8)] };
    let train = Train { epochs: 3, ..Train::default() };
    let job = |seed| Job {
        head: &head,
        train: &train,
        seed,
        task: Task::Binary,
        features: &splits,
        targets: &targets,
        monitor: Monitor::VAL_LOSS,
        initial: None,
    };
    let jobs = [job(1), job(2)];
    if !together {
        return jobs.iter().map(|job| fit(job, device, &mut []).expect("the fit ends")).collect();
    }
    let watched = jobs.iter().map(|job| Watched { job, callbacks: &mut [], keeper: None }).collect();
    let fits = fit_together(watched, device).expect("the fits begin");
    fits.into_iter().map(|fit| fit.expect("the fit ends")).collect()
}

fn compare(features: &Features, targets: &Matrix) {
    let cpu = fitted(features, targets, Device::Cpu, false);
    for device in [Device::Wgpu, Device::Cuda] {
        if let Err(why) = device.availability().detail {
            use std::io::Write;
            let _ = writeln!(std::io::stderr(), "SKIPPED: {device}: {why}");
            continue;
        }
        compare_with(&cpu, &fitted(features, targets, device, false), &device.to_string());
        if matches!(features, Features::Frozen(_)) {
            compare_with(&cpu, &fitted(features, targets, device, true), &format!("{device}, together"));
        }
    }
}

fn compare_with(cpu: &[Fit], others: &[Fit], what: &str) {
    for (cpu, other) in cpu.iter().zip(others) {
        for (a, b) in cpu.history.iter().zip(&other.history) {
            let off = (a.train[&Metric::Loss] - b.train[&Metric::Loss]).abs();
            assert!(off < 1e-5, "{what}, epoch {}: the loss is off by {off}", a.epoch);
        }
        for (a, b) in cpu.weights.0.iter().zip(&other.weights.0) {
            let off = a.values.iter().zip(&b.values).map(|(x, y)| (x - y).abs()).fold(0.0, f32::max);
            assert!(off < 1e-4, "{what}, {}: off by {off}", a.name);
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
