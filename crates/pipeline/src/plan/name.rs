//! Makes the readable id of a cell: `minilm-d64-frozen-s1-r2-3f9a1c2b`.
//!
//! The id has the embedding, the value of every axis that differs from the file's, whether the table is frozen or
//! fine-tuned, the seed, the replicate, and the beginning of the identity. A value that the file has without the axis
//! is left out, so adding an axis that contains the present value renames no cell.

use emberline_base::{Digest, ReplicateAxis, canonical};
use emberline_embedding::Source;
use serde_json::Value;

use super::cell::{CellSettings, Embedding};
use super::choice::Choice;
use crate::grid::EMBEDDING;
use crate::pipeline::Pipeline;
use crate::settings::is_of_encoder;

/// The axis of vector lengths.
const DIMENSION: &str = "embedding.dim";
/// Maximum number of characters of a value.
const MAX_VALUE_LENGTH: usize = 20;
/// Maximum number of characters of a list or table that is spelled out.
const MAX_SPELLED: usize = 48;
/// Maximum length of an id that has the values of the axes. A longer one has only the embedding, the seed and the
/// identity.
const MAX_ID_LENGTH: usize = 140;

/// Names the cells of a pipeline.
pub(super) struct CellNames<'p> {
    pipeline: &'p Pipeline,
    /// The file's settings, with defaults filled in.
    file: Value,
}

impl<'p> CellNames<'p> {
    pub(super) fn of(pipeline: &'p Pipeline) -> Self {
        Self { pipeline, file: serde_json::to_value(&pipeline.settings).unwrap_or_default() }
    }

    /// Returns the name of a cell's log: the words of its id, with lists and tables spelled out, and without the identity.
    pub(super) fn log_name(&self, settings: &CellSettings, choice: &Choice) -> String {
        let source = &settings.embedding.source;
        let state = if source.trainable() { "tuned" } else { "frozen" };
        let name = &settings.embedding.name;
        let replicate = self.replicate(settings, choice);
        let short = format!("{state}-s{}{replicate}", settings.seed);
        let long = format!("{name}{}-{short}", self.axes(settings, choice, spelled));
        if long.len() <= MAX_ID_LENGTH { long } else { format!("{name}-{short}") }
    }

    /// Returns the id of a cell. `identity` is the beginning of its identity, long enough to be unique.
    pub(super) fn name(&self, settings: &CellSettings, choice: &Choice, identity: &str) -> String {
        let source = &settings.embedding.source;
        let state = if source.trainable() { "tuned" } else { "frozen" };
        let name = &settings.embedding.name;
        let axes = self.axes(settings, choice, token);
        let replicate = self.replicate(settings, choice);
        let short = format!("{state}-s{}{replicate}-{identity}", settings.seed);
        let long = format!("{name}{axes}-{short}");
        if long.len() <= MAX_ID_LENGTH { long } else { format!("{name}-{short}") }
    }

    /// Returns the axes that change the setting, such as `-d64-train-100`: the dimension first, then the others sorted
    /// by key, so that the order of lines in `[grid]` has no influence.
    fn axes(&self, settings: &CellSettings, choice: &Choice, token: fn(&str, &Value) -> String) -> String {
        let Embedding { name, source, .. } = &*settings.embedding;
        let is_said_elsewhere =
            |key: &str| key == EMBEDDING || key == "embedding.trainable" || ReplicateAxis::of(key).is_some();
        let shown = self.pipeline.axes.iter().zip(choice.iter()).filter(|(axis, (key, value))| {
            let path = axis.path(name, &self.pipeline.settings);
            let is_known = source.fine_tuning().is_some() || !is_of_encoder(key);
            let is_default = || self.at(&path).is_none() && is_left_out(&path, source);
            is_known
                && !is_said_elsewhere(key)
                && !self.is_of_another_source(&path, name)
                && !self.is_of_file(&path, value)
                && !is_default()
        });
        let mut tokens: Vec<(bool, &str, String)> =
            shown.map(|(_, (key, value))| (key != DIMENSION, key, token(key, value))).collect();
        tokens.sort();
        tokens.into_iter().map(|(_, _, token)| format!("-{token}")).collect()
    }

    /// Returns which replicate of its setting the cell is, such as `-r2`; the seed is named separately.
    fn replicate(&self, settings: &CellSettings, choice: &Choice) -> String {
        let split = &settings.data.split;
        let number = |number: Option<u32>| number.map(|number| number.to_string());
        let shown = |axis: ReplicateAxis| match axis {
            ReplicateAxis::Seed => None,
            ReplicateAxis::SplitSeed => {
                let chosen = choice.iter().find(|(key, _)| *key == axis.key());
                chosen.filter(|(key, value)| !self.is_of_file(key, value)).map(|(_, value)| value.to_string())
            }
            ReplicateAxis::Repeat => number(split.repeat),
            ReplicateAxis::Fold => number(split.fold),
            ReplicateAxis::Draw => split.draw.clone(),
        };
        let shown = ReplicateAxis::ALL.into_iter().filter_map(|axis| Some((axis, shown(axis)?)));
        shown.map(|(axis, value)| format!("-{}{}", axis.prefix(), plain(&value))).collect()
    }

