//! Whether the best settings lie at the edge of an axis, so that a value beyond it may be better still.

use std::collections::BTreeSet;

use emberline_base::Warning;
use emberline_base::warning::Code;

use crate::study::Setting;

/// The fewest values of an axis that has an edge: of two values, both are.
const FEWEST_VALUES: usize = 3;

/// Returns a warning for every axis of numbers at whose lowest or highest value the whole best group lies.
pub(crate) fn warnings(settings: &[&Setting], group: &[usize]) -> Vec<Warning> {
    let axes: BTreeSet<&String> = settings.iter().flat_map(|setting| setting.keys()).collect();
    let found =
        axes.into_iter().filter_map(|axis| edge(axis, settings, group).map(|(value, side)| (axis, value, side)));
    let warning = |(axis, value, side): (&String, f64, &str)| Warning {
        code: Code::AtTheEdge,
        text: format!(
            "The best lies at the {side} value of `{axis}`, {value}: one beyond it may be better. Extend the axis."
        ),
        cells: Vec::new(),
    };
    found.map(warning).collect()
}

fn edge(axis: &str, settings: &[&Setting], group: &[usize]) -> Option<(f64, &'static str)> {
    let value = |setting: &Setting| setting.get(axis).and_then(serde_json::Value::as_f64);
    let mut values: Vec<f64> = settings.iter().map(|setting| value(setting)).collect::<Option<_>>()?;
    let of_group: Vec<f64> = group.iter().map(|&arm| values[arm]).collect();
    values.sort_by(f64::total_cmp);
    values.dedup();
    let (&lowest, &highest) = (values.first()?, values.last()?);
    let all_at = |edge: f64| !of_group.is_empty() && of_group.iter().all(|&value| value == edge);
    match values.len() {
        ..FEWEST_VALUES => None,
        _ if all_at(highest) => Some((highest, "highest")),
        _ if all_at(lowest) => Some((lowest, "lowest")),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn found(values: &[f64], group: &[usize]) -> Vec<String> {
        let settings: Vec<Setting> =
            values.iter().map(|value| [("embedding.dim".to_owned(), json!(value))].into_iter().collect()).collect();
        warnings(&settings.iter().collect::<Vec<_>>(), group).into_iter().map(|warning| warning.text).collect()
    }

    #[test]
    fn the_whole_best_group_at_an_edge_is_said() {
        let text = found(&[8.0, 16.0, 32.0], &[2]);
        assert!(text.len() == 1 && text[0].contains("highest value of `embedding.dim`, 32"), "{text:?}");
        assert!(found(&[8.0, 16.0, 32.0], &[0])[0].contains("lowest value"));
        assert!(found(&[8.0, 16.0, 32.0], &[1]).is_empty());
        assert!(found(&[8.0, 16.0, 32.0], &[1, 2]).is_empty(), "one of the group lies within");
        assert!(found(&[8.0, 16.0], &[1]).is_empty(), "two values have no inside");
    }
}
