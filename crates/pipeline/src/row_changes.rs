//! Describes the rows of data files, and says in a line how they have changed: `1,854 -> 1,855 rows; 1 added, class 0 (line
//! 1856)`.
//!
//! What is known of the old rows is a [`FileRows`], which a lock and a run folder hold; the present rows are at hand.

use std::collections::{BTreeMap, HashMap};

use emberline_base::number::{counted, grouped};
use emberline_base::{Change, Labels, changes};
use emberline_dataset::{FileOfRows, Rows};
use indexmap::IndexMap;
use rayon::prelude::*;

use crate::facts::{DataFacts, FileRows};
use crate::row_sketch::{RowDifference, RowKey, RowSketch};

/// Rows per parallel work item.
const CHUNK_ROWS: usize = 4096;

/// Maximum number of lines that are listed.
const MAX_LINES: usize = 3;

/// Maximum number of classes whose counts are listed.
const MAX_CLASSES: usize = 8;

/// A file whose rows changed, or else data that changed as a whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DataChange {
    /// The file, as the pipeline names it; several, separated by commas, if no single one explains the change.
    pub(crate) file: String,
    /// How its rows changed, in a line.
    pub(crate) summary: String,
    /// Everything in the descriptions that changed, for programs.
    pub(crate) changes: Vec<Change>,
}

/// Describes the rows of every file, by the path that the settings give it.
pub(crate) fn file_rows(rows: &Rows) -> BTreeMap<String, FileRows> {
    rows.files().map(|file| (file.name.display().to_string(), rows_of(rows, &file))).collect()
}

fn rows_of(rows: &Rows, file: &FileOfRows<'_>) -> FileRows {
    let labels = rows.labels();
    let positions: Vec<usize> = file.rows.clone().collect();
    let classes: IndexMap<String, usize> = labels.classes.iter().cloned().zip(labels.counts(&positions)).collect();
    let sketch_of = |chunk: &[usize]| {
        let mut sketch = RowSketch::default();
        chunk.iter().for_each(|&row| sketch.add(key_of(rows, row)));
        sketch
    };
    let merged = |mut all: RowSketch, part: RowSketch| {
        all.merge(&part);
        all
    };
    // Sums don't depend on the order of their parts.
    let sketch = positions.par_chunks(CHUNK_ROWS).map(sketch_of).reduce(RowSketch::default, merged);
    FileRows { rows: file.read, classes, sketch }
}

fn key_of(rows: &Rows, row: usize) -> RowKey {
    RowKey::of(rows.texts().bytes(row), &classes_of(rows.labels(), row))
}

fn classes_of(labels: &Labels, row: usize) -> Vec<&str> {
    labels.of_row(row).iter().map(|&class| labels.classes[class as usize].as_str()).collect()
}

/// Says how data changed: one entry per file whose rows changed, or one for all if none did.
pub(crate) fn data_changes(old: &DataFacts, new: &DataFacts, rows: &Rows) -> Vec<DataChange> {
    let all = changes(old, new);
    let paths = |facts: &DataFacts| facts.files.keys().cloned().collect::<Vec<_>>();
    let of_file = |path: &String| {
        if old.files.get(path) == new.files.get(path) {
            return None;
        }
        let only_one = old.files.len() == 1 && new.files.len() == 1;
        let summary = match (old.rows.get(path), new.rows.get(path)) {
            (Some(before), Some(now)) => rows_summary(before, now, &|| located(rows, path))?,
            _ if !old.files.contains_key(path) => "it is new".to_owned(),
            _ if !new.files.contains_key(path) => "it is no longer read".to_owned(),
            // Descriptions of earlier versions have no rows per file.
            _ if only_one && old.rows_read != new.rows_read => arrow(old.rows_read, new.rows_read),
            _ => "its content changed".to_owned(),
        };
        Some(DataChange { file: path.clone(), summary, changes: all.clone() })
    };
    let mut each: Vec<String> = paths(old);
    each.extend(paths(new).into_iter().filter(|path| !old.files.contains_key(path)));
    let found: Vec<DataChange> = each.iter().filter_map(of_file).collect();
    if !found.is_empty() {
        return found;
    }
    let summary = match old.files == new.files {
        true => "the files are the same, but other rows are taken from them",
        false => "the rows are the same, but not their order",
    };
    vec![DataChange { file: paths(new).join(", "), summary: summary.to_owned(), changes: all }]
}

