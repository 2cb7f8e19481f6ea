//! Compares the graphs of `tests/fixtures` (made by `make_onnx.py` there) with the vectors that sentence-transformers computes
//! for the models they were exported from, and tests corrupt files.

use std::fs;
use std::path::PathBuf;

use super::*;

const MODELS: [&str; 5] = ["bert", "roberta", "distilbert", "mpnet", "modernbert"];

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures")
}

fn usual() -> Options {
    Options { graphs: vec!["model.onnx".into(), "onnx/model.onnx".into()], ..Options::default() }
}

fn open(name: &str, options: &Options) -> Onnx {
    Onnx::open(&fixtures().join(name), options).expect("a good model")
}

fn error(path: &Path, options: &Options) -> String {
    Onnx::open(path, options).err().expect("refused").to_string()
}

/// Returns the texts of the reference data, and their vectors by model and case.
fn goldens() -> (Vec<String>, serde_json::Value) {
    let goldens = fs::read(fixtures().join("goldens.json")).expect("goldens");
    let goldens: serde_json::Value = serde_json::from_slice(&goldens).expect("JSON");
    (serde_json::from_value(goldens["texts"].clone()).expect("texts"), goldens["models"].clone())
}

fn bytes(texts: &[String]) -> Vec<&[u8]> {
    texts.iter().map(|text| text.as_bytes()).collect()
}

