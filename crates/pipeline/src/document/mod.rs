//! The pipeline file as written: a tree of values with their positions.
//!
//! There are three stages: text -> [`Document`] (this module, with positions) -> typed settings ([`typed()`]) -> the
//! plan. Overrides and the axes of the grid change the tree before it is typed, so that a bad value is reported at its
//! own position.
//!
//! | file | what it does |
//! |---|---|
//! | `syntax`, `builder`, `insert` | parse TOML to a tree, and report syntax errors |
//! | `shape` | derives what may be written where from the JSON Schema of the settings' types |
//! | `typed`, `reader`, `tables` | convert a tree to settings by their shape, and report all faults |
//! | `words` | describes expected and found values in messages |
//! | `slips` | answers slips of TOML that JSON, YAML and Python suggest |
//! | `foreign` | says what words of other programs are called here |
//! | `elsewhere` | finds the table that a misplaced key belongs to |
//! | `deserializer` | deserializes files that the program wrote, without detailed messages |

mod builder;
mod deserializer;
mod elsewhere;
mod foreign;
mod insert;
mod reader;
mod shape;
mod slips;
mod syntax;
mod tables;
#[cfg(test)]
mod tests;
mod tree;
mod typed;
mod words;

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use emberline_base::suggest::{is_same_word, nearest};

use crate::diagnostic::{Diagnostic, SourceText, Span};
use crate::diagnostics::Diagnostics;
use crate::settings::Settings;

pub(crate) use deserializer::from_tree;
pub(crate) use shape::{Shape, shape_of};
pub(crate) use tree::{Entry, Leaf, Node, Table, Tree};
pub(crate) use typed::{check, typed, value_faults};

/// A pipeline file as written.
#[derive(Clone, Debug)]
pub(crate) struct Document {
    /// The whole file.
    pub(crate) root: Tree,
}

impl Document {
    /// Parses TOML. On failure, returns all syntax errors.
    pub(crate) fn parse(name: &str, text: &str) -> Result<Self, Diagnostics> {
        Self::with_values(name, text, syntax::MAX_VALUES)
    }

    /// Parses a file that the program wrote, without the limit for pipeline files. A value takes at least four bytes
    /// with its separator, except a single digit in a list; the spare 1,000 are for those.
    pub(crate) fn written(name: &str, text: &str) -> Result<Self, Diagnostics> {
        Self::with_values(name, text, text.len() / 4 + 1000)
    }

    fn with_values(name: &str, text: &str, most: usize) -> Result<Self, Diagnostics> {
        let source = Arc::new(SourceText { name: name.to_owned(), text: text.to_owned() });
        syntax::document(&source, most).map(|root| Self { root })
    }

    /// Returns the table of a text without positions, or `None` if it isn't TOML.
    pub(crate) fn table(text: &str) -> Option<toml::Table> {
        match Self::written("", text).ok()?.root.to_value() {
            toml::Value::Table(table) => Some(table),
            _ => None,
        }
    }

    /// Applies `-S key=value`. The value is TOML; anything else is taken as a string. A `path` is relative to `folder`,
    /// the current folder, not to the pipeline file's.
    pub(crate) fn set(&mut self, assignment: &str, folder: &Path) -> Result<(), Diagnostic> {
        let source = Arc::new(SourceText { name: format!("-S {assignment}"), text: assignment.to_owned() });
        let fault = |range, message: &str, hint: &str| Diagnostic {
            span: Span::new(&source, range),
            message: message.to_owned(),
            hint: Some(hint.to_owned()),
        };
        let Some((key, value)) = assignment.split_once('=') else {
            return Err(fault(0..assignment.len(), "no `=`", "write -S key=value, such as -S train.epochs=5"));
        };
        let start = key.len() + 1 + (value.len() - value.trim_start().len());
        let mut tree = assigned(&source, start..start + value.trim().len());
        let key = key.trim();
        let names_file = matches!(key.rsplit('.').next(), Some("path" | "labels_path" | "class_names"));
        if let (true, Node::Leaf(Leaf::Text(path))) = (names_file, &mut tree.node) {
            *path = folder.join(&**path).to_string_lossy().into();
        }
        let hint = "it is below a value that isn't a table";
        let place = Span::new(&source, 0..key.len());
        self.root.set(key, &place, tree).map_err(|()| fault(0..key.len(), "this key can't be set", hint))
    }
}

/// Returns a hint for a key of `[grid]` that no setting has: what a word of another program is called here, or the dotted keys that
/// end in it.
pub(crate) fn axis_hint(key: &str) -> String {
    let file = shape_of::<Settings>();
    let last = key.rsplit('.').next().unwrap_or(key);
    let known = elsewhere::axes_of(&file, last);
    let quoted = |axes: &[String]| {
        axes.iter().take(4).map(|axis| format!("`\"{axis}\" = [...]`")).collect::<Vec<_>>().join(" or ")
    };
    if !known.is_empty() && !known.iter().any(|axis| axis == key) {
        return format!("an axis is a whole dotted key: write {}", quoted(&known));
    }
    if known.iter().any(|axis| axis == key) {
        return "no embedding of this file has this key; remove the axis, or add an embedding of a kind that has it (docs/sources.md)".to_owned();
    }
    let all = elsewhere::all_axes(&file);
    if let Some(meant) = nearest(key, all.iter().map(String::as_str)).filter(|meant| is_near(key, meant)) {
        return format!("did you mean {}?", quoted(&[meant.to_owned()]));
    }
    match foreign::key("grid", last) {
        Some(says) => format!("{says}; an axis is the whole dotted key of a setting, with a list of its values"),
        None => "an axis is the whole dotted key of a setting, such as \"train.batch_size\", `embedding`, \"embedding.dim\" or `seed`".to_owned(),
    }
}

/// Whether a key was meant by another one, which is at most a few letters longer or shorter.
fn is_near(key: &str, meant: &str) -> bool {
    is_same_word(key, meant) || key.len().abs_diff(meant.len()) <= 2
}

/// Parses the value of an assignment at this position: as TOML, or else as a string.
fn assigned(source: &Arc<SourceText>, range: Range<usize>) -> Tree {
    let span = Span::new(source, range);
    syntax::value(&span).unwrap_or_else(|_| Tree::of_text(span.clone(), &source.text[span.range()]))
}
