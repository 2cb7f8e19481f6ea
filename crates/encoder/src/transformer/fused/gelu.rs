//! GELU, with its slope.

use burn::backend::Flex;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops};
use burn::backend::flex::FlexTensor;
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use emberline_kernels::function::gelu_with_slope;
use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

use super::{contiguous, finish, given_back, numbers, register, tensor, tracked};

/// Numbers that a thread takes at a time.
const CHUNK: usize = 1 << 14;

/// Applies GELU to rows, `[rows, cols]`.
pub(in crate::transformer) fn gelu<B: Backend>(x: &Tensor<B, 2>) -> Option<Tensor<B, 2>> {
    let (shape, x) = (x.dims(), tracked(x)?);
    let input = contiguous(&x.primitive);
    let input = numbers(&input);
    let (mut values, mut slopes) = (vec![0.0; input.len()], vec![0.0; input.len()]);
    let outputs = values.par_chunks_mut(CHUNK).zip(slopes.par_chunks_mut(CHUNK));
    outputs.zip(input.par_chunks(CHUNK)).for_each(|((values, slopes), input)| {
        Arch::new().dispatch(Curve { input, values, slopes });
    });
    given_back(finish(Gelu, [&x], tensor(values, shape), || tensor(slopes, shape)))
}

struct Curve<'a> {
    input: &'a [f32],
    values: &'a mut [f32],
    slopes: &'a mut [f32],
}

impl WithSimd for Curve<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        for ((value, slope), x) in self.values.iter_mut().zip(self.slopes).zip(self.input) {
            (*value, *slope) = gelu_with_slope(*x);
        }
    }
}

#[derive(Debug)]
struct Gelu;

impl Backward<Flex, 1> for Gelu {
    type State = FlexTensor;

    fn backward(self, ops: Ops<FlexTensor, 1>, gradients: &mut Gradients, _: &mut Checkpointer) {
        let dy = contiguous(&gradients.consume::<Flex>(&ops.node));
        let [x] = ops.parents.map(|parent| parent.map(|node| node.id));
        register(gradients, x, || {
            let [rows, cols] = [dy.layout().shape()[0], dy.layout().shape()[1]];
            let products = numbers(&dy).iter().zip(numbers(&ops.state)).map(|(dy, slope)| dy * slope);
            tensor(products.collect(), [rows, cols])
        });
    }
}
