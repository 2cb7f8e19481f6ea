//! Checkpoints, from which an interrupted fit resumes: its epochs, weights, optimiser state, and best weights.
//!
//! The state of callbacks isn't stored, since it follows from the epochs, of which callbacks are notified again. Nor
//! are random-number streams, each of which starts with its epoch.
//!
//! While an encoder is trained on pairs of texts, before the first epoch, a checkpoint holds no epoch and no best weights.
//!
//! File format: safetensors with the arrays `values/NAME`, `first/NAME`, `second/NAME` and `best/NAME`, and the
//! metadata entries `facts` (JSON) and `checksum` (BLAKE3 of `facts` and of every array).

use std::collections::HashMap;

use emberline_base::record::Epoch;
use emberline_base::{CancellationToken, Digest, Scores};
use safetensors::SafeTensors;
use serde::{Deserialize, Serialize};

use crate::Error;
use crate::weights::{self, StatePart, Tensor, TrainingState, Weights};

/// The state of a fit after an epoch.
#[derive(Clone, Debug, PartialEq)]
pub struct Checkpoint {
    pub(crate) history: Vec<Epoch>,
    /// The wall time so far, in seconds.
    pub(crate) seconds: f64,
    pub(crate) state: TrainingState,
    /// The weights of the best epoch.
    pub(crate) best: Weights,
}

/// Saves the checkpoints of one fit.
pub trait Checkpointer {
    /// Returns the checkpoint from which the fit resumes; called once, before the first epoch.
    fn resume(&mut self) -> Option<Checkpoint>;

    /// Returns what to do after an epoch that isn't the last.
    fn next_action(&mut self) -> CheckpointAction;

    /// Saves a checkpoint, replacing the previous one.
    ///
    /// # Errors
    /// When it can't be written; the fit then fails.
    fn save(&mut self, checkpoint: &Checkpoint) -> Result<(), Error>;

    /// Returns the token that ends a fit which has no epochs between which it could be asked; such a fit starts over later.
    fn interrupt(&self) -> Option<CancellationToken> {
        None
    }

    /// Called if there is not enough memory for a checkpoint; the fit continues without one.
    fn on_skip(&mut self, _: &dyn std::error::Error) {}
}

/// What a [`Checkpointer`] asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CheckpointAction {
    /// Train the next epoch.
    Continue,
    /// Save a checkpoint, then train the next epoch.
    Save,
    /// Save a checkpoint, and end the fit as [`Error::Interrupted`].
    SaveAndStop,
}

/// The JSON of the metadata entry `facts`: everything except the arrays.
#[derive(Serialize, Deserialize)]
struct Metadata {
    /// A digest of everything the fit depends on; a checkpoint with another identity is useless.
    identity: String,
    steps: u32,
    seconds: f64,
    history: Vec<Epoch>,
}

/// The prefixes of the arrays' names in a file.
const PREFIXES: [&str; 4] = ["values", "first", "second", "best"];

impl Checkpoint {
    /// Returns the number of epochs that the checkpoint holds.
    pub fn epochs(&self) -> usize {
        self.history.len()
    }

    /// Returns whether all scores are finite.
    pub(crate) fn is_finite(&self) -> bool {
        let is_finite = |scores: &Scores| scores.values().all(|score| score.is_finite());
        self.history.iter().all(|epoch| is_finite(&epoch.train) && epoch.valid.as_ref().is_none_or(is_finite))
    }

    /// Serializes the checkpoint to the bytes of its file.
    ///
    /// # Errors
    /// When two arrays share a name.
    pub fn to_bytes(&self, identity: &str) -> Result<Vec<u8>, Error> {
        let facts = Metadata {
            identity: identity.to_owned(),
            steps: self.state.steps,
            seconds: self.seconds,
            history: self.history.clone(),
        };
        let facts = serde_json::to_string(&facts).expect("strings and numbers are JSON");
        let parts = self.state.parts.iter().chain([&self.best]);
        let mut arrays: Vec<(String, &Tensor)> = Vec::new();
        for (prefix, weights) in PREFIXES.into_iter().zip(parts) {
            arrays.extend(weights.0.iter().map(|tensor| (format!("{prefix}/{}", tensor.name), tensor)));
        }
        let checksum = checksum(&facts, arrays.clone());
        let metadata = HashMap::from([("facts".to_owned(), facts), ("checksum".to_owned(), checksum)]);
        weights::serialize(arrays.into_iter(), Some(metadata))
    }

