//! What a CI job does with a pipeline in git: `run`, `lock`, `verify`, `run --locked`, `explain`.

use std::fs;
use std::path::Path;

use emberline_tests::{Ended, emberline, end, run_in};
use serde_json::Value;

/// Two embeddings, one of them a file; four cells.
const PIPELINE: &str = r#"
name = "small"
[data]
path = "texts.csv"
text = "text"
label = "label"
[embedding.table.word_vectors]
path = "vectors.txt"
[embedding.random.hashing]
dim = 8
[train]
epochs = 3
[grid]
embedding = ["table", "random"]
seed = [1, 2]
"#;

const WORDS: [&str; 6] = ["good", "bad", "fine", "poor", "warm", "cold"];

fn write_texts(folder: &Path, rows: usize) {
    let text = |row: usize| format!("{} {}", WORDS[row % 6], WORDS[row / 6 % 6]);
    let rows: String = (0..rows).map(|row| format!("{} {row},{}\n", text(row), row % 2)).collect();
    fs::write(folder.join("texts.csv"), format!("text,label\n{rows}")).expect("written");
}

fn write_vectors(folder: &Path, first: &str) {
    let lines = WORDS.iter().enumerate().map(|(at, word)| format!("{word} {first} {}.5 -0.25\n", at % 3));
    fs::write(folder.join("vectors.txt"), lines.collect::<String>()).expect("written");
}

/// A folder with a finished run and its lock.
fn locked() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let here = folder.path();
    fs::write(here.join("p.toml"), PIPELINE).expect("written");
    write_texts(here, 120);
    write_vectors(here, "0.5");
    for command in ["run", "lock"] {
        let ended = run_in(here, &[command, "p.toml"]);
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    }
    folder
}

/// What `verify` and `run --locked` say, which must end alike.
fn refused(folder: &Path, code: i32) -> String {
    let verified = run_in(folder, &["verify", "p.toml"]);
    let run = run_in(folder, &["run", "p.toml", "--locked", "--force"]);
    assert_eq!((verified.code, run.code), (Some(code), Some(code)), "{}{}", verified.stderr, run.stderr);
    for line in verified.stdout.lines() {
        assert!(run.stderr.contains(line), "{line}\n{}", run.stderr);
    }
    verified.stdout
}

fn explained(folder: &Path, extra: &[&str]) -> String {
    let ended = run_in(folder, &[&["explain", "p.toml"], extra].concat());
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    ended.stdout
}

/// `plan` and `explain` tell the same cells.
fn assert_told_alike(folder: &Path) {
    let json = |command: &str| -> Value {
        let ended = run_in(folder, &[command, "p.toml", "--format", "json"]);
        serde_json::from_str(&ended.stdout).expect("JSON")
    };
    let states = |list: &Value, id: &str| -> Vec<(String, String)> {
        let text = |value: &Value| value.as_str().expect("a text").to_owned();
        let cells = list.as_array().expect("a list").iter();
        cells.map(|cell| (text(&cell[id]), text(&cell["state"]))).filter(|(_, state)| state != "done").collect()
    };
    assert_eq!(states(&json("plan")["cells"], "id"), states(&json("explain"), "cell"));
}

