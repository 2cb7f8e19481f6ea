//! Checks tables for a [`Reader`]: keys that are unknown, missing or exclude each other, and tables that name a kind.

use emberline_base::suggest::is_same_word;

use super::reader::{Reader, Segment, example, place};
use super::shape::{Shape, TableShape, shape_of};
use super::tree::{Entry, Table, Tree};
use super::{elsewhere, foreign};
use crate::diagnostic::{Diagnostic, Span};
use crate::name::{did_you_mean, short};
use crate::settings::Settings;

impl<'t> Reader<'t> {
    pub(super) fn table(
        &mut self,
        shape: &TableShape,
        table: &'t Table,
        tree: &'t Tree,
        entry: Option<&'t Entry>,
    ) -> Option<toml::Value> {
        let mut values = toml::Table::new();
        for (name, entry) in table {
            let known = shape.keys.get(name).map(|key| &key.shape).or(shape.others.as_ref());
            self.path.push(Segment::Key(name));
            match known {
                Some(shape) => {
                    if let Some(value) = self.read(shape, &entry.value, Some(entry)) {
                        values.insert(name.clone(), value);
                    }
                }
                None => self.unknown(name, entry, shape.keys.keys()),
            }
            self.path.pop();
        }
        for (name, key) in shape.keys.iter().filter(|(_, key)| key.is_required) {
            if values.contains_key(name) {
                continue;
            }
            if !table.contains_key(name) {
                self.missing(name, &key.shape, tree, entry);
            }
            values.insert(name.clone(), example(&key.shape));
        }
        let keeps_rules = self.one_of(shape, table, tree, entry) && self.needs(shape, table);
        // If the one key that must be given is faulty, the table is useless without it.
        let is_whole = shape.one_of.is_empty() || shape.one_of.iter().any(|key| values.contains_key(key));
        (keeps_rules && is_whole).then_some(toml::Value::Table(values))
    }