    /// Parses the bytes of a file.
    ///
    /// # Errors
    /// When the bytes are damaged, or belong to a fit with another identity.
    pub fn from_bytes(bytes: &[u8], identity: &str) -> Result<Self, Error> {
        let damaged = |why: &str| Error::Weights(why.to_owned());
        let (_, header) = SafeTensors::read_metadata(bytes).map_err(|error| damaged(&error.to_string()))?;
        let entry = |key| header.metadata().as_ref().and_then(|entries| entries.get(key));
        let text = entry("facts").ok_or_else(|| damaged("the metadata entry `facts` is missing"))?;
        let mut arrays = Weights::from_safetensors(bytes)?;
        // A fuzzer can't guess checksums.
        if !cfg!(fuzzing) && entry("checksum") != Some(&checksum(text, by_name(&arrays))) {
            return Err(damaged("its content doesn't match its checksum"));
        }
        let facts: Metadata = serde_json::from_str(text).map_err(|error| damaged(&error.to_string()))?;
        if facts.identity != identity {
            return Err(damaged("it was made from other inputs"));
        }
        let [values, first, second, best] = PREFIXES.map(|prefix| arrays.take_prefixed(prefix));
        let state = TrainingState { parts: [values, first, second], steps: facts.steps };
        Ok(Self { history: facts.history, seconds: facts.seconds, state, best })
    }

    /// Returns the checkpoint of an encoder that is trained on pairs, with its arrays in the order of the starting weights; none
    /// if names or shapes differ, or it holds an epoch.
    pub(crate) fn of_pairs(self, start: &Weights) -> Option<Self> {
        self.history.is_empty().then(|| self.with_state_in_order_of(start))?
    }

    fn with_state_in_order_of(mut self, start: &Weights) -> Option<Self> {
        for part in StatePart::ALL {
            let arrays = &mut self.state.parts[part as usize];
            *arrays = std::mem::take(arrays).in_order_of(start)?;
        }
        Some(self)
    }

    /// Returns the checkpoint with its arrays in the order of the starting weights; none if names or shapes differ, or
    /// it holds no epoch.
    pub(crate) fn in_order_of(self, start: &Weights) -> Option<Self> {
        let mut checkpoint = self.with_state_in_order_of(start)?;
        checkpoint.best = std::mem::take(&mut checkpoint.best).in_order_of(start)?;
        (!checkpoint.history.is_empty()).then_some(checkpoint)
    }
}

fn by_name(arrays: &Weights) -> Vec<(String, &Tensor)> {
    arrays.0.iter().map(|tensor| (tensor.name.clone(), tensor)).collect()
}

/// Computes the checksum of `facts` and of all arrays, sorted by name.
fn checksum(facts: &str, mut arrays: Vec<(String, &Tensor)>) -> String {
    arrays.sort_by(|(a, _), (b, _)| a.cmp(b));
    let mut parts = emberline_base::digest::PartsHasher::new();
    parts.add(facts.as_bytes());
    for (name, tensor) in arrays {
        parts.add(name.as_bytes());
        tensor.shape.iter().for_each(|length| parts.add(&(*length as u64).to_le_bytes()));
        tensor.values.chunks(1 << 14).for_each(|values| parts.add(&bytes(values)));
    }
    let digest: Digest = parts.digest();
    digest.as_str().to_owned()
}

fn bytes(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use emberline_base::Metric;

    use super::*;

    fn checkpoint() -> Checkpoint {
        let weights = |seed: f32| {
            let tensor = |name: &str, at: f32| Tensor { name: name.into(), shape: vec![2], values: vec![seed, at] };
            Weights(vec![tensor("head.0.kernel", 0.1), tensor("head.0.bias", 1e-9)])
        };
        let train = BTreeMap::from([(Metric::Loss, 0.1 + 0.2), (Metric::Accuracy, 1.0 / 3.0)]);
        let epoch = Epoch { epoch: 1, learning_rate: 1e-4, seconds: 0.25, train, valid: None };
        let state = TrainingState { parts: [weights(0.0), weights(1.0), weights(2.0)], steps: 7 };
        Checkpoint { history: vec![epoch], seconds: 0.5, state, best: weights(3.0) }
    }

    #[test]
    fn a_checkpoint_survives_its_file_to_the_bit() {
        let checkpoint = checkpoint();
        let bytes = checkpoint.to_bytes("this").expect("written");
        let read = Checkpoint::from_bytes(&bytes, "this").expect("read");
        assert_eq!(read.in_order_of(&checkpoint.best), Some(checkpoint));
        assert!(Checkpoint::from_bytes(&bytes, "that").is_err());
    }

    #[test]
    fn every_byte_that_is_flipped_is_noticed() {
        let checkpoint = checkpoint();
        let bytes = checkpoint.to_bytes("this").expect("written");
        for at in 0..bytes.len() {
            assert!(Checkpoint::from_bytes(&bytes[..at], "this").is_err(), "cut at {at}");
            let mut damaged = bytes.clone();
            damaged[at] ^= 1;
            let read =
                Checkpoint::from_bytes(&damaged, "this").ok().and_then(|read| read.in_order_of(&checkpoint.best));
            assert!(read.is_none_or(|read| read == checkpoint), "flipped at {at}");
        }
    }

    #[test]
    fn a_checkpoint_of_other_arrays_is_of_no_use() {
        let mut other = checkpoint().best;
        other.0[0].shape = vec![1, 2];
        assert_eq!(checkpoint().in_order_of(&other), None);
        other.0.truncate(1);
        assert_eq!(checkpoint().in_order_of(&other), None);
    }
}
