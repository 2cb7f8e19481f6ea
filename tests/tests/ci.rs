//! What CI services read: annotations of GitHub Actions, JUnit files, shares of a verification and its statement; and the
//! recipe in `docs/locks.md`, whose commands are run.

use std::collections::BTreeSet;
use std::fs;

use emberline_base::file::sha256;
use emberline_tests::fixture::{list, repository, resealed, text};
use emberline_tests::{Ended, Fixture, Pipeline, end};
use saphyr_parser::{Event, Parser};
use serde_json::{Map, Value};

/// Six cells, a lock, and nothing that takes long.
fn locked() -> Fixture {
    let rows = (0..60).map(|row| (format!("{} {row}", ["good", "bad"][row % 2]), row % 2));
    let pipeline = Pipeline::new("p").toml(
        r#"
        [embedding.one.hashing]
        dim = 8
        [embedding.two.hashing]
        dim = 4
        [train]
        epochs = 2
        [grid]
        embedding = ["one", "two"]
        seed = [1, 2, 3]
        "#,
    );
    let fixture = Fixture::empty().rows(rows).pipeline(&pipeline);
    fixture.done(&["run", "p.toml"]);
    fixture.done(&["lock", "p.toml"]);
    fixture
}

/// The annotations that a command printed.
fn annotations(ended: &Ended) -> Vec<&str> {
    ended.stdout.lines().filter(|line| line.starts_with("::")).collect()
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).expect("JSON")
}

/// The line of a file that contains a text, from 1.
fn line_of(fixture: &Fixture, file: &str, part: &str) -> usize {
    1 + fixture.read(file).lines().position(|line| line.contains(part)).expect("a line")
}

#[test]
fn faults_are_annotated_at_their_lines() {
    let fixture = locked();
    assert_eq!(annotations(&fixture.done(&["check", "p.toml", "--format", "github"])), Vec::<&str>::new());
    assert_eq!(fixture.done(&["lock", "p.toml", "--check", "--format", "github"]).stdout, "");
    assert_eq!(fixture.done(&["verify", "p.toml", "--format", "github"]).stdout, "");

    fixture.edit("p.toml", "epochs = 2", "epochs = 3");
    let line = line_of(&fixture, "p.toml", "epochs = 3");
    let expected = format!(
        "::error file=p.toml,line={line},title=stale lock::settings: train.epochs: 2 -> 3; touches all 6 cells%0A`emberline lock` \
         renews the lock after a run"
    );
    for args in [&["lock", "p.toml", "--check", "--format", "github"][..], &["verify", "p.toml", "--format", "github"]]
    {
        assert_eq!(annotations(&fixture.ends(args, 5)), [expected.as_str()], "{args:?}");
    }
    let mut command = fixture.command(&["lock", "p.toml", "--check", "--format", "github"]);
    let above = fixture.path().canonicalize().expect("a folder");
    let inner = above.file_name().expect("a name").to_string_lossy().into_owned();
    let ended = end(command.current_dir(&above).env("GITHUB_WORKSPACE", above.parent().expect("a folder")));
    assert!(ended.stdout.starts_with(&format!("::error file={inner}/p.toml,line={line},")), "{}", ended.stdout);

    fixture.edit("p.toml", "epochs = 3", "epochz = 3\n\"100%, a:b\" = 1");
    let wrong = fixture.ends(&["check", "p.toml", "--format", "github"], 3);
    let found = annotations(&wrong);
    assert!(
        found[0]
            .starts_with(&format!("::error file=p.toml,line={line},col=9,title=pipeline file::unknown key `epochz`")),
        "{found:?}"
    );
    assert!(found.iter().any(|line| line.contains("`100%25, a:b`")), "{found:?}");
    assert!(wrong.stderr.contains("did you mean `epochs`?"), "people are told, too: {}", wrong.stderr);
    assert_eq!(fixture.ends(&["lock", "p.toml", "--check", "--format", "github"], 3).stdout, wrong.stdout);
}

