//! Reads `data.class_names`: the names of labels that are numbers.
//!
//! | content | names |
//! |---|---|
//! | `anger`, `joy`, ...: a name per line | the label 0, the label 1, ... |
//! | `0<TAB>anger`, with a tab, a comma or a colon, in every line | the label before it |
//! | `["anger", "joy"]` | the label 0, the label 1, ... |
//! | `{"0": "anger", "1": "joy"}`, as `id2label` of a `config.json` | the label in the key |
//! | `{"anger": 0, "joy": 1}`, as `label2id` | the label in the value |
//!
//! The classes are in the order of the file. Every label of the data must have a name, and no two labels may share one.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use indexmap::IndexMap;
use serde_json::Value;

use crate::error::{Error, excerpt};
use crate::format::lines_of;
use crate::labels::MAX_CLASSES;
use crate::missing::trimmed;

/// The names of labels.
#[derive(Debug)]
pub(crate) struct ClassNames {
    path: PathBuf,
    /// The name of each label, in the order of the file.
    names: IndexMap<String, String>,
}

impl ClassNames {
    /// Reads a file of names.
    ///
    /// # Errors
    /// When it can't be read, holds no name or too many, or holds a label or a name twice.
    pub(crate) fn read(path: &Path) -> Result<Self, Error> {
        let refused = |reason: String| Error::ClassNames { path: path.to_owned(), reason };
        let lines = lines_of(path)?;
        let content = lines.iter().map(|line| line.trim()).find(|line| !line.is_empty());
        let pairs = match content.and_then(|line| line.bytes().next()) {
            None => return Err(refused("there is no name in this file; write one per line".to_owned())),
            Some(b'[' | b'{') => of_json(&lines.join("\n")),
            Some(_) => of_lines(&lines),
        };
        Self::of_pairs(path, pairs.map_err(refused)?)
    }

    fn of_pairs(path: &Path, pairs: Vec<(String, String)>) -> Result<Self, Error> {
        let refused = |reason: String| Error::ClassNames { path: path.to_owned(), reason };
        if pairs.len() > MAX_CLASSES {
            return Err(refused(format!("{} names; at most {MAX_CLASSES} classes can be trained", pairs.len())));
        }
        let mut known = HashSet::new();
        let mut names = IndexMap::new();
        for (label, name) in pairs {
            if !known.insert(name.clone()) {
                return Err(refused(format!(
                    "two labels have the name `{}`; each class needs its own",
                    excerpt(&name)
                )));
            }
            let shown = excerpt(&label);
            if names.insert(label, name).is_some() {
                return Err(refused(format!("the label `{shown}` has two names; remove one")));
            }
        }
        Ok(Self { path: path.to_owned(), names })
    }

    /// Returns the name of a label, and its place in the file.
    pub(crate) fn of(&self, label: &str) -> Option<(u32, &str)> {
        let (at, _, name) = self.names.get_full(label)?;
        Some((at as u32, name))
    }

    /// Returns the file, the labels that it names, and the cure for a label that it doesn't name.
    pub(crate) fn fault(&self, label: &str) -> (Box<Path>, Vec<String>, Box<str>) {
        let cure = if self.names.values().any(|name| name == label) {
            "this label is a name already: leave data.class_names out".to_owned()
        } else if label == self.names.len().to_string() {
            "lines count from 0; if the labels count from 1, write them into the file: `1<TAB>NAME`".to_owned()
        } else {
            "add a line for it, or correct the label".to_owned()
        };
        (self.path.as_path().into(), self.names.keys().cloned().collect(), cure.into())
    }
}

/// Reads names from lines; trailing blank lines don't count.
fn of_lines(lines: &[String]) -> Result<Vec<(String, String)>, String> {
    let mut lines: Vec<&str> = lines.iter().map(|line| trimmed(line)).collect();
    while lines.last().is_some_and(|line| line.is_empty()) {
        lines.pop();
    }
    if let Some(blank) = lines.iter().position(|line| line.is_empty()) {
        return Err(format!(
            "line {} is blank, so that the names after it would belong to other labels; remove it",
            blank + 1
        ));
    }
    let numbered: Option<Vec<(String, String)>> = lines.iter().map(|line| numbered(line)).collect();
    Ok(numbered.unwrap_or_else(|| by_position(lines.iter().map(|&line| line.to_owned()))))
}

