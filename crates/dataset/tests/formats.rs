//! Tests every format in every compression: the written rows are read back, and a damaged file is an error that names it.

use std::fs;
use std::path::Path;

use crate::write::{self, PACKINGS, Value, packed};
use emberline_base::{SplitName, Substream, Targets, Task};
use emberline_dataset::settings::{Amount, Column, LabelColumns, Settings, Split};
use emberline_dataset::{Dataset, Error, load, read, read_texts};
use parquet::basic::{Compression, Encoding};
use parquet::file::properties::{WriterProperties, WriterVersion};

const TEXTS: [&str; 6] = ["plain", "with, comma", "with \"quotes\"", "two\nlines", "naïve ☃", "  spaces  "];
const LABELS: [&str; 6] = ["b", "a", "c", "a", "b", "c"];

fn settings(path: &str) -> Settings {
    Settings::new(path, Column::Name("text".into()), LabelColumns::One(Column::Name("label".into())))
}

/// A split with all rows but one for training.
fn one_valid(settings: Settings) -> Settings {
    Settings { split: Split { valid: Some(Amount::Count(1)), ..Split::default() }, ..settings }
}

fn table() -> Vec<Vec<Value>> {
    TEXTS
        .iter()
        .zip(LABELS)
        .map(|(&text, label)| vec![Value::text("id"), Value::text(text), Value::text(label)])
        .collect()
}

const NAMES: [&str; 3] = ["id", "text", "label"];

/// The bytes of the table in each format that can hold it as it is.
fn formats() -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("csv", write::csv(&NAMES, &table(), b',')),
        ("jsonl", write::jsonl(&NAMES, &table())),
        ("parquet", write::parquet(&NAMES, &table())),
    ]
}

fn assert_is_the_table(data: &Dataset) {
    let texts: Vec<&str> = data.texts.iter().collect();
    assert_eq!(texts, TEXTS);
    assert_eq!(data.labels.classes, ["a", "b", "c"]);
    assert_eq!(data.labels.task, Task::MultiClass);
    assert_eq!(data.labels.targets, Targets::Single(vec![1, 0, 2, 0, 1, 2]));
    assert_eq!((data.data.rows_read, data.data.empty_texts, data.data.missing_labels), (6, 0, 0));
}

#[test]
fn every_format_in_every_packing_comes_back() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut digests = Vec::new();
    for (format, bytes) in formats() {
        for packing in PACKINGS {
            let name = format!("train.{format}{packing}");
            fs::write(folder.path().join(&name), packed(&bytes, packing, &format!("train.{format}"))).expect("written");
            let data = load(&one_valid(settings(&name)), folder.path(), 1).unwrap_or_else(|e| panic!("{name}: {e}"));
            assert_is_the_table(&data);
            digests.push(data.digest());
        }
    }
    digests.dedup();
    assert_eq!(digests.len(), 1, "the digest is of the content alone");
}

#[test]
fn columns_by_number_in_every_format() {
    let folder = tempfile::tempdir().expect("a folder");
    for (format, bytes) in formats() {
        let name = format!("train.{format}");
        fs::write(folder.path().join(&name), bytes).expect("written");
        let by_number = Settings::new(&name, Column::Number(2), LabelColumns::One(Column::Number(3)));
        let header = (format == "csv").then_some(true);
        let data = load(&one_valid(Settings { header, ..by_number }), folder.path(), 1).expect("readable");
        assert_is_the_table(&data);
    }
}

#[test]
fn another_delimiter() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("a.csv"), write::csv(&NAMES, &table(), b';')).expect("written");
    let given = Settings { delimiter: Some(';'), ..settings("a.csv") };
    assert_is_the_table(&load(&one_valid(given), folder.path(), 1).expect("readable"));
    let error = load(&settings("a.csv"), folder.path(), 1).expect_err("one column").to_string();
    assert!(error.contains("set delimiter = \";\""), "{error}");
}

