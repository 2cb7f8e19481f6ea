//! Pipelines over neural encoders: texts are encoded once, whatever becomes of them and whoever asks.

use std::fs;
use std::path::{Path, PathBuf};

use emberline_tests::fixture::{copy_folder, repository};
use emberline_tests::{Fixture, Pipeline};
use serde_json::Value;

/// 24 texts of two classes.
const WORDS: [&str; 8] = ["good", "bad", "the", "Why?", "never", "house", "of", "cards!"];

const FIXTURES: &str = "crates/encoder/tests/fixtures";

/// A folder with a dataset and a pipeline over the encoders' tiny models. `grid`: the lines of `[grid]`.
fn folder(grid: &str) -> Fixture {
    let fixtures = repository(FIXTURES);
    let source = |name: &str| format!("path = \"{}/{name}\"", fixtures.display());
    let pipeline = Pipeline::new("encoders")
        .top("seed = 1")
        .section("data.split", "valid = 6")
        .section("embedding.elmo.elmo", &source("elmo"))
        .section("embedding.bert.sentence_transformer", &(source("bert") + "\nreduce = \"random\""))
        .section("train", "epochs = 2\nbatch_size = 4")
        .section("grid", grid);
    let rows = (0..24).map(|n| (format!("{} {} {n}", WORDS[n % 8], WORDS[n * 5 % 7]), n % 2));
    Fixture::empty().rows(rows).pipeline(&pipeline)
}

const RUN: [&str; 4] = ["run", "p.toml", "--device", "cpu"];
/// The run folder.
const FOLDER: &str = "runs/encoders";

fn segments(fixture: &Fixture) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![fixture.join("cache/embeddings")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("readable") {
            let path = entry.expect("an entry").path();
            if path.is_dir() { folders.push(path) } else { found.push(path) }
        }
    }
    found.sort();
    found
}

/// What the cells have come to.
fn digests(fixture: &Fixture) -> Vec<Value> {
    fixture.cells(FOLDER).iter().map(|cell| cell["digests"].clone()).collect()
}

#[test]
fn layers_of_elmo_are_encoded_once_and_their_mix_is_learned() {
    let fixture = folder(
        r#"embedding = ["elmo"]
        "embedding.layers" = ["mix", "all", "lstm_2"]
        "embedding.trainable" = [false, true]"#,
    );
    let ended = fixture.done(&RUN);
    assert_eq!(ended.stderr.matches("24 texts encoded").count(), 1, "{}", ended.stderr);
    assert!(ended.stderr.contains("2 combinations are left out"), "{}", ended.stderr);
    let cells = fixture.cells(FOLDER);
    let of = |layers: &str, trainable: bool| {
        let cell = cells.iter().find(|c| c["settings"]["embedding.layers"] == layers && c["trainable"] == trainable);
        cell.unwrap_or_else(|| panic!("no cell {layers} {trainable}"))
    };
    assert_eq!(cells.len(), 4);
    assert_eq!((&of("mix", false)["dim"], &of("all", false)["dim"]), (&8.into(), &24.into()));
    let head = |cell: &Value| cell["parameters"]["trainable"].as_u64().expect("a count");
    assert_eq!(head(of("mix", true)), head(of("mix", false)) + 4);
    assert_ne!(of("mix", false)["digests"]["embedding"], of("lstm_2", false)["digests"]["embedding"]);
}

/// A pipeline over the tiny models of Qwen3, which scales its vectors to length 1, and of Gemma 3, which has Dense modules.
fn modern(grid: &str) -> Fixture {
    let source = |name: &str| format!("path = \"{}\"\nprompt = \"\"", repository(FIXTURES).join(name).display());
    let pipeline = Pipeline::new("encoders")
        .top("seed = 1")
        .section("data.split", "valid = 6")
        .section("embedding.qwen.sentence_transformer", &source("qwen3"))
        .section("embedding.gemma.sentence_transformer", &source("gemma3"))
        .section("train", "epochs = 2\nbatch_size = 4")
        .section("grid", grid);
    let rows = (0..24).map(|n| (format!("{} {} {n}", WORDS[n % 8], WORDS[n * 5 % 7]), n % 2));
    Fixture::empty().rows(rows).pipeline(&pipeline)
}

