//! Tests that a fit that has diverged fails, whether its loss is finite or not, and that a slow or high start is no
//! divergence.

use emberline_base::{Features, Matrix, Monitor, Splits, Substream, Task};
use emberline_device::Device;
use emberline_train::settings::{Activation, Adam, Head, Layer, Optimizer, Sgd, Train};
use emberline_train::{DecisionSpec, Divergence, EngineChoice, Error, FitRequest, FitSpec, FittedModel, fit};

use crate::support::fit_alone;

const ROWS: usize = 64;
const DIM: usize = 6;

/// Returns rows whose class shows in their numbers, which have a magnitude of about `scale`.
fn rows(stream: &str, task: Task, outputs: usize, scale: f32) -> (Features, Matrix) {
    let mut random = Substream::new(5, stream);
    let (mut vectors, mut targets) = (Matrix::zeros(ROWS, DIM), Matrix::zeros(ROWS, outputs));
    for row in 0..ROWS {
        let class = random.below(outputs.max(2));
        match task {
            Task::Binary => targets.row_mut(row)[0] = class as f32,
            Task::MultiClass => targets.row_mut(row)[class] = 1.0,
            Task::MultiLabel => targets.row_mut(row).fill_with(|| random.below(2) as f32),
        }
        vectors.row_mut(row).fill_with(|| scale * random.symmetric(1.0));
        vectors.row_mut(row)[class % DIM] += scale;
    }
    (Features::Frozen(vectors), targets)
}

struct Setup {
    task: Task,
    outputs: usize,
    scale: f32,
    with_valid: bool,
    layers: Vec<Layer>,
    optimizer: Optimizer,
}

/// Returns the plainest setup: a linear head with validation rows.
fn plain(optimizer: Optimizer) -> Setup {
    Setup { task: Task::Binary, outputs: 1, scale: 1.0, with_valid: true, layers: Vec::new(), optimizer }
}

