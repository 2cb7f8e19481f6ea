//! From a tree to typed settings, with every fault found, not only the first.
//!
//! Serde stops at the first fault. So a faulty value is noted, taken out of a copy, and the copy is
//! read again, until nothing is left to note. What is then missing because it was taken out is no
//! news; what was missing from the start is noted and filled in, so that the next one shows.

use std::collections::{BTreeMap, BTreeSet};

use serde::de::DeserializeOwned;
use serde_path_to_error::Segment;

use super::{Node, Tree};
use crate::diagnostic::{Diagnostic, Span, nearest};

/// Reads `tree` as a `T`, or gives all that is wrong with it.
pub(crate) fn typed<T: DeserializeOwned>(tree: &Tree) -> Result<T, Vec<Diagnostic>> {
    let mut value = tree.to_value();
    let mut diagnostics = Vec::new();
    let mut removed = BTreeSet::new();
    let mut kept = Kept::default();
    loop {
        let error = match serde_path_to_error::deserialize::<_, T>(value.clone()) {
            Ok(settings) if diagnostics.is_empty() => return Ok(settings),
            Ok(_) => return Err(diagnostics),
            Err(error) => error,
        };
        let mut path = segments(error.path());
        let message = error.inner().message().to_owned();
        if let Some(key) = quoted(&message, "unknown field `").or(quoted(&message, "unknown variant `"))
            && lookup(&value, &path).and_then(|v| v.get(&key)).is_some()
        {
            path.push(key); // an unknown key, or an unknown kind of externally tagged table
        }
        let written = kept.written(&path);
        if let Some(field) = quoted(&message, "missing field `") {
            let inside = [written.as_slice(), std::slice::from_ref(&field)].concat();
            if !removed.contains(&inside) {
                diagnostics.push(missing(tree, &written, &field));
            }
            if removed.insert(inside) && insert(&mut value, &path, &field) {
                continue;
            }
        } else if !removed.iter().any(|r| written.starts_with(r) || r.starts_with(&written)) {
            diagnostics.push(fault(tree, &written, &message));
        }
        removed.insert(written);
        if path.is_empty() || !remove(&mut value, &path, &mut kept) {
            return Err(diagnostics);
        }
    }
}

/// Which items are left of the lists that some were taken out of: the numbers that they were written with. Lists by their
/// paths as written.
#[derive(Default)]
struct Kept(BTreeMap<Vec<String>, Vec<usize>>);

impl Kept {
    /// The path by which a value was written that now stands at `path`.
    fn written(&self, path: &[String]) -> Vec<String> {
        let mut written: Vec<String> = Vec::with_capacity(path.len());
        for segment in path {
            let numbers = self.0.get(&written).zip(segment.parse::<usize>().ok());
            let number = numbers.and_then(|(numbers, at)| numbers.get(at)).map(usize::to_string);
            written.push(number.unwrap_or_else(|| segment.clone()));
        }
        written
    }

    /// Notes that the item `at` is taken out of the list at `path`, which has `length` items now.
    fn take(&mut self, path: &[String], at: usize, length: usize) {
        self.0.entry(self.written(path)).or_insert_with(|| (0..length).collect()).remove(at);
    }
}

/// The place of a dotted path: of its value, or of the nearest table above that was written.
pub(crate) fn locate(tree: &Tree, path: &[String]) -> Span {
    let mut here = tree;
    let mut span = Span { source: tree.span.source.clone(), range: 0..0 };
    for segment in path {
        let next = match &here.node {
            Node::Table(entries) => entries.get(segment).map(|e| (&e.value, e)).map(|(v, e)| {
                // A table is shown by its key; a plain value by itself.
                (v, if v.table().is_some() { e.key.clone() } else { v.span.clone() })
            }),
            Node::Array(items) => segment.parse::<usize>().ok().and_then(|i| items.get(i)).map(|v| (v, v.span.clone())),
            Node::Leaf(_) => None,
        };
        let Some((value, place)) = next else { break };
        (here, span) = (value, place);
    }
    span
}

