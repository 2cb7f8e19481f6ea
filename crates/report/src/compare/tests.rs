//! Tests comparisons of artificial runs.

use emberline_base::{Digest, Task};
use indexmap::IndexMap;
use serde_json::{Value, json};

use super::*;
use crate::{Error, Run, sample};

/// Makes a side from a run in memory.
fn side(run: &Run, name: &str) -> Side {
    let cells = run.summary.cells.iter().map(|cell| SideCell {
        id: cell.id.clone(),
        axes: cell.settings.clone(),
        settings: json!({
            "seed": cell.seed, "data": {"label": "target"}, "train": {"epochs": 5},
            "embedding": {"name": cell.embedding, "kind": cell.source, "trainable": cell.trainable},
        }),
        metrics: cell.outcome.as_ref().map(|outcome| outcome.metrics.clone()).unwrap_or_default(),
        made_from: cell.made_from(),
    });
    Side { name: name.to_owned(), task: run.summary.data.task, cells: cells.collect(), run: None }
}

/// A side with two embeddings, three seeds of the split and two seeds of training, all cells done.
fn splits() -> Side {
    side(&sample::of_splits(), "runs/a")
}

fn compared(first: &Side, second: &Side) -> Comparison {
    compare(first, second, &Options::default()).expect("a metric")
}

fn with_margin(first: &Side, second: &Side, margin: f64) -> Comparison {
    compare(first, second, &Options { margin, ..Options::default() }).expect("a metric")
}

/// Adds to a metric of the cells of an embedding.
fn add(side: &mut Side, embedding: &str, metric: &str, amount: f64) {
    for cell in side.cells.iter_mut().filter(|cell| cell.axes["embedding"] == embedding) {
        *cell.metrics.get_mut(metric).expect("the metric") += amount;
    }
}

fn verdicts(comparison: &Comparison) -> Vec<Verdict> {
    comparison.settings.iter().map(|pair| pair.verdict).collect()
}

#[test]
fn a_run_equals_itself() {
    let comparison = compared(&splits(), &splits());
    assert_eq!((comparison.metric.as_str(), comparison.same_data), ("val_pr_auc", Some(true)));
    assert_eq!(verdicts(&comparison), [Verdict::Equal, Verdict::Equal]);
    assert!(comparison.passes(Gate::Worse) && comparison.settings.iter().all(|pair| pair.changes.is_empty()));
    assert_eq!(rows(&comparison)[1][6], "equal");
    assert!(heading(&comparison)[0].starts_with("same data"));
}

#[test]
fn replicates_are_averaged_and_paired() {
    let (first, mut second) = (splits(), splits());
    add(&mut second, "nnlm-128", "val_pr_auc", -0.02);
    let comparison = compared(&first, &second);
    assert_eq!(verdicts(&comparison), [Verdict::Equal, Verdict::Worse]);
    let pair = &comparison.settings[1];
    let paired = pair.paired.as_ref().expect("shared replicates");
    assert_eq!((pair.label.as_str(), paired.differences.len()), ("nnlm-128", 6));
    assert!((paired.mean + 0.02).abs() < 1e-12 && (pair.difference.expect("means") + 0.02).abs() < 1e-12);
    assert!(paired.standard_deviation.expect("six differences") < 1e-12);
    assert!(!comparison.passes(Gate::Worse));
}

/// Pins the text that the terminal and a pull request show.
#[test]
fn a_comparison_reads_like_this() {
    let (first, mut second) = (splits(), splits());
    for (number, cell) in second.cells.iter_mut().enumerate() {
        cell.metrics.insert("val_pr_auc".to_owned(), 0.5 + 0.01 * number as f64);
        cell.settings["train"]["epochs"] = json!(10);
    }
    second.name = "runs/b".to_owned();
    second.cells.retain(|cell| cell.axes["embedding"] == "nnlm-128");
    let comparison = compared(&first, &second);
    let table: Vec<String> = rows(&comparison).iter().map(|row| row.join(" | ")).collect();
    let expected = [
        "same data: both were scored on the same rows",
        "first: runs/a, 12 cells",
        "second: runs/b, 6 cells",
        "by val_pr_auc: larger is better; the difference is second minus first",
        "setting | first | second | difference | paired | interval | ",
        "swivel-20 | 0.5384 ± 0.0222 (6) | - | - | - | - | unmeasured: the second lacks it",
        "nnlm-128 | 0.5923 ± 0.0146 (6) | 0.5850 ± 0.0187 (6) | −0.0073 | −0.0073 ± 0.0230 (6) | - | worse",
        "differs: train.epochs: 5 -> 10",
        "mean ± standard deviation (number of replicates); paired: the differences of equal replicates",
        "whether a difference is more than chance isn't told: that needs two runs, with five splits in common or with predictions",
    ];
    assert_eq!([heading(&comparison), table, notes(&comparison)].concat(), expected);
}

