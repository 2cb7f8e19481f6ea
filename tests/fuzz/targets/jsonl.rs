//! Fuzzes JSON Lines files, plain or compressed: the first line is the file's name, `rows.FORMAT[.COMPRESSION]`.
#![no_main]

use emberline_fuzz::{begin, data};
use libfuzzer_sys::fuzz_target;

fuzz_target!(init: begin(), |input: &[u8]| data::rows(input, &["jsonl"]));
