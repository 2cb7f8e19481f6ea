//! Equal bytes of records, weights, logs and reports, but for stated times: for one thread and two, in any order of cells,
//! whichever ran first, with a cold cache and a warm one. Over every kind of source, under every callback.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use emberline_tests::run_files::{differences, now, without_times};
use emberline_tests::sources::{Small, callbacks, every_kind, labelled};
use emberline_tests::{Ended, Fixture, Pipeline, end};
use serde_json::Value;

/// The files of a run by their paths, without times.
type Files = BTreeMap<PathBuf, Vec<u8>>;

/// Every callback, so that early stopping and smaller steps come in some cells' way.
const CALLBACKS: &str = r#"
[callbacks.early_stopping]
monitor = "val_loss"
patience = 2
[callbacks.checkpoint]
monitor = "val_pr_auc"
[callbacks.reduce_lr_on_plateau]
monitor = "val_loss"
factor = 0.5
patience = 1
[callbacks.terminate_on_nan]
[callbacks.tensorboard]
[callbacks.csv_logger]
[callbacks.epoch_dots]
report_every = 2
"#;

const SEEDS: &str = "[1, 2]";
const TRAINABLE: &str = "[false, true]";
const ROWS: &str = "[30, 44]";

/// A folder with data of 80 rows, some of them twice, and a pipeline over every source.
struct Folder {
    fixture: Fixture,
    sources: Vec<Small>,
}

impl Folder {
    fn new() -> Self {
        let mut rows = labelled("text", 76);
        rows.extend_from_within(..4);
        let fixture = Fixture::empty().rows(rows);
        let sources = every_kind(fixture.path());
        Self { fixture, sources }
    }

    /// Writes a pipeline with the lines of `[grid]`.
    fn pipeline(&self, name: &str, grid: &[(&str, String)]) {
        let grid: String = grid.iter().map(|(axis, values)| format!("{axis} = {values}\n")).collect();
        let pipeline = Pipeline::new("determinism")
            .top("seed = 1")
            .data("split = { valid = 20, test = 12 }")
            .sources(&self.sources)
            .toml(
                r#"
                [head]
                layers = [{ dense = 8, activation = "relu" }, { dropout = 0.2 }, { dense = 5 }]
                [train]
                epochs = 7
                batch_size = 8
                optimizer = { adam = { learning_rate = 0.03 } }
                "#,
            )
            .toml(CALLBACKS)
            .section("grid", &grid);
        self.fixture.write(name, pipeline.to_string());
    }

    /// The axes as in the first pipeline.
    fn axes(&self) -> [(&'static str, String); 4] {
        let names: Vec<&str> = self.sources.iter().map(|source| source.name).collect();
        [
            ("embedding", format!("{names:?}")),
            ("\"embedding.trainable\"", TRAINABLE.to_owned()),
            ("\"data.split.train\"", ROWS.to_owned()),
            ("seed", SEEDS.to_owned()),
        ]
    }

    /// Runs a pipeline on so many threads, and with a cache of its own.
    fn run(&self, pipeline: &str, threads: Threads, cache: &str, out: &str, only: &[String]) -> Ended {
        let mut command =
            self.fixture.command(&["run", pipeline, "--device", "cpu", "--jobs", threads.jobs, "--out", out]);
        command.env("EMBERLINE_CACHE_DIR", self.fixture.join(cache)).env("RAYON_NUM_THREADS", threads.rayon);
        let ended = end(command.args(only.iter().flat_map(|id| ["--only", id])));
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
        ended
    }
}

/// How many cells at a time, and how many threads for what is done side by side within one.
#[derive(Clone, Copy)]
struct Threads {
    jobs: &'static str,
    rayon: &'static str,
}

const ONE: Threads = Threads { jobs: "1", rayon: "1" };
const TWO: Threads = Threads { jobs: "2", rayon: "2" };

/// Reverses the values of an axis.
fn reversed(values: &str) -> String {
    let mut values: Vec<&str> = values.trim_matches(['[', ']']).split(", ").collect();
    values.reverse();
    format!("[{}]", values.join(", "))
}

/// What belongs to cells alone: the summary and the reports follow the order of the axes.
fn of_cells(files: &Files) -> Files {
    let of_a_cell =
        |path: &&Path| path.starts_with("cells") || path.starts_with("tensorboard") && path.iter().count() > 2;
    let kept = files.iter().filter(|(path, _)| of_a_cell(&path.as_path()));
    kept.map(|(path, bytes)| (path.clone(), bytes.clone())).collect()
}

/// Cells by their settings, whatever their ids are: what they have come to.
fn outcomes(summary: &Value) -> BTreeMap<String, Value> {
    let outcome = |cell: &Value| {
        let settings: BTreeMap<String, Value> = serde_json::from_value(cell["settings"].clone()).expect("settings");
        let of = ["metrics", "digests", "epochs", "best_epoch", "stopped"].map(|key| cell[key].clone());
        (format!("{settings:?}"), Value::from(of.to_vec()))
    };
    summary["cells"].as_array().expect("cells").iter().map(outcome).collect()
}

/// What would make the test empty: a callback that is missing or never does anything, a source that is left out.
fn assert_all_take_part(folder: &Folder, summary: &Value) {
    let table = CALLBACKS.parse::<toml::Table>().expect("TOML");
    let here = table["callbacks"].as_table().expect("a table").keys().cloned();
    assert_eq!(here.collect::<BTreeSet<String>>(), callbacks(), "every callback");
    let cells = summary["cells"].as_array().expect("cells");
    let tuned = folder.sources.iter().filter(|source| source.trainable).count();
    assert_eq!(cells.len(), 4 * (folder.sources.len() + tuned));
    let stopped = cells.iter().filter(|cell| cell["stopped"] == "early_stopping").count();
    assert!((1..cells.len()).contains(&stopped), "{stopped} of {} stopped early", cells.len());
    let slower = |cell: &&Value| {
        let id = cell["id"].as_str().expect("an id");
        folder.fixture.read(format!("base/cells/{id}/history.csv")).contains(",0.015,")
    };
    assert!(cells.iter().filter(slower).count() > 0, "no step size was made smaller");
}

fn ids<'c>(cells: impl Iterator<Item = &'c Value>) -> Vec<String> {
    cells.map(|cell| cell["id"].as_str().expect("an id").to_owned()).collect()
}

