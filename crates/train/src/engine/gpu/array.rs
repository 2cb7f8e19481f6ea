//! Flat arrays in GPU memory.

use std::marker::PhantomData;

use cubecl::prelude::*;
use cubecl::server::Handle;

/// An array in GPU memory, `[length]`. An empty array holds one number that nobody reads, since buffers can't be empty.
pub(super) struct GpuArray<R: Runtime, T: CubeElement> {
    handle: Handle,
    length: usize,
    types: PhantomData<(R, T)>,
}

impl<R: Runtime, T: CubeElement + CubePrimitive + Default> GpuArray<R, T> {
    /// Copies values to the GPU.
    pub(super) fn new(client: &ComputeClient<R>, values: &[T]) -> Self {
        let one = [T::default()];
        let values = if values.is_empty() { &one } else { values };
        Self::from_handle(client.create_from_slice(T::as_bytes(values)), values.len())
    }

    /// Allocates an array without initialising it.
    pub(super) fn alloc_uninit(client: &ComputeClient<R>, length: usize) -> Self {
        let length = length.max(1);
        Self::from_handle(client.empty(length * size_of::<T>()), length)
    }

    /// Downloads the array and applies `f` to it, after all previous operations of the GPU.
    ///
    /// # Panics
    /// When a previous operation failed.
    pub(super) fn read<U>(&self, client: &ComputeClient<R>, f: impl FnOnce(&[T]) -> U) -> U {
        client.flush().unwrap_or_else(|error| panic!("the GPU failed: {error}"));
        f(T::from_bytes(&client.read_one_unchecked(self.handle.clone())))
    }

    /// Returns the array as an argument of a kernel.
    #[expect(
        unsafe_code,
        reason = "the length is passed separately from the handle; here both always belong to one array"
    )]
    pub(super) fn arg(&self) -> ArrayArg<R> {
        // SAFETY: the handle was created for this number of values.
        unsafe { ArrayArg::from_raw_parts(self.handle.clone(), self.length) }
    }

    fn from_handle(handle: Handle, length: usize) -> Self {
        Self { handle, length, types: PhantomData }
    }
}
