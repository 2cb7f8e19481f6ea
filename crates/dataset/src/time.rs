//! The column of `data.split.order`, by which rows are split by time.
//!
//! Numbers are compared as numbers; everything else must be a date or a time of ISO 8601, such as `2024-05-31` or
//! `2024-05-31T12:00:00`, which is compared as text. The times of a column should have one form and one time zone.

use std::cmp::Ordering;

use crate::error::{Error, Place};
use crate::format::Field;
use crate::missing::trimmed;

/// The type of the column, which its first value decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Number,
    Iso,
}

/// The times of the rows read so far.
#[derive(Debug, Default)]
pub(crate) struct TimeColumn {
    form: Option<Form>,
    numbers: Vec<f64>,
    texts: Vec<String>,
}

const EXPECTED_TIME: &str = "a number, or a date or time of ISO 8601 such as 2024-05-31";
const EXPECTED_NUMBER: &str = "a number, as in the first row";
const EXPECTED_ISO: &str = "a date or time of ISO 8601 such as 2024-05-31, as in the first row";

impl TimeColumn {
    /// Adds the time of the next row.
    ///
    /// # Errors
    /// When the field is missing, is no time, or is of another form than the first.
    pub(crate) fn push(
        &mut self,
        field: Option<&Field<'_>>,
        column: &impl ToString,
        place: impl FnOnce() -> Place,
    ) -> Result<(), Error> {
        let value = match field {
            Some(Field::Text(text)) => trimmed(text),
            Some(Field::Scalar(scalar)) => scalar,
            Some(Field::List(_)) => "a list",
            Some(Field::Missing) | None => "",
        };
        let number = value.parse::<f64>().ok().filter(|number| number.is_finite());
        match (self.form, number, is_iso(value)) {
            (None | Some(Form::Number), Some(number), _) => {
                self.form = Some(Form::Number);
                self.numbers.push(number);
            }
            (None | Some(Form::Iso), None, true) => {
                self.form = Some(Form::Iso);
                self.texts.push(value.to_owned());
            }
            (form, ..) => {
                let expected = match form {
                    None => EXPECTED_TIME,
                    Some(Form::Number) => EXPECTED_NUMBER,
                    Some(Form::Iso) => EXPECTED_ISO,
                };
                let found = if value.is_empty() { "nothing".to_owned() } else { format!("`{value}`") };
                return Err(Error::Value { place: place(), column: column.to_string(), found, expected });
            }
        }
        Ok(())
    }

    /// Removes the rows whose `keep` is false.
    pub(crate) fn retain(&mut self, keep: &[bool]) {
        let mut kept = keep.iter();
        self.numbers.retain(|_| kept.next().is_some_and(|&keep| keep));
        let mut kept = keep.iter();
        self.texts.retain(|_| kept.next().is_some_and(|&keep| keep));
    }

    /// Returns the rank of each row by time: 0 is the oldest, and equal times have equal ranks. Empty without such a column.
    pub(crate) fn ranks(&self) -> Vec<u32> {
        match self.form {
            None => Vec::new(),
            Some(Form::Number) => ranks(self.numbers.len(), |a, b| self.numbers[a].total_cmp(&self.numbers[b])),
            Some(Form::Iso) => ranks(self.texts.len(), |a, b| self.texts[a].cmp(&self.texts[b])),
        }
    }
}

/// Whether a value begins with a year and a month of ISO 8601.
fn is_iso(value: &str) -> bool {
    let digits = |part: Option<&[u8]>| part.is_some_and(|part| part.iter().all(u8::is_ascii_digit));
    let bytes = value.as_bytes();
    digits(bytes.get(..4)) && bytes.get(4) == Some(&b'-') && digits(bytes.get(5..7))
}

fn ranks(count: usize, compare: impl Fn(usize, usize) -> Ordering) -> Vec<u32> {
    let mut order: Vec<usize> = (0..count).collect();
    order.sort_by(|&a, &b| compare(a, b));
    let mut ranks = vec![0; count];
    let mut rank = 0;
    for (at, &row) in order.iter().enumerate() {
        if at > 0 && compare(order[at - 1], row).is_ne() {
            rank += 1;
        }
        ranks[row] = rank;
    }
    ranks
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::error::Unit;

    fn column(values: &[&str]) -> Result<TimeColumn, String> {
        let mut column = TimeColumn::default();
        let place = || Place { path: PathBuf::from("a.csv"), unit: Unit::Line, number: 3 };
        for value in values {
            let field = Field::Text((*value).into());
            column.push(Some(&field), &"when", place).map_err(|error| error.to_string())?;
        }
        Ok(column)
    }

    #[test]
    fn numbers_compare_as_numbers_and_dates_as_text() {
        assert_eq!(column(&["10", "9", "9.0", "-1e3"]).expect("numbers").ranks(), [2, 1, 1, 0]);
        assert_eq!(column(&["2024-01-10", "2023-12-31T05:00", "2024-01-10"]).expect("dates").ranks(), [1, 0, 1]);
        assert_eq!(TimeColumn::default().ranks(), [0; 0]);
    }

    #[test]
    fn what_is_no_time_is_named_with_its_line() {
        for (values, found) in [
            (&["31/12/2024"][..], "a.csv, line 3: column when holds `31/12/2024`; expected a number, or a date"),
            (&["1", ""], "holds nothing; expected a number, as in the first row"),
            (&["2024-05-31", "7"], "holds `7`; expected a date or time of ISO 8601"),
            (&["nan"], "holds `nan`; expected a number, or a date"),
        ] {
            let error = column(values).expect_err("no time");
            assert!(error.contains(found), "{error}");
        }
    }
}
