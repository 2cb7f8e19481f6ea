//! Sentence encoders that are trained with their head, end to end: what is trained, that an interrupted fit goes on to equal bytes,
//! whose weights are kept, and what `predict`, `verify`, `plan` and `export` make of them. Every kind of source passes the tests of
//! `predict.rs`, `bundle.rs` and `determinism.rs`, too.

use std::collections::BTreeMap;
use std::path::Path;

use emberline_device::Device;
use emberline_pipeline::{Classifier, ClassifierOptions, RunFolder};
use emberline_tests::fixture::{list, repository, text};
use emberline_tests::sources::labelled;
use emberline_tests::{Fixture, Pipeline};
use serde_json::Value;

/// The lines of `[embedding.NAME.sentence_transformer]` of a tiny model.
fn model(name: &str, more: &str) -> String {
    let path = repository("crates/encoder/tests/fixtures").join(name);
    format!("path = '{}'\ntrainable = true\n{more}", path.display())
}

/// A pipeline over tiny models: all of one is trained, the last layer of another, and low-rank updates of the third.
fn pipeline() -> Pipeline {
    Pipeline::new("p")
        .top("seed = 3")
        .section("data.split", "valid = 16")
        .section("embedding.all.sentence_transformer", &model("bert", ""))
        .section("embedding.last.sentence_transformer", &model("mpnet", "trainable_layers = 1"))
        .section("embedding.lora.sentence_transformer", &model("modernbert", "lora = { rank = 2 }"))
        .section(
            "train",
            "epochs = 8\nbatch_size = 8\noptimizer = { adam = { learning_rate = 0.02 } }\naccumulate = 2\nencoder_learning_rate = 1e-3\nencoder_dropout = 0.1\n\
             schedule = { warmup = 0.2 }\nclip = { norm = 1.0 }",
        )
}

fn fixture(pipeline: &Pipeline) -> Fixture {
    Fixture::empty()
        .rows(labelled("text", 60))
        .pipeline(pipeline)
        .file("new.csv", "text\nwhy the cat\n\nhello people\n")
}

const RUN: [&str; 4] = ["run", "p.toml", "--device", "cpu"];

fn cell<'c>(cells: &'c [Value], embedding: &str) -> &'c Value {
    cells.iter().find(|cell| cell["embedding"] == embedding).unwrap_or_else(|| panic!("no cell of {embedding}"))
}

/// Whether the weights of each cell's encoder are there, by embedding.
fn kept(fixture: &Fixture) -> BTreeMap<String, bool> {
    let is_kept = |cell: &Value| {
        let folder = Path::new("runs/p/cells").join(text(&cell["id"]));
        let links =
            [folder.clone(), folder.join("attempts/1")].map(|of| fixture.join(of.join("encoder.safetensors")).exists());
        assert_eq!(links[0], links[1], "{cell}");
        (text(&cell["embedding"]).to_owned(), links[0])
    };
    fixture.cells("runs/p").iter().map(is_kept).collect()
}

#[test]
fn weights_are_trained_as_the_settings_say_and_the_chosen_cells_are_kept() {
    let fixture = fixture(&pipeline());
    fixture.done(&RUN);
    let cells = fixture.cells("runs/p");
    assert!(cells.iter().all(|cell| cell["status"] == "done" && cell["trainable"] == true), "{cells:?}");
    let parameters = |embedding: &str| {
        let of = &cell(&cells, embedding)["parameters"];
        [&of["total"], &of["trainable"]].map(|count| count.as_u64().expect("a count"))
    };
    let [total, trainable] = parameters("all");
    assert_eq!(total, trainable);
    let [total, last] = parameters("last");
    assert!(last < total / 2, "{last} of {total}");
    let [total, lora] = parameters("lora");
    assert!(lora < total / 4, "{lora} of {total}");
    // Something was learned: the loss of the training rows falls, if not with every epoch.
    for embedding in ["all", "last", "lora"] {
        let history =
            fixture.read(Path::new("runs/p/cells").join(text(&cell(&cells, embedding)["id"])).join("history.csv"));
        let column = history.lines().next().expect("names").split(',').position(|name| name == "loss").expect("a loss");
        let losses: Vec<f64> = history
            .lines()
            .skip(1)
            .map(|line| line.split(',').nth(column).and_then(|n| n.parse().ok()).expect("a number"))
            .collect();
        let least = losses[1..].iter().copied().fold(f64::INFINITY, f64::min);
        assert!(least < losses[0], "{embedding}: {losses:?}");
    }
    let chosen = fixture.done(&["predict", "runs/p", "--input", "new.csv"]);
    assert_eq!(chosen.stdout.lines().count(), 4);
    let kept = kept(&fixture);
    assert_eq!(kept.values().filter(|kept| **kept).count(), 1, "{kept:?}");
    let other = kept.iter().find(|(_, kept)| !**kept).map(|(name, _)| text(&cell(&cells, name)["id"])).expect("others");
    let refused = fixture.emberline(&["predict", "runs/p", "--input", "new.csv", "--cell", other]);
    assert_ne!(refused.code, Some(0));
    assert!(refused.stderr.contains("weren't kept") && refused.stderr.contains("keep_encoders"), "{}", refused.stderr);
    // The cure.
    fixture.done(&[
        "run",
        "p.toml",
        "--device",
        "cpu",
        "--only",
        other,
        "--force",
        "-S",
        "decide.keep_encoders=\"all\"",
    ]);
    fixture.done(&["predict", "runs/p", "--input", "new.csv", "--cell", other]);
}

