//! Lazy loading of a transformer: the weights are read when the first text is encoded. If all vectors are cached, a model of a
//! gigabyte is neither read nor packed nor copied to a GPU.

use std::collections::BTreeMap;
use std::sync::Arc;

use emberline_device::Device;
use once_cell::sync::OnceCell;

use super::{Config, Forward, Transformer, Weights, build};
use crate::{Error, Precision};

/// A lazily loaded transformer, whose tensors are known to have the right shapes.
pub(crate) struct LazyTransformer {
    config: Config,
    weights: Weights,
    /// The hash of every file when it was opened.
    hashes: Vec<[u8; 32]>,
    device: Device,
    precision: Precision,
    loaded: OnceCell<Box<dyn Forward>>,
}

impl LazyTransformer {
    pub(crate) fn new(config: Config, weights: Weights, hashes: Vec<[u8; 32]>, device: Device) -> Self {
        Self { config, weights, hashes, device, precision: Precision::F32, loaded: OnceCell::new() }
    }

    /// Returns the same transformer with other values for some tensors, by their full names.
    pub(crate) fn with_tuned(&self, tuned: BTreeMap<String, Arc<[u8]>>) -> Self {
        Self { weights: self.weights.with_tuned(tuned), ..self.not_loaded() }
    }

    /// Returns the same transformer, whose layers are computed in other numbers.
    pub(crate) fn with_precision(&self, precision: Precision) -> Self {
        Self { precision, ..self.not_loaded() }
    }

    /// Returns the numbers that the layers are computed in.
    pub(crate) fn precision(&self) -> Precision {
        self.precision
    }

    fn not_loaded(&self) -> Self {
        Self {
            config: self.config.clone(),
            weights: self.weights.clone(),
            hashes: self.hashes.clone(),
            device: self.device,
            precision: self.precision,
            loaded: OnceCell::new(),
        }
    }

    /// Returns the tensors, with the prefix of their names not yet found.
    pub(crate) fn weights(&self) -> &Weights {
        &self.weights
    }

    /// Reads the model without the values of its tensors.
    ///
    /// # Errors
    /// If a tensor is missing or of another shape.
    pub(crate) fn outline(&self) -> Result<Transformer, Error> {
        Transformer::read(&self.config, &mut self.weights.without_values())
    }

    /// Reads the model.
    ///
    /// # Errors
    /// If a value isn't finite, or a file was changed after it was opened.
    pub(crate) fn read(&self) -> Result<Transformer, Error> {
        let mut weights = self.weights.clone();
        let model = Transformer::read(&self.config, &mut weights)?;
        self.check_unchanged().map(|()| model)
    }

    /// Checks that no file was changed after it was opened.
    ///
    /// # Errors
    /// If one was.
    pub(crate) fn check_unchanged(&self) -> Result<(), Error> {
        if self.weights.hashes()? == self.hashes { Ok(()) } else { Err(self.weights.changed()) }
    }

    /// Returns the forward pass, which the first caller loads.
    ///
    /// # Errors
    /// Those of [`read`](Self::read).
    pub(crate) fn forward(&self) -> Result<&dyn Forward, Error> {
        Ok(self.loaded.get_or_try_init(|| build(self.read()?, self.device, self.precision))?.as_ref())
    }
}
