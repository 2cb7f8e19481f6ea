//! The inputs of `tests/cases`: each once gave a wrong number, lost a row or misled, without a word. A case is a folder with
//! its files; the table below says what a command on them must say, and how it must end.
//!
//! `ci/cases.sh` runs these alone.

use std::collections::HashSet;
use std::fs;

use emberline_tests::fixture::{of_tests, repository};
use emberline_tests::{Fixture, end};

/// What one command on a case must give.
struct Expected {
    folder: &'static str,
    args: &'static [&'static str],
    code: i32,
    /// Each must be among what it prints.
    says: &'static [&'static str],
    /// None may be.
    never: &'static [&'static str],
}

const fn case(
    folder: &'static str,
    args: &'static [&'static str],
    code: i32,
    says: &'static [&'static str],
    never: &'static [&'static str],
) -> Expected {
    Expected { folder, args, code, says, never }
}

const CASES: &[Expected] = &[
    case("02-no-known-word", &["run", "pipeline.toml"], 0, &["EMB006", "knows 0.0 %"], &[]),
    case("03-positive-class-unsaid", &["run", "pipeline.toml"], 0, &["positive class"], &[]),
    case("03-positive-class-unsaid", &["check", "--data", "pipeline.toml"], 0, &["positive"], &[]),
    case("04-nan-label-is-a-class", &["check", "--data", "pipeline.toml"], 0, &["missing labels: 1"], &["NaN:"]),
    case("06-header-as-data", &["check", "--data", "b.toml"], 0, &["EMB002"], &[]),
    case("06-header-as-data", &["check", "--data", "c.toml"], 4, &["e.csv, line 14", "second header"], &[]),
    case("07-unseen-label-in-validation", &["run", "pipeline.toml"], 4, &["v.csv", "unknown_labels", "\"drop\""], &[]),
    case(
        "07-unseen-label-in-validation",
        &["run", "pipeline.toml", "-S", "data.unknown_labels=\"drop\""],
        0,
        &["EMB005"],
        &[],
    ),
    case("08-one-label-in-several-forms", &["check", "--data", "bool.toml"], 0, &["EMB001", "TRUE"], &[]),
    case("08-one-label-in-several-forms", &["check", "--data", "float.toml"], 0, &["EMB001", "1.0"], &[]),
    case("10-git-lfs-pointer", &["check", "--data", "pipeline.toml"], 4, &["Git LFS", "git lfs pull"], &["iconv"]),
    case(
        "10-git-lfs-pointer",
        &["embed", "word_vectors", "pointer.txt", "-i", "pointer.csv"],
        4,
        &["git lfs pull"],
        &[],
    ),
    case("11-other-container", &["check", "--data", "gz.toml"], 4, &["gzip"], &["iconv"]),
    case("11-other-container", &["check", "--data", "xlsx.toml"], 4, &["xlsx"], &["iconv"]),
    case("11-other-container", &["check", "--data", "plain.toml"], 4, &["plain"], &["download"]),
    case("14-structs-as-lists", &["check", "pipeline.toml"], 3, &["train"], &["struct", "sequence"]),
    case("14-structs-as-lists", &["check", "double.toml"], 3, &["[[train]]"], &["map,"]),
    case("15-callback-numbers", &["check", "nan.toml"], 3, &["min_delta"], &[]),
    case("15-callback-numbers", &["check", "minlr.toml"], 3, &["min_lr", "min_delta"], &[]),
    case("15-callback-numbers", &["check", "sep.toml"], 3, &["separator"], &[]),
    case("15-callback-numbers", &["check", "long.toml"], 3, &["filename"], &[]),
    case("16-quotes-of-others", &["check", "--data", "space2.toml"], 4, &["space2.csv"], &[]),
    case(
        "16-quotes-of-others",
        &["check", "--data", "trail.toml"],
        4,
        &["the row ends with a"],
        &["put double quotes around"],
    ),
    case("16-quotes-of-others", &["check", "--data", "pandas.toml"], 0, &["EMB007"], &[]),
    case("17-jsonl-of-python", &["check", "--data", "surrogate.toml"], 4, &["surrogate"], &["hex escape"]),
    case("20-exit-code-of-a-missing-file", &["run", "nope.toml"], 8, &["nope.toml"], &[]),
    case("20-exit-code-of-a-missing-file", &["check", "nope.toml"], 8, &["nope.toml"], &[]),
    case("20-exit-code-of-a-missing-file", &["embed", "hashing", "-i", "nope.txt"], 8, &["nope.txt"], &[]),
    case("20-exit-code-of-a-missing-file", &["embed", "hashing", "-i", "x.jsonl"], 4, &["x.jsonl", "text"], &[]),
    case("21-hint-of-another-key", &["check", "two.toml"], 3, &["optimizer"], &["[embedding."]),
    case("21-hint-of-another-key", &["check", "zero.toml"], 3, &["03"], &["64 bits"]),
    case("21-hint-of-another-key", &["check", "true.toml"], 3, &["early_stopping"], &["struct"]),
    case(
        "23-one-class-left-to-train-on",
        &["run", "pipeline.toml"],
        4,
        &["there are 2 usable rows", "copies of a text"],
        &[],
    ),
    case("23-one-class-left-to-train-on", &["run", "all.toml"], 4, &["one text"], &["lower `split`"]),
    case("24-embed-takes-anything", &["embed", "hashing", "--set", "dim=2", "-i", "utf16.txt"], 4, &["UTF-16"], &[]),
    case("37-panic-text", &["check", "--data", "parquet/p.toml"], 4, &["d.parquet"], &["panicked"]),
];

