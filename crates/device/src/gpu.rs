//! Detects GPUs through Burn, without letting a missing driver end the process.

use std::panic::{self, AssertUnwindSafe};
use std::path::Path;
use std::sync::OnceLock;

use burn::backend::Cuda;
use burn::backend::wgpu::graphics::AutoGraphicsApi;
use burn::backend::wgpu::{WgpuDevice, init_setup};
use burn::tensor::Tensor;

use super::SOFTWARE;

/// Returns the name of the NVIDIA GPU, or why CUDA can't be used. Burn panics on a server thread if the driver is
/// missing, so the driver's files are looked for first.
pub(super) fn cuda() -> Result<String, String> {
    static FOUND: OnceLock<Result<String, String>> = OnceLock::new();
    FOUND.get_or_init(detect_cuda).clone()
}

fn detect_cuda() -> Result<String, String> {
    let driver = ["/proc/driver/nvidia/version", "/dev/nvidiactl", "/dev/dxg", "C:/Windows/System32/nvcuda.dll"];
    if !driver.iter().any(|path| Path::new(path).exists()) {
        return Err("no NVIDIA driver was found; install one, or use `--device cpu`".into());
    }
    let probe = || Tensor::<Cuda, 1>::from_floats([1.0], &Default::default()).add_scalar(1.0).into_scalar();
    match catch_panic_silently(probe) {
        Some(2.0) => Ok(gpu_name().unwrap_or_else(|| "NVIDIA GPU".to_owned())),
        Some(_) | None => Err("the NVIDIA driver is installed, but CUDA doesn't work; check `nvidia-smi`".into()),
    }
}

/// Returns the model of the first GPU, as the driver reports it on Linux.
fn gpu_name() -> Option<String> {
    let mut gpus = std::fs::read_dir("/proc/driver/nvidia/gpus").ok()?;
    let information = std::fs::read_to_string(gpus.next()?.ok()?.path().join("information")).ok()?;
    let model = information.lines().find_map(|line| line.strip_prefix("Model:"))?;
    Some(model.trim().to_owned())
}

/// Returns the name and the backend of the graphics adapter, or why wgpu can't be used.
pub(super) fn wgpu() -> Result<String, String> {
    static FOUND: OnceLock<Result<String, String>> = OnceLock::new();
    FOUND.get_or_init(detect_wgpu).clone()
}

fn detect_wgpu() -> Result<String, String> {
    let setup = catch_panic_silently(|| init_setup::<AutoGraphicsApi>(&WgpuDevice::default(), Default::default()));
    let Some(setup) = setup else {
        return Err("no GPU with Vulkan, Metal or DirectX 12 was found; use `--device cpu`".into());
    };
    let info = setup.adapter.get_info();
    let software = if format!("{:?}", info.device_type) == "Cpu" { format!(" {SOFTWARE}") } else { String::new() };
    Ok(format!("{}, {:?}{software}", info.name, info.backend))
}

/// Runs a probe that may panic. Returns none if it does, and suppresses the message of the panic.
fn catch_panic_silently<T>(work: impl FnOnce() -> T) -> Option<T> {
    let hook = panic::take_hook();
    panic::set_hook(Box::new(|_| {}));
    let result = panic::catch_unwind(AssertUnwindSafe(work)).ok();
    panic::set_hook(hook);
    result
}
