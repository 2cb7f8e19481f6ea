//! Decides whether the first row of a delimited file holds the names of its columns.

use std::collections::HashMap;

use super::sample::Cell;
use crate::header_rows::TEXT_NAMES;
use crate::labels::number;
use crate::warnings::COLUMN_NAMES;

/// Maximum length of a column's name, in bytes.
const MAX_NAME: usize = 64;

/// Words per text from which a column holds texts.
const WORDS: f64 = 3.0;

/// Rows below the first one from which on the values of a column show whether they repeat.
const REPEATING_ROWS: usize = 10;

/// Whether the first row holds names: short ones, no numbers; and one of them is a common name that is no value in its column, or is above
/// a column of numbers, of texts or of values that all repeat, while none is there twice or is a value in its column.
pub(super) fn has_header(rows: &[Vec<Cell>]) -> bool {
    let Some((first, rest)) = rows.split_first() else { return false };
    let names: Vec<&str> = first.iter().map(text).collect();
    let is_name = |name: &&str| name.len() <= MAX_NAME && number(name).is_none();
    let given: Vec<&str> = names.iter().copied().filter(|name| !name.is_empty()).collect();
    if given.is_empty() || rest.is_empty() || !given.iter().all(is_name) {
        return false;
    }
    let column = |at: usize| rest.iter().filter_map(move |row| row.get(at)).map(text).filter(|value| !value.is_empty());
    let is_value = |(at, name): (usize, &&str)| column(at).any(|value| value.eq_ignore_ascii_case(name));
    // A common name tells enough, although another name may also be a class, such as `spam`, or stand there twice.
    let is_single = |name: &str| given.iter().filter(|other| **other == name).count() == 1;
    if names.iter().enumerate().any(|(at, name)| is_common(name) && is_single(name) && !is_value((at, name))) {
        return true;
    }
    let are_different = given.iter().all(|name| is_single(name));
    if !are_different || names.iter().enumerate().filter(|(_, name)| !name.is_empty()).any(is_value) {
        return false;
    }
    let stands_out = |(at, name): (usize, &&str)| {
        let are_numbers = column(at).next().is_some() && column(at).all(|value| number(value).is_some());
        !name.is_empty() && (are_numbers || (words(name) == 1 && mean_words(column(at)) >= WORDS))
    };
    // Above `Anna,f` and `Ben,m`, `name,sex` is told from a row by its `sex`, which no row repeats as rows repeat theirs, and which isn't
    // as short as theirs: `Kim,d` may be a row of a rare class.
    let are_words = given.iter().all(|name| words(name) == 1);
    let is_above_classes = |(at, name): (usize, &&str)| {
        let length = name.chars().count();
        are_words && length > 0 && all_repeat(column(at)) && column(at).all(|value| value.chars().count() != length)
    };
    names.iter().enumerate().any(|named| stands_out(named) || is_above_classes(named))
}

/// Whether there are enough values to tell, and every one of them is there more than once.
fn all_repeat<'v>(values: impl Iterator<Item = &'v str>) -> bool {
    let mut counts: HashMap<&str, usize> = HashMap::new();
    values.for_each(|value| *counts.entry(value).or_default() += 1);
    counts.values().sum::<usize>() >= REPEATING_ROWS && counts.values().all(|&count| count > 1)
}

fn text(cell: &Cell) -> &str {
    match cell {
        Cell::Text(text) | Cell::Scalar(text) => text.trim(),
        Cell::Missing | Cell::List(_) | Cell::Other => "",
    }
}

/// Whether a name is a usual one of a column.
fn is_common(name: &str) -> bool {
    let name = name.to_lowercase();
    let mut parts = name.split(|c: char| !c.is_alphanumeric());
    words(&name) <= 2 && (name == "id" || parts.any(|part| TEXT_NAMES.contains(&part) || COLUMN_NAMES.contains(&part)))
}

pub(super) fn words(text: &str) -> usize {
    text.split_whitespace().count()
}

fn mean_words<'v>(values: impl Iterator<Item = &'v str>) -> f64 {
    let (mut sum, mut count) = (0, 0);
    for value in values {
        sum += words(value);
        count += 1;
    }
    sum as f64 / f64::from(count.max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(rows: &[&[&str]]) -> bool {
        let cell = |value: &&str| if value.is_empty() { Cell::Missing } else { Cell::Text((*value).to_owned()) };
        has_header(&rows.iter().map(|row| row.iter().map(cell).collect()).collect::<Vec<_>>())
    }

    #[test]
    fn names_above_values_are_a_header() {
        assert!(found(&[&["text", "label"], &["a b", "x"]]));
        assert!(found(&[&["", "count", "tweet"], &["0", "3", "one two three"]]));
        assert!(found(&[&["q", "kind"], &["how is it then", "x"], &["why is it so", "y"]]));
        assert!(found(&[&["frase", "valor"], &["hola", "1"], &["adios", "0"]]));
        assert!(found(&[&["text", "spam"], &["win now", "spam"], &["see you", "ham"]]), "a name may also be a class");
        assert!(found(&[&["text", "label", "label"], &["a b", "x", "y"]]));
    }

    #[test]
    fn a_name_above_repeating_values_is_a_header() {
        let rows = |first: [&'static str; 2]| {
            let people = ["Anna", "Ben", "Cleo", "Dan", "Eva", "Finn", "Gina", "Hugo", "Ida", "Jon"];
            let rows = people.iter().enumerate().map(|(at, name)| [*name, ["f", "m"][at % 2]]);
            std::iter::once(first).chain(rows).collect::<Vec<_>>()
        };
        let found = |rows: &[[&str; 2]]| found(&rows.iter().map(|row| row.as_slice()).collect::<Vec<_>>());
        assert!(found(&rows(["name", "sex"])));
        assert!(!found(&rows(["Kim", "f"])), "a row like the others");
        assert!(!found(&rows(["Kim Lee", "other"])), "a row of a class of its own");
        assert!(!found(&rows(["Kim", "d"])), "a row of a class of its own");
        assert!(!found(&rows(["name", "sex"])[..9]), "too few rows to tell");
    }

    #[test]
    fn rows_are_no_header() {
        assert!(!found(&[&["a fine film", "1"], &["a dull film", "0"]]));
        assert!(!found(&[&["great", "pos"], &["a very good film", "pos"], &["bad", "neg"]]));
        assert!(!found(&[&["text", "label"]]), "there is nothing below it");
        assert!(!found(&[&["text", "text"], &["a", "b"]]));
        assert!(!found(&[&["what is the capital of Peru", "LOC"], &["who wrote it", "HUM"]]));
    }
}
