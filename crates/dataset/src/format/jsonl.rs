//! Reads JSON Lines: one JSON object (RFC 8259) per line, in UTF-8; lines of white space are skipped. A file that begins with `[` is
//! one JSON array, whose elements are read as such lines (`json_array.rs`).
//!
//! Only the wanted keys are kept. A key that a row lacks, or whose value is null, is a missing value. A key that no row has is an
//! error, and so is a duplicate key in one object, because programs differ in which value they take. A column given by number is
//! that key of the first object. `NaN` and infinite numbers, which Python writes although JSON has none, are missing values
//! (`python.rs`).

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;

use serde::Deserializer as _;
use serde::de::{self, DeserializeSeed, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::error::Category;

use super::buffer::Buffer;
use super::json_array::{JsonArray, is_array};
use super::lines::Lines;
use super::{Field, Original, Quoting, Request, Row, Sink, column, python};
use crate::error::{Error, Unit, excerpt};
use crate::missing::{of_list, of_number};
use crate::settings::Column;

/// The number of first rows whose keys are collected for messages.
const SURVEYED: u64 = 100;
/// The beginning of the parser's error for a duplicate key.
const REPEATED: &str = "repeated key ";

/// Reads a whole file; see [`super::read`].
pub(super) fn read(request: &Request<'_>, buffer: Buffer<'_>, sink: Sink<'_>) -> Result<Vec<String>, Error> {
    if !is_array(buffer.bytes()) {
        return read_lines(request, Lines::new(request.path, buffer), sink);
    }
    let mut array = JsonArray::new(buffer);
    let names = read_lines(request, Lines::of(request.path, Unit::Row, Buffer::new(&mut array)), sink)?;
    match array.fault() {
        Some(reason) => Err(Error::JsonArray { path: request.path.to_owned(), reason }),
        None => Ok(names),
    }
}

/// Reads an object per line.
fn read_lines(request: &Request<'_>, mut lines: Lines<'_, '_>, sink: Sink<'_>) -> Result<Vec<String>, Error> {
    let mut wanted: Option<Vec<String>> = None;
    let mut found = vec![false; request.columns.len()];
    let mut keys: Vec<String> = Vec::new();
    let mut rows = 0;
    while let Some(length) = lines.next()? {
        // Concatenated files have byte order marks in the middle.
        let line = lines.text(length)?.trim_start_matches('\u{feff}').trim_end_matches('\r');
        if !line.trim().is_empty() {
            rows += 1;
            let without_nan = python::without_nan(line);
            let line = without_nan.as_deref().unwrap_or(line);
            if rows <= SURVEYED {
                survey(line, &mut keys).map_err(|error| fault(&lines, line, &error))?;
            }
            let names = match &mut wanted {
                Some(names) => names,
                None => wanted.insert(names_of(request, &keys)?),
            };
            let fields = object(line, names, &keys).map_err(|error| fault(&lines, line, &error))?;
            if request.needs_text && fields.first().is_some_and(Option::is_none) {
                return Err(without_text(request, &lines, rows, &keys));
            }
            for (found, field) in found.iter_mut().zip(&fields) {
                *found |= field.is_some();
            }
            let fields: Vec<Field<'_>> = fields.into_iter().map(Option::unwrap_or_default).collect();
            sink(Row {
                unit: lines.unit(),
                number: lines.number(),
                fields: &fields,
                names: &keys,
                original: Original::Object(line),
                quoting: Quoting::default(),
            })?;
        }
        lines.take(length);
    }
    let Some(names) = wanted else {
        let path = request.path.to_owned();
        return Err(if lines.number() == 0 { Error::Empty { path } } else { Error::NoRows { path, header: false } });
    };
    match found.iter().position(|found| !found) {
        Some(absent) => Err(column::missing(request.path, &request.columns[absent], &keys)),
        None => Ok(names),
    }
}

/// Returns the keys of the wanted columns; a number is resolved by the keys of the first object.
fn names_of(request: &Request<'_>, keys: &[String]) -> Result<Vec<String>, Error> {
    let name = |column: &Column| match column {
        Column::Name(name) => Ok(name.clone()),
        Column::Number(number) => {
            let key = (*number as usize).checked_sub(1).and_then(|at| keys.get(at));
            key.cloned().ok_or_else(|| column::missing(request.path, column, keys))
        }
    };
    let names: Vec<String> = request.columns.iter().map(name).collect::<Result<_, _>>()?;
    column::refuse_same(request.path, request.columns, &names)?;
    Ok(names)
}

/// Returns the error for an object without a text. If it is the first object, the file probably has another key for the text.
fn without_text(request: &Request<'_>, lines: &Lines<'_, '_>, rows: u64, keys: &[String]) -> Error {
    let column = &request.columns[0];
    if rows == 1 {
        return column::missing(request.path, column, keys);
    }
    Error::NoText { place: lines.place(), column: column.to_string() }
}

/// Explains what is wrong with a line, and what to do about it.
fn fault(lines: &Lines<'_, '_>, line: &str, error: &serde_json::Error) -> Error {
    let place = lines.place();
    if let Some(reason) = python::fault(line) {
        return Error::Json { place, reason };
    }
    let text = error.to_string();
    let reason = text.rsplit_once(" at line ").map_or(text.as_str(), |(reason, _)| reason);
    if let Some(key) = reason.strip_prefix(REPEATED) {
        return Error::Json { place, reason: format!("duplicate key {key} in the object; remove one of the two") };
    }
    let what = match error.classify() {
        Category::Eof => "it ends before the object does".to_owned(),
        Category::Data => match (kind_of(line), reason.split_once(", expected ")) {
            (Some(kind), _) => format!("it is {kind}"),
            (None, Some((_, expected))) => format!("expected {expected} (column {})", error.column()),
            (None, None) => format!("{reason} (column {})", error.column()),
        },
        Category::Syntax | Category::Io => format!("{reason} (column {})", error.column()),
    };
    let cure = match line.trim_start().as_bytes().first() {
        Some(b'[') if place.unit == Unit::Line => {
            "; this looks like one JSON array: write one object per line, for example with jq -c '.[]'"
        }
        Some(b'{') if error.is_eof() && place.unit == Unit::Line => {
            "; write the whole object on one line, for example with jq -c ."
        }
        Some(b'{') => "; correct the line, or write the file anew with a library for JSON",
        _ if place.unit == Unit::Row => {
            "; every element of the array has to be an object such as {\"text\": \"...\", \"label\": 1}"
        }
        _ if place.number == 1 => "; if this is CSV or TSV, let the file's name end in .csv or .tsv",
        _ => "; correct the line, or remove it",
    };
    Error::Json { place, reason: format!("not a JSON object: {what}{cure}") }
}

/// Returns what kind of JSON value a line is, as a noun phrase; none for an object.
fn kind_of(line: &str) -> Option<&'static str> {
    match line.trim_start().as_bytes().first()? {
        b'{' => None,
        b'[' => Some("a list"),
        b'"' => Some("a text in quotes"),
        b't' | b'f' => Some("true or false"),
        b'n' => Some("null"),
        _ => Some("a number"),
    }
}

