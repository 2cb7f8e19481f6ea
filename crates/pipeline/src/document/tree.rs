//! A tree of TOML values that know where they were written.

use std::sync::Arc;

use indexmap::IndexMap;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::diagnostic::{Diagnostic, SourceText, Span};

/// A value and its place.
#[derive(Clone, Debug)]
pub(crate) struct Tree {
    pub(crate) span: Span,
    pub(crate) node: Node,
}

/// What a value is made of.
#[derive(Clone, Debug)]
pub(crate) enum Node {
    Table(IndexMap<String, Entry>),
    Array(Vec<Tree>),
    Leaf(toml::Value),
}

/// A table's entry: the key's place, and the value.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) key: Span,
    pub(crate) value: Tree,
}

impl Tree {
    /// Takes over a parsed table. Numbers that don't fit 64 bits become diagnostics.
    pub(super) fn of_table(
        source: &Arc<SourceText>,
        table: Spanned<DeTable<'_>>,
        faults: &mut Vec<Diagnostic>,
    ) -> Self {
        let span = Span { source: source.clone(), range: table.span() };
        Self { span, node: Node::Table(entries(source, table.into_inner(), faults)) }
    }

    /// Reads a value of the command line: TOML, or else a text as it stands.
    pub(super) fn of_value(span: Span, text: &str) -> Self {
        let parsed = DeValue::parse(text.trim()).ok();
        let mut faults = Vec::new();
        let node = parsed.map(|value| node(&span.source, value.into_inner(), 0..0, &mut faults));
        let text = || Node::Leaf(toml::Value::String(text.trim().to_owned()));
        let mut tree = Self { node: node.filter(|_| faults.is_empty()).unwrap_or_else(text), span: span.clone() };
        tree.place(&span);
        tree
    }

    /// Puts the whole tree at one place: values of the command line are short.
    fn place(&mut self, span: &Span) {
        self.span = span.clone();
        match &mut self.node {
            Node::Table(entries) => entries.values_mut().for_each(|entry| entry.value.place(span)),
            Node::Array(items) => items.iter_mut().for_each(|item| item.place(span)),
            Node::Leaf(_) => {}
        }
    }

    /// The entries, where this is a table.
    pub(crate) fn table(&self) -> Option<&IndexMap<String, Entry>> {
        match &self.node {
            Node::Table(entries) => Some(entries),
            Node::Array(_) | Node::Leaf(_) => None,
        }
    }

    /// The entry of a key, where this is a table that has it.
    pub(crate) fn get(&self, key: &str) -> Option<&Entry> {
        self.table()?.get(key)
    }

    /// The text, where this is one.
    pub(crate) fn as_str(&self) -> Option<&str> {
        match &self.node {
            Node::Leaf(value) => value.as_str(),
            Node::Table(_) | Node::Array(_) => None,
        }
    }

    /// Puts a value at a dotted key, making the tables on the way. `Err`: something on the way is no table.
    pub(crate) fn set(&mut self, key: &str, value: Tree) -> Result<(), ()> {
        let Node::Table(entries) = &mut self.node else { return Err(()) };
        let (first, rest) = match key.split_once('.') {
            Some((first, rest)) => (first, Some(rest)),
            None => (key, None),
        };
        let empty = || Entry {
            key: value.span.clone(),
            value: Tree { span: value.span.clone(), node: Node::Table(IndexMap::new()) },
        };
        match rest {
            Some(rest) => {
                let entry = entries.entry(first.to_owned()).or_insert_with(empty);
                entry.value.set(rest, value)
            }
            None => {
                entries.insert(first.to_owned(), Entry { key: value.span.clone(), value });
                Ok(())
            }
        }
    }

    /// The plain value, for serde.
    pub(crate) fn to_value(&self) -> toml::Value {
        match &self.node {
            Node::Table(entries) => {
                toml::Value::Table(entries.iter().map(|(k, entry)| (k.clone(), entry.value.to_value())).collect())
            }
            Node::Array(items) => toml::Value::Array(items.iter().map(Self::to_value).collect()),
            Node::Leaf(value) => value.clone(),
        }
    }
}

fn entries(source: &Arc<SourceText>, table: DeTable<'_>, faults: &mut Vec<Diagnostic>) -> IndexMap<String, Entry> {
    let entry = |(key, value): (Spanned<_>, Spanned<DeValue<'_>>)| {
        let key_span = Span { source: source.clone(), range: key.span() };
        let range = value.span();
        let node = node(source, value.into_inner(), range.clone(), faults);
        // A `[table]` ends where its header ends; the key says more than an empty span.
        let span = Span { source: source.clone(), range };
        let key: std::borrow::Cow<'_, str> = key.into_inner();
        (key.into_owned(), Entry { key: key_span, value: Tree { span, node } })
    };
    table.into_iter().map(entry).collect()
}

fn node(
    source: &Arc<SourceText>,
    value: DeValue<'_>,
    range: std::ops::Range<usize>,
    faults: &mut Vec<Diagnostic>,
) -> Node {
    let leaf = match value {
        DeValue::Table(table) => return Node::Table(entries(source, table, faults)),
        DeValue::Array(items) => {
            let item = |item: Spanned<DeValue<'_>>| {
                let span = Span { source: source.clone(), range: item.span() };
                let range = item.span();
                Tree { span, node: node(source, item.into_inner(), range, faults) }
            };
            return Node::Array(items.into_iter().map(item).collect());
        }
        DeValue::String(text) => Some(toml::Value::String(text.into_owned())),
        DeValue::Boolean(value) => Some(toml::Value::Boolean(value)),
        DeValue::Datetime(value) => Some(toml::Value::Datetime(value)),
        DeValue::Integer(value) => i64::from_str_radix(value.as_str(), value.radix()).ok().map(toml::Value::Integer),
        DeValue::Float(value) => value.as_str().parse().ok().map(toml::Value::Float),
    };
    Node::Leaf(leaf.unwrap_or_else(|| {
        let span = Span { source: source.clone(), range };
        faults.push(Diagnostic { span, message: "this number doesn't fit 64 bits".into(), hint: None });
        toml::Value::Boolean(false)
    }))
}
