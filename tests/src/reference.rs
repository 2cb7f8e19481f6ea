//! Writes the reference of the pipeline file, `docs/reference.md`, from its JSON Schema.
//!
//! Every table of the file becomes a section, with a row per key: its type, its default and its description, all as the Rust
//! types say it. A table that stands in several places, such as the files of the splits, is described once.

use std::collections::BTreeMap;
use std::fmt::Write;

use serde_json::{Map, Value};

/// Returns the reference as Markdown.
pub fn reference(schema: &Value) -> String {
    let mut writer = Writer { schema, described: BTreeMap::new(), sections: Vec::new() };
    writer.table("", schema);
    let mut text = String::from(
        "# The pipeline file\n\nEvery key, made from [the JSON Schema](../schemas/pipeline.schema.json), which editors complete from. \
         `emberline plan FILE --resolved` prints a file with all defaults filled in. A key that isn't here is refused.\n",
    );
    writer.sections.iter().for_each(|section| text.push_str(section));
    text
}

struct Writer<'a> {
    schema: &'a Value,
    /// The path of the section of each definition that has one.
    described: BTreeMap<String, String>,
    sections: Vec<String>,
}

impl<'a> Writer<'a> {
    /// Adds the section of a table, and after it those of the tables inside it.
    fn table(&mut self, path: &str, table: &'a Value) {
        let place = self.sections.len();
        self.sections.push(String::new());
        let required: Vec<&str> = strings(table.get("required"));
        let mut rows = String::new();
        for (key, value) in properties(table) {
            let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
            let kind = self.kind(&path, value);
            let default = match (value.get("default"), required.contains(&key.as_str())) {
                (Some(default), _) if !default.is_object() => format!("`{default}`"),
                (_, true) => "required".to_owned(),
                _ => String::new(),
            };
            let _ = writeln!(rows, "| `{key}` | {} | {default} | {} |", cell(&kind), cell(&self.meaning(value)));
        }
        let mut section = String::new();
        let title = if path.is_empty() { "Top level".to_owned() } else { format!("`{path}`") };
        let _ = write!(section, "\n## {title}\n\n{}\n", description(table));
        if !rows.is_empty() {
            let _ = write!(section, "\n| key | value | default | meaning |\n|---|---|---|---|\n{rows}");
        }
        self.sections[place] = section;
    }

    /// Describes the values of a key; tables get a section of their own.
    fn kind(&mut self, path: &str, value: &'a Value) -> String {
        if let Some(name) = value.get("$ref").and_then(Value::as_str) {
            let definition = self.definition(name);
            if properties(definition).next().is_none() {
                return self.kind(path, definition);
            }
            if let Some(described) = self.described.get(name) {
                return format!("a table as [`{described}`](#{})", anchor(described));
            }
            self.described.insert(name.to_owned(), path.to_owned());
            self.table(path, definition);
            return format!("a table: [`{path}`](#{})", anchor(path));
        }
        if let Some(of) = alternatives(value) {
            return self.one_of(path, of);
        }
        match value.get("type") {
            Some(Value::String(kind)) => self.simple(path, kind, value),
            // Beside "null", which stands for a key that is left out.
            Some(Value::Array(kinds)) => {
                let kind = kinds.iter().filter_map(Value::as_str).find(|kind| *kind != "null");
                self.simple(path, kind.unwrap_or_default(), value)
            }
            _ => "any value".to_owned(),
        }
    }

    /// Describes alternatives: words, tables with one key each, or values of several types.
    fn one_of(&mut self, path: &str, of: &'a [Value]) -> String {
        let mut kinds = Vec::new();
        for alternative in of {
            if let Some(word) = alternative.get("const").and_then(Value::as_str) {
                kinds.push(format!("`\"{word}\"`"));
                continue;
            }
            let tagged: Vec<_> = properties(alternative).collect();
            let kind = match &tagged[..] {
                _ if alternative.get("type").is_some_and(|kind| kind == "null") => continue,
                [(key, inner)] if alternative.get("$ref").is_none() => {
                    let path = format!("{path}.{key}");
                    format!("`{{ {key} = ... }}`: {}", self.kind(&path, inner))
                }
                _ => self.kind(path, alternative),
            };
            if !kinds.contains(&kind) {
                kinds.push(kind);
            }
        }
        kinds.join(", or ")
    }