/// The cells' results without times.
fn results(fixture: &Fixture, run: &str) -> Vec<Value> {
    let without_time = |mut cell: Value| {
        cell["seconds"] = Value::Null;
        if let Some(pairs) = cell.get_mut("contrastive") {
            pairs["seconds"] = Value::Null;
        }
        cell
    };
    fixture.cells(run).into_iter().map(without_time).collect()
}

#[test]
fn two_runs_and_a_verification_give_equal_weights() {
    let fixture = fixture(&pipeline());
    fixture.done(&RUN);
    fixture.done(&["run", "p.toml", "--device", "cpu", "--out", "again"]);
    assert_eq!(results(&fixture, "runs/p"), results(&fixture, "again"));
    fixture.done(&["lock", "p.toml"]);
    fixture.done(&["verify", "p.toml", "--device", "cpu"]);
}

#[test]
fn an_encoder_that_diverges_fails_as_a_head_does() {
    let rate = pipeline().section("decide", "keep_encoders = \"all\"");
    let fixture = fixture(&rate);
    let ended = fixture.emberline(&[&RUN[..], &["-S", "train.encoder_learning_rate=1e30"]].concat());
    assert!(ended.code != Some(0) && !ended.stderr.contains("panicked"), "{}", ended.stderr);
    for cell in fixture.cells("runs/p") {
        assert!(text(&cell["error"]).starts_with("training diverged"), "{cell}");
    }
}

#[test]
fn frozen_and_fine_tuned_cells_stand_side_by_side() {
    let all = model("bert", "").replace("trainable = true", "lora = { rank = 2 }");
    let pipeline = Pipeline::new("p")
        .section("data.split", "valid = 16")
        .section("embedding.bert.sentence_transformer", &all)
        .section("train", "epochs = 1\nencoder_learning_rate = 1e-3")
        .section("grid", "\"embedding.trainable\" = [false, true]\n\"embedding.lora\" = [{ rank = 2 }, { rank = 4 }]");
    let fixture = fixture(&pipeline);
    let ended = fixture.done(&RUN);
    // A frozen encoder has no rank.
    assert!(ended.stderr.contains("1 combination is left out"), "{}", ended.stderr);
    let cells = fixture.cells("runs/p");
    let trainable: Vec<bool> = cells.iter().filter_map(|cell| cell["trainable"].as_bool()).collect();
    assert_eq!(trainable.iter().filter(|trained| **trained).count(), 2, "{cells:?}");
    assert_eq!(cells.len(), 3);
    let settings = fixture.read(Path::new("runs/p/cells").join(text(&cells[0]["id"])).join("cell.toml"));
    assert!(!settings.contains("lora") && !settings.contains("encoder_learning_rate"), "{settings}");
}

#[test]
fn the_plan_states_what_fine_tuning_takes() {
    let fixture = fixture(&pipeline());
    let planned = fixture.done(&["plan", "p.toml"]).stdout;
    for embedding in ["all", "last", "lora"] {
        assert!(planned.contains(&format!("\n{embedding}: fine-tuning takes about ")), "{planned}");
    }
    let listed: Value =
        serde_json::from_str(&fixture.done(&["plan", "p.toml", "--format", "json"]).stdout).expect("JSON");
    let costs = listed["tunings"].as_array().expect("costs");
    assert!(costs.len() == 3 && costs.iter().all(|cost| cost["memory"].as_u64() > Some(0)), "{listed}");
    assert_eq!(listed["encodings"].as_array().map(Vec::len), Some(0), "{listed}");
}

