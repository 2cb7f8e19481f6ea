//! Tests of the run folder: records are read as written, and damaged or linked files and those of other processes are
//! left alone.

use emberline_base::record::{self, Execution, Status};

use super::result::RECORDS;
use super::*;
use crate::pipeline::Pipeline;
use crate::plan::Cell;
use crate::plan::Plan;

fn of_model(model: &[u8]) -> Finished<'_> {
    Finished { model, ..Finished::default() }
}

/// Returns a run folder with a record of the only cell, and the record.
fn recorded(at: &Path, failed: bool) -> (RunFolder, Cell, record::Cell) {
    let text = "name = \"n\"\n[data]\npath = \"a.csv\"\ntext = \"t\"\nlabel = \"l\"\n[embedding.h.hashing]\n";
    let plan = Plan::of(&Pipeline::parse("p", text, Path::new(""), &[]).expect("sound"));
    let (folder, cell) = (RunFolder::new(at), plan.cells[0].clone());
    let outcome = serde_json::json!({
        "computation": 1, "dim": 8, "epochs": 1, "best_epoch": 1, "stopped": "epochs", "seconds": 0.25, "device": "cpu",
        "parameters": {"total": 9, "trainable": 9}, "metrics": {"loss": 0.5, "val_loss": 0.125},
        "digests": {"data": "a", "embedding": "b", "weights": "c"}, "arithmetic": "none",
    });
    let outcome = (!failed).then(|| serde_json::from_value(outcome).expect("an outcome"));
    let (status, error) = if failed { (Status::Failed, Some("why".to_owned())) } else { (Status::Done, None) };
    let cause = failed.then_some(record::Cause::Surroundings);
    let record = record::Cell { status, outcome, error, cause, ..cell.pending() };
    let lock = folder.lock_cell(&cell.id).expect("made").expect("nobody else is there");
    let attempt = folder.begin(&cell, &lock).expect("begun");
    file::write_atomic(&attempt.checkpoint(), b"half").expect("written");
    match failed {
        true => attempt.fail(&cell, &record, &Execution::default(), false).expect("written"),
        false => attempt.finish(&cell, &record, &Execution::default(), of_model(b"weights")).expect("written"),
    }
    (folder, cell, record)
}

#[test]
fn a_record_reads_back_and_its_checkpoint_is_gone() {
    for failed in [false, true] {
        let at = tempfile::tempdir().expect("a folder");
        let (folder, cell, record) = recorded(at.path(), failed);
        assert_eq!(folder.record(&cell), Ok(Some(record)));
        assert!(!folder.has_checkpoint(&cell.id));
    }
}

/// A record of the same version, but of a program that didn't record where it ran.
#[test]
fn a_record_without_its_execution_reads() {
    let at = tempfile::tempdir().expect("a folder");
    let (folder, cell, record) = recorded(at.path(), false);
    let path = folder.cell(&cell.id).join(run_files::RESULT);
    let mut result: serde_json::Value = serde_json::from_slice(&fs::read(&path).expect("readable")).expect("JSON");
    assert_eq!(result["execution"], serde_json::json!({ "exit": "finished" }));
    result.as_object_mut().expect("an object").shift_remove("execution");
    let text = pretty(&result) + "\n";
    fs::write(&path, &text).expect("written");
    let sums = run_files::attempt(&folder.cell(&cell.id), 1).join(run_files::SUMS);
    let mut known = Sums::of_bytes(&fs::read(&sums).expect("readable"));
    known.add(run_files::RESULT, text.as_bytes());
    fs::write(&sums, known.to_text()).expect("written");
    assert_eq!(folder.record(&cell), Ok(Some(record)));
}

