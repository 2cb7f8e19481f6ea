//! Builds a tree from the keys and values that the parser reports.

use std::borrow::Cow;
use std::sync::Arc;

use toml_parser::decoder::{Encoding, ScalarKind};
use toml_parser::parser::EventReceiver;
use toml_parser::{ErrorSink, Raw, Source};

use super::insert::{Key, below, insert, open_table};
use super::tree::{Leaf, MAX_DEPTH, Node, Table, Tree};
use crate::diagnostic::{Diagnostic, SourceText, Span};
use crate::diagnostics::Diagnostics;
use crate::name::short;
use crate::settings::MAX_CELLS;

/// Builds a tree from the parser's events. After a fault, the tree is used only to find duplicate keys, so lists are no
/// longer filled.
pub(super) struct Builder<'s> {
    source: &'s Arc<SourceText>,
    text: Source<'s>,
    offset: usize,
    pub(super) root: Table,
    /// The value, if a single value is parsed.
    pub(super) whole: Option<Tree>,
    /// The header of the current table; `None` if that header has a fault.
    header: Option<Vec<Key>>,
    /// The parts of the key that is being parsed.
    key: Vec<Key>,
    /// The start of the header that is being parsed.
    header_start: usize,
    /// The lists and inline tables that are being parsed, outermost first.
    open: Vec<Open>,
    /// The key whose value comes next, outside of inline tables.
    pending_key: Vec<Key>,
    pub(super) faults: Diagnostics,
    is_broken: bool,
    /// Whether the parser has reported an error since the last `=`.
    has_error: bool,
    /// The number of values and headers so far, and its maximum.
    count: usize,
    max: usize,
}

enum Open {
    List { start: usize, items: Vec<Tree> },
    Table { start: usize, entries: Table, pending_key: Vec<Key> },
}

impl<'s> Builder<'s> {
    pub(super) fn new(source: &'s Arc<SourceText>, text: Source<'s>, offset: usize, max: usize) -> Self {
        Self {
            source,
            text,
            offset,
            root: Table::default(),
            whole: None,
            header: Some(Vec::new()),
            key: Vec::new(),
            header_start: 0,
            open: Vec::new(),
            pending_key: Vec::new(),
            faults: Diagnostics::default(),
            is_broken: false,
            has_error: false,
            count: 0,
            max,
        }
    }

    fn span(&self, start: usize, end: usize) -> Span {
        Span::new(self.source, start + self.offset..end + self.offset)
    }

    fn fault(&mut self, make: impl FnOnce() -> Diagnostic) {
        self.faults.push(make);
        self.is_broken = true;
    }

