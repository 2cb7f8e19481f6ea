//! Tests that fits that are trained together give the same results as each of them alone.

use emberline_base::record::Stop;
use emberline_base::{Features, Matrix, Metric, Monitor, Splits, Substream, Task};
use emberline_device::Device;
use emberline_tensorboard::LogFolders;
use emberline_train::callback::{Callback, CallbackContext, Callbacks, Control, EarlyStopping};
use emberline_train::settings::{
    Activation, Adam, Adamw, ClassWeight, Clip, Focal, Head, Layer, LayerNorm, Loss, Optimizer, Schedule, Sgd, Train,
    WeightRule,
};
use emberline_train::{DecisionSpec, Divergence, EngineChoice, Error, FitRequest, FitSpec, FittedModel, fit, fit_with};

use crate::support::fit_alone;

const ROWS: usize = 203;
const DIM: usize = 21;
const EPOCHS: u32 = 12;

/// Returns vectors whose first two numbers determine the class, for training and validation.
fn vectors(stream: &str) -> Splits<Features> {
    let mut stream = Substream::new(7, stream);
    let mut random = |rows| Matrix::new(rows, DIM, (0..rows * DIM).map(|_| stream.symmetric(1.0)).collect());
    Splits { train: Features::Frozen(random(ROWS)), valid: Some(Features::Frozen(random(60))), test: None }
}

fn labels(features: &Splits<Features>) -> Splits<Matrix> {
    features.map(|_, features| {
        let Features::Frozen(vectors) = features else { unreachable!("frozen") };
        let class = |row| f32::from(u8::from(vectors.row(row)[0] + vectors.row(row)[1] > 0.0));
        Matrix::new(vectors.rows(), 1, (0..vectors.rows()).map(class).collect())
    })
}

fn head(dropout: bool) -> Head {
    let dense = |units| Layer::Dense { units, activation: Activation::Relu };
    let mut layers = vec![dense(40), dense(18)];
    if dropout {
        layers.insert(1, Layer::Dropout { rate: 0.2 });
    }
    Head { layers }
}

fn train(optimizer: Optimizer) -> Train {
    Train { epochs: EPOCHS, optimizer, ..Train::default() }
}

/// Six fits that differ in seeds, learning rates, vectors, labels and epochs.
struct Fits {
    head: Head,
    trains: [Train; 3],
    features: [Splits<Features>; 2],
    targets: [Splits<Matrix>; 2],
}

impl Fits {
    fn new(dropout: bool, optimizer: fn(f64) -> Optimizer) -> Self {
        let features = [vectors("one"), vectors("other")];
        let targets = [labels(&features[0]), labels(&features[1])];
        let mut trains = [0.02, 0.02, 0.003].map(optimizer).map(train);
        trains[1].epochs = 5;
        Self { head: head(dropout), trains, features, targets }
    }

    fn specs(&self) -> Vec<FitSpec<'_>> {
        let spec = |(seed, train, vectors): (u64, usize, usize)| FitSpec {
            head: &self.head,
            train: &self.trains[train],
            seed,
            task: Task::Binary,
            classes: &[],
            features: &self.features[vectors],
            targets: &self.targets[vectors],
            order: None,
            monitor: Some(Monitor::VAL_LOSS),
            encoder: None,
            initial: None,
            decision: DecisionSpec::default(),
        };
        [(1, 0, 0), (2, 0, 0), (1, 1, 0), (1, 2, 1), (3, 0, 1), (4, 2, 0)].map(spec).into()
    }
}

/// Returns a callback that ends a fit after two epochs without a better `val_loss`.
fn patience(log: &LogFolders) -> Vec<Box<dyn Callback + '_>> {
    let early_stopping = Some(EarlyStopping { monitor: Monitor::VAL_LOSS, patience: 2, min_delta: 0.0 });
    let context = CallbackContext {
        cell: &log.own,
        tensorboard: log,
        hparams: &[],
        steps_per_epoch: 1,
        progress: Box::new(std::io::sink()),
    };
    Callbacks { early_stopping, ..Callbacks::default() }.start(context).expect("started")
}