/// Returns the wanted values of one object, `None` for each key that it lacks. `known` are the keys of the first objects.
fn object<'a>(line: &'a str, wanted: &[String], known: &[String]) -> Result<Vec<Option<Field<'a>>>, serde_json::Error> {
    let mut parser = serde_json::Deserializer::from_str(line);
    let fields = parser.deserialize_map(Object { wanted, known })?;
    parser.end()?;
    Ok(fields)
}

/// Adds the new keys of one object to `keys`.
fn survey(line: &str, keys: &mut Vec<String>) -> Result<(), serde_json::Error> {
    let mut parser = serde_json::Deserializer::from_str(line);
    parser.deserialize_map(Keys(keys))?;
    parser.end()
}

struct Keys<'k>(&'k mut Vec<String>);

impl<'de> Visitor<'de> for Keys<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key::<String>()? {
            map.next_value::<IgnoredAny>()?;
            if !self.0.contains(&key) {
                self.0.push(key);
            }
        }
        Ok(())
    }
}

struct Object<'w> {
    wanted: &'w [String],
    known: &'w [String],
}

impl<'de> Visitor<'de> for Object<'_> {
    type Value = Vec<Option<Field<'de>>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut fields = vec![None; self.wanted.len()];
        let mut seen = SeenKeys::new(self.known);
        while let Some(at) = map.next_key_seed(Key { wanted: self.wanted, seen: &mut seen })? {
            match at {
                Some(at) => fields[at] = Some(map.next_value_seed(Value)?),
                None => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(fields)
    }
}

/// The keys of one object that have been read so far, to find duplicates. The known keys are bits by their position: after `b` of
/// `[a, b, c]`, `bits` is 0b010.
struct SeenKeys<'k> {
    known: &'k [String],
    bits: u64,
    /// The known key that is compared first: objects of one file mostly have their keys in one order.
    next: usize,
    others: HashSet<String>,
}

impl<'k> SeenKeys<'k> {
    fn new(known: &'k [String]) -> Self {
        let known = &known[..known.len().min(u64::BITS as usize)];
        Self { known, bits: 0, next: 0, others: HashSet::new() }
    }

