//! Tests of locks: written, verified, compared and damaged ones.

mod check;
mod lines;
mod refit;

use std::fs;
use std::path::Path;

use emberline_device::Device;
use emberline_train::COMPUTATION;

use super::*;
use crate::pipeline::Pipeline;
use crate::reproduce::{self, lock, verify};
use crate::run::{Options, Silent, run};
use crate::run_folder::RunFolder;

/// A pipeline of two cells that train, and two whose loss soon becomes NaN.
const PIPELINE: &str = r#"
name = "small"
[data]
path = "texts.csv"
text = "text"
label = "label"
[embedding.one.hashing]
dim = 8
[head]
layers = [{ dense = 8 }]
[train]
epochs = 2
optimizer = { sgd = { learning_rate = 0.1 } }
[grid]
seed = [1, 2]
"train.optimizer.sgd.learning_rate" = [0.1, 1e38]
"#;

fn write_texts(folder: &Path, rows: usize) {
    let line = |number: usize| format!("{} {} text,{}\n", ["good", "bad"][number % 2], number, number % 2);
    let rows: String = (0..rows).map(line).collect();
    fs::write(folder.join("texts.csv"), format!("text,label\n{rows}")).expect("written");
}

fn pipeline(folder: &Path, assignments: &[&str]) -> Pipeline {
    let assignments: Vec<String> = assignments.iter().map(|&text| text.to_owned()).collect();
    Pipeline::parse("p", PIPELINE, folder, &assignments).expect("sound")
}

fn locked(folder: &Path) -> (Pipeline, RunFolder, Lock) {
    write_texts(folder, 60);
    let (pipeline, run_folder) = (pipeline(folder, &[]), RunFolder::new(folder.join("run")));
    run(&pipeline, &run_folder, &Options::on(Device::Cpu), &mut Silent).expect("it ends");
    let lock = lock(&pipeline, &run_folder, 0.01).expect("all has run");
    (pipeline, run_folder, lock)
}

fn verified(pipeline: &Pipeline, lock: &Lock, folder: &Path) -> Verified {
    let folder = RunFolder::new(folder.join("again"));
    verify(pipeline, lock, &Selection::default(), &folder, Options::on(Device::Cpu), &mut Silent).expect("it ends")
}

fn lines_of(found: &[impl ToString]) -> Vec<String> {
    found.iter().map(ToString::to_string).collect()
}

#[test]
fn a_lock_is_proved_and_survives_its_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let (pipeline, run_folder, lock) = locked(folder.path());
    let path = folder.path().join("p.lock");
    lock.write(&path).expect("written");
    assert_eq!(Lock::load(&path).expect("read"), lock);
    assert_eq!(reproduce::lock(&pipeline, &run_folder, 0.01).expect("again"), lock);
    let verified = verified(&pipeline, &lock, folder.path());
    assert!(verified.inputs.is_empty() && verified.cells.len() == 4);
    assert!(verified.cells.iter().all(|cell| cell.differences.is_empty() && cell.proof == Proof::Bytes));
}

#[test]
fn a_lock_never_takes_the_place_of_its_pipeline() {
    for (pipeline, lock) in
        [("a/p.toml", "a/p.lock"), ("a/p.lock", "a/p.lock.lock"), ("p", "p.lock"), ("p.x", "p.x.lock")]
    {
        assert_eq!(Lock::path_of(Path::new(pipeline)), Path::new(lock));
    }
}

#[test]
fn every_input_that_differs_is_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let (pipeline, _, lock) = locked(folder.path());
    let renamed = self::pipeline(folder.path(), &["train.epochs=3"]);
    let found = lines_of(&verified(&renamed, &lock, folder.path()).inputs);
    assert_eq!(found, ["settings: train.epochs: 2 -> 3; touches all 4 cells"]);

    write_texts(folder.path(), 59);
    let found = verified(&pipeline, &lock, folder.path()).inputs;
    assert_eq!(lines_of(&found), ["texts.csv: 60 -> 59 rows; 1 removed, class 1; touches all 4 cells"]);
    let of_programs: Vec<String> = found[0].changes.iter().map(|change| change.what.clone()).collect();
    for what in ["rows_read", "splits.train.rows", "files.texts.csv"] {
        assert!(of_programs.iter().any(|found| found == what), "{of_programs:?}");
    }
    assert!(!found[0].is_asset);
}

