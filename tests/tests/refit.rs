//! `[decide] refit = true`, end to end: the best setting is trained once more on all rows, and `predict` takes that model.

use std::fs;
use std::path::Path;
use std::process::Output;

use serde_json::Value;

const PIPELINE: &str = r#"
name = "p"
seed = 5
[data]
path = "data.csv"
text = "text"
label = "label"
[data.split]
folds = 3
[embedding.hashed.hashing]
dim = 8
[train]
epochs = 6
batch_size = 16
optimizer = { adam = { learning_rate = 0.2 } }
[callbacks.early_stopping]
patience = 2
[decide]
refit = true
"#;

/// The same setting on all rows without validation, for so many epochs.
const ALL_ROWS: &str = r#"
name = "all"
seed = 5
[data]
path = "data.csv"
text = "text"
label = "label"
[data.split]
train = 90
[embedding.hashed.hashing]
dim = 8
[train]
batch_size = 16
optimizer = { adam = { learning_rate = 0.2 } }
"#;

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let word = |row: usize| if row.is_multiple_of(3) { "good" } else { "bad" };
    let row =
        |row: usize| format!("{} film number {row},{}\n", word(row), if row.is_multiple_of(3) { "yes" } else { "no" });
    let rows: String = (0..90).map(row).collect();
    fs::write(folder.path().join("data.csv"), format!("text,label\n{rows}")).expect("written");
    fs::write(folder.path().join("p.toml"), PIPELINE).expect("written");
    fs::write(folder.path().join("all.toml"), ALL_ROWS).expect("written");
    fs::write(folder.path().join("new.csv"), "text\ngood film\nbad film\n").expect("written");
    folder
}

fn emberline(at: &Path, arguments: &[&str]) -> Output {
    emberline_tests::emberline().current_dir(at).args(arguments).output().expect("the program starts")
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn run(at: &Path, arguments: &[&str]) -> String {
    let output = emberline(at, &[&["run"], arguments].concat());
    assert!(output.status.success(), "{}", said(&output));
    said(&output)
}

fn json(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).expect("a record")).expect("JSON")
}

#[test]
fn the_refit_is_the_fit_of_all_rows_at_the_median_epoch() {
    let folder = folder();
    let at = folder.path();
    let first = run(at, &["p.toml"]);
    let path = at.join("runs/p/refit/result.json");
    let refit = json(&path);
    let summary = json(&at.join("runs/p/summary.json"));
    let cells = summary["cells"].as_array().expect("cells");
    let mut epochs: Vec<u64> = cells.iter().map(|cell| cell["best_epoch"].as_u64().expect("an epoch")).collect();
    epochs.sort_unstable();
    assert_eq!((cells.len(), &refit["rows"], &refit["epochs"]), (3, &90.into(), &epochs[1].into()));
    assert_eq!((&refit["threshold"]["from"], &refit["threshold"]["rows"]), (&"pooled_test".into(), &90.into()));
    let named: Vec<&Value> = refit["cells"].as_array().expect("cells").iter().map(|cell| &cell["id"]).collect();
    assert_eq!(named, cells.iter().map(|cell| &cell["id"]).collect::<Vec<_>>());
    assert!(first.contains("refit of setting hashed · frozen on all 90 rows"), "{first}");
    // The same weights as a pipeline that trains on all rows, whose last epoch is its best.
    run(at, &["all.toml", "-S", &format!("train.epochs={}", epochs[1])]);
    let all = &json(&at.join("runs/all/summary.json"))["cells"][0];
    assert_eq!((&all["best_epoch"], &all["epochs"]), (&epochs[1].into(), &epochs[1].into()));
    assert_eq!(refit["digests"]["weights"], all["digests"]["weights"]);
    // Done once.
    run(at, &["p.toml"]);
    assert_eq!(json(&path), refit);
    // Made of other cells, it is made again.
    run(at, &["p.toml", "-S", "train.batch_size=32"]);
    assert_ne!(json(&path)["cells"], refit["cells"]);
}

