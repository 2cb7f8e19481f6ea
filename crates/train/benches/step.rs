//! Measures the time of a training step, head 256-64-1 under Adam, on the engine that `fit` chooses and on Burn's
//! tensors.
//!
//! `cargo bench -p emberline-train --bench step -- [frozen] [tuned] [large] [burn] [packed] [sizes]`
//! `cargo bench -p emberline-train --features gpu --bench step -- cuda|wgpu [burn]`
//!
//! Prints one line of JSON per case. `us_step` is the CPU time of a step in microseconds, averaged over further epochs;
//! it includes shuffling, metrics and keeping the best weights, and excludes other work on the machine. `us_step_wall`
//! is the wall time in the fastest epoch. `floor_us` is the time that only the matrix products of the step would take
//! at the speed of `gflops`, which is that of a product of 512^3 by Burn's flex on one thread, measured with every
//! case; it makes machines and days comparable. `packed` trains 1, 8 and 64 heads as one computation on Burn's tensors;
//! its times are those of one head's step. `sizes` adds intermediate lengths of vectors and sizes of tables, to show
//! how the cost grows. Linux only.
//!
//! `cuda` and `wgpu` train packs of 1, 8 and 64 heads on a GPU; with `burn`, on Burn's tensors, too. `us_step_wall` is
//! a head's share of a step in the fastest epoch, including shuffling, uploads, downloads and metrics.
//! `ci/bench/step.py` and `ci/bench/card.py` run it next to other programs.

#![expect(clippy::print_stdout, reason = "a bench prints its result")]

use std::error::Error;
use std::sync::Arc;
use std::time::Instant;

use burn::backend::Flex;
use burn::tensor::{Distribution, Tensor};
use emberline_base::{Bags, Combiner, Features, Matrix, Metric, Monitor, Splits, Substream, Task};
use emberline_device::Device;
use emberline_train::settings::{Activation, Adam, Head, Layer, Optimizer, Train};
use emberline_train::{DecisionSpec, EngineChoice, FitRequest, FitSpec, FittedModel, fit_with};

/// The number of training rows of the course: 409 steps of 32.
const ROWS: usize = 13_061;

fn main() -> Result<(), Box<dyn Error>> {
    let asked: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let wants = |name: &str| asked.is_empty() || asked.iter().any(|word| word == name);
    if asked.iter().any(|word| word == "sizes") {
        for dim in [64, 256, 1024] {
            measure("frozen", &Features::Frozen(random(ROWS, dim)), 32, 10, false)?;
        }
        measure("tuned", &Features::Trainable(bags(63_000)), 32, 4, false)?;
    }
    for (dim, batch) in [(20, 32), (128, 32), (512, 32), (20, 256), (128, 256), (512, 256)] {
        if wants("frozen") {
            measure("frozen", &Features::Frozen(random(ROWS, dim)), batch, 10, wants("burn"))?;
        }
    }
    for (dim, pack) in [20, 128, 512].into_iter().flat_map(|dim| [1, 8, 64].map(|pack| (dim, pack))) {
        if asked.iter().any(|word| word == "packed") {
            measure_pack(dim, pack)?;
        }
    }
    for device in [Device::Cuda, Device::Wgpu] {
        if asked.iter().any(|word| word == device.name()) {
            measure_on_gpu(device, wants("burn"))?;
        }
    }
    for (rows, batch) in [(20_000, 32), (200_000, 32), (20_000, 256), (974_000, 32)] {
        if if rows > 200_000 { asked.iter().any(|word| word == "large") } else { wants("tuned") } {
            // Burn updates the whole table at every step.
            measure(
                "tuned",
                &Features::Trainable(bags(rows)),
                batch,
                4,
                wants("burn") && (rows, batch) == (20_000, 32),
            )?;
        }
    }
    Ok(())
}

fn random(rows: usize, cols: usize) -> Matrix {
    let mut stream = Substream::new(1, "vectors");
    Matrix::new(rows, cols, (0..rows * cols).map(|_| stream.symmetric(0.3)).collect())
}