fn segments(path: &serde_path_to_error::Path) -> Vec<String> {
    path.iter()
        .filter_map(|segment| match segment {
            Segment::Seq { index } => Some(index.to_string()),
            Segment::Map { key } => Some(key.clone()),
            Segment::Enum { variant } => Some(variant.clone()),
            Segment::Unknown => None,
        })
        .collect()
}

/// What stands in backquotes behind `prefix`.
fn quoted(message: &str, prefix: &str) -> Option<String> {
    message.strip_prefix(prefix)?.split_once('`').map(|(name, _)| name.to_owned())
}

fn missing(tree: &Tree, path: &[String], field: &str) -> Diagnostic {
    let table = if path.is_empty() { "the file".to_owned() } else { format!("[{}]", path.join(".")) };
    Diagnostic {
        span: locate(tree, path),
        message: format!("{table} lacks `{field}`"),
        hint: Some(format!("add `{field} = ...`")),
    }
}

fn fault(tree: &Tree, path: &[String], message: &str) -> Diagnostic {
    let candidates: Vec<&str> = message.split('`').skip(3).step_by(2).collect();
    let unknown = quoted(message, "unknown field `").or_else(|| quoted(message, "unknown variant `"));
    let Some(name) = unknown else {
        return Diagnostic { span: locate(tree, path), message: plain(message), hint: None };
    };
    let is_key = message.starts_with("unknown field") || locate_key(tree, path).is_some_and(|(key, _)| key == name);
    let span = locate_key(tree, path).filter(|_| is_key).map_or_else(|| locate(tree, path), |(_, span)| span);
    let list = candidates.iter().map(|c| format!("`{c}`")).collect::<Vec<_>>().join(", ");
    let hint = match nearest(&name, candidates.iter().copied()) {
        Some(meant) => format!("did you mean `{meant}`? (there are {list})"),
        None => format!("there are {list}"),
    };
    let message = if is_key { format!("unknown key `{name}`") } else { format!("unknown value `{name}`") };
    Diagnostic { span, message, hint: Some(hint).filter(|_| !candidates.is_empty()) }
}

/// The last key of a path with its place, where it was written.
fn locate_key<'a>(tree: &Tree, path: &'a [String]) -> Option<(&'a str, Span)> {
    let (last, above) = path.split_last()?;
    let mut here = tree;
    for segment in above {
        here = match &here.node {
            Node::Table(entries) => &entries.get(segment)?.value,
            Node::Array(items) => items.get(segment.parse::<usize>().ok()?)?,
            Node::Leaf(_) => return None,
        };
    }
    here.get(last).map(|entry| (last.as_str(), entry.key.clone()))
}

/// Serde's words for people who don't know serde.
fn plain(message: &str) -> String {
    if message.starts_with("wanted exactly 1 element") {
        return "exactly one kind belongs here, such as [embedding.NAME.tfhub]".to_owned();
    }
    let message = message.strip_prefix("invalid type: ").or(message.strip_prefix("invalid value: ")).unwrap_or(message);
    message
        .replace("u8", "a small whole number")
        .replace("u32", "a whole number from 0 to 4294967295")
        .replace("u64", "a whole number, 0 or more")
        .replace("usize", "a whole number, 0 or more")
        .replace("f32", "a number")
        .replace("f64", "a number")
}

fn lookup<'a>(value: &'a toml::Value, path: &[String]) -> Option<&'a toml::Value> {
    path.iter().try_fold(value, |value, segment| match value {
        toml::Value::Array(items) => items.get(segment.parse::<usize>().ok()?),
        _ => value.get(segment),
    })
}

fn lookup_mut<'a>(value: &'a mut toml::Value, path: &[String]) -> Option<&'a mut toml::Value> {
    path.iter().try_fold(value, |value, segment| match value {
        toml::Value::Array(items) => items.get_mut(segment.parse::<usize>().ok()?),
        _ => value.get_mut(segment),
    })
}

