//! Fuzzes files of word vectors: word2vec, GloVe, fastText and finalfusion, plain or gzipped.
#![no_main]

use emberline_fuzz::{begin, source, write};
use libfuzzer_sys::fuzz_target;
use serde_json::json;

fuzz_target!(init: begin(), |input: &[u8]| {
    write("vectors", input);
    source::embed(json!({"word_vectors": {"path": "vectors"}}), input.len());
    let settings = json!({"path": "vectors", "tokens": "fasttext", "pre_normalize": true, "trainable": true});
    source::embed(json!({"word_vectors": settings}), input.len());
});
