//! Fuzzes ONNX encoders: the first line names the file of a fixture that the rest replaces.
#![no_main]

use emberline_fuzz::fixtures::Fixtures;
use emberline_fuzz::{begin, source};
use libfuzzer_sys::{Corpus, fuzz_target};
use serde_json::json;

static FIXTURES: Fixtures = Fixtures::of("encoder/tests/fixtures");

fuzz_target!(init: begin(), |input: &[u8]| -> Corpus {
    let Some(changed) = FIXTURES.changed(input) else { return Corpus::Reject };
    source::embed(json!({"onnx": {"path": changed.model, "normalize": true}}), changed.bytes);
    Corpus::Keep
});
