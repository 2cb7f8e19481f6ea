//! The answer of a run, end to end: the report, the terminal and `compare` say what `summary.json` stores, `plan --decide` says what
//! would decide, and `run --until decided` goes on until it is.

use emberline_tests::{Fixture, Pipeline};
use serde_json::Value;

/// A pipeline with a source that knows no word of the texts, `blind`, and one that has a vector for each word that decides.
fn pipeline(split: &str) -> Pipeline {
    Pipeline::new("p")
        .section("data.split", &format!("valid = 0.25\ntest = 0.25\n{split}"))
        .section("embedding.seeing.word_vectors", "path = \"seeing.txt\"")
        .section("embedding.blind.word_vectors", "path = \"blind.txt\"")
        .section("train", "epochs = 8\nbatch_size = 16\noptimizer = { adam = { learning_rate = 0.1 } }")
        .section("grid", "embedding = [\"seeing\", \"blind\"]")
}

fn folder(split: &str) -> Fixture {
    let rows = (0..240).map(|row| (format!("{} film number {row}", ["good", "bad"][row % 2]), row % 2));
    // "film" is known to both, so that no text is without a known word.
    let (seeing, blind) = ("good 1 0\nbad 0 1\nfilm 0.5 0.5\n", "number 1 0\nfilm 0.5 0.5\n");
    Fixture::empty().rows(rows).pipeline(&pipeline(split)).file("seeing.txt", seeing).file("blind.txt", blind)
}

fn answer(fixture: &Fixture) -> Value {
    fixture.summary("runs/p")["answer"].clone()
}

#[test]
fn five_splits_answer_of_embeddings_and_all_outputs_say_the_same() {
    let fixture = folder("repeats = 5");
    let ended = fixture.done(&["run", "p.toml"]);
    let stored = answer(&fixture);
    assert_eq!((&stored["level"], &stored["scored"]), (&"embeddings".into(), &"test".into()), "{stored}");
    assert_eq!(stored["best_group"].as_array().map(Vec::len), Some(1), "{stored}");
    assert_eq!(stored["leader"]["embedding"], "seeing");
    let sentence = "The best embedding for this task is seeing: it is told apart from the other, over 5 splits.";
    assert!(ended.stdout.contains(sentence), "{}", ended.stdout);
    assert!(fixture.read("runs/p/report.md").contains(sentence));
    assert!(fixture.read("runs/p/report.html").contains(sentence));
    let compared = fixture.done(&["compare", "runs/p", "runs/p"]).stdout;
    assert!(compared.contains(sentence) && compared.contains("not told apart"), "{compared}");
    // Nothing to run: the stored answer is taken over.
    fixture.done(&["run", "p.toml"]);
    assert_eq!(answer(&fixture), stored);
    let decided = fixture.done(&["plan", "p.toml", "--decide"]).stdout;
    assert!(decided.starts_with("The best embedding for this task is seeing"), "{decided}");
}

/// Settings with 30 labels are never compared with settings with 90: each number has its own pairs, ranks and verdict.
#[test]
fn numbers_of_labels_are_compared_each_by_itself() {
    let fixture = folder("repeats = 5");
    fixture.edit("p.toml", "[\"seeing\", \"blind\"]", "[\"seeing\", \"blind\"]\n\"data.split.train\" = [30, 90]");
    let ended = fixture.done(&["run", "p.toml"]);
    let stored = answer(&fixture);
    assert_eq!((&stored["labels"], &stored["comparisons"]), (&90.into(), &1.into()), "{stored}");
    let fewer = stored["fewer_labels"].as_array().expect("an answer for 30 labels");
    assert_eq!(
        fewer.iter().map(|of| (&of["labels"], &of["comparisons"])).collect::<Vec<_>>(),
        [(&30.into(), &1.into())]
    );
    for (of, labels) in [(&stored, 90), (&fewer[0], 30)] {
        let settings = of["settings"].as_array().expect("settings");
        assert!(settings.len() == 2 && settings.iter().all(|one| one["setting"]["data.split.train"] == labels), "{of}");
    }
    let compared = fixture.done(&["compare", "runs/p", "runs/p"]).stdout;
    let decided = fixture.done(&["plan", "p.toml", "--decide"]).stdout;
    let (report, page) = (fixture.read("runs/p/report.md"), fixture.read("runs/p/report.html"));
    let texts = [("run", &ended.stdout), ("compare", &compared), ("report", &report), ("page", &page)];
    for (name, text) in texts {
        // Numbers of which the same is said share a sentence.
        let is_shared = text.contains("With 90 and 30 labels, the best");
        let each = text.find("With 90 labels, the best").zip(text.find("With 30 labels, the best"));
        assert!(is_shared || each.is_some_and(|(most, fewer)| most < fewer), "{name}: {text}");
    }
    assert!(decided.contains("With 90 labels, the best") && decided.contains("With 30 labels, the best"), "{decided}");
    let table: Value =
        serde_json::from_str(&fixture.done(&["plan", "p.toml", "--decide", "--format", "json"]).stdout).expect("JSON");
    assert_eq!((&table["labels"], &table["fewer_labels"][0]["labels"]), (&90.into(), &30.into()), "{table}");
    // What classifies has the most labels.
    let predicted = fixture.done(&["predict", "runs/p", "--input", "texts.csv"]);
    assert!(predicted.stderr.contains("train 90"), "{}", predicted.stderr);
}

