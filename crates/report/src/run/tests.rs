//! Runs that are written and read back, whole and damaged.

use std::path::PathBuf;

use super::*;
use crate::{Format, render, sample};

fn write(run: &Run, dir: &Path) {
    let json = serde_json::to_string_pretty(&run.summary).expect("a summary");
    write_summed(dir, &[("summary.json", &json)]);
    for (id, epochs) in &run.histories {
        let cell = run.summary.cells.iter().find(|cell| cell.id == *id).expect("a cell");
        let mut result = serde_json::to_value(cell).expect("a cell");
        result["attempt"] = 1.into();
        write_cell(&run_files::cell(dir, id), &result.to_string(), &history::to_csv(epochs));
    }
}

/// Writes files and their checksums.
fn write_summed(folder: &Path, files: &[(&str, &str)]) {
    let mut sums = Sums::default();
    for (name, text) in files {
        file::write_atomic(&folder.join(name), text.as_bytes()).expect("written");
        sums.add(name, text.as_bytes());
    }
    file::write_atomic(&folder.join(run_files::SUMS), sums.to_text().as_bytes()).expect("written");
}

/// Writes the record of a cell, and the only attempt at it.
fn write_cell(folder: &Path, result: &str, history: &str) {
    let attempt = run_files::attempt(folder, 1);
    write_summed(&attempt, &[(run_files::RESULT, result), (run_files::HISTORY, history)]);
    fs::rename(attempt.join(run_files::RESULT), folder.join(run_files::RESULT)).expect("moved");
}

/// Returns the error of loading the sample run after `change` to its folder.
fn fault(change: impl Fn(&Path, String) -> String) -> String {
    let dir = tempfile::tempdir().expect("a folder");
    write(&sample::course(), dir.path());
    let path = dir.path().join("summary.json");
    let text = fs::read_to_string(&path).expect("readable");
    let changed = change(dir.path(), text);
    write_summed(dir.path(), &[("summary.json", &changed)]);
    let message = Run::load(dir.path()).expect_err("damaged").to_string();
    message.replace(&dir.path().display().to_string(), "RUN")
}

/// The folder of the first cell.
fn cell_of(dir: &Path) -> PathBuf {
    run_files::cell(dir, &sample::course().summary.cells[0].id)
}

/// The folder of the attempt at the first cell.
fn attempt_of_first_cell(dir: &Path) -> PathBuf {
    run_files::attempt(&cell_of(dir), 1)
}

/// Changes the first cell's record and history, and updates their checksums.
fn change_cell(dir: &Path, result: impl Fn(&str) -> String, history: impl Fn(&str) -> String) {
    let read = |path: PathBuf| fs::read_to_string(path).expect("readable");
    let old = [cell_of(dir).join(run_files::RESULT), attempt_of_first_cell(dir).join(run_files::HISTORY)].map(read);
    write_cell(&cell_of(dir), &result(&old[0]), &history(&old[1]));
}

#[test]
fn what_nothing_vouches_for_is_refused() {
    type Change = fn(&Path);
    let changes: [(Change, &str); 5] = [
        (
            |dir| fs::remove_file(attempt_of_first_cell(dir).join(run_files::SUMS)).expect("removed"),
            "SHA256SUMS is missing",
        ),
        (|dir| fs::remove_file(attempt_of_first_cell(dir).join("history.csv")).expect("removed"), "history.csv"),
        (
            |dir| fs::write(attempt_of_first_cell(dir).join("history.csv"), "epoch\n").expect("written"),
            "isn't what was written",
        ),
        (
            // If the checksums are updated as well, the contradiction to the summary is detected.
            |dir| change_cell(dir, |text| text.replacen("\"best_epoch\":", "\"best_epoch\":1", 1), str::to_owned),
            "differs from its entry in summary.json",
        ),
        (
            |dir| change_cell(dir, |text| text.replacen("\"attempt\":1", "\"other\":1", 1), str::to_owned),
            "names no attempt",
        ),
    ];
    for (change, expected) in changes {
        let message = fault(|dir, text| {
            change(dir);
            text
        });
        assert!(message.contains(expected), "{message}");
    }
    let dir = tempfile::tempdir().expect("a folder");
    write(&sample::course(), dir.path());
    fs::remove_file(dir.path().join(run_files::SUMS)).expect("removed");
    assert!(matches!(Run::load(dir.path()), Err(Error::NoSums(_))));
}

#[test]
fn a_run_reads_back_equal_and_renders_to_equal_bytes() {
    for run in [sample::course(), sample::single(), sample::without_validation(), sample::empty()] {
        let dir = tempfile::tempdir().expect("a folder");
        write(&run, dir.path());
        let read = Run::load(dir.path()).expect("readable");
        assert_eq!(read, run);
        for format in Format::ALL {
            assert_eq!(render(&read, format), render(&run, format));
        }
    }
}

#[test]
fn a_folder_that_is_no_run_is_named() {
    let dir = tempfile::tempdir().expect("a folder");
    let message = Run::load(dir.path()).expect_err("empty").to_string();
    assert!(message.contains("is not a run folder: it has no summary.json"), "{message}");
    assert!(matches!(Run::load(&dir.path().join("missing")), Err(Error::NotARun(_))));
}