/// Returns texts of 8 to 17 words, of which those with low ids are frequent, with a table `[rows, 128]`.
fn bags(rows: usize) -> Bags {
    let mut stream = Substream::new(1, "words");
    let (mut offsets, mut ids) = (vec![0], Vec::new());
    for text in 0..ROWS {
        ids.extend((0..8 + text % 10).map(|_| (stream.unit().powi(3) * rows as f32) as u32));
        offsets.push(ids.len());
    }
    Bags {
        table: Arc::new(random(rows, 128)),
        rows: Arc::default(),
        combiner: Combiner::Sqrtn,
        normalize: false,
        offsets,
        ids,
    }
}

fn measure(kind: &str, features: &Features, batch: u32, epochs: u32, burn: bool) -> Result<(), Box<dyn Error>> {
    let table = if let Features::Trainable(bags) = features { Some(bags.table.rows()) } else { None };
    let engines = [("dense", epochs), ("burn", if table.is_some() { 1 } else { epochs.min(3) })];
    for (engine, epochs) in engines.into_iter().take(1 + usize::from(burn)) {
        let gflops = gflops();
        let run = |epochs| -> Result<(FittedModel, f64), Box<dyn Error>> {
            let case = Case::new(features, batch, epochs);
            let before = processor_seconds()?;
            let engine = if engine == "burn" { EngineChoice::Burn } else { EngineChoice::Fastest };
            let mut fitted = fit_all(engine, &[case.spec(1)], Device::Cpu)?;
            Ok((fitted.pop().ok_or("no fit")?, processor_seconds()? - before))
        };
        // The time of the later epochs: a table is prepared once, and new memory costs more the first time.
        run(1)?;
        let ((_, first), (fit, all)) = (run(1)?, run(epochs + 1)?);
        let steps = ROWS.div_ceil(batch as usize) as f64;
        let processor = (all - first) / f64::from(epochs) / steps;
        let wall = fit.history.iter().map(|epoch| epoch.seconds).fold(f64::INFINITY, f64::min) / steps;
        let line = serde_json::json!({
            "engine": engine, "features": kind, "dim": features.dim(), "batch": batch, "table": table,
            "us_step": processor * 1e6, "us_step_wall": wall * 1e6, "gflops": gflops,
            "floor_us": products(features.dim(), batch, table.is_some()) / gflops / 1e3,
        });
        println!("{line}");
    }
    Ok(())
}

/// Measures heads of one shape with different seeds, for one epoch.
fn measure_pack(dim: usize, pack: u64) -> Result<(), Box<dyn Error>> {
    let case = Case::new(&Features::Frozen(random(ROWS, dim)), 32, 1);
    let specs: Vec<FitSpec<'_>> = (1..=pack).map(|seed| case.spec(seed)).collect();
    let gflops = gflops();
    let before = processor_seconds()?;
    fit_all(EngineChoice::Burn, &specs, Device::Cpu)?;
    let steps = ROWS.div_ceil(32) as f64 * pack as f64;
    let line = serde_json::json!({
        "engine": "burn", "features": "packed", "dim": dim, "batch": 32, "pack": pack,
        "us_step": (processor_seconds()? - before) / steps * 1e6, "gflops": gflops,
        "floor_us": products(dim, 32, false) / gflops / 1e3,
    });
    println!("{line}");
    Ok(())
}

/// Measures packs of every size on a GPU, with several vector lengths and batch sizes; with dropout; and with only an
/// output layer on vectors of length 1, where almost nothing is computed, so that the time is that of the launches.
fn measure_on_gpu(device: Device, burn: bool) -> Result<(), Box<dyn Error>> {
    for (dim, batch) in [20, 128, 512].into_iter().flat_map(|dim| [32, 256, 1024].map(|batch| (dim, batch))) {
        measure_packs("dense", &Case::new(&Features::Frozen(random(ROWS, dim)), batch, 4), device, burn)?;
    }
    let mut case = Case::new(&Features::Frozen(random(ROWS, 128)), 32, 4);
    case.head.layers.insert(1, Layer::Dropout { rate: 0.5 });
    measure_packs("dropout", &case, device, burn)?;
    case = Case::new(&Features::Frozen(random(ROWS, 1)), 1, 4);
    case.head.layers.clear();
    measure_packs("launches", &case, device, false)
}

