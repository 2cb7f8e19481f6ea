//! Tests that the same models give equal vectors and gradients on every available device, except for the rounding of sums.
#![cfg(feature = "gpu")]

use std::path::{Path, PathBuf};

use burn::backend::{Autodiff, Cuda, Flex, Wgpu};
use burn::tensor::backend::Backend;
use burn::tensor::{Tensor, TensorData};
use emberline_base::Matrix;
use emberline_device::Device;
use emberline_encoder::elmo::Elmo;
use emberline_encoder::fine_tune::{DeviceEncoder, Scope, TrainedArray};
use emberline_encoder::sentence_transformer::SentenceTransformer;
use emberline_encoder::{EncoderOptions, Precision};
use emberline_test_support::{Requirement, skip};

const GPUS: [Device; 2] = [Device::Wgpu, Device::Cuda];
const TEXTS: [&str; 5] = ["the dog is red", "", "Why do dogs run?", "a", "the sun of the moon is how the cat walks ."];

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

fn open(model: &str, precision: Precision, device: Device) -> SentenceTransformer {
    let model = SentenceTransformer::open(&fixture(model), &EncoderOptions::default(), device).expect("a good model");
    model.with_precision(precision)
}

fn sentences(model: &str, precision: Precision, device: Device) -> Matrix {
    open(model, precision, device).encode(&TEXTS.map(str::as_bytes)).expect("encoded")
}

fn elmo(device: Device) -> Matrix {
    let folder = fixture("elmo");
    let model = Elmo::open(&folder.join("weights.hdf5"), &folder.join("options.json"), device).expect("a good model");
    model.encode(&TEXTS.map(|text| text.split(' ').filter(|token| !token.is_empty()).collect()))
}

/// Compares what devices compute with what the CPU does, of which a number may be off by `most`.
fn compare(what: &str, devices: &[Device], most: f32, vectors: impl Fn(Device) -> Matrix) {
    let cpu = vectors(Device::Cpu);
    for &device in devices {
        if let Err(why) = device.availability().detail {
            skip(Requirement::of_device(&device.to_string()), &format!("{what} on {device}: {why}"));
            continue;
        }
        let other = vectors(device);
        let off = cpu.values().iter().zip(other.values()).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(cpu.values().len() == other.values().len() && off < most, "{what} on {device}: off by {off}");
    }
}

const FAMILIES: [&str; 14] = [
    "bert",
    "roberta",
    "distilbert",
    "mpnet",
    "modernbert",
    "qwen3",
    "gemma3",
    "t5",
    "t5_gated",
    "nomic",
    "gte",
    "gte_new",
    "albert",
    "deberta",
];

#[test]
fn devices_agree_on_every_family() {
    for model in FAMILIES {
        compare(model, &GPUS, 1e-5, |device| sentences(model, Precision::F32, device));
    }
    compare("elmo", &GPUS, 1e-5, elmo);
}

/// Returns the gradients of a sum of the vectors with weights: of every trained array, one after another, each divided by the
/// largest number of its own.
fn gradients<B: Backend>(model: &str, precision: Precision, scope: Scope, device: B::Device) -> Matrix {
    let model = open(model, precision, Device::Cpu);
    let tokens = model.tokens(&TEXTS.map(str::as_bytes)).expect("tokens");
    let batch: Vec<&[u32]> = (0..TEXTS.len()).map(|text| tokens.of_text(text)).collect();
    let host = model.fine_tune(scope).expect("trainable");
    let start = host.start(1).expect("readable");
    let encoder = DeviceEncoder::<Autodiff<B>>::new(&host, device.clone()).expect("readable");
    let tracked = |array: &TrainedArray| {
        let data = TensorData::new(array.values.clone(), array.matrix_shape());
        Tensor::<Autodiff<B>, 2>::from_data(data, &device).require_grad()
    };
    let tracked: Vec<_> = start.iter().map(tracked).collect();
    let vectors = encoder.forward(&tracked, &batch, None);
    let [rows, cols] = vectors.dims();
    let weights: Vec<f32> = (0..rows * cols).map(|at| (at as f32).sin()).collect();
    let weights = Tensor::<Autodiff<B>, 2>::from_data(TensorData::new(weights, [rows, cols]), &device);
    let mut gradients = (vectors * weights).sum().backward();
    let gradient = |tensor: &Tensor<Autodiff<B>, 2>| {
        let gradient = tensor.grad_remove(&mut gradients)?;
        Some(gradient.into_data().convert::<f32>().into_vec::<f32>().expect("32-bit numbers"))
    };
    let gradients: Vec<Vec<f32>> = tracked.iter().filter_map(gradient).collect();
    let largest = |values: &[f32]| values.iter().fold(0.0_f32, |most, value| most.max(value.abs()));
    let of_all = gradients.iter().map(|values| largest(values)).fold(0.0, f32::max);
    let scaled = |values: &Vec<f32>| {
        // The gradient of the keys' bias is 0 but for rounding: it must be small beside the others.
        let scale = largest(values).max(of_all / 100.0);
        values.iter().map(|value| value / scale).collect::<Vec<f32>>()
    };
    let all: Vec<f32> = gradients.iter().flat_map(scaled).collect();
    Matrix::new(1, all.len(), all)
}

#[test]
fn devices_agree_on_gradients() {
    for model in FAMILIES {
        for scope in [Scope::All, Scope::Lora { rank: 2, alpha: 2.0 }] {
            compare(&format!("gradients of {model}"), &GPUS, 3e-4, |device| match device {
                Device::Cpu => gradients::<Flex>(model, Precision::F32, scope, Default::default()),
                Device::Wgpu => gradients::<Wgpu>(model, Precision::F32, scope, Default::default()),
                Device::Cuda => gradients::<Cuda>(model, Precision::F32, scope, Default::default()),
            });
        }
    }
}

/// CUDA rounds as training on the CPU does.
#[test]
fn cuda_agrees_with_the_cpu_in_mixed_precision() {
    if let Err(why) = Device::Cuda.availability().detail {
        return skip(Requirement::of_device("cuda"), &format!("mixed precision on CUDA: {why}"));
    }
    for model in FAMILIES {
        compare(&format!("{model} in mixed precision"), &[Device::Cuda], 3e-2, |device| {
            sentences(model, Precision::Bf16, device)
        });
        compare(&format!("gradients of {model} in mixed precision"), &[Device::Cuda], 0.1, |device| match device {
            Device::Cuda => gradients::<Cuda>(model, Precision::Bf16, Scope::All, Default::default()),
            _ => gradients::<Flex>(model, Precision::Bf16, Scope::All, Default::default()),
        });
    }
}

/// What such a device can't train is refused; frozen encoders are computed on the CPU.
#[test]
fn a_device_without_brain_floats_trains_nothing_in_them() {
    let device = Device::Wgpu;
    if let Err(why) = device.availability().detail {
        return skip(Requirement::of_device(&device.to_string()), &format!("mixed precision on {device}: {why}"));
    }
    let model = open("bert", Precision::Bf16, device);
    let host = model.fine_tune(Scope::All).expect("trainable");
    let trained = DeviceEncoder::<Autodiff<Wgpu>>::new(&host, Default::default()).map(drop);
    let error = trained.expect_err("WGSL has no such numbers").to_string();
    assert!(error.contains("`precision = \"bf16\"`") && error.contains("--device cpu"), "{error}");
    let encoded = model.encode(&TEXTS.map(str::as_bytes)).expect("encoded");
    assert_eq!(encoded, sentences("bert", Precision::Bf16, Device::Cpu));
}
