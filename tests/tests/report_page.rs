//! `report.html` in a browser: opened from disk, its script works, its console stays empty, and hostile names and texts stay inert.
//!
//! A page of the test's own (`report_page/driver.html`) opens the report in a frame, clicks through it, and leaves what it saw as its
//! own content, which Chromium prints with `--dump-dom`. The report itself is unchanged, its content policy included.

use std::fs;
use std::path::Path;
use std::process::Command;

use emberline_report::{predictions, rows};
use emberline_test_support::{Requirement, skip};
use emberline_tests::{Fixture, Pipeline, end};
use serde_json::Value;

/// The program that opens the page.
const BROWSER: &str = "chromium";

/// Names that try to break out of the page, and to run.
const HOSTILE: &str = "</script><img src=x onerror=parent.hit=1><b>\"'&";

/// Opens the report in Chromium, and returns what the driver saw; `None` if there is no Chromium.
fn driven(report: &Path) -> Option<Value> {
    if !Command::new(BROWSER).arg("--version").output().is_ok_and(|output| output.status.success()) {
        skip(Requirement::Chromium, "the report isn't opened in a browser");
        return None;
    }
    let folder = tempfile::tempdir().expect("a folder");
    fs::copy(report, folder.path().join("report.html")).expect("copied");
    let driver = folder.path().join("driver.html");
    fs::write(&driver, include_str!("report_page/driver.html")).expect("written");
    let mut command = Command::new(BROWSER);
    command.args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"]);
    command.args(["--disable-background-networking", "--disable-component-update", "--window-size=1400,900"]);
    command.args([
        "--enable-logging=stderr",
        "--allow-file-access-from-files",
        "--virtual-time-budget=30000",
        "--dump-dom",
    ]);
    command.arg(format!("--user-data-dir={}", folder.path().join("profile").display())).arg(&driver);
    let ended = end(&mut command);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    // Chromium reports what a page says, and what its policy refuses, as a line of its own.
    let console: Vec<&str> = ended.stderr.lines().filter(|line| line.contains("CONSOLE")).collect();
    assert!(console.is_empty(), "the console isn't empty: {console:?}");
    let seen = ended.stdout.split("<pre id=\"seen\">").nth(1).and_then(|rest| rest.split("</pre>").next());
    let seen = seen.unwrap_or_else(|| panic!("the driver didn't end: {}", ended.stdout));
    let seen = seen.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&");
    Some(serde_json::from_str(&seen).expect("JSON"))
}

/// A run of two embeddings with hostile names, classes and texts.
fn hostile() -> Fixture {
    let text = |row: usize| format!("{HOSTILE} {} film number {row}", ["good", "bad", "dull"][row % 3]);
    let label = |row: usize| if (row * 7) % 11 < 2 { row.is_multiple_of(2) } else { row.is_multiple_of(3) };
    let rows = (0..240)
        .map(|row| (format!("\"{}\"", text(row).replace('"', "\"\"")), if label(row) { HOSTILE } else { "no" }));
    let rows: Vec<(String, String)> =
        rows.map(|(text, label)| (text, format!("\"{}\"", label.replace('"', "\"\"")))).collect();
    let quoted = |name: &str| format!("'''{name}'''");
    let pipeline = Pipeline::new("hostile")
        .data(&format!("positive = {}", quoted(HOSTILE)))
        .section("data.split", "valid = 0.25\ntest = 0.25\nrepeats = 2")
        .section("embedding.one.hashing", "dim = 16")
        .section("embedding.two.hashing", "dim = 16")
        .section("train", "epochs = 8\nbatch_size = 16\noptimizer = { adam = { learning_rate = 0.05 } }")
        .section(
            "grid",
            "embedding = [\"one\", \"two\"]\n\"embedding.dim\" = [4, 16]\n\"embedding.trainable\" = [false, true]",
        );
    Fixture::empty().rows(rows).pipeline(&pipeline)
}

#[test]
fn the_page_works_and_hostile_names_stay_inert() {
    let fixture = hostile();
    fixture.done(&["run", "p.toml"]);
    let report = fixture.join("runs/hostile/report.html");
    let Some(seen) = driven(&report) else { return };
    assert_eq!(seen["errors"], serde_json::json!([]), "{seen}");
    assert_eq!(seen["hit"], Value::Null, "a name was run: {seen}");
    // Sorting, the legend, the pointer, the keyboard, the heat map, the confusion matrix, the files.
    for (what, expected) in [
        ("sorted", "descending"),
        ("hidden", "true"),
        ("shown_again", "true"),
        ("pointer", "true"),
        ("spoken", "true"),
        ("heat_map", "true"),
        ("pair_rows", "true"),
        ("saved", "true"),
        ("printed", "true"),
    ] {
        assert_eq!(seen[what], expected, "{what}: {seen}");
    }
    assert_scores(&fixture, &seen);
}

