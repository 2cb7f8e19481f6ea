//! Checks a tree against a [`Shape`], and collects the values without faults. Tables are checked in `tables`.

use std::fmt::Write;

use emberline_base::Fault;
use emberline_base::suggest::{is_same_word, nearest};

use super::foreign;
use super::shape::{Range, Shape};
use super::tree::{Entry, Form, Leaf, Node, Tree};
use super::words::{expected, found, slip};
use crate::diagnostic::{Diagnostic, Span};
use crate::diagnostics::Diagnostics;
use crate::name::{did_you_mean, list, short};

/// Splits a dotted key into its parts. An empty key has none.
pub(super) fn segments(key: &str) -> impl Iterator<Item = &str> {
    key.split('.').filter(|segment| !segment.is_empty())
}

/// One step of the path from a value to a value inside it.
#[derive(Clone, Copy)]
pub(super) enum Segment<'t> {
    Key(&'t str),
    Item(usize),
}

/// Checks a tree against a shape, and collects the values without faults.
#[derive(Default)]
pub(super) struct Reader<'t> {
    pub(super) faults: Diagnostics,
    /// The paths of values that were left out or replaced because of a fault. Complete unless `faults` is full.
    pub(super) set_aside: Vec<Vec<String>>,
    pub(super) path: Vec<Segment<'t>>,
    /// Whether the whole tree is inside a list, where tables have no headers.
    is_inline: bool,
}

impl<'t> Reader<'t> {
    /// Returns a reader for an item of a list at the key `name`.
    pub(super) fn of_item(name: &'t str) -> Self {
        Self { path: vec![Segment::Key(name)], is_inline: true, ..Self::default() }
    }

    /// Returns the value if it has no faults. `entry` is its entry in the table around it, if it is in one.
    pub(super) fn read(&mut self, shape: &Shape, tree: &'t Tree, entry: Option<&'t Entry>) -> Option<toml::Value> {
        match (shape, &tree.node) {
            (Shape::Any, _) => Some(tree.to_value()),
            (Shape::Boolean, Node::Leaf(Leaf::Boolean(_))) => Some(tree.to_value()),
            (Shape::Integer(range), Node::Leaf(Leaf::Integer(number))) => {
                self.number(range.contains(*number), true, shape, tree)
            }
            (Shape::Number(range), Node::Leaf(Leaf::Integer(number))) => {
                self.number(range.contains(*number as f64), true, shape, tree)
            }
            (Shape::Number(range), Node::Leaf(Leaf::Float(number))) => {
                self.number(range.contains(*number), fits(*number), shape, tree)
            }
            (Shape::Text { choices, is_char }, Node::Leaf(Leaf::Text(text))) => {
                self.text(choices, *is_char, text, shape, tree)
            }
            (Shape::List(shape), Node::Array(items)) => Some(self.list(shape, items)),
            (Shape::Table(shape), Node::Table(table)) => self.table(shape, table, tree, entry),
            (Shape::Kinds(_), Node::Table(table)) => self.kind(shape, table, tree, entry),
            (Shape::Either(shapes), _) => match shapes.iter().find(|shape| is_of_kind(shape, tree)) {
                Some(shape) => self.read(shape, tree, entry),
                None => self.other_kind(shape, tree, entry),
            },
            _ => self.other_kind(shape, tree, entry),
        }
    }

    /// Records a fault of the value at the current path.
    pub(super) fn fault(&mut self, make: impl FnOnce(&Self) -> Diagnostic) {
        if !self.faults.is_full() {
            let path = self.path.iter().map(|segment| match segment {
                Segment::Key(key) => (*key).to_owned(),
                Segment::Item(at) => at.to_string(),
            });
            self.set_aside.push(path.collect());
        }
        let mut faults = std::mem::take(&mut self.faults);
        faults.push(|| make(self));
        self.faults = faults;
    }

    /// Returns whether a fault may be a consequence of a value that was left out or replaced.
    pub(super) fn may_follow_from_another(&self, fault: &Fault) -> bool {
        let is_below = |key: &str, above: &[String]| {
            let mut segments = segments(key);
            above.iter().all(|segment| segments.next() == Some(segment))
        };
        let is_above = |key: &str, path: &[String]| segments(key).zip(path).all(|(a, b)| a == b);
        self.set_aside.iter().any(|path| {
            let is_related = |key: &String| is_below(key, path) || is_above(key, path);
            is_below(&fault.key, path) || fault.related.iter().any(is_related)
        })
    }

