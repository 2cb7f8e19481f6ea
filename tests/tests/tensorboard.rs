//! The logs of a run in TensorBoard itself, in a browser: every page shows what it is for.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use emberline_test_support::{Requirement, named, skip};
use emberline_tests::browser::{self, Browser};
use emberline_tests::{Fixture, Pipeline};
use serde_json::json;

/// A running TensorBoard, which ends when this is dropped.
struct TensorBoard {
    process: Child,
    address: String,
}

impl TensorBoard {
    /// Serves the logs of a folder on a free port.
    fn serve(python: &Path, logs: &Path) -> Self {
        let mut command = Command::new(python);
        command.args(["-m", "tensorboard.main", "--port", "0", "--logdir"]).arg(logs);
        let mut process = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("Python starts");
        let mut lines = BufReader::new(process.stderr.take().expect("its messages")).lines().map_while(Result::ok);
        // "TensorBoard 2.21.0 at http://localhost:6006/ (Press CTRL+C to quit)"
        let address = lines.find_map(|line| Some(line.split_once(" at http://")?.1.split('/').next()?.to_owned()));
        // The rest is read too, so that it never waits for a reader.
        std::thread::spawn(move || lines.for_each(drop));
        Self { process, address: format!("http://{}", address.expect("TensorBoard serves")) }
    }
}

impl Drop for TensorBoard {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Two cells, whose names are as people read them, and an axis.
fn logged() -> Fixture {
    let pipeline = Pipeline::new("curves")
        .section("data.split", "valid = 0.25\ntest = 0.25")
        .section("embedding.one.hashing", "dim = 8")
        .section("train", "epochs = 3\noptimizer = { adam = { learning_rate = 0.01 } }")
        .toml("[callbacks.tensorboard]\n[grid]\nseed = [1]\n\"embedding.dim\" = [2, 4]");
    let rows = (0..120).map(|row| (format!("{} film number {row}", ["good", "bad"][row % 2]), u8::from(row % 7 < 3)));
    Fixture::empty().rows(rows).pipeline(&pipeline)
}

#[test]
fn every_page_of_tensorboard_shows_the_cells() {
    if !browser::is_there() {
        return skip(Requirement::Chromium, "TensorBoard isn't looked at in a browser");
    }
    let Some(python) = named(Requirement::Tensorboard) else {
        return skip(Requirement::Tensorboard, "TensorBoard isn't looked at in a browser");
    };
    let fixture = logged();
    fixture.done(&["run", "p.toml"]);
    let tensorboard = TensorBoard::serve(&python, &fixture.join("runs/curves/tensorboard"));
    let mut browser = Browser::start();
    let cells = ["one-d2-frozen-s1", "one-d4-frozen-s1"];
    let runs = cells.iter().flat_map(|cell| [format!("{cell}/train"), format!("{cell}/validation")]);
    let runs: Vec<String> = runs.collect();
    // TensorBoard serves before it has read the logs.
    let read = include_str!("tensorboard/read.js").trim_end();
    assert_eq!(browser.evaluate(&tensorboard.address, read), json!(true), "TensorBoard reads the logs");
    let script = include_str!("tensorboard/seen.js").trim_end();
    for (page, words) in [
        // The course's pictures, each with a table of the values at the pointer.
        ("timeseries", &["epoch_accuracy", "epoch_loss", "epoch_pr_auc", "Smoothed Value Step"][..]),
        ("hparams", &["embedding.dim", "2.0000", "4.0000", "val_pr_auc", "test_accuracy"]),
        ("pr_curves", &["pr_curve/test", "pr_curve/validation"]),
        ("histograms", &["logits"]),
        ("text", &["mistakes/test", "mistakes/validation"]),
    ] {
        let runs: &[String] = if page == "timeseries" { &runs } else { &[] };
        let words: Vec<&str> = words.iter().copied().chain(cells).chain(runs.iter().map(String::as_str)).collect();
        let seen =
            browser.evaluate(&format!("{}/#{page}", tensorboard.address), &format!("{script}({})", json!(words)));
        assert_eq!(seen["missing"], json!([]), "{page}: {seen}");
    }
}
