//! Tests files of another kind than their names say, and files in dialects of other programs: the message says what they are and
//! what to do; those that can be read correctly are read.

use std::fs;
use std::path::Path;

use emberline_base::warning::Code;
use emberline_dataset::settings::{Column, LabelColumns, Settings};
use emberline_dataset::{Dataset, Error, load};

const POINTER: &[u8] = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n";
const CSV: &[u8] = b"text,label\na,1\nb,0\nc,1\nd,0\n";

fn settings(name: &str) -> Settings {
    Settings::new(name, Column::Name("text".into()), LabelColumns::One(Column::Name("label".into())))
}

fn load_bytes(name: &str, bytes: &[u8]) -> Result<Dataset, Error> {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join(name), bytes).expect("written");
    load(&settings(name), folder.path(), 1)
}

fn refusal(name: &str, bytes: &[u8]) -> String {
    let error = load_bytes(name, bytes).expect_err(name).to_string();
    assert!(
        Path::new(error.split(": ").next().unwrap_or_default().split(", line").next().unwrap_or_default())
            .ends_with(name)
    );
    error
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    use std::io::Write;
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).and_then(|()| encoder.finish()).expect("packed")
}

fn utf16(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

#[test]
fn a_git_lfs_pointer_is_named_under_every_name() {
    let names = ["csv", "tsv", "jsonl", "parquet"].map(|format| format!("a.{format}"));
    let packed = ["gz", "zst", "zip"].map(|packing| format!("a.csv.{packing}"));
    for name in names.iter().chain(&packed) {
        let error = refusal(name, POINTER);
        assert!(error.contains("Git LFS pointer") && error.contains("`git lfs pull`"), "{error}");
    }
    let inside = refusal("a.csv.gz", &gzip(POINTER));
    assert!(inside.contains("Git LFS pointer"), "{inside}");
}

#[test]
fn other_containers_are_named_with_their_cure() {
    let sqlite = b"SQLite format 3\0";
    let wide = utf16("text,label\r\na,1\r\n");
    let marked = [b"\xff\xfe".as_slice(), &wide].concat();
    let packed = gzip(CSV);
    let cases: [(&str, &[u8], &[&str]); 16] = [
        ("a.csv", &packed, &["gzip-compressed", "end in .gz"]),
        ("a.jsonl", &packed, &["gzip-compressed"]),
        ("a.parquet", &packed, &["gzip-compressed"]),
        ("a.csv.zst", &packed, &["gzip-compressed"]),
        ("a.csv", b"PK\x03\x04\x14\0\x06\0\x08\0", &["a zip archive", ".xlsx"]),
        ("a.csv", b"PK\x03\x04\x14\0\x06\0[Content_Types].xml", &["Excel", "export the sheet as CSV"]),
        ("a.tsv", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", &["Excel"]),
        ("a.csv.gz", CSV, &["plain text", "remove .gz from its name"]),
        ("a.csv", b"PAR1\x15\x04\x15", &["Parquet", "end in .parquet"]),
        ("a.csv", b"\x80\x04\x95\x10", &["a Python pickle"]),
        ("a.csv", sqlite, &["SQLite", "sqlite3"]),
        ("a.csv", b"%PDF-1.7\n", &["PDF"]),
        ("a.csv", &marked, &["UTF-16", "iconv -f UTF-16 -t UTF-8"]),
        ("a.tsv", &wide, &["UTF-16", "iconv -f UTF-16LE -t UTF-8"]),
        ("a.csv", b"\0\x05\x16\x07\0\x02", &["AppleDouble"]),
        ("a.csv", b"<!DOCTYPE html>\n<html><body>Sign in</body></html>\n", &["a web page", "log in"]),
    ];
    for (name, bytes, expected) in cases {
        let error = refusal(name, bytes);
        assert!(expected.iter().all(|part| error.contains(part)), "{error}");
        assert!(!error.contains("WINDOWS-1252"), "{error}");
    }
}

#[test]
fn iconv_is_advised_only_where_it_helps() {
    let legacy = refusal("a.csv", b"text,label\ncaf\xe9,1\n");
    assert!(legacy.contains("iconv -f WINDOWS-1252 -t UTF-8"), "{legacy}");
    let mixed = refusal(
        "a.csv",
        "text,label\ncafé,1\nna\u{ef}ve,0\n"
            .replace('\u{ef}', "\u{0}")
            .as_bytes()
            .iter()
            .map(|&b| if b == 0 { 0xef } else { b })
            .collect::<Vec<_>>()
            .as_slice(),
    );
    assert!(mixed.contains("the text before it is UTF-8") && !mixed.contains("WINDOWS"), "{mixed}");
    let noise: Vec<u8> = b"text,label\n".iter().copied().chain((0..=255).cycle().take(2000)).collect();
    assert!(!refusal("a.csv", &noise).contains("iconv"), "{}", refusal("a.csv", &noise));
}

#[test]
fn dialects_of_other_programs_are_explained() {
    let cases: [(&str, &str, &str); 9] = [
        (
            "a.csv",
            "text, label\ngood film, \"1\"\nbad film, \"0\"\n",
            "there is a space before the opening quote of column `label`",
        ),
        ("a.csv", "text,label\na,1\n \"good, film\",1\n", "there is a space before an opening quote"),
        ("a.csv", "text,label\na,1,\nb,0,\n", "the row ends with a ','"),
        ("a.csv", "text,label\n\"he said \\\"hi\\\"\",1\n", "escaped with backslashes"),
        ("a.csv", "text,label\n\"a\" ,1\n", "remove the space after the quote"),
        ("a.tsv", "\"text\"\t\"label\"\n\"a\"\t\"1\"\n", "set delimiter = \"\\t\""),
        ("a.tsv", "text\tlabel\n\"a\tb\"\t1\n", "let the file's name end in .csv"),
        ("a.tsv", "text\tlabel\n\"a\nb\"\t1\n", "let the file's name end in .csv"),
        ("a.csv", "{\"text\": \"a\", \"label\": 1}\n", "end in .jsonl"),
    ];
    for (name, content, expected) in cases {
        let error = refusal(name, content.as_bytes());
        assert!(error.contains(expected), "{content}\n{error}");
    }
}

/// A space before a quote that belongs to the text, and a correctly quoted field, are accepted.
#[test]
fn quotes_that_are_meant_stay() {
    let content = "text,label\n\" \"\"a\"\" \",1\nsaid \"hi\", 0\n \"a\" and b,0\n\"x\",1\n";
    let data = load_bytes("a.csv", content.as_bytes()).expect("well-formed");
    assert_eq!(data.texts.iter().collect::<Vec<_>>(), [" \"a\" ", "said \"hi\"", " \"a\" and b", "x"]);
}

#[test]
fn quotes_that_tsv_keeps_are_warned_of() {
    let warnings = |content: &str| load_bytes("a.tsv", content.as_bytes()).expect("well-formed").data.warnings;
    let codes = |content: &str| {
        let kept = warnings(content).into_iter().filter(|warning| warning.code == Code::QuotesKept);
        kept.map(|warning| warning.text).collect::<String>()
    };
    let pandas = codes("text\tlabel\n\"he said \"\"hi\"\"\"\t1\nplain\t0\nother\t1\nmore\t0\nlast\t1\n");
    assert!(
        pandas.contains("in 1 of 5 rows (line 2 is the first)") && pandas.contains("set delimiter = \"\\t\""),
        "{pandas}"
    );
    assert!(!codes("text\tlabel\n\"a\"\t\"1\"\n\"b\"\t\"0\"\nc\t\"1\"\n").is_empty());
    assert_eq!(codes("text\tlabel\n\"All of it!\"\t1\nplain\t0\nother\t1\nsaid \"hi\"\t0\nlast\t1\n"), "");
    // The cure reads them as they are meant.
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("a.csv"), "\"text\"\t\"label\"\n\"a\tb\"\t\"1\"\n\"c \"\"d\"\"\"\t\"0\"\ne\t1\n")
        .expect("written");
    let data = load(&Settings { delimiter: Some('\t'), ..settings("a.csv") }, folder.path(), 1).expect("well-formed");
    assert_eq!(data.texts.iter().collect::<Vec<_>>(), ["a\tb", "c \"d\"", "e"]);
    assert!(data.data.warnings.iter().all(|warning| warning.code != Code::QuotesKept));
}