    /// Returns the name of the value at the current path, for messages.
    pub(super) fn subject(&self) -> String {
        match self.path[..] {
            [] => "the file".to_owned(),
            [.., Segment::Key(key)] => format!("`{}`", short(key)),
            [.., Segment::Key(key), Segment::Item(_)] => format!("an item of `{}`", short(key)),
            [.., Segment::Item(_)] => "an item of the list".to_owned(),
        }
    }

    /// Returns the current path as the header of a table, or `None` inside lists.
    pub(super) fn header(&self) -> Option<String> {
        if self.is_inline {
            return None;
        }
        let mut header = String::new();
        for segment in &self.path {
            let Segment::Key(key) = segment else { return None };
            let _ = write!(header, "{}{}", if header.is_empty() { "" } else { "." }, short(key));
        }
        Some(header)
    }

    /// Returns the names of the tables around the value at the current path, joined by dots; the value's own key is left out.
    pub(super) fn tables(&self) -> String {
        let above = self.path.split_last().map_or(&[][..], |(_, above)| above);
        let names = above.iter().filter_map(|segment| match segment {
            Segment::Key(key) => Some(*key),
            Segment::Item(_) => None,
        });
        names.collect::<Vec<_>>().join(".")
    }

    /// Returns the last key of the current path.
    fn last_key(&self) -> &str {
        let keys = self.path.iter().rev().find_map(|segment| match segment {
            Segment::Key(key) => Some(*key),
            Segment::Item(_) => None,
        });
        keys.unwrap_or_default()
    }

    fn other_kind(&mut self, shape: &Shape, tree: &'t Tree, entry: Option<&'t Entry>) -> Option<toml::Value> {
        let place = place(tree, entry);
        self.fault(|reader| {
            let subject = reader.subject();
            let is_doubled = entry.is_some_and(|entry| entry.form == Form::Headers);
            if let (true, Shape::Table(_) | Shape::Kinds(_), Some(header)) = (is_doubled, shape, reader.header()) {
                let message = format!("[[{header}]] makes a list of {subject}, which is a table");
                return Diagnostic {
                    span: place,
                    message,
                    hint: Some(format!("write [{header}] in single brackets, once")),
                };
            }
            let message = format!("{subject} must be {}, not {}", expected(shape), found(tree));
            Diagnostic { span: place, message, hint: slip(shape, tree).or_else(|| reader.as_table(shape, tree)) }
        });
        None
    }

    /// Returns a hint on how to write the table that is expected at the current path.
    pub(super) fn as_table(&self, shape: &Shape, tree: &Tree) -> Option<String> {
        match shape {
            Shape::Kinds(kinds) => {
                let names = kinds.keys().map(String::as_str);
                if let Some(says) = tree.as_str().and_then(|text| foreign::value(self.last_key(), text)) {
                    return Some(says.to_owned());
                }
                let meant = tree.as_str().and_then(|text| nearest(text, names.clone()));
                let kind = meant.unwrap_or("KIND");
                let one_of =
                    if meant.is_some() { String::new() } else { format!(", with KIND one of {}", list(names)) };
                Some(match self.header() {
                    Some(header) => format!("write [{header}.{kind}]{one_of}"),
                    None => format!("write {{ {kind} = {{}} }}{one_of}"),
                })
            }
            Shape::Table(table) => {
                let keys = list(table.keys.keys().map(String::as_str));
                Some(match (self.header(), table.keys.is_empty()) {
                    (Some(header), true) => format!("write [{header}]"),
                    (Some(header), false) => format!("write [{header}], with its keys in the lines below ({keys})"),
                    (None, _) => format!("write it in braces, with the keys {keys}"),
                })
            }
            Shape::Either(shapes) => shapes.iter().find_map(|shape| self.as_table(shape, tree)),
            _ => None,
        }
    }

    /// Checks a number. `is_finite` says whether it is finite in 32 bits, too.
    fn number(&mut self, is_allowed: bool, is_finite: bool, shape: &Shape, tree: &'t Tree) -> Option<toml::Value> {
        if is_allowed && is_finite {
            return Some(tree.to_value());
        }
        self.fault(|reader| {
            let expected = match (shape, &tree.node) {
                _ if !is_finite => expected(shape).replacen("number", "finite number", 1),
                (Shape::Integer(Range { to: Some(to), .. }), Node::Leaf(Leaf::Integer(number))) if number > to => {
                    format!("at most {to}")
                }
                _ => expected(shape),
            };
            let message = format!("{} must be {expected}, not {}", reader.subject(), found(tree));
            let is_large = matches!(tree.node, Node::Leaf(Leaf::Float(number)) if number.is_finite()) && !is_finite;
            let hint = is_large.then(|| format!("numbers are kept in 32 bits, which hold up to {:e}", f32::MAX));
            Diagnostic { span: tree.span.clone(), message, hint }
        });
        None
    }

