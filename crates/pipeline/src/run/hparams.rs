//! Hyperparameters and metrics for TensorBoard's HParams page, which compares cells.

use emberline_base::record::Summary;
use emberline_base::{Metric, record};
use emberline_report::metric_names;
use emberline_tensorboard::{Experiment, HParam, MetricInfo};

use crate::plan::{Cell, Plan};

/// Returns a cell's hyperparameters: its axes, the embedding, whether it is fine-tuned, and the seed.
pub(super) fn hparams(cell: &Cell) -> Vec<(String, HParam)> {
    let mut hparams: Vec<(String, HParam)> =
        cell.axes.iter().map(|(key, value)| (key.to_owned(), hparam(value))).collect();
    let (name, source) = cell.source();
    for (key, value) in [
        ("embedding", HParam::Text(name.to_owned())),
        ("embedding.trainable", HParam::Bool(source.trainable())),
        ("seed", HParam::Number(cell.settings.seed as f64)),
    ] {
        if !cell.axes.has(key) {
            hparams.push((key.to_owned(), value));
        }
    }
    hparams
}

fn hparam(value: &serde_json::Value) -> HParam {
    match value {
        serde_json::Value::Bool(value) => HParam::Bool(*value),
        serde_json::Value::Number(number) => HParam::Number(number.as_f64().unwrap_or(f64::NAN)),
        serde_json::Value::String(text) => HParam::Text(text.clone()),
        other => HParam::Text(other.to_string()),
    }
}

/// Returns the experiment that the HParams page shows: the hyperparameters of all cells, and the metrics of their best
/// epochs. Before any cell has ended, these are the headline metrics; with a summary, all metrics that were measured.
pub(super) fn experiment(plan: &Plan, data: &record::Data, summary: Option<&Summary>) -> Experiment {
    let sessions: Vec<_> = plan.cells.iter().map(hparams).collect();
    let measured = summary.map(metric_names).filter(|names| !names.is_empty());
    let metrics = measured.unwrap_or_else(|| expected_metrics(data));
    let metrics = metrics.iter().map(|name| MetricInfo::result(name)).collect();
    Experiment::of(sessions.iter().map(Vec::as_slice), metrics)
}

/// Returns the metrics that cells will have at least.
fn expected_metrics(data: &record::Data) -> Vec<String> {
    let names = |prefix: &'static str| {
        let headlines = Metric::ALL.into_iter().filter(|metric| metric.is_headline());
        headlines.map(move |metric| format!("{prefix}{metric}"))
    };
    let valid = data.splits.valid.iter().flat_map(|_| names("val_"));
    let test = data.splits.test.iter().flat_map(|_| names("test_"));
    let train = Metric::ALL.into_iter().filter(|metric| metric.is_measured_in_training());
    train.map(|metric| metric.name().to_owned()).chain(valid).chain(test).collect()
}