    fn raw(&self, span: toml_parser::Span, encoding: Option<Encoding>) -> Raw<'s> {
        let text = self.text.input().get(span.start()..span.end()).unwrap_or_default();
        Raw::new_unchecked(text, encoding, span)
    }

    /// Adds a complete value to the innermost open list or table, or to the key before it.
    fn complete(&mut self, value: Tree) {
        if !self.count_value(&value.span) {
            return;
        }
        let (table, keys) = match self.open.last_mut() {
            Some(Open::List { items, .. }) => {
                if !self.is_broken {
                    items.push(value);
                }
                return;
            }
            Some(Open::Table { entries, pending_key, .. }) => (entries, std::mem::take(pending_key)),
            None if self.pending_key.is_empty() => {
                self.whole = Some(value);
                return;
            }
            None => {
                let keys = std::mem::take(&mut self.pending_key);
                let Some(header) = &self.header else { return };
                let Some(table) = below(&mut self.root, header) else { return };
                (table, keys)
            }
        };
        if let Err(fault) = insert(table, keys, value) {
            self.fault(|| fault);
        }
    }

    /// Counts a value or a header, and returns whether it may be kept. The first one beyond the maximum is reported.
    fn count_value(&mut self, span: &Span) -> bool {
        if self.count == self.max {
            let message = format!("the file holds more than {} values", self.max);
            let hint = format!("a grid has at most {MAX_CELLS} cells; divide it between several files");
            self.fault(|| Diagnostic { span: span.clone(), message, hint: Some(hint) });
        }
        self.count = self.count.saturating_add(1);
        self.count <= self.max
    }

    /// Opens the table of a complete header, to which the following keys belong.
    fn complete_header(&mut self, end: usize, is_list: bool) {
        let keys = std::mem::take(&mut self.key);
        let span = self.span(self.header_start, end);
        if !self.count_value(&span) {
            self.header = None;
            return;
        }
        let (header, fault) = open_table(&mut self.root, keys, span, is_list);
        self.header = header;
        if let Some(fault) = fault {
            self.fault(|| fault);
        }
    }

    /// Reports a missing value, unless the parser has reported why it is missing.
    fn report_missing_value(&mut self, span: toml_parser::Span) {
        if !self.has_error {
            let span = self.span(span.start(), span.end());
            let hint = Some("write a value after `=`, or remove the key".to_owned());
            self.fault(|| Diagnostic { span, message: "there is no value".to_owned(), hint });
        }
    }

    /// Reports a number that TOML's rules or its range forbid, in our own words.
    fn report_number(&mut self, span: toml_parser::Span, message: &str, hint: String) {
        let span = self.span(span.start(), span.end());
        self.fault(|| Diagnostic { span, message: message.to_owned(), hint: Some(hint) });
    }

    /// Returns the value of a scalar, or `None` if it has a fault.
    fn leaf(&mut self, span: toml_parser::Span, raw: Raw<'s>, error: &mut dyn ErrorSink) -> Option<Leaf> {
        if raw.as_str().is_empty() {
            self.report_missing_value(span);
            return None;
        }
        if let Some(without) = without_leading_zeros(raw.as_str()) {
            self.report_number(span, "a number can't begin with 0", format!("write {without}"));
            return None;
        }
        let mut decoded = Cow::Borrowed("");
        let mut failed = false;
        let kind = raw.decode_scalar(&mut decoded, &mut |fault| {
            failed = true;
            error.report_error(fault);
        });
        if failed {
            self.is_broken = true;
            return None;
        }
        let leaf = match kind {
            ScalarKind::String => return Some(Leaf::Text(decoded.into())),
            ScalarKind::Boolean(value) => return Some(Leaf::Boolean(value)),
            ScalarKind::DateTime => decoded.parse().ok().map(|date| Leaf::Datetime(Box::new(date))),
            ScalarKind::Integer(radix) => i64::from_str_radix(&decoded, radix.value()).ok().map(Leaf::Integer),
            ScalarKind::Float => float(&decoded).map(Leaf::Float),
        };
        if leaf.is_none() {
            let (message, hint) = match kind {
                ScalarKind::DateTime => ("there is no such date or time", "a date is written as 2026-01-31".to_owned()),
                ScalarKind::Float => ("this number is too large", format!("the largest is {:e}", f64::MAX)),
                _ => ("this number is too large", format!("whole numbers lie from {} to {}", i64::MIN, i64::MAX)),
            };
            self.report_number(span, message, hint);
        }
        leaf
    }
}

/// Parses a number with a fraction or an exponent. Returns `None` if it is too large.
fn float(text: &str) -> Option<f64> {
    let number: f64 = text.parse().ok()?;
    (!number.is_infinite() || text.contains("inf")).then_some(number)
}

/// Returns what should have been written for a number such as `007`.
fn without_leading_zeros(text: &str) -> Option<String> {
    let (sign, digits) = text.split_at(usize::from(text.starts_with(['+', '-'])));
    let rest = digits.trim_start_matches(['0', '_']);
    let is_decimal = digits.bytes().all(|b| b.is_ascii_digit() || b"_.eE+-".contains(&b));
    let is_date = digits.bytes().skip(1).any(|b| b == b'-') && !digits.contains(['e', 'E']);
    let begins = digits.len() > 1 && digits.starts_with('0') && digits[1..].starts_with(|c: char| c.is_ascii_digit());
    (begins && is_decimal && !is_date).then(|| {
        let zero = if rest.starts_with(|c: char| c.is_ascii_digit()) { "" } else { "0" };
        short(&format!("{sign}{zero}{rest}"))
    })
}

