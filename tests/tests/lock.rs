//! What a CI job does with a pipeline in git: `run`, `lock`, `verify`, `run --locked`, `explain`.

use std::fs;

use emberline_tests::fixture::{repository, resealed};
use emberline_tests::{Ended, Fixture, Pipeline, emberline, end, sources};
use serde_json::Value;

const WORDS: [&str; 6] = ["good", "bad", "fine", "poor", "warm", "cold"];

/// Two embeddings, one of them a file; four cells.
fn pipeline() -> Pipeline {
    Pipeline::new("small").toml(
        r#"
        [embedding.table.word_vectors]
        path = "vectors.txt"
        [embedding.random.hashing]
        dim = 8
        [train]
        epochs = 3
        [grid]
        embedding = ["table", "random"]
        seed = [1, 2]
        "#,
    )
}

fn texts(rows: usize) -> String {
    let text = |row: usize| (format!("{} {} {row}", WORDS[row % 6], WORDS[row / 6 % 6]), row % 2);
    sources::csv(&(0..rows).map(text).collect::<Vec<_>>())
}

fn vectors(first: &str) -> String {
    WORDS.iter().enumerate().map(|(at, word)| format!("{word} {first} {}.5 -0.25\n", at % 3)).collect()
}

/// A folder with a finished run and its lock.
fn locked() -> Fixture {
    let fixture =
        Fixture::empty().file("texts.csv", texts(120)).file("vectors.txt", vectors("0.5")).pipeline(&pipeline());
    ["run", "lock"].into_iter().for_each(|command| drop(fixture.done(&[command, "p.toml"])));
    fixture
}

/// What `verify` and `run --locked` say, which must end alike.
fn refused(fixture: &Fixture, code: i32) -> String {
    let verified = fixture.ends(&["verify", "p.toml"], code);
    let run = fixture.ends(&["run", "p.toml", "--locked", "--force"], code);
    for line in verified.stdout.lines() {
        assert!(run.stderr.contains(line), "{line}\n{}", run.stderr);
    }
    verified.stdout
}

fn explained(fixture: &Fixture, extra: &[&str]) -> String {
    fixture.done(&[&["explain", "p.toml"], extra].concat()).stdout
}

