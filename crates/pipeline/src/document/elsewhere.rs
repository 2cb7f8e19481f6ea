//! Finds the tables that have a key which was written into another one.

use std::sync::Arc;

use super::shape::Shape;

/// Maximum number of tables that a hint names.
const MAX_NAMED: usize = 3;

/// A key of the pipeline file, by its table.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Place {
    /// The table, such as `data.split`; with `NAME` and `KIND` for the names and kinds of embeddings.
    table: String,
    /// Whether the table is an item of a list.
    is_item: bool,
}

/// Returns where a key belongs, as a hint; `None` if no table has such a key, or too many have.
pub(super) fn place_of(file: &Arc<Shape>, key: &str) -> Option<String> {
    let places = outermost(file, key);
    let each: Vec<String> = places.iter().map(shown).collect();
    let hint = match &each[..] {
        [] => return None,
        [only] => format!("`{key}` belongs {only}"),
        [before @ .., last] if each.len() <= MAX_NAMED => format!("`{key}` belongs {} or {last}", before.join(", ")),
        _ => return None,
    };
    Some(hint)
}

/// Returns the dotted keys that end in `key`, as axes of a grid are written; keys of embeddings as `embedding.KEY`.
pub(super) fn axes_of(file: &Arc<Shape>, key: &str) -> Vec<String> {
    let places = outermost(file, key);
    let axis = |place: &Place| match place.table.as_str() {
        "" => key.to_owned(),
        "embedding.NAME.KIND" => format!("embedding.{key}"),
        table => format!("{table}.{key}"),
    };
    places.iter().filter(|place| !place.is_item).map(axis).collect()
}

/// Returns the dotted keys of all settings, as axes of a grid are written.
pub(super) fn all_axes(file: &Arc<Shape>) -> Vec<String> {
    let mut found = Vec::new();
    collect_axes(file, String::new(), &mut found);
    found
}

fn collect_axes(shape: &Arc<Shape>, path: String, found: &mut Vec<String>) {
    let below = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
    match &**shape {
        Shape::Table(table) => {
            for (name, key) in table.keys.iter().filter(|(name, _)| *name != "grid") {
                collect_axes(&key.shape, below(name), found);
            }
            if let Some(others) = table.others.as_ref().filter(|_| path == "embedding") {
                collect_axes(others, path.clone(), found);
            }
        }
        Shape::Kinds(kinds) if path == "embedding" => {
            kinds.values().for_each(|kind| collect_axes(kind, path.clone(), found));
        }
        Shape::Kinds(kinds) => kinds.iter().for_each(|(kind, shape)| collect_axes(shape, below(kind), found)),
        Shape::Either(shapes) => shapes.iter().for_each(|shape| collect_axes(shape, path.clone(), found)),
        Shape::Any | Shape::Boolean | Shape::Integer(_) | Shape::Number(_) | Shape::Text { .. } | Shape::List(_) => {}
    }
    if !path.is_empty() && !found.contains(&path) {
        found.push(path);
    }
}

fn shown(Place { table, is_item }: &Place) -> String {
    match (table.as_str(), is_item) {
        ("", _) => "to the top of the file, above the first [table]".to_owned(),
        (list, true) => format!("to an item of the list `{list}`"),
        (table, false) => format!("to [{table}]"),
    }
}

/// Returns the tables that have the key, without those below another one: `epochs` is that of `train`, if both it and
/// `train.contrastive` have one.
fn outermost(file: &Arc<Shape>, key: &str) -> Vec<Place> {
    let mut places = Vec::new();
    collect(file, key, &Place { table: String::new(), is_item: false }, &mut places);
    let all = places.clone();
    let is_below = |inner: &Place, outer: &Place| {
        inner.table.strip_prefix(&*outer.table).is_some_and(|rest| rest.starts_with('.'))
    };
    places.retain(|place| !all.iter().any(|other| is_below(place, other)));
    places
}

/// Collects the tables below `shape` that have the key.
fn collect(shape: &Arc<Shape>, key: &str, here: &Place, found: &mut Vec<Place>) {
    let below = |name: &str| {
        let table = match here.table.as_str() {
            "" => name.to_owned(),
            table => format!("{table}.{name}"),
        };
        Place { table, is_item: here.is_item }
    };
    match &**shape {
        Shape::Table(table) => {
            if table.keys.contains_key(key) && !found.contains(here) {
                found.push(here.clone());
            }
            for (name, entry) in table.keys.iter().filter(|(name, _)| *name != "grid") {
                collect(&entry.shape, key, &below(name), found);
            }
            if let Some(others) = &table.others {
                collect(others, key, &below("NAME"), found);
            }
        }
        Shape::Kinds(kinds) => {
            // The kinds of embeddings have many keys in common.
            let name = |kind| if here.table == "embedding.NAME" { "KIND" } else { kind };
            kinds.iter().for_each(|(kind, shape)| collect(shape, key, &below(name(kind)), found));
        }
        Shape::Either(shapes) => shapes.iter().for_each(|shape| collect(shape, key, here, found)),
        Shape::List(item) => collect(item, key, &Place { is_item: true, ..here.clone() }, found),
        Shape::Any | Shape::Boolean | Shape::Integer(_) | Shape::Number(_) | Shape::Text { .. } => {}
    }
}
