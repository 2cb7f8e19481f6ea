//! The grid's axes: lists of values for dotted keys, whose product is the cells.

use std::collections::HashMap;

use crate::diagnostic::{Diagnostic, Span, nearest};
use crate::document::{Entry, Node, Tree};
use crate::pipeline::{MAX_CELLS, hide_secrets};
use crate::settings::Settings;

/// The axis that chooses the source.
pub(crate) const EMBEDDING: &str = "embedding";

/// One axis.
#[derive(Clone, Debug)]
pub(crate) struct Axis {
    /// The dotted key, as the file says it.
    pub(crate) key: String,
    /// Where the key stands.
    pub(crate) span: Span,
    /// Its values, at least one, as people and records see them.
    pub(crate) values: Vec<Tree>,
    /// The same as they are written: what cells are made of.
    pub(crate) written: Vec<Tree>,
    /// Whether the key is one of the cell's own source: `embedding.KEY`.
    of_source: bool,
}

impl Axis {
    /// Whether the key is one of the cell's own source, whichever that is.
    pub(crate) fn is_of_source(&self) -> bool {
        self.of_source
    }

    /// The key's path in the file, for a cell with that source.
    pub(crate) fn path(&self, source: &str, settings: &Settings) -> String {
        if !self.of_source {
            return self.key.clone();
        }
        let kind = settings.embedding.get(source).map_or("", emberline_embedding::Source::kind);
        let key = self.key.strip_prefix("embedding.").unwrap_or(&self.key);
        format!("embedding.{source}.{kind}.{key}")
    }

    /// A fault of a key that stands below a plain value.
    pub(crate) fn no_such_key(&self) -> Diagnostic {
        Diagnostic { span: self.span.clone(), message: format!("there is no key `{}`", self.key), hint: None }
    }

    /// A fault that one of the values causes: an unknown key is the axis's, not the value's.
    pub(crate) fn explain(&self, mut fault: Diagnostic, value: &Tree) -> Diagnostic {
        if fault.message.starts_with("unknown key") {
            fault.span = self.span.clone();
            fault.message = format!("there is no key `{}`", self.key);
        } else if fault.span.source != value.span.source || !inside(&fault.span, &value.span) {
            // The fault shows elsewhere in the file, but this value causes it.
            fault.span = value.span.clone();
        }
        fault
    }
}

/// A value of the axis `key`, without the secrets of urls.
fn shown(key: &str, written: &Tree) -> Tree {
    let mut value = written.to_value();
    hide_secrets(key, &mut value);
    Tree { span: written.span.clone(), node: Node::Leaf(value) }
}

fn inside(inner: &Span, outer: &Span) -> bool {
    inner.range.start >= outer.range.start && inner.range.end <= outer.range.end
}

/// The grid's axes in the order of the file; where there are several sources and no axis
/// chooses one, all of them are compared.
pub(crate) fn axes(tree: &Tree, settings: &Settings) -> Result<Vec<Axis>, Vec<Diagnostic>> {
    let mut axes = Vec::new();
    let mut faults = Vec::new();
    if let Some(grid) = tree.get("grid") {
        collect("", &grid.value, settings, &mut axes, &mut faults);
    }
    if !axes.iter().any(|axis: &Axis| axis.key == EMBEDDING) && settings.embedding.len() > 1 {
        axes.insert(0, all_sources(tree));
    }
    let cells = axes.iter().try_fold(1usize, |product, axis| product.checked_mul(axis.values.len()));
    if faults.is_empty() && cells.is_none_or(|cells| cells > MAX_CELLS) {
        faults.push(too_many(tree, &axes, cells));
    }
    if faults.is_empty() { Ok(axes) } else { Err(faults) }
}

fn all_sources(tree: &Tree) -> Axis {
    let table = &tree.get(EMBEDDING).expect("a typed file has [embedding]");
    let name = |(name, entry): (&String, &Entry)| Tree {
        span: entry.key.clone(),
        node: Node::Leaf(toml::Value::String(name.clone())),
    };
    let values: Vec<Tree> = table.value.table().map(|t| t.iter().map(name).collect()).unwrap_or_default();
    Axis { key: EMBEDDING.to_owned(), span: table.key.clone(), written: values.clone(), values, of_source: false }
}

