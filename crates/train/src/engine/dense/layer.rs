//! One dense layer: its arrays, the buffers of a step, and the way forward and back.

use emberline_base::OutOfMemory;
use pulp::Simd;

use super::panels::{Group, Panels};
use super::product::{descend, multiply};
use super::rule::{AnyRule, Rule};
use crate::head::Step;
use crate::settings::Activation;
use crate::weights::{Part, Tensor};

/// activation(x kernel + bias), `[batch, inputs]` -> `[batch, units]`
pub(super) struct Layer {
    name: String,
    activation: Activation,
    /// `[inputs, units]`: the values, and what the optimiser remembers of them.
    kernel: [Panels; 3],
    /// `[1, units]`, likewise.
    bias: [Panels; 3],
    /// `[batch, units]`.
    outputs: Panels,
    /// `[batch, units]` where the activation needs them, else empty.
    slopes: Panels,
    /// `[batch, units]`: by the outputs, then by what was activated.
    gradient: Panels,
    /// The gradient transposed, `[units, batch]`.
    turned: Panels,
    /// The gradient by the inputs, transposed, `[inputs, batch]`.
    below: Panels,
}

impl Layer {
    /// The layer of a dense step, from its kernel and bias.
    ///
    /// # Errors
    /// When there is no memory for them.
    ///
    /// # Panics
    /// When the step isn't dense.
    pub(super) fn new(step: &Step, kernel: &Tensor, bias: &Tensor) -> Result<Self, OutOfMemory> {
        let Step::Dense { name, inputs, units, activation } = step else {
            unreachable!("a spec that fits has dense steps only")
        };
        let moving = |rows: usize, values: &[f32]| {
            Ok([Panels::of(rows, *units, values)?, Panels::zeros(rows, *units)?, Panels::zeros(rows, *units)?])
        };
        Ok(Self {
            name: name.clone(),
            activation: *activation,
            kernel: moving(*inputs, &kernel.values)?,
            bias: moving(1, &bias.values)?,
            outputs: Panels::default(),
            slopes: Panels::default(),
            gradient: Panels::default(),
            turned: Panels::default(),
            below: Panels::default(),
        })
    }

    /// What the last [`forward`](Self::forward) gave, `[batch, units]`.
    pub(super) fn outputs(&self) -> &Panels {
        &self.outputs
    }

    /// Where the gradient by the outputs belongs, `[batch, units]`, before [`learn`](Self::learn).
    pub(super) fn gradient_mut(&mut self) -> &mut Panels {
        &mut self.gradient
    }

    /// Both at once: what the layer above reads and writes.
    pub(super) fn outputs_and_gradient_mut(&mut self) -> (&Panels, &mut Panels) {
        (&self.outputs, &mut self.gradient)
    }

    /// Computes the outputs. No row's depend on another's.
    #[inline(always)]
    pub(super) fn forward<S: Simd>(&mut self, simd: S, inputs: &Panels) {
        let arrays = [&self.kernel[0], &self.bias[0]];
        forward(simd, self.activation, arrays, inputs, [&mut self.outputs, &mut self.slopes]);
    }

    /// From the gradient by the outputs to the gradient by the inputs, which goes to `below` where it is asked for, and to
    /// the next kernel and bias.
    #[inline(always)]
    pub(super) fn learn<S: Simd>(&mut self, simd: S, rule: AnyRule, inputs: &Panels, below: Option<&mut Panels>) {
        self.activation.chain(simd, self.gradient.groups_mut(), self.outputs.groups(), self.slopes.groups());
        if let Some(below) = below {
            self.pass_down(simd, below);
        }
        match rule {
            AnyRule::Adam(adam) => self.step(simd, adam, inputs),
            AnyRule::Sgd(sgd) => self.step(simd, sgd, inputs),
        }
    }

    /// gradient x kernel^T, as (kernel x gradient^T)^T: transposing two gradients is less than transposing a kernel.
    #[inline(always)]
    fn pass_down<S: Simd>(&mut self, simd: S, target: &mut Panels) {
        let (batch, units, inputs) = (self.gradient.rows(), self.gradient.cols(), self.kernel[0].rows());
        self.turned.reshape(units, batch);
        self.gradient.transpose_into(&mut self.turned);
        self.below.reshape(inputs, batch);
        self.below.groups_mut().fill(Group::ZEROS);
        multiply(simd, &self.kernel[0], &self.turned, &mut self.below);
        target.reshape(batch, inputs);
        self.below.transpose_into(target);
    }

    #[inline(always)]
    fn step<S: Simd, R: Rule>(&mut self, simd: S, rule: R, inputs: &Panels) {
        descend(simd, rule, inputs, &self.gradient, &mut self.kernel);
        for panel in 0..self.gradient.panels() {
            let mut sum = Group::ZEROS;
            for group in &self.gradient.panel(panel)[..self.gradient.rows()] {
                add(simd, &mut sum, group);
            }
            let arrays = self.bias.each_mut().map(|array| &mut array.panel_mut(panel)[0]);
            rule.apply_all(simd, S::as_simd_f32s(&*sum).0, arrays);
        }
    }

    /// Kernel and bias, or what the optimiser remembers of them, as they are now.
    pub(super) fn tensors(&self, part: Part) -> [Tensor; 2] {
        let (kernel, bias) = (&self.kernel[part as usize], &self.bias[part as usize]);
        let tensor = |kind, shape, panels: &Panels| Tensor {
            name: format!("{}.{kind}", self.name),
            shape,
            values: panels.to_values(),
        };
        [tensor("kernel", vec![kernel.rows(), kernel.cols()], kernel), tensor("bias", vec![bias.cols()], bias)]
    }

    /// Puts values of the same shapes in place of the present ones.
    pub(super) fn load(&mut self, part: Part, kernel: &Tensor, bias: &Tensor) {
        for (panels, tensor) in [(&mut self.kernel[part as usize], kernel), (&mut self.bias[part as usize], bias)] {
            panels.load(&tensor.values);
        }
    }
}

/// activation(inputs kernel + bias), `[batch, units]`, and the slopes of the activation if it needs them. No row depends on
/// another's. Training and inference both compute a layer here, so that their numbers are equal to the bit.
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