    fn unknown<'n>(&mut self, name: &str, entry: &'t Entry, known: impl Iterator<Item = &'n String> + Clone) {
        self.fault(|reader| {
            let known = known.map(String::as_str);
            let hint = hint_for_unknown(&reader.tables(), name, known);
            Diagnostic { span: entry.key.clone(), message: format!("unknown key `{}`", short(name)), hint: Some(hint) }
        });
    }

    fn missing(&mut self, name: &str, shape: &Shape, tree: &'t Tree, entry: Option<&'t Entry>) {
        let span = place(tree, entry);
        let span = if self.path.is_empty() { Span::new(span.source(), 0..0) } else { span };
        self.fault(|reader| {
            let table = match (reader.path.is_empty(), reader.header()) {
                (true, _) => "the file".to_owned(),
                (_, Some(header)) => format!("[{header}]"),
                (_, None) => reader.subject(),
            };
            let hint = match (shape, reader.path.is_empty()) {
                (Shape::Table(TableShape { others: Some(_), .. }), true) => {
                    format!("add a table such as [{name}.words.hashing]: its name is your choice, its kind follows the last point")
                }
                (Shape::Table(_) | Shape::Kinds(_), true) => format!("add the table [{name}]"),
                (Shape::Text { .. }, _) => format!("add `{name} = \"...\"`"),
                _ => format!("add `{name} = ...`"),
            };
            Diagnostic { span, message: format!("{table} lacks `{name}`"), hint: Some(hint) }
        });
        // The path that was just recorded is the table's; only the key is set aside.
        if let Some(path) = self.set_aside.last_mut().filter(|_| !self.faults.is_full()) {
            path.push(name.to_owned());
        }
    }

    /// Returns whether exactly one of the mutually exclusive keys is given, and reports it otherwise.
    fn one_of(&mut self, shape: &TableShape, table: &'t Table, tree: &'t Tree, entry: Option<&'t Entry>) -> bool {
        let given: Vec<_> = shape.one_of.iter().filter(|key| table.contains_key(*key)).collect();
        if shape.one_of.is_empty() || given.len() == 1 {
            return true;
        }
        let span = place(tree, entry);
        self.fault(|reader| {
            let (message, hint) = if given.is_empty() {
                let names = listed(shape.one_of.iter().map(|key| format!("`{key}`")), "or");
                let each = listed(shape.one_of.iter().map(|key| format!("{{ {key} = ... }}")), "or");
                (format!("{} needs {names}", reader.subject()), format!("write {each}"))
            } else {
                let names = listed(given.iter().map(|key| format!("`{key}`")), "and");
                let each: Vec<String> = given.iter().map(|key| format!("{{ {key} = ... }}")).collect();
                (format!("{names} exclude each other"), format!("write {}", each.join(", ")))
            };
            Diagnostic { span, message, hint: Some(hint) }
        });
        false
    }

    /// Returns whether every key comes with the keys that it needs, and reports it otherwise.
    fn needs(&mut self, shape: &TableShape, table: &'t Table) -> bool {
        let lacks =
            |key: &str| shape.needs.iter().find(|(name, _)| name == key)?.1.iter().find(|n| !table.contains_key(*n));
        let found = table.iter().find_map(|(name, entry)| Some((name, entry, lacks(name)?)));
        let Some((name, entry, needed)) = found else { return true };
        self.path.push(Segment::Key(name));
        self.fault(|_| Diagnostic {
            span: entry.key.clone(),
            message: format!("`{name}` goes with `{needed}`, which isn't given"),
            hint: Some(format!("leave it out, or give `{needed}`")),
        });
        self.path.pop();
        false
    }

    /// Returns the hint for a table that names no kind: its own name may be one, or it names one in the words of another program.
    fn hint_for_kind(&self, shape: &Shape, table: &Table, tree: &Tree) -> Option<String> {
        let Shape::Kinds(kinds) = shape else { return None };
        let own = self.path.last().and_then(|segment| match segment {
            Segment::Key(key) => kinds.contains_key(*key).then_some(*key),
            Segment::Item(_) => None,
        });
        if let Some(kind) = own {
            let above = self.tables();
            return Some(format!("write [{above}.NAME.{kind}]: a name of your choice stands before the kind"));
        }
        let above = self.tables();
        let says = table.keys().find_map(|key| foreign::key(&above, key));
        says.map(str::to_owned).or_else(|| self.as_table(shape, tree))
    }

    /// Reads a table whose only key names a kind.
    pub(super) fn kind(
        &mut self,
        shape: &Shape,
        table: &'t Table,
        tree: &'t Tree,
        entry: Option<&'t Entry>,
    ) -> Option<toml::Value> {
        let Shape::Kinds(kinds) = shape else { return None };
        let mut known = table.iter().filter_map(|(name, entry)| Some((name, entry, kinds.get(name)?)));
        let (first, second) = (known.next(), known.next());
        let are_tables = table.values().all(|entry| entry.value.table().is_some());
        if first.is_none() && (table.is_empty() || !are_tables) {
            let span = place(tree, entry);
            self.fault(|reader| {
                let message = format!("{} names no kind", reader.subject());
                Diagnostic { span, message, hint: reader.hint_for_kind(shape, table, tree) }
            });
            return None;
        }
        for (name, entry) in table.iter().filter(|(name, _)| !kinds.contains_key(*name)) {
            self.path.push(Segment::Key(name));
            self.unknown(name, entry, kinds.keys());
            self.path.pop();
        }
        if let Some((_, entry, _)) = second {
            self.fault(|reader| {
                let given = table.keys().filter(|name| kinds.contains_key(*name));
                let given = given.map(|name| format!("`{name}`")).collect::<Vec<_>>().join(" and ");
                let message = format!("{} is given two kinds or more: {given}", reader.subject());
                Diagnostic { span: entry.key.clone(), message, hint: Some("keep one of them".to_owned()) }
            });
            return None;
        }
        let (name, entry, shape) = first?;
        self.path.push(Segment::Key(name));
        let value = self.read(shape, &entry.value, Some(entry));
        self.path.pop();
        Some(toml::Value::Table([(name.clone(), value?)].into_iter().collect()))
    }
}

/// Returns the hint for an unknown key below the tables `path`: the known key that differs only by case or separators, what a word of
/// another program is called here, the table that has such a key, or the nearest known key.
fn hint_for_unknown<'n>(path: &str, name: &str, known: impl Iterator<Item = &'n str> + Clone) -> String {
    let same = |key: &&str| is_same_word(key, name);
    if known.clone().any(|key| same(&key)) {
        return did_you_mean(name, known);
    }
    if let Some(says) = foreign::key(path, name) {
        return says.to_owned();
    }
    // That another table has exactly this key says more than that this one has a similar key.
    if let Some(place) = elsewhere::place_of(&shape_of::<Settings>(), name) {
        return place;
    }
    if known.clone().next().is_some() { did_you_mean(name, known) } else { "it has no keys".to_owned() }
}

/// Returns a list in words: `a`, `a or b`, `a, b or c`.
fn listed(items: impl Iterator<Item = String>, last: &str) -> String {
    let items: Vec<String> = items.collect();
    match &items[..] {
        [] => String::new(),
        [only] => only.clone(),
        [before @ .., end] => format!("{} {last} {end}", before.join(", ")),
    }
}