/// Takes the innermost part of a path that is there out of the value; tells whether there was one.
fn remove(value: &mut toml::Value, path: &[String], kept: &mut Kept) -> bool {
    let mut path = path;
    while lookup(value, path).is_none() && path.len() > 1 {
        path = &path[..path.len() - 1];
    }
    let Some((last, above)) = path.split_last() else { return false };
    match lookup_mut(value, above) {
        Some(toml::Value::Table(table)) => table.remove(last).is_some(),
        Some(toml::Value::Array(items)) => match last.parse::<usize>() {
            Ok(index) if index < items.len() => {
                kept.take(above, index, items.len());
                items.remove(index);
                true
            }
            _ => false,
        },
        _ => false,
    }
}

/// Fills a missing field with a text, which most required fields take.
fn insert(value: &mut toml::Value, path: &[String], field: &str) -> bool {
    match lookup_mut(value, path) {
        Some(toml::Value::Table(table)) => {
            table.insert(field.to_owned(), toml::Value::String("missing".into()));
            true
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::super::Document;
    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only read by serde")]
    struct Outer {
        name: String,
        label: String,
        inner: Inner,
        kind: std::collections::BTreeMap<String, Kind>,
        #[serde(default)]
        list: Vec<u32>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only read by serde")]
    struct Inner {
        epochs: u32,
        #[serde(default)]
        rate: f64,
    }

    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "snake_case")]
    #[expect(dead_code, reason = "only read by serde")]
    enum Kind {
        Tfhub(Inner),
        Hashing(Inner),
    }

    fn faults(text: &str) -> Vec<String> {
        let document = Document::parse("p", text).expect("TOML");
        let found = typed::<Outer>(&document.root).expect_err("faulty");
        let mut found: Vec<String> = crate::diagnostic::tidy(found)
            .iter()
            .map(|d| format!("{}:{} {}", d.span.position().0, d.span.position().1, d.message))
            .collect();
        found.dedup();
        found
    }

    #[test]
    fn every_fault_is_found_at_its_place() {
        let text = "\
nam = 1
[inner]
epochs = \"x\"
ratte = 2
[kind.a.tfhubb]
epochs = 1
[kind.b.hashing]
epochs = -1
rate = true
";
        assert_eq!(
            faults(text),
            [
                "1:1 the file lacks `label`",
                "1:1 the file lacks `name`",
                "1:1 unknown key `nam`",
                "3:10 string \"x\", expected a whole number from 0 to 4294967295",
                "4:1 unknown key `ratte`",
                "5:9 unknown key `tfhubb`",
                "8:10 integer `-1`, expected a whole number from 0 to 4294967295",
                "9:8 boolean `true`, expected a number",
            ]
        );
    }

    #[test]
    fn items_of_a_list_are_told_apart() {
        let text = "name=''\nlabel=''\nlist = [1, 'x', 3, 'y']\n[inner]\nepochs = 1\n[kind]\n";
        assert_eq!(
            faults(text),
            [
                "3:12 string \"x\", expected a whole number from 0 to 4294967295",
                "3:20 string \"y\", expected a whole number from 0 to 4294967295",
            ]
        );
    }

    /// Found by fuzzing, when an item's neighbour took its place: each the other's, for ever.
    #[test]
    fn every_faulty_item_of_a_list_is_found() {
        let of = |list: &str| faults(&format!("name=''\nlabel=''\nlist = {list}\n[inner]\nepochs = 1\n[kind]\n"));
        let fault = |at: &str, text| format!("{at} string {text:?}, expected a whole number from 0 to 4294967295");
        assert_eq!(of("['x', 'y']"), [fault("3:9", "x"), fault("3:14", "y")]);
        assert_eq!(of("[1, 'x', 2, 'y', 'z', 3]"), [fault("3:12", "x"), fault("3:20", "y"), fault("3:25", "z")]);
    }

    #[test]
    fn unknown_names_come_with_the_nearest_known_one() {
        let document = Document::parse("p", "[inner]\nepoch = 1\n").expect("TOML");
        let found = typed::<Outer>(&document.root).expect_err("faulty");
        let hint = found[0].hint.clone().unwrap_or_default();
        assert!(hint.starts_with("did you mean `epochs`?"), "{hint}");
    }
}