fn with_fit<T>(setup: &Setup, then: impl FnOnce(&FitSpec<'_>) -> T) -> T {
    let Setup { task, outputs, scale, with_valid, .. } = *setup;
    let (train, train_targets) = rows("train", task, outputs, scale);
    let valid = with_valid.then(|| rows("valid", task, outputs, scale));
    let (valid, valid_targets) = valid.unzip();
    let features = Splits { train, valid, test: None };
    let targets = Splits { train: train_targets, valid: valid_targets, test: None };
    then(&FitSpec {
        head: &Head { layers: setup.layers.clone() },
        train: &Train { epochs: 4, batch_size: 8, optimizer: setup.optimizer.clone(), ..Train::default() },
        seed: 1,
        task,
        classes: &[],
        features: &features,
        targets: &targets,
        order: None,
        monitor: Some(Monitor { valid: with_valid, ..Monitor::VAL_LOSS }),
        encoder: None,
        initial: None,
        decision: DecisionSpec::default(),
    })
}

fn fitted(setup: &Setup) -> Result<FittedModel, Error> {
    with_fit(setup, |spec| fit_alone(EngineChoice::Fastest, spec, Device::Cpu, &mut []))
}

fn adam(learning_rate: f64) -> Optimizer {
    Optimizer::Adam(Adam { learning_rate, ..Adam::default() })
}

fn sgd(learning_rate: f64) -> Optimizer {
    Optimizer::Sgd(Sgd { learning_rate, momentum: 0.0 })
}

fn hidden() -> Vec<Layer> {
    vec![Layer::Dense { units: 8, activation: Activation::Relu }]
}

#[test]
fn steps_that_are_far_too_large_are_failures() {
    let many = |optimizer| Setup { task: Task::MultiClass, outputs: 77, ..plain(optimizer) };
    let labels = |optimizer| Setup { task: Task::MultiLabel, outputs: 5, ..plain(optimizer) };
    for rate in [1e6, 1e16, 1e30, 1e38] {
        for optimizer in [adam(rate), sgd(rate)] {
            for setup in [
                plain(optimizer.clone()),
                Setup { with_valid: false, ..plain(optimizer.clone()) },
                Setup { layers: hidden(), ..plain(optimizer.clone()) },
                many(optimizer.clone()),
                labels(optimizer.clone()),
            ] {
                let what = format!("{:?} {} {:?} {}", setup.task, setup.with_valid, optimizer, setup.layers.len());
                let error = fitted(&setup).err().unwrap_or_else(|| panic!("{what} was done"));
                let message = error.to_string();
                assert!(matches!(error, Error::Diverged(_)), "{what}: {message}");
                assert!(
                    message.contains("training diverged") && message.contains("lower the learning rate"),
                    "{message}"
                );
                assert!(message.contains("epoch"), "{message}");
            }
        }
    }
}

#[test]
fn a_finite_loss_is_named_with_that_of_the_untrained_model() {
    let Err(Error::Diverged(Divergence::Grown { loss, untrained, learning_rate, .. })) = fitted(&plain(adam(1e16)))
    else {
        panic!("a finite loss")
    };
    assert!(loss > 1e14 && untrained < 2.0 && learning_rate == 1e16, "{loss} {untrained}");
}

/// Tests the same in a pack and on Burn's tensors, where all fits are one computation, but each is judged on its own.
#[test]
fn fits_beside_each_other_are_judged_each_by_itself() {
    let setups = [plain(adam(0.01)), plain(adam(1e16)), plain(adam(0.02))];
    let together = with_fit(&setups[0], |one| {
        with_fit(&setups[1], |two| {
            with_fit(&setups[2], |three| {
                let requests =
                    [one, two, three].map(|spec| FitRequest { spec, callbacks: &mut [], checkpointer: None });
                fit(requests.into(), Device::Cpu).expect("they begin")
            })
        })
    });
    assert!(matches!(together[1], Err(Error::Diverged(Divergence::Grown { .. }))), "{:?}", together[1]);
    for place in [0, 2] {
        let alone = fitted(&setups[place]).expect("it ends");
        assert_eq!(together[place].as_ref().expect("it ends").weights, alone.weights);
    }
    let burn = with_fit(&setups[1], |spec| fit_alone(EngineChoice::Burn, spec, Device::Cpu, &mut []));
    assert!(matches!(burn, Err(Error::Diverged(Divergence::Grown { .. }))), "{burn:?}");
}

#[test]
fn slow_starts_and_high_losses_are_none() {
    // Hardly trained at all; a loss of ln(77); vectors so long that the loss starts in the thousands and stays there.
    fitted(&plain(adam(1e-9))).expect("a slow start");
    let many = Setup { task: Task::MultiClass, outputs: 77, ..plain(adam(1e-6)) };
    assert!(fitted(&many).expect("many classes").metrics["val_loss"] > 4.0);
    let long = Setup { scale: 3e4, layers: hidden(), ..plain(adam(1e-6)) };
    let fit = fitted(&long).expect("long vectors");
    assert!(fit.metrics["val_loss"] > 1e3, "{}", fit.metrics["val_loss"]);
    let labels = Setup { task: Task::MultiLabel, outputs: 5, scale: 3e4, ..plain(sgd(1e-12)) };
    assert!(fitted(&labels).expect("many labels").metrics["val_loss"] > 1e3);
    // A learning rate that is too high, but still gives a model.
    fitted(&plain(adam(1.0))).expect("large steps");
}

/// A validation loss that is NaN in the first epoch doesn't keep later epochs from being the best.
#[test]
fn a_validation_split_that_is_never_a_number_is_a_failure() {
    let setup = plain(adam(0.01));
    let (train, train_targets) = rows("train", setup.task, 1, 1.0);
    let (mut valid, valid_targets) = rows("valid", setup.task, 1, 1.0);
    let Features::Frozen(vectors) = &mut valid else { unreachable!("frozen") };
    vectors.row_mut(3)[2] = f32::NAN;
    let features = Splits { train, valid: Some(valid), test: None };
    let targets = Splits { train: train_targets, valid: Some(valid_targets), test: None };
    let (head, train) = (Head::default(), Train { epochs: 3, ..Train::default() });
    for monitor in ["val_loss", "val_pr_auc"] {
        let spec = FitSpec {
            head: &head,
            train: &train,
            seed: 1,
            task: setup.task,
            classes: &[],
            features: &features,
            targets: &targets,
            order: None,
            monitor: Some(monitor.parse().expect("a monitor")),
            encoder: None,
            initial: None,
            decision: DecisionSpec::default(),
        };
        let failed = fit_alone(EngineChoice::Fastest, &spec, Device::Cpu, &mut []);
        assert!(matches!(failed, Err(Error::Diverged(Divergence::NotFinite { .. }))), "{monitor}: {failed:?}");
    }
}
