//! Models of fastText, compared with fastText's own output (`make.py` is in the models' folder).

use emberline_test_support::{Requirement, from_environment};
use serde_json::Value;

use super::*;

/// fastText's output for each model, by file name.
pub(super) fn golden(folder: &str) -> Vec<(String, Value)> {
    let text = fs::read_to_string(fixtures(folder).join("golden.json")).expect("shipped");
    let Value::Object(files) = serde_json::from_str(&text).expect("json") else { panic!("an object") };
    files.into_iter().collect()
}

pub(super) fn fixtures(folder: &str) -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../wordvectors/tests/fixtures")).join(folder)
}

pub(super) fn floats(value: &Value) -> Vec<f32> {
    value.as_array().expect("numbers").iter().map(|v| v.as_f64().expect("a number") as f32).collect()
}

pub(super) fn keys(value: &Value) -> Vec<&str> {
    value.as_object().expect("an object").keys().map(String::as_str).collect()
}

/// Settings that split words as fastText does.
pub(super) fn exact(path: &str) -> Settings {
    Settings { tokens: Tokens::Fasttext, ..settings(path) }
}

pub(super) fn assert_close(found: &[f32], expected: &[f32], tolerance: f32, what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (found, expected) in found.iter().zip(expected) {
        assert!((found - expected).abs() <= tolerance, "{what}: {found} {expected}");
    }
}

fn combined(vectors: &WordVectors, text: &str) -> Vec<f32> {
    let mut ids = Vec::new();
    vectors.token_ids(text.as_bytes(), &mut ids);
    let mut vector = vec![0.0; vectors.dim()];
    crate::combine::combine(vectors, &ids, &mut vector);
    vector
}

/// A word composed of n-grams has a vector, but isn't one of the model's words; a model without n-grams has no vector
/// for it.
#[test]
fn composed_words_are_counted_apart() {
    let text = "the river unseenword";
    for (name, composed) in [("skipgram.bin", 1), ("words.bin", 0)] {
        let vectors = open(&exact(name), &fixtures("fasttext"), Texts { all: &[text], train: &[] }).expect("readable");
        let words = vectors.token_ids(text.as_bytes(), &mut Vec::new());
        assert_eq!(words, WordCounts { all: 3, known: 2, composed }, "{name}");
    }
}

#[test]
fn words_known_and_unknown_have_fasttexts_vectors() {
    for (name, model) in golden("fasttext") {
        let words = keys(&model["words"]);
        let texts = Texts { all: &words, train: &[] };
        let vectors = open(&exact(&name), &fixtures("fasttext"), texts).expect("readable");
        assert_eq!(Some(vectors.dim() as u64), model["dim"].as_u64(), "{name}");
        // Products of codes and norms are rounded only once if the processor fuses them.
        let tolerance = if name.ends_with(".ftz") { 1e-6 } else { 0.0 };
        for word in words {
            // fastText returns a vector of zeros for a word that has none.
            let expected = floats(&model["words"][word]);
            let mut rows = rows_of(&vectors, word);
            // A line of a supervised model has an end token; the word comes before it.
            if is_supervised(&name) && word != "</s>" {
                assert!(rows.pop().is_some(), "{name} {word}");
            }
            assert!(rows.len() <= 1, "{name} {word}");
            let found = rows.into_iter().next().unwrap_or(vec![0.0; vectors.dim()]);
            assert_close(&found, &expected, tolerance, &format!("{name} {word:?}"));
        }
    }
}

#[test]
fn texts_have_fasttexts_sentence_vectors() {
    for (name, model) in golden("fasttext").into_iter().filter(|(name, _)| !is_supervised(name)) {
        let sentences = keys(&model["sentences"]);
        let settings = Settings { pre_normalize: true, ..exact(&name) };
        let vectors = open(&settings, &fixtures("fasttext"), Texts { all: &sentences, train: &[] }).expect("readable");
        for text in sentences {
            assert_close(
                &combined(&vectors, text),
                &floats(&model["sentences"][text]),
                1e-6,
                &format!("{name} {text:?}"),
            );
        }
    }
}

