//! What a reader must be told of the labels, in everything that a run leaves: the positive class, the warnings, and rows
//! whose label training lacks.

use emberline_tests::{Fixture, Pipeline, sources};
use serde_json::Value;

/// The pipeline over files that are named by these lines of `[data]`.
fn pipeline(files: &str) -> Pipeline {
    Pipeline::without_data("t").top("seed = 1").data("text = \"text\"\nlabel = \"label\"").data(files).toml(
        r#"
        [embedding.h.hashing]
        dim = 8
        buckets = 256
        [train]
        epochs = 3
        batch_size = 4
        "#,
    )
}

/// Rows with the labels in turn.
fn csv(rows: usize, labels: &[&str]) -> String {
    let row = |at: usize| (format!("a text {at} of {}", at % 7), labels[at % labels.len()]);
    sources::csv(&(0..rows).map(row).collect::<Vec<_>>())
}

#[test]
fn the_positive_class_is_named_everywhere() {
    let rows = csv(40, &["hate", "none", "none", "none"]);
    let pipeline = pipeline("path = 'd.csv'\nsplit = { valid = 10, test = 10 }");
    let fixture = Fixture::empty().file("d.csv", rows).pipeline(&pipeline);
    let chosen = "hate (it has fewer rows than the other; data.positive would name it)";
    let check = fixture.done(&["check", "--data", "p.toml"]);
    assert!(check.stdout.contains(&format!("positive class: {chosen}\n")), "{}", check.stdout);
    let plan = fixture.done(&["plan", "p.toml", "--out", "out"]);
    assert!(plan.stdout.contains(&format!("positive class: {chosen}\n")), "{}", plan.stdout);
    let plan = fixture.done(&["plan", "p.toml", "--format", "json", "--out", "out"]).stdout;
    let plan: Value = serde_json::from_str(&plan).expect("JSON");
    assert_eq!(plan["positive"], "hate");
    let resolved = fixture.done(&["plan", "p.toml", "--resolved"]);
    assert!(resolved.stdout.contains("positive = \"hate\""), "{}", resolved.stdout);

    let run = fixture.done(&["run", "p.toml", "--out", "out", "-v"]);
    assert!(run.stderr.contains(&format!("positive class: {chosen}\n")), "{}", run.stderr);
    assert!(run.stderr.contains(" (prevalence 0."), "{}", run.stderr);
    let row = run.stdout.lines().find(|line| line.starts_with("(prevalence)")).expect("a row of prevalences");
    let prevalence: Vec<&str> = row.split_whitespace().filter(|field| field.starts_with("0.")).collect();
    assert!(prevalence.len() >= 2, "{}", run.stdout);

    let summary = fixture.summary("out");
    assert_eq!((&summary["data"]["positive"], &summary["data"]["positive_by"]), (&"hate".into(), &"minority".into()));
    assert_eq!(summary["data"]["classes"], serde_json::json!(["none", "hate"]));
    for report in ["out/report.md", "out/report.html"] {
        let report = fixture.read(report);
        assert!(report.contains("positive class") && report.contains("it has fewer rows than the other"), "{report}");
        assert!(report.contains(&format!("prevalence {}", prevalence[0])), "{report}");
    }
    fixture.done(&["lock", "p.toml", "--out", "out"]);
    assert!(fixture.read("p.lock").contains("positive = \"hate\""));

    // Another one is another result.
    fixture.done(&["run", "p.toml", "-S", "data.positive='none'", "--out", "out"]);
    let other = fixture.summary("out");
    assert_eq!((&other["data"]["positive"], &other["data"]["positive_by"]), (&"none".into(), &"setting".into()));
    let metric = |summary: &Value| summary["cells"][0]["metrics"]["val_pr_auc"].clone();
    assert_ne!(metric(&other), metric(&summary));
}

