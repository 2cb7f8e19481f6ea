//! Fuzzes checkpoints: reads one, and writes it again if it is valid. Checksums aren't verified, since a fuzzer can't guess them.
#![no_main]

use emberline_fuzz::{begin, memory};
use emberline_train::Checkpoint;
use libfuzzer_sys::fuzz_target;

fuzz_target!(init: begin(), |input: &[u8]| {
    memory::limit(input.len());
    match Checkpoint::from_bytes(input, "seed") {
        Err(error) => drop(error.to_string()),
        Ok(checkpoint) => drop(checkpoint.to_bytes("seed")),
    }
});
