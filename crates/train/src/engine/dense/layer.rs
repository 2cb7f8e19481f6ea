//! A dense layer: its arrays, the buffers of a step, and the forward and backward passes.

use emberline_base::OutOfMemory;
use emberline_kernels::product::{Rule, descend, multiply};
use emberline_kernels::{Group, Panels};
use pulp::Simd;

use super::rule::AnyRule;
use crate::head::Step;
use crate::settings::Activation;
use crate::weights::{StatePart, Tensor};

/// Computes activation(x kernel + bias), `[batch, inputs]` -> `[batch, units]`.
pub(super) struct Layer {
    name: String,
    activation: Activation,
    /// `[inputs, units]`: the values and the optimiser's state.
    kernel: [Panels; 3],
    /// `[1, units]`: the values and the optimiser's state.
    bias: [Panels; 3],
    /// `[batch, units]`.
    outputs: Panels,
    /// `[batch, units]`: the derivatives of the activation if it needs them, else empty.
    slopes: Panels,
    /// `[batch, units]`: the gradient of the outputs, then that of the inputs of the activation.
    gradient: Panels,
    /// `[units, batch]`: the gradient, transposed.
    gradient_transposed: Panels,
    /// `[inputs, batch]`: the gradient of the inputs, transposed.
    input_gradient_transposed: Panels,
}

impl Layer {
    /// Creates the layer of a dense step from its kernel and bias.
    ///
    /// # Errors
    /// If there is not enough memory.
    ///
    /// # Panics
    /// When the step isn't dense.
    pub(super) fn new(step: &Step, kernel: &Tensor, bias: &Tensor) -> Result<Self, OutOfMemory> {
        let Step::Dense { name, inputs, units, activation } = step else {
            unreachable!("a supported spec has dense steps only")
        };
        let with_state = |rows: usize, values: &[f32]| {
            Ok([Panels::of(rows, *units, values)?, Panels::zeros(rows, *units)?, Panels::zeros(rows, *units)?])
        };
        Ok(Self {
            name: name.clone(),
            activation: *activation,
            kernel: with_state(*inputs, &kernel.values)?,
            bias: with_state(1, &bias.values)?,
            outputs: Panels::default(),
            slopes: Panels::default(),
            gradient: Panels::default(),
            gradient_transposed: Panels::default(),
            input_gradient_transposed: Panels::default(),
        })
    }

    /// Returns the outputs of the last [`forward`](Self::forward), `[batch, units]`.
    pub(super) fn outputs(&self) -> &Panels {
        &self.outputs
    }

    /// Returns the buffer for the gradient of the outputs, `[batch, units]`, to be filled before
    /// [`backward`](Self::backward).
    pub(super) fn gradient_mut(&mut self) -> &mut Panels {
        &mut self.gradient
    }

    /// Returns the outputs and the buffer for their gradient, which the layer above reads and writes.
    pub(super) fn outputs_and_gradient_mut(&mut self) -> (&Panels, &mut Panels) {
        (&self.outputs, &mut self.gradient)
    }

    /// Computes the outputs. No row depends on another.
    #[inline(always)]
    pub(super) fn forward<S: Simd>(&mut self, simd: S, inputs: &Panels) {
        let arrays = [&self.kernel[0], &self.bias[0]];
        forward(simd, self.activation, arrays, inputs, [&mut self.outputs, &mut self.slopes]);
    }

    /// Computes the gradient of the inputs from that of the outputs, into `input_gradient` if it is requested, and
    /// updates kernel and bias.
    #[inline(always)]
    pub(super) fn backward<S: Simd>(
        &mut self,
        simd: S,
        rule: AnyRule,
        inputs: &Panels,
        input_gradient: Option<&mut Panels>,
    ) {
        self.activation.chain(simd, self.gradient.groups_mut(), self.outputs.groups(), self.slopes.groups());
        if let Some(input_gradient) = input_gradient {
            self.compute_input_gradient(simd, input_gradient);
        }
        match rule {
            AnyRule::Adam(adam) => self.update(simd, adam, adam.without_penalty(), inputs),
            AnyRule::Sgd(sgd) => self.update(simd, sgd, sgd.without_penalty(), inputs),
        }
    }