#[test]
fn numbers_booleans_and_lists() {
    let folder = tempfile::tempdir().expect("a folder");
    let rows = |labels: Vec<Value>| -> Vec<Vec<Value>> {
        labels.into_iter().enumerate().map(|(i, label)| vec![Value::Text(Some(format!("text {i}"))), label]).collect()
    };
    let list = |labels: &[&str]| Value::List(Some(labels.iter().map(|&l| l.to_owned()).collect()));
    let cases = [
        (rows(vec![Value::Int(10), Value::Int(9), Value::Int(-1)]), vec!["-1", "9", "10"], Task::MultiClass),
        (rows(vec![Value::Float(1.0), Value::Float(0.0), Value::Float(1.0)]), vec!["0", "1"], Task::Binary),
        (rows(vec![Value::Float(1.0), Value::Float(0.5), Value::Float(1.0)]), vec!["0.5", "1"], Task::Binary),
        (rows(vec![Value::Bool(true), Value::Bool(false), Value::Bool(true)]), vec!["false", "true"], Task::Binary),
        (rows(vec![list(&["x", "y"]), list(&[]), list(&["z"])]), vec!["x", "y", "z"], Task::MultiLabel),
    ];
    for (rows, classes, task) in cases {
        for (name, bytes) in [
            ("a.jsonl", write::jsonl(&["text", "label"], &rows)),
            ("a.parquet", write::parquet(&["text", "label"], &rows)),
        ] {
            fs::write(folder.path().join(name), bytes).expect("written");
            let data = load(&one_valid(settings(name)), folder.path(), 1).unwrap_or_else(|e| panic!("{name}: {e}"));
            assert_eq!(
                (data.labels.classes.clone(), data.labels.task),
                (classes.iter().map(|c| c.to_string()).collect(), task)
            );
            assert_eq!(data.texts.len(), 3, "{name}: {classes:?}");
        }
    }
}

#[test]
fn missing_values_are_counted() {
    let folder = tempfile::tempdir().expect("a folder");
    let rows = vec![
        vec![Value::text("a"), Value::text("x")],
        vec![Value::text(" \u{A0}"), Value::text("x")],
        vec![Value::text("b"), Value::Text(None)],
        vec![Value::Text(None), Value::Text(None)],
        vec![Value::text("c"), Value::text("y")],
        vec![Value::text("d"), Value::text("x")],
        vec![Value::text("e"), Value::text("y")],
    ];
    let names = ["text", "label"];
    let files = [
        ("a.csv", write::csv(&names, &rows, b',')),
        ("a.jsonl", write::jsonl(&names, &rows)),
        ("a.parquet", write::parquet(&names, &rows)),
    ];
    for (name, bytes) in files {
        fs::write(folder.path().join(name), bytes).expect("written");
        let data = load(&one_valid(settings(name)), folder.path(), 1).expect("readable").data;
        assert_eq!((data.rows_read, data.empty_texts, data.missing_labels), (7, 2, 1), "{name}");
        let texts = read_texts(&folder.path().join(name), &Column::Name("text".into()), None, None).expect("readable");
        assert_eq!(texts, ["a", " \u{A0}", "b", "", "c", "d", "e"], "{name}");
    }
}

#[test]
fn columns_of_zeros_and_ones() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("a.csv"), "text,toxic,insult\na,0,0\nb,1,1\nc,0,1\nd,,1\n").expect("written");
    let name = |name: &str| Column::Name(name.to_owned());
    let label = LabelColumns::Several(vec![name("insult"), name("toxic")]);
    let data =
        load(&one_valid(Settings::new("a.csv", name("text"), label.clone())), folder.path(), 1).expect("readable");
    assert_eq!(
        (data.labels.task, data.labels.classes.as_slice()),
        (Task::MultiLabel, &["insult".to_owned(), "toxic".to_owned()][..])
    );
    assert_eq!(data.labels.targets, Targets::Multi { offsets: vec![0, 0, 2, 3], ids: vec![0, 1, 0] });
    assert_eq!(data.data.missing_labels, 1);
    fs::write(folder.path().join("a.csv"), "text,toxic,insult\na,0,0\nb,2,1\n").expect("written");
    let error = load(&Settings::new("a.csv", name("text"), label), folder.path(), 1).expect_err("a 2").to_string();
    assert!(error.ends_with("line 3: column `toxic` holds `2`; expected 0 or 1"), "{error}");
}

#[test]
fn an_archive_holds_one_data_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let csv = write::csv(&NAMES, &table(), b',');
    let path = folder.path().join("a.zip");
    let attempt = |files: &[(&str, &[u8])]| {
        fs::write(&path, write::zip(files)).expect("written");
        load(&one_valid(settings("a.zip")), folder.path(), 1)
    };
    let litter = [
        ("__MACOSX/._a.csv", &b"\0"[..]),
        ("data/.hidden.csv", b"x"),
        ("data/README.md", b"# x"),
        ("data/a.csv", &csv),
    ];
    assert_is_the_table(&attempt(&litter).expect("one data file"));
    let fault = |files: &[(&str, &[u8])]| attempt(files).expect_err("refused").to_string();
    assert!(fault(&[("a.csv", &csv), ("b.csv", &csv)]).contains("2 data files are in this archive"));
    assert!(fault(&[("a.txt", &csv)]).contains("no .csv, .tsv, .jsonl, .json or .parquet file"));
    for name in ["../a.csv", "/etc/a.csv", "x/../../a.csv"] {
        assert!(fault(&[(name, &csv)]).contains("outside the archive"), "{name}");
    }
    fs::write(folder.path().join("b.csv.zip"), write::zip(&[("inner", &csv)])).expect("written");
    assert_is_the_table(
        &load(&one_valid(settings("b.csv.zip")), folder.path(), 1).expect("its own name says the format"),
    );
}