/// The present rows of a file by their keys: the line of each, and its classes.
type Located<'r> = HashMap<RowKey, Vec<(u64, Vec<&'r str>)>>;

fn located<'r>(rows: &'r Rows, path: &str) -> Located<'r> {
    let mut found: Located<'r> = HashMap::new();
    for file in rows.files().filter(|file| file.name.display().to_string() == path) {
        for row in file.rows {
            let place = (rows.origin(row).number, classes_of(rows.labels(), row));
            found.entry(key_of(rows, row)).or_default().push(place);
        }
    }
    found
}

/// Says how the rows of one file changed; `None` if they are the same.
fn rows_summary<'r>(old: &FileRows, new: &FileRows, located: &dyn Fn() -> Located<'r>) -> Option<String> {
    if old == new {
        return None;
    }
    let mut parts = vec![match old.rows == new.rows {
        true => format!("{} as before", counted(new.rows, "row")),
        false => arrow(old.rows, new.rows),
    }];
    match old.sketch.difference(&new.sketch) {
        Some(RowDifference { added, removed }) => {
            parts.extend(added_rows(&added, &located()));
            parts.extend(removed_rows(&removed, old));
            if added.is_empty() && removed.is_empty() && old.rows == new.rows {
                parts.extend(class_counts(old, new));
            } else if added.is_empty() && removed.is_empty() {
                parts.push("rows without a text or a label".to_owned());
            }
        }
        None => parts.extend(class_counts(old, new)),
    }
    Some(parts.join("; "))
}

fn arrow(old: usize, new: usize) -> String {
    format!("{} -> {}", grouped(old as u64), counted(new, "row"))
}

/// Lists the rows that were added, by their classes: `2 added, class 0 (lines 7 and 9)`.
fn added_rows(keys: &[RowKey], located: &Located<'_>) -> Vec<String> {
    let mut by_classes: IndexMap<String, (usize, Vec<u64>)> = IndexMap::new();
    let mut copies: HashMap<RowKey, usize> = HashMap::new();
    for key in keys {
        *copies.entry(*key).or_default() += 1;
    }
    let mut copies: Vec<(RowKey, usize)> = copies.into_iter().collect();
    copies.sort_unstable();
    for (key, count) in copies {
        let places = located.get(&key).map(Vec::as_slice).unwrap_or_default();
        let classes = places.first().map(|(_, classes)| classes.as_slice()).unwrap_or_default();
        let (rows, lines) = by_classes.entry(of_classes(classes)).or_default();
        *rows += count;
        // Of several copies, the last ones count as added.
        lines.extend(places.iter().rev().take(count).map(|(line, _)| *line));
    }
    by_classes.sort_keys();
    let shown = |(classes, (rows, mut lines)): (String, (usize, Vec<u64>))| {
        lines.sort_unstable();
        format!("{} added{classes}{}", grouped(rows as u64), listed_lines(&lines))
    };
    by_classes.into_iter().map(shown).collect()
}

/// Lists the rows that were removed, by their classes.
fn removed_rows(keys: &[RowKey], old: &FileRows) -> Vec<String> {
    let mut by_class: BTreeMap<String, usize> = BTreeMap::new();
    for key in keys {
        let class = key.class(old.classes.keys().map(String::as_str));
        *by_class.entry(of_classes(class.as_slice())).or_default() += 1;
    }
    by_class.into_iter().map(|(class, rows)| format!("{} removed{class}", grouped(rows as u64))).collect()
}

fn of_classes(classes: &[&str]) -> String {
    match classes {
        [] => String::new(),
        [class] => format!(", class {}", crate::name::short(class)),
        classes => format!(", classes {}", crate::name::short(&classes.join(" and "))),
    }
}

fn listed_lines(lines: &[u64]) -> String {
    let shown: Vec<String> = lines.iter().take(MAX_LINES).map(u64::to_string).collect();
    match (lines, lines.len().saturating_sub(MAX_LINES)) {
        ([], _) => String::new(),
        ([line], _) => format!(" (line {line})"),
        (_, 0) => {
            let (last, others) = shown.split_last().expect("two lines or more");
            format!(" (lines {} and {last})", others.join(", "))
        }
        (_, more) => format!(" (lines {} and {} more)", shown.join(", "), grouped(more as u64)),
    }
}