/// Flattens `[grid]`: `data.split.train = [..]` and `"data.split.train" = [..]` are the same axis.
fn collect(above: &str, grid: &Tree, settings: &Settings, axes: &mut Vec<Axis>, faults: &mut Vec<Diagnostic>) {
    for (name, entry) in grid.table().into_iter().flatten() {
        let key = if above.is_empty() { name.clone() } else { format!("{above}.{name}") };
        match &entry.value.node {
            Node::Table(_) => collect(&key, &entry.value, settings, axes, faults),
            Node::Array(values) => match axis_faults(&key, entry, values, settings) {
                found if found.is_empty() => axes.push(Axis {
                    of_source: is_of_source(&key, settings),
                    values: values.iter().map(|value| shown(&key, value)).collect(),
                    written: values.clone(),
                    key,
                    span: entry.key.clone(),
                }),
                found => faults.extend(found),
            },
            Node::Leaf(_) => faults.push(Diagnostic {
                span: entry.value.span.clone(),
                message: format!("the axis `{key}` is no list"),
                hint: Some("write its values in brackets, such as [1, 2, 3]".into()),
            }),
        }
    }
}

/// `embedding.KEY`, unless KEY is the name of a source: then it is the key of that one.
fn is_of_source(key: &str, settings: &Settings) -> bool {
    let second = key.strip_prefix("embedding.").and_then(|rest| rest.split('.').next());
    second.is_some_and(|second| !settings.embedding.contains_key(second))
}

fn axis_faults(key: &str, entry: &Entry, values: &[Tree], settings: &Settings) -> Vec<Diagnostic> {
    let at = |span: &Span, message: String, hint: &str| Diagnostic {
        span: span.clone(),
        message,
        hint: Some(hint.to_owned()),
    };
    if values.is_empty() {
        return vec![at(
            &entry.value.span,
            format!("the axis `{key}` is empty"),
            "give at least one value, or remove it",
        )];
    }
    if key == "name" || key == "grid" || key.starts_with("grid.") {
        return vec![at(&entry.key, format!("`{key}` can't be an axis"), "an axis is a key that decides a result")];
    }
    let mut faults = Vec::new();
    // Values are compared where their texts are equal: an axis may have a great many.
    let mut earlier: HashMap<String, toml::Value> = HashMap::with_capacity(values.len());
    for value in values {
        // As records tell them apart.
        let plain = shown(key, value).to_value();
        if earlier.insert(plain.to_string(), plain.clone()).is_some_and(|earlier| earlier == plain) {
            faults.push(at(&value.span, format!("the axis `{key}` names this value twice"), "remove one"));
        }
        if key == EMBEDDING {
            faults.extend(source_fault(value, settings));
        }
    }
    faults
}

fn source_fault(value: &Tree, settings: &Settings) -> Option<Diagnostic> {
    let names = || settings.embedding.keys().map(String::as_str);
    let listed = || names().map(|n| format!("`{n}`")).collect::<Vec<_>>().join(", ");
    let name = value.as_str().unwrap_or_default();
    if settings.embedding.contains_key(name) {
        return None;
    }
    let hint = match nearest(name, names()) {
        Some(meant) => format!("did you mean `{meant}`? (there are {})", listed()),
        None => format!("there are {}", listed()),
    };
    Some(Diagnostic { span: value.span.clone(), message: "there is no such embedding".into(), hint: Some(hint) })
}

fn too_many(tree: &Tree, axes: &[Axis], cells: Option<usize>) -> Diagnostic {
    let span = tree.get("grid").map_or_else(|| tree.span.clone(), |grid| grid.key.clone());
    let count = cells.map_or("more cells than can be counted".to_owned(), |n| format!("{n} cells"));
    let sizes: Vec<String> = axes.iter().map(|axis| format!("{} {}", axis.values.len(), axis.key)).collect();
    Diagnostic {
        span,
        message: format!("the grid has {count} ({}); at most {MAX_CELLS} are run", sizes.join(" x ")),
        hint: Some("shorten an axis, or divide the grid between several files".into()),
    }
}