#[test]
fn a_run_without_a_summary_says_why() {
    let dir = tempfile::tempdir().expect("a folder");
    let why = || Run::load(dir.path()).expect_err("no summary");
    fs::write(dir.path().join(run_files::RUN), "{}").expect("written");
    assert!(matches!(why(), Error::NoCellEnded(_)));
    let cells = dir.path().join(run_files::CELLS);
    fs::create_dir_all(cells.join("a/attempts/1")).expect("made");
    assert!(why().to_string().contains("no cell has ended yet; run the pipeline"), "{}", why());
    fs::create_dir(cells.join("b")).and_then(|()| fs::write(cells.join("b/result.json"), "{}")).expect("made");
    assert!(matches!(why(), Error::NotSummarised(_)));
    fs::remove_dir_all(cells.join("a")).expect("removed");
    assert!(matches!(why(), Error::Missing(path) if path.ends_with("summary.json")));
}

#[test]
fn a_file_of_a_cell_that_was_removed_is_named() {
    for name in [run_files::RESULT, "attempts/1/history.csv"] {
        let message = fault(|dir, text| {
            fs::remove_file(cell_of(dir).join(name)).expect("removed");
            text
        });
        assert!(message.contains(name) && message.contains("is missing; run the pipeline again"), "{message}");
    }
}

#[test]
fn every_damage_of_the_summary_is_placed() {
    let message = fault(|_, text| text[..text.len() / 2].to_owned());
    assert!(message.starts_with("RUN/summary.json:") && message.contains("it ends too early"), "{message}");
    let message = fault(|_, text| text.replacen("\"task\": \"binary\"", "\"task\": \"ternary\"", 1));
    assert!(message.contains("unknown value `ternary`") && !message.contains("json:0"), "{message}");
    let message = fault(|_, text| text.replacen("\"version\": 3", "\"version\": 99", 1));
    assert!(message.contains("version 99 of the records is newer than this program reads (3)"), "{message}");
    let message = fault(|_, text| text.replacen("\"version\": 3", "\"version\": 1", 1));
    assert!(message.contains("version 1 of the records is that of an earlier program"), "{message}");
    let message = fault(|_, text| text.replacen("\"best_epoch\": ", "\"best_epoch\": -", 1));
    assert!(message.contains("is done, but a value has the wrong type"), "{message}");
    let message = fault(|_, text| text.replacen("\"id\": \"swivel-20", "\"id\": \"../swivel-20", 1));
    assert!(message.contains("has an id that can't be the name of a folder"), "{message}");
}

#[test]
fn a_cell_that_is_listed_twice_is_refused() {
    let mut run = sample::single();
    run.summary.cells.push(run.summary.cells[0].clone());
    let dir = tempfile::tempdir().expect("a folder");
    write(&run, dir.path());
    assert!(Run::load(dir.path()).expect_err("twice").to_string().contains("is listed twice"));
}

#[test]
fn a_damaged_history_is_refused_and_a_missing_one_is_left_out() {
    let message = fault(|dir, text| {
        change_cell(dir, str::to_owned, |whole| whole[..whole.len() - 3].to_owned());
        text
    });
    assert!(message.contains("history.csv:") && message.contains("the last line is truncated"), "{message}");
    let message = fault(|dir, text| {
        change_cell(dir, str::to_owned, |whole| {
            let lines: Vec<&str> = whole.lines().collect();
            lines[..lines.len() - 1].join("\n") + "\n"
        });
        text
    });
    assert!(message.contains(" epochs, but summary.json counts "), "{message}");
    let dir = tempfile::tempdir().expect("a folder");
    write(&sample::course(), dir.path());
    fs::remove_dir_all(cell_of(dir.path())).expect("removed");
    let read = Run::load(dir.path()).expect("readable");
    assert!(
        read.histories.len() == 15 && render(&read, Format::Html).contains("1 finished cell without a history.csv")
    );
}

#[test]
fn only_done_cells_have_results() {
    let mut run = sample::single();
    run.summary.cells[0].status = Status::Pending;
    let dir = tempfile::tempdir().expect("a folder");
    write(&run, dir.path());
    let read = Run::load(dir.path()).expect("readable");
    assert!(read.summary.cells[0].outcome.is_none() && read.histories.is_empty());
}

#[test]
fn a_metric_that_is_null_is_not_a_number() {
    let mut run = sample::single();
    if let Some(outcome) = &mut run.summary.cells[0].outcome {
        outcome.metrics.insert("val_pr_auc".to_owned(), f64::NAN);
    }
    let dir = tempfile::tempdir().expect("a folder");
    write(&run, dir.path());
    let read = Run::load(dir.path()).expect("readable");
    assert!(read.summary.cells[0].outcome.as_ref().is_some_and(|o| o.metrics["val_pr_auc"].is_nan()));
    assert!(render(&read, Format::Markdown).contains("NaN"));
}
