//! Fuzzes pipeline files, followed by `-S` assignments after NUL bytes: parses one, and plans it if the grid is small.
#![no_main]

use emberline_fuzz::{begin, folder, memory};
use emberline_pipeline::{Pipeline, Plan};
use libfuzzer_sys::fuzz_target;

/// Maximum number of combinations that are planned; larger grids find nothing new.
const MAX_COMBINATIONS: usize = 64;

fuzz_target!(init: begin(), |input: &[u8]| {
    memory::limit(input.len());
    let text = String::from_utf8_lossy(input);
    let mut parts = text.split('\0');
    let file = parts.next().unwrap_or_default();
    let assignments: Vec<String> = parts.map(str::to_owned).collect();
    match Pipeline::parse("pipeline.toml", file, folder(), &assignments) {
        Err(error) => drop(error.to_string()),
        Ok(pipeline) => {
            let resolved = pipeline.resolved();
            assert!(toml::from_str::<toml::Value>(&resolved).is_ok(), "{resolved}");
            if pipeline.combinations() <= MAX_COMBINATIONS {
                drop(Plan::of(&pipeline));
            }
        }
    }
});
