//! `[expect]`: a published number is compared with the mean over the cells; `run` and the report say so, `verify` proves it.

use std::fs;

use emberline_tests::fixture::repository;
use emberline_tests::{Fixture, Pipeline, emberline, end};

fn folder(value: &str) -> Fixture {
    let rows = (0..120).map(|row| (format!("{} film number {row}", ["good", "bad"][row % 2]), row % 2));
    let pipeline = Pipeline::new("p")
        .section("data.split", "valid = 0.25\ntest = 0.25\nrepeats = 2")
        .section("embedding.hashed.hashing", "dim = 16")
        .section("train", "epochs = 30\nbatch_size = 8\noptimizer = { adam = { learning_rate = 0.1 } }")
        .section(
            "expect",
            &format!("source = \"a paper\"\nmetric = \"test_accuracy\"\nvalue = {value}\ntolerance = 0.1"),
        );
    Fixture::empty().rows(rows).pipeline(&pipeline)
}

#[test]
fn a_published_number_is_proved_or_refuted() {
    for (value, code, word) in [("0.95", 0, "within"), ("0.2", 6, "outside")] {
        let fixture = folder(value);
        let ended = fixture.done(&["run", "p.toml"]);
        let sentence = format!("a paper published a test_accuracy of {value}; here it is ");
        assert!(ended.stdout.contains(&sentence) && ended.stdout.contains(word), "{}", ended.stdout);
        assert!(fixture.read("runs/p/report.html").contains(&sentence));
        fixture.done(&["lock", "p.toml"]);
        let verified = fixture.ends(&["verify", "p.toml"], code);
        assert!(verified.stderr.contains(&sentence) && verified.stderr.contains(word), "{}", verified.stderr);
        // Some cells alone don't come to a mean.
        let sampled = fixture.done(&["verify", "p.toml", "--sample", "1"]);
        assert!(!sampled.stderr.contains(&sentence), "{}", sampled.stderr);
    }
}

/// A number of a classifier without an embedding is that of the baseline on the rows of the cells, whatever heads they have.
#[test]
fn a_published_baseline_is_proved_or_refuted() {
    for (value, code, word) in [("0.95", 0, "within"), ("0.2", 6, "outside")] {
        let fixture = folder(value);
        fixture.edit("p.toml", "metric = \"test_accuracy\"", "baseline = \"tfidf_lr\"\nmetric = \"test_micro_f1\"");
        fixture.edit("p.toml", "[embedding.hashed.hashing]", "[grid]\nseed = [1, 2]\n\n[embedding.hashed.hashing]");
        let refused = fixture.done(&["run", "p.toml"]);
        assert!(refused.stdout.contains("isn't known"), "a binary task has no micro F1: {}", refused.stdout);
        fixture.edit("p.toml", "test_micro_f1", "test_accuracy");
        let ended = fixture.done(&["run", "p.toml"]);
        let sentence =
            format!("a paper published a test_accuracy of {value}; here that of the baseline tfidf_lr is 1.0000");
        assert!(ended.stdout.contains(&sentence) && ended.stdout.contains(word), "{}", ended.stdout);
        assert!(ended.stdout.contains("of 2 sets of rows"), "seeds have the same rows: {}", ended.stdout);
        fixture.done(&["lock", "p.toml"]);
        let verified = fixture.ends(&["verify", "p.toml"], code);
        assert!(verified.stderr.contains(&sentence), "{}", verified.stderr);
    }
}

#[test]
fn a_number_that_cells_cannot_come_to_is_refused() {
    let fixture = folder("0.9");
    for (set, place) in [
        ("expect.metric=\"test_acuracy\"", "did you mean `test_accuracy`?"),
        ("expect.metric=\"accuracy\"", "expect.metric"),
        ("expect.tolerance=-1", "expect.tolerance"),
        ("grid={\"embedding.dim\"=[4, 8]}", "a published number is of one setting"),
        ("expect.baseline=\"tfidf\"", "tfidf_lr"),
    ] {
        let refused = fixture.ends(&["check", "p.toml", "-S", set], 3);
        assert!(refused.stderr.contains(place), "{set}: {}", refused.stderr);
    }
    // No embedding changes a baseline of words, but other rows do, and other vectors change the one by class names.
    for (baseline, axis, code) in [
        ("tfidf_lr", "\"embedding.dim\"=[4, 8]", 0),
        ("tfidf_lr", "\"data.split.train\"=[20, 40]", 3),
        ("zero_label", "\"embedding.dim\"=[4, 8]", 3),
    ] {
        let (baseline, grid) = (format!("expect.baseline=\"{baseline}\""), format!("grid={{{axis}}}"));
        fixture.ends(&["check", "p.toml", "-S", &baseline, "-S", &grid], code);
    }
}

/// Their data and models aren't here, which `check` says; their settings are held to the program's, and each has its row in the docs.
#[test]
fn the_pipelines_of_published_numbers_pass_check() {
    let documented = fs::read_to_string(repository("docs/published.md")).expect("the page");
    let mut count = 0;
    for entry in fs::read_dir(repository("pipelines/published")).expect("the folder") {
        let path = entry.expect("an entry").path();
        let checked = end(emberline().arg("check").arg(&path));
        assert!(checked.stdout.contains(": valid, "), "{}: {}", path.display(), checked.printed());
        let name = path.file_name().and_then(|name| name.to_str()).expect("a name");
        assert!(documented.contains(&format!("pipelines/published/{name}")), "docs/published.md lacks {name}");
        count += 1;
    }
    assert!(count >= 7, "{count} pipelines");
}