#[test]
fn one_split_answers_of_the_heads_that_were_trained() {
    let fixture = folder("");
    let ended = fixture.done(&["run", "p.toml"]);
    let stored = answer(&fixture);
    assert_eq!(stored["level"], "heads", "{stored}");
    assert!(ended.stdout.contains("On new texts like these, head seeing scores"), "{}", ended.stdout);
    assert!(ended.stdout.contains("another draw of training rows may turn this over"), "{}", ended.stdout);
    assert!(ended.stdout.contains("Which embedding is better for this task is not answered"), "{}", ended.stdout);
    assert!(!ended.stdout.contains("best embedding"), "{}", ended.stdout);
}

#[test]
fn without_predictions_one_split_answers_nothing() {
    let fixture = folder("");
    fixture.edit("p.toml", "[grid]", "[report]\npredictions = false\n[grid]");
    let ended = fixture.done(&["run", "p.toml"]);
    let stored = answer(&fixture);
    assert_eq!((&stored["level"], &stored["reason"]), (&"none".into(), &"no_predictions".into()));
    assert!(ended.stdout.contains("add `[data.split] repeats = 5`"), "{}", ended.stdout);
}

#[test]
fn a_comparison_goes_on_until_it_is_decided() {
    let fixture = folder("");
    let ended = fixture.done(&["run", "p.toml", "--until", "decided", "--budget", "10m"]);
    assert!(ended.stderr.contains("decided after 5 splits"), "{}", ended.stderr);
    assert!(ended.stderr.contains("repeats = 5"), "{}", ended.stderr);
    let stored = answer(&fixture);
    assert_eq!((&stored["level"], &stored["alpha"]), (&"embeddings".into(), &0.0125.into()));
    let folds = fixture.ends(&["run", "p.toml", "--until", "decided", "-S", "data.split={folds=3}"], 2);
    assert!(folds.stderr.contains("`[data.split] folds` fixes them"), "{}", folds.stderr);
    let time = fixture.ends(&["run", "p.toml", "--until", "decided", "--budget", "soon"], 2);
    assert!(time.stderr.contains("30m, 2h or 90s"), "{}", time.stderr);
}

/// A margin that every difference is within: the smallest setting is named, and classifies.
#[test]
fn the_smallest_setting_that_is_good_enough_classifies() {
    let fixture = folder("repeats = 5");
    fixture.edit(
        "p.toml",
        "[embedding.blind.word_vectors]\npath = \"blind.txt\"",
        "[embedding.blind.hashing]\ndim = 1",
    );
    fixture.edit("p.toml", "[grid]", "[decide]\nmargin = 0.9\n[grid]");
    let ended = fixture.done(&["run", "p.toml"]);
    assert_eq!(answer(&fixture)["chosen_smallest"]["embedding"], "blind", "{}", answer(&fixture));
    assert!(ended.stdout.contains("The smallest that is good enough is blind"), "{}", ended.stdout);
    let predicted = fixture.done(&["predict", "runs/p", "--input", "texts.csv"]);
    assert!(predicted.stderr.contains("the smallest setting that is good enough"), "{}", predicted.stderr);
    for (key, value) in [("margin", "0"), ("margin", "-1"), ("metric", "\"loss\"")] {
        let refused = fixture.ends(&["check", "p.toml", "-S", &format!("decide={{{key}={value}}}")], 3);
        assert!(refused.stderr.contains("1 fault"), "{key}: {}", refused.stderr);
    }
}