#[test]
fn what_does_not_fit_together_is_refused_at_its_place() {
    let fixture = fixture(&pipeline());
    let refused = |from: &str, to: &str, expected: &[&str]| {
        fixture.write("q.toml", fixture.read("p.toml").replace(from, to));
        let ended = fixture.emberline(&["check", "q.toml"]);
        let said = ended.printed();
        assert!(ended.code != Some(0) && expected.iter().all(|words| said.contains(words)), "{to}: {said}");
    };
    refused("lora = { rank = 2 }", "lora = { rank = 0 }", &["q.toml:", "rank"]);
    refused("lora = { rank = 2 }", "lora = { rank = 2 }\ntrainable_layers = 1", &["q.toml:", "leave one of them out"]);
    refused("trainable = true\nlora", "lora", &["q.toml:", "`trainable` isn't set"]);
    refused("trainable = true\n", "", &["q.toml:", "no embedding of this file has an encoder that is fine-tuned"]);
    refused("accumulate = 2", "accumulate = 0", &["q.toml:", "accumulate"]);
    refused("trainable_layers = 1", "dim = 4", &["q.toml:", "keep their length"]);
    // The model's files decide it, so that the combination is left out.
    fixture.write("q.toml", fixture.read("p.toml").replace("trainable_layers = 1", "trainable_layers = 99"));
    let planned = fixture.done(&["plan", "q.toml"]).stderr;
    assert!(planned.contains("`last` has 2 layers, fewer than 99; set a smaller `trainable_layers`"), "{planned}");
}

/// The numbers of a line of `embed`.
fn numbers(line: &str) -> Vec<f64> {
    let row: Value = serde_json::from_str(line).expect("JSON");
    list(&row["vector"]).iter().map(|number| number.as_f64().expect("a number")).collect()
}

#[test]
fn an_export_is_a_folder_that_gives_the_vectors_of_the_fine_tuned_encoder() {
    let fixture = fixture(&pipeline().section("decide", "keep_encoders = \"all\""));
    fixture.done(&RUN);
    for cell in fixture.cells("runs/p") {
        let (id, name) = (text(&cell["id"]), text(&cell["embedding"]));
        fixture.done(&["export", "runs/p", "--cell", id, "--sentence-transformer", name]);
        let refused = fixture.emberline(&["export", "runs/p", "--cell", id, "--sentence-transformer", name]);
        assert!(refused.stderr.contains("--force"), "{}", refused.stderr);
        let permissions = |file: &str| {
            let path = fixture.join(Path::new(name).join(file));
            path.metadata().expect(file).permissions()
        };
        assert_eq!(permissions("model.safetensors"), permissions("config.json"), "whoever may read the folder");
        let texts = ["why the cat", "hello people"];
        fixture.write("texts", texts.join("\n"));
        let embedded =
            fixture.done(&["embed", "sentence_transformer", name, "--input", "texts", "--format", "jsonl"]).stdout;
        let exported: Vec<f64> = embedded.lines().flat_map(numbers).collect();
        let classifier =
            Classifier::of_run(&RunFolder::new(fixture.join("runs/p")), Some(id), ClassifierOptions::on(Device::Cpu));
        let vectors = classifier.expect(id).vectors(&texts, &mut |_| {}).expect(id);
        assert_eq!(exported.len(), vectors.values().len());
        for (exported, vector) in exported.iter().zip(vectors.values()) {
            assert!((exported - f64::from(*vector)).abs() < 1e-6, "{name}: {exported} {vector}");
        }
    }
}

#[test]
fn a_refit_trains_the_encoder_on_all_rows() {
    let folds = Pipeline::new("p")
        .section("data.split", "folds = 2")
        .section("embedding.lora.sentence_transformer", &model("bert", "lora = { rank = 2 }"))
        .section("train", "epochs = 2\nbatch_size = 8")
        .section("decide", "refit = true");
    let fixture = fixture(&folds);
    fixture.done(&RUN);
    assert!(fixture.join("runs/p/refit/encoder.safetensors").exists());
    let output = fixture.done(&["predict", "runs/p", "--input", "new.csv"]);
    assert_eq!(output.stdout.lines().count(), 4);
    fixture.done(&["export", "runs/p", "--bundle", "b"]);
    let bundled = fixture.done(&["predict", "b", "--input", "new.csv"]);
    assert_eq!(bundled.stdout, output.stdout);
}

/// A pipeline that trains encoders on pairs of texts, beside a frozen one.
fn on_pairs() -> Pipeline {
    Pipeline::new("p")
        .section("data.split", "per_class = 6\nvalid = 16")
        .section("embedding.frozen.sentence_transformer", &model("bert", "").replace("trainable = true", ""))
        .section("embedding.all.sentence_transformer", &model("bert", ""))
        .section("embedding.lora.sentence_transformer", &model("modernbert", "lora = { rank = 2 }"))
        .section(
            "train",
            "optimizer = { lbfgs = { l2 = 1.0 } }\nencoder_learning_rate = 1e-3\ncontrastive = { pairs = 4, epochs = 2, batch_size = 8 }",
        )
        .section("decide", "keep_encoders = \"all\"")
}

