//! The checks with codes, as a user meets them: `check --data`, `run`, `[checks]`.

use emberline_tests::{Ended, Fixture, Pipeline, sources};

/// Words that texts of each class are made of, and words of all texts.
const OWN: [[&str; 6]; 2] =
    [["sun", "warm", "beach", "light", "bright", "summer"], ["rain", "cold", "storm", "dark", "cloudy", "winter"]];
const GENERAL: [&str; 12] =
    ["the", "day", "was", "very", "in", "town", "today", "and", "people", "said", "about", "weekend"];

/// The pipeline over `d.csv`.
fn pipeline() -> Pipeline {
    Pipeline::without_data("t")
        .top("seed = 1")
        .data("path = 'd.csv'\ntext = \"text\"\nlabel = \"label\"\npositive = \"class a\"")
        .toml(
            r#"
        [embedding.h.hashing]
        dim = 8
        buckets = 256
        [train]
        epochs = 1
        "#,
        )
}

/// A text of its class: from five to ten words of the class among words of all, in an order of its own.
fn text(row: usize) -> String {
    let mut number = row as u64 * 2_654_435_761 + 12_345;
    let mut below = |count: usize| {
        number = number.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (number >> 33) as usize % count
    };
    let word =
        |at: usize| if at.is_multiple_of(2) || below(3) == 0 { OWN[row % 2][below(6)] } else { GENERAL[below(12)] };
    (0..10).map(word).collect::<Vec<_>>().join(" ")
}

/// Rows of two classes, `sunny` and `rainy`; `change` may change the text and the class of a row.
fn rows(count: usize, change: impl Fn(usize, &mut String, &mut usize)) -> String {
    let row = |row: usize| {
        let (mut text, mut class) = (text(row), row % 2);
        change(row, &mut text, &mut class);
        (text, ["class a", "class b"][class])
    };
    sources::csv(&(0..count).map(row).collect::<Vec<_>>())
}

fn check(rows: String, set: &[&str], code: i32) -> (Fixture, Ended) {
    let fixture = Fixture::empty().file("d.csv", rows).pipeline(&pipeline());
    let args = ["check", "--data", "p.toml"].into_iter().chain(set.iter().flat_map(|set| ["-S", *set]));
    let ended = fixture.ends(&args.collect::<Vec<_>>(), code);
    (fixture, ended)
}

#[test]
fn wrong_labels_are_listed_with_their_rows() {
    let wrong = [40, 101, 170, 203, 266, 301, 344, 389];
    let rows = rows(400, |row, _, class| *class = if wrong.contains(&row) { 1 - *class } else { *class });
    let (fixture, ended) = check(rows, &[], 0);
    let listed = ended.stdout.split("rows of EMB022:\n").nth(1).unwrap_or_else(|| panic!("{}", ended.stdout));
    for row in wrong {
        let (given, likely) = if row % 2 == 0 { ("b", "a") } else { ("a", "b") };
        let line = format!("(d.csv, line {}) has `class {given}`, its words are those of `class {likely}`", row + 2);
        assert!(listed.contains(&line), "{line}: {}", ended.stdout);
    }
    assert!(ended.stdout.contains("EMB022: 8 rows (2.0 %) likely have a wrong label"), "{}", ended.stdout);
    let run = fixture.done(&["run", "p.toml", "--out", "out"]);
    assert!(run.stderr.contains("warning: EMB022: 8 rows"), "{}", run.stderr);
    assert_eq!(fixture.summary("out")["warnings"][0]["code"], "EMB022");
    assert!(fixture.read("out/report.md").contains("**EMB022**: 8 rows"));
}

#[test]
fn sound_rows_have_no_warning_and_every_check_answers() {
    let (_, ended) = check(rows(400, |_, _, _| ()), &[], 0);
    assert!(ended.stdout.contains("warnings: 0\n") && !ended.stdout.contains("not applicable"), "{}", ended.stdout);
    let flags = rows(60, |_, _, _| ()).replace("class a", "0").replace("class b", "1");
    let (_, ended) = check(flags, &["data.positive='1'"], 0);
    for reason in ["EMB019: no class has a name of letters", "EMB022: it takes 100 rows"] {
        assert!(ended.stdout.contains(reason), "{}", ended.stdout);
    }
}

#[test]
fn fatal_codes_end_a_run_before_training_and_ignored_ones_are_not_shown() {
    let damaged = |row: usize, text: &mut String, _: &mut usize| {
        if row == 7 {
            text.push_str(" itâ€™s here");
        }
    };
    let fatal = ["checks.fatal=['EMB021']"];
    let (fixture, ended) = check(rows(200, damaged), &fatal, 4);
    assert!(
        ended.stdout.contains("EMB021: 1 text (0.5 %) holds characters that were decoded wrongly"),
        "{}",
        ended.stdout
    );
    let run = fixture.ends(&["run", "p.toml", "--out", "out", "-S", fatal[0]], 4);
    let message = "error: [checks] fatal ends the run for this warning, before anything is trained:\n  EMB021: 1 text";
    assert!(run.stderr.contains(message), "{}", run.stderr);
    assert!(!fixture.join("out/summary.json").exists());
    let ignore = "checks.ignore=['EMB021']";
    let hidden = fixture.done(&["check", "--data", "p.toml", "-S", ignore]);
    let run = fixture.done(&["run", "p.toml", "--out", "out", "-S", ignore]);
    let report = fixture.read("out/report.md") + &fixture.read("out/summary.json");
    // The command that makes the result again names the code.
    for shown in [hidden.stdout, run.stderr, report] {
        assert!(!shown.contains("decoded wrongly"), "{shown}");
    }
    // No cell depends on it.
    let again = fixture.done(&["run", "p.toml", "--out", "out"]);
    assert!(again.stderr.contains("0 cells trained") && again.stderr.contains("warning: EMB021"), "{}", again.stderr);
}

