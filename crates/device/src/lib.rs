//! The devices: which there are, and which one a run uses.
//!
//! What computes with Burn (training, neural encoders) takes a [`Device`] and turns it into a backend's
//! type itself; what only chooses one needs no Burn.

pub mod memory;

use std::fmt;
use std::str::FromStr;

/// A device that can't be used: why, and what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unavailable(pub String);

/// A kind of device that can compute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Device {
    /// The processor, through Burn's flex backend.
    Cpu,
    /// An NVIDIA card, through burn-cuda.
    Cuda,
    /// Any card with Vulkan, Metal or DirectX 12, through burn-wgpu.
    Wgpu,
}

/// What `--device` asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Choice {
    /// cuda where there is a card, else wgpu where there is a real one, else the processor.
    Auto,
    /// This one, or an error.
    Only(Device),
}

/// A device as `emberline devices` shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Availability {
    /// Which device.
    pub device: Device,
    /// What it is called, or why it can't be used.
    pub detail: Result<String, String>,
}

impl Device {
    /// All of them, the preferred ones first.
    pub const ALL: [Self; 3] = [Self::Cuda, Self::Wgpu, Self::Cpu];

    /// The name on the command line and in records.
    pub fn name(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::Cuda => "cuda",
            Self::Wgpu => "wgpu",
        }
    }

    /// Whether the device can be used here, and what it is called.
    pub fn availability(self) -> Availability {
        let detail = match self {
            Self::Cpu => Ok(format!("{} cores", std::thread::available_parallelism().map_or(1, usize::from))),
            #[cfg(feature = "gpu")]
            Self::Cuda => gpu::cuda(),
            #[cfg(feature = "gpu")]
            Self::Wgpu => gpu::wgpu(),
            #[cfg(not(feature = "gpu"))]
            Self::Cuda | Self::Wgpu => Err(self.not_built().0),
        };
        Availability { device: self, detail }
    }

    /// What computes, as far as the rounding of numbers may depend on it: a processor's widest registers, such as
    /// `x86_64 avx2`, or a card's name. Equal ones give equal bytes.
    pub fn arithmetic(self) -> String {
        match self {
            Self::Cpu => format!("{} {}", std::env::consts::ARCH, registers()),
            Self::Cuda | Self::Wgpu => self.availability().detail.unwrap_or_else(|why| why),
        }
    }

    /// What a build without GPU backends says of this device.
    pub fn not_built(self) -> Unavailable {
        Unavailable(format!("this build has no {self}; build with `--features gpu`, or use `--device cpu`"))
    }
}

impl Choice {
    /// The device to use.
    ///
    /// # Errors
    /// When the one that is asked for can't be used: why.
    pub fn resolve(self) -> Result<Device, Unavailable> {
        match self {
            Self::Only(device) => device.availability().detail.map(|_| device).map_err(Unavailable),
            Self::Auto => Ok(Device::ALL.into_iter().find(|d| d.is_preferable()).unwrap_or(Device::Cpu)),
        }
    }
}

impl Device {
    /// Whether `auto` takes it: software Vulkan works, but is far slower than the processor itself.
    fn is_preferable(self) -> bool {
        match self.availability().detail {
            Ok(name) => self != Self::Wgpu || !name.ends_with(SOFTWARE),
            Err(_) => false,
        }
    }
}

#[cfg(target_arch = "x86_64")]
fn registers() -> &'static str {
    if std::is_x86_feature_detected!("avx512f") {
        "avx512"
    } else if std::is_x86_feature_detected!("avx2") && std::is_x86_feature_detected!("fma") {
        "avx2"
    } else {
        "sse2"
    }
}

#[cfg(not(target_arch = "x86_64"))]
fn registers() -> &'static str {
    "baseline"
}

/// The end of a software adapter's name.
const SOFTWARE: &str = "(software)";

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Choice {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        match name {
            "auto" => Ok(Self::Auto),
            "cpu" => Ok(Self::Only(Device::Cpu)),
            "cuda" => Ok(Self::Only(Device::Cuda)),
            "wgpu" => Ok(Self::Only(Device::Wgpu)),
            _ => Err(format!("`{name}` is no device; use auto, cpu, cuda or wgpu")),
        }
    }
}

#[cfg(feature = "gpu")]
mod gpu;