#[test]
fn results_and_damage_are_annotated_in_the_lock() {
    let fixture = locked();
    let whole = fixture.read("p.lock");
    fixture.write("p.lock", resealed(&whole.replacen("best_epoch = ", "best_epoch = 1", 1)));
    let differs = fixture.ends(&["verify", "p.toml", "--format", "github"], 6);
    let found = annotations(&differs);
    let line = line_of(&fixture, "p.lock", "cells.\"one-frozen-s1\"");
    assert!(
        found.len() == 1 && found[0].starts_with(&format!("::error file=p.lock,line={line},title=one-frozen-s1-")),
        "{found:?}"
    );
    assert!(
        found[0].contains("::result.best_epoch: expected 1") || found[0].contains("::best_epoch: expected 1"),
        "{found:?}"
    );

    fixture.write("p.lock", format!("{whole}>>>>>>> other\n"));
    let last = whole.lines().count() + 1;
    for args in [&["verify", "p.toml", "--format", "github"][..], &["lock", "p.toml", "--check", "--format", "github"]]
    {
        let refused = fixture.ends(args, 5);
        let expected =
            format!("::error file=p.lock,line={last},title=lock::line {last}: a merge of git left its markers");
        assert!(annotations(&refused)[0].starts_with(&expected), "{}", refused.stdout);
    }
}

#[test]
fn a_worse_setting_is_annotated() {
    let fixture = locked();
    fixture.done(&["run", "p.toml", "-S", "train.epochs=1", "--out", "shorter"]);
    let compare = ["compare", "p.lock", "shorter", "--metric", "loss", "--fail-if", "worse", "--format", "github"];
    let found = fixture.ends(&compare, 6);
    let lines = annotations(&found);
    assert!(
        !lines.is_empty()
            && lines.iter().all(|line| line.starts_with("::error title=") && line.contains("::loss is worse: ")),
        "{lines:?}"
    );
    assert_eq!(
        annotations(&fixture.done(&["compare", "p.lock", "runs/p", "--fail-if", "worse", "--format", "github"])),
        Vec::<&str>::new()
    );
}

#[test]
fn warnings_about_data_are_annotated() {
    let fixture = locked();
    let rows = fixture.read("texts.csv");
    fixture.write("texts.csv", format!("{rows}good 0,1\n"));
    let found = fixture.emberline(&["check", "p.toml", "--data", "--format", "github"]);
    let lines = annotations(&found);
    assert!(lines.iter().any(|line| line.starts_with("::warning file=p.toml,title=EMB003::")), "{}", found.printed());
}

