//! Looking for cards without being killed by a missing driver.

use std::panic::{self, AssertUnwindSafe};
use std::path::Path;
use std::sync::OnceLock;

use burn::backend::Cuda;
use burn::backend::wgpu::graphics::AutoGraphicsApi;
use burn::backend::wgpu::{WgpuDevice, init_setup};
use burn::tensor::Tensor;

use super::SOFTWARE;

/// The NVIDIA card's name, or why there is none. Burn panics on a server thread where the driver is
/// missing, so the driver is looked for first.
pub(super) fn cuda() -> Result<String, String> {
    static FOUND: OnceLock<Result<String, String>> = OnceLock::new();
    FOUND.get_or_init(find_cuda).clone()
}

fn find_cuda() -> Result<String, String> {
    let driver = ["/proc/driver/nvidia/version", "/dev/nvidiactl", "/dev/dxg", "C:/Windows/System32/nvcuda.dll"];
    if !driver.iter().any(|path| Path::new(path).exists()) {
        return Err("no NVIDIA driver was found; install one, or use `--device cpu`".into());
    }
    let works = || Tensor::<Cuda, 1>::from_floats([1.0], &Default::default()).add_scalar(1.0).into_scalar();
    match quietly(works) {
        Some(2.0) => Ok(card_name().unwrap_or_else(|| "NVIDIA card".to_owned())),
        Some(_) | None => Err("the NVIDIA driver is there, but CUDA doesn't work; check `nvidia-smi`".into()),
    }
}

/// The first card's model, as the driver on Linux tells it.
fn card_name() -> Option<String> {
    let mut cards = std::fs::read_dir("/proc/driver/nvidia/gpus").ok()?;
    let facts = std::fs::read_to_string(cards.next()?.ok()?.path().join("information")).ok()?;
    let model = facts.lines().find_map(|line| line.strip_prefix("Model:"))?;
    Some(model.trim().to_owned())
}

/// The graphics card's name, or why there is none.
pub(super) fn wgpu() -> Result<String, String> {
    static FOUND: OnceLock<Result<String, String>> = OnceLock::new();
    FOUND.get_or_init(find_wgpu).clone()
}

fn find_wgpu() -> Result<String, String> {
    let setup = quietly(|| init_setup::<AutoGraphicsApi>(&WgpuDevice::default(), Default::default()));
    let Some(setup) = setup else {
        return Err("no graphics card with Vulkan, Metal or DirectX 12 was found; use `--device cpu`".into());
    };
    let info = setup.adapter.get_info();
    let software = if format!("{:?}", info.device_type) == "Cpu" { format!(" {SOFTWARE}") } else { String::new() };
    Ok(format!("{}, {:?}{software}", info.name, info.backend))
}

/// Runs what may panic, without the panic's message.
fn quietly<T>(work: impl FnOnce() -> T) -> Option<T> {
    let hook = panic::take_hook();
    panic::set_hook(Box::new(|_| {}));
    let result = panic::catch_unwind(AssertUnwindSafe(work)).ok();
    panic::set_hook(hook);
    result
}
