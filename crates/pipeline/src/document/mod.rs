//! The pipeline file as written: a tree of values that know their place.
//!
//! Three stages: text -> [`Document`] (this module, spans kept) -> typed settings
//! ([`typed()`]) -> the plan. Overrides and the grid's axes change the tree before it is typed, so that
//! a bad value points at itself, wherever it stands.

mod tree;
mod typed;

use std::path::Path;
use std::sync::Arc;

use crate::diagnostic::{Diagnostic, SourceText, Span};

pub(crate) use tree::{Entry, Node, Tree};
pub(crate) use typed::{locate, typed};

/// A pipeline file as written.
#[derive(Clone, Debug)]
pub(crate) struct Document {
    /// The whole file.
    pub(crate) root: Tree,
}

impl Document {
    /// Reads TOML. All faults of its syntax are given at once.
    pub(crate) fn parse(name: &str, text: &str) -> Result<Self, Vec<Diagnostic>> {
        let source = Arc::new(SourceText { name: name.to_owned(), text: text.to_owned() });
        let (root, errors) = toml::de::DeTable::parse_recoverable(text);
        let mut diagnostics: Vec<Diagnostic> = errors.iter().map(|error| syntax(&source, error)).collect();
        let root = Tree::of_table(&source, root, &mut diagnostics);
        if diagnostics.is_empty() { Ok(Self { root }) } else { Err(diagnostics) }
    }

    /// Applies `-S key=value`. The value is TOML; what isn't TOML is taken as a text. A `path` is
    /// relative to `folder`, the current one, not to the pipeline file.
    pub(crate) fn set(&mut self, assignment: &str, folder: &Path) -> Result<(), Diagnostic> {
        let source = Arc::new(SourceText { name: format!("-S {assignment}"), text: assignment.to_owned() });
        let fault = |range, message: &str, hint: &str| Diagnostic {
            span: Span { source: source.clone(), range },
            message: message.to_owned(),
            hint: Some(hint.to_owned()),
        };
        let Some((key, value)) = assignment.split_once('=') else {
            return Err(fault(0..assignment.len(), "no `=`", "write -S key=value, such as -S train.epochs=5"));
        };
        let (key, start) = (key.trim(), key.len() + 1);
        let span = Span { source: source.clone(), range: start..assignment.len() };
        let mut tree = Tree::of_value(span, value);
        if key.rsplit('.').next() == Some("path")
            && let Node::Leaf(toml::Value::String(path)) = &mut tree.node
        {
            *path = folder.join(&*path).to_string_lossy().into_owned();
        }
        let hint = "it stands below a value that is no table";
        self.root.set(key, tree).map_err(|()| fault(0..key.len(), "this key can't be set", hint))
    }
}

fn syntax(source: &Arc<SourceText>, error: &toml::de::Error) -> Diagnostic {
    let range = error.span().unwrap_or(0..0);
    let message = error.message().lines().collect::<Vec<_>>().join("; ");
    Diagnostic { span: Span { source: source.clone(), range }, message, hint: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_faults_of_the_syntax_are_given() {
        let faults = Document::parse("p.toml", "a = \nb = 1\nb = 2\n[c\n").expect_err("three faults");
        let lines: Vec<usize> = faults.iter().map(|f| f.span.position().0).collect();
        assert!(lines.contains(&1) && lines.contains(&3) && lines.contains(&4), "{faults:?}");
    }

    #[test]
    fn assignments_are_toml_or_texts() {
        let mut document = Document::parse("p.toml", "[train]\nepochs = 3\n").expect("valid");
        for assignment in ["train.epochs=5", "data.path=x y.csv", "grid.seed=[1, 2]", "data.text = \"q\""] {
            document.set(assignment, Path::new("/here")).expect("set");
        }
        let value = document.root.to_value();
        assert_eq!(value["train"]["epochs"].as_integer(), Some(5));
        assert_eq!(value["data"]["path"].as_str(), Some("/here/x y.csv"));
        assert_eq!(value["data"]["text"].as_str(), Some("q"));
        assert_eq!(value["grid"]["seed"].as_array().map(Vec::len), Some(2));
        assert!(document.set("train.epochs.x=1", Path::new("/")).is_err());
        assert!(document.set("train.epochs", Path::new("/")).is_err());
    }
}
