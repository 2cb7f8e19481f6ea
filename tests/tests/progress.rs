//! What a run prints on its way and at its end without a terminal, and the Markdown report of a page of CI.

use std::collections::BTreeSet;

use emberline_tests::{Ended, Fixture, Pipeline};
use serde_json::Value;

/// A pipeline of 12 cells: two embeddings, a sound and a diverging optimiser, three seeds.
fn folder() -> Fixture {
    let rows = (0..80).map(|n| (format!("{} {n}", ["good fine", "bad poor"][n % 2]), n % 2));
    let pipeline = Pipeline::new("p").toml(
        r#"
        [data.split]
        valid = 20
        [embedding.tiny.hashing]
        dim = 4
        buckets = 64
        [embedding.large.hashing]
        dim = 16
        buckets = 64
        [head]
        layers = [{ dense = 4 }]
        [train]
        epochs = 3
        [grid]
        embedding = ["tiny", "large"]
        "train.optimizer" = [{ adam = { learning_rate = 0.01 } }, { sgd = { learning_rate = 1e38 } }]
        seed = [1, 2, 3]
        "#,
    );
    Fixture::empty().rows(rows).pipeline(&pipeline)
}

fn run(fixture: &Fixture, extra: &[&str]) -> Ended {
    fixture.emberline(&[&["run", "p.toml"], extra].concat())
}

#[test]
fn a_run_prints_settings_and_causes_and_no_row_per_cell() {
    let fixture = folder();
    let ended = run(&fixture, &[]);
    assert_eq!(ended.code, Some(7), "{}", ended.stderr);
    let ids = fixture.ids("runs/p");
    assert_eq!(ids.len(), 12);
    // Settings are named by what varies, and ranked; cells aren't listed.
    let table: Vec<&str> = ended.stdout.lines().skip_while(|line| !line.starts_with("setting")).collect();
    assert!(table[0].contains("val_pr_auc") && table[0].contains("cells"), "{}", ended.stdout);
    let named = |name: &str| table.iter().filter(|line| line.starts_with(name)).count();
    assert_eq!((named("tiny · optimizer"), named("large · optimizer")), (2, 2), "{}", ended.stdout);
    assert!(table.iter().any(|line| line.contains("0 of 3")) && table.iter().any(|line| line.starts_with('(')));
    assert!(ids.iter().all(|id| !ended.stdout.contains(id)), "{}", ended.stdout);
    assert!(table.iter().all(|line| line.chars().count() <= 120 && !line.contains('\u{1b}')), "{}", ended.stdout);
    // Causes are printed, each once, and counted at the end.
    assert!(ended.stderr.contains("failed: 6 cells, such as "), "{}", ended.stderr);
    assert!(ended.stderr.contains("6 cells failed; `--retry-failed` tries them again"), "{}", ended.stderr);
    assert!(ended.stderr.lines().count() < 12 && !ended.stderr.contains('\u{1b}'), "{}", ended.stderr);
    assert!(ended.stderr.lines().last().is_some_and(|line| line == "report: runs/p/report.html"), "{}", ended.stderr);
}

#[test]
fn quiet_leaves_problems_and_verbose_adds_cells_with_their_reason() {
    let fixture = folder();
    let quiet = run(&fixture, &["--quiet"]);
    let is_problem =
        |line: &str| line.starts_with("failed:") || line.starts_with("warning:") || line.contains("failed;");
    assert!(quiet.stderr.lines().all(is_problem), "{}", quiet.stderr);
    assert!(quiet.stdout.contains("tiny · optimizer adam"), "{}", quiet.stdout);
    let ids = fixture.ids("runs/p");
    fixture.edit("p.toml", "epochs = 3", "epochs = 2");
    let verbose = run(&fixture, &["-v", "--out", "other"]);
    let cells = fixture.ids("other");
    for id in &cells {
        let lines: Vec<&str> =
            verbose.stderr.lines().filter(|line| line.contains("/12] ") && line.contains(id)).collect();
        assert!(lines.len() == 1 && lines[0].ends_with("(new)"), "{}", verbose.stderr);
        assert!(verbose.stdout.contains(id), "the table of cells: {}", verbose.stdout);
    }
    assert!(ids.iter().collect::<BTreeSet<_>>().is_disjoint(&cells.iter().collect()), "other settings, other cells");
    let again = run(&fixture, &["--verbose", "--out", "other", "--retry-failed"]);
    assert_eq!(again.stderr.matches("(failed before, and tried again)").count(), 6, "{}", again.stderr);
    let both = run(&fixture, &["-q", "-v"]);
    assert_eq!(both.code, Some(2), "{}", both.stderr);
}