#[test]
#[cfg(unix)]
fn nothing_is_written_or_removed_through_a_link() {
    use std::os::unix::fs::symlink;
    for below in
        ["cells", "cells/ID", "cells/ID/attempts", "tensorboard", "tensorboard/ID", "tensorboard/ID/train", "inputs"]
    {
        let (at, elsewhere) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
        let (_, cell, record) = recorded(&at.path().join("other"), false);
        fs::write(elsewhere.path().join("mine"), b"mine").expect("written");
        fs::write(elsewhere.path().join(".emberline-a.tmp"), b"mine").expect("written");
        let folder = RunFolder::new(at.path().join("run"));
        let name = if below.starts_with("tensorboard") { &cell.log_name } else { &cell.id };
        let link = folder.path().join(below.replace("ID", name));
        fs::create_dir_all(link.parent().expect("a folder")).expect("made");
        symlink(elsewhere.path(), &link).expect("linked");
        let held = folder.claim(&at.path().join("p.toml"));
        let lock = Lock::none();
        let written = folder
            .begin(&cell, &lock)
            .and_then(|attempt| attempt.finish(&cell, &record, &Execution::default(), of_model(b"weights")));
        let noted = folder.note_input(&Digest::of(b"data"), || Ok("facts"));
        let refused = [held.is_err(), written.is_err(), noted.is_err()];
        let is_refused = match below {
            "inputs" => [true, false, true],
            "cells" | "tensorboard" => [true, true, false],
            _ => [false, true, false],
        };
        assert_eq!(refused, is_refused, "{below}");
        assert_eq!(fs::read_dir(elsewhere.path()).expect("readable").count(), 2, "{below}");
    }
    // The run folder itself may be a link.
    let (at, elsewhere) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
    symlink(elsewhere.path(), at.path().join("run")).expect("linked");
    recorded(&at.path().join("run"), false);
    assert!(elsewhere.path().join("cells").is_dir());
}

#[test]
fn every_byte_that_is_flipped_is_noticed_and_named() {
    let at = tempfile::tempdir().expect("a folder");
    let (folder, cell, record) = recorded(at.path(), false);
    let cell_folder = folder.cell(&cell.id);
    let attempt = run_files::attempt(&cell_folder, 1);
    let files = RECORDS.into_iter().chain([run_files::SUMS]).map(|name| attempt.join(name));
    for path in files.chain([cell_folder.join(run_files::RESULT)]) {
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        let bytes = fs::read(&path).expect("readable");
        for place in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[place] ^= 1;
            fs::write(&path, &damaged).expect("written");
            let fault = folder.record(&cell).expect_err("damaged");
            assert!(name == run_files::SUMS || fault.contains(&name), "{name} at {place}: {fault}");
        }
        fs::remove_file(&path).expect("removed");
        let without = folder.record(&cell);
        assert!(if name == run_files::RESULT { without == Ok(None) } else { without.is_err() }, "{name}: {without:?}");
        fs::write(&path, &bytes).expect("written");
    }
    assert_eq!(folder.record(&cell), Ok(Some(record)));
}

/// Returns the names of a folder's files and folders.
fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).expect("readable");
    let mut names: Vec<String> =
        entries.map(|entry| entry.expect("an entry").file_name().into_string().expect("text")).collect();
    names.sort();
    names
}

#[test]
fn the_last_attempt_that_ended_counts_and_earlier_ones_go() {
    let at = tempfile::tempdir().expect("a folder");
    let (folder, cell, record) = recorded(at.path(), true);
    let lock = folder.lock_cell(&cell.id).expect("made").expect("nobody else is there");
    // It was interrupted with a checkpoint, from which the next attempt resumes.
    let second = folder.begin(&cell, &lock).expect("begun");
    file::write_atomic(&second.checkpoint(), b"half").expect("written");
    assert_eq!((second.number(), folder.attempt_that_counts(&cell.id)), (2, Some(1)));
    let third = folder.begin(&cell, &lock).expect("begun");
    assert_eq!(names(&folder.cell(&cell.id).join(run_files::ATTEMPTS)), ["1", "3"]);
    assert_eq!(fs::read(third.checkpoint()).expect("it is taken over"), b"half");
    fs::write(third.path().join("training.csv"), b"a log").expect("written");
    let done = recorded(&at.path().join("other"), false).2;
    third.finish(&cell, &done, &Execution::default(), of_model(b"weights")).expect("written");
    assert_eq!(names(&folder.cell(&cell.id).join(run_files::ATTEMPTS)), ["3"]);
    let shown = ["SHA256SUMS", "attempts", "cell.toml", "history.csv", "model.safetensors"];
    let shown: Vec<&str> = shown.into_iter().chain(["record.jsonl", "result.json", "training.csv"]).collect();
    assert_eq!(names(&folder.cell(&cell.id)), shown);
    assert_ne!(folder.record(&cell), Ok(Some(record)));
    assert_eq!(folder.record(&cell), Ok(Some(done)));
}

