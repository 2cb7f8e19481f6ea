//! Tests of `lock --check`: does a lock fit a pipeline file?

use std::time::Instant;

use super::*;

fn check(lock: &Lock, folder: &Path, assignments: &[&str]) -> Vec<String> {
    lines_of(&lock.check(&pipeline(folder, assignments)))
}

#[test]
fn a_lock_fits_its_pipeline_without_data_and_models() {
    let folder = tempfile::tempdir().expect("a folder");
    let lock = locked(folder.path()).2;
    let elsewhere = tempfile::tempdir().expect("a folder without data");
    let check = |assignments: &[&str]| check(&lock, elsewhere.path(), assignments);
    assert_eq!(check(&[]), Vec::<String>::new());
    assert_eq!(check(&["report.texts=false", "checks.ignore=[\"EMB003\"]"]), Vec::<String>::new());
    assert_eq!(check(&["train.epochs=3"]), ["settings: train.epochs: 2 -> 3; touches all 4 cells"]);
    let name = check(&["name=\"other\""]);
    assert_eq!(name, ["settings: name: small -> other; touches no cell"]);
    let added = check(&["embedding.two.hashing.dim=4"]);
    assert_eq!(added, ["settings: the embedding `two` is new; touches 4 of 8 cells: embedding = two"]);
    let more = check(&["grid.seed=[1, 2, 3, 4]"]);
    assert_eq!(more, ["cells: 4 of 8 cells are missing in the lock: seed = 3 or 4"]);
    let fewer = check(&["grid.seed=[1]"]);
    assert!(
        fewer.len() == 1 && fewer[0].starts_with("cells: 2 cells are in the lock alone: such as one-"),
        "{fewer:?}"
    );
    let of_one = check(&["embedding.one.hashing.dim=16", "decide.refit=true"]);
    assert_eq!(of_one[0], "settings: decide.refit: nothing -> true; touches all 4 cells");
    assert!(
        of_one.contains(&"settings: embedding.one.hashing.dim: 8 -> 16; touches all 4 cells".to_owned()),
        "{of_one:?}"
    );
    assert!(of_one.contains(&"refit: it isn't in the lock, and `[decide] refit` asks for it".to_owned()), "{of_one:?}");
}

#[test]
fn the_lock_of_another_pipeline_is_said_in_one_line() {
    let folder = tempfile::tempdir().expect("a folder");
    let lock = locked(folder.path()).2;
    let found = check(&lock, folder.path(), &["name=\"other\"", "train.epochs=9", "grid.seed=[7]"]);
    assert_eq!(found, ["lock: it is of the pipeline `small`, not of `other`, and has none of its cells"]);
}

/// A combination that only a file rules out is no cell of the lock, and isn't missed where the file isn't there.
#[test]
fn what_a_file_rules_out_is_known_without_the_file() {
    let folder = tempfile::tempdir().expect("a folder");
    write_texts(folder.path(), 60);
    fs::write(folder.path().join("vectors.txt"), "good 1 2 3\nbad 3 2 1\ntext 0 1 0\n").expect("written");
    let set = [
        "embedding={table={word_vectors={path=\"vectors.txt\", reduce=\"random\"}}}",
        "grid={\"embedding.dim\"=[2, 300], seed=[1, 2]}",
    ];
    let reset = |folder: &Path| {
        let set: Vec<String> = set
            .iter()
            .map(|text| text.replace("vectors.txt", &folder.join("vectors.txt").display().to_string()))
            .collect();
        self::pipeline(folder, &set.iter().map(String::as_str).collect::<Vec<_>>())
    };
    let (pipeline, run_folder) = (reset(folder.path()), RunFolder::new(folder.path().join("run")));
    run(&pipeline, &run_folder, &Options::on(Device::Cpu), &mut Silent).expect("it ends");
    let lock = lock(&pipeline, &run_folder, 0.01).expect("all has run");
    assert_eq!((lock.cells(), lock.left_out.len()), (2, 2));
    assert_eq!(Lock::parse(lock.to_text().as_bytes()).as_ref(), Ok(&lock));
    let elsewhere = tempfile::tempdir().expect("a folder without vectors");
    assert_eq!(lines_of(&lock.check(&reset(elsewhere.path()))), Vec::<String>::new());
}

/// Ten thousand cells: reading, checking, planning and drawing take seconds at most in a build without optimisation.
#[test]
fn ten_thousand_cells_are_checked_and_drawn_quickly() {
    let folder = tempfile::tempdir().expect("a folder");
    let (_, _, mut lock) = locked(folder.path());
    let seeds: Vec<u32> = (0..5_000).collect();
    let pipeline = self::pipeline(folder.path(), &[&format!("grid.seed={seeds:?}")]);
    let model = lock.cells.values().next().expect("a cell").clone();
    let plan = crate::plan::Plan::of(&pipeline);
    lock.cells = plan
        .cells
        .iter()
        .map(|cell| {
            let axes =
                cell.axes.iter().map(|(key, value)| (key.to_owned(), toml::Value::try_from(value).expect("TOML")));
            (cell.id.clone(), LockedCell { identity: cell.identity.to_string(), axes: axes.collect(), ..model.clone() })
        })
        .collect();
    let text = lock.to_text();
    assert_eq!(lock.cells(), 10_000);
    let timed = |what: &str, work: &mut dyn FnMut()| {
        let start = Instant::now();
        work();
        let seconds = start.elapsed().as_secs_f64();
        assert!(seconds < 20.0, "{what}: {seconds} s");
    };
    timed("read", &mut || assert_eq!(Lock::parse(text.as_bytes()).expect("read"), lock));
    timed("check", &mut || assert!(lock.check(&pipeline).is_empty()));
    let other = self::pipeline(folder.path(), &[&format!("grid.seed={seeds:?}"), "train.epochs=3"]);
    timed("stale", &mut || assert_eq!(lock.check(&other).len(), 1));
    let challenge = Some("a hash".to_owned());
    let selection = Selection { sample: Some(100), challenge, shard: Some("2/5".parse().expect("a shard")) };
    timed("drawn", &mut || {
        let selected = reproduce::select_cells(&pipeline, &lock, &selection, &[]).expect("cells");
        assert!(selected.cells.len() < 60 && selected.of == 10_000);
    });
}
