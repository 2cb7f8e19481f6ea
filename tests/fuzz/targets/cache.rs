//! A segment of the cache, under the name that its content asks for: opened, listed, read and merged.
#![no_main]

use emberline_base::Digest;
use emberline_base::file::sha256;
use emberline_cache::{Cache, Key};
use emberline_fuzz::{begin, folder, memory, write};
use libfuzzer_sys::fuzz_target;

/// The length of the seeds' vectors.
const DIM: usize = 3;

fuzz_target!(init: begin(), |input: &[u8]| {
    memory::limit(input.len());
    let (source, cache) = (Digest::of(b"model"), Cache::at(folder().join("cache")));
    let name = format!("cache/embeddings/{}/cpu/{}.safetensors", source.as_str(), sha256(input));
    write(&name, input);
    let _ = cache.held().map_err(|error| error.to_string());
    let shelf = cache.shelf(&source, "cpu", DIM, "a fuzzed model").expect("a folder that can be read");
    let mut vector = [0.0; DIM];
    let text = Key::of(b"text");
    assert_eq!(shelf.read(&text, &mut vector), shelf.holds(&text));
    let mut writer = shelf.writer();
    writer.add(Key::of(b"other text"), &vector);
    writer.finish().expect("the disk has room");
    drop(shelf);
    let _ = std::fs::remove_dir_all(cache.folder());
});
