//! Tests texts without labels: in every format and compression, every row is passed on with its place and its fields.

use std::fs;

use emberline_dataset::settings::Column;
use emberline_dataset::{Error, Original, Source, StreamFormat, TextInput};

use crate::write::{self, PACKINGS, Value, packed};

const TEXTS: [&str; 4] = ["good film", "", "two, \"words\"", "last"];

fn column() -> Column {
    Column::Name("text".into())
}

fn files() -> Vec<(&'static str, Vec<u8>)> {
    let rows: Vec<Vec<Value>> =
        TEXTS.iter().enumerate().map(|(id, &text)| vec![Value::Int(id as i64), Value::text(text)]).collect();
    let written: Vec<Vec<Value>> =
        TEXTS.iter().enumerate().map(|(id, &text)| vec![Value::text(&id.to_string()), Value::text(text)]).collect();
    vec![
        ("a.csv", write::csv(&["id", "text"], &written, b',')),
        (
            "a.tsv",
            TEXTS.iter().enumerate().fold(b"id\ttext\n".to_vec(), |file, (id, text)| {
                [file, format!("{id}\t{text}\n").into_bytes()].concat()
            }),
        ),
        ("a.jsonl", write::jsonl(&["id", "text"], &rows)),
        ("a.parquet", write::parquet(&["id", "text"], &rows)),
        ("a.txt", TEXTS.join("\n").into_bytes()),
    ]
}

#[test]
fn every_row_of_every_format_comes_out() {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, bytes) in files() {
        for packing in PACKINGS {
            let path = folder.path().join(format!("{name}{packing}"));
            fs::write(&path, packed(&bytes, packing, name)).expect("written");
            let (mut texts, mut numbers) = (Vec::new(), Vec::new());
            let input = TextInput::of_column(Source::File(&path), column());
            let count = input.read(|row| {
                texts.push(row.text.to_owned());
                numbers.push(row.number);
                Ok::<_, Error>(())
            });
            assert_eq!(count.unwrap_or_else(|e| panic!("{name}{packing}: {e}")).rows, 4);
            assert_eq!(texts, TEXTS, "{name}{packing}");
            let first = u64::from(name.ends_with("csv") || name.ends_with("tsv")) + 1;
            assert_eq!(numbers, (first..first + 4).collect::<Vec<_>>(), "{name}{packing}");
        }
    }
}

#[test]
fn rows_come_whole_where_they_are_asked_for() {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, bytes) in files() {
        let path = folder.path().join(name);
        fs::write(&path, bytes).expect("written");
        let mut found = Vec::new();
        let input = TextInput { originals: true, ..TextInput::of_column(Source::File(&path), column()) };
        let outcome = input.read(|row| {
            found.push(match row.original {
                Original::Line => "line".to_owned(),
                Original::Fields { names, fields } => format!("{names:?} {fields:?}"),
                Original::Object(object) => object.to_owned(),
                Original::Values { names, values } => format!("{names:?} {}", serde_json::Value::from(values.to_vec())),
            });
            Ok::<_, Error>(())
        });
        outcome.unwrap_or_else(|e| panic!("{name}: {e}"));
        let third = found[2].as_str();
        match name {
            "a.txt" => assert_eq!(third, "line"),
            "a.jsonl" => assert!(third.starts_with("{\"id\":2,") || third.starts_with("{\"id\": 2,"), "{third}"),
            "a.parquet" => assert_eq!(third, r#"["id", "text"] [2,"two, \"words\""]"#),
            _ => assert_eq!(third, r#"["id", "text"] ["2", "two, \"words\""]"#),
        }
    }
}

#[test]
fn a_stream_of_lines_is_read_like_a_file() {
    let mut stream: &[u8] = b"a\n\nb";
    let mut texts = Vec::new();
    let input = TextInput::of_column(Source::Stream(&mut stream, "standard input", StreamFormat::Lines), column());
    let count = input.read(|row| {
        texts.push(row.text.to_owned());
        Ok::<_, Error>(())
    });
    assert_eq!((count.expect("lines").rows, texts), (3, vec!["a".to_owned(), String::new(), "b".to_owned()]));
    let mut stream: &[u8] = b"a\ncaf\xe9\n";
    let input = TextInput::of_column(Source::Stream(&mut stream, "standard input", StreamFormat::Lines), column());
    let error = input.read(|_| Ok::<_, Error>(())).expect_err("not UTF-8").to_string();
    assert!(error.starts_with("standard input, line 2: byte 0xE9"), "{error}");
}

/// The error of the function that receives the rows is returned unchanged.
#[test]
fn a_refusal_of_the_taker_ends_the_reading() {
    #[derive(Debug)]
    enum Failure {
        Read,
        Full(u64),
    }
    impl From<Error> for Failure {
        fn from(_: Error) -> Self {
            Self::Read
        }
    }
    let mut stream: &[u8] = b"a\nb\nc\n";
    let input = TextInput::of_column(Source::Stream(&mut stream, "standard input", StreamFormat::Lines), column());
    let outcome = input.read(|row| if row.number == 2 { Err(Failure::Full(row.number)) } else { Ok(()) });
    assert!(matches!(outcome, Err(Failure::Full(2))));
    let mut stream: &[u8] = b"\xff\xff";
    let input = TextInput::of_column(Source::Stream(&mut stream, "standard input", StreamFormat::Lines), column());
    assert!(matches!(input.read(|_| Ok(())), Err(Failure::Read)));
}

#[test]
fn an_object_without_a_text_is_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("a.jsonl");
    let of = |content: &str| {
        fs::write(&path, content).expect("written");
        let mut texts = Vec::new();
        let input = TextInput::of_column(Source::File(&path), column());
        let outcome = input.read(|row| {
            texts.push(row.text.to_owned());
            Ok::<_, Error>(())
        });
        outcome.map(|_| texts).map_err(|error| error.to_string())
    };
    assert_eq!(of("{\"text\": \"a\"}\n{\"text\": null}\n"), Ok(vec!["a".to_owned(), String::new()]));
    let absent = of("{\"text\": \"a\"}\n{\"txt\": \"b\"}\n").expect_err("no text");
    assert!(absent.contains("a.jsonl, line 2: the object has no key `text`"), "{absent}");
    let nowhere = of("{\"txt\": \"b\"}\n").expect_err("no text");
    assert!(nowhere.contains("a.jsonl: no column `text` (did you mean `txt`?)"), "{nowhere}");
}