/// Runs on one thread and on two, with a cold cache and then with the first one's.
fn run_wide_and_warm(folder: &Folder) {
    let cold = folder.run("pipeline.toml", ONE, "cold", "base", &[]);
    let wide = folder.run("pipeline.toml", TWO, "other", "wide", &[]);
    let warm = folder.run("pipeline.toml", Threads { jobs: "1", rayon: "2" }, "cold", "warm", &[]);
    for (ended, encodes) in [(&cold, true), (&wide, true), (&warm, false)] {
        assert_eq!(ended.stderr.contains("texts encoded"), encodes, "{}", ended.stderr);
    }
    assert!(warm.stderr.contains("texts from the cache"), "{}", warm.stderr);
}

/// Runs three cells first, then the others. Two of the three are of one source that learned from other rows, so that what
/// was made for the one lies ready when the other's turn comes.
fn run_in_pieces(folder: &Folder, summary: &Value) {
    let learned = |cell: &&Value| cell["embedding"] == "corpus" && cell["trainable"] == false && cell["seed"] == 1;
    let cells = summary["cells"].as_array().expect("cells");
    let some: Vec<String> = ids(cells.iter().filter(learned).chain(cells.last()));
    let first = folder.run("pipeline.toml", TWO, "third", "pieces", &some);
    assert!(first.stderr.contains("3 cells trained"), "{}", first.stderr);
    folder.run("pipeline.toml", Threads { jobs: "2", rayon: "1" }, "third", "pieces", &[]);
}

/// Runs with the values of each axis in reverse, and with the axes in reverse.
fn run_in_other_orders(folder: &Folder) {
    let mut axes = folder.axes();
    folder.pipeline("backwards.toml", &axes.each_ref().map(|(axis, values)| (*axis, reversed(values))));
    folder.run("backwards.toml", TWO, "fourth", "backwards", &[]);
    axes.reverse();
    folder.pipeline("turned.toml", &axes);
    folder.run("turned.toml", ONE, "fifth", "turned", &[]);
}

#[test]
fn every_byte_but_times_is_the_same_however_the_cells_are_run() {
    let folder = Folder::new();
    let begun = now();
    folder.pipeline("pipeline.toml", &folder.axes());
    run_wide_and_warm(&folder);
    let summary = folder.fixture.summary("base");
    assert_all_take_part(&folder, &summary);
    run_in_pieces(&folder, &summary);
    run_in_other_orders(&folder);
    // An id holds the order of the axes, and so do the settings in a record.
    assert_eq!(outcomes(&summary), outcomes(&folder.fixture.summary("turned")), "axes in another order");

    let during = begun..=now();
    let files = |out: &str| without_times(&folder.fixture.join(out), &during);
    let base = files("base");
    assert!(base.len() > 8 * summary["cells"].as_array().map_or(0, Vec::len), "{} files", base.len());
    for out in ["wide", "warm", "pieces"] {
        assert_eq!(differences(&base, &files(out)), Vec::<PathBuf>::new(), "{out}");
    }
    assert_eq!(differences(&of_cells(&base), &of_cells(&files("backwards"))), Vec::<PathBuf>::new(), "backwards");
}
