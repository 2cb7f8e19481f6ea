//! Reads `[grid]`: axes, which are lists of values for dotted keys. The cells are the product of the axes.

use std::collections::HashSet;
use std::sync::Arc;

use emberline_base::number::counted;
use emberline_base::secret;
use indexmap::{IndexMap, IndexSet};

use crate::diagnostic::{Diagnostic, Span};
use crate::diagnostics::Diagnostics;
use crate::document::{Entry, Leaf, Node, Shape, Tree, axis_hint, shape_of, value_faults};
use crate::name::{did_you_mean, short};
use crate::replicates::{Replicates, sets_number_of_replicates};
use crate::settings::{MAX_CELLS, Settings};

/// The key of the axis that chooses the embedding source.
pub(crate) const EMBEDDING: &str = "embedding";

/// An axis of the grid: a dotted key and its values.
#[derive(Clone, Debug)]
pub(crate) struct Axis {
    /// The dotted key, as written in the file.
    pub(crate) key: String,
    /// The position of the key in the file.
    pub(crate) span: Span,
    /// The values, at least one, as messages and records show them: secrets in URLs are masked.
    pub(crate) values: Vec<Tree>,
    /// The same values as written, from which cells are made.
    pub(crate) written: Vec<Tree>,
    /// Whether the key has the form `embedding.KEY` and so applies to the source of each cell.
    of_source: bool,
}

impl Axis {
    fn of_replicates(replicates: &Replicates, file: &Tree) -> Self {
        let written = replicates.written(file);
        let span = file.locate(replicates.asked_by.split('.'));
        Self { key: replicates.axis.key().to_owned(), span, values: written.clone(), written, of_source: false }
    }

    /// Returns whether the axis sets a key of each cell's own source, whichever source that is.
    pub(crate) fn is_of_source(&self) -> bool {
        self.of_source
    }

    /// Returns the path in the file that the axis sets for a cell with this source.
    pub(crate) fn path(&self, source: &str, settings: &Settings) -> String {
        if !self.of_source {
            return self.key.clone();
        }
        let kind = settings.embedding.get(source).map_or("", emberline_embedding::Source::kind);
        let key = self.key.strip_prefix("embedding.").unwrap_or(&self.key);
        format!("embedding.{source}.{kind}.{key}")
    }

    /// Returns the diagnostic for a key that no setting has.
    pub(crate) fn no_such_key(&self) -> Diagnostic {
        let message = format!("there is no key `{}`", short(&self.key));
        Diagnostic { span: self.span.clone(), message, hint: Some(axis_hint(&self.key)) }
    }

    /// Points a fault that `value` causes at the axis: an unknown key is reported for the axis's key, not for the
    /// value.
    pub(crate) fn explain(&self, mut fault: Diagnostic, value: &Tree) -> Diagnostic {
        if fault.message.starts_with("unknown key") {
            fault = self.no_such_key();
        } else if fault.span.source() != value.span.source() || !inside(&fault.span, &value.span) {
            // The fault was found elsewhere in the file, but this value causes it.
            fault.span = value.span.clone();
        }
        fault
    }
}

/// Returns a value of the axis `key` with the secrets of URLs masked.
fn shown(key: &str, written: &Tree) -> Tree {
    let mut value = written.clone();
    hide_secrets_of(key, &mut value);
    value
}

fn hide_secrets_of(key: &str, value: &mut Tree) {
    match &mut value.node {
        Node::Table(table) => table.iter_mut().for_each(|(key, entry)| hide_secrets_of(key, &mut entry.value)),
        Node::Array(items) => items.iter_mut().for_each(|item| hide_secrets_of(key, item)),
        Node::Leaf(Leaf::Text(text)) if key.rsplit('.').next() == Some("url") => *text = secret::mask_url(text).into(),
        Node::Leaf(_) => {}
    }
}

fn inside(inner: &Span, outer: &Span) -> bool {
    inner.range().start >= outer.range().start && inner.range().end <= outer.range().end
}