#[test]
fn quotes_that_tsv_keeps_are_warned_of() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("a.tsv");
    fs::write(&path, "id\ttext\n1\t\"he said \"\"hi\"\"\"\n2\tplain\n").expect("written");
    let read = TextInput::of_column(Source::File(&path), column()).read(|_| Ok::<_, Error>(())).expect("readable");
    assert!(read.warnings[0].to_string().starts_with("EMB007: "), "{:?}", read.warnings);
}

/// Returns the texts of a file with this content, and the warnings.
fn read(name: &str, content: &[u8], column: Column, format: Option<StreamFormat>) -> (Vec<String>, Vec<String>) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join(name);
    fs::write(&path, content).expect("written");
    let mut texts = Vec::new();
    let input = TextInput { format, ..TextInput::of_column(Source::File(&path), column) };
    let read = input.read(|row| {
        texts.push(row.text.to_owned());
        Ok::<_, Error>(())
    });
    let warnings = read.unwrap_or_else(|error| panic!("{name}: {error}")).warnings;
    (texts, warnings.iter().map(ToString::to_string).collect())
}

#[test]
fn a_format_that_is_named_counts_whatever_the_name_says() {
    let csv = b"id,text\n1,\"a, b\"\n";
    for packing in PACKINGS {
        let name = format!("a.dat{packing}");
        let (texts, _) = read(&name, &packed(csv, packing, "a.dat"), column(), Some(StreamFormat::Csv));
        assert_eq!(texts, ["a, b"], "{name}");
    }
    assert_eq!(read("a.csv", csv, column(), Some(StreamFormat::Lines)).0, ["id,text", "1,\"a, b\""]);
    assert_eq!(read("a.txt", b"id\ttext\n1\t\"a\n", column(), Some(StreamFormat::Tsv)).0, ["\"a"]);
    assert_eq!(read("a.csv", b"{\"text\": \"a\"}\n", column(), Some(StreamFormat::Jsonl)).0, ["a"]);
}

#[test]
fn rows_that_seem_to_be_headers_are_warned_of() {
    let (texts, warnings) = read("a.csv", b"id,question_text\n1,why so\n", Column::Number(2), None);
    assert_eq!(texts, ["question_text", "why so"]);
    assert!(warnings[0].starts_with("EMB002: a.csv, line 1: this row seems to hold the names"), "{warnings:?}");
    // Two files of one header that gzip or cat has put together.
    let member = |text: &str| packed(format!("id,text\n1,{text}\n").as_bytes(), ".gz", "a.csv");
    let (texts, warnings) = read("a.csv.gz", &[member("one"), member("two")].concat(), column(), None);
    assert_eq!(texts, ["one", "text", "two"]);
    assert!(warnings[0].starts_with("EMB002: a.csv.gz: 1 row (line 3 is the first) repeats the names"), "{warnings:?}");
    for (name, content) in [("a.txt", "text\ntext\n"), ("a.jsonl", "{\"text\":\"text\"}\n")] {
        assert!(read(name, content.as_bytes(), column(), None).1.is_empty(), "{name} has no header");
    }
}

#[test]
fn every_line_of_a_single_column_is_a_row() {
    let content = b"text\na\n\nb\n\n";
    for name in ["a.csv", "a.tsv"] {
        assert_eq!(read(name, content, column(), None).0, ["a", "", "b", ""], "{name}");
    }
    assert_eq!(read("a.txt", content, column(), None).0, ["text", "a", "", "b", ""]);
    assert_eq!(read("a.csv", b"id,text\n1,a\n\n2,b\n\n", column(), None).0, ["a", "b"]);
}
