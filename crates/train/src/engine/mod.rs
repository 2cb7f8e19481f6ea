//! The engines: what runs an epoch of steps on a device. Fitting sees this trait alone.

mod autodiff;
mod dense;
mod inputs;

use emberline_base::{Features, Matrix, SplitName, Splits};
use emberline_device::Device;

use crate::Error;
use crate::head::Architecture;
use crate::settings::{Loss, Optimizer};
use crate::weights::Weights;

/// A model on a device, with its data.
pub(crate) trait Engine {
    /// Trains on the training rows in this order, `batch_size` a step; gives the logits as they were
    /// before each row's step, `[order.len(), outputs]`.
    fn train_epoch(&mut self, epoch: u32, order: &[usize], batch_size: usize, learning_rate: f64) -> Matrix;

    /// The logits of a split's rows, `[rows, outputs]`; no rows where there is no such split.
    fn logits(&mut self, split: SplitName) -> Matrix;

    /// The weights as they are now.
    fn weights(&self) -> Weights;

    /// Puts weights of the same shapes in place of the present ones.
    fn load(&mut self, weights: &Weights);
}

/// What an engine is made from.
pub(crate) struct Blueprint<'a> {
    pub(crate) architecture: &'a Architecture,
    pub(crate) optimizer: &'a Optimizer,
    pub(crate) loss: Loss,
    pub(crate) seed: u64,
    pub(crate) features: &'a Splits<Features>,
    pub(crate) targets: &'a Matrix,
    pub(crate) weights: &'a Weights,
}

/// What builds an engine.
pub(crate) type Build = for<'a> fn(Device, Blueprint<'a>) -> Result<Box<dyn Engine + 'a>, Error>;

/// Builds the engine of a device; on the processor its own step, for the heads that it has one for.
pub(crate) fn build<'a>(device: Device, blueprint: Blueprint<'a>) -> Result<Box<dyn Engine + 'a>, Error> {
    if device == Device::Cpu && dense::fits(&blueprint) {
        return Ok(Box::new(dense::DenseEngine::new(&blueprint)));
    }
    build_burn(device, blueprint)
}

/// Builds the engine on Burn's tensors: the one place where a device's name becomes a type.
pub(crate) fn build_burn<'a>(device: Device, blueprint: Blueprint<'a>) -> Result<Box<dyn Engine + 'a>, Error> {
    Ok(match device {
        Device::Cpu => Box::new(autodiff::AutodiffEngine::<burn::backend::Flex>::new(blueprint, Default::default())),
        #[cfg(feature = "gpu")]
        Device::Wgpu => Box::new(autodiff::AutodiffEngine::<burn::backend::Wgpu>::new(blueprint, Default::default())),
        #[cfg(feature = "gpu")]
        Device::Cuda => Box::new(autodiff::AutodiffEngine::<burn::backend::Cuda>::new(blueprint, Default::default())),
        #[cfg(not(feature = "gpu"))]
        Device::Wgpu | Device::Cuda => return Err(device.not_built().into()),
    })
}
