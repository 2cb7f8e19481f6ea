//! Fuzzes the readers of data files: reads a file with several settings.

use emberline_dataset::settings::Column;
use emberline_dataset::{Error, Settings, Source, TextInput, read};
use serde_json::json;

use crate::{folder, memory};

/// Settings of columns: by name, by number, several labels in one column, one label per column, and formats of lines.
const COLUMNS: [&str; 6] = [
    r#"{"text": "question_text", "label": "target"}"#,
    r#"{"text": 1, "label": 2}"#,
    r#"{"text": 1, "label": 2, "separator": ",", "header": true, "split": {"valid": 1}}"#,
    r#"{"text": "text", "label": ["toxic", "insult"], "delimiter": ";", "split": {"train": 2, "stratify": false}}"#,
    r#"{"format": "fasttext"}"#,
    r#"{"format": "label_first", "label_until": ":"}"#,
];

/// Reads a file whose name is the first line of the input, if it is a name of one of the formats; otherwise does nothing.
///
/// # Panics
/// If one of `COLUMNS` isn't valid.
pub fn rows(input: &[u8], formats: &[&str]) {
    let Some((name, content)) = crate::first_line(input) else { return };
    if !formats.iter().any(|format| is_name_of(name, format)) {
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

/// Returns whether a name is `rows.FORMAT`, plain or compressed. Other names are refused, so that no other path is written.
fn is_name_of(name: &str, format: &str) -> bool {
    let extension = name.strip_prefix("rows.");
    ["", ".gz", ".zst", ".zip"].iter().any(|compression| extension == Some(&format!("{format}{compression}")))
}
