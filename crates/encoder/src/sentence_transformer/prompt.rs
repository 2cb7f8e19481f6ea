//! Prompts: texts that some models want before every text, by name in `config_sentence_transformers.json`.

use std::path::Path;

use serde_json::Value;

use crate::Error;
use crate::json;

const FILE: &str = "config_sentence_transformers.json";

/// The text to put before every text: the prompt of that name, else the text that was asked for, else the model's default.
pub(crate) fn resolve(folder: &Path, asked: Option<&str>) -> Result<String, Error> {
    let path = folder.join(FILE);
    let config = if path.exists() { json::object(&path)? } else { serde_json::Map::new() };
    let named = |name: &str| config.get("prompts").and_then(|all| all.get(name)).and_then(Value::as_str);
    if let Some(asked) = asked {
        return Ok(named(asked).unwrap_or(asked).to_owned());
    }
    match config.get("default_prompt_name").and_then(Value::as_str) {
        None => Ok(String::new()),
        Some(name) => named(name).map(str::to_owned).ok_or_else(|| {
            Error::format(
                &path,
                format!("`default_prompt_name` is {name:?}, but there is no such prompt; set `prompt`"),
            )
        }),
    }
}
