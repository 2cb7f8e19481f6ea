//! The identity of a cell: a digest of its settings.
//!
//! The digest covers the canonical text of every setting that a result depends on, *without* those that have their
//! default and without the grid's axes. So a cell keeps its identity when a later version adds a key with a default,
//! when an axis is added for a value that cells had already, when lines of `[grid]` are swapped, and when numbers are
//! written differently. If a default itself changes, the version of the computation must be raised
//! (`emberline_train::COMPUTATION` and its siblings), since the same text would mean other settings.
//!
//! Not covered: the pipeline's name, paths of files (`path`, `url`, `sha256`, `labels_path`, `class_names`; the digests of data and embedding cover
//! the files' content), and `epoch_dots`. A path that is itself an axis is covered, since it tells cells apart.

use std::fmt;

use emberline_base::{Digest, canonical, sorted};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

/// Keys whose values say where a file is.
const FILE_KEYS: [&str; 5] = ["path", "url", "sha256", "labels_path", "class_names"];

/// The identity of a cell: the first 128 bits of a SHA-256 digest.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Identity(u128);

impl Identity {
    /// Returns the identity of the settings with this canonical text.
    pub(super) fn of(text: &str) -> Self {
        let digest = Digest::of(text.as_bytes());
        Self(u128::from_str_radix(&digest.as_str()[..32], 16).expect("a digest is 64 hex digits"))
    }

    /// Returns the first eight hexadecimal digits, for names that people read.
    pub(super) fn short(&self) -> String {
        self.to_string()[..8].to_owned()
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Returns the canonical text of a section, without defaults, paths of files, and the keys in `ignored`.
pub(super) fn text_of<T: Serialize + DeserializeOwned>(section: &T, ignored: &[&str]) -> String {
    let mut value = without_defaults(section);
    remove_file_keys(&mut value);
    if let Some(table) = value.as_object_mut() {
        ignored.iter().for_each(|key| drop(table.remove(*key)));
    }
    canonical(&value)
}

/// Returns the part of an axis's value that says where files are: the whole value if the axis's key is one of [`FILE_KEYS`],
/// else the values at such keys inside it; `None` if there are none.
pub(super) fn file_settings(key: &str, value: Value) -> Option<Value> {
    if is_file_key(key) {
        return Some(value);
    }
    match value {
        Value::Object(table) => {
            let below = table.into_iter().filter_map(|(key, value)| Some((key.clone(), file_settings(&key, value)?)));
            Some(below.collect::<Map<_, _>>()).filter(|places| !places.is_empty()).map(Value::Object)
        }
        Value::Array(values) => {
            let below: Vec<Value> = values.into_iter().filter_map(|value| file_settings("", value)).collect();
            Some(below).filter(|places| !places.is_empty()).map(Value::Array)
        }
        _ => None,
    }
}

/// Returns whether the last part of a dotted key says where a file is.
fn is_file_key(key: &str) -> bool {
    key.rsplit('.').next().is_some_and(|last| FILE_KEYS.contains(&last))
}

fn remove_file_keys(value: &mut Value) {
    match value {
        Value::Object(table) => {
            FILE_KEYS.iter().for_each(|key| drop(table.remove(*key)));
            table.values_mut().for_each(remove_file_keys);
        }
        Value::Array(values) => values.iter_mut().for_each(remove_file_keys),
        _ => {}
    }
}

/// Returns a section as JSON, without every key whose removal leaves the deserialized settings unchanged.
fn without_defaults<T: Serialize + DeserializeOwned>(section: &T) -> Value {
    let full = sorted(serde_json::to_value(section).unwrap_or_default());
    let means_the_same = |value: &Value| {
        let read = serde_json::from_value::<T>(value.clone()).and_then(serde_json::to_value);
        read.is_ok_and(|read| sorted(read) == full)
    };
    let mut reduced = full.clone();
    if means_the_same(&reduced) {
        for pointer in keys(&full) {
            let Some((table, key)) = parent(&mut reduced, &pointer) else { continue };
            let Some(value) = table.remove(&key) else { continue };
            if !means_the_same(&reduced)
                && let Some((table, key)) = parent(&mut reduced, &pointer)
            {
                table.insert(key, value);
            }
        }
    }
    reduced
}

/// One step of a path into a value.
#[derive(Clone)]
enum Step {
    Key(String),
    At(usize),
}

/// Returns the paths of all keys of a value, the innermost first.
fn keys(value: &Value) -> Vec<Vec<Step>> {
    fn collect(value: &Value, path: &mut Vec<Step>, found: &mut Vec<Vec<Step>>) {
        match value {
            Value::Object(table) => {
                for (key, value) in table {
                    path.push(Step::Key(key.clone()));
                    collect(value, path, found);
                    found.push(path.clone());
                    path.pop();
                }
            }
            Value::Array(values) => {
                for (at, value) in values.iter().enumerate() {
                    path.push(Step::At(at));
                    collect(value, path, found);
                    path.pop();
                }
            }
            _ => {}
        }
    }
    let mut found = Vec::new();
    collect(value, &mut Vec::new(), &mut found);
    found
}

/// Returns the table that holds the last key of a path, and that key.
fn parent<'v>(value: &'v mut Value, path: &[Step]) -> Option<(&'v mut Map<String, Value>, String)> {
    let (last, above) = path.split_last()?;
    let Step::Key(key) = last else { return None };
    let table = above.iter().try_fold(value, |value, step| match step {
        Step::Key(key) => value.get_mut(key),
        Step::At(at) => value.get_mut(*at),
    })?;
    Some((table.as_object_mut()?, key.clone()))
}

#[cfg(test)]
mod tests {
    use emberline_train::settings::{Head, Train};
    use serde_json::json;

