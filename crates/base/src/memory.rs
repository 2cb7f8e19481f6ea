//! Fallible allocation of large arrays: too little memory becomes an error, such as the failure of one cell, whereas `Vec`'s
//! own functions would abort the whole process.
//!
//! It is for arrays whose length comes from data or from files; small arrays don't need it.

/// The error for an allocation that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "not enough memory: can't allocate {bytes} bytes; make the data, the layers or `dim` smaller, or provide more memory (`ulimit -v`, the container's limit)"
)]
pub struct OutOfMemory {
    /// The number of bytes that were requested.
    pub bytes: u64,
}

/// Creates an empty array with capacity for `len` elements.
///
/// # Errors
/// If there is not enough memory.
pub fn with_capacity<T>(len: usize) -> Result<Vec<T>, OutOfMemory> {
    let mut values = Vec::new();
    reserve(&mut values, len)?;
    Ok(values)
}

/// Reserves capacity for exactly `additional` more elements.
///
/// # Errors
/// If there is not enough memory; the array is unchanged.
pub fn reserve<T>(values: &mut Vec<T>, additional: usize) -> Result<(), OutOfMemory> {
    values.try_reserve_exact(additional).map_err(|_| out_of_memory::<T>(additional))
}

/// Reserves capacity for at least `additional` more elements, in amortised constant time per element, for an array that
/// grows little by little.
///
/// # Errors
/// If there is not enough memory; the array is unchanged.
pub fn grow<T>(values: &mut Vec<T>, additional: usize) -> Result<(), OutOfMemory> {
    values.try_reserve(additional).map_err(|_| out_of_memory::<T>(additional))
}

/// Creates an array of `len` copies of a value.
///
/// # Errors
/// If there is not enough memory.
pub fn filled<T: Clone>(value: T, len: usize) -> Result<Vec<T>, OutOfMemory> {
    let mut values = with_capacity(len)?;
    values.resize(len, value);
    Ok(values)
}

/// Copies a slice into a new array.
///
/// # Errors
/// If there is not enough memory.
pub fn copied<T: Copy>(from: &[T]) -> Result<Vec<T>, OutOfMemory> {
    let mut values = with_capacity(from.len())?;
    values.extend_from_slice(from);
    Ok(values)
}

/// Checks that `bytes` bytes can be allocated, and frees them again. It is called before library code that allocates without
/// a way to fail.
///
/// # Errors
/// If there is not enough memory.
pub fn probe(bytes: u64) -> Result<(), OutOfMemory> {
    let len = usize::try_from(bytes).map_err(|_| OutOfMemory { bytes })?;
    with_capacity::<u8>(len).map(drop)
}

fn out_of_memory<T>(len: usize) -> OutOfMemory {
    OutOfMemory { bytes: (len as u64).saturating_mul(size_of::<T>() as u64) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_not_be_had_is_an_error() {
        let len = 1 << 58;
        assert_eq!(filled(0_f32, len), Err(OutOfMemory { bytes: 1 << 60 }));
        assert!(
            with_capacity::<u64>(len).is_err() && grow(&mut vec![0_u8], len << 3).is_err() && probe(1 << 60).is_err()
        );
        assert_eq!((filled(7, 3), copied(&[1, 2])), (Ok(vec![7; 3]), Ok(vec![1, 2])));
    }
}