/// Trains each fit alone, and all of them together.
fn both_ways(fits: &Fits, engine: EngineChoice) -> Vec<(FittedModel, FittedModel)> {
    let log = LogFolders { own: "".into(), shown: "".into() };
    let specs = fits.specs();
    let mut callbacks: Vec<_> = specs.iter().map(|_| patience(&log)).collect();
    let requests = specs
        .iter()
        .zip(&mut callbacks)
        .map(|(spec, callbacks)| FitRequest { spec, callbacks, checkpointer: None })
        .collect();
    let together = fit_with(engine, requests, Device::Cpu).expect("they begin");
    let alone = |spec| fit_alone(engine, spec, Device::Cpu, &mut patience(&log)).expect("it ends");
    let pair = |(spec, fit): (_, Result<FittedModel, Error>)| (alone(spec), fit.expect("it ends"));
    specs.iter().zip(together).map(pair).collect()
}

/// Returns the largest difference between two weights.
fn off(one: &FittedModel, other: &FittedModel) -> f32 {
    let pairs = one.weights.0.iter().zip(&other.weights.0);
    let values = pairs.flat_map(|(one, other)| one.values.iter().zip(&other.values));
    values.map(|(one, other)| (one - other).abs()).fold(0.0, f32::max)
}

#[test]
fn on_the_processor_the_bytes_are_equal() {
    let fits = Fits::new(false, |learning_rate| Optimizer::Adam(Adam { learning_rate, ..Adam::default() }));
    for (alone, together) in both_ways(&fits, EngineChoice::Fastest) {
        assert_eq!(
            (&alone.weights, &alone.logits, &alone.metrics),
            (&together.weights, &together.logits, &together.metrics)
        );
        assert_eq!((alone.best_epoch, alone.stopped), (together.best_epoch, together.stopped));
    }
}

#[test]
fn as_one_computation_they_differ_by_roundings() {
    let optimizers: [fn(f64) -> Optimizer; 4] = [
        |learning_rate| Optimizer::Adam(Adam { learning_rate, ..Adam::default() }),
        |learning_rate| Optimizer::Adamw(Adamw { learning_rate, weight_decay: 0.05, ..Adamw::default() }),
        |learning_rate| Optimizer::Sgd(Sgd { learning_rate, momentum: 0.0 }),
        |learning_rate| Optimizer::Sgd(Sgd { learning_rate, momentum: 0.9 }),
    ];
    for optimizer in optimizers {
        let pairs = both_ways(&Fits::new(true, optimizer), EngineChoice::Burn);
        for (at, (alone, together)) in pairs.iter().enumerate() {
            let what = format!("{:?}, fit {at}", optimizer(0.0));
            assert_eq!(
                (alone.history.len(), alone.best_epoch),
                (together.history.len(), together.best_epoch),
                "{what}"
            );
            assert!(off(alone, together) < 1e-4, "{what}: off by {}", off(alone, together));
            for (a, b) in alone.history.iter().zip(&together.history) {
                let off = (a.train[&Metric::Loss] - b.train[&Metric::Loss]).abs();
                assert!(off < 1e-5, "{what}, epoch {}: the loss is off by {off}", a.epoch);
            }
        }
    }
}

#[test]
fn those_that_end_early_leave_the_others_going() {
    let fits = Fits::new(true, |learning_rate| Optimizer::Adam(Adam { learning_rate, ..Adam::default() }));
    let ends: Vec<(usize, Stop)> =
        both_ways(&fits, EngineChoice::Burn).iter().map(|(_, fit)| (fit.history.len(), fit.stopped)).collect();
    assert!(ends[2].0 <= 5, "{ends:?}");
    assert!(ends.iter().any(|(_, stop)| *stop == Stop::EarlyStopping), "{ends:?}");
    assert!(ends.iter().any(|&(epochs, _)| epochs == EPOCHS as usize), "{ends:?}");
    assert!(ends.iter().map(|&(epochs, _)| epochs).collect::<std::collections::BTreeSet<_>>().len() > 2, "{ends:?}");
}

/// A callback that fails in an epoch, and records whether it is notified of the failure.
struct Failing<'h> {
    epoch: u32,
    notified: &'h std::cell::Cell<bool>,
}

impl Callback for Failing<'_> {
    fn on_epoch_end(&mut self, epoch: &emberline_base::record::Epoch, _: &mut Control) -> Result<(), Error> {
        if epoch.epoch == self.epoch { Err(Error::Unsupported("a fault".to_owned())) } else { Ok(()) }
    }

    fn on_failure(&mut self) {
        self.notified.set(true);
    }
}

