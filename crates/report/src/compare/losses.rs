//! Whether the losses of the cells of two sides can be compared: losses are comparable neither across loss functions nor across
//! weights of classes.

use emberline_base::canonical;
use serde_json::Value;

use super::{Side, SideCell};

/// The keys that make another loss of the same predictions.
const KEYS: [&str; 3] = ["loss", "class_weight", "sampling"];

/// Returns the first key that makes the losses of the cells incomparable; `None` if they can be compared. Cells whose settings aren't
/// known, since they haven't run, have no loss.
pub(super) fn incomparable_by(first: &Side, second: &Side) -> Option<String> {
    let cells: Vec<&SideCell> =
        first.cells.iter().chain(&second.cells).filter(|cell| cell.settings.get("data").is_some()).collect();
    let differs = |key: &str| {
        let mut values = cells.iter().map(|cell| value(cell, key));
        let one = values.next();
        values.any(|other| Some(&other) != one.as_ref())
    };
    KEYS.into_iter().find(|key| differs(key)).map(|key| format!("train.{key}"))
}

/// Returns what a cell has at a key of `[train]`; nothing for the cross-entropy as it is, whichever way it is written.
fn value(cell: &SideCell, key: &str) -> Option<String> {
    let value = cell.settings.get("train").and_then(|train| train.get(key)).filter(|value| !value.is_null())?;
    (key != "loss" || !is_log_loss(value)).then(|| canonical(value))
}

/// Returns whether a loss is the cross-entropy of the labels as they are: by its name alone, or without smoothing.
fn is_log_loss(loss: &Value) -> bool {
    let is_cross_entropy = |name: &str| matches!(name, "binary_cross_entropy" | "categorical_cross_entropy");
    match loss {
        Value::String(name) => is_cross_entropy(name),
        Value::Object(table) => table.iter().all(|(name, settings)| {
            let smoothing = settings.get("label_smoothing").and_then(Value::as_f64).unwrap_or(0.0);
            is_cross_entropy(name) && smoothing == 0.0
        }),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_cross_entropy_has_several_spellings() {
        for loss in [
            json!("binary_cross_entropy"),
            json!("categorical_cross_entropy"),
            json!({"binary_cross_entropy": {"label_smoothing": 0.0}}),
            json!({"categorical_cross_entropy": {}}),
        ] {
            assert!(is_log_loss(&loss), "{loss}");
        }
        for loss in [
            json!({"focal": {"gamma": 2.0}}),
            json!("focal"),
            json!({"binary_cross_entropy": {"label_smoothing": 0.1}}),
        ] {
            assert!(!is_log_loss(&loss), "{loss}");
        }
    }
}
