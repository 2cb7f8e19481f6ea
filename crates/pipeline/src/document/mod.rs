//! The pipeline file as written: a tree of values that know their place.
//!
//! Three stages: text -> [`Document`] (this module, spans kept) -> typed settings ([`typed()`]) -> the plan. Overrides and
//! the grid's axes change the tree before it is typed, so that a bad value points at itself, wherever it stands.
//!
//! | file | what it does |
//! |---|---|
//! | `syntax`, `builder`, `insert` | TOML to a tree, all faults of the syntax |
//! | `shape` | what may be written where, from the JSON Schema of the settings' types |
//! | `typed`, `reader`, `tables` | tree and shape to settings, all faults |
//! | `words` | what is wanted and what was found, in words |
//! | `deserializer` | a tree that the program wrote to a type, without faults in detail |

mod builder;
mod deserializer;
mod insert;
mod reader;
mod shape;
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

use crate::diagnostic::{Diagnostic, SourceText, Span};
use crate::diagnostics::Diagnostics;

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
    /// Reads TOML. All faults of its syntax are given at once.
    pub(crate) fn parse(name: &str, text: &str) -> Result<Self, Diagnostics> {
        Self::with_values(name, text, syntax::MAX_VALUES)
    }

    /// The same of a file that the program wrote, where a value takes four bytes and more, with what parts it from the
    /// next; fewer only where it is a single digit in a list.
    pub(crate) fn written(name: &str, text: &str) -> Result<Self, Diagnostics> {
        Self::with_values(name, text, text.len() / 4 + 1000)
    }

    fn with_values(name: &str, text: &str, most: usize) -> Result<Self, Diagnostics> {
        let source = Arc::new(SourceText { name: name.to_owned(), text: text.to_owned() });
        syntax::document(&source, most).map(|root| Self { root })
    }

    /// The plain table, where the text is TOML.
    pub(crate) fn table(text: &str) -> Option<toml::Table> {
        match Self::written("", text).ok()?.root.to_value() {
            toml::Value::Table(table) => Some(table),
            _ => None,
        }
    }

    /// Applies `-S key=value`. The value is TOML; what isn't TOML is taken as a text. A `path` is
    /// relative to `folder`, the current one, not to the pipeline file.
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
        if let (Some("path"), Node::Leaf(Leaf::Text(path))) = (key.rsplit('.').next(), &mut tree.node) {
            *path = folder.join(&**path).to_string_lossy().into();
        }
        let hint = "it stands below a value that is no table";
        let place = Span::new(&source, 0..key.len());
        self.root.set(key, &place, tree).map_err(|()| fault(0..key.len(), "this key can't be set", hint))
    }
}

/// The value of an assignment, which stands at that place: TOML, or else a text as it stands.
fn assigned(source: &Arc<SourceText>, range: Range<usize>) -> Tree {
    let span = Span::new(source, range);
    syntax::value(&span).unwrap_or_else(|_| Tree::of_text(span.clone(), &source.text[span.range()]))
}
