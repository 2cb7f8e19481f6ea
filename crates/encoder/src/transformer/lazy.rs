//! Lazy loading of a transformer: the weights are read when the first text is encoded. If all vectors are cached, a model of a
//! gigabyte is neither read nor packed nor copied to a GPU.

use emberline_device::Device;
use once_cell::sync::OnceCell;

use super::{Config, Forward, Transformer, Weights, build};
use crate::Error;

/// A lazily loaded transformer, whose tensors are known to have the right shapes.
pub(crate) struct LazyTransformer {
    config: Config,
    weights: Weights,
    /// The hash of every file when it was opened.
    hashes: Vec<[u8; 32]>,
    device: Device,
    read: OnceCell<Box<dyn Forward>>,
}

impl LazyTransformer {
    pub(crate) fn new(config: Config, weights: Weights, hashes: Vec<[u8; 32]>, device: Device) -> Self {
        Self { config, weights, hashes, device, read: OnceCell::new() }
    }

    /// Returns the forward pass, which the first caller loads.
    ///
    /// # Errors
    /// If a value isn't finite, or a file was changed after it was opened.
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
