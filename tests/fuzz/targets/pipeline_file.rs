//! A pipeline file, with `-S` assignments behind NUL bytes: parsed, typed, and planned where the grid is small.
#![no_main]

use emberline_fuzz::{begin, folder, memory};
use emberline_pipeline::{Pipeline, Plan};
use libfuzzer_sys::fuzz_target;

/// Grids of more combinations only repeat what these do.
const MOST: usize = 64;

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
            if pipeline.combinations() <= MOST {
                drop(Plan::of(&pipeline));
            }
        }
    }
});
