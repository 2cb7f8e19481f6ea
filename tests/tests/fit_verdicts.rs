//! Verdicts on fits, from end to end: what the run warns of, what the report's table of cells says, and that the records alone
//! give the same words again.

use emberline_tests::fixture::{list, text};
use emberline_tests::{Fixture, Pipeline};

/// A pipeline of one small head on random vectors, with more settings.
fn pipeline(sections: &str) -> Pipeline {
    let embedding = "[embedding.words.hashing]\ndim = 16\n[head]\nlayers = [{ dense = 8, activation = \"relu\" }]";
    Pipeline::new("p").toml(embedding).toml(sections)
}

const NOUNS: [&str; 8] = ["cat", "dog", "house", "tree", "boat", "road", "lamp", "book"];
const VERBS: [&str; 6] = ["runs", "sleeps", "falls", "stands", "burns", "sings"];
const MANNERS: [&str; 8] = ["red", "old", "tall", "cold", "loud", "round", "soft", "late"];

/// Three words; no two of the first 384 texts are the same.
fn words(row: usize) -> String {
    format!("{} {} {}", NOUNS[row % 8], VERBS[row / 8 % 6], MANNERS[row / 48 % 8])
}

/// Texts whose first word tells the class, every third of them of class 1.
fn separable() -> impl Iterator<Item = (String, usize)> {
    (0..240).map(|row| {
        let class = usize::from(row % 3 == 0);
        (format!("{} {}", ["sun", "rain"][class], words(row)), class)
    })
}

/// Texts whose words tell nothing, a tenth of them of class 1.
fn arbitrary() -> impl Iterator<Item = (String, usize)> {
    (0..384).map(|row| (words(row), usize::from(row * 7919 % 1009 % 10 == 0)))
}

/// Runs a pipeline, and returns what it printed, the codes of the warnings, and the report's line of the only cell.
fn verdict(rows: impl Iterator<Item = (String, usize)>, sections: &str) -> (String, Vec<String>, String) {
    let fixture = Fixture::empty().rows(rows).pipeline(&pipeline(sections));
    let printed = fixture.done(&["run", "p.toml"]).stderr;
    let summary = fixture.summary("runs/p");
    let codes = summary.get("warnings").map_or_else(Vec::new, |warnings| {
        let codes = list(warnings).iter().map(|warning| text(&warning["code"]).to_owned());
        codes.filter(|code| code.starts_with("EMB03")).collect()
    });
    let report = fixture.read("runs/p/report.md");
    fixture.done(&["report", "runs/p"]);
    assert_eq!(fixture.read("runs/p/report.md"), report, "the records alone say the same");
    let id = text(&summary["cells"][0]["id"]).to_owned();
    let line = report.lines().find(|line| line.starts_with(&format!("| {id} "))).expect("the cell's line").to_owned();
    (printed, codes, line)
}

#[test]
fn a_fit_that_epochs_cut_short_is_still_improving() {
    let train = "[train]\nepochs = 4\noptimizer = { adam = { learning_rate = 1e-3 } }";
    let (printed, codes, line) = verdict(separable(), train);
    assert_eq!(codes, ["EMB030"], "{printed}");
    assert!(
        printed.contains("EMB030: training ended by `train.epochs` while the loss was still improving"),
        "{printed}"
    );
    assert!(line.contains("| still improving |"), "{line}");
}

#[test]
fn a_fit_that_early_stopping_ended_has_converged() {
    let sections = "[train]\nepochs = 300\noptimizer = { adam = { learning_rate = 0.02 } }\n\
                    [callbacks.early_stopping]\nmin_delta = 1e-3\npatience = 3";
    let (printed, codes, line) = verdict(separable(), sections);
    assert!(codes.is_empty(), "{printed}");
    assert!(line.contains("| converged |"), "{line}");
}

#[test]
fn a_head_that_learned_the_majority_alone_is_named_with_its_class() {
    let sections = "[train]\nepochs = 300\noptimizer = { adam = { learning_rate = 1e-3 } }\n\
                    [callbacks.early_stopping]\npatience = 3";
    let (printed, codes, line) = verdict(arbitrary(), sections);
    assert!(codes.contains(&"EMB031".to_owned()), "{printed}");
    assert!(printed.contains("EMB031: `0` is predicted for every validation row"), "{printed}");
    assert!(line.contains("one class only |"), "{line}");
}

#[test]
fn training_that_explodes_is_a_failure_and_no_verdict() {
    let sections = "[train]\nepochs = 6\noptimizer = { sgd = { learning_rate = 1e9 } }";
    let fixture = Fixture::empty().rows(separable()).pipeline(&pipeline(sections));
    fixture.ends(&["run", "p.toml"], 7);
    let cell = &fixture.cells("runs/p")[0];
    assert!(text(&cell["error"]).starts_with("training diverged: the "), "{cell}");
    assert!(cell.get("metrics").is_none(), "{cell}");
}