#[test]
fn encoders_that_are_trained_on_pairs_come_to_equal_bytes_and_serve_like_any_other() {
    let fixture = fixture(&on_pairs());
    fixture.done(&RUN);
    let cells = fixture.cells("runs/p");
    assert_eq!(cells.len(), 3);
    for cell in &cells {
        // 12 rows begin 4 pairs of each kind in each of 2 epochs: 192 pairs, 8 at a time.
        let pairs = &cell["contrastive"];
        let of_encoder = [&pairs["pairs"], &pairs["steps"]].map(Value::as_u64);
        let expected = if cell["embedding"] == "frozen" { [None; 2] } else { [Some(192), Some(24)] };
        assert_eq!(of_encoder, expected, "{cell}");
        assert_eq!(cell["stopped"], "converged");
    }
    let settings = |embedding: &str| {
        let id = text(&cell(&cells, embedding)["id"]);
        fixture.read(Path::new("runs/p/cells").join(id).join("cell.toml"))
    };
    assert!(settings("all").contains("contrastive") && !settings("frozen").contains("contrastive"));
    fixture.done(&["run", "p.toml", "--device", "cpu", "--out", "again"]);
    assert_eq!(results(&fixture, "runs/p"), results(&fixture, "again"));
    fixture.done(&["lock", "p.toml"]);
    fixture.done(&["verify", "p.toml", "--device", "cpu"]);
    for embedding in ["all", "lora"] {
        let id = text(&cell(&cells, embedding)["id"]);
        let predicted = fixture.done(&["predict", "runs/p", "--input", "new.csv", "--cell", id]).stdout;
        fixture.done(&["export", "runs/p", "--cell", id, "--bundle", embedding]);
        assert_eq!(fixture.done(&["predict", embedding, "--input", "new.csv"]).stdout, predicted);
        fixture.done(&["export", "runs/p", "--cell", id, "--sentence-transformer", &format!("{embedding}-encoder")]);
    }
}

#[test]
fn what_training_on_pairs_cannot_do_is_refused() {
    let fixture = fixture(&on_pairs());
    let refused = |from: &str, to: &str, expected: &[&str]| {
        fixture.write("q.toml", fixture.read("p.toml").replace(from, to));
        let ended = fixture.emberline(&["check", "q.toml"]);
        let said = ended.printed();
        assert!(ended.code != Some(0) && expected.iter().all(|words| said.contains(words)), "{to}: {said}");
    };
    refused("pairs = 4", "pairs = 0", &["q.toml:", "`pairs` must be a whole number, 1 or more"]);
    refused("batch_size = 8", "batch = 8", &["q.toml:", "batch_size"]);
    refused("trainable = true\n", "", &["q.toml:", "no embedding of this file has an encoder that is fine-tuned"]);
    let planned = fixture.done(&["plan", "p.toml"]).stdout;
    assert_eq!(planned.matches("first, it is trained on 192 pairs of texts").count(), 2, "{planned}");
    // Without pairs, L-BFGS trains no encoder.
    let without = fixture.read("p.toml").replace("contrastive = { pairs = 4, epochs = 2, batch_size = 8 }", "");
    fixture.write("q.toml", without);
    let planned = fixture.emberline(&["plan", "q.toml"]).stderr;
    assert!(planned.contains("can't be fine-tuned by lbfgs"), "{planned}");
    // One text of each class: no two are alike.
    fixture.write("q.toml", fixture.read("p.toml").replace("per_class = 6", "per_class = 1"));
    for command in [&["check", "--data", "q.toml"][..], &["run", "q.toml", "--device", "cpu"]] {
        let ended = fixture.emberline(command);
        assert!(ended.code != Some(0) && ended.printed().contains("two training texts of one label"), "{command:?}");
    }
    // An axis of encoders, in a file without one that is fine-tuned.
    let file = fixture.read("p.toml").replace("trainable = true\n", "").replace("lora = { rank = 2 }", "");
    let file = file.replace("contrastive = { pairs = 4, epochs = 2, batch_size = 8 }", "");
    fixture.write("q.toml", file + "[grid]\n\"train.contrastive.pairs\" = [1, 2]\n");
    let said = fixture.emberline(&["check", "q.toml"]).printed();
    assert!(said.contains("`train.contrastive.pairs` is of an encoder that is fine-tuned"), "{said}");
}