    /// Returns whether a path is that of a key of another source than the cell's.
    fn is_of_another_source(&self, path: &str, source: &str) -> bool {
        let named = path.strip_prefix("embedding.").and_then(|rest| rest.split('.').next());
        named.is_some_and(|named| named != source)
    }

    /// Returns whether the file has this value at this path.
    fn is_of_file(&self, path: &str, value: &Value) -> bool {
        self.at(path)
            .is_some_and(|said| said == value || said.as_f64().is_some_and(|said| value.as_f64() == Some(said)))
    }

    /// Returns what the file says at a path, defaults included but for those that are left out where they are written.
    fn at(&self, path: &str) -> Option<&Value> {
        path.split('.').try_fold(&self.file, |value, key| value.get(key))
    }
}

/// Returns whether a cell's source, as it is written, lacks a key of its own, `embedding.NAME.KIND.KEY`: the cell has its default.
fn is_left_out(path: &str, source: &Source) -> bool {
    let Some((EMBEDDING, rest)) = path.split_once('.') else { return false };
    let written = serde_json::to_value(source).unwrap_or_default();
    rest.split('.').skip(1).try_fold(&written, |value, key| value.get(key)).is_none()
}

/// Names a value of an axis by the last part of its key: `d64`, `train-100`. A table or a list is named by four digits
/// of its digest.
fn token(key: &str, value: &Value) -> String {
    let name = key.rsplit('.').next().unwrap_or(key);
    match value {
        Value::Number(number) if name == "dim" => format!("d{number}"),
        Value::Array(_) | Value::Object(_) => {
            format!("{}-{}", plain(name), &Digest::of(canonical(value).as_bytes()).as_str()[..4])
        }
        Value::String(text) => format!("{}-{}", plain(name), plain(text)),
        other => format!("{}-{}", plain(name), plain(&other.to_string())),
    }
}

/// Names a value of an axis as [`token`] does, but spells lists and tables out: `adam-learning_rate-0.01`.
fn spelled(key: &str, value: &Value) -> String {
    fn words(value: &Value) -> Vec<String> {
        match value {
            Value::Array(items) => items.iter().flat_map(words).collect(),
            Value::Object(table) => {
                table.iter().flat_map(|(key, value)| [vec![plain(key)], words(value)].concat()).collect()
            }
            Value::String(text) => vec![plain(text)],
            other => vec![plain(&other.to_string())],
        }
    }
    match value {
        Value::Array(_) | Value::Object(_) => {
            let words = words(value).join("-");
            if words.is_empty() { token(key, value) } else { words.chars().take(MAX_SPELLED).collect() }
        }
        _ => token(key, value),
    }
}

/// Replaces characters that file names may not have on every system.
fn plain(text: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || "_.+-".contains(c) { c } else { '_' };
    text.chars().take(MAX_VALUE_LENGTH).map(plain).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn tables_are_spelled_out_in_names_of_logs() {
        let adam = json!({"adam": {"learning_rate": 0.01}});
        assert_eq!(spelled("train.optimizer", &adam), "adam-learning_rate-0.01");
        let layers = json!([{"dense": 16, "activation": "re/lu"}, {"dropout": 0.1}]);
        assert_eq!(spelled("head.layers", &layers), "dense-16-activation-re_lu-dropout-0.1");
        assert_eq!(
            (spelled("embedding.dim", &json!(8)), spelled("head.layers", &json!([]))),
            ("d8".to_owned(), token("head.layers", &json!([])))
        );
    }

    #[test]
    fn values_show_in_plain_characters() {
        for (key, value, expected) in [
            ("embedding.dim", json!(64), "d64"),
            ("data.split.train", json!(0.25), "train-0.25"),
            ("embedding.reduce", json!("pca"), "reduce-pca"),
            ("data.path", json!("a b/ä.csv"), "path-a_b__.csv"),
            ("data.split.stratify", json!(false), "stratify-false"),
        ] {
            assert_eq!(token(key, &value), expected);
        }
        let [one, other] = [json!({"layers": []}), json!({"layers": [1]})].map(|value| token("head", &value));
        assert!(one != other && one.starts_with("head-") && one.len() == "head-1234".len(), "{one}, {other}");
    }
}
