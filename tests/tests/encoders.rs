//! Pipelines over neural encoders: texts are encoded once, whatever becomes of them and whoever asks.

use std::fs;
use std::path::{Path, PathBuf};

use emberline_tests::{Ended, run_in};
use serde_json::Value;

/// 24 texts of two classes.
const WORDS: [&str; 8] = ["good", "bad", "the", "Why?", "never", "house", "of", "cards!"];

/// A folder with a dataset and a pipeline over the encoders' tiny models. `grid`: the lines of `[grid]`.
fn pipeline(grid: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/encoder/tests/fixtures");
    let fixtures = fixtures.canonicalize().expect("the encoders' fixtures");
    let row = |n: usize| format!("{} {} {n},{}\n", WORDS[n % 8], WORDS[n * 5 % 7], n % 2);
    fs::write(folder.path().join("texts.csv"), format!("text,label\n{}", (0..24).map(row).collect::<String>()))
        .expect("written");
    let text = format!(
        r#"
        name = "encoders"
        seed = 1
        [data]
        path = "texts.csv"
        text = "text"
        label = "label"
        [data.split]
        valid = 6
        [embedding.elmo.elmo]
        path = "{0}/elmo"
        [embedding.bert.sentence_transformer]
        path = "{0}/bert"
        reduce = "random"
        [train]
        epochs = 2
        batch_size = 4
        [grid]
        {grid}
        "#,
        fixtures.display()
    );
    fs::write(folder.path().join("pipeline.toml"), text).expect("written");
    folder
}

fn summary(folder: &Path) -> Value {
    serde_json::from_slice(&fs::read(folder.join("runs/encoders/summary.json")).expect("a summary")).expect("JSON")
}

fn segments(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.join("cache/embeddings")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("readable") {
            let path = entry.expect("an entry").path();
            if path.is_dir() { folders.push(path) } else { found.push(path) }
        }
    }
    found.sort();
    found
}

fn fine(ended: &Ended) {
    assert_eq!(ended.code, Some(0), "{}{}", ended.stdout, ended.stderr);
}