/// Without n-grams, the vector of a text is fastText's, to the bit: the mean over its words and the end of the line.
#[test]
fn texts_of_a_supervised_model_have_fasttexts_sentence_vectors() {
    let (name, model) = golden("fasttext").into_iter().find(|(name, _)| name == "supervised-11.bin").expect("shipped");
    let sentences = keys(&model["sentences"]);
    assert!(sentences.contains(&"") && sentences.contains(&"x </s> the"));
    let lines: Vec<String> = sentences.iter().map(|text| format!("{text} </s>")).collect();
    let texts: Vec<&str> = sentences.iter().copied().chain(lines.iter().map(String::as_str)).collect();
    let vectors = open(&exact(&name), &fixtures("fasttext"), Texts { all: &texts, train: &[] }).expect("readable");
    for (text, line) in sentences.iter().zip(&lines) {
        let expected = floats(&model["sentences"][*text]);
        assert_eq!(combined(&vectors, text), expected, "{text:?}");
        assert_eq!(combined(&vectors, line), expected, "{line:?}, whose end is written out");
    }
    assert_eq!(vectors.warnings(), []);
}

/// A model that fastText trains during the test (`EMBERLINE_FASTTEXT_PYTHON`: a Python with the package
/// `fasttext-wheel`).
#[test]
fn a_model_that_fasttext_trains_now_gives_its_sentence_vectors() {
    let untested = "a model that fastText trains now";
    let Some(python) = from_environment(Requirement::FasttextPython, untested) else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let script = fixtures("fasttext").join("supervised.py");
    let output = std::process::Command::new(python).arg(script).arg(folder.path()).output().expect("it runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let golden: Value = serde_json::from_slice(&output.stdout).expect("json");
    let sentences = keys(&golden);
    let texts = Texts { all: &sentences, train: &[] };
    let vectors = open(&exact("supervised.bin"), folder.path(), texts).expect("readable");
    for text in sentences {
        assert_eq!(combined(&vectors, text), floats(&golden[text]), "{text:?}");
    }
}

#[test]
fn settings_that_fasttext_has_not_are_warned_of() {
    let warnings = |settings: Settings| {
        let texts = Texts { all: &["the river"], train: &[] };
        let vectors = open(&settings, &fixtures("fasttext"), texts).expect("readable");
        vectors.warnings().iter().map(ToString::to_string).collect::<String>()
    };
    let normalised = warnings(Settings { pre_normalize: true, ..exact("supervised-11.bin") });
    assert!(normalised.starts_with("EMB011") && normalised.contains("`pre_normalize`"), "{normalised}");
    assert!(warnings(Settings { combiner: Combiner::Sum, ..exact("supervised-11.bin") }).contains("`combiner`"));
    assert!(warnings(exact("supervised.bin")).contains("`maxn`"));
    for settings in [exact("supervised-11.bin"), settings("supervised.bin"), exact("skipgram.bin")] {
        assert_eq!(warnings(settings), "");
    }
    // If they are split in another way, the texts of a supervised model aren't lines.
    let texts = Texts { all: &["the"], train: &[] };
    let auto = open(&settings("supervised-11.bin"), &fixtures("fasttext"), texts).expect("readable");
    assert_eq!(rows_of(&auto, "the").len(), 1);
}

fn is_supervised(name: &str) -> bool {
    name.ends_with(".ftz") || name.starts_with("supervised")
}

#[test]
fn labels_are_no_words() {
    let texts = Texts { all: &["__label__water the"], train: &[] };
    let vectors = open(&settings("supervised-11.bin"), &fixtures("fasttext"), texts).expect("readable");
    assert_eq!((vectors.rows(), rows_of(&vectors, "__label__water").len()), (1, 0));
}

#[test]
fn rows_are_those_of_the_words_that_occur() {
    let all = ["The river, the unseen"];
    let open = |settings: Settings, all: &[&str]| {
        open(&settings, &fixtures("fasttext"), Texts { all, train: &[] }).expect("readable")
    };
    let vectors = open(settings("skipgram.bin"), &all);
    // The model is in lower case except for `Fluß` and similar words, so that `The` is looked up as `the`; the comma
    // is unknown.
    let ids = |vectors: &WordVectors, text: &str| {
        let mut ids = Vec::new();
        vectors.token_ids(text.as_bytes(), &mut ids);
        ids
    };
    assert_eq!((vectors.rows(), vectors.table.known), (3, 2));
    let row = |text| ids(&vectors, text);
    assert_eq!((row(all[0]).len(), row("the"), row("unseen")), (4, row("The"), vec![2]));
    // The content of other texts changes no vector.
    let more = open(settings("skipgram.bin"), &[all[0], "river people unheard, Unheard turns"]);
    assert_eq!(rows_of(&vectors, all[0]), rows_of(&more, all[0]));
    assert_eq!(vectors.digest(), more.digest());
}

#[test]
fn a_gzipped_model_is_the_same() {
    let folder = Folder::new();
    for name in ["skipgram.bin", "pruned.ftz"] {
        let bytes = fs::read(fixtures("fasttext").join(name)).expect("shipped");
        let (plain, packed) = (folder.open(&bytes).expect("readable"), folder.open(&gzip(&bytes)).expect("readable"));
        assert_eq!(rows_of(&plain, TEXTS[0]), rows_of(&packed, TEXTS[0]));
        assert!(!rows_of(&plain, TEXTS[0]).is_empty());
    }
}

/// File, rows of the matrix, dim; words with the first two numbers and the last number of their vectors in fastText
/// 0.9.2.
type Golden = (&'static str, u64, usize, &'static [(&'static str, [f32; 3])]);

const REAL: [Golden; 4] = [
    (
        "fasttext/lee_fasttext_new.bin",
        2763,
        10,
        &[
            ("the", [-0.3302216, -0.31812048, 0.30553982]),
            ("nights", [0.13078624, -0.08861289, -0.09199187]),
            ("forestfires", [-0.09058976, -0.10560599, 0.06602434]),
        ],
    ),
    (
        "word-vectors/crime-and-punishment.bin",
        391,
        5,
        &[
            ("в", [0.09380901, -0.013231941, 0.11884188]),
            ("старуха-процентщица", [-0.00058196293, 0.017448377, 0.022804622]),
            ("Раскольников", [-0.0022283643, 0.056899536, 0.03164276]),
        ],
    ),
    ("fasttext/pang_lee_polarity_fasttext.bin", 1694, 100, &[("the", [0.0030674601, 0.0056887926, -0.007066389])]),
    (
        "fasttext/lid.176.ftz",
        50_000,
        16,
        &[
            ("the", [0.1761477, 0.37524617, 0.7496363]),
            ("Fluß", [1.2439438, -1.3494211, 0.70333475]),
            ("日本語", [-2.126943, 1.1793842, -1.0134367]),
            ("unseenword", [0.1464248, 0.06986054, 0.22555763]),
        ],
    ),
];

#[test]
fn real_models_read_as_fasttext_reads_them() {
    let Some(assets) = shared("assets") else { return };
    for (path, rows, dim, words) in REAL {
        let texts: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
        let vectors = open(&exact(path), &assets, Texts { all: &texts, train: &[] }).expect(path);
        assert_eq!((vectors.table_rows(), vectors.dim()), (rows, dim), "{path}");
        let tolerance = if path.ends_with(".ftz") { 1e-6 } else { 0.0 };
        for (word, expected) in words {
            let row = &rows_of(&vectors, word)[0];
            assert_close(&[row[0], row[1], row[dim - 1]], expected, tolerance, &format!("{path} {word}"));
        }
    }
}
