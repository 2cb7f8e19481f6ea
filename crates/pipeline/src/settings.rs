//! The types of the pipeline file, which define what a user may write.
//!
//! `schemas/pipeline.schema.json` is generated from them. The types of a section are defined in the crate that uses
//! them.

mod decide;
mod expect;

use emberline_base::record::Data;
use emberline_base::{Fault, Task};
use emberline_embedding::Source;
use emberline_report::Question;
use emberline_train::callback::Callbacks;
use emberline_train::settings::{Head, Optimizer, Train};
use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use self::decide::{Decide, KeepEncoders};
pub(crate) use self::decide::{decide_faults, loss_faults};
pub use self::expect::Expect;
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
    /// What the settings are judged by, how probabilities become decisions, and how the model that classifies is made.
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

/// The axes that only a fine-tuned encoder knows.
const ENCODER_AXES: [&str; 7] = [
    "embedding.trainable_layers",
    "embedding.lora",
    "train.encoder_learning_rate",
    "train.encoder_weight_decay",
    "train.encoder_dropout",
    "train.accumulate",
    "train.contrastive",
];

/// Returns whether only a fine-tuned encoder knows an axis.
pub(crate) fn is_of_encoder(axis: &str) -> bool {
    let is_or_is_below =
        |key: &str| axis.strip_prefix(key).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
    ENCODER_AXES.into_iter().any(is_or_is_below)
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
        self.decide.clone().unwrap_or_default().question()
    }

    /// Returns which fine-tuned encoders are kept.
    pub(crate) fn keep_encoders(&self) -> KeepEncoders {
        self.decide.as_ref().map(|decide| decide.keep_encoders).unwrap_or_default()
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
        faults.extend(below(self.decide.iter().flat_map(Decide::faults).collect(), "decide"));
        faults.extend(self.decide.iter().flat_map(|decide| decide_faults(decide, &self.data)));
        faults.extend(self.decide.iter().flat_map(|decide| loss_faults(decide, &self.train)));
        faults.extend(self.schedule_faults());
        faults.extend(self.expect.iter().flat_map(Expect::faults));
        faults.extend(self.lbfgs_faults());
        faults
    }

    /// Returns the faults of settings that only a fine-tuned encoder knows, in a file that fine-tunes none. A cell with a frozen
    /// embedding ignores them, so that an axis may compare frozen and fine-tuned ones; `is_axis` says whether a dotted key is an
    /// axis.
    pub(crate) fn frozen_faults(&self, is_axis: impl Fn(&str) -> bool) -> Vec<Fault> {
        let mut faults = Vec::new();
        let frozen = self.embedding.iter().filter(|(name, source)| !can_be_tuned(name, source, &is_axis));
        for (name, source) in frozen {
            let fault = |key: &str| {
                let message = format!("`{key}` says which weights are trained, and none are: `trainable` isn't set");
                let key = format!("embedding.{name}.{}.{key}", source.kind());
                Fault::new(key, message, "set `trainable = true`, or leave it out")
            };
            faults.extend(source.scope_keys().into_iter().map(fault));
        }
        if !self.tunes_encoder(&is_axis) {
            let fault = |key: &str| {
                let hint = "set `trainable = true` in [embedding.NAME.sentence_transformer], or leave it out";
                Fault::new(format!("train.{key}"), "no embedding of this file has an encoder that is fine-tuned", hint)
            };
            faults.extend(self.train.encoder_keys().into_iter().map(fault));
        }
        faults
    }

    /// Returns whether a cell of the file may fine-tune an encoder; `is_axis` says whether a dotted key is an axis.
    pub(crate) fn tunes_encoder(&self, is_axis: impl Fn(&str) -> bool) -> bool {
        self.embedding.iter().any(|(name, source)| can_be_tuned(name, source, &is_axis))
    }

    /// Reports a schedule beside a callback that changes the learning rate, if the file itself sets both.
    fn schedule_faults(&self) -> Option<Fault> {
        let both = self.train.schedule.is_some() && self.callbacks.reduce_lr_on_plateau.is_some();
        let message = "`reduce_lr_on_plateau` changes a learning rate that `train.schedule` sets for every step";
        both.then(|| {
            Fault::new("callbacks.reduce_lr_on_plateau", message, "leave one of them out").related_to("train.schedule")
        })
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
        for key in self.train.unknown_to_lbfgs() {
            let message = format!("`lbfgs` minimises the cross-entropy of all rows at once and doesn't know `{key}`");
            let hint = match key {
                "l2" => "leave it out; `train.optimizer.lbfgs.l2` is its penalty",
                _ => "leave it out, or use another optimizer, such as adam",
            };
            faults.push(fault(&format!("train.{key}"), &message, hint));
        }
        let Callbacks {
            early_stopping,
            checkpoint,
            reduce_lr_on_plateau,
            terminate_on_nan: _,
            tensorboard: _,
            csv_logger: _,
            epoch_dots: _,
        } = &self.callbacks;
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

/// Returns whether an embedding's encoder is fine-tuned in some cell.
fn can_be_tuned(name: &str, source: &Source, is_axis: &impl Fn(&str) -> bool) -> bool {
    let own = format!("embedding.{name}.{}.trainable", source.kind());
    let has_axis = is_axis("embedding.trainable") || is_axis(&own);
    source.fine_tuning().is_some() || has_axis && matches!(source, Source::SentenceTransformer(_))
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
pub(crate) fn impossible(
    (name, source): (&str, &Source),
    head: &Head,
    train: &Train,
    callbacks: &Callbacks,
) -> Option<String> {
    if let Optimizer::Lbfgs(_) = train.optimizer {
        return impossible_by_lbfgs(name, source, head, train);
    }
    if train.schedule.is_some() && callbacks.reduce_lr_on_plateau.is_some() {
        return Some(format!(
            "`{name}` is left out: `reduce_lr_on_plateau` changes a learning rate that `train.schedule` sets for every step; \
             use one of them"
        ));
    }
    let quantize = source.feature_spec().quantize;
    if source.trainable() && !quantize.is_f32() {
        return Some(format!(
            "`{name}` can't be fine-tuned with `quantize = \"{}\"`: training updates numbers of 32 bits; use \
             `trainable = false`, or `quantize = \"f32\"`",
            quantize.name()
        ));
    }
    let trains_table = source.trainable() && source.fine_tuning().is_none();
    (trains_table && !train.optimizer.leaves_untouched_rows()).then(|| {
        format!(
            "`{name}` can't be trained with weight decay, which moves the rows of its table that never occur; \
             use adam, or set weight_decay = 0"
        )
    })
}

/// Returns why L-BFGS can't fit a head on a source.
fn impossible_by_lbfgs(name: &str, source: &Source, head: &Head, train: &Train) -> Option<String> {
    let what = if source.trainable() && train.contrastive.is_none() {
        "can't be fine-tuned by lbfgs, which fits a linear classifier on frozen vectors; use `trainable = false`, or adam"
    } else if !head.layers.is_empty() {
        "is left out: lbfgs fits a linear classifier, and the head has layers; use `layers = []`, or adam"
    } else {
        let key = train.unknown_to_lbfgs().into_iter().next()?;
        return Some(format!(
            "`{name}` is left out: lbfgs doesn't know `train.{key}`; use another optimizer, such as adam"
        ));
    };
    Some(format!("`{name}` {what}"))
}

/// Returns whether a text can be the name of a folder on every system.
pub(crate) fn is_name(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    text.len() <= 100 && text.chars().all(plain) && text.starts_with(|c: char| c.is_ascii_alphanumeric())
}
