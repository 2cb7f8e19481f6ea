//! Inserts keys and headers into the tables of a file by TOML's rules: a table is defined once.

use super::tree::{Entry, Form, Node, Table, Tree};
use crate::diagnostic::{Diagnostic, Span};
use crate::name::short;

/// One part of a dotted key.
#[derive(Clone, Debug)]
pub(super) struct Key {
    pub(super) name: String,
    pub(super) span: Span,
}

/// Returns the table that a header opened, to which its keys are added.
pub(super) fn below<'t>(root: &'t mut Table, header: &[Key]) -> Option<&'t mut Table> {
    header.iter().try_fold(root, |table, key| within(&mut table.get_mut(&key.name)?.value))
}

/// Returns the value's table, or the last table if the value is a list of tables.
fn within(value: &mut Tree) -> Option<&mut Table> {
    match &mut value.node {
        Node::Table(table) => Some(table),
        Node::Array(items) => items.last_mut().and_then(Tree::table_mut),
        Node::Leaf(_) => None,
    }
}

/// Inserts a value at a dotted key of a table.
pub(super) fn insert(mut table: &mut Table, mut keys: Vec<Key>, value: Tree) -> Result<(), Diagnostic> {
    let Some(last) = keys.pop() else { return Ok(()) };
    for key in keys {
        let entry = table.entry(key.name.clone()).or_insert_with(|| empty(&key, Form::Dotted));
        match entry.form {
            Form::Above => entry.form = Form::Dotted,
            Form::Dotted => {}
            Form::Value | Form::Header | Form::Headers => return Err(cannot_extend(&key, entry)),
        }
        table = entry.value.table_mut().expect("such forms are of tables");
    }
    match table.get(&last.name) {
        Some(first) => Err(duplicate_key(&last, first)),
        None => {
            if table.capacity() == 0 {
                table.reserve_exact(1);
            }
            table.insert(last.name, Entry { key: last.span, form: Form::Value, value });
            Ok(())
        }
    }
}

/// Opens the table of a header, or appends a table to a list of tables. Returns the header, if keys may be added to its
/// table, and the fault, if there is one.
pub(super) fn open_table(
    root: &mut Table,
    keys: Vec<Key>,
    span: Span,
    is_list: bool,
) -> (Option<Vec<Key>>, Option<Diagnostic>) {
    let Some((last, above)) = keys.split_last() else { return (None, None) };
    let mut table = root;
    for key in above {
        let entry = table.entry(key.name.clone()).or_insert_with(|| empty(key, Form::Above));
        if entry.form == Form::Value {
            return (None, Some(cannot_extend(key, entry)));
        }
        table = within(&mut entry.value).expect("such forms are of tables");
    }
    let fault = match (table.get_mut(&last.name), is_list) {
        (None, false) => {
            let value = Tree::of_table(span, Table::default());
            table.insert(last.name.clone(), Entry { key: last.span.clone(), form: Form::Header, value });
            None
        }
        (None, true) => {
            let first = Tree::of_table(span.clone(), Table::default());
            let value = Tree { span, node: Node::Array(vec![first]) };
            table.insert(last.name.clone(), Entry { key: last.span.clone(), form: Form::Headers, value });
            None
        }
        (Some(entry), false) if entry.form == Form::Above => {
            (entry.form, entry.key, entry.value.span) = (Form::Header, last.span.clone(), span);
            None
        }
        (Some(Entry { form: Form::Headers, value: Tree { node: Node::Array(items), .. }, .. }), true) => {
            items.push(Tree::of_table(span, Table::default()));
            None
        }
        (Some(entry), _) => {
            let fault = duplicate_key(last, entry);
            if entry.form == Form::Value || within(&mut entry.value).is_none() {
                return (None, Some(fault));
            }
            Some(fault)
        }
    };
    (Some(keys), fault)
}

/// Returns an empty table with room for the one key that follows at once; a table that grows by itself would begin with
/// room for four.
fn empty(key: &Key, form: Form) -> Entry {
    let table = Table::with_capacity_and_hasher(1, Default::default());
    Entry { key: key.span.clone(), form, value: Tree::of_table(key.span.clone(), table) }
}

/// Returns the diagnostic for a key that is given twice.
fn duplicate_key(key: &Key, first: &Entry) -> Diagnostic {
    Diagnostic {
        span: key.span.clone(),
        message: format!("`{}` is given twice", short(&key.name)),
        hint: Some(format!("the first one is in line {}; keep one of them", first.key.position().0)),
    }
}

/// Returns the diagnostic for a key below one that can't be added to.
fn cannot_extend(key: &Key, first: &Entry) -> Diagnostic {
    let what = if first.value.table().is_some() { "is complete" } else { "isn't a table" };
    Diagnostic {
        span: key.span.clone(),
        message: format!("nothing can be added to `{}`, which {what}", short(&key.name)),
        hint: Some(format!("it is defined in line {}; write all its keys there", first.key.position().0)),
    }
}
