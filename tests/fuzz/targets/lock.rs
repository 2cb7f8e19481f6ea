//! Fuzzes locks: parses one. The checksum, which a fuzzer can't guess, is verified last.
#![no_main]

use emberline_fuzz::{begin, memory};
use emberline_pipeline::Lock;
use libfuzzer_sys::fuzz_target;

fuzz_target!(init: begin(), |input: &[u8]| {
    memory::limit(input.len());
    drop(Lock::parse(input));
});