fn measure_packs(head: &str, case: &Case, device: Device, burn: bool) -> Result<(), Box<dyn Error>> {
    let (dim, batch) = (case.features.train.dim(), case.train.batch_size);
    for pack in [1, 8, 64] {
        let specs: Vec<FitSpec<'_>> = (1..=pack).map(|seed| case.spec(seed)).collect();
        let engines = [("own", EngineChoice::Fastest), ("burn", EngineChoice::Burn)];
        for (engine, choice) in engines.into_iter().take(1 + usize::from(burn)) {
            let fits = fit_all(choice, &specs, device)?;
            let fastest = fits[0].history.iter().map(|epoch| epoch.seconds).fold(f64::INFINITY, f64::min);
            let line = serde_json::json!({
                "device": device.name(), "engine": engine, "head": head, "dim": dim, "batch": batch, "pack": pack,
                "us_step_wall": fastest / ROWS.div_ceil(batch as usize) as f64 * 1e6,
            });
            println!("{line}");
        }
    }
    Ok(())
}

/// Trains heads of one shape together.
fn fit_all(
    engine: EngineChoice,
    specs: &[FitSpec<'_>],
    device: Device,
) -> Result<Vec<FittedModel>, emberline_train::Error> {
    let request = |spec| FitRequest { spec, callbacks: &mut [], checkpointer: None };
    fit_with(engine, specs.iter().map(request).collect(), device)?.into_iter().collect()
}

/// Returns the floating-point operations of a step's products: the forward pass, the gradients of the kernels, and
/// those of the inputs.
fn products(dim: usize, batch: u32, tuned: bool) -> f64 {
    let (first, rest) = (dim * 256, 256 * 64 + 64);
    f64::from(batch) * 2.0 * (first * (2 + usize::from(tuned)) + rest * 3) as f64
}

/// Everything that a spec borrows.
struct Case {
    head: Head,
    train: Train,
    features: Splits<Features>,
    targets: Splits<Matrix>,
}

impl Case {
    fn new(features: &Features, batch_size: u32, epochs: u32) -> Self {
        let dense = |units| Layer::Dense { units, activation: Activation::Relu };
        let adam = Adam { learning_rate: 1e-4, ..Adam::default() };
        let targets = Matrix::new(ROWS, 1, (0..ROWS).map(|row| f32::from(u8::from(row % 16 == 0))).collect());
        Self {
            head: Head { layers: vec![dense(256), dense(64)] },
            train: Train { epochs, batch_size, optimizer: Optimizer::Adam(adam), ..Train::default() },
            features: Splits { train: features.clone(), valid: None, test: None },
            targets: Splits { train: targets, valid: None, test: None },
        }
    }

    fn spec(&self, seed: u64) -> FitSpec<'_> {
        FitSpec {
            head: &self.head,
            train: &self.train,
            seed,
            task: Task::Binary,
            classes: &[],
            features: &self.features,
            targets: &self.targets,
            order: None,
            monitor: Some(Monitor { valid: false, metric: Metric::Loss }),
            encoder: None,
            initial: None,
            decision: DecisionSpec::default(),
        }
    }
}

/// Returns the speed of the fastest of many products of 512^3, in 10^9 operations per second; the products are short,
/// so that one of them is undisturbed.
fn gflops() -> f64 {
    let device = Default::default();
    let matrix = || Tensor::<Flex, 2>::random([512, 512], Distribution::Default, &device);
    let (left, right) = (matrix(), matrix());
    let time = |_| {
        let begun = Instant::now();
        std::hint::black_box(left.clone().matmul(right.clone()).into_data());
        begun.elapsed().as_secs_f64()
    };
    2.0 * 0.512f64.powi(3) / (0..40).map(time).fold(f64::INFINITY, f64::min)
}

/// Returns the CPU time of this process's first thread so far, as the kernel's scheduler counts it.
fn processor_seconds() -> Result<f64, Box<dyn Error>> {
    let line = std::fs::read_to_string("/proc/self/schedstat")?;
    let nanoseconds: f64 = line.split(' ').next().ok_or("no field")?.parse()?;
    Ok(nanoseconds / 1e9)
}
