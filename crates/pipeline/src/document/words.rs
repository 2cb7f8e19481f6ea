//! Describes expected and found values for messages, in the terms that users of TOML know.

use std::fmt::Debug;

use super::shape::{Range, Shape};
use super::tree::{Leaf, Node, Tree};
use crate::name::{list, short};

/// Describes the expected value, as the continuation of `must be`.
pub(super) fn expected(shape: &Shape) -> String {
    match shape {
        Shape::Any => "a value".to_owned(),
        Shape::Boolean => "true or false".to_owned(),
        // The maximum of a type is mentioned only if a number exceeds it.
        Shape::Integer(range) if range.to == Some(i64::from(u32::MAX)) => {
            format!("a whole number{}", numbers(&Range { to: None, ..*range }))
        }
        Shape::Integer(range) => format!("a whole number{}", numbers(range)),
        Shape::Number(range) => format!("a number{}", numbers(range)),
        Shape::Text { is_char: true, .. } => "a single character in quotes".to_owned(),
        Shape::Text { choices, .. } if choices.is_empty() => "a text in quotes".to_owned(),
        Shape::Text { choices, .. } => format!("one of the texts {}", list(choices.iter().map(String::as_str))),
        Shape::List(_) => "a list in brackets".to_owned(),
        Shape::Table(_) => "a table".to_owned(),
        Shape::Kinds(_) => "a table that names a kind".to_owned(),
        Shape::Either(shapes) => shapes.iter().map(|shape| expected(shape)).collect::<Vec<_>>().join(" or "),
    }
}

/// Describes a range, as the continuation of `a number`.
fn numbers<T: Debug + PartialEq + Copy>(range: &Range<T>) -> String {
    let shown = |number: T| format!("{number:?}").trim_end_matches(".0").to_owned();
    let low = range.from.map(shown).or(range.above.map(|above| format!("above {}", shown(above))));
    let high =
        range.to.map(|to| format!("to {}", shown(to))).or(range.below.map(|below| format!("below {}", shown(below))));
    match (low, high) {
        (None, None) => String::new(),
        (Some(low), None) if range.from.is_some() => format!(", {low} or more"),
        (Some(low), None) => format!(" {low}"),
        (None, Some(high)) => format!(" {}", high.replacen("to ", "up to ", 1)),
        (Some(low), Some(high)) if range.from.is_some() && range.to.is_some() => format!(" from {low} {high}"),
        (Some(low), Some(high)) if range.from.is_some() => format!(" from {low} to {high}"),
        (Some(low), Some(high)) => format!(" {low} and {}", high.replacen("to ", "up to ", 1)),
    }
}

/// Describes the value that was found instead.
pub(super) fn found(tree: &Tree) -> String {
    match &tree.node {
        Node::Table(_) => "a table".to_owned(),
        Node::Array(_) => "a list".to_owned(),
        Node::Leaf(Leaf::Text(text)) => format!("the text {:?}", short(text)),
        Node::Leaf(Leaf::Integer(number)) => number.to_string(),
        Node::Leaf(Leaf::Float(number)) if number.is_nan() => "nan".to_owned(),
        Node::Leaf(Leaf::Float(number)) => format!("{number:?}"),
        Node::Leaf(Leaf::Boolean(value)) => value.to_string(),
        Node::Leaf(Leaf::Datetime(date)) => format!("the date {date}"),
    }
}

/// Returns a hint if the value looks like a slip, such as a number in quotes.
pub(super) fn slip(shape: &Shape, tree: &Tree) -> Option<String> {
    let Node::Leaf(leaf) = &tree.node else { return None };
    match (shape, leaf) {
        (Shape::Integer(_), Leaf::Text(text)) => Some(format!("write {}", text.trim().parse::<i64>().ok()?)),
        (Shape::Number(_), Leaf::Text(text)) => {
            let number = text.trim().parse::<f64>().ok().filter(|number| number.is_finite())?;
            Some(format!("write {number:?}"))
        }
        (Shape::Boolean, Leaf::Text(text)) => {
            let written = text.trim().to_lowercase();
            ["true", "false"].contains(&written.as_str()).then(|| format!("write {written}, without quotes"))
        }
        (Shape::Integer(_), Leaf::Float(number)) if number.fract() == 0.0 && number.abs() < 1e15 => {
            Some(format!("write {number:.0}"))
        }
        (Shape::Text { .. }, Leaf::Integer(number)) => Some(format!("write \"{number}\"")),
        (Shape::Either(shapes), _) => shapes.iter().find_map(|shape| slip(shape, tree)),
        _ => None,
    }
}
