//! Flat arrays on a card.

use std::marker::PhantomData;

use cubecl::prelude::*;
use cubecl::server::Handle;

/// An array on a card, `[length]`; of zero length, there is one number that nobody reads.
pub(super) struct CardArray<R: Runtime, T: CubeElement> {
    handle: Handle,
    length: usize,
    types: PhantomData<(R, T)>,
}

impl<R: Runtime, T: CubeElement + CubePrimitive + Default> CardArray<R, T> {
    /// Copies numbers to the card.
    pub(super) fn new(client: &ComputeClient<R>, values: &[T]) -> Self {
        let one = [T::default()];
        let values = if values.is_empty() { &one } else { values };
        Self::over(client.create_from_slice(T::as_bytes(values)), values.len())
    }

    /// Room for so many numbers, whatever they are.
    pub(super) fn room(client: &ComputeClient<R>, length: usize) -> Self {
        let length = length.max(1);
        Self::over(client.empty(length * size_of::<T>()), length)
    }

    /// What `f` makes of the numbers, once all that was asked of the card before is done.
    ///
    /// # Panics
    /// When something of it failed.
    pub(super) fn read<U>(&self, client: &ComputeClient<R>, f: impl FnOnce(&[T]) -> U) -> U {
        client.flush().unwrap_or_else(|error| panic!("the card failed: {error}"));
        f(T::from_bytes(&client.read_one_unchecked(self.handle.clone())))
    }

    /// The array as a kernel takes it.
    #[expect(unsafe_code, reason = "the length is told apart from the handle; here they are always of one array")]
    pub(super) fn arg(&self) -> ArrayArg<R> {
        // SAFETY: the handle was made for as many numbers.
        unsafe { ArrayArg::from_raw_parts(self.handle.clone(), self.length) }
    }

    fn over(handle: Handle, length: usize) -> Self {
        Self { handle, length, types: PhantomData }
    }
}