    /// Adds a key; false if it was there already.
    fn add(&mut self, key: &str) -> bool {
        let is_next = self.known.get(self.next).is_some_and(|next| next == key);
        let found = if is_next { Some(self.next) } else { self.known.iter().position(|known| known == key) };
        let Some(at) = found else { return self.others.insert(key.to_owned()) };
        let is_new = self.bits & (1 << at) == 0;
        self.bits |= 1 << at;
        self.next = at + 1;
        is_new
    }
}

/// Parses a key and returns its position among the wanted ones.
struct Key<'w, 'k> {
    wanted: &'w [String],
    seen: &'w mut SeenKeys<'k>,
}

impl<'de> DeserializeSeed<'de> for Key<'_, '_> {
    type Value = Option<usize>;

    fn deserialize<D: de::Deserializer<'de>>(self, parser: D) -> Result<Self::Value, D::Error> {
        parser.deserialize_str(self)
    }
}

impl Visitor<'_> for Key<'_, '_> {
    type Value = Option<usize>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E: de::Error>(self, key: &str) -> Result<Self::Value, E> {
        if !self.seen.add(key) {
            return Err(E::custom(format!("{REPEATED}`{}`", excerpt(key))));
        }
        Ok(self.wanted.iter().position(|wanted| wanted == key))
    }
}

/// Parses the value of a wanted key.
struct Value;

impl<'de> DeserializeSeed<'de> for Value {
    type Value = Field<'de>;