    fn text(
        &mut self,
        choices: &[String],
        is_char: bool,
        text: &str,
        shape: &Shape,
        tree: &'t Tree,
    ) -> Option<toml::Value> {
        if !choices.is_empty() && !choices.iter().any(|choice| choice == text) {
            let known = || choices.iter().map(String::as_str);
            let is_slip = known().any(|choice| is_same_word(choice, text));
            let says = foreign::value(self.last_key(), text).filter(|_| !is_slip);
            let hint = says.map_or_else(|| did_you_mean(text, known()), str::to_owned);
            let message = format!("unknown value `{}`", short(text));
            self.fault(|_| Diagnostic { span: tree.span.clone(), message, hint: Some(hint) });
            return None;
        }
        if is_char && text.chars().count() != 1 {
            return self.other_kind(shape, tree, None);
        }
        Some(tree.to_value())
    }

    /// Reads a list. A faulty item is replaced by an example, so that the others keep their positions.
    fn list(&mut self, shape: &Shape, items: &'t [Tree]) -> toml::Value {
        let mut values = Vec::new();
        for (at, item) in items.iter().enumerate() {
            self.path.push(Segment::Item(at));
            let value = self.read(shape, item, None);
            self.path.pop();
            if !self.faults.is_full() {
                values.push(value.unwrap_or_else(|| example(shape)));
            }
        }
        toml::Value::Array(values)
    }
}

/// Returns whether a number is finite in 32 bits, in which training computes.
fn fits(number: f64) -> bool {
    (number as f32).is_finite()
}

pub(super) fn place(tree: &Tree, entry: Option<&Entry>) -> Span {
    entry.map_or_else(|| tree.span.clone(), Entry::place)
}

/// Returns whether a value has the kind that a shape expects, with or without faults.
fn is_of_kind(shape: &Shape, tree: &Tree) -> bool {
    match (shape, &tree.node) {
        (Shape::Any, _)
        | (Shape::Boolean, Node::Leaf(Leaf::Boolean(_)))
        | (Shape::Integer(_), Node::Leaf(Leaf::Integer(_)))
        | (Shape::Number(_), Node::Leaf(Leaf::Integer(_) | Leaf::Float(_)))
        | (Shape::Text { .. }, Node::Leaf(Leaf::Text(_)))
        | (Shape::List(_), Node::Array(_))
        | (Shape::Table(_) | Shape::Kinds(_), Node::Table(_)) => true,
        (Shape::Either(shapes), _) => shapes.iter().any(|shape| is_of_kind(shape, tree)),
        _ => false,
    }
}

/// Returns a valid value of a shape, to replace one that is missing or faulty.
pub(super) fn example(shape: &Shape) -> toml::Value {
    match shape {
        Shape::Any | Shape::Boolean => toml::Value::Boolean(false),
        Shape::Integer(range) => toml::Value::Integer(range.from.or(range.above.map(|above| above + 1)).unwrap_or(0)),
        Shape::Number(range) => {
            let low = range.from.or(range.above).unwrap_or(0.0);
            let high = range.to.or(range.below).unwrap_or(low + 1.0);
            toml::Value::Float((low + high) / 2.0)
        }
        Shape::Text { choices, is_char } => {
            let other = if *is_char { "x" } else { "missing" };
            toml::Value::String(choices.first().map_or(other, String::as_str).to_owned())
        }
        Shape::List(_) => toml::Value::Array(Vec::new()),
        Shape::Table(table) => {
            let first = table.one_of.first();
            let keys = table.keys.iter().filter(|(name, key)| key.is_required || Some(*name) == first);
            toml::Value::Table(keys.map(|(name, key)| (name.clone(), example(&key.shape))).collect())
        }
        Shape::Kinds(kinds) => {
            let first = kinds.iter().next().into_iter();
            toml::Value::Table(first.map(|(name, shape)| (name.clone(), example(shape))).collect())
        }
        Shape::Either(shapes) => shapes.first().map_or(toml::Value::Boolean(false), |shape| example(shape)),
    }
}
