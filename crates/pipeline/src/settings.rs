//! The types of the pipeline file, which define what a user may write.
//!
//! `schemas/pipeline.schema.json` is generated from them. The types of a section are defined in the crate that uses
//! them.

use emberline_base::record::{self, Data, Expected};
use emberline_base::{Fault, Metric, Monitor, ReplicateAxis, Task, suggest};
use emberline_embedding::Source;
use emberline_report::Question;
use emberline_statistics::Size;
use emberline_train::callback::Callbacks;
use emberline_train::settings::{Head, Optimizer, Train};
use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::checks::Checks;
use crate::name::short;

/// A pipeline file: data, embeddings, head, training, and the grid of cells to compare.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The pipeline's name, which its run folder takes: letters, digits, `-`, `_` and `.`.
    pub name: String,
    /// The seed that all randomness comes from.
    #[serde(default)]
    pub seed: u64,
    /// The texts, their labels and how they are divided.
    pub data: emberline_dataset::Settings,
    /// The embedding sources, `[embedding.NAME.KIND]`.
    pub embedding: IndexMap<String, Source>,
    /// The layers between embedding and output.
    #[serde(default)]
    pub head: Head,
    /// How the head is fitted.
    #[serde(default)]
    pub train: Train,
    /// What watches the epochs.
    #[serde(default)]
    pub callbacks: Callbacks,
    /// What of the rows is stored for reports; no result depends on it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub report: Option<Report>,
    /// What the settings are judged by, once all cells are done, and how the model that classifies is made; no cell depends on
    /// it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decide: Option<Decide>,
    /// A published number that the cells of this pipeline must come to, on average; `verify` ends with exit code 6 if they don't.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expect: Option<Expect>,
    /// Which warnings end a command, and which aren't shown; no cell depends on it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checks: Option<Checks>,
    /// The axes: each key is a dotted key of this file (`seed`, `"train.batch_size"`), `embedding` (which
    /// source), or `"embedding.KEY"` (a key of the cell's source); each value a list. The cells are their product.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    #[schemars(with = "IndexMap<String, Vec<serde_json::Value>>")]
    pub grid: IndexMap<String, toml::Value>,
}

/// The maximum number of cells that a grid may have.
pub const MAX_CELLS: usize = 100_000;

/// `[report]`: what of the rows is stored beside the results.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Report {
    /// Whether the first 300 characters of each validation and test text are stored in the run folder.
    pub texts: bool,
    /// Whether each cell's logits of the validation and test rows are stored; when left out: if they take at most 64 MB a cell.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub predictions: Option<bool>,
}

/// `[decide]`: what settings are judged by, and how the model that classifies is made.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Decide {
    /// The metric that settings are judged by, such as `val_pr_auc`; when left out, the main metric of the task. Settings are chosen
    /// by its values on the validation rows, and compared by those on the test rows if there are any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metric: Option<Monitor>,
    /// The difference that doesn't matter, in units of the metric: the smallest setting that is not worse than any other by this much
    /// is named, and takes the place of the best one in `predict`, `export` and the refit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub margin: Option<f64>,
    /// What "small" means; the first size that differs decides.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prefer: Option<Vec<Size>>,
    /// Whether the best setting is trained once more on all rows when the run is finished: for the median of its replicates'
    /// best epochs and, in a binary task, with the threshold of their pooled scores. `predict` then takes this model.
    pub refit: bool,
}

/// `[expect]`: a published number. All cells are replicates of one setting, and the mean of their metric is compared.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Expect {
    /// Where the number was published: a paper, a leaderboard and its version.
    pub source: String,
    /// The metric as records name it, such as `test_accuracy`.
    pub metric: String,
    /// The published value.
    pub value: f64,
    /// How far the mean may be off.
    pub tolerance: f64,
}

/// Maximum size of a cell's predictions that are stored by default, in bytes.
const MAX_DEFAULT_PREDICTIONS: u64 = 64_000_000;

impl Default for Report {
    fn default() -> Self {
        Self { texts: true, predictions: None }
    }
}

impl Report {
    /// Returns whether predictions of this many bytes per cell are stored.
    pub fn keeps_predictions(self, bytes: u64) -> bool {
        bytes > 0 && self.predictions.unwrap_or(bytes <= MAX_DEFAULT_PREDICTIONS)
    }

    /// Returns the size of a cell's predictions in bytes: a 32-bit logit per held-out row and output.
    pub fn predictions_size(data: &Data) -> u64 {
        let outputs = if data.task == Task::Binary { 1 } else { data.classes.len() };
        let held_out = [&data.splits.valid, &data.splits.test].into_iter().flatten();
        held_out.map(|split| 4 * (split.rows * outputs) as u64).sum()
    }
}

impl Settings {
    /// Returns whether the best setting is to be trained once more on all rows.
    pub(crate) fn asks_for_refit(&self) -> bool {
        self.decide.as_ref().is_some_and(|decide| decide.refit)
    }