/// Returns the label and the name of a line such as `0<TAB>anger`.
fn numbered(line: &str) -> Option<(String, String)> {
    let (label, name) = line.split_once(['\t', ',', ':'])?;
    let is_number = !label.is_empty() && label.trim().bytes().all(|byte| byte.is_ascii_digit());
    let name = name.split('\t').next().map(trimmed).filter(|name| !name.is_empty())?;
    is_number.then(|| (label.trim().to_owned(), name.to_owned()))
}

fn by_position(names: impl Iterator<Item = String>) -> Vec<(String, String)> {
    names.enumerate().map(|(at, name)| (at.to_string(), name)).collect()
}

/// Reads names from JSON.
fn of_json(text: &str) -> Result<Vec<(String, String)>, String> {
    let form = "write a list of names, or an object such as {\"0\": \"NAME\"}";
    let value: Value = serde_json::from_str(text)
        .map_err(|error| format!("line {}: this is no valid JSON; {form}, or one name per line", error.line()))?;
    let name = |value: Value| match value {
        Value::String(name) => Ok(trimmed(&name).to_owned()),
        other => Err(format!("`{}` is no name; {form}", excerpt(&other.to_string()))),
    };
    match value {
        Value::Array(names) => Ok(by_position(names.into_iter().map(name).collect::<Result<Vec<_>, _>>()?.into_iter())),
        Value::Object(pairs) => {
            let pair = |(key, value): (String, Value)| match value {
                Value::Number(label) => Ok((label.to_string(), trimmed(&key).to_owned())),
                other => Ok((key, name(other)?)),
            };
            let mut pairs = pairs.into_iter().map(pair).collect::<Result<Vec<_>, String>>()?;
            pairs.sort_by_key(|(label, _)| label.parse().unwrap_or(u64::MAX));
            Ok(pairs)
        }
        _ => Err(format!("this is neither a list nor an object; {form}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(content: &str) -> Result<Vec<(String, String)>, String> {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("names.txt");
        std::fs::write(&path, content).expect("written");
        match ClassNames::read(&path) {
            Ok(found) => Ok(found.names.into_iter().collect()),
            Err(error) => Err(error.to_string()),
        }
    }

    fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
        expected.iter().map(|&(label, name)| (label.to_owned(), name.to_owned())).collect()
    }

    #[test]
    fn every_form_of_the_file_names_labels() {
        let both = pairs(&[("0", "anger"), ("1", "joy")]);
        for content in [
            "anger\njoy\n",
            "\u{feff}anger\r\njoy\r\n\r\n",
            "0\tanger\n1\tjoy\n",
            "0,anger\n1,joy",
            "0: anger\n1: joy\n",
            "0\tanger\t:(\n1\tjoy\t:)\n",
            "[\"anger\",\n \"joy\"]\n",
            "{\"0\": \"anger\", \"1\": \"joy\"}",
            "{\"anger\": 0, \"joy\": 1}",
        ] {
            assert_eq!(read(content), Ok(both.clone()), "{content}");
        }
        assert_eq!(read("1\tWorld\n2\tSports\n"), Ok(pairs(&[("1", "World"), ("2", "Sports")])));
        assert_eq!(read("1 star\n2 stars\n"), Ok(pairs(&[("0", "1 star"), ("1", "2 stars")])));
        assert_eq!(read("arts, music\n"), Ok(pairs(&[("0", "arts, music")])));
    }

    #[test]
    fn a_damaged_file_is_answered_with_the_cure() {
        for (content, expected) in [
            ("", "there is no name"),
            ("\n \n", "there is no name"),
            ("a\n\nb\n", "line 2 is blank"),
            ("a\nb\na\n", "two labels have the name `a`"),
            ("0\ta\n0\tb\n", "the label `0` has two names"),
            ("[\"a\",\n", "line 1: this is no valid JSON"),
            ("[\"a\", 1]", "`1` is no name"),
            ("{\"0\": null}", "`null` is no name"),
        ] {
            let error = read(content).expect_err(content);
            assert!(error.contains("names.txt") && error.contains(expected), "{content:?}: {error}");
        }
    }
}
