//! Engines, which compute the steps of an epoch on a device. Fitting uses them through the trait [`Engine`] only.

mod autodiff;
mod dense;
mod dropout;
mod encoder;
mod forward;
#[cfg(feature = "gpu")]
mod gpu;
mod host_update;
mod inference;
mod inputs;
mod parameter;
mod sequential;
mod stack;
mod vectors;

use burn::tensor::backend::Backend;
use emberline_base::{Features, Matrix, SplitName, Splits};
use emberline_device::Device;
use emberline_encoder::fine_tune::HostEncoder;

use crate::Error;
use crate::head::Architecture;
use crate::objective::Objective;
use crate::optimizer::StepOptimizer;
use crate::settings::{Clip, EncoderTraining};
use crate::weights::{TrainingState, Weights};

pub(crate) use self::dense::{Network, Vectors};
pub(crate) use self::encoder::{PairEngine, PairSpec};
pub(crate) use self::vectors::{FeatureMismatch, GAMMA, MIX, TABLE, pooled, shares, vectors};

/// Trains models of one shape on a device that holds their data. The active models are trained concurrently, step by
/// step. Each has its own rows, order and learning rate, and no number of one model depends on another.
///
/// At first all models are active, in the order of their specs. Methods address the active models by their positions.
pub(crate) trait Engine {
    /// Trains every active model for one epoch, each with its input, in batches. Returns the logits of each model,
    /// `[rows, outputs]`, as they were before each row's step.
    fn train_epoch(&mut self, epoch: u32, inputs: &[EpochInput]) -> Vec<Matrix>;

    /// Returns the logits of a split's rows for every active model, `[rows, outputs]`; no rows if the split doesn't
    /// exist.
    fn logits(&mut self, split: SplitName) -> Vec<Matrix>;

    /// Returns the current weights of the active models at these positions. `old` holds earlier weights of the same
    /// models, or empty ones, whose memory may be reused.
    fn weights(&self, positions: &[usize], old: Vec<Weights>) -> Vec<Weights>;

    /// Deactivates all models except those at these positions.
    fn retain(&mut self, positions: &[usize]);

    /// Activates all models, and replaces their weights by others of the same shapes.
    fn load(&mut self, weights: &[&Weights]);

    /// Returns the training state of the active models at these positions.
    fn states(&self, positions: &[usize]) -> Vec<TrainingState>;

    /// Activates all models, and continues from states that took equally many steps.
    fn resume(&mut self, states: &[&TrainingState]);
}

/// The input of one model for an epoch.
pub(crate) struct EpochInput {
    /// The training rows in order, equally many for all models.
    pub(crate) order: Vec<usize>,
    /// The learning rate of each step.
    pub(crate) learning_rates: Vec<f64>,
}

/// What a model is built from.
pub(crate) struct EngineSpec<'a> {
    pub(crate) architecture: &'a Architecture,
    pub(crate) optimizer: &'a StepOptimizer,
    pub(crate) objective: &'a Objective,
    /// How gradients are bounded.
    pub(crate) clip: Option<Clip>,
    /// The penalty on the squared weights of the head's kernels; 0 for none.
    pub(crate) l2: f64,
    /// The number of rows per step.
    pub(crate) batch_size: usize,
    pub(crate) seed: u64,
    pub(crate) features: &'a Splits<Features>,
    pub(crate) targets: &'a Matrix,
    pub(crate) weights: &'a Weights,
    /// The encoder that is trained with the head, and how; none if the features aren't token ids.
    pub(crate) encoder: Option<(&'a HostEncoder, EncoderTraining)>,
}

/// A function that builds an engine for models of one shape on a device.
pub(crate) type BuildEngine = for<'a> fn(Device, &[EngineSpec<'a>]) -> Result<Box<dyn Engine + 'a>, Error>;