/// `plan` and `explain` tell the same cells.
fn assert_told_alike(fixture: &Fixture) {
    let json = |command: &str| -> Value {
        let ended = fixture.emberline(&[command, "p.toml", "--format", "json"]);
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
    let fixture = locked();
    let verified = fixture.emberline(&["verify", "p.toml", "--junit", "out/junit.xml"]);
    assert_eq!(
        (verified.code, verified.stdout.matches("equal to the byte").count()),
        (Some(0), 4),
        "{}",
        verified.stderr
    );
    let junit = fixture.read("out/junit.xml");
    assert!(junit.contains(r#"tests="5" skipped="0" errors="0" failures="0""#), "{junit}");
    assert!(!fixture.join("runs/small/cells/again").exists(), "a proof is made elsewhere");

    let sample = || fixture.done(&["verify", "p.toml", "--sample", "2"]).stdout;
    assert_eq!((sample().lines().count(), sample()), (2, sample()));
    let id = sample().split(':').next().expect("an id").to_owned();
    assert_eq!(fixture.emberline(&["verify", "p.toml", "--only", &id]).stdout.lines().count(), 1);
    assert_eq!(fixture.emberline(&["verify", "p.toml", "--only", "nobody"]).code, Some(2));

    let kept = fixture.emberline(&["verify", "p.toml", "--out", "proof", "--jobs", "1", "--format", "json"]);
    let proof: Value = serde_json::from_str(&kept.stdout).expect("JSON");
    assert_eq!(proof["cells"].as_array().map(Vec::len), Some(4));
    assert!(fixture.join("proof/report.html").exists());
    assert_eq!(fixture.emberline(&["run", "p.toml", "--locked"]).code, Some(0));
    assert_eq!(
        fixture.emberline(&["verify", "p.toml", "-S", "data.path=texts.csv"]).code,
        Some(0),
        "places don't matter"
    );
}

#[test]
fn rows_that_changed_are_named() {
    let fixture = locked();
    fixture.write("texts.csv", texts(119));
    let summary = "texts.csv: 120 -> 119 rows; 1 removed, class 1";
    assert_eq!(refused(&fixture, 5), format!("{summary}; touches all 4 cells\n"));
    assert_eq!(explained(&fixture, &[]), format!("to run: the data changed: all 4 cells\n  {summary}\n"));
    assert_told_alike(&fixture);
}

#[test]
fn an_embedding_that_changed_is_named() {
    let fixture = locked();
    fixture.write("vectors.txt", vectors("0.75"));
    let told = refused(&fixture, 8);
    assert!(told.starts_with("embedding `table`: its files changed: content: ") && told.lines().count() == 1, "{told}");
    assert!(told.ends_with("; touches 2 of 4 cells: embedding = table\n"), "{told}");
    let explained = explained(&fixture, &[]);
    let expected = "to run: the embedding changed: 2 of 4 cells: embedding = table\n";
    assert!(explained.starts_with(expected) && explained.contains("  content: "), "{explained}");
    assert_told_alike(&fixture);
    fixture.remove("vectors.txt");
    assert_eq!(fixture.emberline(&["verify", "p.toml"]).code, Some(8));
    assert_told_alike(&fixture);
}

#[test]
fn settings_that_changed_are_named() {
    let fixture = locked();
    fixture.write("p.toml", pipeline().to_string().replace("epochs = 3", "epochs = 4"));
    let told = refused(&fixture, 5);
    assert_eq!(told, "settings: train.epochs: 3 -> 4; touches all 4 cells\n");
    let explained = explained(&fixture, &[]);
    assert!(
        explained.starts_with("to run: all 4 cells\n") && explained.ends_with("  train.epochs: 3 -> 4\n"),
        "{explained}"
    );
    assert_eq!(explained.lines().count(), 3, "{explained}");
    assert_told_alike(&fixture);
    fixture.write("p.toml", pipeline().to_string());
    let id = fs::read_dir(fixture.join("runs/small/cells")).expect("cells").next().expect("a cell").expect("a cell");
    let id = id.file_name().into_string().expect("a name");
    assert_eq!(self::explained(&fixture, &[&id]), format!("done: {id}\n"));
    assert_eq!(self::explained(&fixture, &[]), "");
}

#[test]
fn a_result_that_differs_has_an_exit_code_of_its_own() {
    let fixture = locked();
    let lock = fixture.read("p.lock");
    let higher = |line: &str| match line.split_once(" val_loss = ") {
        Some((before, after)) => {
            let (loss, after) = after.split_once(',').expect("more metrics");
            format!("{before} val_loss = {:?},{after}\n", loss.parse::<f64>().expect("a loss") + 0.5)
        }
        None => format!("{line}\n"),
    };
    let text: String = lock.lines().map(higher).collect();
    fixture.write("p.lock", &text);
    let edited = fixture.emberline(&["verify", "p.toml"]);
    assert_eq!(edited.code, Some(5));
    assert!(edited.stderr.contains("it was changed after it was written"), "{}", edited.stderr);
    // As a lock that came from elsewhere.
    fixture.write("p.lock", resealed(&text));
    let differs = fixture.emberline(&["verify", "p.toml", "--junit", "junit.xml"]);
    assert_eq!(differs.code, Some(6), "{}", differs.stderr);
    assert_eq!(differs.stdout.matches("metrics.val_loss: ").count(), 4, "{}", differs.stdout);
    let junit = fixture.read("junit.xml");
    assert!(junit.contains(r#"failures="4""#) && junit.contains("metrics.val_loss: expected "), "{junit}");
}

#[test]
fn what_is_not_there_is_told() {
    let fixture = locked();
    fixture.remove("p.lock");
    for args in [&["verify", "p.toml"][..], &["run", "p.toml", "--locked"]] {
        let ended = fixture.emberline(args);
        assert_eq!(ended.code, Some(5));
        assert!(ended.stderr.contains("`emberline lock` writes it"), "{}", ended.stderr);
    }
    let pending = fixture.emberline(&["lock", "p.toml", "--out", "elsewhere"]);
    assert_eq!(pending.code, Some(5));
    assert!(pending.stderr.contains("4 cells are left to run"), "{}", pending.stderr);
    assert_eq!(fixture.emberline(&["lock", "p.toml", "--tolerance", "-1"]).code, Some(2));
    assert!(!fixture.join("p.lock").exists());
}

/// The project's own lock: on another kind of processor than it was made on, within its tolerance.
#[test]
fn the_quickstart_s_lock_is_proved() {
    let pipeline = repository("pipelines/quickstart.toml");
    let Ended { code, stderr, .. } = end(emberline().arg("verify").arg(pipeline));
    assert_eq!(code, Some(0), "{stderr}");
}