/// The archive with the flag of encryption set in both headers of its only entry (APPNOTE 4.4.4).
fn marked_encrypted(mut archive: Vec<u8>) -> Vec<u8> {
    let central = archive.windows(4).position(|bytes| bytes == b"PK\x01\x02").expect("a central header");
    archive[6] |= 1;
    archive[central + 8] |= 1;
    archive
}

#[test]
fn an_encrypted_archive_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let archive = write::zip(&[("a.csv", &write::csv(&NAMES, &table(), b','))]);
    fs::write(folder.path().join("a.zip"), marked_encrypted(archive)).expect("written");
    let error = load(&settings("a.zip"), folder.path(), 1).expect_err("encrypted").to_string();
    assert!(error.ends_with("the archive is encrypted; unpack it first"), "{error}");
}

#[test]
fn several_gzip_members_are_one_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let csv = write::csv(&NAMES, &table(), b',');
    let (first, second) = csv.split_at(csv.len() / 2);
    let bytes = [packed(first, ".gz", ""), packed(second, ".gz", "")].concat();
    fs::write(folder.path().join("a.csv.gz"), bytes).expect("written");
    assert_is_the_table(&load(&one_valid(settings("a.csv.gz")), folder.path(), 1).expect("two members"));
}

#[test]
fn a_bomb_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let content = [b"text,label\n".to_vec(), b"a".repeat(80 << 20)].concat();
    for packing in &PACKINGS[1..] {
        let name = format!("a.csv{packing}");
        fs::write(folder.path().join(&name), packed(&content, packing, "a.csv")).expect("written");
        let error = read(&settings(&name), folder.path()).expect_err("a bomb");
        assert!(matches!(error, Error::Oversized { .. }), "{error}");
    }
}

/// A file of less than a kilobyte can claim millions or billions of rows with two numbers.
#[test]
fn more_rows_than_a_file_can_hold_are_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("a.parquet");
    let texts = |bytes: &[u8]| {
        fs::write(&path, bytes).expect("written");
        read_texts(&path, &Column::Name("text".into()), None, None)
    };
    for text in [None, Some("x")] {
        let honest = write::parquet_of_one_run(100_000, text);
        assert_eq!(texts(&honest).expect("not too many").len(), 100_000);
        let bytes = write::parquet_of_one_run(2_000_000, text);
        assert!(bytes.len() < 1000, "{}", bytes.len());
        let error = texts(&bytes).expect_err("too many");
        assert!(matches!(error, Error::Damaged { .. }) && error.to_string().contains("more values"), "{error}");
    }
}

/// The checks parse the counts in pages: a count that is parsed wrongly would refuse a valid file.
#[test]
fn texts_in_every_encoding_of_parquet_come_back() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("a.parquet");
    let texts: Vec<String> = (0..2000).map(|n| format!("{}{}", "shared ".repeat(n % 7), n * n)).collect();
    for rows in [0, 1, 2, 33, 129, 2000] {
        let some = |(at, text): (usize, &String)| (at % 5 != 3).then(|| text.clone());
        let rows: Vec<Option<String>> = texts[..rows].iter().enumerate().map(some).collect();
        let shown: Vec<Option<&str>> = rows.iter().map(Option::as_deref).collect();
        for version in [WriterVersion::PARQUET_1_0, WriterVersion::PARQUET_2_0] {
            for encoding in [Encoding::PLAIN, Encoding::DELTA_LENGTH_BYTE_ARRAY, Encoding::DELTA_BYTE_ARRAY] {
                for page in [100, usize::MAX] {
                    let properties = WriterProperties::builder().set_writer_version(version).set_encoding(encoding);
                    let properties = properties.set_dictionary_enabled(false).set_data_page_row_count_limit(page);
                    let properties = properties.set_write_batch_size(50).set_compression(Compression::SNAPPY).build();
                    fs::write(&path, write::parquet_of_texts(&shown, properties)).expect("written");
                    let read = read_texts(&path, &Column::Name("text".into()), None, None).unwrap_or_default();
                    let expected: Vec<&str> = shown.iter().map(|text| text.unwrap_or_default()).collect();
                    assert_eq!(read, expected, "{version:?} {encoding} {page}");
                }
            }
        }
    }
}

