//! Large arrays whose allocation may fail. A lack of memory within `Vec`'s own functions ends the whole process; here it is an
//! error of whoever asks, such as one cell's failure.
//!
//! For arrays whose length comes from data or from files; small ones need none of this.

/// The system gave no more memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{bytes} bytes of memory could not be had; make the data, the layers or `dim` smaller, or provide more memory (`ulimit -v`, the container's limit)"
)]
pub struct OutOfMemory {
    /// How many were asked for.
    pub bytes: u64,
}

/// An empty array with room for `len` elements.
///
/// # Errors
/// When there is no memory for it.
pub fn with_capacity<T>(len: usize) -> Result<Vec<T>, OutOfMemory> {
    let mut values = Vec::new();
    reserve(&mut values, len)?;
    Ok(values)
}

/// Makes room for exactly `additional` elements more.
///
/// # Errors
/// When there is no memory for them; the array stays as it was.
pub fn reserve<T>(values: &mut Vec<T>, additional: usize) -> Result<(), OutOfMemory> {
    values.try_reserve_exact(additional).map_err(|_| out_of_memory::<T>(additional))
}

/// Makes room for at least `additional` elements more, so that an array can grow bit by bit.
///
/// # Errors
/// When there is no memory for them; the array stays as it was.
pub fn grow<T>(values: &mut Vec<T>, additional: usize) -> Result<(), OutOfMemory> {
    values.try_reserve(additional).map_err(|_| out_of_memory::<T>(additional))
}

/// `len` times the same value.
///
/// # Errors
/// When there is no memory for them.
pub fn filled<T: Clone>(value: T, len: usize) -> Result<Vec<T>, OutOfMemory> {
    let mut values = with_capacity(len)?;
    values.resize(len, value);
    Ok(values)
}

/// A copy.
///
/// # Errors
/// When there is no memory for it.
pub fn copied<T: Copy>(from: &[T]) -> Result<Vec<T>, OutOfMemory> {
    let mut values = with_capacity(from.len())?;
    values.extend_from_slice(from);
    Ok(values)
}

/// Makes sure that `bytes` can be had, without keeping them: before code that allocates by itself and can't fail.
///
/// # Errors
/// When they can't be had.
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