    /// Computes gradient x kernel^T as (kernel x gradient^T)^T: transposing two gradients is cheaper than transposing a
    /// kernel.
    #[inline(always)]
    fn compute_input_gradient<S: Simd>(&mut self, simd: S, target: &mut Panels) {
        let (batch, units, inputs) = (self.gradient.rows(), self.gradient.cols(), self.kernel[0].rows());
        self.gradient_transposed.reshape(units, batch);
        self.gradient.transpose_into(&mut self.gradient_transposed);
        self.input_gradient_transposed.reshape(inputs, batch);
        self.input_gradient_transposed.groups_mut().fill(Group::ZEROS);
        multiply(simd, &self.kernel[0], &self.gradient_transposed, &mut self.input_gradient_transposed);
        target.reshape(batch, inputs);
        self.input_gradient_transposed.transpose_into(target);
    }

    /// Updates the kernel by `rule`, and the bias by `of_bias`.
    #[inline(always)]
    fn update<S: Simd, R: Rule>(&mut self, simd: S, rule: R, of_bias: R, inputs: &Panels) {
        descend(simd, rule, inputs, &self.gradient, &mut self.kernel);
        for panel in 0..self.gradient.panels() {
            let mut sum = Group::ZEROS;
            for group in &self.gradient.panel(panel)[..self.gradient.rows()] {
                add(simd, &mut sum, group);
            }
            let arrays = self.bias.each_mut().map(|array| &mut array.panel_mut(panel)[0]);
            of_bias.apply_all(simd, S::as_simd_f32s(&*sum).0, arrays);
        }
    }

    /// Returns kernel and bias, or the optimiser's state of them.
    pub(super) fn tensors(&self, part: StatePart) -> [Tensor; 2] {
        let (kernel, bias) = (&self.kernel[part as usize], &self.bias[part as usize]);
        let tensor = |kind, shape, panels: &Panels| Tensor {
            name: format!("{}.{kind}", self.name),
            shape,
            values: panels.to_values(),
        };
        [tensor("kernel", vec![kernel.rows(), kernel.cols()], kernel), tensor("bias", vec![bias.cols()], bias)]
    }

    /// Replaces the present values by others of the same shapes.
    pub(super) fn load(&mut self, part: StatePart, kernel: &Tensor, bias: &Tensor) {
        for (panels, tensor) in [(&mut self.kernel[part as usize], kernel), (&mut self.bias[part as usize], bias)] {
            panels.load(&tensor.values);
        }
    }
}

/// Computes activation(inputs kernel + bias), `[batch, units]`, and the derivatives of the activation if it needs them.
/// No row depends on another. Training and inference both compute layers with this function, so that their numbers are
/// equal to the bit.
#[inline(always)]
pub(super) fn forward<S: Simd>(
    simd: S,
    activation: Activation,
    [kernel, bias]: [&Panels; 2],
    inputs: &Panels,
    [outputs, slopes]: [&mut Panels; 2],
) {
    let (batch, units) = (inputs.rows(), kernel.cols());
    outputs.reshape(batch, units);
    for panel in 0..outputs.panels() {
        let bias = bias.panel(panel)[0];
        outputs.panel_mut(panel).fill(bias);
    }
    multiply(simd, inputs, kernel, outputs);
    if activation.needs_slopes() {
        slopes.reshape(batch, units);
    }
    activation.apply(simd, outputs.groups_mut(), slopes.groups_mut());
}

#[inline(always)]
fn add<S: Simd>(simd: S, sum: &mut Group, group: &Group) {
    for (sum, value) in S::as_mut_simd_f32s(&mut **sum).0.iter_mut().zip(S::as_simd_f32s(&**group).0) {
        *sum = simd.add_f32s(*sum, *value);
    }
}
