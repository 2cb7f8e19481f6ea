//! `[decide] refit = true`, end to end: the best setting is trained once more on all rows, and `predict` takes that model.

use std::fs;
use std::path::Path;

use emberline_tests::fixture::resealed;
use emberline_tests::{Fixture, Pipeline};
use serde_json::Value;

/// One setting of a table that training needs no file for.
fn pipeline(name: &str, split: &str) -> Pipeline {
    Pipeline::new(name)
        .top("seed = 5")
        .section("data.split", split)
        .section("embedding.hashed.hashing", "dim = 8")
        .section("train", "epochs = 6\nbatch_size = 16\noptimizer = { adam = { learning_rate = 0.2 } }")
}

/// The pipeline `p.toml` of three folds with a refit, and `all.toml`: the same setting on all rows without validation.
fn folder() -> Fixture {
    let (word, label) = (["good", "bad", "bad"], ["yes", "no", "no"]);
    let rows = (0..90).map(|row| (format!("{} film number {row}", word[row % 3]), label[row % 3]));
    let folds = pipeline("p", "folds = 3").toml("[callbacks.early_stopping]\npatience = 2\n[decide]\nrefit = true");
    let all = pipeline("all", "train = 90").to_string();
    Fixture::empty().rows(rows).pipeline(&folds).file("all.toml", all).file("new.csv", "text\ngood film\nbad film\n")
}

/// What a run says.
fn run(fixture: &Fixture, arguments: &[&str]) -> String {
    fixture.done(&[&["run"], arguments].concat()).stderr
}

fn json(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).expect("a record")).expect("JSON")
}

#[test]
fn the_refit_is_the_fit_of_all_rows_at_the_median_epoch() {
    let fixture = folder();
    let first = run(&fixture, &["p.toml"]);
    let path = fixture.join("runs/p/refit/result.json");
    let refit = json(&path);
    let summary = fixture.summary("runs/p");
    let cells = summary["cells"].as_array().expect("cells");
    let mut epochs: Vec<u64> = cells.iter().map(|cell| cell["best_epoch"].as_u64().expect("an epoch")).collect();
    epochs.sort_unstable();
    assert_eq!((cells.len(), &refit["rows"], &refit["epochs"]), (3, &90.into(), &epochs[1].into()));
    assert_eq!((&refit["threshold"]["from"], &refit["threshold"]["rows"]), (&"pooled_test".into(), &90.into()));
    let named: Vec<&Value> = refit["cells"].as_array().expect("cells").iter().map(|cell| &cell["id"]).collect();
    assert_eq!(named, cells.iter().map(|cell| &cell["id"]).collect::<Vec<_>>());
    assert!(first.contains("refit of setting hashed · frozen on all 90 rows"), "{first}");
    // The same weights as a pipeline that trains on all rows, whose last epoch is its best.
    run(&fixture, &["all.toml", "-S", &format!("train.epochs={}", epochs[1])]);
    let all = &fixture.cells("runs/all")[0];
    assert_eq!((&all["best_epoch"], &all["epochs"]), (&epochs[1].into(), &epochs[1].into()));
    assert_eq!(refit["digests"]["weights"], all["digests"]["weights"]);
    // Done once.
    run(&fixture, &["p.toml"]);
    assert_eq!(json(&path), refit);
    // Made of other cells, it is made again.
    run(&fixture, &["p.toml", "-S", "train.batch_size=32"]);
    assert_ne!(json(&path)["cells"], refit["cells"]);
}

#[test]
fn predict_takes_the_refit_as_long_as_it_holds() {
    let fixture = folder();
    run(&fixture, &["p.toml"]);
    let predict = |more: &[&str]| fixture.emberline(&[&["predict", "runs/p", "--input", "new.csv"], more].concat());
    let by_refit = predict(&[]);
    assert!(by_refit.code == Some(0) && by_refit.stderr.contains("refit of setting"), "{}", by_refit.stderr);
    let lines = by_refit.stdout;
    assert!(lines.contains("good film,yes,") && lines.contains("bad film,no,"), "{lines}");
    let id = fixture.ids("runs/p").remove(1);
    let by_cell = predict(&["--cell", &id]);
    assert!(by_cell.stderr.contains(&format!("cell {id}: named")), "{}", by_cell.stderr);
    // A damaged one is refused, and made again.
    let model = fixture.join("runs/p/refit/model.safetensors");
    let whole = fs::read(&model).expect("a model");
    let mut damaged = whole.clone();
    *damaged.last_mut().expect("bytes") ^= 1;
    fs::write(&model, &damaged).expect("written");
    let refused = predict(&[]);
    assert_eq!(refused.code, Some(8), "{}", refused.stderr);
    assert!(refused.stderr.contains("refit"), "{}", refused.stderr);
    run(&fixture, &["p.toml"]);
    assert_eq!(fs::read(&model).expect("a model"), whole);
    // Of earlier results, it is left alone; not asked for any more, it goes.
    run(&fixture, &["p.toml", "-S", "train.batch_size=32", "--only", &id_of(&fixture, "train.batch_size=32")]);
    assert!(predict(&[]).stderr.contains("the refit is outdated"), "{}", predict(&[]).stderr);
    run(&fixture, &["p.toml", "-S", "decide.refit=false"]);
    assert!(!fixture.join("runs/p/refit").exists());
    assert!(predict(&[]).stderr.contains("cell "), "{}", predict(&[]).stderr);
}

