//! The arrays of an encoder, and of a head above it, while they are trained on a device.

use burn::backend::Autodiff;
use burn::tensor::Tensor;
use burn::tensor::backend::{AutodiffBackend, Backend};
use emberline_encoder::fine_tune::HostEncoder;

use super::super::dense::AnyRule;
use super::super::host_update::{self, ArrayRule};
use super::super::parameter::{Parameter, clipped, floats, parameters, with_rank, with_states};
use crate::optimizer::StepOptimizer;
use crate::settings::{Clip, EncoderTraining};
use crate::weights::{self, TrainingState, Weights};

/// The gradient of every array that has one.
pub(super) type Gradients<B> = Vec<Option<Tensor<B, 3>>>;

/// Arrays as matrices that are differentiated.
type Tracked<'t, B> = &'t [Tensor<Autodiff<B>, 2>];

/// How the arrays are updated.
pub(super) struct UpdateSettings {
    /// The optimiser of the head, whose moments the encoder's arrays have too.
    pub(super) optimizer: StepOptimizer,
    pub(super) training: EncoderTraining,
    pub(super) clip: Option<Clip>,
}

/// Arrays that are trained. The encoder's come first and have a learning rate and a weight decay of their own; then come two
/// of every layer of the head that has some.
pub(super) struct TrainedArrays<B: Backend> {
    parameters: Vec<Parameter<B>>,
    /// How many of the parameters are the encoder's.
    encoder_arrays: usize,
    settings: UpdateSettings,
    steps_done: u32,
    /// Whether the backend's tensors are in host memory, where one pass updates an array.
    is_host: bool,
    device: B::Device,
}

impl<B: Backend> TrainedArrays<B> {
    pub(super) fn new(
        host: &HostEncoder,
        weights: &Weights,
        settings: UpdateSettings,
        device: B::Device,
        is_host: bool,
    ) -> Self {
        let parameters = parameters(&[weights], &device);
        Self { parameters, encoder_arrays: host.shapes().len(), settings, steps_done: 0, is_host, device }
    }

    /// Returns the arrays as matrices that are differentiated, those of the encoder first.
    pub(super) fn tracked(&self) -> Vec<Tensor<Autodiff<B>, 2>> {
        let track = |p: &Parameter<B>| Tensor::<Autodiff<B>, 2>::from_inner(with_rank(p.value.clone())).require_grad();
        self.parameters.iter().map(track).collect()
    }

    /// Divides tracked arrays into those of the encoder and those of the head.
    pub(super) fn divided<'t>(&self, tracked: Tracked<'t, B>) -> (Tracked<'t, B>, Tracked<'t, B>) {
        tracked.split_at(self.encoder_arrays)
    }

    /// Differentiates a number by all arrays.
    pub(super) fn gradients(
        &self,
        loss: &Tensor<Autodiff<B>, 1>,
        tracked: Vec<Tensor<Autodiff<B>, 2>>,
    ) -> Gradients<B> {
        let mut gradients: <Autodiff<B> as AutodiffBackend>::Gradients = loss.backward();
        let of_array = |(parameter, tracked): (&Parameter<B>, Tensor<Autodiff<B>, 2>)| {
            Some(tracked.grad_remove(&mut gradients)?.reshape(parameter.value.dims()))
        };
        self.parameters.iter().zip(tracked).map(of_array).collect()
    }

    /// Adds the gradient of a penalty on the kernels of the head, 2 l2 w.
    pub(super) fn penalised(&self, l2: f64, gradients: Gradients<B>) -> Gradients<B> {
        let penalised = |(parameter, gradient): (&Parameter<B>, Option<Tensor<B, 3>>)| {
            gradient.map(|gradient| parameter.penalised(l2, gradient))
        };
        self.parameters.iter().zip(gradients).map(penalised).collect()
    }

    /// Takes a step. `learning_rate` is that of the head; the encoder's differs from its initial one by the same factor.
    pub(super) fn update(&mut self, gradients: Gradients<B>, learning_rate: f64) {
        self.steps_done += 1;
        let UpdateSettings { optimizer, training, clip } = &self.settings;
        let encoder_rate = training.learning_rate * (learning_rate / optimizer.learning_rate());
        let decay = (1.0 - encoder_rate * training.weight_decay) as f32;
        let of_encoder = optimizer.without_decay();
        let rules = [(&of_encoder, encoder_rate), (optimizer, learning_rate)];
        // Whether an array is the head's, and its factor before the step. Biases and normalisations have one axis, and no decay;
        // the head's decay is part of its optimiser.
        let count = self.encoder_arrays;
        let group = |(at, array): (usize, &Parameter<B>)| match at < count {
            true => (0, if array.shape.len() > 1 { decay } else { 1.0 }),
            false => (1, 1.0),
        };
        let groups: Vec<(usize, f32)> = self.parameters.iter().enumerate().map(group).collect();
        if self.is_host {
            let of_groups = rules.map(|(optimizer, rate)| AnyRule::of(optimizer, rate, self.steps_done));
            let rules = groups.into_iter().map(|(group, decay)| ArrayRule { rule: of_groups[group], decay });
            return host_update::update(self.parameters.iter_mut().zip(rules), gradients, *clip);
        }
        let sizes = rules.map(|(optimizer, rate)| optimizer.step_sizes::<B>(&[rate], self.steps_done, &self.device));
        let arrays = self.parameters.iter_mut().zip(groups);
        for ((array, (group, decay)), gradient) in arrays.zip(clipped(*clip, gradients)) {
            let Some(gradient) = gradient else { continue };
            let value = array.value.clone() * decay;
            array.value = rules[group].0.apply(&mut array.state, value, gradient, &sizes[group]);
        }
    }

    /// Returns the number of steps that were taken.
    pub(super) fn steps_done(&self) -> u32 {
        self.steps_done
    }

    /// Returns the present values.
    pub(super) fn weights(&self) -> Weights {
        self.arrays(|parameter| parameter.value.clone())
    }

    /// Returns the present values with the optimiser's state.
    pub(super) fn state(&self) -> TrainingState {
        let [first, second] = [0, 1].map(|at| self.arrays(|p| p.state.arrays(&p.value)[at].clone()));
        TrainingState { parts: [self.weights(), first, second], steps: self.steps_done }
    }

    /// Replaces the values, for what is computed from them; the optimiser's state is lost.
    pub(super) fn load(&mut self, weights: &Weights) {
        self.parameters = parameters(&[weights], &self.device);
    }

    /// Continues from a state.
    pub(super) fn resume(&mut self, state: &TrainingState) {
        self.parameters = with_states(&[state], &self.device);
        self.steps_done = state.steps;
    }

    /// Downloads one array per parameter.
    fn arrays(&self, of: impl Fn(&Parameter<B>) -> Tensor<B, 3>) -> Weights {
        let array = |parameter: &Parameter<B>| {
            let (name, shape) = (parameter.name.clone(), parameter.shape.clone());
            weights::Tensor { name, shape, values: floats(of(parameter)) }
        };
        Weights(self.parameters.iter().map(array).collect())
    }
}

/// Adds the gradients of two batches.
pub(super) fn added<B: Backend>(sums: Gradients<B>, gradients: Gradients<B>) -> Gradients<B> {
    let add = |(sum, gradient): (Option<Tensor<B, 3>>, Option<Tensor<B, 3>>)| match (sum, gradient) {
        (Some(sum), Some(gradient)) => Some(sum + gradient),
        (sum, gradient) => sum.or(gradient),
    };
    sums.into_iter().zip(gradients).map(add).collect()
}
