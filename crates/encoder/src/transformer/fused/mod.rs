//! Operations of training on the CPU that are computed as a whole, together with their gradients.
//!
//! Burn's flex backend takes several operations for each, all on one core, and allocates an array per operation. These take one,
//! on all cores, with the products of `emberline_kernels`. Every number is computed by one thread in one order, so that results
//! don't depend on the number of threads.
//!
//! A function returns `None` on another backend than [`Cpu`]: its caller then composes the same from Burn's operations. Tests
//! compare the two.

mod attention;
mod gelu;
mod linear;
mod norm;
mod select;
#[cfg(test)]
mod tests;

use std::any::Any;

use burn::backend::autodiff::NodeId;
use burn::backend::autodiff::checkpoint::strategy::NoCheckpointing;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, OpsKind};
use burn::backend::flex::FlexTensor;
use burn::backend::{Autodiff, Flex};
use burn::tensor::backend::{Backend, BackendTypes};
use burn::tensor::{Tensor, TensorData, TensorPrimitive};
use pulp::{Arch, Simd, WithSimd};

pub(super) use self::attention::{Attention, attention};
pub(super) use self::gelu::gelu;
pub(super) use self::linear::linear;
pub(super) use self::norm::layer_norm;
pub(super) use self::select::select;

/// The backend that trains on the CPU.
type Cpu = Autodiff<Flex>;
/// A tensor of this backend.
type Tracked = <Cpu as BackendTypes>::FloatTensorPrimitive;

/// Returns a tensor as one of [`Cpu`], if it is.
fn tracked<B: Backend, const R: usize>(x: &Tensor<B, R>) -> Option<Tracked> {
    let x = (x as &dyn Any).downcast_ref::<Tensor<Cpu, R>>()?;
    Some(x.clone().into_primitive().tensor())
}

/// Returns a tensor of [`Cpu`] as one of the backend that it was [`tracked`] from.
fn given_back<B: Backend, const R: usize>(x: Tracked) -> Option<Tensor<B, R>> {
    let x: Box<dyn Any> = Box::new(Tensor::<Cpu, R>::from_primitive(TensorPrimitive::Float(x)));
    x.downcast::<Tensor<B, R>>().ok().map(|x| *x)
}

/// Ends an operation on tensors, of which some may be untracked.
fn finish<O: Backward<Flex, N>, const N: usize>(
    operation: O,
    inputs: [&Tracked; N],
    output: FlexTensor,
    state: impl FnOnce() -> O::State,
) -> Tracked {
    let nodes = inputs.map(|input| input.node.clone());
    match operation.prepare::<NoCheckpointing>(nodes).compute_bound().stateful() {
        OpsKind::Tracked(operation) => operation.finish(state(), output),
        OpsKind::UnTracked(operation) => operation.finish(output),
    }
}

/// Adds the gradient of an input, if it is tracked.
fn register(gradients: &mut Gradients, input: Option<NodeId>, gradient: impl FnOnce() -> FlexTensor) {
    if let Some(node) = input {
        gradients.register::<Flex>(node, gradient());
    }
}

/// Sums the rows of a matrix of `cols` columns; with `factors`, of its product with another, number by number.
fn column_sums(values: &[f32], factors: Option<&[f32]>, cols: usize) -> Vec<f32> {
    let mut sums = vec![0.0; cols];
    Arch::new().dispatch(ColumnSums { values, factors, sums: &mut sums });
    sums
}

struct ColumnSums<'a> {
    values: &'a [f32],
    factors: Option<&'a [f32]>,
    sums: &'a mut [f32],
}

impl WithSimd for ColumnSums<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Self { values, factors, sums } = self;
        let cols = sums.len();
        for (at, row) in values.chunks_exact(cols).enumerate() {
            match factors.map(|factors| &factors[at * cols..][..cols]) {
                Some(factors) => sums.iter_mut().zip(row).zip(factors).for_each(|((sum, a), b)| *sum += a * b),
                None => sums.iter_mut().zip(row).for_each(|(sum, value)| *sum += value),
            }
        }
    }
}

/// Returns a tensor whose numbers follow each other.
fn contiguous(x: &FlexTensor) -> FlexTensor {
    if x.as_slice::<f32>().is_some() { x.clone() } else { x.to_contiguous() }
}

/// Returns the numbers of a tensor that is [`contiguous`].
fn numbers(x: &FlexTensor) -> &[f32] {
    x.as_slice().expect("32-bit numbers that follow each other")
}

fn tensor<const R: usize>(values: Vec<f32>, shape: [usize; R]) -> FlexTensor {
    FlexTensor::from_data(TensorData::new(values, shape))
}