    /// Returns what the settings of a run are judged by.
    pub(crate) fn question(&self) -> Question {
        let Decide { metric, margin, prefer, .. } = self.decide.clone().unwrap_or_default();
        let prefer = prefer.unwrap_or_else(|| vec![Size::Dim, Size::Bytes]);
        let decide = emberline_statistics::Decide { margin, prefer };
        Question { metric: metric.map(|metric| metric.metric), decide, sequential: false }
    }

    /// Returns what is made of warnings.
    pub(crate) fn checks(&self) -> Checks {
        self.checks.clone().unwrap_or_default()
    }

    /// Returns the faults that types can't express, by dotted key; `[grid]` is checked elsewhere.
    pub(crate) fn faults(&self) -> Vec<Fault> {
        let mut faults = Vec::new();
        if !is_name(&self.name) {
            let hint = "use letters, digits, `-`, `_` and `.`, and begin with a letter or digit";
            faults.push(Fault::new("name", format!("`{}` can't name a run folder", short(&self.name)), hint));
        }
        if self.embedding.is_empty() {
            let hint = "add one, such as [embedding.small.hashing]";
            faults.push(Fault::new("embedding", "there is no embedding", hint).related_to("embedding"));
        }
        for name in self.embedding.keys().filter(|name| !is_name(name) || name.contains('.')) {
            let hint = "use letters, digits, `-` and `_`, and begin with a letter or digit";
            faults.push(Fault::new(named(name), format!("`{}` can't name an embedding", short(name)), hint));
        }
        let below = |faults: Vec<Fault>, table: &'static str| faults.into_iter().map(move |f| f.below(table));
        faults.extend(below(self.data.faults(), "data"));
        faults.extend(below(self.head.faults(), "head"));
        faults.extend(below(self.train.faults(), "train"));
        faults.extend(below(self.callbacks.faults(), "callbacks"));
        for (name, source) in &self.embedding {
            let table = format!("embedding.{name}.{}", source.kind());
            faults.extend(source.faults().into_iter().map(|f| f.below(&table)));
        }
        faults.extend(monitor_faults(&self.callbacks, &self.data));
        faults.extend(self.checks.iter().flat_map(|checks| below(checks.faults(), "checks")));
        faults.extend(self.decide.iter().flat_map(Decide::faults));
        faults.extend(self.expect.iter().flat_map(|expect| expect.faults(&self.grid)));
        faults.extend(self.lbfgs_faults());
        faults
    }

    /// Reports settings that L-BFGS can't follow, if the file itself sets it. If it is a value of an axis, such settings are those
    /// of the other values.
    fn lbfgs_faults(&self) -> Vec<Fault> {
        let Optimizer::Lbfgs(_) = self.train.optimizer else { return Vec::new() };
        let fault = |key: &str, message: &str, hint: &str| Fault::new(key, message, hint).related_to("train.optimizer");
        let mut faults = Vec::new();
        if !self.head.layers.is_empty() {
            let message = "`lbfgs` fits a linear classifier, and the head has layers";
            faults.push(fault("head.layers", message, "set `layers = []`, or use another optimizer, such as adam"));
        }
        let Train { epochs, batch_size, shuffle, .. } = Train::default();
        let set = [
            ("epochs", self.train.epochs != epochs),
            ("batch_size", self.train.batch_size != batch_size),
            ("shuffle", self.train.shuffle != shuffle),
        ];
        for (key, _) in set.into_iter().filter(|(_, is_set)| *is_set) {
            let message = format!("`{key}` has no effect: `lbfgs` uses all rows in every iteration");
            let hint = "leave it out; `train.optimizer.lbfgs.max_iterations` limits the iterations";
            faults.push(fault(&format!("train.{key}"), &message, hint));
        }
        let Callbacks { early_stopping, checkpoint, reduce_lr_on_plateau, .. } = &self.callbacks;
        let watching = [
            ("early_stopping", early_stopping.is_some()),
            ("checkpoint", checkpoint.is_some()),
            ("reduce_lr_on_plateau", reduce_lr_on_plateau.is_some()),
        ];
        for (key, _) in watching.into_iter().filter(|(_, is_set)| *is_set) {
            let message = format!("`{key}` has no effect: `lbfgs` has no epochs, it converges");
            faults.push(fault(&format!("callbacks.{key}"), &message, "leave it out"));
        }
        faults
    }
}

impl Expect {
    fn faults(&self, grid: &IndexMap<String, toml::Value>) -> Vec<Fault> {
        let mut faults = Vec::new();
        if !expected_metrics().any(|metric| metric == self.metric) {
            let message = format!("`{}` is no metric of validation or test rows", short(&self.metric));
            let known: Vec<String> = expected_metrics().collect();
            let nearest = suggest::nearest(&self.metric, known.iter().map(String::as_str));
            let hint = nearest
                .map_or_else(|| "use one such as `test_accuracy`".to_owned(), |name| format!("did you mean `{name}`?"));
            faults.push(Fault::new("expect.metric", message, hint));
        }
        for (key, number, is_sound) in
            [("value", self.value, self.value.is_finite()), ("tolerance", self.tolerance, self.tolerance >= 0.0)]
        {
            if !(number.is_finite() && is_sound) {
                let message = format!("{number} is no {key} of a published number");
                faults.push(Fault::new(format!("expect.{key}"), message, "use a finite number, such as 0.01"));
            }
        }
        let compared = grid.iter().find(|(axis, values)| {
            ReplicateAxis::of(axis).is_none() && values.as_array().is_some_and(|values| values.len() > 1)
        });
        if let Some((axis, _)) = compared {
            let message =
                format!("a published number is of one setting, and the grid compares several by `{}`", short(axis));
            faults.push(
                Fault::new("expect", message, "leave one value of the axis, or make a pipeline file of its own")
                    .related_to("grid"),
            );
        }
        faults
    }

