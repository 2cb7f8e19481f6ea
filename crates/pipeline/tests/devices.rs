//! The results in the quickstart's lock, made on a CPU, are reproduced on a GPU within the tolerance.
#![cfg(feature = "gpu")]

use std::path::Path;

use emberline_device::Device;
use emberline_pipeline::{Lock, Options, Pipeline, Proof, RunFolder, Selection, Silent, verify};
use emberline_test_support::{Requirement, skip};

/// Number of cells; a software GPU takes seconds for each.
const SAMPLE: usize = 4;

#[test]
fn gpus_reproduce_the_results_of_the_cpu() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../pipelines/quickstart.toml");
    let pipeline = Pipeline::load(&path, &[]).expect("sound");
    let lock = Lock::load(&Lock::path_of(&path)).expect("a lock");
    for device in [Device::Wgpu, Device::Cuda] {
        if let Err(why) = device.availability().detail {
            skip(Requirement::of_device(&device.to_string()), &format!("the quickstart's lock on {device}: {why}"));
            continue;
        }
        let folder = tempfile::tempdir().expect("a folder");
        let run_folder = RunFolder::new(folder.path());
        let options = Options::on(device);
        let sample = Selection { sample: Some(SAMPLE), ..Selection::default() };
        let verified = verify(&pipeline, &lock, &sample, &run_folder, options, &mut Silent).expect("it ends");
        assert!(verified.inputs.is_empty() && verified.cells.len() == SAMPLE, "{verified:?}");
        for cell in &verified.cells {
            assert!(cell.proof == Proof::Tolerance && cell.differences.is_empty(), "{device}: {cell:?}");
        }
    }
}
