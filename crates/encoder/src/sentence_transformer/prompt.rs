//! Prompts: texts that some models need before every text, by name in `config_sentence_transformers.json`.

use std::path::Path;

use emberline_base::Warning;
use emberline_base::warning::Code;
use serde_json::Value;

use crate::Error;
use crate::json;

const FILE: &str = "config_sentence_transformers.json";
/// Maximum number of prompts that a warning shows, and of characters of each.
const MAX_SHOWN: usize = 5;
const MAX_CHARS: usize = 40;

/// The prompt that is prepended to every text, and a warning about it.
#[derive(Debug, Default)]
pub(crate) struct Prompt {
    pub(crate) text: String,
    pub(crate) warning: Option<Warning>,
}

/// Resolves the prompt: the model's prompt with the name `asked`, or `asked` itself as a text; without `asked`, the model's
/// default prompt.
pub(crate) fn resolve(folder: &Path, asked: Option<&str>) -> Result<Prompt, Error> {
    let path = folder.join(FILE);
    let config = if path.exists() { json::object(&path)? } else { serde_json::Map::new() };
    let prompts = config.get("prompts").and_then(Value::as_object);
    let named = |name: &str| prompts.and_then(|all| all.get(name)).and_then(Value::as_str);
    if let Some(asked) = asked {
        if let Some(text) = named(asked) {
            return Ok(Prompt { text: text.to_owned(), warning: None });
        }
        let names: Vec<&str> = prompts.into_iter().flat_map(|all| all.keys().map(String::as_str)).collect();
        return Ok(Prompt { text: asked.to_owned(), warning: no_name(asked, &names) });
    }
    let text = match config.get("default_prompt_name").and_then(Value::as_str) {
        None => String::new(),
        Some(name) => named(name).map(str::to_owned).ok_or_else(|| {
            Error::format(
                &path,
                format!("`default_prompt_name` is {name:?}, but there is no such prompt; set `prompt`"),
            )
        })?,
    };
    let warning = if text.is_empty() { none_chosen(&path, prompts) } else { None };
    Ok(Prompt { text, warning })
}

/// Returns a warning if a model has prompts, but neither the user nor the model chooses one.
fn none_chosen(path: &Path, prompts: Option<&serde_json::Map<String, Value>>) -> Option<Warning> {
    let texts = prompts?.iter().filter_map(|(name, text)| Some((name, text.as_str().filter(|text| !text.is_empty())?)));
    let shown: Vec<String> =
        texts.take(MAX_SHOWN).map(|(name, text)| format!("`{name}` ({})", excerpt(text))).collect();
    if shown.is_empty() {
        return None;
    }
    let file = path.file_name().unwrap_or_default().to_string_lossy();
    let text = format!(
        "The model was trained with prompts before its texts ({}; {file}), and none is set: its vectors are worse without. Set \
         `prompt` to the name of the one for classification or for symmetric tasks (the model's page says which), or to \"\" if it \
         needs none.",
        shown.join(", ")
    );
    Some(Warning::new(Code::PromptMissing, text))
}

/// Returns the beginning of a prompt, in quotes.
fn excerpt(prompt: &str) -> String {
    let start: String = prompt.chars().take(MAX_CHARS).collect();
    let more = if start.len() < prompt.len() { "..." } else { "" };
    format!("{:?}", start + more)
}

/// Returns a warning if a prompt looks like a name, that is, a single word, but the model has no prompt of that name.
fn no_name(asked: &str, names: &[&str]) -> Option<Warning> {
    let is_word = !asked.is_empty() && asked.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '.'));
    if !is_word {
        return None;
    }
    let known = match names {
        [] => "this model has no prompts".to_owned(),
        [only] => format!("this model's only prompt is `{only}`"),
        names => format!("this model's prompts are `{}`", names.join("`, `")),
    };
    let text = format!(
        "`prompt` is {asked:?}, and {known}: the word {asked:?} itself is put before every text. Give the name of a prompt; if \
         the word is what you mean, write it as the model was trained on it, such as \"{asked}: \"."
    );
    Some(Warning::new(Code::PromptIsNoName, text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_that_is_no_name_is_warned_of() {
        let folder = tempfile::tempdir().expect("a folder");
        let prompt = |asked| resolve(folder.path(), asked).expect("readable");
        let warning = |asked| prompt(Some(asked)).warning.map(|warning| warning.to_string()).unwrap_or_default();
        assert!(warning("query").starts_with("EMB008: `prompt` is \"query\", and this model has no prompts"));
        let config =
            r#"{"prompts": {"query": "query: ", "passage": "passage: ", "none": ""}, "default_prompt_name": "query"}"#;
        std::fs::write(folder.path().join(FILE), config).expect("written");
        assert!(warning("querry").contains("prompts are `query`, `passage`, `none`"), "{}", warning("querry"));
        for (asked, text) in [(Some("passage"), "passage: "), (Some("none"), ""), (Some(""), ""), (None, "query: ")] {
            let prompt = prompt(asked);
            assert_eq!((prompt.text.as_str(), prompt.warning), (text, None), "{asked:?}");
        }
        let empty = r#"{"prompts": {"query": "", "document": ""}, "default_prompt_name": null}"#;
        let without = r#"{"prompts": {"query": "query: ", "document": ""}, "default_prompt_name": null}"#;
        for (config, asked, warned) in
            [(empty, None, false), (without, None, true), (without, Some(""), false), (without, Some("query"), false)]
        {
            std::fs::write(folder.path().join(FILE), config).expect("written");
            let warning = resolve(folder.path(), asked).expect("readable").warning.map(|warning| warning.to_string());
            let begins = "EMB017: The model was trained with prompts before its texts (`query` (\"query: \"); config_";
            assert_eq!(warning.as_ref().is_some_and(|text| text.starts_with(begins)), warned, "{config} {warning:?}");
        }
        std::fs::write(folder.path().join(FILE), config).expect("written");
        for text in ["query: ", "Represent this sentence", "query:"] {
            assert_eq!((prompt(Some(text)).text.as_str(), warning(text).as_str()), (text, ""));
        }
    }
}