#[test]
fn unknown_codes_are_refused_with_the_nearest() {
    let (_, ended) = check(rows(60, |_, _, _| ()), &["checks.fatal=['EMB0003']"], 3);
    assert!(ended.stderr.contains("EMB003"), "{}", ended.stderr);
    let (_, ended) = check(rows(60, |_, _, _| ()), &["checks={ fatal = ['EMB003'], ignore = ['EMB003'] }"], 3);
    assert!(ended.stderr.contains("`EMB003` is in `fatal` too"), "{}", ended.stderr);
    let (_, ended) = check(rows(60, |_, _, _| ()), &["grid={ \"checks.fatal\" = [[], []] }"], 3);
    assert!(ended.stderr.contains("can't be an axis"), "{}", ended.stderr);
}

#[test]
fn embeddings_are_checked_with_the_data() {
    let table = |lower: bool| {
        let words = OWN.iter().flatten().chain(&GENERAL).flat_map(|word| {
            let capital = format!("{}{}", word[..1].to_uppercase(), &word[1..]);
            if lower { vec![(*word).to_owned()] } else { vec![(*word).to_owned(), capital] }
        });
        words.map(|word| format!("{word} 1 2\n")).collect::<String>()
    };
    let toml = "[embedding.words.word_vectors]\npath = \"words.txt\"\n[grid]\nembedding = [\"words\"]";
    let fixture = Fixture::empty().file("d.csv", rows(200, |_, _, _| ())).pipeline(&pipeline().toml(toml));
    // A table with capitals, texts without.
    fixture.write("words.txt", table(false));
    let check = fixture.done(&["check", "--data", "p.toml"]);
    assert!(check.stdout.contains("EMB018: `words` distinguishes capitals"), "{}", check.stdout);
    // It ends a run before anything is trained.
    let run = fixture.ends(&["run", "p.toml", "--out", "out", "-S", "checks.fatal=['EMB018']"], 4);
    assert!(run.stderr.contains("  EMB018: `words`") && !fixture.join("out/summary.json").exists(), "{}", run.stderr);
    let run = fixture.done(&["run", "p.toml", "--out", "out"]);
    assert!(
        run.stderr.contains("warning: EMB018") && fixture.read("out/report.md").contains("EMB018"),
        "{}",
        run.stderr
    );
    // A table in lower case, texts with capitals that are looked up as written only.
    fixture.write("words.txt", table(true));
    fixture.write("d.csv", rows(200, |_, text, _| *text = text.replace("the", "The").replace("people", "People")));
    let lowercase = "embedding.words.word_vectors.lowercase=false";
    let check = fixture.done(&["check", "--data", "p.toml", "-S", lowercase]);
    assert!(check.stdout.contains("EMB018: `words` knows words in lower case only"), "{}", check.stdout);
    let check = fixture.done(&["check", "--data", "p.toml"]);
    assert!(!check.stdout.contains("EMB018"), "{}", check.stdout);
    // The words of one class are unknown.
    let known: String = OWN[0].iter().chain(&GENERAL).map(|word| format!("{word} 1 2\n")).collect();
    fixture.write("words.txt", known);
    let check = fixture.done(&["check", "--data", "p.toml"]);
    assert!(check.stdout.contains("EMB023: `words` knows 3"), "{}", check.stdout);
}

/// A pipeline with learned vectors, on some axes.
fn with_corpus(grid: &str) -> Fixture {
    let learned = r#"
        [data.split]
        valid = 40
        [embedding.c.corpus]
        dim = 2
        min_count = 1
        [train]
        epochs = 1
        "#;
    let pipeline = Pipeline::without_data("t")
        .data("path = 'd.csv'\ntext = \"text\"\nlabel = \"label\"\npositive = \"class a\"")
        .toml(&format!("{learned}\n[grid]\n{grid}\n"));
    Fixture::empty().file("d.csv", rows(200, |_, _, _| {})).pipeline(&pipeline)
}

#[test]
fn what_is_learned_is_tried_for_every_variant_that_the_grid_has() {
    for (grid, fault) in [
        ("'embedding.dim' = [2, 4, 512, 600]", "with embedding.dim = 600: "),
        ("'embedding.c.corpus.min_count' = [1, 500]", "with embedding.c.corpus.min_count = 500: "),
        ("'data.split.train' = [2, 100]\n'embedding.dim' = [18]", "with data.split.train = 2, embedding.dim = 18: "),
    ] {
        let fixture = with_corpus(grid);
        let found = fixture.ends(&["check", "--data", "p.toml"], 2).stderr;
        assert!(found.contains(fault) && found.contains("corpus: there are only"), "{grid}: {found}");
        // It is what a run fails on.
        let run = fixture.ends(&["run", "p.toml"], 7).stderr;
        assert!(run.contains("corpus: there are only"), "{grid}: {run}");
    }
    let sound = with_corpus("'data.split.train' = [20, 100]\n'embedding.dim' = [2, 8]");
    sound.done(&["check", "--data", "p.toml"]);
    // The file's own split needn't suit, if the grid has others.
    let own = with_corpus("'data.split.train' = [100]\n'embedding.dim' = [18]");
    own.edit("p.toml", "valid = 40", "valid = 40\ntrain = 2");
    own.done(&["check", "--data", "p.toml"]);
}