#[test]
fn a_margin_is_allowed_to_the_digit() {
    let (first, mut second) = (splits(), splits());
    add(&mut second, "nnlm-128", "val_pr_auc", -0.02);
    assert!(with_margin(&first, &second, 0.02).passes(Gate::Worse));
    assert_eq!(rows(&with_margin(&first, &second, 0.02))[2][6], "within the margin");
    assert!(!with_margin(&first, &second, 0.0199).passes(Gate::Worse));
}

/// Two runs of five splits: each difference has the test of an answer, adjusted for both settings.
#[test]
fn differences_between_runs_are_tested() {
    let of_run = |run: &Run| Side {
        run: Some(RunOfSide { summary: run.summary.clone(), dir: "no such folder".into() }),
        ..side(run, "runs/a")
    };
    let first = sample::of_five_splits();
    let mut second = first.clone();
    for (number, cell) in second.summary.cells.iter_mut().filter(|cell| cell.embedding == "nnlm-128").enumerate() {
        let value = cell.outcome.as_mut().and_then(|outcome| outcome.metrics.get_mut("val_pr_auc")).expect("a score");
        *value -= 0.05 + 0.001 * (number % 3) as f64;
    }
    let comparison = compared(&of_run(&first), &of_run(&second));
    let tests: Vec<&Test> = comparison.settings.iter().filter_map(|pair| pair.test.as_ref()).collect();
    assert_eq!(tests.iter().map(|test| (test.splits, test.told_apart)).collect::<Vec<_>>(), [(5, false), (5, true)]);
    assert!(tests[1].low < -0.05 && tests[1].high > -0.053 && tests[1].high < 0.0, "{tests:?}");
    assert!((tests[1].p_holm - 2.0 * tests[1].p).abs() < 1e-15);
    assert_eq!(rows(&comparison)[2][6], "worse, told apart");
    let notes = notes(&comparison).join("\n");
    assert!(notes.contains("answer of the first: "), "{notes}");
    let gates =
        |comparison: &Comparison| [Gate::Worse, Gate::SignificantlyWorse].map(|gate| comparison.count_worse(gate));
    assert_eq!(gates(&comparison), [1, 1]);
    // Within the interval of a difference is within chance, even if the mean is beyond the margin.
    let (mean, least) = (-comparison.settings[1].difference.expect("a difference"), -tests[1].high);
    let between = Comparison { margin: f64::midpoint(least, mean), ..comparison.clone() };
    assert!(gates(&between) == [1, 0] && between.passes(Gate::SignificantlyWorse) && !between.passes(Gate::Worse));
    // Without a test, the mean decides.
    let mut untested = between;
    untested.settings[1].test = None;
    assert_eq!(gates(&untested), [1, 1]);
    // Other rows have nothing in common.
    for outcome in second.summary.cells.iter_mut().filter_map(|cell| cell.outcome.as_mut()) {
        outcome.split.valid_rows = Some(Digest::of(b"other rows"));
    }
    assert!(compared(&of_run(&first), &of_run(&second)).settings.iter().all(|pair| pair.test.is_none()));
}

#[test]
fn a_smaller_loss_is_better() {
    let (first, mut second) = (splits(), splits());
    add(&mut second, "nnlm-128", "val_loss", -0.1);
    let options = Options { metric: Some("val_loss".to_owned()), ..Options::default() };
    let comparison = compare(&first, &second, &options).expect("a metric");
    assert!(comparison.smaller_is_better && comparison.passes(Gate::Worse));
    assert_eq!(verdicts(&comparison), [Verdict::Equal, Verdict::Better]);
    assert!(!compare(&second, &first, &options).expect("a metric").passes(Gate::Worse));
}