/// One long dictionary entry, referenced by every row.
#[test]
fn texts_that_take_far_more_than_their_file_are_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("a.parquet");
    fs::write(&path, write::parquet_of_one_run(10_000, Some(&"long ".repeat(2000)))).expect("written");
    let error = read_texts(&path, &Column::Name("text".into()), None, None).expect_err("100 MB");
    assert!(matches!(error, Error::Oversized { .. }), "{error}");
}

#[test]
fn absent_empty_and_foreign_files() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| load(&settings(name), folder.path(), 1).expect_err("no data");
    let missing = at("none.csv");
    assert!(missing.is_asset() && missing.to_string().contains("none.csv: there is no such file"), "{missing}");
    fs::create_dir(folder.path().join("folder.csv")).expect("made");
    assert!(matches!(at("folder.csv"), Error::Folder { .. }));
    for name in ["a.csv", "a.tsv", "a.jsonl", "a.parquet", "a.csv.gz", "a.csv.zst", "a.csv.zip"] {
        fs::write(folder.path().join(name), "").expect("written");
        assert!(matches!(at(name), Error::Empty { .. }), "{name}: {}", at(name));
    }
    fs::write(folder.path().join("a.parquet"), write::parquet(&["text", "label"], &[])).expect("written");
    assert!(matches!(at("a.parquet"), Error::NoRows { .. }));
    for name in ["b.parquet", "b.csv.gz", "b.csv.zst", "b.zip"] {
        fs::write(folder.path().join(name), "text,label\na,1\nb,0\n").expect("written");
        assert!(at(name).to_string().contains("but plain text; "), "{name}: {}", at(name));
    }
    fs::write(folder.path().join("c.csv"), "text,label\n,1\nb,\n").expect("written");
    let unusable = at("c.csv").to_string();
    assert!(
        unusable.contains("none of the 2 rows can be used: 1 has no text, 1 has no label; are the right columns"),
        "{unusable}"
    );
}

#[test]
fn columns_of_other_types_are_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let rows = vec![vec![Value::Int(1), Value::text("x")], vec![Value::Int(2), Value::text("y")]];
    fs::write(folder.path().join("a.parquet"), write::parquet(&["text", "label"], &rows)).expect("written");
    fs::write(folder.path().join("a.jsonl"), write::jsonl(&["text", "label"], &rows)).expect("written");
    let fault = |name| load(&settings(name), folder.path(), 1).expect_err("a number").to_string();
    assert!(
        fault("a.parquet").ends_with("column `text` is of type INT64; expected a string"),
        "{}",
        fault("a.parquet")
    );
    assert!(fault("a.jsonl").ends_with("line 1: column `text` holds `1`; expected a text"), "{}", fault("a.jsonl"));
}

/// A truncated file is never read as complete. Only compressed files and Parquet: a truncated text file may end between rows.
#[test]
fn whatever_is_cut_off_is_noticed() {
    let folder = tempfile::tempdir().expect("a folder");
    for (format, bytes) in formats() {
        for packing in PACKINGS.into_iter().filter(|p| !p.is_empty() || format == "parquet") {
            let name = format!("a.{format}{packing}");
            let whole = packed(&bytes, packing, "a");
            for length in 0..whole.len() {
                fs::write(folder.path().join(&name), &whole[..length]).expect("written");
                let error = attempt(folder.path(), &name).expect_err("cut off");
                assert!(error.to_string().contains(&name), "{error}");
            }
        }
    }
}

/// Flipped bits cause an error or other content, never a panic.
#[test]
fn whatever_is_flipped_does_no_harm() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut random = Substream::new(1, "flips");
    for (format, bytes) in formats() {
        for packing in PACKINGS {
            let name = format!("a.{format}{packing}");
            let whole = packed(&bytes, packing, "a");
            for _ in 0..400 {
                let mut broken = whole.clone();
                for _ in 0..=random.below(3) {
                    let at = random.below(broken.len());
                    broken[at] ^= 1 << random.below(8);
                }
                fs::write(folder.path().join(&name), &broken).expect("written");
                if let Err(error) = attempt(folder.path(), &name) {
                    assert!(!error.to_string().is_empty());
                }
            }
        }
    }
}

fn attempt(base: &Path, name: &str) -> Result<Dataset, Error> {
    let data = load(&settings(name), base, 1)?;
    assert!(data.texts_of(SplitName::Train).all(|text| !text.trim().is_empty()));
    Ok(data)
}