#[test]
fn one_that_fails_spoils_no_other() {
    let mut fits = Fits::new(true, |learning_rate| Optimizer::Adam(Adam { learning_rate, ..Adam::default() }));
    // The fourth and the fifth fit have NaN in a vector; the relu of some backends would turn it into 0.
    let linear = Layer::Dense { units: 8, activation: Activation::Linear };
    fits.head.layers = vec![Layer::Dropout { rate: 0.2 }, linear];
    let Features::Frozen(other) = &mut fits.features[1].train else { unreachable!("frozen") };
    other.row_mut(5)[3] = f32::NAN;
    let specs = fits.specs();
    let notified = std::cell::Cell::new(false);
    let mut callbacks: Vec<Vec<Box<dyn Callback>>> = specs.iter().map(|_| Vec::new()).collect();
    callbacks[1].push(Box::new(Failing { epoch: 3, notified: &notified }));
    let requests = specs
        .iter()
        .zip(&mut callbacks)
        .map(|(spec, callbacks)| FitRequest { spec, callbacks, checkpointer: None })
        .collect();
    let fitted = fit_with(EngineChoice::Burn, requests, Device::Cpu).expect("they begin");
    assert!(matches!(&fitted[1], Err(Error::Unsupported(why)) if why == "a fault") && notified.get());
    assert!(matches!(fitted[3], Err(Error::Diverged(Divergence::NotFinite { epoch: 1, .. }))) && fitted[4].is_err());
    for at in [0, 2, 5] {
        let alone = fit_alone(EngineChoice::Burn, &specs[at], Device::Cpu, &mut []).expect("it ends");
        let fit = fitted[at].as_ref().expect("it ends");
        assert!(off(&alone, fit) < 1e-4 && alone.history.len() == fit.history.len(), "fit {at}");
    }
}

/// Every fit's gradients are scaled by their own norm.
#[test]
fn clipped_penalised_and_normalised_fits_differ_by_roundings() {
    let adam = |learning_rate| Optimizer::Adam(Adam { learning_rate, ..Adam::default() });
    let mut fits = Fits::new(true, adam);
    fits.head.layers.insert(1, Layer::LayerNorm(LayerNorm::default()));
    for train in &mut fits.trains {
        (train.clip, train.l2) = (Some(Clip::Norm(0.2)), Some(0.01));
        train.loss = Some(Loss::Focal(Focal::default()));
        train.schedule = Some(Schedule::Warmup(0.3));
    }
    for (at, (alone, together)) in both_ways(&fits, EngineChoice::Burn).iter().enumerate() {
        assert_eq!(alone.history.len(), together.history.len());
        assert!(off(alone, together) < 1e-4, "fit {at}: off by {}", off(alone, together));
    }
}

#[test]
fn fits_of_other_objectives_have_other_shapes() {
    let adam = |learning_rate| Optimizer::Adam(Adam { learning_rate, ..Adam::default() });
    let shape = |change: fn(&mut Train)| {
        let mut fits = Fits::new(false, adam);
        change(&mut fits.trains[0]);
        fits.specs()[0].shape().expect("a shape")
    };
    let plain = shape(|_| {});
    assert_eq!(plain, shape(|train| train.schedule = Some(Schedule::Warmup(0.5))), "rates may differ");
    assert_ne!(plain, shape(|train| train.class_weight = Some(ClassWeight::Rule(WeightRule::Balanced))));
    assert_ne!(plain, shape(|train| train.loss = Some(Loss::Focal(Focal::default()))));
    assert_ne!(plain, shape(|train| train.clip = Some(Clip::Value(1.0))));
    assert_ne!(plain, shape(|train| train.l2 = Some(0.1)));
}

#[test]
fn fits_of_other_shapes_are_refused() {
    let adam = |learning_rate| Optimizer::Adam(Adam { learning_rate, ..Adam::default() });
    let (one, other) = (Fits::new(true, adam), Fits::new(false, adam));
    let specs = [one.specs().remove(0), other.specs().remove(0)];
    assert_ne!(specs[0].shape(), specs[1].shape());
    let requests = specs.iter().map(|spec| FitRequest { spec, callbacks: &mut [], checkpointer: None }).collect();
    assert!(matches!(fit(requests, Device::Cpu), Err(Error::Unsupported(_))));
}

#[test]
fn a_fit_that_no_memory_holds_is_refused_before_it_begins() {
    let adam = |learning_rate| Optimizer::Adam(Adam { learning_rate, ..Adam::default() });
    let mut fits = Fits::new(false, adam);
    fits.head.layers = vec![Layer::Dense { units: 65_536, activation: Activation::Relu }; 64];
    let refused = fit_alone(EngineChoice::Fastest, &fits.specs()[0], Device::Cpu, &mut []);
    assert!(matches!(refused, Err(Error::Memory(ref lack)) if lack.needed > 1 << 40), "{refused:?}");
}