#[test]
fn a_result_that_differs_is_named_with_its_distance() {
    let folder = tempfile::tempdir().expect("a folder");
    let (pipeline, _, lock) = locked(folder.path());
    let (mut elsewhere, mut wrong) = (lock.clone(), lock.clone());
    for cell in elsewhere.cells.values_mut().filter_map(|cell| cell.result.as_mut()) {
        cell.arithmetic = "of another kind".to_owned();
        cell.weights = Digest::of(b"others");
        cell.metrics.values_mut().for_each(|value| *value += 0.009);
    }
    let verified = self::verified(&pipeline, &elsewhere, folder.path());
    let near = |cell: &&VerifiedCell| cell.differences.is_empty() && cell.proof == Proof::Tolerance;
    assert_eq!(verified.cells.iter().filter(near).count(), 2, "{verified:?}");

    for cell in wrong.cells.values_mut().filter_map(|cell| cell.result.as_mut()) {
        *cell.metrics.get_mut("val_loss").expect("measured") += 0.5;
    }
    let found = self::verified(&pipeline, &wrong, folder.path());
    let lines: Vec<String> = found.cells.iter().flat_map(|cell| lines_of(&cell.differences)).collect();
    assert_eq!(lines.len(), 2);
    assert!(lines.iter().all(|line| line.contains("metrics.val_loss") && line.ends_with("(by -5.00e-1)")), "{lines:?}");

    let mut other_digits = lock.clone();
    for cell in other_digits.cells.values_mut().filter_map(|cell| cell.result.as_mut()) {
        cell.exact = "0".repeat(32);
    }
    let beyond = self::verified(&pipeline, &other_digits, folder.path());
    let lines: Vec<String> = beyond.cells.iter().flat_map(|cell| lines_of(&cell.differences)).collect();
    assert!(lines.len() == 2 && lines[0].ends_with(": the metrics differ beyond their sixth digit"), "{lines:?}");
    let xml = junit("small", &found);
    assert!(
        xml.contains(r#"tests="5" skipped="0" errors="0" failures="2""#) && xml.contains("metrics.val_loss: expected"),
        "{xml}"
    );
}

#[test]
fn a_run_that_has_not_ended_can_not_be_locked() {
    let folder = tempfile::tempdir().expect("a folder");
    let (pipeline, run_folder, _) = locked(folder.path());
    fs::remove_file(run_folder.path().join("summary.json")).expect("removed");
    assert!(reproduce::lock(&pipeline, &run_folder, 0.01).is_ok(), "records are enough");
    let cells = run_folder.path().join("cells");
    let first = fs::read_dir(cells).expect("readable").next().expect("a cell").expect("a cell").path();
    fs::remove_file(first.join("result.json")).expect("removed");
    assert!(matches!(lock(&pipeline, &run_folder, 0.01), Err(Error::WorkPending(pending)) if pending.len() == 1));
}

/// A pipeline of cells whose loss soon becomes NaN, with vectors that are learned from the training texts.
fn failing(folder: &Path) -> (Pipeline, Lock) {
    write_texts(folder, 60);
    let set = [
        "grid={seed=[1, 2]}",
        "train.optimizer.sgd.learning_rate=1e38",
        "embedding={one={corpus={dim=4,min_count=1}}}",
    ];
    let (pipeline, run_folder) = (pipeline(folder, &set), RunFolder::new(folder.join("run")));
    run(&pipeline, &run_folder, &Options::on(Device::Cpu), &mut Silent).expect("it ends");
    let lock = lock(&pipeline, &run_folder, 0.01).expect("all has run");
    assert_eq!((lock.cells(), lock.failed()), (2, 2));
    (pipeline, lock)
}

#[test]
fn a_failure_is_proved_by_its_inputs_and_its_reason() {
    let folder = tempfile::tempdir().expect("a folder");
    let (pipeline, lock) = failing(folder.path());
    let found = verified(&pipeline, &lock, folder.path());
    assert!(found.inputs.is_empty() && found.cells.iter().all(|cell| cell.differences.is_empty()), "{found:?}");

    let mut other_reason = lock.clone();
    for failure in other_reason.cells.values_mut().filter_map(|cell| cell.failure.as_mut()) {
        failure.reason = "no space left on the device".to_owned();
    }
    let found = verified(&pipeline, &other_reason, folder.path());
    let lines: Vec<String> = found.cells.iter().flat_map(|cell| lines_of(&cell.differences)).collect();
    assert!(
        lines.len() == 2 && lines[0].contains("status: failed: no space left on the device -> failed: "),
        "{lines:?}"
    );

    write_texts(folder.path(), 59);
    let found = verified(&pipeline, &lock, folder.path());
    assert!(!found.inputs.is_empty(), "other data prove nothing");
    fs::remove_file(folder.path().join("texts.csv")).expect("removed");
    let gone = RunFolder::new(folder.path().join("again"));
    let ended = verify(&pipeline, &lock, &Selection::default(), &gone, Options::on(Device::Cpu), &mut Silent);
    assert!(matches!(&ended, Err(Error::Data(error)) if error.is_asset()), "{ended:?}");
}

#[test]
fn other_data_are_not_blamed_on_what_learns_from_them() {
    let folder = tempfile::tempdir().expect("a folder");
    let (pipeline, lock) = failing(folder.path());
    write_texts(folder.path(), 59);
    let found = verified(&pipeline, &lock, folder.path()).inputs;
    assert!(found.iter().all(|difference| matches!(difference.subject, Subject::Data(_))), "{found:?}");
}

#[test]
fn a_cell_of_other_settings_under_the_same_id_is_another_cell() {
    let folder = tempfile::tempdir().expect("a folder");
    let (pipeline, _, mut lock) = locked(folder.path());
    let id = lock.cells.keys().next().expect("a cell").clone();
    lock.cells.get_mut(&id).expect("a cell").identity = "0".repeat(32);
    let found = lines_of(&verified(&pipeline, &lock, folder.path()).inputs);
    assert_eq!(found, [format!("cells: the cell {id} has other settings than in the lock")]);
}

#[test]
fn results_of_another_computation_are_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let (pipeline, _, mut lock) = locked(folder.path());
    lock.pipeline.computation += 1;
    let found = lines_of(&verified(&pipeline, &lock, folder.path()).inputs);
    let computation = format!("computation: {} -> {COMPUTATION}", COMPUTATION + 1);
    assert_eq!(found, [format!("settings: the program computes otherwise: {computation}; touches all 4 cells")]);
}
