//! A stage on the way from files to features: computes a value from a key, and keeps the latest one.
//!
//! A single value is enough, since the execution order puts cells that share a value next to each other.

/// The latest value of a stage, with the key that it was computed from.
#[derive(Debug)]
pub(super) struct Stage<K, V> {
    latest: Option<(K, V)>,
}

impl<K, V> Default for Stage<K, V> {
    fn default() -> Self {
        Self { latest: None }
    }
}

impl<K: PartialEq, V: Clone> Stage<K, V> {
    /// Returns the value of a key: the latest one if the key is the same, otherwise what `compute` returns. The old
    /// value is dropped first, so that memory never holds two.
    ///
    /// # Errors
    /// Those of `compute`; then nothing is kept.
    pub(super) fn get<E>(&mut self, key: K, compute: impl FnOnce() -> Result<V, E>) -> Result<V, E> {
        if let Some(value) = self.latest(&key) {
            return Ok(value);
        }
        self.latest = None;
        let value = compute()?;
        self.put(key, value.clone());
        Ok(value)
    }

    /// Returns the latest value if it belongs to the key.
    pub(super) fn latest(&self, key: &K) -> Option<V> {
        self.latest.as_ref().filter(|(known, _)| known == key).map(|(_, value)| value.clone())
    }

    /// Stores a value that was computed elsewhere.
    pub(super) fn put(&mut self, key: K, value: V) {
        self.latest = Some((key, value));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_computed_once_per_key_in_a_row() {
        let (mut stage, mut computed) = (Stage::default(), Vec::new());
        for key in [1, 1, 2, 1] {
            let value = stage.get(key, || {
                computed.push(key);
                Ok::<_, ()>(10 * key)
            });
            assert_eq!(value, Ok(10 * key));
        }
        assert_eq!(computed, [1, 2, 1]);
    }

    #[test]
    fn an_error_is_not_kept() {
        let mut stage = Stage::default();
        assert_eq!(stage.get(1, || Err("a fault")), Err("a fault"));
        assert_eq!(stage.latest(&1), None);
        assert_eq!(stage.get(1, || Ok::<_, &str>("sound")), Ok("sound"));
    }
}
