//! A transformer that is read when the first text has to be encoded: where a cache holds every vector, a model of a gigabyte need
//! not be read, nor its weights packed or brought onto a card.

use emberline_device::Device;
use once_cell::sync::OnceCell;

use super::{Config, Forward, Transformer, Weights, build};
use crate::Error;

/// A transformer of a folder, whose tensors are known to have the right shapes.
pub(crate) struct Deferred {
    config: Config,
    weights: Weights,
    /// The content address of every file, as it was when it was opened.
    hashes: Vec<[u8; 32]>,
    device: Device,
    read: OnceCell<Box<dyn Forward>>,
}

impl Deferred {
    pub(crate) fn new(config: Config, weights: Weights, hashes: Vec<[u8; 32]>, device: Device) -> Self {
        Self { config, weights, hashes, device, read: OnceCell::new() }
    }

    /// What computes, read by the first caller.
    ///
    /// # Errors
    /// When numbers are damaged, or a file isn't what it was when it was opened.
    pub(crate) fn forward(&self) -> Result<&dyn Forward, Error> {
        let read = self.read.get_or_try_init(|| {
            let mut weights = self.weights.clone();
            let model = Transformer::read(&self.config, &mut weights)?;
            if weights.hashes()? != self.hashes {
                return Err(weights.changed());
            }
            build(model, self.device)
        });
        Ok(read?.as_ref())
    }
}