/// As on a file system without locks: neither process takes the other's files, and one of two complete attempts counts.
#[test]
fn two_attempts_without_locks_never_mix() {
    let at = tempfile::tempdir().expect("a folder");
    let (folder, cell, record) = recorded(at.path(), false);
    let none = [Lock::none(), Lock::none()];
    let [one, other] = none.each_ref().map(|lock| folder.begin(&cell, lock).expect("begun"));
    assert_ne!(one.path(), other.path());
    one.finish(&cell, &record, &Execution::default(), of_model(b"one")).expect("written");
    other.finish(&cell, &record, &Execution::default(), of_model(b"other")).expect("written");
    assert_eq!(folder.attempt_that_counts(&cell.id), Some(other.number()));
    for attempt in [&one, &other] {
        let sums = Sums::of_folder(&attempt.path()).expect("readable").expect("there");
        let model = fs::read(attempt.path().join(run_files::MODEL)).expect("readable");
        assert!(sums.check(run_files::MODEL, &model));
    }
    assert_eq!(folder.record(&cell), Ok(Some(record)));
}

#[test]
fn links_that_a_killed_process_left_undone_are_made() {
    let at = tempfile::tempdir().expect("a folder");
    let (folder, cell, _) = recorded(at.path(), false);
    let shown = folder.cell(&cell.id);
    for name in [run_files::SUMS, run_files::MODEL] {
        fs::remove_file(shown.join(name)).expect("removed");
    }
    folder.restore_links(&cell).expect("linked");
    assert_eq!(fs::read(shown.join(run_files::MODEL)).expect("readable"), b"weights");
    assert!(Sums::of_folder(&shown).expect("readable").is_some());
}

#[test]
fn a_cell_is_one_processs_at_a_time() {
    let at = tempfile::tempdir().expect("a folder");
    let (folder, cell, _) = recorded(at.path(), false);
    let lock = folder.lock_cell(&cell.id).expect("made").expect("nobody else is there");
    assert!(folder.is_locked(&cell.id) && folder.lock_cell(&cell.id).expect("made").is_none());
    assert!(folder.lock_cell("another").expect("made").is_some());
    drop(lock);
    assert!(!folder.is_locked(&cell.id) && folder.lock_cell(&cell.id).expect("made").is_some());
}

#[test]
fn claiming_a_folder_clears_what_killed_processes_left() {
    let at = tempfile::tempdir().expect("a folder");
    let (folder, cell, _) = recorded(at.path(), false);
    fs::write(at.path().join(run_files::RUN), r#"{"version": 3, "pipeline": "p.toml"}"#).expect("written");
    let [in_run, in_cell] = [at.path(), &folder.cell(&cell.id)].map(|folder| folder.join(".emberline-a.tmp"));
    fs::write(&in_run, b"half").and_then(|()| fs::write(&in_cell, b"half")).expect("written");
    folder.claim(&at.path().join("p.toml")).expect("claimed");
    let lock = folder.lock_cell(&cell.id).expect("made").expect("nobody else is there");
    folder.begin(&cell, &lock).expect("begun");
    assert!(!in_run.exists() && !in_cell.exists());
}
