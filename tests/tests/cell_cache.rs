//! `run --cell-cache`: what one run folder has finished, another doesn't train; damaged entries are never believed, and a proof
//! is a training whatever the cache holds.

use std::fs;
use std::path::{Path, PathBuf};

use emberline_base::byte_arrays::{self, ByteArrays, Content};
use emberline_base::{Sums, run_files};
use emberline_tests::run_files::{assert_same, paths, records};
use emberline_tests::sources::{csv, labelled};
use emberline_tests::{Ended, Fixture, Pipeline, end};

const VARIABLE: &str = "EMBERLINE_CELL_CACHE";

/// What an attempt can leave: a learned embedding, known words, predictions, a log of a callback and one of TensorBoard; frozen and
/// fine-tuned cells.
fn pipeline(name: &str) -> Pipeline {
    Pipeline::new(name).data("split = { valid = 20, test = 12 }").toml(
        r#"
        [embedding.learned.corpus]
        dim = 4
        min_count = 1
        [embedding.random.hashing]
        dim = 6
        [head]
        layers = [{ dense = 4, activation = "relu" }]
        [train]
        epochs = 3
        [callbacks.tensorboard]
        [callbacks.csv_logger]
        [grid]
        embedding = ["learned", "random"]
        "embedding.trainable" = [false, true]
        seed = [1, 2]
        "#,
    )
}

/// A checkout: the data, the pipeline file and nothing else.
fn checkout() -> Fixture {
    Fixture::empty().rows(labelled("text", 80)).pipeline(&pipeline("p"))
}

/// Runs the pipeline with a cell cache.
fn run(fixture: &Fixture, cache: &Path, args: &[&str]) -> Ended {
    let cache = cache.to_str().expect("text");
    fixture.done(&[&["run", "p.toml", "--cell-cache", cache][..], args].concat())
}

fn says(ended: &Ended, words: &str) {
    assert!(ended.stderr.contains(words), "{words}: {}", ended.stderr);
}

/// The entries of a cell cache.
fn entries(cache: &Path) -> Vec<PathBuf> {
    paths(cache).into_iter().map(|path| cache.join(path)).collect()
}

/// Writes an entry anew with another content of a file; with `sealed`, the sums are those of the new content, as whoever may write
/// to the folder can make them.
fn forge(entry: &Path, name: &str, change: impl Fn(String) -> String, sealed: bool) {
    let mut file = ByteArrays::open(entry).expect("an entry");
    let mut metadata = file.metadata().clone();
    metadata.remove("sha256");
    let names: Vec<String> = file.names().map(str::to_owned).collect();
    let mut arrays = std::collections::BTreeMap::new();
    for name in names {
        let bytes = file.bytes(&name).expect("readable").expect("there");
        arrays.insert(name, bytes);
    }
    let key = format!("attempt/{name}");
    let text = String::from_utf8(arrays[&key].clone()).expect("text");
    let changed = change(text.clone());
    assert_ne!(changed, text, "{name} is changed");
    if sealed {
        let mut sums = Sums::of_bytes(&arrays["attempt/SHA256SUMS"]);
        sums.add(name, changed.as_bytes());
        arrays.insert("attempt/SHA256SUMS".to_owned(), sums.to_text().into_bytes());
    }
    arrays.insert(key, changed.into_bytes());
    let arrays = arrays.into_iter().map(|(name, bytes)| (name, Content::Bytes(bytes))).collect();
    byte_arrays::write(&mut fs::File::create(entry).expect("made"), &metadata, &arrays).expect("written");
}

