//! A tree of TOML values with their positions in the file.

use std::hash::{BuildHasherDefault, DefaultHasher};

use indexmap::IndexMap;
use toml::value::Datetime;

use crate::diagnostic::Span;

/// Maximum nesting of tables and lists, and maximum number of parts of a dotted key.
pub(crate) const MAX_DEPTH: usize = 32;

/// A value and its position.
#[derive(Clone, Debug)]
pub(crate) struct Tree {
    pub(crate) span: Span,
    pub(crate) node: Node,
}

/// The content of a value.
#[derive(Clone, Debug)]
pub(crate) enum Node {
    Table(Box<Table>),
    Array(Vec<Tree>),
    Leaf(Leaf),
}

/// The entries of a table, in the order of the file. The hasher is zero-sized, since a file may have very many tables.
pub(crate) type Table = IndexMap<String, Entry, BuildHasherDefault<DefaultHasher>>;

/// A value that contains no others. It is kept small, since a file may have very many.
#[derive(Clone, Debug)]
pub(crate) enum Leaf {
    Text(Box<str>),
    Integer(i64),
    Float(f64),
    Boolean(bool),
    Datetime(Box<Datetime>),
}

/// An entry of a table: the value, and the position of its key.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) key: Span,
    pub(crate) form: Form,
    pub(crate) value: Tree,
}

/// The syntax that an entry was written in, which decides how the rest of the file may add to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// A value after `=`; nothing may be added to it.
    Value,
    /// A table with its own header, `[a]`.
    Header,
    /// A table implied by the header of one below it: `a` in `[a.b]`.
    Above,
    /// A table implied by a dotted key: `a` in `a.b = 1`.
    Dotted,
    /// A list of tables with headers, `[[a]]`.
    Headers,
}

impl Tree {
    /// Returns a tree that is a table.
    pub(crate) fn of_table(span: Span, table: Table) -> Self {
        Self { span, node: Node::Table(Box::new(table)) }
    }

    /// Returns a tree that is a string.
    pub(crate) fn of_text(span: Span, text: &str) -> Self {
        Self { span, node: Node::Leaf(Leaf::Text(text.into())) }
    }

    /// Returns a tree that is a whole number.
    pub(crate) fn of_integer(span: Span, number: i64) -> Self {
        Self { span, node: Node::Leaf(Leaf::Integer(number)) }
    }

    /// Returns the entries if this is a table.
    pub(crate) fn table(&self) -> Option<&Table> {
        match &self.node {
            Node::Table(entries) => Some(entries),
            Node::Array(_) | Node::Leaf(_) => None,
        }
    }

    /// Returns the entries mutably if this is a table.
    pub(crate) fn table_mut(&mut self) -> Option<&mut Table> {
        match &mut self.node {
            Node::Table(entries) => Some(entries),
            Node::Array(_) | Node::Leaf(_) => None,
        }
    }

    /// Returns the entry of a key if this is a table that has it.
    pub(crate) fn get(&self, key: &str) -> Option<&Entry> {
        self.table()?.get(key)
    }

    /// Returns the text if this is one.
    pub(crate) fn as_str(&self) -> Option<&str> {
        match &self.node {
            Node::Leaf(Leaf::Text(text)) => Some(text),
            Node::Leaf(_) | Node::Table(_) | Node::Array(_) => None,
        }
    }

    /// Sets a dotted key, which was written at `place`, and makes the tables on the way. Fails if a value on the way
    /// isn't a table, or if the key has too many parts.
    pub(crate) fn set(&mut self, key: &str, place: &Span, value: Self) -> Result<(), ()> {
        if key.split('.').nth(MAX_DEPTH).is_some() {
            return Err(());
        }
        self.set_below(key, place, value)
    }

    fn set_below(&mut self, key: &str, place: &Span, value: Self) -> Result<(), ()> {
        let entry = |form, value| Entry { key: place.clone(), form, value };
        let entries = self.table_mut().ok_or(())?;
        let Some((first, rest)) = key.split_once('.') else {
            entries.insert(key.to_owned(), entry(Form::Value, value));
            return Ok(());
        };
        let empty = || entry(Form::Dotted, Self::of_table(place.clone(), Table::default()));
        entries.entry(first.to_owned()).or_insert_with(empty).value.set_below(rest, place, value)
    }

    /// Converts the tree to a plain value without positions.
    pub(crate) fn to_value(&self) -> toml::Value {
        match &self.node {
            Node::Table(entries) => {
                toml::Value::Table(entries.iter().map(|(k, entry)| (k.clone(), entry.value.to_value())).collect())
            }
            Node::Array(items) => toml::Value::Array(items.iter().map(Self::to_value).collect()),
            Node::Leaf(leaf) => leaf.to_value(),
        }
    }

    /// Returns the position of the value at a dotted path, or of the nearest table above it that was written. A table
    /// is shown at its key, any other value at the value itself.
    pub(crate) fn locate<'a>(&self, path: impl IntoIterator<Item = &'a str>) -> Span {
        let mut here = self;
        let mut span = Span::new(self.span.source(), 0..0);
        for segment in path {
            (here, span) = match &here.node {
                Node::Table(entries) => match entries.get(segment) {
                    Some(entry) => (&entry.value, entry.place()),
                    None => break,
                },
                Node::Array(items) => match segment.parse::<usize>().ok().and_then(|at| items.get(at)) {
                    Some(item) => (item, item.span.clone()),
                    None => break,
                },
                Node::Leaf(_) => break,
            };
        }
        span
    }
}

impl Entry {
    /// Returns the position that represents the entry in messages: a table's key, or any other value itself.
    pub(crate) fn place(&self) -> Span {
        if self.value.table().is_some() { self.key.clone() } else { self.value.span.clone() }
    }
}

impl Leaf {
    fn to_value(&self) -> toml::Value {
        match self {
            Self::Text(text) => toml::Value::String(text.to_string()),
            Self::Integer(number) => toml::Value::Integer(*number),
            Self::Float(number) => toml::Value::Float(*number),
            Self::Boolean(value) => toml::Value::Boolean(*value),
            Self::Datetime(date) => toml::Value::Datetime(**date),
        }
    }
}