#[test]
fn predict_takes_the_refit_as_long_as_it_holds() {
    let folder = folder();
    let at = folder.path();
    run(at, &["p.toml"]);
    let predict = |more: &[&str]| emberline(at, &[&["predict", "runs/p", "--input", "new.csv"], more].concat());
    let by_refit = predict(&[]);
    assert!(by_refit.status.success() && said(&by_refit).contains("refit of setting"), "{}", said(&by_refit));
    let lines = String::from_utf8(by_refit.stdout).expect("text");
    assert!(lines.contains("good film,yes,") && lines.contains("bad film,no,"), "{lines}");
    let id = json(&at.join("runs/p/summary.json"))["cells"][1]["id"].as_str().expect("an id").to_owned();
    let by_cell = predict(&["--cell", &id]);
    assert!(said(&by_cell).contains(&format!("cell {id}: named")), "{}", said(&by_cell));
    // A damaged one is refused, and made again.
    let model = at.join("runs/p/refit/model.safetensors");
    let whole = fs::read(&model).expect("a model");
    let mut damaged = whole.clone();
    *damaged.last_mut().expect("bytes") ^= 1;
    fs::write(&model, &damaged).expect("written");
    let refused = predict(&[]);
    assert_eq!(refused.status.code(), Some(8), "{}", said(&refused));
    assert!(said(&refused).contains("refit"), "{}", said(&refused));
    run(at, &["p.toml"]);
    assert_eq!(fs::read(&model).expect("a model"), whole);
    // Of earlier results, it is left alone; not asked for any more, it goes.
    run(at, &["p.toml", "-S", "train.batch_size=32", "--only", &id_of(at, "train.batch_size=32")]);
    assert!(said(&predict(&[])).contains("earlier results"), "{}", said(&predict(&[])));
    run(at, &["p.toml", "-S", "decide.refit=false"]);
    assert!(!at.join("runs/p/refit").exists());
    assert!(said(&predict(&[])).contains("cell "), "{}", said(&predict(&[])));
}

#[test]
fn export_takes_the_refit_as_predict_does() {
    let folder = folder();
    let at = folder.path();
    run(at, &["p.toml"]);
    let predicted = |from: &str| {
        let output = emberline(at, &["predict", from, "--input", "new.csv", "--all"]);
        assert!(output.status.success(), "{}", said(&output));
        (String::from_utf8_lossy(&output.stdout).into_owned(), said(&output))
    };
    let (by_run, chosen) = predicted("runs/p");
    let exported = emberline(at, &["export", "runs/p", "--bundle", "p.bundle"]);
    assert!(exported.status.success(), "{}", said(&exported));
    let description = chosen.lines().next().expect("a model");
    assert!(description.starts_with("refit of setting") && said(&exported).contains(description), "{chosen}");
    let (by_bundle, chosen) = predicted("p.bundle");
    assert_eq!(by_bundle, by_run);
    assert!(chosen.starts_with(&format!("{description}: the bundle's")), "{chosen}");
    // A damaged model is refused by both, and so is one whose settings were changed.
    for name in ["model.safetensors", "cell.toml"] {
        let path = at.join("runs/p/refit").join(name);
        let whole = fs::read(&path).expect("readable");
        fs::write(&path, &whole[1..]).expect("written");
        for arguments in [&["predict", "runs/p", "--input", "new.csv"][..], &["export", "runs/p", "--onnx", "p.onnx"]] {
            let refused = emberline(at, arguments);
            let expected = format!("refit/{name}");
            assert_eq!(refused.status.code(), Some(8), "{}", said(&refused));
            assert!(said(&refused).contains(&expected), "{}", said(&refused));
        }
        fs::write(&path, &whole).expect("written");
    }
}

#[test]
fn a_model_of_one_fold_is_warned_of_unless_it_was_named() {
    let folder = folder();
    let at = folder.path();
    run(at, &["p.toml", "-S", "decide.refit=false"]);
    let id = id_of(at, "decide.refit=false");
    let commands = [
        &["predict", "runs/p", "--input", "new.csv"][..],
        &["export", "runs/p", "--force", "--bundle", "p.bundle"],
        &["export", "runs/p", "--force", "--onnx", "p.onnx"],
    ];
    for command in commands {
        let warned = emberline(at, command);
        let expected = "warning: this model was trained on the training rows of fold ";
        assert!(warned.status.success() && said(&warned).contains(expected), "{}", said(&warned));
        assert!(said(&warned).contains("(one of 3) alone; `[decide] refit = true`"), "{}", said(&warned));
        let named = emberline(at, &[command, &["--cell", &id]].concat());
        assert!(named.status.success() && !said(&named).contains("warning"), "{}", said(&named));
    }
    // A bundle is a choice that was made.
    let bundle = emberline(at, &["predict", "p.bundle", "--input", "new.csv"]);
    assert!(bundle.status.success() && !said(&bundle).contains("warning"), "{}", said(&bundle));
}