#[test]
fn another_checkout_trains_nothing_and_comes_to_the_same_bytes() {
    let (cache, first) = (tempfile::tempdir().expect("a folder"), checkout());
    says(&run(&first, cache.path(), &[]), "8 cells trained on cpu");
    assert_eq!(entries(cache.path()).len(), 8);
    first.done(&["lock", "p.toml"]);
    let expected = records(&first.join("runs/p"));
    assert!(expected.keys().any(|path| path.ends_with("training.csv")), "the callback's log is compared too");

    let second = checkout();
    second.write("p.lock", first.bytes("p.lock"));
    says(&run(&second, cache.path(), &[]), "0 cells trained on cpu, 8 taken from the cell cache");
    assert_same(&second.join("runs/p"), &expected, "in another checkout");
    // Times are those of the training.
    for id in first.ids("runs/p") {
        let seconds = |fixture: &Fixture| {
            let cells = fixture.cells("runs/p");
            cells.iter().find(|cell| cell["id"] == id.as_str()).expect("the cell")["seconds"].clone()
        };
        assert_eq!(seconds(&first), seconds(&second), "{id}");
    }
    // It is a whole run: it is kept, locked to the same lock, proved, and it classifies.
    says(&second.done(&["run", "p.toml"]), "0 cells trained on cpu, 8 done before");
    second.done(&["lock", "p.toml"]);
    assert_eq!(second.read("p.lock"), first.read("p.lock"));
    second.done(&["verify", "p.toml"]);
    let learned = first.ids("runs/p").into_iter().find(|id| id.starts_with("learned")).expect("a cell");
    let predict = ["predict", "runs/p", "--cell", learned.as_str(), "--input", "texts.csv"];
    assert_eq!(second.done(&predict).stdout, first.done(&predict).stdout);

    // A run folder that is lost is a checkout.
    first.remove("runs");
    says(&run(&first, cache.path(), &["--jobs", "2"]), "0 cells trained on cpu, 8 taken from the cell cache");
    assert_same(&first.join("runs/p"), &expected, "after the run folder was lost");
}

/// Only what a cell is held done by decides: names of files and axes don't, settings and data do.
#[test]
fn a_cell_is_found_by_its_content_alone() {
    let (cache, first) = (tempfile::tempdir().expect("a folder"), checkout());
    run(&first, cache.path(), &["--only", "random-frozen-*"]);
    assert_eq!(entries(cache.path()).len(), 2);

    // Other axes: one of the cells of before, whose id is another here, and a new one. The data lie elsewhere.
    let second = Fixture::empty().file("data/moved.csv", csv(&labelled("text", 80)));
    let grid = "[grid]\nseed = [1]\n\"train.batch_size\" = [32, 16]\n";
    let text = pipeline("p").to_string().replace("texts.csv", "data/moved.csv").replace("name = \"p\"", "name = \"q\"");
    let (sections, _) = text.split_once("[grid]").expect("a grid");
    let sections = sections.replace("[embedding.learned.corpus]\n        dim = 4\n        min_count = 1", "");
    second.write("p.toml", format!("{sections}{grid}"));
    says(&run(&second, cache.path(), &[]), "1 cell trained on cpu, 1 taken from the cell cache");
    let outcomes = |fixture: &Fixture, run: &str| -> Vec<serde_json::Value> {
        fixture.cells(run).iter().map(|cell| cell["digests"].clone()).collect()
    };
    let shared = outcomes(&first, "runs/p").into_iter().filter(|digests| outcomes(&second, "runs/q").contains(digests));
    assert_eq!(shared.filter(|digests| !digests.is_null()).count(), 1);

    // Another text is another cell.
    let third = checkout();
    third.write("texts.csv", third.read("texts.csv").replacen("text", "next", 2).replacen("next,", "text,", 1));
    says(&run(&third, cache.path(), &["--only", "random-frozen-*"]), "2 cells trained on cpu");
}

#[test]
fn damaged_entries_are_named_trained_and_replaced() {
    let cache = tempfile::tempdir().expect("a folder");
    let checkout = || {
        let fixture = checkout();
        fixture.edit("p.toml", "embedding = [\"learned\", \"random\"]", "embedding = [\"random\"]");
        fixture
    };
    let first = checkout();
    run(&first, cache.path(), &[]);
    let expected = records(&first.join("runs/p"));
    let entries = entries(cache.path());
    assert_eq!(entries.len(), 4);
    // Bytes of the disk, a file that was exchanged, a record that isn't one, and an empty file as after a power cut.
    let mut bytes = fs::read(&entries[0]).expect("readable");
    *bytes.last_mut().expect("bytes") ^= 1;
    fs::write(&entries[0], bytes).expect("written");
    forge(&entries[1], run_files::HISTORY, |text| text.replacen('.', "", 1), false);
    forge(&entries[2], run_files::RESULT, |_| "{}".to_owned(), true);
    fs::write(&entries[3], b"").expect("written");

    let second = checkout();
    let ended = run(&second, cache.path(), &[]);
    says(&ended, "4 cells trained on cpu");
    let warnings: Vec<&str> = ended.stderr.lines().filter(|line| line.contains("isn't used: ")).collect();
    assert!(warnings.len() == 4 && warnings.iter().all(|line| line.starts_with("warning: ")), "{}", ended.stderr);
    for words in [
        "doesn't match its digest",
        "its history.csv isn't what its SHA256SUMS says",
        "result.json is damaged",
        "truncated",
    ] {
        assert!(warnings.iter().any(|line| line.contains(words)), "{words}: {warnings:?}");
    }
    assert_same(&second.join("runs/p"), &expected, "beside a damaged cache");
    // The trainings have replaced them.
    says(&run(&checkout(), cache.path(), &[]), "0 cells trained on cpu, 4 taken from the cell cache");
}

