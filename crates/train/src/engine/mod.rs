//! The engines: what runs an epoch of steps on a device. Fitting sees this trait alone.

mod autodiff;
#[cfg(feature = "gpu")]
mod card;
mod dense;
mod dropout;
mod inference;
mod inputs;
mod one_by_one;
mod stack;

use emberline_base::{Features, Matrix, SplitName, Splits};
use emberline_device::Device;

use crate::Error;
use crate::head::Architecture;
use crate::settings::{Loss, Optimizer};
use crate::weights::{State, Weights};

pub(crate) use self::dense::{Network, Vectors};

/// Models of one shape on a device, with their data. Those that are in are trained beside each other, step by step; each
/// has its own rows, order and step size, and no number of one depends on another.
///
/// At first all are in, in the order of their specs.
pub(crate) trait Engine {
    /// Trains every model that is in, each by its input, in batches; gives each one's logits as they were
    /// before each row's step, `[rows, outputs]`.
    fn train_epoch(&mut self, epoch: u32, inputs: &[EpochInput]) -> Vec<Matrix>;

    /// For every model that is in, the logits of a split's rows, `[rows, outputs]`; no rows where there is no such split.
    fn logits(&mut self, split: SplitName) -> Vec<Matrix>;

    /// The weights of some of the models that are in, by their places, as they are now. `old`: earlier ones of the same
    /// models, or empty ones, whose memory may be used again.
    fn weights(&self, places: &[usize], old: Vec<Weights>) -> Vec<Weights>;

    /// Only the models at these places stay in.
    fn keep(&mut self, places: &[usize]);

    /// All models are in again, with weights of the same shapes in place of the present ones.
    fn load(&mut self, weights: &[&Weights]);

    /// What some of the models that are in would go on from, by their places.
    fn states(&self, places: &[usize]) -> Vec<State>;

    /// All models are in, and go on from states that took equally many steps.
    fn resume(&mut self, states: &[&State]);
}

/// One model's part in an epoch.
pub(crate) struct EpochInput {
    /// The training rows, in order; of equal number for all models.
    pub(crate) order: Vec<usize>,
    pub(crate) learning_rate: f64,
}

/// What a model is made from.
pub(crate) struct EngineSpec<'a> {
    pub(crate) architecture: &'a Architecture,
    pub(crate) optimizer: &'a Optimizer,
    pub(crate) loss: Loss,
    /// Rows of a step.
    pub(crate) batch_size: usize,
    pub(crate) seed: u64,
    pub(crate) features: &'a Splits<Features>,
    pub(crate) targets: &'a Matrix,
    pub(crate) weights: &'a Weights,
}

/// What builds an engine.
pub(crate) type Build = for<'a> fn(Device, &[EngineSpec<'a>]) -> Result<Box<dyn Engine + 'a>, Error>;

/// Builds the engine of a device for models of one shape. A processor gains nothing from taking the steps of several models
/// as one: they leave its caches.
pub(crate) fn build<'a>(device: Device, specs: &[EngineSpec<'a>]) -> Result<Box<dyn Engine + 'a>, Error> {
    match (device, specs) {
        (Device::Cpu, [one]) => build_on_processor(one),
        (Device::Cpu, several) => {
            let models = several.iter().map(build_on_processor).collect::<Result<_, _>>()?;
            Ok(Box::new(one_by_one::OneByOne::new(models)))
        }
        #[cfg(feature = "gpu")]
        (Device::Cuda, _) => build_on_card::<cubecl::cuda::CudaRuntime>(device, specs),
        #[cfg(feature = "gpu")]
        (Device::Wgpu, _) => build_on_card::<cubecl::wgpu::WgpuRuntime>(device, specs),
        #[cfg(not(feature = "gpu"))]
        (Device::Wgpu | Device::Cuda, _) => build_burn(device, specs),
    }
}

/// Builds a card's engine: kernels of its own, for the heads that it has them for.
#[cfg(feature = "gpu")]
fn build_on_card<'a, R: cubecl::Runtime>(
    device: Device,
    specs: &[EngineSpec<'a>],
) -> Result<Box<dyn Engine + 'a>, Error> {
    match card::CardEngine::<R>::new(specs) {
        Some(engine) => Ok(Box::new(engine)),
        None => build_burn(device, specs),
    }
}

/// Builds the CPU's engine for one model: a step of its own, for the heads that it has one for; else Burn's, whose logits
/// are computed by the kernels of inference.
fn build_on_processor<'a>(spec: &EngineSpec<'a>) -> Result<Box<dyn Engine + 'a>, Error> {
    if dense::fits(spec) {
        return Ok(Box::new(dense::DenseEngine::new(spec)?));
    }
    let engine = build_burn(Device::Cpu, std::slice::from_ref(spec))?;
    Ok(Box::new(inference::InferenceKernels::new(engine, spec)))
}

/// Builds the engine on Burn's tensors: the one place where a device's name becomes a type.
pub(crate) fn build_burn<'a>(device: Device, specs: &[EngineSpec<'a>]) -> Result<Box<dyn Engine + 'a>, Error> {
    Ok(match device {
        Device::Cpu => Box::new(autodiff::AutodiffEngine::<burn::backend::Flex>::new(specs, Default::default())),
        #[cfg(feature = "gpu")]
        Device::Wgpu => Box::new(autodiff::AutodiffEngine::<burn::backend::Wgpu>::new(specs, Default::default())),
        #[cfg(feature = "gpu")]
        Device::Cuda => Box::new(autodiff::AutodiffEngine::<burn::backend::Cuda>::new(specs, Default::default())),
        #[cfg(not(feature = "gpu"))]
        Device::Wgpu | Device::Cuda => return Err(device.not_built().into()),
    })
}