#[test]
fn a_lock_is_proved_whole_and_in_part() {
    let folder = locked();
    let here = folder.path();
    let verified = run_in(here, &["verify", "p.toml", "--junit", "out/junit.xml"]);
    assert_eq!(
        (verified.code, verified.stdout.matches("equal to the byte").count()),
        (Some(0), 4),
        "{}",
        verified.stderr
    );
    let junit = fs::read_to_string(here.join("out/junit.xml")).expect("a JUnit file");
    assert!(junit.contains(r#"tests="5" skipped="0" failures="0" errors="0""#), "{junit}");
    assert!(!here.join("runs/small/cells/again").exists(), "a proof is made elsewhere");

    let sample = || run_in(here, &["verify", "p.toml", "--sample", "2"]).stdout;
    assert_eq!((sample().lines().count(), sample()), (2, sample()));
    let id = sample().split(':').next().expect("an id").to_owned();
    assert_eq!(run_in(here, &["verify", "p.toml", "--only", &id]).stdout.lines().count(), 1);
    assert_eq!(run_in(here, &["verify", "p.toml", "--only", "nobody"]).code, Some(2));

    let kept = run_in(here, &["verify", "p.toml", "--out", "proof", "--jobs", "1", "--format", "json"]);
    let proof: Value = serde_json::from_str(&kept.stdout).expect("JSON");
    assert_eq!(proof["cells"].as_array().map(Vec::len), Some(4));
    assert!(here.join("proof/report.html").exists());
    assert_eq!(run_in(here, &["run", "p.toml", "--locked"]).code, Some(0));
    assert_eq!(run_in(here, &["verify", "p.toml", "-S", "data.path=texts.csv"]).code, Some(0), "places don't matter");
}

#[test]
fn rows_that_changed_are_named() {
    let folder = locked();
    let here = folder.path();
    write_texts(here, 119);
    let told = refused(here, 5);
    for line in ["data texts.csv: rows_read: 120 -> 119", "data texts.csv: splits.train.rows: 96 -> 95"] {
        assert!(told.contains(line), "{told}");
    }
    assert!(told.contains("data texts.csv: files.texts.csv: "), "{told}");
    let explained = explained(here, &[]);
    assert_eq!(explained.matches("to run: the data changed").count(), 4, "{explained}");
    assert!(explained.contains("  rows_read: 120 -> 119\n"), "{explained}");
    assert_told_alike(here);
}

#[test]
fn an_embedding_that_changed_is_named() {
    let folder = locked();
    let here = folder.path();
    write_vectors(here, "0.75");
    let told = refused(here, 8);
    assert!(told.contains("embedding `table`: content: ") && !told.contains("random"), "{told}");
    let explained = explained(here, &[]);
    assert_eq!(explained.matches("to run: the embedding changed").count(), 2, "{explained}");
    assert!(explained.contains("  content: "), "{explained}");
    assert_told_alike(here);
    fs::remove_file(here.join("vectors.txt")).expect("removed");
    assert_eq!(run_in(here, &["verify", "p.toml"]).code, Some(8));
    assert_told_alike(here);
}

#[test]
fn settings_that_changed_are_named() {
    let folder = locked();
    let here = folder.path();
    fs::write(here.join("p.toml"), PIPELINE.replace("epochs = 3", "epochs = 4")).expect("written");
    let told = refused(here, 5);
    assert!(told.starts_with("settings: train.epochs: 3 -> 4\n") && told.contains("isn't in the lock"), "{told}");
    let explained = explained(here, &[]);
    assert_eq!(explained.matches("  train.epochs: 3 -> 4\n").count(), 4, "{explained}");
    assert_told_alike(here);
    fs::write(here.join("p.toml"), PIPELINE).expect("written");
    let id = fs::read_dir(here.join("runs/small/cells")).expect("cells").next().expect("a cell").expect("a cell");
    let id = id.file_name().into_string().expect("a name");
    assert_eq!(self::explained(here, &[&id]), format!("{id}: done\n"));
    assert_eq!(self::explained(here, &[]), "");
}

#[test]
fn a_result_that_differs_has_an_exit_code_of_its_own() {
    let folder = locked();
    let here = folder.path();
    let lock = fs::read_to_string(here.join("p.lock")).expect("a lock");
    let higher = |line: &str| match line.strip_prefix("val_loss = ") {
        Some(loss) => format!("val_loss = {:?}\n", loss.parse::<f64>().expect("a loss") + 0.5),
        None => format!("{line}\n"),
    };
    let text: String = lock.lines().map(higher).collect();
    fs::write(here.join("p.lock"), &text).expect("written");
    let edited = run_in(here, &["verify", "p.toml"]);
    assert_eq!(edited.code, Some(5));
    assert!(edited.stderr.contains("it was changed after it was written"), "{}", edited.stderr);
    // As a lock that came from elsewhere.
    fs::write(here.join("p.lock"), resealed(&text)).expect("written");
    let differs = run_in(here, &["verify", "p.toml", "--junit", "junit.xml"]);
    assert_eq!(differs.code, Some(6), "{}", differs.stderr);
    assert_eq!(differs.stdout.matches("metrics.val_loss: ").count(), 4, "{}", differs.stdout);
    assert!(fs::read_to_string(here.join("junit.xml")).expect("a file").contains(r#"failures="4""#));
}

/// A lock's text with the checksum that `lock` would have written.
fn resealed(text: &str) -> String {
    let (_, from_version) = text.split_once('\n').expect("a first line");
    let old = from_version.lines().find(|line| line.starts_with("checksum")).expect("a checksum");
    let bare = from_version.replace(old, "checksum = \"\"");
    text.replace(old, &format!("checksum = \"{}\"", emberline_base::file::sha256(bare.as_bytes())))
}

#[test]
fn what_is_not_there_is_told() {
    let folder = locked();
    let here = folder.path();
    fs::remove_file(here.join("p.lock")).expect("removed");
    for args in [&["verify", "p.toml"][..], &["run", "p.toml", "--locked"]] {
        let ended = run_in(here, args);
        assert_eq!(ended.code, Some(5));
        assert!(ended.stderr.contains("`emberline lock` writes it"), "{}", ended.stderr);
    }
    let pending = run_in(here, &["lock", "p.toml", "--out", "elsewhere"]);
    assert_eq!(pending.code, Some(5));
    assert!(pending.stderr.contains("4 of the cells are left to run"), "{}", pending.stderr);
    assert_eq!(run_in(here, &["lock", "p.toml", "--tolerance", "-1"]).code, Some(2));
    assert!(!here.join("p.lock").exists());
}

/// The project's own lock: on another kind of processor than it was made on, within its tolerance.
#[test]
fn the_quickstart_s_lock_is_proved() {
    let pipeline = Path::new(env!("CARGO_MANIFEST_DIR")).join("../pipelines/quickstart.toml");
    let Ended { code, stderr, .. } = end(emberline().arg("verify").arg(pipeline));
    assert_eq!(code, Some(0), "{stderr}");
}