/// The last layer is encoded alone; the mean and the mix of four share what was encoded.
#[test]
fn layers_of_sentence_encoders_are_an_axis() {
    let fixture = modern("embedding = [\"qwen\", \"gemma\"]\n\"embedding.layers\" = [\"last\", \"mean4\", \"mix\"]");
    let ended = fixture.done(&RUN);
    assert_eq!(ended.stderr.matches("24 texts encoded").count(), 3, "{}", ended.stderr);
    assert!(ended.stderr.contains("2 combinations are left out"), "{}", ended.stderr);
    assert!(ended.stderr.contains("has Dense modules, which were trained on the last layer alone"), "{}", ended.stderr);
    let cells = fixture.cells(FOLDER);
    let of = |layers: &str| {
        let cell = cells.iter().find(|c| c["embedding"] == "qwen" && c["settings"]["embedding.layers"] == layers);
        cell.unwrap_or_else(|| panic!("no cell {layers}"))
    };
    assert_eq!(cells.len(), 4);
    let dims = ["last", "mean4", "mix"].map(|layers| (of(layers)["dim"].as_u64(), of(layers)["trainable"].as_bool()));
    assert_eq!(dims, [(Some(16), Some(false)), (Some(16), Some(false)), (Some(16), Some(true))]);
    let head = |cell: &Value| cell["parameters"]["trainable"].as_u64().expect("a count");
    // Four shares and a factor.
    assert_eq!(head(of("mix")), head(of("mean4")) + 5);
    assert_ne!(of("last")["digests"]["embedding"], of("mean4")["digests"]["embedding"]);
}

/// The vectors of the sizes of a Matryoshka model have length 1.
#[test]
fn truncated_vectors_have_length_1_again() {
    let fixture = modern("embedding = [\"qwen\"]");
    let model = repository(FIXTURES).join("qwen3");
    fs::write(fixture.join("texts"), "the dog is red\nwhy\n").expect("written");
    let vectors = |dim: &str| -> Vec<Vec<f64>> {
        let model = model.display().to_string();
        let arguments = ["embed", "sentence_transformer", &model, "--set", "prompt=\"\"", "--set", dim];
        let ended = fixture.done(&[&arguments[..], &["--input", "texts", "--format", "jsonl"]].concat());
        let row = |line: &str| -> Value { serde_json::from_str(line).expect("JSON") };
        let numbers = |row: Value| serde_json::from_value(row["vector"].clone()).expect("numbers");
        ended.stdout.lines().map(|line| numbers(row(line))).collect()
    };
    let (short, long) = (vectors("dim=4"), vectors("dim=16"));
    assert_eq!((short.len(), short[0].len(), long[0].len()), (2, 4, 16));
    for (short, long) in short.iter().zip(&long) {
        let length = |vector: &[f64]| vector.iter().map(|v| v * v).sum::<f64>().sqrt();
        assert!((length(short) - 1.0).abs() < 1e-6 && (length(long) - 1.0).abs() < 1e-6);
        let scale = length(&long[..4]);
        assert!(short.iter().zip(long).all(|(a, b)| (a * scale - b).abs() < 1e-6), "{short:?} {long:?}");
    }
}

#[test]
fn sizes_share_what_was_encoded_and_too_long_ones_are_left_out() {
    let fixture = folder("embedding = [\"bert\"]\n\"embedding.dim\" = [4, 8, 4096]");
    let plan = |said: &str| {
        let ended = fixture.done(&["plan", "p.toml"]);
        assert!(ended.stdout.contains(said), "{}", ended.stdout);
        assert!(ended.stderr.contains("which can't be made 4096"), "{}", ended.stderr);
    };
    plan("bert: 24 different texts, 0 cached, 24 to encode");
    let ended = fixture.done(&RUN);
    assert_eq!(ended.stderr.matches("24 texts encoded").count(), 1, "{}", ended.stderr);
    let dims: Vec<u64> = fixture.cells(FOLDER).iter().filter_map(|c| c["dim"].as_u64()).collect();
    assert_eq!(dims, [4, 8]);
    assert_eq!(segments(&fixture).len(), 1);
}

