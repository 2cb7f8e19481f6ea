//! Tests of the refit in a lock: present, verified and missing.

use super::*;

/// Returns a finished run of folds with a refit, and its lock.
fn refitted(folder: &Path) -> (Pipeline, RunFolder, Lock) {
    write_texts(folder, 60);
    let set = ["grid={seed=[1]}", "data.split={folds=3}", "decide.refit=true", "train.epochs=4"];
    let (pipeline, run_folder) = (pipeline(folder, &set), RunFolder::new(folder.join("run")));
    run(&pipeline, &run_folder, &Options::on(Device::Cpu), &mut Silent).expect("it ends");
    let lock = lock(&pipeline, &run_folder, 0.01).expect("all has run");
    (pipeline, run_folder, lock)
}

/// Returns the lock's refit mutably.
fn refit(lock: &mut Lock) -> &mut LockedRefit {
    lock.refit.as_mut().expect("a refit")
}

#[test]
fn a_refit_is_locked_and_proved() {
    let folder = tempfile::tempdir().expect("a folder");
    let (pipeline, run_folder, lock) = refitted(folder.path());
    let text = lock.to_text();
    assert!(text.contains("\nrefit = { ") && text.contains("threshold = { "), "{text}");
    assert_eq!(Lock::parse(text.as_bytes()).as_ref(), Ok(&lock));
    assert_eq!(reproduce::lock(&pipeline, &run_folder, 0.01).expect("again"), lock);
    let found = verified(&pipeline, &lock, folder.path());
    let proved = found.refit.as_ref().expect("trained again");
    assert!(proved.differences.is_empty() && proved.proof == Proof::Bytes, "{found:?}");
    let xml = junit("small", &found);
    assert!(xml.contains(r#"tests="5""#) && xml.contains(r#"name="refit""#), "{xml}");
    // A refit that exists already is made again.
    let model = folder.path().join("again/refit/model.safetensors");
    let made = fs::metadata(&model).and_then(|metadata| metadata.modified()).expect("a file");
    assert!(verified(&pipeline, &lock, folder.path()).refit.expect("again").differences.is_empty());
    assert!(fs::metadata(&model).and_then(|metadata| metadata.modified()).expect("a file") > made);
    // A refit depends on all cells, so verifying only some of them leaves it out.
    let some = RunFolder::new(folder.path().join("some"));
    let sample = Selection { sample: Some(2), ..Selection::default() };
    let found = verify(&pipeline, &lock, &sample, &some, Options::on(Device::Cpu), &mut Silent).expect("it ends");
    assert_eq!((found.cells.len(), found.refit.is_none()), (2, true));
}

#[test]
fn a_refit_that_differs_is_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let (pipeline, _, lock) = refitted(folder.path());
    let differences = |lock: &Lock| {
        let found = verified(&pipeline, lock, folder.path());
        assert!(found.inputs.is_empty() && found.cells.iter().all(|cell| cell.differences.is_empty()), "{found:?}");
        let refit = found.refit.expect("trained again");
        (lines_of(&refit.differences), refit.proof)
    };
    let mut wrong = lock.clone();
    refit(&mut wrong).weights = Digest::of(b"others");
    refit(&mut wrong).epochs += 1;
    refit(&mut wrong).threshold.as_mut().expect("of a binary task").value += 0.25;
    let (found, proof) = differences(&wrong);
    assert!(found.len() == 3 && proof == Proof::Bytes, "{found:?}");
    for (line, what) in found.iter().zip(["epochs", "threshold.value", "weights"]) {
        assert!(line.starts_with(&format!("refit: {what}: ")), "{line}");
    }
    // On another kind of device, other weights are accepted, but not other scores or another setting.
    refit(&mut wrong).arithmetic = "of another kind".to_owned();
    assert_eq!(differences(&wrong), (Vec::new(), Proof::Tolerance));
    *refit(&mut wrong).metrics.get_mut("loss").expect("measured") += 0.5;
    refit(&mut wrong).setting = "another".to_owned();
    let (found, _) = differences(&wrong);
    assert!(
        found[0].starts_with("refit: setting: another -> ") && found[1].contains("refit: metrics.loss: "),
        "{found:?}"
    );
}

#[test]
fn a_lock_without_the_refit_that_is_asked_for_is_stale() {
    let folder = tempfile::tempdir().expect("a folder");
    let (pipeline, run_folder, mut lock) = refitted(folder.path());
    lock.refit = None;
    let found = lines_of(&verified(&pipeline, &lock, folder.path()).inputs);
    assert_eq!(found, ["refit: it isn't in the lock, and `[decide] refit` asks for it"]);
    // A refit that is missing, or was made of other results, can't be locked.
    let pending = |expected: &str| {
        let refused = reproduce::lock(&pipeline, &run_folder, 0.01).expect_err("refused").to_string();
        assert!(refused.contains(expected) && refused.contains("run the pipeline first"), "{refused}");
    };
    let files = run_folder.refit();
    let record = fs::read_to_string(files.join("result.json")).expect("readable");
    fs::write(files.join("model.safetensors"), "cut").expect("written");
    pending("is damaged");
    fs::remove_file(files.join("result.json")).expect("removed");
    pending("isn't made yet");
    let other = record.replacen("\"best_epoch\": ", "\"best_epoch\": 1", 1);
    fs::write(files.join("result.json"), &other).expect("written");
    let model = fs::read(files.join("model.safetensors")).expect("readable");
    let mut sums = emberline_base::Sums::default();
    sums.add("result.json", other.as_bytes());
    sums.add("model.safetensors", &model);
    for name in ["cell.toml", "history.csv"] {
        sums.add(name, &fs::read(files.join(name)).expect("readable"));
    }
    fs::write(files.join("SHA256SUMS"), sums.to_text()).expect("written");
    pending("is of earlier results");
    run(&pipeline, &run_folder, &Options::on(Device::Cpu), &mut Silent).expect("it ends");
    assert!(reproduce::lock(&pipeline, &run_folder, 0.01).expect("made again").has_refit());
}
