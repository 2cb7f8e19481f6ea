//! Formats the nearest training rows of a text as a field of CSV and as JSON.
//!
//! | output | form |
//! |---|---|
//! | JSON Lines | a list of `{"file", "row", "label", "similarity", "text"}` with whole texts; `null` for a text without a vector |
//! | CSV, for people | `1.0000 yes data.csv:17 the text; 0.9312 no data.csv:4 another ...` with shortened texts; or `no vector` |

use emberline_base::Task;
use emberline_pipeline::Neighbour;
use serde_json::{Value, json};

use super::LABEL_SEPARATOR;

/// The field of a text without a vector.
const NO_VECTOR: &str = "no vector";

/// The number of characters of a text in a field of CSV.
const SHOWN: usize = 80;

/// Returns the neighbours as a field of CSV. `classes` are the names of all classes.
pub(super) fn field(neighbours: Option<&[Neighbour<'_>]>, classes: &[String]) -> String {
    let Some(neighbours) = neighbours else { return NO_VECTOR.to_owned() };
    let each = neighbours.iter().map(|neighbour| {
        let Neighbour { file, row, similarity, text, .. } = neighbour;
        let labels = labels(neighbour, classes).collect::<Vec<_>>().join(LABEL_SEPARATOR);
        format!("{similarity:.4} {labels} {}:{row} {}", file.display(), shortened(text))
    });
    each.collect::<Vec<_>>().join("; ")
}

/// Returns the neighbours as JSON. `classes` are the names of all classes.
pub(super) fn value(neighbours: Option<&[Neighbour<'_>]>, task: Task, classes: &[String]) -> Value {
    let of_one = |neighbour: &Neighbour<'_>| {
        let mut labels = labels(neighbour, classes).map(Value::from);
        let label = if task == Task::MultiLabel { labels.collect() } else { labels.next().unwrap_or_default() };
        let Neighbour { file, row, similarity, text, .. } = neighbour;
        json!({"file": file.display().to_string(), "row": row, "label": label, "similarity": similarity, "text": text})
    };
    neighbours.map_or(Value::Null, |neighbours| neighbours.iter().map(of_one).collect())
}

fn labels<'c>(neighbour: &Neighbour<'c>, classes: &'c [String]) -> impl Iterator<Item = &'c str> {
    neighbour.classes.iter().filter_map(|&class| classes.get(class as usize)).map(String::as_str)
}

/// Returns the first characters of a text, on one line.
fn shortened(text: &str) -> String {
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match words.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}...", &words[..end]),
        None => words,
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn neighbours_are_lists_in_json_and_lines_in_csv() {
        let classes = ["no".to_owned(), "yes".to_owned()];
        let long = "é\n".repeat(SHOWN);
        let near =
            |row, classes, similarity, text| Neighbour { file: Path::new("a.csv"), row, classes, similarity, text };
        let found = [near(3, &[1][..], 1.0, "a text"), near(9, &[0, 1], -0.25, long.as_str())];
        let shown = format!("1.0000 yes a.csv:3 a text; -0.2500 no|yes a.csv:9 {}...", "é ".repeat(SHOWN / 2));
        assert_eq!(field(Some(&found), &classes), shown);
        assert_eq!((field(None, &classes), value(None, Task::Binary, &classes)), ("no vector".to_owned(), Value::Null));
        assert_eq!(field(Some(&[]), &classes), "");
        let first = json!({"file": "a.csv", "row": 3, "label": "yes", "similarity": 1.0, "text": "a text"});
        assert_eq!(value(Some(&found[..1]), Task::Binary, &classes), json!([first]));
        assert_eq!(value(Some(&found), Task::MultiLabel, &classes)[1]["label"], json!(["no", "yes"]));
    }
}