/// Returns the axes in the order of the file, and all faults of `[grid]`. If there are several sources and no axis
/// chooses one, an axis over all of them is added. `file` is the rest of the file, which may have faults of its own.
/// `replicates` is an axis that `[data.split]` asks for; it is the last axis, whose value changes first.
pub(crate) fn axes(grid: Option<&Entry>, file: &Tree, replicates: Option<&Replicates>) -> (Vec<Axis>, Diagnostics) {
    let mut reader = Reader { sources: Sources::of(file), axes: Vec::new(), faults: Diagnostics::default() };
    match grid {
        Some(grid) if grid.value.table().is_none() => reader.faults.push(|| Diagnostic {
            span: grid.place(),
            message: "`grid` must be a table".to_owned(),
            hint: Some("write [grid], with an axis in each of the lines below, such as seed = [1, 2, 3]".to_owned()),
        }),
        Some(grid) => reader.table("", &grid.value),
        None => {}
    }
    let Reader { sources, mut axes, mut faults } = reader;
    if !axes.iter().any(|axis| axis.key == EMBEDDING) && sources.0.len() > 1 {
        axes.insert(0, sources.axis(file));
    }
    if let Some(replicates) = replicates.filter(|asked| axes.iter().all(|axis| axis.key != asked.axis.key())) {
        axes.push(Axis::of_replicates(replicates, file));
    }
    let cells = axes.iter().try_fold(1usize, |product, axis| product.checked_mul(axis.values.len()));
    if faults.is_empty() && cells.is_none_or(|cells| cells > MAX_CELLS) {
        let span = grid.map_or_else(|| file.span.clone(), |grid| grid.key.clone());
        faults.push(|| too_many(span, &axes, cells));
    }
    (axes, faults)
}

/// The embeddings of a file, not yet checked: each name with its kind.
struct Sources<'t>(IndexMap<&'t str, &'t str>);

impl<'t> Sources<'t> {
    fn of(file: &'t Tree) -> Self {
        let sources = file.get(EMBEDDING).and_then(|entry| entry.value.table()).into_iter().flatten();
        let kind =
            |entry: &'t Entry| entry.value.table().and_then(|kinds| kinds.keys().next()).map_or("", String::as_str);
        Self(sources.map(|(name, entry)| (name.as_str(), kind(entry))).collect())
    }

    /// Returns the axis that compares all of them.
    fn axis(&self, file: &Tree) -> Axis {
        let table = file.get(EMBEDDING).expect("there are sources");
        let entries = table.value.table().into_iter().flatten();
        let values: Vec<Tree> = entries.map(|(name, entry)| Tree::of_text(entry.key.clone(), name)).collect();
        Axis { key: EMBEDDING.to_owned(), span: table.key.clone(), written: values.clone(), values, of_source: false }
    }

    /// Returns whether a key has the form `embedding.KEY`, unless KEY is the name of a source and so means that source.
    fn is_of_source(&self, key: &str) -> bool {
        let second = key.strip_prefix("embedding.").and_then(|rest| rest.split('.').next());
        second.is_some_and(|second| !self.0.contains_key(second))
    }

    /// Returns the shapes that values of an axis may have: several if sources of several kinds have the key, none if
    /// there is no such key.
    fn shapes(&self, key: &str) -> Vec<Arc<Shape>> {
        let file = shape_of::<Settings>();
        if !self.is_of_source(key) {
            return file.at(key.split('.')).into_iter().collect();
        }
        let own = key.strip_prefix("embedding.").unwrap_or(key);
        let kinds: IndexSet<&str> = self.0.values().copied().collect();
        let below = |kind| file.at([EMBEDDING, "", kind].into_iter().chain(own.split('.')));
        kinds.into_iter().filter_map(below).collect()
    }
}

/// Collects the axes of `[grid]` and their faults.
struct Reader<'t> {
    sources: Sources<'t>,
    axes: Vec<Axis>,
    faults: Diagnostics,
}

