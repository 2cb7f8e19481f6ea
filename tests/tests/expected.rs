//! `[expect]`: a published number is compared with the mean over the cells; `run` and the report say so, `verify` proves it.

use emberline_tests::{Fixture, Pipeline};

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

#[test]
fn a_number_that_cells_cannot_come_to_is_refused() {
    let fixture = folder("0.9");
    for (set, place) in [
        ("expect.metric=\"test_acuracy\"", "did you mean `test_accuracy`?"),
        ("expect.metric=\"accuracy\"", "expect.metric"),
        ("expect.tolerance=-1", "expect.tolerance"),
        ("grid={\"embedding.dim\"=[4, 8]}", "a published number is of one setting"),
    ] {
        let refused = fixture.ends(&["check", "p.toml", "-S", set], 3);
        assert!(refused.stderr.contains(place), "{set}: {}", refused.stderr);
    }
}
