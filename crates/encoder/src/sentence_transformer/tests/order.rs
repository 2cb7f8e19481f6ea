//! Tests that a text's vector is equal, bit for bit, in any batch.

use super::*;

/// Returns texts of many lengths.
fn many() -> Vec<String> {
    let words = ["the", "dog", "is", "red", "why", "run", "?", "moon", "café", "unknown"];
    (0..90).map(|n| (0..n % 41).map(|i| words[(n * i + i) % 10]).collect::<Vec<_>>().join(" ")).collect()
}

fn bits(model: &SentenceTransformer, texts: &[&[u8]]) -> Vec<Vec<u32>> {
    let vectors = model.encode(texts).expect("encoded");
    (0..texts.len()).map(|row| vectors.row(row).iter().map(|v| v.to_bits()).collect()).collect()
}

#[test]
fn neighbours_order_and_batches_change_no_bit() {
    let texts = many();
    let texts = bytes(&texts);
    for name in MODELS {
        let model = model(name);
        let together = bits(&model, &texts);
        for size in [1, 7, 64] {
            let apart: Vec<_> = texts.chunks(size).flat_map(|part| bits(&model, part)).collect();
            assert_eq!(together, apart, "{name}: batches of {size}");
        }
        let shuffled: Vec<usize> = (0..texts.len()).map(|at| at * 37 % texts.len()).collect();
        let mixed = bits(&model, &shuffled.iter().map(|&at| texts[at]).collect::<Vec<_>>());
        assert!(shuffled.iter().zip(mixed).all(|(&at, row)| together[at] == row), "{name}: shuffled");
    }
}

#[test]
fn threads_change_no_bit() {
    let texts = many();
    let model = model("mpnet");
    let on = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("a pool");
        pool.install(|| bits(&model, &bytes(&texts)))
    };
    assert_eq!(on(1), on(3));
}

#[test]
fn no_text_and_text_that_is_not_utf8_are_encoded() {
    let model = model("bert");
    assert_eq!(model.encode(&[]).expect("encoded").rows(), 0);
    let odd = bits(&model, &[b"the \xff dog", "the \u{fffd} dog".as_bytes()]);
    assert_eq!(odd[0], odd[1]);
}
