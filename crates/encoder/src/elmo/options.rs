//! Parses `options.json`: the sizes and settings of an ELMo model.
//!
//! Input: the text of the file. Output: validated [`Options`]. The keys are those that the training of AllenNLP and bilm-tf
//! writes; other keys are ignored. Every size is bounded, so that products of sizes can't overflow and a malicious file can't
//! request more memory than the size of the weights file.

use emberline_base::json;
use serde::{Deserialize, Serialize};

/// Maximum width of a layer.
const MAX_WIDTH: usize = 1 << 15;
/// Maximum number of layers, of highway layers and of filter widths.
const MAX_DEPTH: usize = 16;
/// Maximum length of a token in characters, including its begin and end markers.
const MAX_CHARACTERS: usize = 1 << 10;

/// The options of a model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Options {
    /// The two language models.
    pub(super) lstm: Lstm,
    /// The token encoder.
    pub(super) char_cnn: CharCnn,
}

/// Two stacks of LSTM layers with projections.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Lstm {
    /// The dimension of the cell state, C.
    pub(super) dim: usize,
    /// The dimension of the output, P.
    pub(super) projection_dim: usize,
    /// The number of layers per stack.
    pub(super) n_layers: usize,
    /// Cell states are clipped to `[-cell_clip, cell_clip]`; unbounded if 0 or absent.
    #[serde(default)]
    pub(super) cell_clip: Option<f32>,
    /// Outputs are clipped to `[-proj_clip, proj_clip]`; unbounded if 0 or absent.
    #[serde(default)]
    pub(super) proj_clip: Option<f32>,
    /// Whether each layer except the first adds its input to its output.
    #[serde(default)]
    pub(super) use_skip_connections: bool,
}

/// The token encoder: a convolution over characters.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct CharCnn {
    /// The character embedding table.
    pub(super) embedding: Characters,
    /// The width and the number of filters, for each width.
    pub(super) filters: Vec<(usize, usize)>,
    /// The number of highway layers after the filters.
    #[serde(default)]
    pub(super) n_highway: usize,
    /// Maximum number of characters of a token, including its begin and end markers; longer tokens are truncated.
    pub(super) max_characters_per_token: usize,
    /// The activation after the maximum over positions.
    pub(super) activation: Activation,
}

/// The character embedding table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Characters {
    /// The dimension of a character's vector.
    pub(super) dim: usize,
}

/// An activation function.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Activation {
    /// max(x, 0)
    Relu,
    /// tanh x
    Tanh,
}

impl Options {
    /// Parses and validates the text of the file.
    ///
    /// # Errors
    /// What is wrong, with line and column for an error of the JSON.
    pub(super) fn parse(text: &[u8]) -> Result<Self, String> {
        let mut options: Self = serde_json::from_slice(text)
            .map_err(|e| format!("not the options of an ELMo model: {}", json::describe_error_at(&e)))?;
        options.check()?;
        let bound = |clip: Option<f32>| clip.filter(|&clip| clip != 0.0);
        options.lstm.cell_clip = bound(options.lstm.cell_clip);
        options.lstm.proj_clip = bound(options.lstm.proj_clip);
        Ok(options)
    }

    fn check(&self) -> Result<(), String> {
        let (lstm, cnn) = (&self.lstm, &self.char_cnn);
        within("lstm.dim", lstm.dim, 1, MAX_WIDTH)?;
        within("lstm.projection_dim", lstm.projection_dim, 1, MAX_WIDTH)?;
        within("lstm.n_layers", lstm.n_layers, 1, MAX_DEPTH)?;
        within("char_cnn.embedding.dim", cnn.embedding.dim, 1, MAX_WIDTH)?;
        within("char_cnn.n_highway", cnn.n_highway, 0, MAX_DEPTH)?;
        within("char_cnn.max_characters_per_token", cnn.max_characters_per_token, 3, MAX_CHARACTERS)?;
        within("the length of char_cnn.filters", cnn.filters.len(), 1, MAX_DEPTH)?;
        for &(width, count) in &cnn.filters {
            within("a width in char_cnn.filters", width, 1, cnn.max_characters_per_token)?;
            within("a number in char_cnn.filters", count, 1, MAX_WIDTH)?;
        }
        within("the sum of char_cnn.filters", self.features(), 1, MAX_WIDTH)?;
        for (name, clip) in [("cell_clip", lstm.cell_clip), ("proj_clip", lstm.proj_clip)] {
            if clip.is_some_and(|clip| !clip.is_finite() || clip < 0.0) {
                return Err(format!("lstm.{name} must be a positive number, or 0 for no bound"));
            }
        }
        Ok(())
    }

    /// Returns the number of features of all filters together, F.
    pub(super) fn features(&self) -> usize {
        self.char_cnn.filters.iter().map(|(_, count)| count).sum()
    }
}

fn within(key: &str, value: usize, least: usize, most: usize) -> Result<(), String> {
    if (least..=most).contains(&value) {
        Ok(())
    } else {
        Err(format!("{key} is {value}, but must be from {least} to {most}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The options of the original model.
    const ORIGINAL: &str = r#"{"lstm": {"use_skip_connections": true, "projection_dim": 512, "cell_clip": 3,
        "proj_clip": 3, "dim": 4096, "n_layers": 2}, "char_cnn": {"activation": "relu", "filters": [[1, 32], [2, 32],
        [3, 64], [4, 128], [5, 256], [6, 512], [7, 1024]], "n_highway": 2, "embedding": {"dim": 16},
        "n_characters": 262, "max_characters_per_token": 50}}"#;

    #[test]
    fn the_original_is_read() {
        let options = Options::parse(ORIGINAL.as_bytes()).expect("fine options");
        assert_eq!((options.features(), options.lstm.cell_clip, options.lstm.n_layers), (2048, Some(3.0), 2));
        assert_eq!((options.char_cnn.filters[6], options.char_cnn.activation), ((7, 1024), Activation::Relu));
    }

    #[test]
    fn a_clip_of_zero_is_none() {
        let options = Options::parse(ORIGINAL.replace("\"cell_clip\": 3", "\"cell_clip\": 0").as_bytes());
        assert_eq!(options.expect("fine options").lstm.cell_clip, None);
    }

    #[test]
    fn faults_name_the_key() {
        for (from, to, message) in [
            ("4096", "99999999999", "lstm.dim is 99999999999, but must be from 1 to 32768"),
            ("512,", "0,", "lstm.projection_dim is 0"),
            ("\"n_layers\": 2", "\"n_layers\": 17", "lstm.n_layers is 17"),
            ("[7, 1024]", "[51, 1024]", "a width in char_cnn.filters is 51, but must be from 1 to 50"),
            ("[7, 1024]", "[7, 32000]", "the sum of char_cnn.filters"),
            ("token\": 50", "token\": 2", "max_characters_per_token is 2"),
            ("\"cell_clip\": 3", "\"cell_clip\": -1", "lstm.cell_clip must be a positive number"),
            ("relu", "swish", "unknown value `swish`"),
            ("\"lstm\"", "\"gru\"", "`lstm` is missing"),
            ("{\"lstm\"", "[\"lstm\"", "not the options of an ELMo model"),
        ] {
            let error = Options::parse(ORIGINAL.replacen(from, to, 1).as_bytes()).expect_err(message);
            assert!(error.contains(message), "{error}");
        }
    }
}