    use super::*;

    fn train(value: Value) -> Train {
        serde_json::from_value(value).expect("settings of training")
    }

    #[test]
    fn what_is_written_out_but_the_default_is_left_out() {
        assert_eq!(text_of(&Train::default(), &[]), "{}");
        let written = train(json!({"optimizer": {"adam": {"learning_rate": 1e-3}}, "epochs": 7}));
        let short = train(json!({"epochs": 7}));
        assert_eq!(text_of(&written, &[]), text_of(&short, &[]));
        assert_eq!(text_of(&short, &[]), r#"{"epochs":7}"#);
    }

    #[test]
    fn what_differs_from_the_default_stays_at_every_depth() {
        let sgd = train(json!({"optimizer": {"sgd": {"learning_rate": 0.5, "momentum": 0.0}}}));
        assert_eq!(text_of(&sgd, &[]), r#"{"optimizer":{"sgd":{"learning_rate":0.5}}}"#);
        let head: Head = serde_json::from_value(json!({"layers": [{"dense": 8}, {"dropout": 0.5}]})).expect("a head");
        assert_eq!(text_of(&head, &[]), r#"{"layers":[{"dense":8},{"dropout":0.5}]}"#);
    }

    /// The same section before and after a version that adds a key with a default and reorders the fields.
    #[test]
    fn a_key_that_is_added_with_a_default_changes_nothing() {
        #[derive(Serialize, serde::Deserialize)]
        struct Before {
            rows: usize,
            share: f64,
        }
        #[derive(Serialize, serde::Deserialize)]
        struct After {
            #[serde(default)]
            weights: Option<Vec<f64>>,
            #[serde(default = "twenty")]
            patience: usize,
            share: f64,
            rows: usize,
        }
        fn twenty() -> usize {
            20
        }
        let before = text_of(&Before { rows: 3, share: 0.5 }, &[]);
        assert_eq!(text_of(&After { rows: 3, share: 0.5, weights: None, patience: 20 }, &[]), before);
        assert_ne!(text_of(&After { rows: 3, share: 0.5, weights: None, patience: 21 }, &[]), before);
    }

    #[test]
    fn places_are_told_by_the_last_part_of_a_key() {
        assert!(is_file_key("data.path") && is_file_key("embedding.sha256") && is_file_key("data.valid.path"));
        assert!(!is_file_key("data.text") && !is_file_key("path.of"));
        let table = json!({"word_vectors": {"path": "a", "combiner": "sum"}, "list": [{"url": "b"}, 1]});
        let places = json!({"word_vectors": {"path": "a"}, "list": [{"url": "b"}]});
        assert_eq!(file_settings("embedding.words", table), Some(places));
        assert_eq!(file_settings("seed", json!(1)), None);
    }
}