impl EventReceiver for Builder<'_> {
    fn std_table_open(&mut self, span: toml_parser::Span, _: &mut dyn ErrorSink) {
        (self.header_start, self.key) = (span.start(), Vec::new());
        self.open.clear();
        self.pending_key.clear();
    }

    fn std_table_close(&mut self, span: toml_parser::Span, _: &mut dyn ErrorSink) {
        self.complete_header(span.end(), false);
    }

    fn array_table_open(&mut self, span: toml_parser::Span, error: &mut dyn ErrorSink) {
        self.std_table_open(span, error);
    }

    fn array_table_close(&mut self, span: toml_parser::Span, _: &mut dyn ErrorSink) {
        self.complete_header(span.end(), true);
    }

    fn inline_table_open(&mut self, span: toml_parser::Span, _: &mut dyn ErrorSink) -> bool {
        self.open.push(Open::Table { start: span.start(), entries: Table::default(), pending_key: Vec::new() });
        true
    }

    fn inline_table_close(&mut self, span: toml_parser::Span, _: &mut dyn ErrorSink) {
        if let Some(Open::Table { start, entries, .. }) = self.open.pop() {
            let value = Tree::of_table(self.span(start, span.end()), entries);
            self.complete(value);
        }
    }

    fn array_open(&mut self, span: toml_parser::Span, _: &mut dyn ErrorSink) -> bool {
        self.open.push(Open::List { start: span.start(), items: Vec::new() });
        true
    }

    fn array_close(&mut self, span: toml_parser::Span, _: &mut dyn ErrorSink) {
        if let Some(Open::List { start, items }) = self.open.pop() {
            let value = Tree { span: self.span(start, span.end()), node: Node::Array(items) };
            self.complete(value);
        }
    }

    fn simple_key(&mut self, span: toml_parser::Span, encoding: Option<Encoding>, error: &mut dyn ErrorSink) {
        let mut name = Cow::Borrowed("");
        self.raw(span, encoding).decode_key(&mut name, error);
        if self.key.len() >= MAX_DEPTH {
            let span = self.span(span.start(), span.end());
            let hint = Some(format!("a key has at most {MAX_DEPTH} parts"));
            return self.fault(|| Diagnostic { span, message: "this key has too many parts".into(), hint });
        }
        let key = Key { name: name.into_owned(), span: self.span(span.start(), span.end()) };
        self.key.push(key);
    }

    fn key_val_sep(&mut self, _: toml_parser::Span, _: &mut dyn ErrorSink) {
        let key = std::mem::take(&mut self.key);
        self.has_error = false;
        match self.open.last_mut() {
            Some(Open::Table { pending_key, .. }) => *pending_key = key,
            _ => self.pending_key = key,
        }
    }

    fn scalar(&mut self, span: toml_parser::Span, encoding: Option<Encoding>, error: &mut dyn ErrorSink) {
        let raw = self.raw(span, encoding);
        let leaf = self.leaf(span, raw, error).unwrap_or(Leaf::Boolean(false));
        let value = Tree { span: self.span(span.start(), span.end()), node: Node::Leaf(leaf) };
        self.complete(value);
    }

    fn newline(&mut self, _: toml_parser::Span, _: &mut dyn ErrorSink) {
        if self.open.is_empty() {
            self.key.clear();
        }
    }

    fn error(&mut self, _: toml_parser::Span, _: &mut dyn ErrorSink) {
        (self.is_broken, self.has_error) = (true, true);
    }
}
