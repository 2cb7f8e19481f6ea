//! Whole logs, read by TensorBoard's own reader and HParams backend (`read_back.py`).
//!
//! They need a Python with `tensorboard`: the one that `EMBERLINE_TENSORBOARD_PYTHON` names, or `python3`; without
//! one the tests are skipped.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Output};

use emberline_base::record::Epoch;
use emberline_base::{Metric, Scores};
use emberline_tensorboard::{
    Evaluation, Experiment, HParam, LogFolders, MetricInfo, RunLog, SessionStatus, write_evaluation, write_experiment,
};
use emberline_test_support::{Requirement, named, skip};
use tfevents::{Clock, EventFile};

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/read_back.py");

/// Returns what TensorBoard reads in `folder`, sorted; `None` without TensorBoard.
fn read_back(folder: &Path) -> Option<Vec<String>> {
    let named = named(Requirement::Tensorboard);
    let python = named.as_deref().unwrap_or(Path::new("python3"));
    let run =
        |argument: &Path| Command::new(python).arg(SCRIPT).arg(argument).env("TF_CPP_MIN_LOG_LEVEL", "3").output();
    let works = |output: &Output| output.status.success();
    if named.is_none() && !run(Path::new("--check")).as_ref().is_ok_and(works) {
        skip(Requirement::Tensorboard, "event files as TensorBoard reads them: `python3` can't import tensorboard");
        return None;
    }
    let output = run(folder).expect("EMBERLINE_TENSORBOARD_PYTHON names a Python");
    assert!(works(&output), "{}", String::from_utf8_lossy(&output.stderr));
    let lines = String::from_utf8(output.stdout).expect("UTF-8");
    Some(lines.lines().map(str::to_owned).collect())
}

fn scalar(run: &str, tag: &str, step: u64, value: f64) -> String {
    format!("scalar\t{run}\t{tag}\t{step}\t{:08x}", (value as f32).to_bits())
}

/// Returns scores of one epoch that no other epoch has.
fn scores(seed: f64) -> Scores {
    Scores::from([(Metric::Loss, seed), (Metric::Accuracy, seed + 0.1), (Metric::PrAuc, seed / 3.0)])
}

fn epoch(number: u32, seed: f64, valid: bool) -> Epoch {
    let valid = valid.then(|| scores(seed + 0.01));
    Epoch { epoch: number, learning_rate: 1e-4, seconds: 1.0, train: scores(seed), valid }
}

fn settings(embedding: &str, rate: HParam, trainable: bool, dim: f64) -> Vec<(String, HParam)> {
    let named = [("embedding", embedding.into()), ("rate", rate), ("trainable", trainable.into()), ("dim", dim.into())];
    named.map(|(name, value)| (name.to_owned(), value)).to_vec()
}

/// Returns the points that Keras would log for an epoch.
fn points(cell: &str, epoch: &Epoch, iterations: u64) -> Vec<String> {
    let step = u64::from(epoch.epoch) - 1;
    let mut points = vec![scalar(&format!("{cell}/train"), "epoch_learning_rate", step, epoch.learning_rate)];
    for (metric, &value) in &epoch.train {
        points.push(scalar(&format!("{cell}/train"), &format!("epoch_{metric}"), step, value));
    }
    for (metric, &value) in epoch.valid.iter().flatten() {
        let run = format!("{cell}/validation");
        points.push(scalar(&run, &format!("epoch_{metric}"), step, value));
        points.push(scalar(&run, &format!("evaluation_{metric}_vs_iterations"), iterations, value));
    }
    points
}