/// Lists the classes whose counts changed, if too many rows did to name them.
fn class_counts(old: &FileRows, new: &FileRows) -> Vec<String> {
    let count = |rows: &FileRows, class: &str| rows.classes.get(class).copied().unwrap_or_default();
    let mut classes: Vec<&String> = old.classes.keys().collect();
    classes.extend(new.classes.keys().filter(|class| !old.classes.contains_key(*class)));
    classes.retain(|class| count(old, class) != count(new, class));
    if classes.is_empty() {
        return vec!["many of them changed".to_owned()];
    }
    let shown = |class: &&String| {
        let (before, now) = (grouped(count(old, class) as u64), grouped(count(new, class) as u64));
        format!("class {} {before} -> {now}", crate::name::short(class))
    };
    let mut listed: Vec<String> = classes.iter().take(MAX_CLASSES).map(shown).collect();
    match classes.len().saturating_sub(MAX_CLASSES) {
        0 => {}
        more => listed.push(format!("and {} more", counted(more, "class"))),
    }
    vec![listed.join(", ")]
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn read(folder: &std::path::Path, lines: &[String]) -> Rows {
        fs::write(folder.join("texts.csv"), format!("text,label\n{}", lines.concat())).expect("written");
        let settings: emberline_dataset::Settings =
            toml::from_str("path = \"texts.csv\"\ntext = \"text\"\nlabel = \"label\"").expect("settings");
        emberline_dataset::read(&settings, folder).expect("data")
    }

    fn lines(count: usize) -> Vec<String> {
        (0..count).map(|row| format!("text {row},{}\n", row % 2)).collect()
    }

    fn summary(change: impl FnOnce(&mut Vec<String>)) -> Option<String> {
        let folder = tempfile::tempdir().expect("a folder");
        let old = file_rows(&read(folder.path(), &lines(60)));
        let mut changed = lines(60);
        change(&mut changed);
        let rows = read(folder.path(), &changed);
        rows_summary(&old["texts.csv"], &file_rows(&rows)["texts.csv"], &|| located(&rows, "texts.csv"))
    }

    #[test]
    fn rows_that_changed_are_named_with_line_and_class() {
        let expected = |text: &str| Some(text.to_owned());
        assert_eq!(summary(|_| ()), None);
        assert_eq!(summary(|rows| rows.reverse()), None, "the order is no row");
        let added = summary(|rows| rows.insert(5, "a new one,0\n".to_owned()));
        assert_eq!(added, expected("60 -> 61 rows; 1 added, class 0 (line 7)"));
        let removed = summary(|rows| drop(rows.drain(3..5)));
        assert_eq!(removed, expected("60 -> 58 rows; 1 removed, class 0; 1 removed, class 1"));
        let edited = summary(|rows| rows[1] = "text one,1\n".to_owned());
        assert_eq!(edited, expected("60 rows as before; 1 added, class 1 (line 3); 1 removed, class 1"));
        let relabelled = summary(|rows| rows[0] = "text 0,1\n".to_owned());
        assert_eq!(relabelled, expected("60 rows as before; 1 added, class 1 (line 2); 1 removed, class 0"));
        let copied = summary(|rows| rows.extend([rows[4].clone(), rows[4].clone()]));
        assert_eq!(copied, expected("60 -> 62 rows; 2 added, class 0 (lines 62 and 63)"));
        let empty = summary(|rows| rows.push(",1\n".to_owned()));
        assert_eq!(empty, expected("60 -> 61 rows; rows without a text or a label"));
        let many = summary(|rows| rows.extend((0..400).map(|row| format!("more {row},{}\n", row % 4 / 3))));
        assert_eq!(many, expected("60 -> 460 rows; class 0 30 -> 330, class 1 30 -> 130"));
    }

    #[test]
    fn many_lines_are_cut() {
        assert_eq!(listed_lines(&[1, 2, 3, 4, 5]), " (lines 1, 2, 3 and 2 more)");
        assert_eq!(listed_lines(&[1, 2, 3]), " (lines 1, 2 and 3)");
    }
}
