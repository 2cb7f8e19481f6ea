//! Tests that corrupt and mismatched files give a clear error that names the file, and never a panic.

use std::fs;

use tempfile::TempDir;

use super::*;

/// A copy of the tiny model's weights file whose content can be replaced.
struct Copy {
    folder: TempDir,
    whole: Vec<u8>,
}

impl Copy {
    fn new() -> Self {
        let whole = fs::read(Files::tiny().weights).expect("weights");
        Self { folder: tempfile::tempdir().expect("a folder"), whole }
    }

    /// Reads the weights from other bytes; an error must be one about the file's content.
    fn read(&self, bytes: &[u8]) -> Result<Weights, String> {
        let path = self.folder.path().join("weights.hdf5");
        fs::write(&path, bytes).expect("written");
        weights::read(&path, &Files::tiny().options()).map_err(|error| match &error {
            Error::Format { path, .. } if path.ends_with("weights.hdf5") => error.to_string(),
            _ => panic!("not a fault of the file: {error}"),
        })
    }
}

fn assert_not_a_panic(error: &str) {
    assert!(!error.contains("the HDF5 reader failed"), "the reader panicked");
}

#[test]
fn every_truncation_is_refused() {
    let copy = Copy::new();
    // The end of the file is either the last dataset or the groups: a truncated file always lacks something.
    for len in (0..copy.whole.len()).step_by(7).chain(copy.whole.len() - 64..copy.whole.len()) {
        let error = copy.read(&copy.whole[..len]).expect_err("a truncated file");
        assert_not_a_panic(&error);
    }
}

#[test]
fn flipped_bits_are_refused_or_change_numbers_alone() {
    let copy = Copy::new();
    let mut bytes = copy.whole.clone();
    let mut refused = 0;
    for bit in (0..bytes.len() * 8).step_by(61) {
        bytes[bit / 8] ^= 1 << (bit % 8);
        if let Err(error) = copy.read(&bytes) {
            assert_not_a_panic(&error);
            refused += 1;
        }
        bytes[bit / 8] ^= 1 << (bit % 8);
    }
    assert!(refused > 100, "{refused} of some 4,500");
}

/// A name heap that claims a terabyte: no more bytes are read than the file has.
#[test]
fn a_size_beyond_the_file_is_refused_before_it_is_read() {
    let copy = Copy::new();
    let heaps = copy.whole.windows(4).enumerate().filter(|(_, window)| window == b"HEAP").map(|(at, _)| at);
    let heaps: Vec<usize> = heaps.collect();
    assert!(!heaps.is_empty());
    for at in heaps {
        let mut bytes = copy.whole.clone();
        bytes[at + 8..at + 16].copy_from_slice(&(1_u64 << 40).to_le_bytes());
        assert_not_a_panic(&copy.read(&bytes).expect_err("a heap of a terabyte"));
    }
}

#[test]
fn something_else_is_refused() {
    let copy = Copy::new();
    let other = vec![b'x'; copy.whole.len()];
    assert!(copy.read(&other).expect_err("no HDF5").contains("not an HDF5 file"));
    assert!(copy.read(b"").expect_err("no HDF5").contains("has 0 bytes"));
}

#[test]
fn a_missing_dataset_is_named() {
    let copy = Copy::new();
    let mut bytes = copy.whole.clone();
    let at = bytes.windows(10).position(|window| window == b"char_embed").expect("its name");
    bytes[at..at + 10].copy_from_slice(b"char_embex");
    let error = copy.read(&bytes).expect_err("a missing dataset");
    assert!(error.contains("can't find the dataset char_embed"), "{error}");
}

#[test]
fn numbers_that_are_none_are_refused() {
    let copy = Copy::new();
    let mut bytes = copy.whole.clone();
    let weights = copy.read(&bytes).expect("weights");
    let number = weights.projection.bias.values[1].to_le_bytes();
    let at = bytes.windows(4).position(|window| window == number).expect("the number");
    bytes[at..at + 4].copy_from_slice(&f32::NAN.to_le_bytes());
    let error = copy.read(&bytes).expect_err("a number that is none");
    assert!(error.contains("CNN_proj/b_proj has the value NaN at index 1"), "{error}");
}

#[test]
fn options_of_another_model_are_refused() {
    let files = Files::tiny();
    let text = fs::read_to_string(&files.options).expect("options");
    let folder = tempfile::tempdir().expect("a folder");
    let options = folder.path().join("options.json");
    for (from, to, message) in [
        ("\"dim\": 6", "\"dim\": 5", "LSTMCell/W_0 has the shape [8, 24], but options.json requires [8, 20]"),
        ("\"dim\": 3", "\"dim\": 2", "char_embed has the shape [261, 3]"),
        ("\"projection_dim\": 4", "\"projection_dim\": 3", "CNN_proj/W_proj has the shape [9, 4]"),
        ("\"n_layers\": 2", "\"n_layers\": 3", "can't find the dataset RNN_0/RNN/MultiRNNCell/Cell2"),
        ("\"n_highway\": 1", "\"n_highway\": 2", "can't find the dataset CNN_high_1/W_transform"),
        ("\"dim\": 6", "\"dim\": 32768", "options.json requires"),
    ] {
        assert!(text.contains(from), "{from}");
        fs::write(&options, text.replace(from, to)).expect("written");
        let error = Elmo::open(&files.weights, &options, Device::Cpu).err().expect(message).to_string();
        assert!(error.contains("weights.hdf5: ") && error.contains(message), "{error}");
    }
    fs::write(&options, "{").expect("written");
    let error = Elmo::open(&files.weights, &options, Device::Cpu).err().expect("no options").to_string();
    assert!(error.contains("options.json: not the options") && error.contains("line 1"), "{error}");
}