#[test]
fn a_damaged_cache_is_noticed_and_gives_the_same_result() {
    let fixture = folder("embedding = [\"bert\", \"elmo\"]");
    let run = |extra: &[&str]| fixture.done(&[&RUN, extra].concat());
    run(&[]);
    let first = digests(&fixture);
    let again = run(&["--force"]);
    assert_eq!(again.stderr.matches("24 texts from the cache").count(), 2, "{}", again.stderr);
    for segment in segments(&fixture) {
        let mut bytes = fs::read(&segment).expect("readable");
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        fs::write(&segment, bytes).expect("writable");
    }
    fixture.ends(&["cache", "verify"], 8);
    let repaired = run(&["--force"]);
    assert_eq!(repaired.stderr.matches("damaged").count(), 2, "{}", repaired.stderr);
    assert_eq!(digests(&fixture), first);
    fixture.done(&["cache", "verify"]);
    fixture.done(&["cache", "gc", "--all"]);
    assert!(fixture.emberline(&["cache", "ls"]).stdout.is_empty());
}

#[test]
fn processes_that_encode_the_same_at_once_agree() {
    let fixture = folder("embedding = [\"bert\"]");
    let runs: Vec<Value> = std::thread::scope(|scope| {
        let run = |number: usize| {
            let fixture = &fixture;
            scope.spawn(move || {
                let out = format!("out-{number}");
                fixture.done(&[&RUN[..], &["--out", &out]].concat());
                fixture.cells(&out)[0]["digests"].clone()
            })
        };
        let started: Vec<_> = (0..4).map(run).collect();
        started.into_iter().map(|thread| thread.join().expect("a run")).collect()
    });
    assert!(runs.iter().all(|digests| *digests == runs[0]), "{runs:?}");
    fixture.done(&["cache", "verify"]);
}

/// A pipeline over the tiny model of BERT and a twin of it with other numbers, which were both encoded.
fn twins() -> Fixture {
    let fixture = folder("embedding = [\"bert\", \"twin\"]");
    copy_folder(&repository(FIXTURES).join("bert"), &fixture.join("twin"));
    let mut bytes = fixture.bytes("twin/model.safetensors");
    // The lowest bits of the last numbers: other vectors of the same length.
    bytes.iter_mut().rev().step_by(4).skip(1).take(400).for_each(|byte| *byte ^= 1);
    fixture.write("twin/model.safetensors", bytes);
    let twin = "[embedding.twin.sentence_transformer]\npath = \"twin\"\nreduce = \"random\"\n[train]";
    fixture.edit("p.toml", "[train]", twin);
    fixture
}

#[test]
fn segments_that_are_exchanged_between_models_are_never_believed() {
    let fixture = twins();
    let run = |extra: &[&str]| fixture.done(&[&RUN, extra].concat());
    run(&[]);
    fixture.done(&["lock", "p.toml"]);
    fixture.done(&["cache", "verify"]);
    let first = digests(&fixture);
    let [one, other] = &segments(&fixture)[..] else { panic!("a segment a model") };
    let moved = |from: &Path, to: &Path| to.with_file_name(from.file_name().expect("a name"));
    let (one_moved, other_moved) = (moved(one, other), moved(other, one));
    fs::rename(one, one_moved).and_then(|()| fs::rename(other, other_moved)).expect("exchanged");
    let verified = fixture.ends(&["cache", "verify"], 8);
    assert!(verified.stdout.contains("2 files are damaged"), "{}", verified.stdout);
    let again = run(&["--force"]);
    assert_eq!(again.stderr.matches("damaged (its vectors are from another model").count(), 2, "{}", again.stderr);
    assert_eq!(digests(&fixture), first);
    fixture.done(&["cache", "verify"]);
}