/// The figures at the chosen threshold are the program's, and those at any other what its predictions say.
fn assert_scores(fixture: &Fixture, seen: &Value) {
    let number = |value: &Value| value.as_f64().unwrap_or_else(|| panic!("{value}"));
    let cell = seen["cell"].as_str().expect("the chosen cell");
    let record: Value =
        serde_json::from_str(&fixture.read(format!("runs/hostile/cells/{cell}/result.json"))).expect("JSON");
    let at_chosen = &seen["thresholds"][0];
    assert!((number(&at_chosen["threshold"]) - number(&record["metrics"]["val_threshold"])).abs() < 1e-15);
    for (name, metric) in [("F1", "test_f1"), ("precision", "test_precision"), ("recall", "test_recall")] {
        let difference = number(&at_chosen[name]) - number(&record["metrics"][metric]);
        assert!(difference.abs() < 1e-12, "{name}: {seen}");
    }
    let stored = predictions::from_bytes(&fixture.bytes(format!("runs/hostile/cells/{cell}/predictions.safetensors")));
    let logits = stored.expect("predictions").test.expect("test rows");
    let digest = record["test_rows"].as_str().expect("a digest");
    let targets = rows::read_targets(&fixture.bytes(format!("runs/hostile/inputs/{digest}.rows"))).expect("rows");
    let all = seen["thresholds"].as_array().expect("a list");
    assert!(all.len() >= 5, "{seen}");
    for at in all {
        let threshold = number(&at["threshold"]);
        let (mut counts, mut flips) = ([0u32; 4], 0);
        for (row, classes) in targets.classes.iter().enumerate() {
            let probability = 1.0 / (1.0 + (-f64::from(logits.row(row)[0])).exp());
            counts[usize::from(classes[0] == 1) * 2 + usize::from(probability >= threshold)] += 1;
            flips += u32::from((probability >= threshold) != (probability >= number(&all[0]["threshold"])));
        }
        let [tn, fp, fn_, tp] = counts.map(f64::from);
        for (name, expected) in [("tn", tn), ("fp", fp), ("fn", fn_), ("tp", tp), ("flips", f64::from(flips))] {
            assert_eq!(number(&at[name]), expected, "{name} at {threshold}: {at}");
        }
        let f1 = 2.0 * tp / (2.0 * tp + fp + fn_).max(1.0);
        assert!((number(&at["F1"]) - f1).abs() < 1e-12, "{at}");
    }
}

#[test]
fn the_page_gives_back_its_files_byte_for_byte() {
    let fixture = hostile();
    fixture.done(&["run", "p.toml"]);
    fixture.done(&["lock", "p.toml"]);
    fixture.done(&["report", "--from", "runs/hostile/report.html", "--out", "back"]);
    let cells = fixture.ids("runs/hostile");
    for (name, original) in [
        ("summary.json", "runs/hostile/summary.json".to_owned()),
        ("p.toml", "p.toml".to_owned()),
        ("p.lock", "p.lock".to_owned()),
    ] {
        assert_eq!(fixture.bytes(Path::new("back").join(name)), fixture.bytes(&original), "{name}");
    }
    let back = fixture.bytes("back/predictions.safetensors");
    let of_cells = cells.iter().map(|cell| fixture.bytes(format!("runs/hostile/cells/{cell}/predictions.safetensors")));
    assert!(of_cells.into_iter().any(|bytes| bytes == back), "the predictions of the chosen cell");
    // The same files may be written again; others are not overwritten.
    fixture.done(&["report", "--from", "runs/hostile/report.html", "--out", "back"]);
    fixture.write("back/p.toml", "mine");
    let refused = fixture.ends(&["report", "--from", "runs/hostile/report.html", "--out", "back"], 8);
    assert!(refused.stderr.contains("is there already, with other content"), "{}", refused.stderr);
    fixture.write("page.html", "<p>no report</p>");
    let refused = fixture.ends(&["report", "--from", "page.html"], 8);
    assert!(refused.stderr.contains("carries no files"), "{}", refused.stderr);
    // A page that was cut off, within a character too.
    let page = fixture.bytes("runs/hostile/report.html");
    let files = page.windows(24).position(|part| part == b"application/x-emberline-").expect("files");
    for end in [2_000, page.len() / 3, files, files + 500] {
        fixture.write("page.html", &page[..end]);
        let refused = fixture.ends(&["report", "--from", "page.html", "--out", "cut"], 8);
        assert!(refused.stderr.contains("ends too early"), "{end}: {}", refused.stderr);
    }
}

#[test]
fn the_page_names_the_command_that_makes_its_result() {
    let fixture = hostile();
    fixture.done(&["run", "p.toml", "-S", "train.epochs=1", "-S", "seed=7"]);
    let page = fixture.read("runs/hostile/report.html");
    assert!(page.contains("<code>emberline run p.toml -S train.epochs=1 -S seed=7</code>"), "no command");
    assert!(page.contains("<code>emberline lock p.toml -S train.epochs=1 -S seed=7</code>"), "no command");
    fixture.done(&["run", "p.toml"]);
    assert!(
        fixture.read("runs/hostile/report.html").contains("<code>emberline run p.toml</code>"),
        "nothing is changed"
    );
}

#[test]
fn texts_that_are_to_stay_out_are_nowhere_in_the_page() {
    let fixture = Fixture::empty()
        .rows((0..120).map(|row| (format!("{} zyzzyva number {row}", ["good", "bad"][row % 2]), (row + row / 9) % 2)))
        .pipeline(
            &Pipeline::new("p")
                .section("data.split", "valid = 0.25\ntest = 0.25")
                .section("embedding.one.hashing", "dim = 8")
                .section("train", "epochs = 2")
                .section("report", "texts = false"),
        );
    fixture.done(&["run", "p.toml"]);
    let page = fixture.read("runs/p/report.html");
    assert!(page.contains("Worst mistakes") && !page.contains("zyzzyva"), "a text is in the page");
    fixture.done(&["run", "p.toml", "-S", "report.texts=true", "--force"]);
    assert!(fixture.read("runs/p/report.html").contains("zyzzyva"));
}