#[test]
fn without_data_the_resolved_file_says_what_it_lacks() {
    let fixture = Fixture::empty().pipeline(&pipeline("path = 'away.csv'"));
    let resolved = fixture.done(&["plan", "p.toml", "--resolved"]);
    assert!(!resolved.stdout.contains("positive =") && resolved.stdout.contains("unknown_labels = \"refuse\""));
    assert!(resolved.stderr.contains("`data.positive` isn't filled in, since the data can't be read"));
}

#[test]
fn warnings_are_in_everything_that_a_run_leaves() {
    let conflicting = csv(40, &["1", "0"]) + "A text 0 of 0,0\n";
    let pipeline = pipeline("path = 'd.csv'\nsplit = { valid = 10 }");
    let fixture = Fixture::empty().file("d.csv", conflicting).pipeline(&pipeline);
    let check = fixture.ends(&["check", "--data", "p.toml"], 4);
    let warning = "EMB003: 1 text has different labels in different rows, such as \"a text 0 of 0\": `1` in d.csv, line 2, \
                   `0` in d.csv, line 42.";
    assert!(check.stdout.contains(&format!("warnings: 1\n  {warning}")), "{}", check.stdout);
    let run = fixture.done(&["run", "p.toml", "--out", "out", "-v"]);
    assert_eq!(run.stderr.matches(&format!("warning: {warning}")).count(), 1, "{}", run.stderr);
    let before_training = run.stderr.find("EMB003") < run.stderr.find("[1/1]");
    assert!(before_training, "{}", run.stderr);
    let summary = fixture.summary("out");
    assert_eq!(summary["data"]["warnings"].as_array().map(Vec::len), Some(1));
    for warnings in [&summary["warnings"], &summary["data"]["warnings"]] {
        assert_eq!(warnings[0]["code"], "EMB003");
    }
    let markdown = fixture.read("out/report.md");
    assert!(markdown.find("**EMB003**: 1 text has") < markdown.find("## Settings"), "{markdown}");
    assert!(fixture.read("out/report.html").contains("<strong>EMB003</strong>: 1 text has"));
    assert!(!fixture.read("out/summary.csv").contains("EMB003"));
    // A report is rendered from the records alone.
    fixture.remove("out/report.md");
    fixture.done(&["report", "out"]);
    assert_eq!(fixture.read("out/report.md"), markdown);
}

#[test]
fn rows_of_unknown_labels_are_left_out_or_count_as_wrong() {
    for labels in [&["1", "0"][..], &["a", "b", "c"]] {
        let valid = csv(12, labels).replace("a text", "valid") + "unknown one,x\nunknown two,x\n";
        let files = "train = { path = 't.csv' }\nvalid = { path = 'v.csv' }";
        let fixture = Fixture::empty().file("t.csv", csv(42, labels)).file("v.csv", valid).pipeline(&pipeline(files));
        let refused = fixture.ends(&["run", "p.toml", "--out", "out"], 4);
        assert!(refused.stderr.contains("v.csv, line 14: no training row has the label `x`"), "{}", refused.stderr);
        let scores = |rule: &str| {
            let rule = format!("data.unknown_labels='{rule}'");
            let run = fixture.done(&["run", "p.toml", "--out", "out", "-S", &rule]);
            assert!(run.stderr.contains("warning: EMB005: 2 validation or test rows have a label"), "{}", run.stderr);
            let summary = fixture.summary("out");
            assert_eq!(summary["data"]["unknown_labels"], 2);
            let rows = summary["data"]["splits"]["valid"]["rows"].as_u64().expect("a number");
            let metric = |name: &str| summary["cells"][0]["metrics"][name].as_f64().expect("a number");
            (rows, metric("val_accuracy"), metric("val_loss"))
        };
        let ((dropped, right, loss), (kept, right_of_all, same_loss)) = (scores("drop"), scores("count_as_wrong"));
        assert_eq!((dropped, kept), (12, 14));
        assert!((right * 12.0 - right_of_all * 14.0).abs() < 1e-9, "{right} of 12, {right_of_all} of 14");
        assert!((loss - same_loss).abs() < 1e-9, "{loss} and {same_loss}");
        assert!(fixture.read("out/report.md").contains("2 rows of validation and test with a label"));
    }
}
