//! Finds columns by name or number, and suggests the nearest name for an unknown one.

use std::path::Path;

use emberline_base::suggest::nearest;

use crate::error::Error;
use crate::settings::Column;

/// Returns the positions, from 0, of the wanted columns among `names`.
///
/// # Errors
/// When a column doesn't exist, two columns have the wanted name, or two settings mean the same column.
pub(super) fn positions(path: &Path, wanted: &[Column], names: &[String]) -> Result<Vec<usize>, Error> {
    let positions: Vec<usize> = wanted.iter().map(|column| position(path, column, names)).collect::<Result<_, _>>()?;
    refuse_same(path, wanted, &positions)?;
    Ok(positions)
}

/// Refuses two settings that mean the same column, one by its name and the other by its number.
pub(super) fn refuse_same<T: PartialEq>(path: &Path, wanted: &[Column], found: &[T]) -> Result<(), Error> {
    for later in 1..found.len() {
        if let Some(earlier) = found[..later].iter().position(|earlier| *earlier == found[later]) {
            let (first, second) = (wanted[earlier].to_string(), wanted[later].to_string());
            return Err(Error::SameColumn { path: path.to_owned(), first, second });
        }
    }
    Ok(())
}

fn position(path: &Path, column: &Column, names: &[String]) -> Result<usize, Error> {
    let found = match column {
        Column::Number(number) => (*number as usize).checked_sub(1).filter(|&at| at < names.len()),
        Column::Name(name) => {
            let mut at = (0..names.len()).filter(|&at| names[at] == *name);
            let first = at.next();
            if at.next().is_some() {
                return Err(Error::AmbiguousColumn { path: path.to_owned(), column: name.clone() });
            }
            first
        }
    };
    found.ok_or_else(|| missing(path, column, names))
}

/// Returns the error for a missing column, with the nearest name and all names.
pub(crate) fn missing(path: &Path, column: &Column, names: &[String]) -> Error {
    let nearest = match column {
        Column::Number(_) => None,
        Column::Name(name) => nearest(name, names.iter().map(String::as_str)).map(str::to_owned),
    };
    let columns = names.to_vec();
    Error::NoColumn { path: path.to_owned(), column: column.to_string(), nearest, columns, hint: other_dialect(names) }
}

/// Returns a hint if the header seems to be in another dialect or another format.
fn other_dialect(names: &[String]) -> Option<String> {
    let first = names.first()?;
    if let Some(delimiter) = first.strip_prefix("sep=") {
        let set = if delimiter.is_empty() { String::new() } else { format!(", and set delimiter = {delimiter:?}") };
        return Some(format!("line 1 tells Excel the delimiter and is not a header; remove it{set}"));
    }
    if first.starts_with("{\"") || first.starts_with("[{") {
        return Some("this looks like JSON: let the name of a file of JSON Lines end in .jsonl".to_owned());
    }
    if names.iter().all(|name| name.len() > 1 && name.starts_with('"') && name.ends_with('"')) {
        let cure = "let the file's name end in .csv and set delimiter = \"\\t\"";
        return Some(format!("the names are in quotes, which are ordinary characters in .tsv files: {cure}"));
    }
    if names.iter().all(|name| name.len() > 1 && name.starts_with('\'') && name.ends_with('\'')) {
        return Some("fields are in single quotes; use double quotes".to_owned());
    }
    // A header of one name that contains another common delimiter was probably separated by the wrong one.
    let [only] = names else { return None };
    let found = [';', '\t', ',', '|'].into_iter().find(|&d| only.contains(d))?;
    Some(format!("if {found:?} separates the fields, set delimiter = {:?}", found.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|&name| name.to_owned()).collect()
    }

    #[test]
    fn a_wrong_name_is_answered_with_the_nearest() {
        let names = names(&["qid", "question_text", "target"]);
        let wanted = [Column::Name("question text".to_owned())];
        let error = positions(Path::new("a.csv"), &wanted, &names).expect_err("no such column").to_string();
        assert_eq!(
            error,
            "a.csv: no column `question text` (did you mean `question_text`?); there are `qid`, `question_text`, `target`"
        );
    }

    #[test]
    fn numbers_count_from_one() {
        let names = names(&["a", "b"]);
        let at = |number| positions(Path::new("a.csv"), &[Column::Number(number)], &names);
        assert_eq!(at(2).expect("there"), [1]);
        assert!(at(0).is_err() && at(3).is_err());
    }

    #[test]
    fn a_name_that_two_columns_have_is_refused() {
        let wanted = [Column::Name("a".to_owned())];
        let error = positions(Path::new("a.csv"), &wanted, &names(&["a", "a"])).expect_err("ambiguous");
        assert!(matches!(error, Error::AmbiguousColumn { .. }));
    }

    #[test]
    fn a_name_and_a_number_of_one_column_are_refused() {
        let wanted = [Column::Name("b".to_owned()), Column::Number(1), Column::Number(2)];
        let error = positions(Path::new("a.csv"), &wanted, &names(&["a", "b"])).expect_err("the same");
        assert_eq!(
            error.to_string(),
            "a.csv: columns `b` and 2 are one and the same; data.text, data.label, data.group and data.split.order each need a \
             column of their own"
        );
    }

    #[test]
    fn a_header_of_another_dialect_is_explained() {
        let wanted = [Column::Name("text".to_owned())];
        for (header, hint) in [
            (&["\"text\"", "\"label\""][..], "the names are in quotes"),
            (&["'text'", "'label'"], "single quotes"),
            (&["sep=;"], "set delimiter = \";\""),
            (&["{\"text\": \"a\"", " \"label\": 1}"], ".jsonl"),
        ] {
            let error = positions(Path::new("a.tsv"), &wanted, &names(header)).expect_err("no such column").to_string();
            assert!(error.contains(hint), "{error}");
        }
    }

    #[test]
    fn a_header_in_one_piece_hints_at_the_delimiter() {
        let wanted = [Column::Name("text".to_owned())];
        let error = positions(Path::new("a.csv"), &wanted, &names(&["text;label"])).expect_err("one column");
        assert!(error.to_string().ends_with("set delimiter = \";\""), "{error}");
    }
}