#[test]
fn export_takes_the_refit_as_predict_does() {
    let fixture = folder();
    run(&fixture, &["p.toml"]);
    let predicted = |from: &str| {
        let output = fixture.emberline(&["predict", from, "--input", "new.csv", "--all"]);
        assert!(output.code == Some(0), "{}", output.stderr);
        (output.stdout, output.stderr)
    };
    let (by_run, chosen) = predicted("runs/p");
    let exported = fixture.done(&["export", "runs/p", "--bundle", "p.bundle"]);
    let description = chosen.lines().next().expect("a model");
    assert!(description.starts_with("refit of setting") && exported.stderr.contains(description), "{chosen}");
    let (by_bundle, chosen) = predicted("p.bundle");
    assert_eq!(by_bundle, by_run);
    assert!(chosen.starts_with(&format!("{description}: the bundle's")), "{chosen}");
    // A damaged model is refused by both, and so is one whose settings were changed.
    for name in ["model.safetensors", "cell.toml"] {
        let path = fixture.join("runs/p/refit").join(name);
        let whole = fs::read(&path).expect("readable");
        fs::write(&path, &whole[1..]).expect("written");
        for arguments in [&["predict", "runs/p", "--input", "new.csv"][..], &["export", "runs/p", "--onnx", "p.onnx"]] {
            let refused = fixture.emberline(arguments);
            let expected = format!("refit/{name}");
            assert_eq!(refused.code, Some(8), "{}", refused.stderr);
            assert!(refused.stderr.contains(&expected), "{}", refused.stderr);
        }
        fs::write(&path, &whole).expect("written");
    }
}

#[test]
fn a_model_of_one_fold_is_warned_of_unless_it_was_named() {
    let fixture = folder();
    run(&fixture, &["p.toml", "-S", "decide.refit=false"]);
    let id = id_of(&fixture, "decide.refit=false");
    let commands = [
        &["predict", "runs/p", "--input", "new.csv"][..],
        &["export", "runs/p", "--force", "--bundle", "p.bundle"],
        &["export", "runs/p", "--force", "--onnx", "p.onnx"],
    ];
    for command in commands {
        let warned = fixture.emberline(command);
        let expected = "warning: this model was trained on the training rows of fold ";
        assert!(warned.code == Some(0) && warned.stderr.contains(expected), "{}", warned.stderr);
        assert!(warned.stderr.contains("(one of 3) alone; `[decide] refit = true`"), "{}", warned.stderr);
        let named = fixture.emberline(&[command, &["--cell", &id]].concat());
        assert!(named.code == Some(0) && !named.stderr.contains("warning"), "{}", named.stderr);
    }
    // A bundle is a choice that was made.
    let bundle = fixture.emberline(&["predict", "p.bundle", "--input", "new.csv"]);
    assert!(bundle.code == Some(0) && !bundle.stderr.contains("warning"), "{}", bundle.stderr);
}

#[test]
fn a_lock_holds_the_refit_and_verify_proves_it() {
    let fixture = folder();
    let early = fixture.emberline(&["lock", "p.toml"]);
    assert_eq!(early.code, Some(5), "{}", early.stderr);
    run(&fixture, &["p.toml"]);
    let locked = fixture.done(&["lock", "p.toml"]);
    assert!(locked.stdout.contains("3 cells, and the refit"));
    let verify = |more: &[&str]| fixture.emberline(&[&["verify", "p.toml"], more].concat());
    let proved = verify(&["--junit", "junit.xml"]);
    assert_eq!(proved.code, Some(0), "{}", proved.stderr);
    assert!(proved.stdout.contains("refit: equal to the byte"));
    assert!(proved.stderr.contains("3 of 3 cells and the refit came out again, to the byte"), "{}", proved.stderr);
    assert!(fixture.read("junit.xml").contains(r#"name="refit""#));
    let sampled = verify(&["--sample", "1"]);
    assert!(sampled.code == Some(0) && sampled.stderr.contains("was not trained again"), "{}", sampled.stderr);
    // Another number of epochs, as in a lock that came from elsewhere.
    let text = fixture.read("p.lock");
    let refit = 1 + text.find("\nrefit = ").expect("a refit");
    let epochs = refit + text[refit..].find("epochs = ").expect("epochs");
    let other = format!("{}epochs = 1{}", &text[..epochs], &text[epochs + "epochs = ".len()..]);
    fixture.write("p.lock", resealed(&other));
    let differs = verify(&[]);
    assert_eq!(differs.code, Some(6), "{}", differs.stderr);
    assert!(differs.stdout.contains("refit: epochs: 1"), "{differs:?}");
    assert!(differs.stderr.contains("the refit is not what the lock says"), "{}", differs.stderr);
    // A lock of before has none.
    fixture.write("p.lock", resealed(&format!("{}\n", text[..refit].trim_end())));
    let stale = verify(&[]);
    assert_eq!(stale.code, Some(5), "{}", stale.stderr);
    let cure = stale.printed();
    assert!(cure.contains("refit: it isn't in the lock") && cure.contains("`emberline lock` renews it"), "{cure}");
    let run = fixture.emberline(&["run", "p.toml", "--locked"]);
    assert_eq!(run.code, Some(5), "{}", run.stderr);
}

/// The id of the first cell with a setting.
fn id_of(fixture: &Fixture, set: &str) -> String {
    let output = fixture.emberline(&["cells", "p.toml", "-S", set, "--format", "lines"]);
    let lines = output.stdout;
    lines.lines().next().unwrap_or_else(|| panic!("{}", output.stderr)).to_owned()
}

#[test]
fn a_run_that_is_not_finished_has_no_refit() {
    let fixture = folder();
    run(&fixture, &["p.toml", "--only", &id_of(&fixture, "seed=5")]);
    assert!(!fixture.join("runs/p/refit").exists());
    let output = fixture.emberline(&["run", "p.toml", "-S", "decide.refi=true"]);
    assert!(output.code == Some(3) && output.stderr.contains("refit"), "{}", output.stderr);
}