#[test]
fn a_verification_says_what_came_from_the_cache_and_can_encode_again() {
    let fixture = folder("embedding = [\"bert\"]");
    fixture.done(&RUN);
    fixture.done(&["lock", "p.toml"]);
    let said = "24 of 24 texts came from the cache; `--fresh` encodes them again";
    let verify = |extra: &[&str]| fixture.done(&[&["verify", "p.toml", "--device", "cpu"], extra].concat());
    let cached = verify(&[]);
    assert!(cached.stderr.contains(said), "{}", cached.stderr);
    let json = verify(&["--format", "json"]);
    let json: Value = serde_json::from_str(&json.stdout).expect("JSON");
    assert_eq!(json["encoded"], serde_json::json!({"texts": 24, "cached": 24}));
    let before = segments(&fixture);
    let fresh = verify(&["--fresh"]);
    assert!(!fresh.stderr.contains("came from the cache"), "{}", fresh.stderr);
    assert!(fresh.stderr.contains("24 texts encoded"), "{}", fresh.stderr);
    assert_eq!(segments(&fixture), before);
}

#[test]
fn segments_of_the_former_format_are_named_and_cleared_when_asked() {
    let fixture = folder("embedding = [\"bert\"]");
    fixture.done(&RUN);
    let header = serde_json::json!({
        "__metadata__": {"format": "emberline-embeddings/1", "about": "elmo old"},
        "keys": {"dtype": "U8", "shape": [1, 32], "data_offsets": [0, 32]},
        "vectors": {"dtype": "F32", "shape": [1, 2], "data_offsets": [32, 40]},
    });
    let header = header.to_string().into_bytes();
    let bytes = [&(header.len() as u64).to_le_bytes()[..], &header, &[7; 40]].concat();
    // The former layout: the digest of the source, the device.
    let former = fixture.join("cache/embeddings").join("0".repeat(64)).join("cpu");
    fs::create_dir_all(&former).expect("made");
    // BLAKE3 of the content, which the former program named it by.
    fixture.done(&["cache", "verify", "--format", "json"]);
    let unnamed = former.join("unnamed.safetensors");
    fs::write(&unnamed, &bytes).expect("written");
    let damaged = fixture.ends(&["cache", "verify"], 8);
    let hash =
        damaged.stderr.split("has the BLAKE3 ").nth(1).expect("its hash").lines().next().expect("a line").to_owned();
    fs::rename(&unnamed, former.join(format!("{}.safetensors", hash.trim()))).expect("named");
    for command in ["ls", "verify"] {
        let ended = fixture.done(&["cache", command]);
        assert!(ended.stderr.contains("1 vector (241 B) is in an older format"), "{}", ended.stderr);
    }
    assert!(fixture.emberline(&["cache", "ls"]).stdout.contains("elmo old (older format)"));
    let dry = fixture.emberline(&["cache", "gc", "--dry-run"]);
    assert!(dry.stdout.starts_with("1 file would be removed"), "{}", dry.stdout);
    fixture.done(&["cache", "gc"]);
    assert!(!former.exists());
    assert_eq!(segments(&fixture).len(), 1);
}

#[test]
fn a_prompt_that_is_no_name_is_recorded_as_a_warning() {
    let fixture = folder(r#""embedding" = ["bert"]"#);
    let prompt = "embedding.bert.sentence_transformer.prompt=query";
    fixture.done(&["run", "p.toml", "-S", prompt]);
    let summary = fixture.summary(FOLDER);
    let warnings = summary["warnings"].as_array().expect("a list");
    let warning = warnings.iter().find(|warning| warning["code"] == "EMB008").unwrap_or_else(|| panic!("{summary}"));
    assert_eq!(warning["cells"][0], summary["cells"][0]["id"]);
}

#[test]
fn texts_that_a_model_cuts_are_recorded_as_a_warning() {
    let fixture = folder(r#""embedding" = ["bert"]"#);
    let short = "embedding.bert.sentence_transformer.max_length=4";
    let check = fixture.done(&["check", "--data", "p.toml", "-S", short]);
    assert!(check.stdout.contains("EMB016: `bert` reads 4 tokens of a text, and"), "{}", check.stdout);
    fixture.done(&["run", "p.toml", "-S", short]);
    let summary = fixture.summary(FOLDER);
    let codes: Vec<&Value> =
        summary["warnings"].as_array().expect("a list").iter().map(|warning| &warning["code"]).collect();
    assert_eq!(codes.iter().filter(|code| **code == "EMB016").count(), 1, "{summary}");
}