#[test]
fn layers_of_elmo_are_encoded_once_and_their_mix_is_learned() {
    let folder = pipeline(
        r#"embedding = ["elmo"]
        "embedding.layers" = ["mix", "all", "lstm_2"]
        "embedding.trainable" = [false, true]"#,
    );
    let ended = run_in(folder.path(), &["run", "pipeline.toml", "--device", "cpu"]);
    fine(&ended);
    assert_eq!(ended.stderr.matches("24 texts encoded").count(), 1, "{}", ended.stderr);
    assert!(ended.stderr.contains("2 combinations are left out"), "{}", ended.stderr);
    let summary = summary(folder.path());
    let cells = summary["cells"].as_array().expect("cells");
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

#[test]
fn sizes_share_what_was_encoded_and_too_long_ones_are_left_out() {
    let folder = pipeline("embedding = [\"bert\"]\n\"embedding.dim\" = [4, 8, 4096]");
    let plan = |said: &str| {
        let ended = run_in(folder.path(), &["plan", "pipeline.toml"]);
        fine(&ended);
        assert!(ended.stdout.contains(said), "{}", ended.stdout);
        assert!(ended.stderr.contains("which can't be made 4096"), "{}", ended.stderr);
    };
    plan("bert: 24 different texts, 0 cached, 24 to encode");
    let ended = run_in(folder.path(), &["run", "pipeline.toml", "--device", "cpu"]);
    fine(&ended);
    assert_eq!(ended.stderr.matches("24 texts encoded").count(), 1, "{}", ended.stderr);
    let dims: Vec<u64> =
        summary(folder.path())["cells"].as_array().expect("cells").iter().filter_map(|c| c["dim"].as_u64()).collect();
    assert_eq!(dims, [4, 8]);
    assert_eq!(segments(folder.path()).len(), 1);
}

#[test]
fn a_damaged_cache_is_noticed_and_gives_the_same_result() {
    let folder = pipeline("embedding = [\"bert\", \"elmo\"]");
    let run = |extra: &[&str]| run_in(folder.path(), &[&["run", "pipeline.toml", "--device", "cpu"], extra].concat());
    fine(&run(&[]));
    let weights = |folder: &Path| {
        let cells = summary(folder)["cells"].as_array().expect("cells").clone();
        cells.into_iter().map(|cell| cell["digests"].clone()).collect::<Vec<_>>()
    };
    let first = weights(folder.path());
    let again = run(&["--force"]);
    fine(&again);
    assert_eq!(again.stderr.matches("24 texts from the cache").count(), 2, "{}", again.stderr);
    for segment in segments(folder.path()) {
        let mut bytes = fs::read(&segment).expect("readable");
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        fs::write(&segment, bytes).expect("writable");
    }
    assert_eq!(run_in(folder.path(), &["cache", "verify"]).code, Some(8));
    let repaired = run(&["--force"]);
    fine(&repaired);
    assert_eq!(repaired.stderr.matches("damaged").count(), 2, "{}", repaired.stderr);
    assert_eq!(weights(folder.path()), first);
    fine(&run_in(folder.path(), &["cache", "verify"]));
    fine(&run_in(folder.path(), &["cache", "gc", "--all"]));
    assert!(run_in(folder.path(), &["cache", "ls"]).stdout.is_empty());
}

#[test]
fn processes_that_encode_the_same_at_once_agree() {
    let folder = pipeline("embedding = [\"bert\"]");
    let runs: Vec<Value> = std::thread::scope(|scope| {
        let run = |number: usize| {
            let folder = folder.path();
            scope.spawn(move || {
                let out = format!("out-{number}");
                fine(&run_in(folder, &["run", "pipeline.toml", "--device", "cpu", "--out", &out]));
                let summary = fs::read(folder.join(out).join("summary.json")).expect("a summary");
                serde_json::from_slice::<Value>(&summary).expect("JSON")["cells"][0]["digests"].clone()
            })
        };
        let started: Vec<_> = (0..4).map(run).collect();
        started.into_iter().map(|thread| thread.join().expect("a run")).collect()
    });
    assert!(runs.iter().all(|digests| *digests == runs[0]), "{runs:?}");
    fine(&run_in(folder.path(), &["cache", "verify"]));
}

/// A pipeline over the tiny model of BERT and a twin of it with other numbers, which were both encoded.
fn twins() -> tempfile::TempDir {
    let folder = pipeline("embedding = [\"bert\", \"twin\"]");
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/encoder/tests/fixtures/bert");
    copy(&fixture, &folder.path().join("twin"));
    let weights = folder.path().join("twin/model.safetensors");
    let mut bytes = fs::read(&weights).expect("readable");
    // The lowest bits of the last numbers: other vectors of the same length.
    bytes.iter_mut().rev().step_by(4).skip(1).take(400).for_each(|byte| *byte ^= 1);
    fs::write(&weights, bytes).expect("written");
    let path = folder.path().join("pipeline.toml");
    let text = fs::read_to_string(&path).expect("readable");
    let twin = "[embedding.twin.sentence_transformer]\npath = \"twin\"\nreduce = \"random\"\n[train]";
    fs::write(&path, text.replace("[train]", twin)).expect("written");
    folder
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("made");
    for entry in fs::read_dir(from).expect("readable") {
        let path = entry.expect("an entry").path();
        let target = to.join(path.file_name().expect("a name"));
        if path.is_dir() {
            copy(&path, &target);
        } else {
            fs::copy(&path, &target).expect("copied");
        }
    }
}

#[test]
fn segments_that_are_exchanged_between_models_are_never_believed() {
    let folder = twins();
    let here = folder.path();
    let run = |extra: &[&str]| run_in(here, &[&["run", "pipeline.toml", "--device", "cpu"], extra].concat());
    fine(&run(&[]));
    fine(&run_in(here, &["lock", "pipeline.toml"]));
    fine(&run_in(here, &["cache", "verify"]));
    let first = summary(here)["cells"].clone();
    let [one, other] = &segments(here)[..] else { panic!("a segment a model") };
    let moved = |from: &Path, to: &Path| to.with_file_name(from.file_name().expect("a name"));
    let (one_moved, other_moved) = (moved(one, other), moved(other, one));
    fs::rename(one, one_moved).and_then(|()| fs::rename(other, other_moved)).expect("exchanged");
    let verified = run_in(here, &["cache", "verify"]);
    assert_eq!(verified.code, Some(8), "{}{}", verified.stdout, verified.stderr);
    assert!(verified.stdout.contains("2 files are damaged"), "{}", verified.stdout);
    let again = run(&["--force"]);
    fine(&again);
    assert_eq!(again.stderr.matches("damaged (its vectors are from another model").count(), 2, "{}", again.stderr);
    let digests =
        |cells: &Value| cells.as_array().expect("cells").iter().map(|cell| cell["digests"].clone()).collect::<Vec<_>>();
    assert_eq!(digests(&summary(here)["cells"]), digests(&first));
    fine(&run_in(here, &["cache", "verify"]));
}

#[test]
fn a_verification_says_what_came_from_the_cache_and_can_encode_again() {
    let folder = pipeline("embedding = [\"bert\"]");
    let here = folder.path();
    fine(&run_in(here, &["run", "pipeline.toml", "--device", "cpu"]));
    fine(&run_in(here, &["lock", "pipeline.toml"]));
    let said = "24 of 24 texts came from the cache; `--fresh` encodes them again";
    let verify = |extra: &[&str]| run_in(here, &[&["verify", "pipeline.toml", "--device", "cpu"], extra].concat());
    let cached = verify(&[]);
    fine(&cached);
    assert!(cached.stderr.contains(said), "{}", cached.stderr);
    let json = verify(&["--format", "json"]);
    let json: Value = serde_json::from_str(&json.stdout).expect("JSON");
    assert_eq!(json["encoded"], serde_json::json!({"texts": 24, "cached": 24}));
    let before = segments(here);
    let fresh = verify(&["--fresh"]);
    fine(&fresh);
    assert!(!fresh.stderr.contains("came from the cache"), "{}", fresh.stderr);
    assert!(fresh.stderr.contains("24 texts encoded"), "{}", fresh.stderr);
    assert_eq!(segments(here), before);
}

#[test]
fn segments_of_the_former_format_are_named_and_cleared_when_asked() {
    let folder = pipeline("embedding = [\"bert\"]");
    let here = folder.path();
    fine(&run_in(here, &["run", "pipeline.toml", "--device", "cpu"]));
    let header = serde_json::json!({
        "__metadata__": {"format": "emberline-embeddings/1", "about": "elmo old"},
        "keys": {"dtype": "U8", "shape": [1, 32], "data_offsets": [0, 32]},
        "vectors": {"dtype": "F32", "shape": [1, 2], "data_offsets": [32, 40]},
    });
    let header = header.to_string().into_bytes();
    let bytes = [&(header.len() as u64).to_le_bytes()[..], &header, &[7; 40]].concat();
    // The former layout: the digest of the source, the device.
    let former = here.join("cache/embeddings").join("0".repeat(64)).join("cpu");
    fs::create_dir_all(&former).expect("made");
    // BLAKE3 of the content, which the former program named it by.
    let name = run_in(here, &["cache", "verify", "--format", "json"]);
    fine(&name);
    let unnamed = former.join("unnamed.safetensors");
    fs::write(&unnamed, &bytes).expect("written");
    let damaged = run_in(here, &["cache", "verify"]);
    assert_eq!(damaged.code, Some(8));
    let hash =
        damaged.stderr.split("has the BLAKE3 ").nth(1).expect("its hash").lines().next().expect("a line").to_owned();
    fs::rename(&unnamed, former.join(format!("{}.safetensors", hash.trim()))).expect("named");
    for command in ["ls", "verify"] {
        let ended = run_in(here, &["cache", command]);
        fine(&ended);
        assert!(ended.stderr.contains("1 vectors (241 B) are in an older format"), "{}", ended.stderr);
    }
    assert!(run_in(here, &["cache", "ls"]).stdout.contains("elmo old (older format)"));
    let dry = run_in(here, &["cache", "gc", "--dry-run"]);
    assert!(dry.stdout.starts_with("1 file would be removed"), "{}", dry.stdout);
    fine(&run_in(here, &["cache", "gc"]));
    assert!(!former.exists());
    assert_eq!(segments(here).len(), 1);
}

#[test]
fn a_prompt_that_is_no_name_is_recorded_as_a_warning() {
    let folder = pipeline(r#""embedding" = ["bert"]"#);
    let prompt = "embedding.bert.sentence_transformer.prompt=query";
    let ended = run_in(folder.path(), &["run", "pipeline.toml", "-S", prompt]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let summary = summary(folder.path());
    let [warning] = summary["warnings"].as_array().expect("a list").as_slice() else { panic!("{summary}") };
    assert_eq!((&warning["code"], &warning["cells"][0]), (&"EMB008".into(), &summary["cells"][0]["id"]));
}