#[test]
fn tensorboard_reads_every_point_and_compares_the_cells() {
    let folder = tempfile::tempdir().expect("a folder");
    let cells = [
        ("swivel-s1", "swivel", settings("swivel", 0.5.into(), false, 20.0)),
        ("swivel-s2", "swivel", settings("swivel", 0.5.into(), false, 20.0)),
        ("nnlm-s1", "nnlm", settings("nnlm", "auto".into(), true, 50.0)),
    ];
    let metrics = vec![MetricInfo::result("val_loss"), MetricInfo::last(Metric::Loss, true)];
    let own = tempfile::tempdir().expect("a folder");
    let experiment = Experiment::of(cells.iter().map(|(.., hparams)| hparams.as_slice()), metrics);
    for _ in 0..2 {
        write_experiment(folder.path(), &experiment).expect("written"); // the second replaces the first
    }
    let mut expected = vec![
        "experiment\thparam\tdim\tDATA_TYPE_FLOAT64\t[20.0, 50.0]\tTrue".to_owned(),
        "experiment\thparam\tembedding\tDATA_TYPE_STRING\t[\"nnlm\", \"swivel\"]\tTrue".into(),
        "experiment\thparam\trate\tDATA_TYPE_STRING\t[\"0.5\", \"auto\"]\tTrue".into(),
        "experiment\thparam\ttrainable\tDATA_TYPE_BOOL\t[false, true]\tTrue".into(),
        "experiment\tmetric\t\tresult/val_loss\tval_loss".into(),
        "experiment\tmetric\tvalidation\tepoch_loss\tval_loss (last epoch)".into(),
    ];
    for (index, (cell, group, hparams)) in cells.iter().enumerate() {
        let seed = 0.25 * (index + 1) as f64;
        let clock = Clock::Fixed(1.7e9 + index as f64);
        let path = folder.path().join(cell);
        let folders = LogFolders { own: own.path().join(cell), shown: path };
        let mut log = RunLog::create_at(&folders, group, &experiment.typed(hparams), clock).expect("a log");
        for number in 1..=3 {
            let epoch = epoch(number, seed / f64::from(number), number != 2);
            log.epoch(&epoch, u64::from(number) * 409).expect("logged");
            expected.extend(points(cell, &epoch, u64::from(number) * 409));
        }
        let status = if index < 2 { SessionStatus::Success } else { SessionStatus::Failure };
        let (end, metrics) = match status {
            SessionStatus::Success => ("SUCCESS", BTreeMap::from([("val_loss".to_owned(), seed)])),
            SessionStatus::Failure => ("FAILURE", BTreeMap::new()),
        };
        expected.extend(metrics.iter().map(|(name, &value)| scalar(cell, &format!("result/{name}"), 1, value)));
        log.finish(status, 2, &metrics).expect("finished");
        let time = clock.seconds();
        expected.push(format!("session\t{group}\t{cell}\tSTATUS_{end}\t{time:?}\t{time:?}"));
    }
    let mean_last = f64::midpoint(f64::from((0.25_f64 / 3.0 + 0.01) as f32), f64::from((0.5_f64 / 3.0 + 0.01) as f32));
    expected.extend([
        "group\tnnlm\t{\"dim\": 50.0, \"embedding\": \"nnlm\", \"rate\": \"auto\", \"trainable\": true}".to_owned(),
        "group\tswivel\t{\"dim\": 20.0, \"embedding\": \"swivel\", \"rate\": \"0.5\", \"trainable\": false}".into(),
        "metric\tswivel\t\tresult/val_loss\t1\t0.375".into(),
        format!("metric\tswivel\tvalidation\tepoch_loss\t2\t{mean_last}"),
        format!("metric\tnnlm\tvalidation\tepoch_loss\t2\t{}", f64::from((0.25_f64 + 0.01) as f32)),
    ]);
    expected.sort_unstable();
    let Some(read) = read_back(folder.path()) else { return };
    assert_eq!(read, expected);
}