#[test]
fn only_takes_patterns_of_ids() {
    let fixture = folder();
    let listed = fixture.done(&["cells", "p.toml", "--only", "tiny-*-s1-*"]).stdout;
    assert_eq!(listed.lines().count(), 2, "{listed}");
    let ended = run(&fixture, &["--only", "large-*", "--only", "tiny-*-s2-*"]);
    let statuses: Vec<Value> = fixture.cells("runs/p").iter().map(|cell| cell["status"].clone()).collect();
    assert_eq!(statuses.iter().filter(|status| **status == "pending").count(), 4, "{}", ended.stderr);
    let refused = run(&fixture, &["--only", "lrage-*"]);
    assert_eq!(refused.code, Some(2));
    assert!(refused.stderr.contains("no cell matches `lrage-*`; did you mean `large-"), "{}", refused.stderr);
}

#[test]
fn what_is_not_compared_says_why_and_what_helps() {
    let fixture = folder();
    let partly = run(&fixture, &["--only", "large-*"]).stderr;
    let warning = |setting: &str| -> &str {
        let is_meant = |line: &&str| line.starts_with("warning: EMB101") && line.contains(setting);
        partly.lines().find(is_meant).unwrap_or_else(|| panic!("{setting}: {partly}"))
    };
    assert!(warning("`tiny · optimizer adam").contains("3 cells haven't run yet: `run` trains them."), "{partly}");
    assert!(
        warning("`large · optimizer sgd").contains("3 cells failed by themselves and would fail again"),
        "{partly}"
    );
    assert!(!partly.lines().any(|line| line.starts_with("warning:") && line.contains("--retry-failed")), "{partly}");
}

#[test]
fn a_page_of_ci_gets_the_report_with_what_changed() {
    let fixture = folder();
    let sound = ["-S", "grid={embedding=[\"tiny\", \"large\"], seed=[1, 2, 3]}"];
    let run = |extra: &[&str]| run(&fixture, &[&sound, extra].concat());
    assert_eq!(run(&["--summary-markdown", "page/summary.md"]).code, Some(0));
    let page = fixture.read("page/summary.md");
    assert_eq!(page, fixture.read("runs/p/report.md"));
    assert!(page.contains("```mermaid\nxychart-beta") && page.contains("## Settings") && !page.contains("## Change"));
    // The next step of the job adds to the page, and there is a lock now.
    fixture.done(&[&["lock", "p.toml"], sound.as_slice()].concat());
    assert_eq!(run(&["--summary-markdown", "page/summary.md"]).code, Some(0));
    let both = fixture.read("page/summary.md");
    let added = both.strip_prefix(&page).expect("the page is kept");
    assert!(added.contains("## Change against p.lock") && added.contains("2 equal"), "{added}");
    // A baseline that is named, in the report of the run folder too.
    assert_eq!(run(&["--out", "other", "-S", "train.epochs=20", "--baseline", "runs/p"]).code, Some(0));
    let report = fixture.read("other/report.md");
    assert!(report.contains("## Change against runs/p") && report.contains("train.epochs: 3 -&gt; 20"), "{report}");
    fixture.done(&["report", "other"]);
    assert!(!fixture.read("other/report.md").contains("## Change"));
    fixture.done(&["report", "other", "--baseline", "p.lock"]);
    assert!(fixture.read("other/report.md").contains("## Change against p.lock"));
    for (args, why) in [(["--summary-markdown", "-"], "takes a file"), (["--baseline", "nowhere"], "nowhere")] {
        let refused = run(&args);
        assert!(refused.code != Some(0) && refused.stderr.contains(why), "{}", refused.stderr);
    }
}

#[test]
fn settings_are_written_for_notebooks() {
    let fixture = folder();
    run(&fixture, &[]);
    let settings: Value = serde_json::from_str(&fixture.read("runs/p/settings.json")).expect("JSON");
    let settings = settings.as_array().expect("a list");
    assert_eq!(settings.len(), 4);
    for setting in settings.iter().filter(|setting| setting["cells"]["done"] == 3) {
        let cells = fixture.cells("runs/p");
        let is_of = |cell: &&Value| cell["embedding"] == setting["embedding"] && cell["status"] == "done";
        let values: Vec<f64> =
            cells.iter().filter(is_of).filter_map(|cell| cell["metrics"]["val_loss"].as_f64()).collect();
        let spread = &setting["metrics"]["val_loss"];
        assert_eq!((values.len(), spread["n"].as_u64()), (3, Some(3)));
        let mean = values.iter().sum::<f64>() / 3.0;
        assert!((spread["mean"].as_f64().expect("a mean") - mean).abs() < 1e-12, "{spread}");
    }
    let csv = fixture.read("runs/p/settings.csv");
    assert!(csv.starts_with("setting,train.optimizer,embedding,source,trainable,dim,cells_done,"), "{csv}");
    assert_eq!(csv.lines().count(), 5);
}
