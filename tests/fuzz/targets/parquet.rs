//! Apache Parquet, plain or packed: the first line is the file's name, `rows.FORMAT[.PACKING]`.
#![no_main]

use emberline_fuzz::{begin, data};
use libfuzzer_sys::fuzz_target;

fuzz_target!(init: begin(), |input: &[u8]| data::rows(input, &["parquet"]));
