//! Compares every operation and its gradients with Burn's own operations.

use burn::tensor::activation::softmax;

use super::*;
use crate::transformer::Heads;

/// Returns numbers of no meaning.
fn wave<const R: usize>(shape: [usize; R], from: usize) -> Tensor<Cpu, R> {
    let count: usize = shape.iter().product();
    let values: Vec<f32> = (from..from + count).map(|at| (at as f32 * 0.7).sin()).collect();
    Tensor::from_data(TensorData::new(values, shape), &Default::default())
}

fn values<B: Backend, const R: usize>(x: Tensor<B, R>) -> Vec<f32> {
    x.into_data().into_vec().expect("32-bit numbers")
}

/// Compares two functions of the same matrices, and the gradients of a weighted sum of their results.
fn compare<const N: usize>(
    inputs: [Tensor<Cpu, 2>; N],
    own: impl Fn(&[Tensor<Cpu, 2>]) -> Option<Tensor<Cpu, 2>>,
    burn: impl Fn(&[Tensor<Cpu, 2>]) -> Tensor<Cpu, 2>,
) {
    let of = |function: &dyn Fn(&[Tensor<Cpu, 2>]) -> Tensor<Cpu, 2>| {
        let inputs: Vec<_> = inputs.iter().map(|x| Tensor::from_inner(x.clone().inner()).require_grad()).collect();
        let output = function(&inputs);
        let gradients = (output.clone() * wave(output.dims(), 100)).sum().backward();
        let of = |input: &Tensor<Cpu, 2>| input.grad(&gradients).map(values).expect("a gradient");
        [values(output)].into_iter().chain(inputs.iter().map(of)).collect::<Vec<_>>()
    };
    let own = of(&|inputs: &[Tensor<Cpu, 2>]| own(inputs).expect("the CPU"));
    for (at, (own, burn)) in own.iter().zip(of(&burn)).enumerate() {
        let far = own.iter().zip(&burn).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(own.len() == burn.len() && far < 1e-4, "{at}: {far}");
    }
}

#[test]
fn linear_maps_are_burns() {
    for (rows, outputs, inputs) in [(1, 1, 1), (7, 33, 5), (40, 16, 50), (13, 5, 17)] {
        let [x, weight, bias] = [wave([rows, inputs], 0), wave([outputs, inputs], 7), wave([1, outputs], 3)];
        let product = |t: &[Tensor<Cpu, 2>]| t[0].clone().matmul(t[1].clone().transpose());
        compare([x.clone(), weight.clone()], |t| linear(&t[0], &t[1], None), product);
        compare([x, weight, bias], |t| linear(&t[0], &t[1], Some(&t[2])), |t| product(t) + t[2].clone());
    }
}

#[test]
fn norms_and_gelu_are_burns() {
    let tensors = [wave([70, 21], 0), wave([1, 21], 7), wave([1, 21], 3)];
    compare(
        tensors.clone(),
        |t| layer_norm(&t[0], &t[1], &t[2], 1e-5),
        |t| {
            let centred = t[0].clone() - t[0].clone().mean_dim(1);
            let variance = (centred.clone() * centred.clone()).mean_dim(1);
            centred / variance.add_scalar(1e-5).sqrt() * t[1].clone() + t[2].clone()
        },
    );
    let [x, ..] = tensors;
    compare([x], |t| gelu(&t[0]), |t| burn::tensor::activation::gelu(t[0].clone()));
}

/// Texts of 3 and 5 tokens, two heads of 4 numbers, with a bias, and a window in both directions or to the left.
#[test]
fn attention_is_burns() {
    let (lengths, count, width, longest) = ([3, 5], 2, 4, 5);
    for (window, causal) in [(None, false), (Some(1), false), (Some(2), true)] {
        let heads = Heads { count, shared: count, width, scale: 0.5, causal };
        let own = |t: &[Tensor<Cpu, 2>]| {
            let bias = t[1].clone().reshape([1, count, longest, longest]);
            attention(&t[0], &Attention { heads, lengths: &lengths, window, rotation: None, bias: Some(&bias) })
        };
        let text = |t: &[Tensor<Cpu, 2>], first: usize, length: usize| {
            let rows = t[0].clone().narrow(0, first, length).reshape([length, 3 * count, width]);
            let part = |part: usize| rows.clone().narrow(1, part * count, count).swap_dims(0, 1);
            let bias = t[1].clone().reshape([count, longest, longest]).narrow(1, 0, length).narrow(2, 0, length);
            let sees = |i: usize, j: usize| window.is_none_or(|most| i.abs_diff(j) <= most) && !(causal && j > i);
            let mask = (0..length * length).map(|at| if sees(at / length, at % length) { 0.0 } else { -1e30 });
            let mask = TensorData::new(mask.collect::<Vec<f32>>(), [1, length, length]);
            let scores =
                part(0).matmul(part(1).swap_dims(1, 2)) * 0.5 + bias + Tensor::from_data(mask, &Default::default());
            softmax(scores, 2).matmul(part(2)).swap_dims(0, 1).reshape([length, count * width])
        };
        let inputs = [wave([8, 3 * count * width], 0), wave([count * longest, longest], 5)];
        compare(inputs, own, |t| Tensor::cat(vec![text(t, 0, 3), text(t, 3, 5)], 0));
    }
}

#[test]
fn selected_rows_are_burns() {
    let rows = [3, 0, 3, 2];
    compare(
        [wave([5, 7], 0)],
        |t| select(&t[0], &rows),
        |t| {
            let rows = Tensor::from_data(TensorData::new(rows.map(i64::from).to_vec(), [4]), &Default::default());
            t[0].clone().select(0, rows)
        },
    );
}

/// Untracked inputs have no gradient; on another backend there is no such operation.
#[test]
fn what_is_not_trained_has_no_gradient() {
    let (frozen, weight) = (wave([2, 3], 0), wave([2, 3], 1).require_grad());
    let gradients = linear(&frozen, &weight, None).expect("the CPU").sum().backward();
    assert!(weight.grad(&gradients).is_some() && frozen.grad(&gradients).is_none());
    let plain = Tensor::<Flex, 2>::from_data([[1.0, 2.0]], &Default::default());
    assert!(gelu(&plain).is_none() && linear(&plain, &plain, None).is_none());
}
