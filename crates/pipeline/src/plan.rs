//! From a pipeline to its cells: the product of the axes, each combination typed and named.

use std::collections::HashMap;

use emberline_base::{Digest, record};
use emberline_embedding::Source;

use crate::diagnostic::Diagnostic;
use crate::document::{Node, Tree};
use crate::grid::EMBEDDING;
use crate::pipeline::{AxisValues, Pipeline, check, to_toml};
use crate::settings::Settings;

/// One cell: settings with a single embedding and no grid.
#[derive(Clone, Debug)]
pub struct Cell {
    /// Readable and stable, for example `swivel-20-frozen-s1-3f9a1c2b`.
    pub id: String,
    /// The value of each axis, by dotted key.
    pub axes: AxisValues,
    /// All settings; one embedding.
    pub settings: Settings,
}

/// A combination that can't be done.
#[derive(Clone, Debug)]
pub struct LeftOut {
    /// The value of each axis, by dotted key.
    pub axes: AxisValues,
    /// Why.
    pub reason: String,
}

/// All combinations of a grid.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The cells, in the order of the axes: the first axis changes last.
    pub cells: Vec<Cell>,
    /// The combinations that are left out.
    pub left_out: Vec<LeftOut>,
}

impl Plan {
    /// The plan of a pipeline.
    pub fn of(pipeline: &Pipeline) -> Self {
        let mut plan = Self { cells: Vec::new(), left_out: Vec::new() };
        // Files are looked into once a source, not once a combination.
        let mut reasons: HashMap<String, Option<String>> = HashMap::new();
        let mut impossible = |source: &Source| {
            let reason = reasons.entry(format!("{source:?}"));
            reason.or_insert_with(|| source.impossible(&pipeline.folder)).clone()
        };
        for number in 0..pipeline.combinations() {
            let chosen = choose(pipeline, number);
            let axes = chosen.iter().map(|(key, value)| ((*key).to_owned(), json(value))).collect();
            match settings_of(pipeline, &chosen, &mut impossible) {
                Ok(settings) => plan.cells.push(Cell { id: id(&settings, &axes), axes, settings }),
                Err(reason) => plan.left_out.push(LeftOut { axes, reason }),
            }
        }
        plan
    }

    /// The cell with that id.
    pub fn find(&self, id: &str) -> Option<&Cell> {
        self.cells.iter().find(|cell| cell.id == id)
    }
}

/// The combination of that number: a digit an axis, the last axis the lowest.
fn choose(pipeline: &Pipeline, number: usize) -> Vec<(&str, &Tree)> {
    let mut rest = number;
    let mut chosen: Vec<(&str, &Tree)> = Vec::with_capacity(pipeline.axes.len());
    for axis in pipeline.axes.iter().rev() {
        chosen.push((&axis.key, &axis.values[rest % axis.values.len()]));
        rest /= axis.values.len();
    }
    chosen.reverse();
    chosen
}

/// The settings of a combination, or why it can't be done.
fn settings_of(
    pipeline: &Pipeline,
    chosen: &[(&str, &Tree)],
    impossible: &mut dyn FnMut(&Source) -> Option<String>,
) -> Result<Settings, String> {
    let named = chosen.iter().find(|(key, _)| *key == EMBEDDING).and_then(|(_, value)| value.as_str());
    let source = named.unwrap_or(pipeline.source_names()[0]).to_owned();
    let mut tree = pipeline.tree.clone();
    for (axis, (_, value)) in pipeline.axes.iter().zip(chosen) {
        if axis.key != EMBEDDING {
            let path = axis.path(&source, &pipeline.settings);
            tree.set(&path, (*value).clone()).map_err(|()| format!("there is no key `{}`", axis.key))?;
        }
    }
    if let Node::Table(entries) = &mut tree.node {
        entries.shift_remove("grid");
        if let Some(Node::Table(sources)) = entries.get_mut("embedding").map(|e| &mut e.value.node) {
            sources.retain(|name, _| *name == source);
        }
    }
    let settings = check::<Settings>(&tree, Settings::faults).map_err(|faults| reason(&source, &faults))?;
    let of_files = impossible(settings.embedding.first().expect("a cell has one embedding").1);
    match settings.impossible().or(of_files.map(|reason| format!("`{source}` {reason}"))) {
        None => Ok(settings),
        Some(reason) => Err(reason),
    }
}

fn reason(source: &str, faults: &[Diagnostic]) -> String {
    let has_no = |message: &str| message.replace("unknown key", "has no key");
    let mut messages: Vec<String> = faults.iter().map(|fault| has_no(&fault.message)).collect();
    messages.dedup();
    format!("`{source}` {}", messages.join("; "))
}

fn json(tree: &Tree) -> serde_json::Value {
    serde_json::to_value(tree.to_value()).unwrap_or_default()
}

/// The readable part says what cells mostly differ by; the digest covers every setting but the
/// names, and the places of files: what lies there is told by the record's digests.
fn id(settings: &Settings, axes: &AxisValues) -> String {
    let (name, source) = settings.embedding.first().expect("a cell has one embedding");
    let state = if source.trainable() { "tuned" } else { "frozen" };
    let mut identity = serde_json::to_value(settings).unwrap_or_default();
    forget_places(&mut identity);
    if let Some(table) = identity.as_object_mut() {
        table.remove("name");
        let source = table.remove("embedding").and_then(|e| e.as_object()?.values().next().cloned());
        table.insert("embedding".into(), source.unwrap_or_default());
    }
    if let Some(callbacks) = identity.get_mut("callbacks").and_then(|c| c.as_object_mut()) {
        callbacks.remove("epoch_dots");
    }
    let axes = serde_json::to_string(axes).unwrap_or_default();
    let digest = Digest::of_parts([identity.to_string().as_bytes(), axes.as_bytes()]);
    format!("{name}-{state}-s{}-{}", settings.seed, digest.short())
}

fn forget_places(value: &mut serde_json::Value) {
    if let Some(table) = value.as_object_mut() {
        for key in ["path", "url", "sha256"] {
            table.remove(key);
        }
        table.values_mut().for_each(forget_places);
    }
}

impl Cell {
    /// The embedding's name.
    pub fn embedding(&self) -> &str {
        self.source().0
    }

    /// The embedding's name and settings.
    pub(crate) fn source(&self) -> (&str, &emberline_embedding::Source) {
        let (name, source) = self.settings.embedding.first().expect("a cell has one embedding");
        (name, source)
    }

    /// The cell's settings as a file, every default filled in.
    pub(crate) fn to_toml(&self) -> String {
        to_toml(&self.settings)
    }

    /// What is recorded of the cell before it has run.
    pub(crate) fn pending(&self) -> record::Cell {
        let (name, source) = self.source();
        record::Cell {
            id: self.id.clone(),
            status: record::Status::Pending,
            settings: self.axes.clone(),
            embedding: name.to_owned(),
            source: source.kind().to_owned(),
            trainable: source.trainable(),
            seed: self.settings.seed,
            outcome: None,
            error: None,
        }
    }
}