/// Whoever may write to the cache may make results up, as in a run folder; `verify` and `--force` train all the same.
#[test]
fn a_proof_is_a_training_whatever_the_cache_holds() {
    let (cache, first) = (tempfile::tempdir().expect("a folder"), checkout());
    let only = ["--only", "random-frozen-s1-*"];
    run(&first, cache.path(), &[]);
    first.done(&["lock", "p.toml"]);
    let honest = records(&first.join("runs/p"));
    for entry in entries(cache.path()) {
        forge(&entry, run_files::RESULT, |text| text.replacen("\"val_loss\": 0.", "\"val_loss\": 0.0", 1), true);
    }
    let second = checkout();
    second.write("p.lock", first.bytes("p.lock"));
    // The forgery is complete: a run believes it, and so would be seen if `verify` did.
    says(&run(&second, cache.path(), &only), "1 taken from the cell cache");
    let forged = &second.cells("runs/p")[4]["metrics"]["val_loss"];
    assert_ne!(forged, &first.cells("runs/p")[4]["metrics"]["val_loss"]);
    let before = entries(cache.path()).into_iter().map(|path| fs::read(path).expect("readable")).collect::<Vec<_>>();
    let mut verify = second.command(&["verify", "p.toml", "--out", "proof"]);
    let proved = end(verify.env(VARIABLE, cache.path()));
    assert_eq!(proved.code, Some(0), "{}", proved.printed());
    assert_eq!(proved.stdout.matches("equal to the byte").count(), 8, "{}", proved.printed());
    assert_same(&second.join("proof"), &honest, "when it is proved");
    let after = entries(cache.path()).into_iter().map(|path| fs::read(path).expect("readable")).collect::<Vec<_>>();
    assert!(before == after, "a proof is not shared either");
    // What was taken, `verify` doesn't take for a training.
    second.done(&["verify", "p.toml"]);
    says(&run(&second, cache.path(), &["--force", "--out", "forced"]), "8 cells trained on cpu");
    assert_same(&second.join("forced"), &honest, "when all is trained by force");
}

/// The environment names the cache too; cells that were done before are offered, failed ones are not.
#[test]
fn the_environment_names_the_cache_and_cells_done_before_are_offered() {
    let (cache, fixture) = (tempfile::tempdir().expect("a folder"), checkout());
    fixture.edit("p.toml", "seed = [1, 2]", "\"train.optimizer.sgd.learning_rate\" = [0.1, 1e38]");
    fixture.edit("p.toml", "epochs = 3", "epochs = 3\n        optimizer = { sgd = { learning_rate = 0.1 } }");
    fixture.ends(&["run", "p.toml"], 7);
    let failed = fixture.cells("runs/p").iter().filter(|cell| cell["status"] == "failed").count();
    assert!((1..8).contains(&failed), "{failed}");
    let again = end(fixture.command(&["run", "p.toml"]).env(VARIABLE, cache.path()));
    says(&again, "0 cells trained on cpu");
    assert_eq!(entries(cache.path()).len(), 8 - failed);
    fixture.remove("runs");
    let mut processes = fixture.command(&["run", "p.toml", "--executor", "subprocess", "--jobs", "2"]);
    let taken = end(processes.env(VARIABLE, cache.path()));
    says(&taken, &format!("{} taken from the cell cache", 8 - failed));
    // An empty name is none.
    fixture.remove("runs");
    let without = end(fixture.command(&["run", "p.toml"]).env(VARIABLE, ""));
    says(&without, &format!("{} cells trained on cpu", 8 - failed));
    assert!(!without.stderr.contains("taken"), "{}", without.stderr);
}

#[test]
fn a_cache_that_cannot_be_written_costs_no_result() {
    let fixture = checkout().file("taken", "a file");
    let ended = run(&fixture, &fixture.join("taken"), &[]);
    says(&ended, "8 cells trained on cpu");
    assert_eq!(ended.stderr.matches("can't be shared through the cell cache").count(), 1, "{}", ended.stderr);
}