    /// Returns what the cells of a run came to.
    pub(crate) fn outcome(&self, cells: &[record::Cell]) -> Expected {
        let value =
            |cell: &record::Cell| cell.outcome.as_ref()?.metrics.get(&self.metric).copied().filter(|v| v.is_finite());
        let values: Option<Vec<f64>> = cells.iter().map(value).collect();
        let mean = values.as_deref().filter(|values| !values.is_empty()).map(emberline_statistics::mean);
        let variance = values.as_deref().and_then(emberline_statistics::variance);
        Expected {
            source: self.source.clone(),
            metric: self.metric.clone(),
            value: self.value,
            tolerance: self.tolerance,
            mean,
            standard_deviation: variance.map(f64::sqrt),
            cells: cells.len(),
            holds: mean.is_some_and(|mean| (mean - self.value).abs() <= self.tolerance),
        }
    }
}

/// Returns the names of the metrics that `[expect]` may name.
fn expected_metrics() -> impl Iterator<Item = String> {
    let comparable = || Metric::ALL.into_iter().filter(|metric| metric.is_comparable());
    ["val", "test"].into_iter().flat_map(move |split| comparable().map(move |metric| format!("{split}_{metric}")))
}

impl Decide {
    fn faults(&self) -> Vec<Fault> {
        let mut faults = Vec::new();
        if let Some(metric) = self.metric.filter(|metric| !metric.valid) {
            let message =
                format!("`{metric}` is a metric of the training rows, which can't tell which setting is best");
            faults.push(Fault::new("decide.metric", message, format!("use `val_{}`", metric.metric)));
        }
        if let Some(margin) = self.margin.filter(|margin| !(margin.is_finite() && *margin > 0.0)) {
            let message = format!("a margin of {margin} is no difference that doesn't matter");
            faults.push(Fault::new("decide.margin", message, "use a number above 0, such as 0.005, or leave it out"));
        }
        faults
    }
}

/// Returns the key of an embedding, or of all embeddings if its name can't be part of a dotted key.
fn named(name: &str) -> String {
    if name.contains('.') { "embedding".to_owned() } else { format!("embedding.{name}") }
}

/// Reports callbacks that monitor validation metrics although there is no validation split.
pub(crate) fn monitor_faults(callbacks: &Callbacks, data: &emberline_dataset::Settings) -> Vec<Fault> {
    if has_valid(data) {
        return Vec::new();
    }
    let watching = callbacks.monitors().into_iter().filter(|(_, monitor)| monitor.valid);
    watching
        .map(|(key, monitor)| {
            let message = format!("`{monitor}` needs validation rows, and there are none");
            let hint = "set `valid` in [data.split], or monitor `loss`";
            let fault = Fault::new(format!("callbacks.{key}"), message, hint);
            ["data.split", "data.valid"].into_iter().fold(fault, Fault::related_to)
        })
        .collect()
}

/// Returns whether there will be validation rows: from a file, an amount, or the default if no amount is given. A file
/// of explicit rows may list some.
fn has_valid(data: &emberline_dataset::Settings) -> bool {
    let split = &data.split;
    data.valid.is_some() || split.valid.is_some() || split.rows.is_some() || split.gives_no_amount()
}

/// Returns why a source can't be trained with these settings, if the settings alone tell; `plan` reports it and leaves
/// the combination out.
pub(crate) fn impossible(name: &str, source: &Source, head: &Head, train: &Train) -> Option<String> {
    if let Optimizer::Lbfgs(_) = train.optimizer {
        return impossible_by_lbfgs(name, source, head);
    }
    (source.trainable() && !train.optimizer.leaves_untouched_rows()).then(|| {
        format!(
            "`{name}` can't be trained with weight decay, which moves the rows of its table that never occur; \
             use adam, or set weight_decay = 0"
        )
    })
}

/// Returns why L-BFGS can't fit a head on a source.
fn impossible_by_lbfgs(name: &str, source: &Source, head: &Head) -> Option<String> {
    let what = if source.trainable() {
        "can't be fine-tuned by lbfgs, which fits a linear classifier on frozen vectors; use `trainable = false`, or adam"
    } else if !head.layers.is_empty() {
        "is left out: lbfgs fits a linear classifier, and the head has layers; use `layers = []`, or adam"
    } else {
        return None;
    };
    Some(format!("`{name}` {what}"))
}

/// Returns whether a text can be the name of a folder on every system.
pub(crate) fn is_name(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    text.len() <= 100 && text.chars().all(plain) && text.starts_with(|c: char| c.is_ascii_alphanumeric())
}
