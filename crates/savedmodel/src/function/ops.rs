//! The supported ops: this list is complete. None of them reads a file, runs code or draws a random number.
//!
//! [`kernel`] reads a node's attributes once, when a function is opened, and returns what then runs on its inputs.

mod arithmetic;
mod gather;
mod layout;
mod matrix;
mod reduce;
mod sizes;
mod sparse;
mod text;

use super::tensor::Tensor;
use crate::proto::NodeDef;

/// The outputs of an op, or what is wrong with its inputs.
pub(crate) type Outcome = Result<Vec<Tensor>, String>;

type Run = dyn Fn(&[&Tensor]) -> Outcome + Send + Sync;

/// An op with its attributes, ready for inputs.
pub(crate) struct Kernel {
    /// The number of its outputs.
    pub(crate) outputs: usize,
    run: Box<Run>,
}

/// The maximum number of outputs of a node; text models have fewer.
const MAX_OUTPUTS: usize = 4_096;

impl Kernel {
    /// Returns an op of one output and N inputs.
    fn of<const N: usize>(run: impl Fn([&Tensor; N]) -> Result<Tensor, String> + Send + Sync + 'static) -> Self {
        Self::any(1, move |inputs| Ok(vec![run(exactly(inputs)?)?]))
    }

    /// Returns an op of several outputs and N inputs.
    fn several<const N: usize>(outputs: usize, run: impl Fn([&Tensor; N]) -> Outcome + Send + Sync + 'static) -> Self {
        Self::any(outputs, move |inputs| run(exactly(inputs)?))
    }

    /// Returns an op of any number of inputs.
    fn any(outputs: usize, run: impl Fn(&[&Tensor]) -> Outcome + Send + Sync + 'static) -> Self {
        Self { outputs, run: Box::new(run) }
    }

    /// Runs the op.
    pub(crate) fn run(&self, inputs: &[&Tensor]) -> Outcome {
        (self.run)(inputs)
    }
}

fn exactly<'a, const N: usize>(inputs: &[&'a Tensor]) -> Result<[&'a Tensor; N], String> {
    inputs.try_into().map_err(|_| format!("has {} inputs; {N} are read", inputs.len()))
}

/// Returns the number of outputs that an attribute states.
fn outputs(node: &NodeDef, attribute: &str) -> Result<usize, String> {
    let count = crate::graph::int(node, attribute, 0);
    let found = usize::try_from(count).ok().filter(|count| (1..=MAX_OUTPUTS).contains(count));
    found.ok_or_else(|| format!("makes {count} tensors; from 1 to {MAX_OUTPUTS} are read"))
}

/// Returns the kernel of a node.
///
/// # Errors
/// An unsupported op, or unsupported attributes.
pub(crate) fn kernel(node: &NodeDef) -> Result<Kernel, String> {
    let families = [arithmetic::kernel, reduce::kernel, matrix::kernel, layout::kernel, gather::kernel, sizes::kernel];
    for family in families.into_iter().chain([sparse::kernel, text::kernel]) {
        if let Some(kernel) = family(node)? {
            return Ok(kernel);
        }
    }
    Err("is an unsupported op; the model needs TensorFlow itself".to_owned())
}
