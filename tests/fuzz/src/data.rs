//! Reads a file of data in several ways.

use emberline_dataset::settings::Column;
use emberline_dataset::{Error, Settings, Source, TextInput, read};
use serde_json::json;

use crate::{folder, memory};

/// The columns of a reading: by name, by number, several labels in one, a label a column.
const COLUMNS: [&str; 4] = [
    r#"{"text": "question_text", "label": "target"}"#,
    r#"{"text": 1, "label": 2}"#,
    r#"{"text": 1, "label": 2, "separator": ",", "header": true, "split": {"valid": 1}}"#,
    r#"{"text": "text", "label": ["toxic", "insult"], "delimiter": ";", "split": {"train": 2, "stratify": false}}"#,
];

/// Reads an input whose first line is the file's name, where that ends in one of the formats.
///
/// # Panics
/// When the columns above aren't settings.
pub fn rows(input: &[u8], formats: &[&str]) {
    let Some((name, content)) = crate::first_line(input) else { return };
    if !formats.iter().any(|format| is(name, format)) {
        return;
    }
    crate::write(name, content);
    for columns in COLUMNS {
        let mut settings: serde_json::Value = serde_json::from_str(columns).expect("JSON");
        settings["path"] = json!(name);
        let settings: Settings = serde_json::from_value(settings).expect("settings of data");
        memory::limit(content.len());
        match read(&settings, folder()) {
            Err(error) => drop(error.to_string()),
            Ok(rows) => {
                let _ = rows.findings();
                let _ = rows.split(&settings.split, 7).map_err(|error| error.to_string());
            }
        }
    }
    memory::limit(content.len());
    let path = folder().join(name);
    let input = TextInput { originals: true, ..TextInput::of_column(Source::File(&path), Column::Number(1)) };
    let _ = input.read(|_| Ok::<_, Error>(())).map_err(|error| error.to_string());
    std::fs::remove_file(folder().join(name)).expect("the file is there");
}

/// Whether a name is that of the format, plain or packed: no other can be written to.
fn is(name: &str, format: &str) -> bool {
    ["", ".gz", ".zst", ".zip"].iter().any(|packing| name.strip_prefix("rows.") == Some(&format!("{format}{packing}")))
}
