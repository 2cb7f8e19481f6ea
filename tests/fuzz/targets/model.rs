//! Fuzzes model files: reads one, and uses and writes it again if it is valid. Digests aren't verified, since a fuzzer can't
//! guess them.
#![no_main]

use emberline_base::Matrix;
use emberline_fuzz::{begin, memory};
use emberline_train::Model;
use libfuzzer_sys::fuzz_target;

fuzz_target!(init: begin(), |input: &[u8]| {
    memory::limit(input.len());
    match Model::from_safetensors(input) {
        Err(error) => drop(error.to_string()),
        Ok(model) => {
            let logits = model.logits_of_vectors(&Matrix::zeros(1, model.dim()));
            drop(logits.map(|logits| (model.probabilities(logits.row(0)), model.decide(logits.row(0)))));
            drop(model.to_safetensors());
        }
    }
});