/// Builds the engine of a device for models of one shape. A CPU gains nothing from computing the steps of several
/// models as one, because their arrays exceed its caches.
pub(crate) fn build<'a>(device: Device, specs: &[EngineSpec<'a>]) -> Result<Box<dyn Engine + 'a>, Error> {
    match (device, specs) {
        (_, [EngineSpec { encoder: Some(_), .. }]) => build_burn(device, specs),
        (Device::Cpu, [one]) => build_on_cpu(one),
        (Device::Cpu, several) => {
            let models = several.iter().map(build_on_cpu).collect::<Result<_, _>>()?;
            Ok(Box::new(sequential::SequentialEngine::new(models)))
        }
        #[cfg(feature = "gpu")]
        (Device::Cuda, _) => build_on_gpu::<cubecl::cuda::CudaRuntime>(device, specs),
        #[cfg(feature = "gpu")]
        (Device::Wgpu, _) => build_on_gpu::<cubecl::wgpu::WgpuRuntime>(device, specs),
        #[cfg(not(feature = "gpu"))]
        (Device::Wgpu | Device::Cuda, _) => build_burn(device, specs),
    }
}

/// Builds a GPU's engine: Emberline's own kernels if they support the head, else Burn's tensors.
#[cfg(feature = "gpu")]
fn build_on_gpu<'a, R: cubecl::Runtime>(
    device: Device,
    specs: &[EngineSpec<'a>],
) -> Result<Box<dyn Engine + 'a>, Error> {
    match gpu::GpuEngine::<R>::new(specs) {
        Some(engine) => Ok(Box::new(engine)),
        None => build_burn(device, specs),
    }
}

/// Builds the CPU's engine for one model: the fused step of `dense` if it supports the head, else Burn's tensors, with
/// logits computed by the inference kernels.
fn build_on_cpu<'a>(spec: &EngineSpec<'a>) -> Result<Box<dyn Engine + 'a>, Error> {
    if dense::supports(spec) {
        return Ok(Box::new(dense::DenseEngine::new(spec)?));
    }
    let engine = build_burn(Device::Cpu, std::slice::from_ref(spec))?;
    Ok(Box::new(inference::InferenceKernels::new(engine, spec)))
}

/// Builds the engine on Burn's tensors. A device becomes a backend's type only here and in [`build_pairs`].
pub(crate) fn build_burn<'a>(device: Device, specs: &[EngineSpec<'a>]) -> Result<Box<dyn Engine + 'a>, Error> {
    match device {
        Device::Cpu => build_on::<burn::backend::Flex>(specs, true),
        #[cfg(feature = "gpu")]
        Device::Wgpu => build_on::<burn::backend::Wgpu>(specs, false),
        #[cfg(feature = "gpu")]
        Device::Cuda => build_on::<burn::backend::Cuda>(specs, false),
        #[cfg(not(feature = "gpu"))]
        Device::Wgpu | Device::Cuda => Err(device.unsupported_by_build().into()),
    }
}

/// Builds the engine on a backend; `is_host` says whether its tensors are in host memory.
fn build_on<'a, B: Backend>(specs: &[EngineSpec<'a>], is_host: bool) -> Result<Box<dyn Engine + 'a>, Error> {
    let device = B::Device::default();
    Ok(match specs {
        [spec @ EngineSpec { encoder: Some(encoder), .. }] => {
            Box::new(encoder::EncoderEngine::<B>::new(spec, *encoder, device, is_host)?)
        }
        specs => Box::new(autodiff::AutodiffEngine::<B>::new(specs, device)),
    })
}

/// Builds the engine that trains an encoder on pairs of texts.
pub(crate) fn build_pairs<'a>(device: Device, spec: &'a PairSpec<'a>) -> Result<Box<dyn PairEngine + 'a>, Error> {
    match device {
        Device::Cpu => build_pairs_on::<burn::backend::Flex>(spec, true),
        #[cfg(feature = "gpu")]
        Device::Wgpu => build_pairs_on::<burn::backend::Wgpu>(spec, false),
        #[cfg(feature = "gpu")]
        Device::Cuda => build_pairs_on::<burn::backend::Cuda>(spec, false),
        #[cfg(not(feature = "gpu"))]
        Device::Wgpu | Device::Cuda => Err(device.unsupported_by_build().into()),
    }
}

fn build_pairs_on<'a, B: Backend>(spec: &'a PairSpec<'a>, is_host: bool) -> Result<Box<dyn PairEngine + 'a>, Error> {
    Ok(Box::new(encoder::BurnPairEngine::<B>::new(spec, B::Device::default(), is_host)?))
}