#[test]
fn a_lock_holds_the_refit_and_verify_proves_it() {
    let folder = folder();
    let at = folder.path();
    let early = emberline(at, &["lock", "p.toml"]);
    assert_eq!(early.status.code(), Some(5), "{}", said(&early));
    run(at, &["p.toml"]);
    let locked = emberline(at, &["lock", "p.toml"]);
    assert!(locked.status.success(), "{}", said(&locked));
    assert!(String::from_utf8_lossy(&locked.stdout).contains("3 cells, and the refit"));
    let verify = |more: &[&str]| emberline(at, &[&["verify", "p.toml"], more].concat());
    let proved = verify(&["--junit", "junit.xml"]);
    assert_eq!(proved.status.code(), Some(0), "{}", said(&proved));
    assert!(String::from_utf8_lossy(&proved.stdout).contains("refit: equal to the byte"));
    assert!(said(&proved).contains("3 of 3 cells and the refit came out again, to the byte"), "{}", said(&proved));
    assert!(fs::read_to_string(at.join("junit.xml")).expect("a file").contains(r#"name="refit""#));
    let sampled = verify(&["--sample", "1"]);
    assert!(sampled.status.success() && said(&sampled).contains("was not trained again"), "{}", said(&sampled));
    // Another number of epochs, as in a lock that came from elsewhere.
    let text = fs::read_to_string(at.join("p.lock")).expect("a lock");
    let refit = text.find("[refit]").expect("a refit");
    let epochs = refit + text[refit..].find("epochs = ").expect("epochs");
    let other = format!("{}epochs = 1{}", &text[..epochs], &text[epochs + "epochs = ".len()..]);
    fs::write(at.join("p.lock"), resealed(&other)).expect("written");
    let differs = verify(&[]);
    assert_eq!(differs.status.code(), Some(6), "{}", said(&differs));
    assert!(String::from_utf8_lossy(&differs.stdout).contains("refit: epochs: 1"), "{differs:?}");
    assert!(said(&differs).contains("the refit is not what the lock says"), "{}", said(&differs));
    // A lock of before has none.
    fs::write(at.join("p.lock"), resealed(&format!("{}\n", text[..refit].trim_end()))).expect("written");
    let stale = verify(&[]);
    assert_eq!(stale.status.code(), Some(5), "{}", said(&stale));
    let cure = said(&stale) + &String::from_utf8_lossy(&stale.stdout);
    assert!(cure.contains("refit: it isn't in the lock") && cure.contains("`emberline lock` renews it"), "{cure}");
    let run = emberline(at, &["run", "p.toml", "--locked"]);
    assert_eq!(run.status.code(), Some(5), "{}", said(&run));
}

/// A lock's text with the checksum that `lock` would have written.
fn resealed(text: &str) -> String {
    let (_, from_version) = text.split_once('\n').expect("a first line");
    let old = from_version.lines().find(|line| line.starts_with("checksum")).expect("a checksum");
    let bare = from_version.replace(old, "checksum = \"\"");
    text.replace(old, &format!("checksum = \"{}\"", emberline_base::file::sha256(bare.as_bytes())))
}

/// The id of the first cell with a setting.
fn id_of(at: &Path, set: &str) -> String {
    let output = emberline(at, &["cells", "p.toml", "-S", set, "--format", "lines"]);
    let lines = String::from_utf8_lossy(&output.stdout);
    lines.lines().next().unwrap_or_else(|| panic!("{}", said(&output))).to_owned()
}

#[test]
fn a_run_that_is_not_finished_has_no_refit() {
    let folder = folder();
    let at = folder.path();
    run(at, &["p.toml", "--only", &id_of(at, "seed=5")]);
    assert!(!at.join("runs/p/refit").exists());
    let output = emberline(at, &["run", "p.toml", "-S", "decide.refi=true"]);
    assert!(output.status.code() == Some(3) && said(&output).contains("refit"), "{}", said(&output));
}
