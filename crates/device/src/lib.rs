//! Compute devices: which ones this machine has, and which one a run uses.
//!
//! Crates that compute with Burn (training, neural encoders) take a [`Device`] and turn it into the type of a backend
//! themselves. Choosing a device needs no Burn.

pub mod host;
pub mod memory;

use std::fmt;
use std::str::FromStr;

/// Why a device can't be used, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unavailable(pub String);

/// A kind of compute device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Device {
    /// The CPU, through Burn's flex backend.
    Cpu,
    /// An NVIDIA GPU, through burn-cuda.
    Cuda,
    /// Any GPU with Vulkan, Metal or DirectX 12, through burn-wgpu.
    Wgpu,
}

/// The value of `--device`: a device, or automatic selection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeviceChoice {
    /// CUDA if it works, else wgpu if its adapter is a real GPU, else the CPU.
    Auto,
    /// This device; an error if it can't be used.
    Only(Device),
}

/// A device and its state, as `emberline devices` shows them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Availability {
    /// The device.
    pub device: Device,
    /// The name of the hardware, or why it can't be used.
    pub detail: Result<String, String>,
}

impl Device {
    /// All kinds of devices, in order of preference.
    pub const ALL: [Self; 3] = [Self::Cuda, Self::Wgpu, Self::Cpu];

    /// The name on the command line and in records.
    pub fn name(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::Cuda => "cuda",
            Self::Wgpu => "wgpu",
        }
    }

    /// Returns whether the device can be used on this machine, and the name of its hardware.
    pub fn availability(self) -> Availability {
        let detail = match self {
            Self::Cpu => Ok(format!("{} cores", std::thread::available_parallelism().map_or(1, usize::from))),
            #[cfg(feature = "gpu")]
            Self::Cuda => gpu::cuda(),
            #[cfg(feature = "gpu")]
            Self::Wgpu => gpu::wgpu(),
            #[cfg(not(feature = "gpu"))]
            Self::Cuda | Self::Wgpu => Err(self.unsupported_by_build().0),
        };
        Availability { device: self, detail }
    }

    /// Returns a description of the hardware that determines how numbers are rounded: the CPU's architecture and widest
    /// vector instructions, such as `x86_64 avx2`, or the name of the GPU. Equal descriptions give equal bytes.
    pub fn arithmetic(self) -> String {
        match self {
            Self::Cpu => format!("{} {}", std::env::consts::ARCH, vector_instructions()),
            Self::Cuda | Self::Wgpu => self.availability().detail.unwrap_or_else(|why| why),
        }
    }

    /// Returns the version of the driver of a GPU; `None` for the CPU, and if it isn't known.
    pub fn driver(self) -> Option<String> {
        match self {
            Self::Cuda => host::nvidia_driver(),
            Self::Cpu | Self::Wgpu => None,
        }
    }

    /// Returns the error that a build without GPU backends gives for this device.
    pub fn unsupported_by_build(self) -> Unavailable {
        Unavailable(format!("this build doesn't support {self}; build with `--features gpu`, or use `--device cpu`"))
    }
}

impl DeviceChoice {
    /// Returns the device to use.
    ///
    /// # Errors
    /// When the requested device can't be used.
    pub fn resolve(self) -> Result<Device, Unavailable> {
        match self {
            Self::Only(device) => device.availability().detail.map(|_| device).map_err(Unavailable),
            Self::Auto => Ok(Device::ALL.into_iter().find(|d| d.is_preferable()).unwrap_or(Device::Cpu)),
        }
    }
}

impl Device {
    /// Returns whether `auto` may select the device. Software Vulkan works, but is far slower than the CPU itself.
    fn is_preferable(self) -> bool {
        match self.availability().detail {
            Ok(name) => self != Self::Wgpu || !name.ends_with(SOFTWARE),
            Err(_) => false,
        }
    }
}

#[cfg(target_arch = "x86_64")]
fn vector_instructions() -> &'static str {
    if std::is_x86_feature_detected!("avx512f") {
        "avx512"
    } else if std::is_x86_feature_detected!("avx2") && std::is_x86_feature_detected!("fma") {
        "avx2"
    } else {
        "sse2"
    }
}

#[cfg(not(target_arch = "x86_64"))]
fn vector_instructions() -> &'static str {
    "baseline"
}

/// Marks the name of a software adapter, at its end.
const SOFTWARE: &str = "(software)";

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for DeviceChoice {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        match name {
            "auto" => Ok(Self::Auto),
            "cpu" => Ok(Self::Only(Device::Cpu)),
            "cuda" => Ok(Self::Only(Device::Cuda)),
            "wgpu" => Ok(Self::Only(Device::Wgpu)),
            _ => Err(format!("unknown device `{name}`; use auto, cpu, cuda or wgpu")),
        }
    }
}

#[cfg(feature = "gpu")]
mod gpu;
