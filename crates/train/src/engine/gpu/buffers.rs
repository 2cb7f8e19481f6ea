//! The buffers of the engine on the GPU, and their form as arguments of kernels.

use cubecl::prelude::*;
use emberline_base::Matrix;

use super::array::GpuArray;
use super::kernel::{ActivationsLaunch, ModelMatricesLaunch, NetworkLaunch, OptimizerArraysLaunch};
use super::layout::Layout;
use crate::engine::stack::stack_values;

/// The arrays of all models on the GPU, whether active or not.
pub(super) struct Arrays<R: Runtime> {
    pub(super) descriptors: GpuArray<R, u32>,
    /// `[models, parameters]`, by [`StatePart`](crate::weights::StatePart).
    pub(super) parts: [GpuArray<R, f32>; 3],
    /// `[models, transposed]`
    pub(super) transposed: GpuArray<R, f32>,
    /// `[models, capacity, columns]`
    pub(super) outputs: GpuArray<R, f32>,
    /// `[models, capacity, columns]`
    pub(super) slopes: GpuArray<R, f32>,
    pub(super) capacity: usize,
}

/// A matrix of the same shape for every model; one that several models share is stored once.
pub(super) struct Stack<R: Runtime> {
    /// `[matrices * rows, cols]`
    pub(super) values: GpuArray<R, f32>,
    /// `[models]`: the first row of each model.
    pub(super) first_rows: GpuArray<R, u32>,
    pub(super) rows: usize,
    pub(super) cols: usize,
}

/// The data of an epoch.
pub(super) struct Epoch<R: Runtime> {
    /// `[models, rows]`
    pub(super) order: GpuArray<R, u32>,
    /// `[models, rows, words]`
    pub(super) masks: GpuArray<R, u32>,
    /// `[steps, models, 2]`: the learning rate, and the factor of a weight by weight decay.
    pub(super) rates: GpuArray<R, f32>,
}

impl<R: Runtime> Arrays<R> {
    /// Allocates the arrays, without weights, which have to be loaded.
    pub(super) fn new(client: &ComputeClient<R>, layout: &Layout, capacity: usize, models: usize) -> Self {
        let zeros = || GpuArray::new(client, &vec![0.0; models * layout.parameters]);
        let outputs = || GpuArray::alloc_uninit(client, models * capacity * layout.columns);
        Self {
            descriptors: GpuArray::new(client, &layout.descriptors()),
            parts: [GpuArray::new(client, &[]), zeros(), zeros()],
            transposed: GpuArray::new(client, &[]),
            outputs: outputs(),
            slopes: outputs(),
            capacity,
        }
    }

    /// Returns the layers and their weights as an argument of a kernel.
    pub(super) fn network(&self) -> NetworkLaunch<R> {
        NetworkLaunch::new(self.descriptors.arg(), self.parts[0].arg(), self.transposed.arg())
    }

    /// Returns the outputs and slopes as an argument of a kernel.
    pub(super) fn activations(&self) -> ActivationsLaunch<R> {
        ActivationsLaunch::new(self.outputs.arg(), self.slopes.arg())
    }

    /// Returns the arrays that a step changes as an argument of a kernel.
    pub(super) fn optimizer_arrays(&self) -> OptimizerArraysLaunch<R> {
        let [weights, first_moments, second_moments] = &self.parts;
        OptimizerArraysLaunch::new(weights.arg(), self.transposed.arg(), first_moments.arg(), second_moments.arg())
    }
}

impl<R: Runtime> Epoch<R> {
    /// Returns the data of no epoch.
    pub(super) fn unused(client: &ComputeClient<R>) -> Self {
        Self { order: GpuArray::new(client, &[]), masks: GpuArray::new(client, &[]), rates: GpuArray::new(client, &[]) }
    }
}

impl<R: Runtime> Stack<R> {
    /// Copies the matrices to the GPU, one per model.
    pub(super) fn new(client: &ComputeClient<R>, matrices: &[&Matrix]) -> Self {
        let (rows, cols) = (matrices[0].rows(), matrices[0].cols());
        let (values, first_rows) = stack_values(matrices);
        let first_rows: Vec<u32> = first_rows.into_iter().map(|row| row as u32).collect();
        Self { values: GpuArray::new(client, &values), first_rows: GpuArray::new(client, &first_rows), rows, cols }
    }

    /// Returns the matrices as an argument of a kernel.
    pub(super) fn arg(&self) -> ModelMatricesLaunch<R> {
        ModelMatricesLaunch::new(self.values.arg(), self.first_rows.arg())
    }
}
