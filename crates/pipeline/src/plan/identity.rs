//! What makes a cell the cell that it is: a digest of its settings.
//!
//! The digest covers the canonical text of every setting that a result depends on, *without* those that have their default
//! and without the grid's axes. So a key that a later version adds with a default, an axis that is added for a value that
//! cells had already, swapped lines of `[grid]`, and numbers that are written differently all leave a cell what it was.
//! Where a default itself changes, the version of the computation has to be raised (`emberline_train::COMPUTATION` and
//! its siblings): the same text would mean other settings.
//!
//! Not part of it: the pipeline's name, places of files (`path`, `url`, `sha256`; what lies there is told by the digests
//! of data and embedding), and `epoch_dots`. A place that is itself an axis is part of it, since it tells cells apart.

use std::fmt;

use emberline_base::{Digest, canonical, sorted};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

/// Keys that say where files are.
const PLACES: [&str; 3] = ["path", "url", "sha256"];

/// The identity of a cell: 128 bits of SHA-256.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Identity(u128);

impl Identity {
    /// The identity of the settings with this canonical text.
    pub(super) fn of(text: &str) -> Self {
        let digest = Digest::of(text.as_bytes());
        Self(u128::from_str_radix(&digest.as_str()[..32], 16).expect("a digest is 64 hex digits"))
    }

    /// The first eight hex digits, for names that people read.
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

/// The canonical text of a section: without defaults, places of files, and the keys in `ignored`.
pub(super) fn text_of<T: Serialize + DeserializeOwned>(section: &T, ignored: &[&str]) -> String {
    let mut value = without_defaults(section);
    remove_places(&mut value);
    if let Some(table) = value.as_object_mut() {
        ignored.iter().for_each(|key| drop(table.remove(*key)));
    }
    canonical(&value)
}

/// What a value of an axis says of where files are: all of it if the axis's key is that of a place, else what stands at such
/// keys in it; none if it says nothing of the kind.
pub(super) fn places_in(key: &str, value: Value) -> Option<Value> {
    if is_place(key) {
        return Some(value);
    }
    match value {
        Value::Object(table) => {
            let below = table.into_iter().filter_map(|(key, value)| Some((key.clone(), places_in(&key, value)?)));
            Some(below.collect::<Map<_, _>>()).filter(|places| !places.is_empty()).map(Value::Object)
        }
        Value::Array(values) => {
            let below: Vec<Value> = values.into_iter().filter_map(|value| places_in("", value)).collect();
            Some(below).filter(|places| !places.is_empty()).map(Value::Array)
        }
        _ => None,
    }
}

/// Whether the last part of a dotted key says where a file is.
fn is_place(key: &str) -> bool {
    key.rsplit('.').next().is_some_and(|last| PLACES.contains(&last))
}

fn remove_places(value: &mut Value) {
    match value {
        Value::Object(table) => {
            PLACES.iter().for_each(|key| drop(table.remove(*key)));
            table.values_mut().for_each(remove_places);
        }
        Value::Array(values) => values.iter_mut().for_each(remove_places),
        _ => {}
    }
}

/// A section as JSON, less every key without which it would be read as the same settings.
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

/// One step into a value.
#[derive(Clone)]
enum Step {
    Key(String),
    At(usize),
}

/// The paths of all keys of a value, the innermost first.
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

/// The table that holds the last key of a path, and that key.
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

    /// A section before and after a version that adds a key with a default, and moves the fields.
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
        assert!(is_place("data.path") && is_place("embedding.sha256") && is_place("data.valid.path"));
        assert!(!is_place("data.text") && !is_place("path.of"));
        let table = json!({"word_vectors": {"path": "a", "combiner": "sum"}, "list": [{"url": "b"}, 1]});
        let places = json!({"word_vectors": {"path": "a"}, "list": [{"url": "b"}]});
        assert_eq!(places_in("embedding.words", table), Some(places));
        assert_eq!(places_in("seed", json!(1)), None);
    }
}