/// Other weights or another function make another loss of the same predictions, on one side or between the two.
#[test]
fn losses_are_not_compared_across_loss_functions_or_class_weights() {
    let by = |name: &str| Options { metric: Some(name.to_owned()), ..Options::default() };
    let (first, mut second) = (splits(), splits());
    let set = |side: &mut Side, key: &str, value: Value| {
        side.cells.iter_mut().for_each(|cell| cell.settings["train"][key] = value.clone());
    };
    set(&mut second, "loss", json!("binary_cross_entropy"));
    assert!(compare(&first, &second, &by("val_loss")).is_ok(), "the default by its name");
    for (key, value) in [
        ("loss", json!({"focal": {"gamma": 2.0}})),
        ("class_weight", json!("balanced")),
        ("sampling", json!("balanced")),
    ] {
        let mut second = splits();
        set(&mut second, key, value.clone());
        for name in ["val_loss", "loss"] {
            let error = compare(&first, &second, &by(name)).expect_err("another loss").to_string();
            assert!(error.contains(&format!("`train.{key}`")) && error.contains("`val_log_loss`"), "{error}");
        }
        assert!(compare(&first, &second, &by("val_accuracy")).is_ok());
        let mut both = splits();
        set(&mut both, key, value);
        assert!(compare(&second, &both, &by("val_loss")).is_ok(), "the same on both sides");
        let mut mixed = splits();
        mixed.cells[0].settings["train"][key] = json!("other");
        assert!(matches!(compare(&mixed, &mixed, &by("val_loss")), Err(Error::LossesDiffer { .. })), "within one side");
    }
}

/// Nothing falls back to a loss, which may be one of several.
#[test]
fn a_comparison_without_a_metric_is_never_by_the_loss() {
    let mut side = splits();
    for cell in &mut side.cells {
        cell.metrics.retain(|name, _| name.ends_with("loss"));
    }
    assert_eq!(compared(&side, &side).metric, "val_pr_auc");
    side.cells.iter_mut().for_each(|cell| _ = cell.metrics.insert("val_log_loss".to_owned(), 0.3));
    assert_eq!(compared(&side, &side).metric, "val_log_loss");
}

#[test]
fn what_is_missing_is_never_a_pass() {
    let first = splits();
    type Remove = fn(&mut Side);
    let missing: [(Remove, &str); 3] = [
        (|side| _ = side.cells[0].metrics.remove("val_pr_auc"), "one cell isn't measured"),
        (|side| _ = side.cells[0].metrics.insert("val_pr_auc".to_owned(), f64::NAN), "one is no number"),
        (|side| side.cells.retain(|cell| cell.axes["embedding"] == "nnlm-128"), "a setting is gone"),
    ];
    for (remove, what) in missing {
        let mut second = splits();
        remove(&mut second);
        let comparison = compared(&first, &second);
        assert_eq!(verdicts(&comparison), [Verdict::Unmeasured, Verdict::Equal], "{what}");
        assert!(!comparison.passes(Gate::Worse), "{what}");
        assert!(rows(&comparison)[1][6].starts_with("unmeasured"), "{what}");
    }
    let none = Side { cells: Vec::new(), ..splits() };
    assert_eq!(compared(&first, &none).same_data, None);
    assert!(!compared(&first, &none).passes(Gate::Worse) && !compared(&none, &none).passes(Gate::Worse));
    assert!(heading(&compared(&none, &none))[0].starts_with("nothing to compare"));
    let mut pending = splits();
    for cell in &mut pending.cells {
        (cell.metrics, cell.made_from) = (Default::default(), None);
    }
    assert_eq!(compared(&first, &pending).same_data, None, "rows that nothing was scored on are not the same");
    // A setting that the first side lacks is new, which doesn't count as worse.
    let mut fewer = splits();
    fewer.cells.retain(|cell| cell.axes["embedding"] == "nnlm-128");
    let comparison = compared(&fewer, &first);
    assert_eq!(verdicts(&comparison), [Verdict::Equal, Verdict::New]);
    assert!(comparison.passes(Gate::Worse));
    // Failed and pending cells of a run.
    assert!(!compared(&side(&sample::course(), "a"), &side(&sample::course(), "b")).passes(Gate::Worse));
}

