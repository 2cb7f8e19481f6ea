//! A bundle: opened, and used where it is one. Its digest is passed by, since a fuzzer can't guess it.
#![no_main]

use emberline_device::Device;
use emberline_fuzz::{begin, folder, memory, write};
use emberline_pipeline::{Classifier, ClassifierOptions};
use libfuzzer_sys::fuzz_target;

const NAME: &str = "fuzzed.bundle";

fuzz_target!(init: begin(), |input: &[u8]| {
    write(NAME, input);
    memory::limit(input.len());
    match Classifier::of_bundle(&folder().join(NAME), ClassifierOptions::on(Device::Cpu)) {
        Err(error) => drop(error.to_string()),
        Ok(classifier) => drop(classifier.classify(&["how are you", ""], &mut |_| {})),
    }
});