impl Reader<'_> {
    /// Flattens tables: `data.split.train = [..]` and `"data.split.train" = [..]` are the same axis.
    fn table(&mut self, above: &str, grid: &Tree) {
        for (name, entry) in grid.table().into_iter().flatten() {
            let key = if above.is_empty() { name.clone() } else { format!("{above}.{name}") };
            match &entry.value.node {
                Node::Table(_) => self.table(&key, &entry.value),
                Node::Array(values) => self.axis(key, entry, values),
                Node::Leaf(_) => {
                    let hint = "write its values in brackets, such as [1, 2, 3]";
                    self.fault(&entry.value.span, format!("`grid.{}` must be a list", short(&key)), hint);
                }
            }
        }
    }

    fn fault(&mut self, span: &Span, message: String, hint: &str) {
        self.faults.push(|| Diagnostic { span: span.clone(), message, hint: Some(hint.to_owned()) });
    }

    fn axis(&mut self, key: String, entry: &Entry, values: &[Tree]) {
        let known = self.faults.count();
        let axis = short(&key);
        if values.is_empty() {
            let hint = "give at least one value, or remove it";
            return self.fault(&entry.value.span, format!("the axis `{axis}` is empty"), hint);
        }
        if matches!(key.split('.').next(), Some("name" | "grid" | "report" | "checks")) {
            let hint = "remove it: an axis is a key that decides a result";
            return self.fault(&entry.key, format!("`{axis}` can't be an axis"), hint);
        }
        if sets_number_of_replicates(&key) {
            let hint = "replicates are averaged, never compared: set it in [data.split]";
            return self.fault(&entry.key, format!("`{axis}` can't be an axis"), hint);
        }
        match key.as_str() {
            EMBEDDING => values.iter().for_each(|value| self.source(value)),
            _ => self.values(&key, entry, values),
        }
        if values.len() > MAX_CELLS {
            let message = format!("the axis `{axis}` has {} values; at most {MAX_CELLS} cells are run", values.len());
            return self.fault(&entry.key, message, "shorten it");
        }
        self.repetitions(&key, values);
        if self.faults.count() == known {
            self.axes.push(Axis {
                of_source: self.sources.is_of_source(&key),
                values: values.iter().map(|value| shown(&key, value)).collect(),
                written: values.to_vec(),
                key,
                span: entry.key.clone(),
            });
        }
    }

    /// Checks the values of an axis by themselves. A key of a source needs to suit only one of the kinds.
    fn values(&mut self, key: &str, entry: &Entry, values: &[Tree]) {
        let shapes = self.sources.shapes(key);
        if shapes.is_empty() {
            let message = format!("there is no key `{}`", short(key));
            let hint = Some(axis_hint(key));
            return self.faults.push(|| Diagnostic { span: entry.key.clone(), message, hint });
        }
        let name = key.rsplit('.').next().unwrap_or(key);
        for value in values {
            let of_kinds = shapes.iter().map(|shape| value_faults(shape, name, value));
            let fewest = of_kinds.min_by_key(Diagnostics::count).unwrap_or_default();
            self.faults.append(fewest);
        }
    }

    /// Reports values that an axis has twice. Values are compared in the form that records show.
    fn repetitions(&mut self, key: &str, values: &[Tree]) {
        let mut earlier: HashSet<String> = HashSet::with_capacity(values.len());
        for value in values {
            if !earlier.insert(shown(key, value).to_value().to_string()) {
                let message = format!("the axis `{}` names this value twice", short(key));
                self.fault(&value.span, message, "remove one");
            }
        }
    }

    /// Checks a value of the axis that chooses the source.
    fn source(&mut self, value: &Tree) {
        let name = value.as_str().unwrap_or_default();
        let names = self.sources.0.keys().copied();
        if !self.sources.0.contains_key(name) {
            self.faults.push(|| Diagnostic {
                span: value.span.clone(),
                message: "there is no such embedding".to_owned(),
                hint: Some(did_you_mean(name, names)),
            });
        }
    }
}

fn too_many(span: Span, axes: &[Axis], cells: Option<usize>) -> Diagnostic {
    let count = cells.map_or("more cells than can be counted".to_owned(), |n| counted(n, "cell"));
    let size = |axis: &Axis| format!("{} {}", axis.values.len(), short(&axis.key));
    let mut sizes: Vec<String> = axes.iter().filter(|axis| axis.values.len() > 1).take(8).map(size).collect();
    if axes.iter().filter(|axis| axis.values.len() > 1).count() > sizes.len() {
        sizes.push("...".to_owned());
    }
    Diagnostic {
        span,
        message: format!("the grid has {count} ({}); at most {MAX_CELLS} are run", sizes.join(" x ")),
        hint: Some("shorten an axis, or divide the grid between several files".into()),
    }
}