/// A copy of a case to work in.
fn copy_of(name: &str) -> Fixture {
    Fixture::copy_of(&of_tests("cases").join(name))
}

#[test]
fn every_case_says_what_it_must() {
    let mut wrong = Vec::new();
    for Expected { folder, args, code, says, never } in CASES {
        let ended = copy_of(folder).emberline(args);
        let text = ended.printed();
        let told = |what: String| format!("{folder}: emberline {}: {what}\n{text}", args.join(" "));
        if ended.code != Some(*code) {
            wrong.push(told(format!("ends with {:?}, not {code}", ended.code)));
        }
        wrong
            .extend(says.iter().filter(|part| !text.contains(*part)).map(|part| told(format!("doesn't say {part:?}"))));
        wrong.extend(never.iter().filter(|part| text.contains(*part)).map(|part| told(format!("says {part:?}"))));
    }
    assert!(wrong.is_empty(), "{} faults\n\n{}", wrong.len(), wrong.join("\n\n"));
}

#[test]
fn case_31_equal_short_ids_stay_two_cells() {
    let case = copy_of("31-cell-id-collision");
    case.done(&["run", "p.toml"]);
    let cells = case.cells("runs/g");
    let distinct = |key: &str| cells.iter().map(|cell| cell[key].to_string()).collect::<HashSet<_>>().len();
    assert_eq!((cells.len(), distinct("id"), distinct("identity")), (4, 4, 4));
    assert!(cells.iter().all(|cell| cell["status"] == "done"));
}

#[test]
fn case_35_swapped_lines_of_the_grid_keep_all_cells() {
    let case = copy_of("35-axis-order");
    case.done(&["run", "a.toml", "--out", "o"]);
    case.done(&["lock", "a.toml", "--out", "o"]);
    // The file is edited.
    fs::rename(case.join("b.toml"), case.join("a.toml")).expect("renamed");
    let planned = case.emberline(&["plan", "a.toml", "--out", "o"]);
    assert!(planned.stdout.contains("4 cells: 4 done"), "{}", planned.printed());
    case.done(&["verify", "a.toml"]);
}

#[test]
fn case_05_an_empty_text_has_a_vector() {
    let case = copy_of("05-embed-jsonl-empty-text");
    case.done(&["embed", "hashing", "-i", "texts.jsonl", "--set", "dim=2", "--format", "npy", "-o", "o.npy"]);
    assert_eq!(emberline_tests::read_npy(&case.bytes("o.npy")).shape, [3, 2]);
}

/// The metrics of the probabilities, by the definitions of scikit-learn on the logits of the run's own weights.
#[test]
fn case_01_curves_rank_probabilities() {
    let case = copy_of("01-multiclass-auc-from-logits");
    case.done(&["run", "pipeline.toml"]);
    let metrics = &case.cells("runs/auc")[0]["metrics"];
    for (metric, expected) in [("val_pr_auc", 0.818_972_861_504_684), ("val_roc_auc", 0.883_333_333_333_333_3)] {
        let found = metrics[metric].as_f64().expect("measured");
        assert!((found - expected).abs() < 1e-9, "{metric}: {found}, not {expected}");
    }
}

#[test]
fn case_34_diagnostics_stay_small() {
    let ended = copy_of("34-toml-quadratic").ends(&["check", "p.toml"], 3);
    let written = ended.stdout.len() + ended.stderr.len();
    assert!(written < 200_000, "{written} bytes");
    assert!(ended.printed().contains("more"), "says how many faults are left out");
}

/// Within 1.6 GB of address space a cell that can't fit is recorded as failed, and the other one is done.
#[test]
#[cfg(target_os = "linux")]
fn case_36_lack_of_memory_is_the_failure_of_a_cell() {
    let case = copy_of("36-memory");
    let rows: String = (0..400).map(|row| format!("{row},good and bad text {row},{}\n", row % 2)).collect();
    case.write("d.csv", format!("qid,question_text,target\n{rows}"));
    for _ in 0..2 {
        let args = ["run", "mem.toml", "--out", "om", "--jobs", "1"];
        let ended = end(&mut case.command_after("ulimit -v 1600000", &args));
        assert_eq!(ended.code, Some(7), "{}", ended.printed());
        let cells = case.cells("om");
        let statuses: Vec<&str> = cells.iter().filter_map(|cell| cell["status"].as_str()).collect();
        assert_eq!(statuses, ["done", "failed"]);
    }
}

#[test]
fn case_37_only_our_message_shows() {
    let case = copy_of("37-panic-text").file("a.txt", "a\n");
    let ended = case.ends(&["embed", "model2vec", "m2v/m", "-i", "a.txt"], 8);
    assert!(!ended.printed().contains("panicked"), "{ended:?}");
}

#[test]
fn case_19_a_module_elsewhere_is_named() {
    let case = copy_of("19-savedmodel-one-folder-down").file("a.txt", "a\n");
    let serving = case.ends(&["embed", "tfhub", "serving", "-i", "a.txt"], 8);
    assert!(serving.printed().contains("1/"), "{serving:?}");
    let tflite = case.ends(&["embed", "tfhub", "tflite", "-i", "a.txt"], 8);
    assert!(tflite.printed().to_lowercase().contains("tflite"), "{tflite:?}");
}

#[test]
fn case_26_a_prompt_that_is_no_name_is_told() {
    let model = repository("crates/encoder/tests/fixtures/roberta").display().to_string();
    let fixture = Fixture::empty().file("a.txt", "a\n");
    let ended = fixture.done(&["embed", "sentence_transformer", &model, "-i", "a.txt", "--set", "prompt=querry"]);
    assert!(ended.stderr.contains("EMB008"), "{ended:?}");
}