#[test]
fn tensorboard_reads_curves_histograms_and_mistakes_of_a_finished_cell() {
    let folder = tempfile::tempdir().expect("a folder");
    let cell = folder.path().join("tiny-frozen-s1");
    let own = tempfile::tempdir().expect("a folder");
    let folders = LogFolders { own: own.path().to_owned(), shown: cell };
    let log = RunLog::create_at(&folders, "", &[], Clock::Fixed(1.7e9)).expect("a log");
    log.finish(SessionStatus::Success, 3, &BTreeMap::new()).expect("finished");
    let row = |fields: [&str; 2]| fields.map(str::to_owned).to_vec();
    let evaluation = Evaluation {
        curves: vec![("pr_curve/validation".to_owned(), vec![(0.1, false), (0.4, true), (0.9, true), (1.0, true)])],
        histograms: vec![("weights/head.output.kernel".to_owned(), vec![-1.0, 0.0, 0.5, 2.0])],
        tables: vec![(
            "mistakes/validation".to_owned(),
            vec![row(["is", "text"]), row(["1", "<script>*a*</script>\n[b](http://c)"])],
        )],
    };
    write_evaluation(own.path(), 3, &evaluation).expect("written");
    let Some(read) = read_back(folder.path()) else { return };
    let facts: Vec<&String> =
        read.iter().filter(|fact| !fact.starts_with("session") && !fact.starts_with("group")).collect();
    let (curve, histogram, text) = (facts[1], facts[0], facts[2]);
    assert_eq!(facts.len(), 3, "{read:?}");
    assert_eq!(curve, "pr_curves\ttiny-frozen-s1\tpr_curve/validation\t2\t[6, 201]\t3.0\t0.3333333432674408");
    assert_eq!(histogram, "histograms\ttiny-frozen-s1\tweights/head.output.kernel\t2\t[30, 3]\t4.0");
    assert!(text.starts_with("text\ttiny-frozen-s1\tmistakes/validation\t2\t[2, 2]\t"), "{text}");
    // The page shows the text itself: no element, no emphasis, no link.
    assert!(text.contains("&lt;script&gt;*a*&lt;/script&gt; [b](http://c)"), "{text}");
}

#[test]
fn tensorboard_reads_odd_values_and_large_steps() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut events = EventFile::create(&folder.path().join("all"), "tests").expect("a file");
    let points = [(0, f64::NAN), (1, f64::INFINITY), (2, -0.0), (3, 1e300), (u64::from(u32::MAX) + 1, 0.5)];
    for (step, value) in points {
        events.scalar(step, "odd", value).expect("written");
    }
    events.flush().expect("written");

    let Some(read) = read_back(folder.path()) else { return };
    // A 32-bit float can't hold 1e300, which is therefore written as infinity.
    let mut expected = points.map(|(step, value)| scalar("all", "odd", step, value));
    expected.sort_unstable();
    assert_eq!(read, expected);
}

#[test]
fn tensorboard_drops_what_a_restart_voids_and_reads_two_files_of_one_second() {
    let folder = tempfile::tempdir().expect("a folder");
    let run = folder.path().join("run");
    let clock = Clock::Fixed(1.7e9);
    let mut stopped = EventFile::create_at(&run, "tests", clock).expect("a file");
    (0..5).try_for_each(|step| stopped.scalar(step, "loss", 1.0)).expect("written");
    stopped.flush().expect("written");
    let mut resumed = EventFile::create_at(&run, "tests", clock).expect("another file");
    resumed.restart(2).expect("written");
    (2..4).try_for_each(|step| resumed.scalar(step, "loss", 0.5)).expect("written");
    resumed.flush().expect("written");

    let Some(read) = read_back(folder.path()) else { return };
    let expected = [(0, 1.0), (1, 1.0), (2, 0.5), (3, 0.5)].map(|(step, value)| scalar("run", "loss", step, value));
    assert_eq!(read, expected);
}

#[test]
fn tensorboard_reads_up_to_a_tail_that_breaks_off() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut events = EventFile::create(&folder.path().join("run"), "tests").expect("a file");
    (0..3).try_for_each(|step| events.scalar(step, "loss", 1.0)).and_then(|()| events.flush()).expect("written");
    let bytes = std::fs::read(events.path()).expect("readable");
    std::fs::write(events.path(), &bytes[..bytes.len() - 5]).expect("cut");

    let Some(read) = read_back(folder.path()) else { return };
    assert_eq!(read, [0, 1].map(|step| scalar("run", "loss", step, 1.0)));
}