/// Runs that share a cache at the same time leave whole entries, and each has all results.
#[test]
fn runs_at_the_same_time_share_a_cache() {
    let cache = tempfile::tempdir().expect("a folder");
    let fixtures = [checkout(), checkout(), checkout()];
    let folder = cache.path().to_str().expect("text");
    let children = fixtures.each_ref().map(|fixture| {
        let mut command = fixture.command(&["run", "p.toml", "--cell-cache", folder, "--quiet"]);
        command.stdout(std::process::Stdio::null()).spawn().expect("it starts")
    });
    for mut child in children {
        assert!(child.wait().expect("it ends").success());
    }
    let expected = records(&fixtures[0].join("runs/p"));
    for fixture in &fixtures[1..] {
        assert_same(&fixture.join("runs/p"), &expected, "beside others that share the cache");
    }
    says(&run(&checkout(), cache.path(), &[]), "0 cells trained on cpu, 8 taken from the cell cache");
    assert_eq!(entries(cache.path()).len(), 8, "and nothing is left beside the entries");
}

#[test]
fn the_cache_is_cleared_by_size_and_only_on_demand() {
    let (cache, fixture) = (tempfile::tempdir().expect("a folder"), checkout());
    run(&fixture, cache.path(), &[]);
    let folder = cache.path().to_str().expect("text");
    let dry = fixture.done(&["cache", "gc", "--cell-cache", folder, "--all", "--dry-run"]);
    assert!(dry.stdout.starts_with("8 files would be removed"), "{}", dry.stdout);
    assert_eq!(entries(cache.path()).len(), 8);
    let kept = fixture.done(&["cache", "gc", "--cell-cache", folder]);
    assert!(kept.stdout.starts_with("0 files removed"), "{}", kept.stdout);
    fixture.done(&["cache", "gc", "--cell-cache", folder, "--max-size", "0"]);
    assert_eq!(entries(cache.path()).len(), 0);
    let missing = fixture.ends(&["cache", "gc", "--cell-cache", "nowhere"], 2);
    assert!(missing.stderr.contains("nowhere is no folder"), "{}", missing.stderr);
}

/// The name of the machine is in `result.json`, and in no file that people pass on.
#[test]
fn the_machine_is_named_in_the_record_alone() {
    const NODE: &str = "node-7.of-the-tests";
    let fixture = checkout();
    let ended = end(fixture.command(&["run", "p.toml", "--only", "random-frozen-s1-*"]).env("EMBERLINE_NODE", NODE));
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let run = fixture.join("runs/p");
    let with_name: Vec<PathBuf> = paths(&run)
        .into_iter()
        .filter(|path| String::from_utf8_lossy(&fs::read(run.join(path)).expect("readable")).contains(NODE))
        .collect();
    let [result] = &with_name[..] else { panic!("{with_name:?}") };
    assert!(result.ends_with("result.json"), "{result:?}");
    let record: serde_json::Value =
        serde_json::from_slice(&fs::read(run.join(result)).expect("readable")).expect("JSON");
    assert_eq!(record["execution"], serde_json::json!({ "node": NODE, "exit": "finished" }));
    assert_eq!(record["attempt"], 1);

    let unnamed = end(fixture.command(&["run", "p.toml", "--force"]).env("EMBERLINE_NODE", ""));
    assert_eq!(unnamed.code, Some(0), "{}", unnamed.stderr);
    let record: serde_json::Value =
        serde_json::from_slice(&fs::read(run.join(result)).expect("readable")).expect("JSON");
    assert_eq!((&record["execution"], &record["attempt"]), (&serde_json::json!({ "exit": "finished" }), &2.into()));
}

/// A cell that fails by itself says so.
#[test]
fn the_exit_of_a_failed_cell_is_recorded() {
    let fixture = checkout();
    fixture.edit("p.toml", "epochs = 3", "epochs = 3\n        optimizer = { sgd = { learning_rate = 1e38 } }");
    fixture.emberline(&["run", "p.toml"]);
    let failed = fixture.cells("runs/p").into_iter().find(|cell| cell["status"] == "failed").expect("a failed cell");
    let id = failed["id"].as_str().expect("an id");
    let record: serde_json::Value =
        serde_json::from_str(&fixture.read(format!("runs/p/cells/{id}/result.json"))).expect("JSON");
    assert_eq!(record["execution"]["exit"], "failed");
    assert!(failed.get("execution").is_none(), "the summary names no machine");
}
