//! Pooling: combines the vectors of a text's tokens into one vector.
//!
//! | mode | vector from the tokens x_1 ... x_n |
//! |---|---|
//! | `cls` | x_1 |
//! | `max` | the maximum of each column |
//! | `mean` | sum x_i / n |
//! | `mean_sqrt_len_tokens` | sum x_i / sqrt n |
//! | `weightedmean` | sum i x_i / sum i |
//! | `lasttoken` | x_n |
//!
//! The vectors of several modes are concatenated: old configs have one boolean per mode, and the order is that of the table;
//! newer ones have the key `pooling_mode`, with a name or a list in its own order. With `include_prompt = false`, the tokens of
//! the prompt are skipped.

use std::path::Path;

use serde_json::{Map, Value};

use crate::Error;
use crate::json;

/// A pooling mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    Cls,
    Max,
    Mean,
    MeanSqrtLength,
    WeightedMean,
    LastToken,
}

/// The name, the old key and the mode, in the order of concatenation.
const MODES: [(&str, &str, Mode); 6] = [
    ("cls", "pooling_mode_cls_token", Mode::Cls),
    ("max", "pooling_mode_max_tokens", Mode::Max),
    ("mean", "pooling_mode_mean_tokens", Mode::Mean),
    ("mean_sqrt_len_tokens", "pooling_mode_mean_sqrt_len_tokens", Mode::MeanSqrtLength),
    ("weightedmean", "pooling_mode_weightedmean_tokens", Mode::WeightedMean),
    ("lasttoken", "pooling_mode_lasttoken", Mode::LastToken),
];

/// The pooling of a model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pooling {
    pub(crate) modes: Vec<Mode>,
    include_prompt: bool,
}

impl Pooling {
    /// Creates mean pooling over all tokens.
    pub(crate) fn mean() -> Self {
        Self { modes: vec![Mode::Mean], include_prompt: true }
    }

    /// Creates pooling by the name of a mode.
    #[cfg(feature = "onnx")]
    pub(crate) fn named(name: &str) -> Result<Self, String> {
        Ok(Self { modes: vec![Mode::named(&Value::from(name))?], include_prompt: true })
    }

    /// Reads the `config.json` of a Pooling module, for token vectors of `hidden` numbers.
    pub(crate) fn read(folder: &Path, hidden: usize) -> Result<Self, Error> {
        let path = folder.join("config.json");
        let config = json::object(&path)?;
        let fault = |reason: String| Error::format(&path, reason);
        for key in ["word_embedding_dimension", "embedding_dimension"] {
            if config.get(key).is_some_and(|size| size.as_u64() != Some(hidden as u64)) {
                return Err(fault(format!("`{key}` is {}; the transformer's tokens have {hidden}", config[key])));
            }
        }
        let include_prompt = config.get("include_prompt").is_none_or(|value| value != &Value::Bool(false));
        Ok(Self { modes: modes(&config).map_err(fault)?, include_prompt })
    }

    /// Returns the dimension of a text's vector.
    pub(crate) fn dim(&self, hidden: usize) -> usize {
        self.modes.len() * hidden
    }

    /// Returns the settings that determine vectors, as a part of the digest.
    pub(crate) fn digest_part(&self) -> String {
        let names: Vec<&str> = self.modes.iter().map(|mode| mode.name()).collect();
        format!("pooling modes={} include_prompt={}", names.join(","), self.include_prompt)
    }

    /// Returns the number of tokens that are skipped, of a prompt of `prompt` tokens.
    pub(crate) fn skipped(&self, prompt: usize) -> usize {
        if self.include_prompt { 0 } else { prompt }
    }

    /// Pools the token vectors of a text, `[n, hidden]`, the first `prompt` of which are those of the prompt. Returns zeros if
    /// there are no tokens.
    pub(crate) fn pool(&self, tokens: &[f32], hidden: usize, prompt: usize) -> Vec<f32> {
        let skipped = self.skipped(prompt);
        let rows: Vec<&[f32]> = tokens.chunks_exact(hidden).collect();
        let kept = rows.get(skipped..).unwrap_or_default();
        let mut vector = Vec::with_capacity(self.dim(hidden));
        for mode in &self.modes {
            vector.extend(mode.pool(kept, skipped, hidden));
        }
        vector
    }
}

