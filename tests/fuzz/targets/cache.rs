//! Fuzzes segments of the cache, under the name that belongs to their content: opens, lists, reads and merges them.
#![no_main]

use emberline_base::Digest;
use emberline_cache::{Cache, Key, Producer};
use emberline_fuzz::{begin, folder, memory, write};
use libfuzzer_sys::fuzz_target;

/// The dimension of the vectors in the seeds.
const DIM: usize = 3;

fuzz_target!(init: begin(), |input: &[u8]| {
    memory::limit(input.len());
    let cache = Cache::at(folder().join("cache"));
    let (device, arithmetic) = ("cpu".to_owned(), "x86_64 avx2".to_owned());
    let producer = Producer { source: Digest::of(b"model"), computation: 1, device, arithmetic };
    let place = cache.producer_folder(&producer).join(format!("{}.safetensors", blake3::hash(input)));
    write(place.strip_prefix(folder()).expect("below the folder").to_str().expect("UTF-8"), input);
    let _ = cache.list().map_err(|error| error.to_string());
    let store = cache.store(&producer, DIM, "a fuzzed model").expect("a folder that can be read");
    let mut vector = [0.0; DIM];
    let text = Key::of(b"text");
    assert_eq!(store.read(&text, &mut vector), store.contains(&text));
    let mut writer = store.writer();
    writer.add(Key::of(b"other text"), &vector);
    writer.finish().expect("the disk has room");
    drop(store);
    let _ = std::fs::remove_dir_all(cache.folder());
});
