//! Rows of a table, by their numbers. The gradient of the table is zero but in these rows: nothing of its size is copied.

use std::sync::Arc;

use burn::backend::Flex;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops};
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;

use super::{contiguous, finish, given_back, numbers, register, tensor, tracked};

/// Returns the rows of a table, `[rows, cols]`, with these numbers.
pub(in crate::transformer) fn select<B: Backend>(table: &Tensor<B, 2>, rows: &[u32]) -> Option<Tensor<B, 2>> {
    let ([count, cols], table) = (table.dims(), tracked(table)?);
    let values = contiguous(&table.primitive);
    let mut output = Vec::with_capacity(rows.len() * cols);
    rows.iter().for_each(|&row| output.extend_from_slice(&numbers(&values)[row as usize * cols..][..cols]));
    let state = || State { rows: rows.into(), shape: [count, cols] };
    given_back(finish(Select, [&table], tensor(output, [rows.len(), cols]), state))
}

#[derive(Debug)]
struct Select;

#[derive(Clone, Debug)]
struct State {
    rows: Arc<[u32]>,
    shape: [usize; 2],
}

impl Backward<Flex, 1> for Select {
    type State = State;

    fn backward(self, ops: Ops<State, 1>, gradients: &mut Gradients, _: &mut Checkpointer) {
        let dy = contiguous(&gradients.consume::<Flex>(&ops.node));
        let (State { rows, shape }, [table]) = (ops.state, ops.parents.map(|parent| parent.map(|node| node.id)));
        register(gradients, table, || {
            let cols = shape[1];
            let mut sums = vec![0.0; shape[0] * cols];
            for (&row, dy) in rows.iter().zip(numbers(&dy).chunks_exact(cols)) {
                sums[row as usize * cols..][..cols].iter_mut().zip(dy).for_each(|(sum, dy)| *sum += dy);
            }
            tensor(sums, shape)
        });
    }
}
