//! Finds a model's files, and reads its configuration.
//!
//! | layout, in this order | configuration | table | tokenizer | tensor |
//! |---|---|---|---|---|
//! | model2vec | `config.json` | `model.safetensors` | `tokenizer.json` | `embeddings` |
//! | sentence-transformers | `config_sentence_transformers.json` | `model.safetensors` | `tokenizer.json` | `embedding.weight` |
//! | nested | `config_sentence_transformers.json` | `0_StaticEmbedding/model.safetensors` | `0_StaticEmbedding/tokenizer.json` | `embedding.weight` |

use std::path::{Path, PathBuf};

use emberline_base::{file, json};
use serde_json::Value;

use crate::Error;
use crate::source::location::missing_hint;

/// The configuration, the folder of the other files, and the name of the tensor.
const LAYOUTS: [(&str, &str, &str); 3] = [
    ("config.json", "", "embeddings"),
    ("config_sentence_transformers.json", "", "embedding.weight"),
    ("config_sentence_transformers.json", "0_StaticEmbedding", "embedding.weight"),
];
/// The maximum number of tokens of a text if the configuration doesn't say.
const MAX_LENGTH: usize = 512;

/// The files of a model.
#[derive(Debug)]
pub(super) struct Files {
    config: PathBuf,
    /// The table's safetensors.
    pub(super) model: PathBuf,
    /// The tokenizer's JSON.
    pub(super) tokenizer: PathBuf,
    /// The name of the table's tensor.
    pub(super) tensor: &'static str,
}

/// The settings of a configuration that affect how a text becomes a vector.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Config {
    /// Whether vectors are scaled to length 1.
    pub(super) normalize: bool,
    /// The maximum number of tokens of a text. `None`: there is no limit.
    pub(super) max_length: Option<usize>,
}

impl Files {
    /// Returns the first layout whose files all exist. `url`: where the model can be downloaded.
    pub(super) fn find(folder: &Path, url: Option<&str>) -> Result<Self, Error> {
        if !folder.exists() {
            return Err(Error::Missing { path: folder.to_owned(), hint: missing_hint(url) });
        }
        let mut layouts = LAYOUTS.iter().map(|&(config, below, tensor)| Self {
            config: folder.join(config),
            model: folder.join(below).join("model.safetensors"),
            tokenizer: folder.join(below).join("tokenizer.json"),
            tensor,
        });
        let whole = |files: &Self| [&files.config, &files.model, &files.tokenizer].iter().all(|path| path.is_file());
        layouts.find(whole).ok_or_else(|| {
            let needed = "not a model2vec folder, which holds `model.safetensors`, `tokenizer.json` and `config.json` \
                          (or `config_sentence_transformers.json`)";
            Error::format(folder, needed)
        })
    }

    /// Reads the configuration.
    pub(super) fn config(&self) -> Result<Config, Error> {
        let json = file::read(&self.config)?;
        Config::read(&json).map_err(|reason| Error::format(&self.config, reason))
    }
}

impl Config {
    fn read(json: &[u8]) -> Result<Self, String> {
        let config: Value = serde_json::from_slice(json).map_err(|e| json::describe_error_at(&e))?;
        let config = config.as_object().ok_or("not a JSON object")?;
        let normalize = match config.get("normalize") {
            None | Some(Value::Null) => false,
            Some(Value::Bool(normalize)) => *normalize,
            Some(other) => return Err(format!("`normalize` is {other}; true or false is expected")),
        };
        let max_length = match config.get("max_length") {
            None => Some(MAX_LENGTH),
            Some(Value::Null) => None,
            Some(number) => Some(length(number)?),
        };
        Ok(Self { normalize, max_length })
    }
}

fn length(number: &Value) -> Result<usize, String> {
    let length = number.as_u64().and_then(|length| usize::try_from(length).ok()).filter(|&length| length > 0);
    length.ok_or_else(|| format!("`max_length` is {number}; a number from 1, or null, is expected"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn configurations_say_what_they_say() {
        let config = |normalize, max_length| Ok(Config { normalize, max_length });
        assert_eq!(Config::read(b"{}"), config(false, Some(512)));
        assert_eq!(Config::read(br#"{"normalize": null, "max_length": null}"#), config(false, None));
        assert_eq!(Config::read(br#"{"normalize": true, "max_length": 7, "seq_length": 3}"#), config(true, Some(7)));
        for json in ["", "[]", "{", r#"{"normalize": 1}"#, r#"{"max_length": -1}"#, r#"{"max_length": 0}"#] {
            assert!(Config::read(json.as_bytes()).is_err(), "{json}");
        }
    }

    #[test]
    fn a_missing_folder_and_a_wrong_one_are_named() {
        let folder = tempfile::tempdir().expect("a folder");
        let error = Files::find(&folder.path().join("none"), Some("https://example.org")).expect_err("nothing there");
        assert!(error.to_string().ends_with("isn't there; `emberline fetch` downloads it"), "{error}");
        let error = Files::find(folder.path(), None).expect_err("an empty folder");
        assert!(error.to_string().contains("not a model2vec folder"), "{error}");
    }
}