/// Returns the largest absolute difference between the vectors and the columns `columns` of the expected ones.
fn distance(vectors: &Matrix, expected: &serde_json::Value, columns: std::ops::Range<usize>) -> f32 {
    let expected: Vec<Vec<f32>> = serde_json::from_value(expected.clone()).expect("vectors");
    assert_eq!((vectors.rows(), vectors.cols()), (expected.len(), columns.len()));
    let expected = expected.iter().flat_map(|row| &row[columns.clone()]);
    vectors.values().iter().zip(expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

#[test]
fn vectors_are_those_of_the_exported_models() {
    let (texts, models) = goldens();
    for name in MODELS {
        for (case, expected) in models[name].as_object().expect("cases") {
            let mut options = usual();
            match case.split_once('=') {
                Some(("prompt", prompt)) => options.encoder.prompt = Some(prompt.to_owned()),
                Some(("max_length", most)) => options.encoder.max_length = most.parse().ok(),
                _ => options.encoder.normalize = case == "normalize",
            }
            let model = open(name, &options);
            let vectors = model.encode(&bytes(&texts)).expect("encoded");
            let distance = distance(&vectors, expected, 0..model.dim());
            assert!(distance < 1e-5, "{name} {case}: {distance}");
        }
    }
}

#[test]
fn a_graph_may_pool_by_itself() {
    let (texts, models) = goldens();
    let pooled = Options { graphs: vec!["onnx/pooled.onnx".into()], ..Options::default() };
    // The expected vectors of BERT are all pooling modes concatenated; the mean is the third.
    let model = open("bert", &pooled);
    let vectors = model.encode(&bytes(&texts)).expect("encoded");
    assert!(distance(&vectors, &models["bert"][""], 48..72) < 1e-5);
    let mean = Options { pooling: Some("mean".into()), ..usual() };
    let own = open("bert", &mean).encode(&bytes(&texts)).expect("encoded");
    assert!(distance(&own, &models["bert"][""], 48..72) < 1e-5);
    let twice = Options { pooling: Some("mean".into()), ..pooled };
    assert!(error(&fixtures().join("bert"), &twice).contains("is pooled already; leave `pooling` out"));
}

#[test]
fn the_graphs_file_can_be_named_itself() {
    let of = |path: &str| Onnx::open(&fixtures().join(path), &usual()).expect("a good model").digest();
    assert_eq!(of("mpnet"), of("mpnet/onnx/model.onnx"));
}

#[test]
fn neighbours_order_and_threads_change_no_bit() {
    let (texts, _) = goldens();
    let model = open("mpnet", &usual());
    let on = |threads: usize, texts: &[&[u8]]| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("a pool");
        pool.install(|| model.encode(texts)).expect("encoded")
    };
    let (together, alone) = (on(3, &bytes(&texts)), on(1, &bytes(&texts)));
    assert_eq!(together, alone);
    for (row, text) in bytes(&texts).into_iter().enumerate() {
        assert_eq!(on(1, &[text]).row(0), together.row(row));
    }
    assert_eq!(model.encode(&[]).expect("nothing").rows(), 0);
}

#[test]
fn what_changes_a_vector_changes_the_digest() {
    let of = |options: Options| open("roberta", &options).digest();
    let encoder = |encoder: EncoderOptions| Options { encoder, ..usual() };
    let all = [
        of(usual()),
        of(encoder(EncoderOptions { prompt: Some("passage".into()), ..EncoderOptions::default() })),
        of(encoder(EncoderOptions { normalize: true, ..EncoderOptions::default() })),
        of(encoder(EncoderOptions { max_length: Some(9), ..EncoderOptions::default() })),
        of(Options { pooling: Some("cls".into()), ..usual() }),
    ];
    for (at, digest) in all.iter().enumerate() {
        assert!(all[..at].iter().all(|other| other != digest), "{at}");
    }
}

#[test]
fn what_is_missing_or_asked_in_vain_is_named() {
    let folder = fixtures().join("bert");
    let named = |name: &str| Options { graphs: vec![name.into()], ..Options::default() };
    assert!(error(&folder, &named("x.onnx")).contains("x.onnx isn't there; name the graph with `file`"));
    assert!(error(&folder, &named("../bert/onnx/model.onnx")).contains("leads out of the folder"));
    assert!(error(&folder.join("none"), &usual()).contains("isn't there; correct `path`"));
    let output = Options { output: Some("logits".into()), ..usual() };
    assert!(error(&folder, &output).contains("has no output \"logits\"; there are last_hidden_state"));
    let pooling = Options { pooling: Some("median".into()), ..usual() };
    assert!(error(&folder, &pooling).contains("unknown pooling mode \"median\"; the modes are cls, max, mean"));
    let lone = tempfile::tempdir().expect("a folder");
    fs::copy(folder.join("onnx/model.onnx"), lone.path().join("model.onnx")).expect("copied");
    assert!(error(lone.path(), &usual()).contains("put the model's tokenizer.json beside the graph"));
    fs::copy(folder.join("tokenizer.json"), lone.path().join("tokenizer.json")).expect("copied");
    assert_eq!(Onnx::open(lone.path(), &usual()).expect("the mean of its tokens").dim(), 24);
}

#[test]
fn numbers_that_lie_elsewhere_must_be_there() {
    let folder = tempfile::tempdir().expect("a folder");
    for file in ["tokenizer.json", "onnx/model.onnx"] {
        let to = folder.path().join(Path::new(file).file_name().expect("a name"));
        fs::copy(fixtures().join("distilbert").join(file), to).expect("copied");
    }
    assert!(error(folder.path(), &usual()).contains("its weights must be in the same folder"));
}

/// A truncated graph, or one with flipped bits, gives an error or a graph that still runs.
#[test]
fn no_damage_is_a_panic() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::copy(fixtures().join("bert/tokenizer.json"), folder.path().join("tokenizer.json")).expect("copied");
    let whole = fs::read(fixtures().join("bert/onnx/model.onnx")).expect("read");
    let path = folder.path().join("model.onnx");
    for at in (0..whole.len()).step_by(whole.len() / 150) {
        let mut flipped = whole.clone();
        flipped[at] ^= 1 << (at % 7);
        for bytes in [&whole[..at], &flipped] {
            fs::write(&path, bytes).expect("written");
            if let Ok(model) = Onnx::open(folder.path(), &usual()) {
                let _ = model.encode(&[b"the dog runs", b""]);
            }
        }
    }
}

/// Encodes a length-delimited field of protocol buffers: its tag, the length and the bytes.
fn field(number: u8, content: &[u8]) -> Vec<u8> {
    let length = u8::try_from(content.len()).expect("short");
    assert!(length < 0x80);
    [&[number << 3 | 2, length], content].concat()
}

/// A graph of a hundred bytes that would allocate 2^40 numbers when it is loaded.
#[test]
fn a_graph_that_asks_for_more_than_its_files_hold_is_refused_before_it_is_loaded() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::copy(fixtures().join("bert/tokenizer.json"), folder.path().join("tokenizer.json")).expect("copied");
    // The dimension 2 and the type INT64; the numbers 2^20 and 2^20; the name.
    let side = [0x80, 0x80, 0x40];
    let shape = [&[8, 2, 16, 7][..], &field(7, &[side, side].concat()), &field(8, b"shape")].concat();
    let node = [field(1, b"shape"), field(2, b"y"), field(3, b"large"), field(4, b"ConstantOfShape")].concat();
    let graph = [field(1, &node), field(5, &shape)].concat();
    let path = folder.path().join("model.onnx");
    fs::write(&path, field(7, &graph)).expect("written");
    let error = error(folder.path(), &usual());
    assert!(error.contains("\"large\" (ConstantOfShape) would take 4398046511104 bytes"), "{error}");
}