#[test]
fn a_junit_file_has_a_case_per_cell() {
    let fixture = locked();
    let junit = |code: i32, more: &[&str]| {
        fixture.ends(&[&["verify", "p.toml", "--junit", "junit.xml"], more].concat(), code);
        fixture.read("junit.xml")
    };
    assert!(junit(0, &[]).contains(r#"tests="7" skipped="0" errors="0" failures="0""#));
    assert!(junit(0, &["--sample", "2"]).contains(r#"tests="3""#));
    // Data that only some cells can be blamed for: nothing is trained, and each case says why.
    fixture.edit("p.toml", "dim = 4", "dim = 5");
    let stale = junit(5, &[]);
    assert!(stale.contains(r#"tests="7" skipped="3" errors="0" failures="4""#), "{stale}");
    assert!(stale.contains("not trained, since other inputs of the lock are stale"), "{stale}");
    assert_eq!(
        stale
            .matches(r#"<failure message="settings: embedding.two.hashing.dim: 4 -&gt; 5; touches 3 of 6 cells"#)
            .count(),
        4,
        "{stale}"
    );
    fixture.edit("p.toml", "dim = 5", "dim = 4");
    let lock = fixture.read("p.lock");
    fixture.write(
        "p.lock",
        resealed(&lock.replacen("arithmetic = \"", "arithmetic = \"other ", 1).replacen(
            " accuracy = ",
            " accuracy = 1",
            1,
        )),
    );
    let differs = junit(6, &[]);
    assert!(differs.contains("metrics.accuracy: expected 1") && differs.contains("; tolerance 0.01"), "{differs}");
}

#[test]
fn shares_and_challenges_say_which_cells_they_took() {
    let fixture = locked();
    let verified = |more: &[&str]| {
        let ended = fixture.done(&[&["verify", "p.toml", "--format", "json"], more].concat());
        let outcome = json(&ended.stdout);
        let ids = |key: &str| -> Vec<String> {
            let id = |cell: &Value| cell.as_str().unwrap_or_else(|| text(&cell["id"])).to_owned();
            list(&outcome[key]).iter().map(id).collect()
        };
        let selected: Vec<String> = list(&outcome["selected"]["cells"]).iter().map(|id| text(id).to_owned()).collect();
        assert_eq!(ids("cells"), selected);
        assert!(selected.iter().all(|id| ended.stderr.contains(&format!("  {id}"))), "{}", ended.stderr);
        (selected, ended.stderr)
    };
    let shards: Vec<Vec<String>> = ["1/3", "2/3", "3/3"].iter().map(|shard| verified(&["--shard", shard]).0).collect();
    let all: BTreeSet<&String> = shards.iter().flatten().collect();
    assert_eq!((all.len(), shards.concat().len()), (6, 6));
    let (drawn, said) = verified(&["--sample", "2", "--challenge", "7f3c"]);
    assert!(drawn.len() == 2 && said.contains("2 drawn by \"7f3c\": 2 of 6 cells"), "{said}");

    // Whoever knows the lock and the hash computes the sample.
    let lock: toml::Table = fixture.read("p.lock").parse().expect("TOML");
    let rank = |identity: &str| sha256(format!("challenge:7f3c:{identity}").as_bytes());
    let identities =
        lock["cells"].as_table().expect("cells").values().map(|cell| cell["identity"].as_str().expect("digits"));
    let mut ranked: Vec<&str> = identities.collect();
    ranked.sort_by_key(|identity| rank(identity));
    let expected: BTreeSet<&str> = ranked[..2].iter().map(|identity| &identity[..8]).collect();
    let found: BTreeSet<&str> = drawn.iter().filter_map(|id| id.rsplit('-').next()).collect();
    assert_eq!(found, expected);

    let empty = (1..=40)
        .map(|shard| format!("{shard}/40"))
        .find(|shard| fixture.done(&["verify", "p.toml", "--shard", shard]).stdout.is_empty());
    let empty = fixture.done(&["verify", "p.toml", "--shard", &empty.expect("a share without cells")]);
    assert!(empty.stderr.contains("no cell of the lock was selected, so nothing was trained"), "{}", empty.stderr);
    for wrong in [
        &["--shard", "4/3"][..],
        &["--challenge", "7f3c"],
        &["--challenge", "", "--sample", "1"],
        &["--only", "x", "--shard", "1/2"],
    ] {
        fixture.ends(&[&["verify", "p.toml"], wrong].concat(), 2);
    }
}

#[test]
fn a_statement_names_its_subjects_and_results() {
    let fixture = locked();
    let attested = |code: i32| {
        fixture.ends(&["verify", "p.toml", "--attest", "out/statement.json"], code);
        json(&fixture.read("out/statement.json"))
    };
    let statement = attested(0);
    assert_eq!(statement["_type"], "https://in-toto.io/Statement/v1");
    assert_eq!(statement["predicateType"], "https://in-toto.io/attestation/test-result/v0.1");
    for (subject, name) in list(&statement["subject"]).iter().zip(["p.lock", "p.toml"]) {
        assert_eq!(
            (text(&subject["name"]), text(&subject["digest"]["sha256"])),
            (name, sha256(&fixture.bytes(name)).as_str())
        );
    }
    let predicate = &statement["predicate"];
    assert_eq!((&predicate["result"], list(&predicate["passedTests"]).len()), (&"PASSED".into(), 6));
    let own = &predicate["emberline"];
    assert_eq!((text(&own["program"]), &own["cellsInLock"]), (env!("CARGO_PKG_VERSION"), &6.into()));
    assert!(text(&own["devices"][0]).starts_with("cpu "), "{own}");

    let lock = fixture.read("p.lock");
    fixture.write("p.lock", resealed(&lock.replacen("best_epoch = ", "best_epoch = 1", 1)));
    let failed = attested(6);
    assert_eq!(
        (&failed["predicate"]["result"], list(&failed["predicate"]["failedTests"]).len()),
        (&"FAILED".into(), 1)
    );
    fixture.edit("p.toml", "epochs = 2", "epochs = 3");
    let stale = attested(5);
    assert_eq!(stale["predicate"]["failedTests"], Value::from(vec!["inputs"]));
}

/// A YAML document as JSON; all scalars are texts.
fn yaml(text: &str) -> Value {
    /// Adds a value to the innermost list or table, or to the document.
    fn put(open: &mut [(Value, Option<String>)], value: Value) {
        match open.last_mut().expect("a document") {
            (Value::Array(items), _) => items.push(value),
            (Value::Object(table), key) => match key.take() {
                Some(key) => assert!(table.insert(key, value).is_none(), "a key stands there twice"),
                None => *key = Some(value.as_str().expect("a key is a text").to_owned()),
            },
            (document, _) => *document = value,
        }
    }
    let mut open = vec![(Value::Null, None)];
    for event in Parser::new_from_str(text) {
        match event.expect("YAML").0 {
            Event::Scalar(scalar, ..) => put(&mut open, Value::from(scalar.into_owned())),
            Event::SequenceStart(..) => open.push((Value::Array(Vec::new()), None)),
            Event::MappingStart(..) => open.push((Value::Object(Map::new()), None)),
            Event::SequenceEnd | Event::MappingEnd => {
                let (value, _) = open.pop().expect("it began");
                put(&mut open, value);
            }
            Event::Alias(_) => panic!("GitHub's older runners know no aliases"),
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentStart(_) | Event::DocumentEnd => {}
        }
    }
    open.remove(0).0
}

/// The recipe is YAML, of keys that GitHub knows, and its commands do what the page says.
#[test]
fn the_recipe_for_github_runs() {
    let page = fs::read_to_string(repository("docs/locks.md")).expect("the page");
    let block = page.split("```yaml\n").nth(1).and_then(|rest| rest.split("```").next()).expect("a recipe");
    let recipe = yaml(block);
    let keys = |value: &Value| -> BTreeSet<String> { value.as_object().expect("a table").keys().cloned().collect() };
    assert_eq!(keys(&recipe), ["jobs", "name", "on"].map(str::to_owned).into());
    let fixture = locked();
    fixture.write("pipeline.toml", fixture.read("p.toml"));
    fs::remove_dir_all(fixture.join("runs/p")).expect("removed");
    fixture.done(&["run", "pipeline.toml", "--out", "mine"]);
    fixture.done(&["lock", "pipeline.toml", "--out", "mine"]);
    let mut commands = 0;
    for job in recipe["jobs"].as_object().expect("jobs").values() {
        let known = ["needs", "runs-on", "steps", "strategy"].map(str::to_owned).into();
        assert!(keys(job).is_subset(&known) && job["runs-on"] == "ubuntu-latest", "{job}");
        let shards = job["strategy"]["matrix"]["shard"].as_array().cloned().unwrap_or_else(|| vec!["".into()]);
        for step in list(&job["steps"]) {
            let known = ["name", "run", "uses", "if", "with"].map(str::to_owned).into();
            assert!(keys(step).is_subset(&known) && (step["run"].is_string() != step["uses"].is_string()), "{step}");
            for line in
                step["run"].as_str().unwrap_or_default().lines().filter_map(|line| line.strip_prefix("emberline "))
            {
                for shard in &shards {
                    let line = line.replace("${{ matrix.shard }}", text(shard));
                    assert!(!line.contains("${{"), "{line}");
                    fixture.done(&line.split_whitespace().collect::<Vec<_>>());
                    commands += 1;
                }
            }
        }
    }
    assert_eq!(commands, 2 + 3 + 3);
    assert!(fixture.join("verify.xml").exists());
}
