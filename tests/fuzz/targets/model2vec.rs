//! Fuzzes model2vec folders: the first line names the file of a fixture that the rest replaces.
#![no_main]

use emberline_fuzz::fixtures::Fixtures;
use emberline_fuzz::{begin, source};
use libfuzzer_sys::{Corpus, fuzz_target};
use serde_json::json;

static FIXTURES: Fixtures = Fixtures::of("embedding/tests/fixtures/model2vec");

fuzz_target!(init: begin(), |input: &[u8]| -> Corpus {
    let Some(changed) = FIXTURES.changed(input) else { return Corpus::Reject };
    source::embed(json!({"model2vec": {"path": changed.model}}), changed.bytes);
    Corpus::Keep
});