impl Mode {
    /// Returns the name of the mode in configs.
    fn name(self) -> &'static str {
        MODES.iter().find(|(_, _, mode)| *mode == self).map_or("", |(name, _, _)| name)
    }

    fn named(name: &Value) -> Result<Self, String> {
        let found = MODES.iter().find(|(known, ..)| name.as_str() == Some(known)).map(|(.., mode)| *mode);
        let known = MODES.map(|(name, ..)| name).join(", ");
        found.ok_or_else(|| format!("unknown pooling mode {name}; the modes are {known}"))
    }

    /// Returns the weight of each of `count` tokens in a text's vector, after `first` that were skipped; `None` if it isn't a
    /// weighted sum.
    pub(crate) fn weights(self, count: usize, first: usize) -> Option<Vec<f32>> {
        let only = |at: Option<usize>| (0..count).map(|token| if Some(token) == at { 1.0 } else { 0.0 }).collect();
        let all = |divisor: f32| vec![1.0 / divisor.max(1e-9); count];
        Some(match self {
            Self::Cls => only(Some(0)),
            Self::LastToken => only(count.checked_sub(1)),
            Self::Max => return None,
            Self::Mean => all(count as f32),
            Self::MeanSqrtLength => all((count as f32).sqrt()),
            Self::WeightedMean => {
                let sum: f32 = (0..count).map(|at| (first + at + 1) as f32).sum();
                (0..count).map(|at| (first + at + 1) as f32 / sum).collect()
            }
        })
    }

    /// Pools token vectors. `first`: the number of tokens that were skipped before `rows`.
    fn pool(self, rows: &[&[f32]], first: usize, hidden: usize) -> Vec<f32> {
        let count = rows.len() as f32;
        let row = |row: Option<&&[f32]>| row.map_or_else(|| vec![0.0; hidden], |row| row.to_vec());
        match self {
            Self::Cls => row(rows.first()),
            Self::LastToken => row(rows.last()),
            Self::Max => rows.iter().skip(1).fold(row(rows.first()), |mut best, row| {
                best.iter_mut().zip(*row).for_each(|(best, &value)| *best = best.max(value));
                best
            }),
            Self::Mean => weighted(rows, hidden, |_| 1.0, count),
            Self::MeanSqrtLength => weighted(rows, hidden, |_| 1.0, count.sqrt()),
            Self::WeightedMean => {
                let weight = |at: usize| (first + at + 1) as f32;
                weighted(rows, hidden, weight, (0..rows.len()).map(weight).sum())
            }
        }
    }
}

/// Computes the weighted sum of rows, divided by `divisor`.
fn weighted(rows: &[&[f32]], hidden: usize, weight: impl Fn(usize) -> f32, divisor: f32) -> Vec<f32> {
    let mut sums = vec![0.0; hidden];
    for (at, row) in rows.iter().enumerate() {
        let weight = weight(at);
        sums.iter_mut().zip(*row).for_each(|(sum, &value)| *sum += weight * value);
    }
    sums.iter_mut().for_each(|sum| *sum /= divisor.max(1e-9));
    sums
}

fn modes(config: &Map<String, Value>) -> Result<Vec<Mode>, String> {
    let Some(named) = config.get("pooling_mode") else {
        let set = |key: &str| config.get(key).and_then(Value::as_bool).unwrap_or(false);
        let modes: Vec<Mode> = MODES.iter().filter(|(_, key, _)| set(key)).map(|(.., mode)| *mode).collect();
        return Ok(if modes.is_empty() { vec![Mode::Mean] } else { modes });
    };
    match named {
        Value::Array(list) if (1..=MODES.len()).contains(&list.len()) => list.iter().map(Mode::named).collect(),
        Value::Array(list) => Err(format!("{} pooling modes; there must be 1 to {}", list.len(), MODES.len())),
        value => Ok(vec![Mode::named(value)?]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(json: &str) -> Result<Vec<Mode>, String> {
        modes(serde_json::from_str::<Value>(json).expect("JSON").as_object().expect("an object"))
    }

    #[test]
    fn old_and_new_configs_are_read() {
        assert_eq!(of("{}"), Ok(vec![Mode::Mean]));
        let old =
            r#"{"pooling_mode_mean_tokens": true, "pooling_mode_cls_token": true, "pooling_mode_max_tokens": false}"#;
        assert_eq!(of(old), Ok(vec![Mode::Cls, Mode::Mean]));
        assert_eq!(of(r#"{"pooling_mode": "lasttoken"}"#), Ok(vec![Mode::LastToken]));
        assert_eq!(of(r#"{"pooling_mode": ["max", "cls"]}"#), Ok(vec![Mode::Max, Mode::Cls]));
        assert!(of(r#"{"pooling_mode": "median"}"#).expect_err("unknown").contains("weightedmean"));
    }

    #[test]
    fn a_prompt_may_be_passed_over() {
        let tokens = [1.0, 5.0, 3.0, -1.0, 4.0, 0.0]; // three tokens of two numbers
        let pooled = |mode, include_prompt| Pooling { modes: vec![mode], include_prompt }.pool(&tokens, 2, 1);
        assert_eq!(pooled(Mode::Mean, true), [8.0 / 3.0, 4.0 / 3.0]);
        assert_eq!(pooled(Mode::Mean, false), [3.5, -0.5]);
        assert_eq!(pooled(Mode::Cls, false), [3.0, -1.0]);
        assert_eq!(pooled(Mode::WeightedMean, false), [(2.0 * 3.0 + 3.0 * 4.0) / 5.0, -2.0 / 5.0]);
        let nothing = Pooling { modes: vec![Mode::Max, Mode::LastToken, Mode::Mean], include_prompt: false };
        assert_eq!(nothing.pool(&tokens, 2, 9), [0.0; 6]);
    }
}