    fn simple(&mut self, path: &str, kind: &str, value: &'a Value) -> String {
        match kind {
            "integer" => format!("a whole number{}", bounds(value)),
            "number" => format!("a number{}", bounds(value)),
            "boolean" => "`true` or `false`".to_owned(),
            "string" => match strings(value.get("enum")) {
                words if words.is_empty() => "a string".to_owned(),
                words => words.iter().map(|word| format!("`\"{word}\"`")).collect::<Vec<_>>().join(", or "),
            },
            "array" => match value.get("items").filter(|items| items.is_object()) {
                Some(items) => format!("a list, each {}", self.kind(path, items)),
                None => "a list".to_owned(),
            },
            "object" => match value.get("additionalProperties").filter(|values| values.is_object()) {
                Some(values) => format!("a table, for each NAME {}", self.kind(&format!("{path}.NAME"), values)),
                None => "a table".to_owned(),
            },
            other => other.to_owned(),
        }
    }

    /// Returns the description of a key, and those of the words that it may be.
    fn meaning(&self, value: &Value) -> String {
        let resolved = match value.get("$ref").and_then(Value::as_str) {
            Some(name) => self.definition(name),
            None => optional(value).and_then(Value::as_str).map_or(value, |name| self.definition(name)),
        };
        let mut text = description(value);
        for alternative in alternatives(resolved).unwrap_or_default() {
            let word = alternative.get("const").and_then(Value::as_str);
            let key = properties(alternative).next().map(|(key, _)| key.as_str());
            if let Some(name) = word.or(key) {
                let _ = write!(text, " `{name}`: {}", description(alternative));
            }
        }
        text
    }

    fn definition(&self, name: &str) -> &'a Value {
        self.schema.pointer(name.trim_start_matches('#')).expect("a reference leads to a definition")
    }
}

fn properties(table: &Value) -> impl Iterator<Item = (&String, &Value)> {
    table.get("properties").and_then(Value::as_object).into_iter().flat_map(Map::iter)
}

/// Returns the alternatives of a value: `oneOf` of something that is no table itself, or `anyOf`.
fn alternatives(value: &Value) -> Option<&[Value]> {
    let of = value.get("anyOf").or_else(|| value.get("oneOf").filter(|_| value.get("properties").is_none()))?;
    of.as_array().map(Vec::as_slice)
}

/// Returns the reference of a value that may be left out: the one beside "null".
fn optional(value: &Value) -> Option<&Value> {
    alternatives(value)?.iter().find_map(|alternative| alternative.get("$ref"))
}

fn strings(list: Option<&Value>) -> Vec<&str> {
    list.and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect()
}

fn bounds(value: &Value) -> String {
    let bound = |key: &str, words: &str| Some(format!("{words} {}", value.get(key)?));
    let all = [
        bound("minimum", "at least"),
        bound("exclusiveMinimum", "above"),
        bound("maximum", "at most"),
        bound("exclusiveMaximum", "below"),
    ];
    let all: Vec<String> = all.into_iter().flatten().collect();
    if all.is_empty() { String::new() } else { format!(", {}", all.join(" and ")) }
}

fn description(value: &Value) -> String {
    let text = value.get("description").and_then(Value::as_str).unwrap_or_default();
    // A line that is only wrapped goes on; an empty one divides paragraphs.
    text.split("\n\n").map(|paragraph| paragraph.replace('\n', " ")).collect::<Vec<_>>().join("\n\n")
}

/// Returns a text that can stand in a cell of a table.
fn cell(text: &str) -> String {
    text.replace("\n\n", " ").replace('\n', " ").replace('|', "\\|")
}

/// Returns the address of a heading, as GitHub and mdBook make it: `train.optimizer` is at `#trainoptimizer`.
fn anchor(path: &str) -> String {
    path.chars().filter(|c| c.is_alphanumeric() || *c == '_' || *c == '-').flat_map(char::to_lowercase).collect()
}