    fn deserialize<D: de::Deserializer<'de>>(self, parser: D) -> Result<Field<'de>, D::Error> {
        parser.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Value {
    type Value = Field<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string, a number, a boolean, null, or a list of them")
    }

    fn visit_unit<E>(self) -> Result<Field<'de>, E> {
        Ok(Field::Missing)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Field<'de>, E> {
        Ok(Field::Scalar(value.to_string()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Field<'de>, E> {
        Ok(Field::Scalar(value.to_string()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Field<'de>, E> {
        Ok(Field::Scalar(value.to_string()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Field<'de>, E> {
        Ok(of_number(value))
    }

    fn visit_borrowed_str<E>(self, value: &'de str) -> Result<Field<'de>, E> {
        Ok(Field::Text(Cow::Borrowed(value)))
    }

    fn visit_str<E>(self, value: &str) -> Result<Field<'de>, E> {
        Ok(Field::Text(Cow::Owned(value.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Field<'de>, A::Error> {
        let mut values = Vec::new();
        while let Some(value) = list.next_element_seed(Value)? {
            values.push(value);
        }
        of_list(values).map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::format::{Format, read_stream};

    type Kept = Vec<(u64, Vec<Field<'static>>)>;

    fn owned(field: Field<'_>) -> Field<'static> {
        match field {
            Field::Text(text) => Field::Text(Cow::Owned(text.into_owned())),
            Field::Missing => Field::Missing,
            Field::Scalar(scalar) => Field::Scalar(scalar),
            Field::List(list) => Field::List(list),
        }
    }

    fn table(content: &[u8], columns: &[Column]) -> Result<Kept, Error> {
        let path = Path::new("a.jsonl");
        let request = Request { path, columns, header: None, delimiter: None, originals: false, needs_text: false };
        let mut rows = Kept::new();
        let mut sink = |row: Row<'_>| {
            rows.push((row.number, row.fields.iter().cloned().map(owned).collect()));
            Ok(())
        };
        read_stream(&request, Format::Jsonl, &mut &content[..], &mut sink)?;
        Ok(rows)
    }

    fn named() -> [Column; 2] {
        [Column::Name("text".to_owned()), Column::Name("label".to_owned())]
    }

    fn text(text: &str) -> Field<'static> {
        Field::Text(Cow::Owned(text.to_owned()))
    }

    fn scalar(text: &str) -> Field<'static> {
        Field::Scalar(text.to_owned())
    }

    #[test]
    fn every_kind_of_label() {
        let content = "\u{FEFF}{\"text\":\"a\\nb\",\"id\":{\"x\":[1]},\"label\":1}\r\n\n{\"label\":[\"x\",2,true,null],\"text\":\"c\"}\n\
            {\"text\":null,\"label\":1.0}\n{\"text\":\"\\u00e9\",\"label\":0.5}\n{\"text\":\"d\"}\n{\"text\":\"e\",\"label\":false}";
        let list = Field::List(["x", "2", "true"].map(str::to_owned).to_vec());
        let rows = vec![
            (1, vec![text("a\nb"), scalar("1")]),
            (3, vec![text("c"), list]),
            (4, vec![Field::Missing, scalar("1")]),
            (5, vec![text("é"), scalar("0.5")]),
            (6, vec![text("d"), Field::Missing]),
            (7, vec![text("e"), scalar("false")]),
        ];
        assert_eq!(table(content.as_bytes(), &named()).expect("well-formed"), rows);
    }

    #[test]
    fn a_number_is_a_key_of_the_first_object() {
        let content = b"{\"text\":\"a\",\"label\":\"x\"}\n{\"label\":\"y\",\"text\":\"b\"}\n";
        let rows = table(content, &[Column::Number(1), Column::Number(2)]).expect("well-formed");
        assert_eq!(rows[1].1, [text("b"), text("y")]);
    }

    #[test]
    fn faults_name_their_line() {
        let fault = |content: &[u8]| table(content, &named()).expect_err("a fault").to_string();
        let good = "{\"text\":\"a\",\"label\":1}\n";
        let cut = fault(format!("{good}{{\"text\":\"b\",").as_bytes());
        assert!(
            cut.starts_with(
                "a.jsonl, line 2: not a JSON object: it ends before the object does; write the whole object"
            ),
            "{cut}"
        );
        assert!(fault(b"{\n\"text\":\"a\"}").contains("on one line"));
        let nested = fault(format!("{good}{{\"text\":\"b\",\"label\":{{}}}}").as_bytes());
        assert!(nested.contains("line 2") && nested.contains("expected a string, a number"), "{nested}");
        let (open, close) = ("[".repeat(100_000), "]".repeat(100_000));
        let deep = fault(format!("{good}{{\"text\":\"b\",\"label\":{open}{close}}}\n").as_bytes());
        let unused = fault(format!("{good}{}", "{\"id\":".repeat(100_000)).as_bytes());
        assert!(unused.contains("line 2: not a JSON object: it ends before"), "{unused}");
        assert!(deep.contains("recursion limit"), "{deep}");
        assert!(fault(format!("{good}{good}").replace('\n', "").as_bytes()).contains("trailing characters"));
        assert!(fault(b"{\"text\":\"\xE9\"}").contains("is not UTF-8"));
        assert!(fault(b"text,label\na,1\n").contains("if this is CSV or TSV"));
        assert!(fault(b"<!DOCTYPE html>\n<html>\n").contains("a web page"));
        let absent = fault(b"{\"text\":\"a\",\"labels\":1}\n");
        assert!(absent.contains("no column `label` (did you mean `labels`?)"), "{absent}");
        assert!(matches!(table(b"", &named()), Err(Error::Empty { .. })));
        assert!(matches!(table(b"\n \n", &named()), Err(Error::NoRows { .. })));
    }

    #[test]
    fn a_repeated_key_is_refused_with_its_line() {
        let good = "{\"text\":\"a\",\"label\":1}\n";
        let many: String = (0..90).map(|n| format!(",\"k{n}\":{n}")).collect();
        for (twice, key) in [
            ("{\"text\":\"a\",\"label\":1,\"text\":\"b\"}".to_owned(), "`text`"),
            ("{\"id\":1,\"text\":\"a\",\"label\":1,\"i\\u0064\":2}".to_owned(), "`id`"),
            (format!("{{\"text\":\"a\",\"label\":1{many},\"k89\":0}}"), "`k89`"),
        ] {
            let error = table((good.to_owned() + &twice).as_bytes(), &named()).expect_err("twice").to_string();
            assert!(error.starts_with(&format!("a.jsonl, line 2: duplicate key {key} in the object")), "{error}");
            assert!(table(twice.as_bytes(), &named()).is_err(), "in the first row, too");
        }
        let nested = "{\"text\":\"a\",\"label\":1,\"of\":{\"text\":1}}\n{\"label\":2,\"text\":\"b\"}\n";
        assert_eq!(table(nested.as_bytes(), &named()).expect("once each").len(), 2);
    }

    #[test]
    fn python_writes_numbers_that_are_none() {
        let content =
            "{\"x\":NaN,\"text\":\"a\",\"label\":1}\n{\"x\":[-Infinity],\"text\":\"NaN\",\"label\":Infinity}\n";
        let rows = table(content.as_bytes(), &named()).expect("readable");
        assert_eq!(rows, [(1, vec![text("a"), scalar("1")]), (2, vec![text("NaN"), Field::Missing])]);
    }

    #[test]
    fn half_a_surrogate_pair_is_refused_only_where_it_is_wanted() {
        let line = |text: &str, id: &str| format!("{{\"id\":\"{id}\",\"text\":\"{text}\",\"label\":1}}\n");
        let content = line("a", "cut\\ud83d") + &line("b", "whole\\ud83d\\ude00");
        assert_eq!(table(content.as_bytes(), &named()).expect("readable").len(), 2);
        let error = table(line("cut\\ud83d", "").as_bytes(), &named()).expect_err("half a pair").to_string();
        assert!(error.contains("half of a surrogate pair") && error.contains("surrogatepass"), "{error}");
        let error = table(b"{'text': 'a', 'label': None}\n", &named()).expect_err("a dict").to_string();
        assert!(error.contains("json.dumps"), "{error}");
    }
}
