//! Models of fastText and finalfusion, compared with the output of these packages (`make.py` in the models' folders).

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use wordvectors::{All, Content, LINE_END, Query, Selection, VectorFile, Words};

fn fixtures(folder: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(folder)
}

/// A word, and its vector.
type WordVector = (String, Vec<f32>);

/// fastText's output for each word of each of its models, by file name.
fn golden() -> Vec<(String, Vec<WordVector>)> {
    let text = fs::read_to_string(fixtures("fasttext").join("golden.json")).expect("shipped");
    let Value::Object(files) = serde_json::from_str(&text).expect("json") else { panic!("an object") };
    let floats = |value: &Value| -> Vec<f32> {
        value.as_array().expect("numbers").iter().map(|v| v.as_f64().expect("a number") as f32).collect()
    };
    let words = |model: &Value| {
        let words = model["words"].as_object().expect("an object");
        words.iter().map(|(word, vector)| (word.clone(), floats(vector))).collect()
    };
    files.iter().map(|(name, model)| (name.clone(), words(model))).collect()
}

fn assert_close(found: Option<&[f32]>, expected: &[f32], tolerance: f32, what: &str) {
    // fastText returns a vector of zeros for a word that has none.
    let zeros = vec![0.0; expected.len()];
    let found = found.unwrap_or(&zeros);
    assert_eq!(found.len(), expected.len(), "{what}");
    assert!(found.iter().zip(expected).all(|(a, b)| (a - b).abs() <= tolerance), "{what}: {found:?} {expected:?}");
}

#[test]
fn words_known_and_unknown_have_fasttexts_vectors() {
    for (name, words) in golden() {
        let asked: Vec<&str> = words.iter().map(|(word, _)| word.as_str()).collect();
        let path = fixtures("fasttext").join(&name);
        let vectors = wordvectors::read(&path, &Words(&asked)).expect(&name);
        // Read as a whole, and queried afterwards.
        let Content::Model(loaded) = VectorFile::open(&path).and_then(|mut file| file.read(&All)).expect(&name) else {
            panic!("{name}: not a model")
        };
        let later = loaded.model.vectors(&Words(&asked)).expect(&name);
        // Products of codes and norms are rounded only once if the processor fuses them.
        let tolerance = if name.ends_with(".ftz") { 1e-6 } else { 0.0 };
        for (word, expected) in &words {
            assert_close(vectors.get(word), expected, tolerance, &format!("{name} {word:?}"));
            assert_eq!(vectors.get(word), later.get(word), "{name} {word:?}");
        }
    }
}

#[test]
fn all_words_of_a_model_are_given() {
    for (path, least) in [("fasttext/skipgram.bin", 10), ("finalfusion/words.fifu", 3), ("finalfusion/buckets.fifu", 3)]
    {
        let all = wordvectors::read(fixtures(path), &All).expect(path);
        assert!(all.ids.len() >= least && all.known as usize == all.ids.len(), "{path}: {}", all.ids.len());
        assert_eq!(all.values.len(), all.ids.len() * all.dim, "{path}");
        let words: Vec<&str> = all.ids.keys().map(|word| str::from_utf8(word).expect("UTF-8")).collect();
        let some = wordvectors::read(fixtures(path), &Words(&words)).expect(path);
        for word in words {
            assert_eq!(all.get(word), some.get(word), "{path} {word}");
        }
    }
}

/// Reads texts of a supervised model as lines, and refuses to decode anything if it is set to.
struct Lines {
    refuses: bool,
}

impl Query for Lines {
    fn candidates(&self) -> Option<std::collections::HashSet<Box<[u8]>>> {
        Words(&["the"]).candidates()
    }

    fn select(&self, selection: &mut Selection<'_>) {
        Words(&["the"]).select(selection);
    }

    fn reads_lines(&self) -> bool {
        true
    }

    fn reserve(&self, bytes: u64) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        if self.refuses { Err(format!("{bytes} bytes are too many").into()) } else { Ok(()) }
    }
}

#[test]
fn the_end_of_a_line_is_a_word_where_texts_are_lines() {
    let lines = Lines { refuses: false };
    let supervised = wordvectors::read(fixtures("fasttext/supervised-11.bin"), &lines).expect("a model");
    let line = supervised.line.expect("lines");
    assert_eq!(line.differs, None);
    assert_eq!(line.end, supervised.ids.get(LINE_END.as_bytes()).copied());
    assert!(line.end.is_some() && supervised.get("the").is_some());
    let unsupervised = wordvectors::read(fixtures("fasttext/skipgram.bin"), &lines).expect("a model");
    assert_eq!((unsupervised.line, unsupervised.get(LINE_END)), (None, None));
}

#[test]
fn a_query_may_refuse_what_is_to_be_decoded() {
    let error = wordvectors::read(fixtures("fasttext/quantised.ftz"), &Lines { refuses: true }).expect_err("refused");
    assert!(error.to_string().ends_with("bytes are too many"), "{error}");
}

#[test]
fn the_hash_is_that_of_the_file() {
    let path = fixtures("fasttext/words.bin");
    let mut file = VectorFile::open(&path).expect("there");
    assert_eq!(file.head().expect("readable")[..4], [0xba, 0x16, 0x4f, 0x2f]);
    drop(file.read(&All).expect("a model"));
    assert_eq!(file.finish().expect("a hash").len(), 64);
    assert_eq!(VectorFile::open(&path).expect("there").into_dim(), wordvectors::read(&path, &All).ok().map(|v| v.dim));
}
