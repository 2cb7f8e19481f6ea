//! Writes a lock as text, one line per subject, sorted.

use std::collections::{BTreeMap, HashMap};

use serde::Serialize;

use super::line::{named, push_key, sealed};
use super::{HEAD, Lock, LockedCell, VERSION};

impl Lock {
    /// Returns the whole file.
    pub(super) fn to_text(&self) -> String {
        let mut text = HEAD.to_owned();
        for line in self.lines() {
            text.push_str(&line);
            text.push('\n');
        }
        text
    }

    /// Returns the lines without the head.
    fn lines(&self) -> Vec<String> {
        let mut lines = vec![sealed("version", &i64::from(VERSION).into()), sealed("pipeline", &value(&self.pipeline))];
        lines.extend(settings_lines(&self.settings));
        lines.extend(section("files", &self.files));
        lines.extend(section("data", &self.data));
        lines.extend(section("embedding", &self.embedding));
        let names = names(&self.cells);
        let mut cells: Vec<(String, &LockedCell)> =
            self.cells.iter().map(|(id, cell)| (names[id.as_str()].to_owned(), cell)).collect();
        cells.sort_by(|a, b| a.0.cmp(&b.0));
        lines.extend(cells.into_iter().map(|(name, cell)| sealed(&named("cells", &name), &value(cell))));
        lines.extend(section("left_out", &self.left_out));
        lines.extend(self.refit.iter().map(|refit| sealed("refit", &value(refit))));
        lines
    }
}

fn section<T: Serialize>(name: &str, entries: &BTreeMap<String, T>) -> impl Iterator<Item = String> {
    entries.iter().map(move |(key, entry)| sealed(&named(name, key), &value(entry)))
}

/// Returns a line per section of the settings, and one per embedding, so that two branches that add embeddings don't
/// change one line.
fn settings_lines(settings: &toml::Table) -> Vec<String> {
    let mut lines = Vec::new();
    // The order of a table that was read is that of the lines, which a merge may have mixed.
    for (section, content) in BTreeMap::from_iter(settings) {
        match content.as_table().filter(|_| section == "embedding") {
            Some(sources) => {
                let line = |(name, source): (&String, &toml::Value)| sealed(&named("settings.embedding", name), source);
                lines.extend(BTreeMap::from_iter(sources).into_iter().map(line));
            }
            None => {
                let mut key = "settings.".to_owned();
                push_key(&mut key, section);
                lines.push(sealed(&key, content));
            }
        }
    }
    lines
}

fn value(entry: &impl Serialize) -> toml::Value {
    toml::Value::try_from(entry).expect("a lock is plain data with text keys")
}

/// Returns the name of every cell in the lock: its id without the digest, or the whole id if two cells would share that.
fn names(cells: &BTreeMap<String, LockedCell>) -> HashMap<&str, &str> {
    let mut shared: HashMap<&str, usize> = HashMap::new();
    for (id, cell) in cells {
        *shared.entry(readable(id, &cell.identity)).or_default() += 1;
    }
    let name = |(id, cell): (&'_ String, &LockedCell)| match readable(id, &cell.identity) {
        _ if shared[readable(id, &cell.identity)] > 1 => id.len(),
        readable => readable.len(),
    };
    cells.iter().map(|entry| (entry.0.as_str(), &entry.0[..name(entry)])).collect()
}

/// Returns a cell's id without the first digits of its identity at the end. An id that has all digits stays whole, since
/// it has them to tell the cell from another one.
pub(super) fn readable<'i>(id: &'i str, identity: &str) -> &'i str {
    without(id, identity.get(..SHORT).unwrap_or(identity)).unwrap_or(id)
}

/// Returns the id of a cell from its name in a lock.
pub(super) fn id_of(name: &str, identity: &str) -> String {
    let short = identity.get(..SHORT).unwrap_or(identity);
    match without(name, short).or_else(|| without(name, identity)) {
        Some(_) => name.to_owned(),
        None => format!("{name}-{short}"),
    }
}

/// Returns a text without `-digits` at its end; `None` if it doesn't end so, or nothing is left.
fn without<'i>(text: &'i str, digits: &str) -> Option<&'i str> {
    text.strip_suffix(digits)?.strip_suffix('-').filter(|rest| !rest.is_empty())
}

/// Number of digits of the identity in an id.
const SHORT: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_ids_follow_from_each_other() {
        let identity = "3f9a1c2b000000000000000000000000";
        for (id, name) in [
            ("a-d64-frozen-s1-3f9a1c2b", "a-d64-frozen-s1"),
            ("a-frozen-s1-3f9a1c2b000000000000000000000000", "a-frozen-s1-3f9a1c2b000000000000000000000000"),
        ] {
            assert_eq!(readable(id, identity), name);
            assert_eq!(id_of(id, identity), id);
        }
        assert_eq!(id_of("a-d64-frozen-s1", identity), "a-d64-frozen-s1-3f9a1c2b");
        assert_eq!((readable("é", "x"), readable("", "")), ("é", ""));
    }
}
