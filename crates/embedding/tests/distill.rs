//! Distillation of the tiny encoders in `crates/encoder/tests/fixtures`, one of each family, compared with model2vec's
//! (`tests/fixtures/distill/make.py`), and read back as a source.

use std::path::{Path, PathBuf};

use emberline_device::Device;
use emberline_embedding::distill::{DistillOptions, Distiller, LeftOut, StaticTable, StoredType, TokenWeights};
use emberline_embedding::{Lookup, Opened, Source, Texts};
use serde_json::Value;

fn fixture(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn distiller(model: &str) -> Distiller {
    let path = fixture("../encoder/tests/fixtures").join(model);
    let source = serde_json::json!({"sentence_transformer": {"path": path}});
    let source: Source = serde_json::from_value(source).expect("a source");
    Distiller::open(&source, Path::new(""), Device::Cpu).expect("an encoder")
}

fn distilled(model: &str, options: &DistillOptions) -> StaticTable {
    distiller(model).distill(options, &mut |_| {}).expect("distilled")
}

/// Returns the table as the source `model2vec` reads it from the folder, with the tokens of its rows.
fn read_back(table: &StaticTable, stored: StoredType) -> (Box<dyn Lookup>, u64) {
    let folder = tempfile::tempdir().expect("a folder");
    let bytes = table.write(folder.path(), stored).expect("written");
    let source = serde_json::json!({"model2vec": {"path": folder.path()}});
    let source: Source = serde_json::from_value(source).expect("a source");
    match source.open(Path::new(""), Texts { all: &[], train: &[] }, Device::Cpu).expect("a model") {
        Opened::Table(table) => (table, bytes),
        Opened::Encoder(_) => unreachable!("model2vec is a table"),
    }
}

fn words(words: &[&str]) -> Option<Vec<String>> {
    Some(words.iter().map(|word| (*word).to_owned()).collect())
}

#[test]
fn tables_are_model2vecs() {
    let expected = std::fs::read(fixture("tests/fixtures/distill/expected.json")).expect("the fixture");
    let expected: Value = serde_json::from_slice(&expected).expect("JSON");
    for (model, settings) in expected.as_object().expect("models") {
        for (name, expected) in settings.as_object().expect("settings") {
            let dim = expected["dim"].as_u64().map(|dim| dim as usize);
            let coefficient = expected["coefficient"].as_f64();
            let weights = coefficient.map_or(TokenWeights::None, |coefficient| TokenWeights::Sif { coefficient });
            let table = distilled(model, &DistillOptions { dim, weights, words: None });
            let rows: Vec<Vec<f32>> = serde_json::from_value(expected["rows"].clone()).expect("rows");
            assert_eq!(table.rows.rows(), rows.len(), "{model} {name}");
            for (row, expected) in rows.iter().enumerate() {
                let pairs = table.rows.row(row).iter().zip(expected);
                let largest = pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
                assert!(largest < 1e-5, "{model} {name}, row {row}: {:?} {expected:?}", table.rows.row(row));
            }
            let (read, _) = read_back(&table, StoredType::F32);
            let tokens: Vec<String> = serde_json::from_value(expected["tokens"].clone()).expect("tokens");
            let found: Vec<String> = (0..rows.len()).filter_map(|row| read.row_word(row as u32)).collect();
            assert_eq!(found, tokens, "{model} {name}");
            assert_eq!(read.table(), table.rows.values());
            assert!(read.normalize());
        }
    }
}

#[test]
fn a_list_of_words_has_a_row_each_and_other_words_are_unknown() {
    let options = DistillOptions {
        dim: Some(2),
        weights: TokenWeights::None,
        words: words(&["cat", "the", "Cat", "zebra", "what?", "dog", "is"]),
    };
    let table = distilled("bert", &options);
    assert_eq!(table.left_out, LeftOut { split: 1, repeated: 1 });
    let (read, _) = read_back(&table, StoredType::F32);
    let ids = |text: &str| {
        let mut ids = Vec::new();
        let counts = read.token_ids(text.as_bytes(), &mut ids);
        (ids, counts.all, counts.known)
    };
    assert_eq!(ids("The ZEBRA, the cats"), (vec![1, 2, 1], 5, 3));
    assert_eq!(
        (0..6).map(|row| read.row_word(row).expect("a word")).collect::<Vec<_>>()[..5],
        ["cat", "the", "zebra", "dog", "is"]
    );
    assert_eq!(read.row(5), [0.0, 0.0], "the unknown token");
    // Only the directions that the words vary along are kept, so that rows of the list alone give other numbers.
    assert!(read.row(0).iter().any(|x| x.abs() > 1e-3));
}

#[test]
fn words_of_texts_come_with_the_most_frequent_first() {
    let texts = ["The cat, the dog.", "THE Café?", "a cat"].map(str::to_owned);
    let words = distiller("bert").words_of(&texts).expect("words");
    assert_eq!(words, ["The", "cat", ",", ".", "?", "a", "Café", "dog"]);
}

#[test]
fn stored_types_are_read_back_within_their_precision() {
    let table = distilled("bert", &DistillOptions { dim: Some(8), ..DistillOptions::default() });
    let mut sizes = Vec::new();
    for (stored, tolerance) in [(StoredType::F32, 0.0), (StoredType::F16, 1.0 / 2048.0), (StoredType::I8, 0.5 / 127.0)]
    {
        let (read, bytes) = read_back(&table, stored);
        for row in 0..table.rows.rows() {
            let expected = table.rows.row(row);
            let largest = expected.iter().fold(0.0_f32, |largest, x| largest.max(x.abs()));
            let near = |(a, b): (&f32, &f32)| (a - b).abs() <= tolerance * 1.001 * largest;
            assert!(read.row(row as u32).iter().zip(expected).all(near), "{stored:?}, row {row}");
        }
        sizes.push(bytes);
    }
    assert!(sizes.is_sorted_by(|a, b| a > b), "{sizes:?}");
}

#[test]
fn what_cannot_be_distilled_is_refused() {
    let refused =
        |options: DistillOptions| distiller("bert").distill(&options, &mut |_| {}).expect_err("refused").to_string();
    let of = |dim, words| DistillOptions { dim: Some(dim), words, ..DistillOptions::default() };
    assert!(refused(of(25, None)).contains("have 24 numbers"));
    assert!(refused(of(0, None)).contains("1 to 24"));
    assert!(refused(of(3, words(&["cat", "dog"]))).contains("2 tokens are too few"));
    assert!(refused(of(1, words(&["cat dog", "?!"]))).contains("no entry of the list"));
    let table: Source = serde_json::from_value(serde_json::json!({"hashing": {}})).expect("a source");
    let error = Distiller::open(&table, Path::new(""), Device::Cpu).err().expect("refused").to_string();
    assert!(error.contains("`hashing` can't be distilled"), "{error}");
}
