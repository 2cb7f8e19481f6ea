//! Tests that the mix of an encoder's layers is learned together with the head.

use emberline_base::{Features, LayerStack, Matrix, Metric, Monitor, Splits, Substream, Task};
use emberline_device::Device;
use emberline_train::settings::{Adam, Head, Optimizer, Train};
use emberline_train::{DecisionSpec, EngineChoice, FitSpec, FittedModel};

use crate::support::fit_alone;

const ROWS: usize = 256;
const DIM: usize = 4;
const LAYERS: usize = 3;

/// Trains on layers of noise, except for the layer `signal`, whose first number determines the class.
fn fitted(signal: usize) -> FittedModel {
    let mut stream = Substream::new(5, "test");
    let vectors: Vec<f32> = (0..ROWS * LAYERS * DIM).map(|_| stream.symmetric(1.0)).collect();
    let vectors = Matrix::new(ROWS, LAYERS * DIM, vectors);
    let class = |row| f32::from(u8::from(vectors.row(row)[signal * DIM] > 0.0));
    let targets = Matrix::new(ROWS, 1, (0..ROWS).map(class).collect());
    let features = Splits { train: Features::Mixed(LayerStack { vectors, layers: LAYERS }), valid: None, test: None };
    let adam = Adam { learning_rate: 0.05, ..Adam::default() };
    let spec = FitSpec {
        head: &Head { layers: Vec::new() },
        train: &Train { epochs: 20, optimizer: Optimizer::Adam(adam), ..Train::default() },
        seed: 1,
        task: Task::Binary,
        classes: &[],
        features: &features,
        targets: &Splits { train: targets, valid: None, test: None },
        order: None,
        monitor: Some(Monitor { valid: false, metric: Metric::Loss }),
        encoder: None,
        initial: None,
        decision: DecisionSpec::default(),
    };
    fit_alone(EngineChoice::Fastest, &spec, Device::Cpu, &mut []).expect("the fit ends")
}

#[test]
fn the_layer_that_tells_the_class_gets_the_weight() {
    for signal in 0..LAYERS {
        let fit = fitted(signal);
        let mix = &fit.weights.get("embedding.mix").expect("a mix").values;
        let gamma = &fit.weights.get("embedding.gamma").expect("a scale").values;
        assert_eq!((mix.len(), gamma.len()), (LAYERS, 1));
        let others = (0..LAYERS).filter(|&layer| layer != signal);
        assert!(others.map(|layer| mix[layer]).all(|other| mix[signal] > other + 0.5), "{signal}: {mix:?}");
        assert!(fit.metrics["accuracy"] > 0.95, "{signal}: {}", fit.metrics["accuracy"]);
    }
}