#[test]
fn other_rows_are_named_first() {
    let (first, mut second) = (splits(), splits());
    let made_from = second.cells[0].made_from.as_mut().expect("it has run");
    made_from.data = Digest::of(b"other rows");
    let comparison = compared(&first, &second);
    assert_eq!(comparison.same_data, Some(false));
    let digest = Digest::of(b"other rows");
    let line = &heading(&comparison)[0];
    assert!(line.starts_with("DIFFERENT DATA: data digest") && line.contains(&digest.as_str()[..12]), "{line}");
    assert!(markdown(&comparison).starts_with("- DIFFERENT DATA"));
}

#[test]
fn an_axis_that_one_side_lacks_is_read_from_its_settings() {
    let (first, mut second) = (splits(), splits());
    let mut longer = second.clone();
    for (side, epochs) in [(&mut second, 5), (&mut longer, 10)] {
        for cell in &mut side.cells {
            cell.axes.insert("train.epochs".to_owned(), json!(epochs));
            cell.settings["train"]["epochs"] = json!(epochs);
        }
    }
    second.cells.extend(longer.cells);
    let comparison = compared(&first, &second);
    assert_eq!(verdicts(&comparison), [Verdict::Equal, Verdict::Equal, Verdict::New, Verdict::New]);
    assert_eq!(comparison.settings[0].setting["train.epochs"], 5);
    assert_eq!(comparison.settings[2].label, "swivel-20 · epochs 10");
}

#[test]
fn what_tells_no_settings_apart_is_named_as_a_change() {
    let (first, mut second) = (side(&sample::single(), "a"), side(&sample::single(), "b"));
    second.cells[0].settings["train"]["epochs"] = json!(10);
    second.cells[0].settings["data"]["path"] = json!("elsewhere.csv");
    second.cells[0].settings["embedding"]["name"] = json!("nnlm-50");
    let comparison = compared(&first, &second);
    let changed: Vec<&str> = comparison.settings[0].changes.iter().map(|change| change.what.as_str()).collect();
    assert_eq!(changed, ["embedding.name", "train.epochs"]);
    assert!(notes(&comparison).contains(&"differs: train.epochs: 5 -> 10".to_owned()), "{:?}", notes(&comparison));
}

#[test]
fn only_what_is_better_or_worse_is_compared() {
    for name in ["val_threshold", "val_f7", ""] {
        let options = Options { metric: Some(name.to_owned()), ..Options::default() };
        let error = compare(&splits(), &splits(), &options).expect_err(name);
        assert!(
            matches!(&error, Error::UnknownMetric { known, .. } if known.contains(&"val_f1".to_owned())),
            "{error}"
        );
    }
    let mut multi_class = splits();
    multi_class.task = Task::MultiClass;
    assert_eq!(compared(&multi_class, &splits()).metric, "val_accuracy");
}

/// An unescaped `|` in a field would add a column.
#[test]
fn hostile_names_stay_in_their_fields() {
    let mut hostile = splits();
    for cell in &mut hostile.cells {
        let name: Value = "a|b\u{1b}[31m\n<script>".into();
        cell.axes =
            IndexMap::from_iter([("train.x|y".to_owned(), json!(cell.id)), ("embedding".to_owned(), name.clone())]);
        cell.settings["embedding"]["name"] = name;
    }
    hostile.name = "<img>\u{202e}".to_owned();
    let text = markdown(&compared(&hostile, &hostile));
    let bars = |line: &str| line.replace("\\\\", "").replace("\\|", "").matches('|').count();
    let table: Vec<&str> = text.lines().filter(|line| line.starts_with('|')).collect();
    assert!(table.len() > 2 && table.iter().all(|line| bars(line) == 8), "{text}");
    assert!(!text.contains(['\u{1b}', '\u{202e}']) && !text.contains("<script") && !text.contains("<img"), "{text}");
}
