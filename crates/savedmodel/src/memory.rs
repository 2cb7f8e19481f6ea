//! Fallible allocation of large arrays: running out of memory is an error, and doesn't abort the process.

use crate::error::Error;

/// Returns an empty array with capacity for `len` elements.
pub(crate) fn with_capacity<T>(len: usize) -> Result<Vec<T>, Error> {
    let mut values = Vec::new();
    let bytes = (len as u64).saturating_mul(size_of::<T>() as u64);
    values.try_reserve_exact(len).map_err(|_| Error::OutOfMemory { bytes })?;
    Ok(values)
}

/// Returns an array of `len` copies of a value.
pub(crate) fn filled<T: Clone>(value: T, len: usize) -> Result<Vec<T>, Error> {
    let mut values = with_capacity(len)?;
    values.resize(len, value);
    Ok(values)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_not_be_had_is_an_error() {
        let error = with_capacity::<u64>(usize::MAX / 16).expect_err("too many");
        assert!(matches!(error, Error::OutOfMemory { bytes } if bytes == (usize::MAX / 16) as u64 * 8), "{error}");
        assert_eq!(filled(1_u8, 3).expect("three bytes"), [1, 1, 1]);
    }
}
