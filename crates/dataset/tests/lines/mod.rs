//! Tests the formats of lines, labels in a file of their own, class names, and a format that the name doesn't say: what is written
//! is read back in every compression, and a damaged file is an error that names it and its line.

use std::fs;
use std::path::Path;

use emberline_base::{Targets, Task};
use emberline_dataset::settings::{Column, FileFormat, LabelColumns, Settings, SplitFile};
use emberline_dataset::{Dataset, Error, Rows, read};
use tempfile::TempDir;

use crate::write::{PACKINGS, packed};

/// A folder with these files.
fn folder(files: &[(&str, &[u8])]) -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, content) in files {
        fs::write(folder.path().join(name), content).expect("written");
    }
    folder
}

/// The settings of a file of lines.
fn of_lines(path: &str, format: Option<FileFormat>) -> Settings {
    let columns = Settings::new(path, Column::Number(1), LabelColumns::One(Column::Number(2)));
    Settings { text: None, label: None, format, ..columns }
}

fn read_one(content: &[u8], format: FileFormat) -> Result<Rows, Error> {
    let folder = folder(&[("rows.txt", content)]);
    read(&of_lines("rows.txt", Some(format)), folder.path())
}

fn texts(rows: &Rows) -> Vec<&str> {
    rows.texts().iter().collect()
}

fn divided(rows: &Rows) -> Dataset {
    rows.split(&Default::default(), 1).expect("divided")
}

const FASTTEXT: &[u8] =
    b"__label__b which knife\n\n__label__a what  sauce ?\nhow long __label__b\n__label__c __label__ tea\n";
const LABEL_FIRST: &[u8] = b"b which knife\n\na\twhat sauce ?\nb how long\nc tea\n";
const TEXTS: [&str; 4] = ["which knife", "what sauce ?", "how long", "tea"];

#[test]
fn lines_in_every_packing_come_back() {
    let mut digests = Vec::new();
    for (format, content) in [(FileFormat::Fasttext, FASTTEXT), (FileFormat::LabelFirst, LABEL_FIRST)] {
        for packing in PACKINGS {
            let name = format!("train{packing}");
            let folder = folder(&[(&name, &packed(content, packing, "train.txt"))]);
            let rows = read(&of_lines(&name, Some(format)), folder.path()).unwrap_or_else(|e| panic!("{name}: {e}"));
            assert_eq!(texts(&rows), TEXTS, "{name}");
            assert_eq!(rows.labels().classes, ["a", "b", "c"]);
            assert_eq!(rows.labels().targets, Targets::Single(vec![1, 0, 1, 2]));
            assert_eq!(rows.origin(1).number, 3, "the line, blank ones too");
            digests.push(divided(&rows).digest());
        }
    }
    digests.dedup();
    assert_eq!(digests.len(), 1, "the digest is of the content alone");
}

#[test]
fn several_labels_in_a_line_make_sets() {
    let rows =
        read_one(b"__label__x __label__y one\n__label__y two\nnone\n__label__z\n", FileFormat::Fasttext).expect("rows");
    assert_eq!((rows.labels().task, texts(&rows)), (Task::MultiLabel, vec!["one", "two"]));
    let file = &rows.findings().files[0];
    assert_eq!((file.missing_labels, &file.missing_at, file.empty_texts, &file.empty_at), (1, &vec![3], 1, &vec![4]));
}

#[test]
fn a_label_ends_where_it_is_said_to() {
    let folder = folder(&[("q.train", b"DESC:manner How ?\nENTY:cremat What ?\nDESC:def Why ?\nHUM Who ?\n: x\n")]);
    let settings = of_lines("q.train", Some(FileFormat::LabelFirst));
    let coarse = Settings { label_until: Some(":".to_owned()), ..settings.clone() };
    let rows = read(&coarse, folder.path()).expect("rows");
    assert_eq!(rows.labels().classes, ["DESC", "ENTY", "HUM"]);
    assert_eq!(rows.findings().files[0].missing_labels, 1, "nothing is before the colon");
    assert_eq!(read(&settings, folder.path()).expect("rows").labels().classes.len(), 5);
}

#[test]
fn damaged_lines_are_answered_with_the_cure() {
    for (content, format, expected) in [
        (&b""[..], FileFormat::Fasttext, "the file is empty"),
        (b"\n\n", FileFormat::LabelFirst, "there are no rows"),
        (b"a b\nc d\n", FileFormat::Fasttext, "set format = \"label_first\""),
        (b"a b\nc caf\xe9\n", FileFormat::LabelFirst, "line 2: byte 0xE9"),
        (b"\x1f\x8b\x08\0\0", FileFormat::LabelFirst, "gzip"),
        (b"__label__a x\n__label__a y\n", FileFormat::Fasttext, "every label is `a`"),
        (b"a\nb\n", FileFormat::LabelFirst, "none of the 2 rows can be used"),
        (
            b"label text\na x\nlabel text\nb y\n",
            FileFormat::LabelFirst,
            "rows.txt, line 1: this row repeats the column names",
        ),
    ] {
        let error = read_one(content, format).expect_err(expected).to_string();
        assert!(error.contains("rows.txt") && error.contains(expected), "{error}");
    }
    let folder = folder(&[("rows.txt", LABEL_FIRST)]);
    let settings = of_lines("rows.txt", Some(FileFormat::LabelFirst));
    let other = Settings { text: Some(Column::Name("question".into())), ..settings };
    let error = read(&other, folder.path()).expect_err("no such column").to_string();
    assert!(error.contains("no column `question`; there are `label`, `text`"), "{error}");
}

#[test]
fn labels_of_another_file_belong_to_the_same_lines() {
    for packing in PACKINGS {
        let (x, y) = (format!("x.txt{packing}"), format!("y.labels{packing}"));
        let texts_file = packed(b"which knife\nwhat sauce ?\r\n\nhow long\ntea\n", packing, "x.txt");
        let folder = folder(&[(&x, &texts_file), (&y, &packed(b"b\na\nb\nb\nc\n", packing, "y.txt"))]);
        let settings = Settings { labels_path: Some(y.into()), ..of_lines(&x, None) };
        assert_eq!(settings.faults(), []);
        let rows = read(&settings, folder.path()).expect("rows");
        assert_eq!(texts(&rows), TEXTS);
        assert_eq!(rows.labels().targets, Targets::Single(vec![1, 0, 1, 2]));
        assert_eq!(rows.origin(3).number, 5);
        assert_eq!(rows.findings().files[0].empty_texts, 1);
        assert_eq!(settings.all_paths().count(), 2, "both files are watched");
    }
}

#[test]
fn files_of_different_lengths_are_refused_at_the_first_line_too_many() {
    let of = |texts: &[u8], labels: &[u8]| {
        let folder = folder(&[("x.txt", texts), ("y.txt", labels)]);
        let settings = Settings { labels_path: Some("y.txt".into()), ..of_lines("x.txt", None) };
        let error = read(&settings, folder.path()).expect_err("refused").to_string();
        error.replace(&format!("{}/", folder.path().display()), "")
    };
    let error = of(b"a\nb\nc\n", b"1\n0\n");
    assert!(
        error.starts_with("x.txt, line 3: there is no label for this text, since y.txt has only 2 lines"),
        "{error}"
    );
    let error = of(b"a\nb\n", b"1\n0\n1\n");
    assert!(
        error.starts_with("y.txt, line 3: there is no text for this label, since x.txt has only 2 lines"),
        "{error}"
    );
    assert!(of(b"", b"").contains("x.txt: the file is empty"));
    assert!(of(b"a\n", b"\xff\xfe\n").contains("y.txt"));
}

#[test]
fn files_of_labels_are_missed_before_anything_is_read() {
    let folder = folder(&[("x.txt", b"a\n")]);
    let (labels_path, class_names) = (Some("y.txt".into()), Some("names.txt".into()));
    let settings = Settings { labels_path, class_names, ..of_lines("x.txt", None) };
    let missing: Vec<String> = settings.missing_files(folder.path()).iter().map(Error::to_string).collect();
    assert!(missing.len() == 2 && missing[0].contains("y.txt") && missing[1].contains("names.txt"), "{missing:?}");
}

#[test]
fn numbers_get_the_names_of_a_file() {
    let csv = b"text,label\nq w,2\ne r,0\nt y,1\nu i,2\n";
    let folder = folder(&[("a.csv", csv), ("names.txt", b"joy\nanger\nfear\n"), ("few.txt", b"joy\nanger\n")]);
    let named = |names: &str| {
        let columns = ("text", "label");
        let (text, label) = (Column::Name(columns.0.into()), LabelColumns::One(Column::Name(columns.1.into())));
        read(&Settings { class_names: Some(names.into()), ..Settings::new("a.csv", text, label) }, folder.path())
    };
    let rows = named("names.txt").expect("rows");
    assert_eq!(rows.labels().classes, ["joy", "anger", "fear"], "in the order of the file");
    assert_eq!(rows.labels().targets, Targets::Single(vec![2, 0, 1, 2]));
    let error = named("few.txt").expect_err("a label without a name").to_string();
    assert!(error.contains("a.csv, line 2: the label `2` has no name in "), "{error}");
    assert!(error.contains("if the labels count from 1, write them into the file: `1<TAB>NAME`"), "{error}");
    assert!(named("none.txt").expect_err("missing").is_asset());
}

#[test]
fn names_say_which_class_is_positive_and_name_sets() {
    let folder = folder(&[
        ("a.csv", b"text,label\nq w,0\ne r,0\nt y,1\nu i,1\nu o,1\n"),
        ("polarity.json", b"{\"0\": \"positive\", \"1\": \"negative\"}"),
        ("b.tsv", b"q w\t0,2\ne r\t1\nt y\t2\n"),
        ("names.txt", b"0\tx\n1\ty\n2\tz\n"),
    ]);
    let (text, label) = (Column::Name("text".into()), LabelColumns::One(Column::Name("label".into())));
    let binary = Settings { class_names: Some("polarity.json".into()), ..Settings::new("a.csv", text, label) };
    assert_eq!(read(&binary, folder.path()).expect("rows").positive(), Some("positive"));
    let columns = Settings::new("b.tsv", Column::Number(1), LabelColumns::One(Column::Number(2)));
    let sets = Settings { class_names: Some("names.txt".into()), separator: Some(",".into()), ..columns };
    let rows = read(&sets, folder.path()).expect("rows");
    assert_eq!((rows.labels().task, rows.labels().classes.join(" ")), (Task::MultiLabel, "x y z".to_owned()));
}

#[test]
fn a_format_is_said_where_the_name_says_none() {
    let folder = folder(&[("rows.dat", b"text,label\na b,1\nc d,0\n")]);
    let columns = (Column::Name("text".into()), LabelColumns::One(Column::Name("label".into())));
    let settings = Settings::new("rows.dat", columns.0, columns.1);
    let fault = settings.faults().remove(0);
    assert!(fault.key == "path" && fault.hint.contains("format = \"csv\""), "{fault:?}");
    let given = Settings { format: Some(FileFormat::Csv), ..settings };
    assert_eq!(given.faults(), []);
    assert_eq!(texts(&read(&given, folder.path()).expect("rows")), ["a b", "c d"]);
    assert_eq!(given.resolved().delimiter, Some(','));
}

#[test]
fn keys_of_lines_contradict() {
    let keys = |settings: &Settings| settings.faults().into_iter().map(|fault| fault.key).collect::<Vec<_>>();
    let lines = of_lines("x.txt", Some(FileFormat::Fasttext));
    assert_eq!(keys(&lines), [""; 0]);
    assert_eq!(keys(&Settings { labels_path: Some("y.txt".into()), ..lines.clone() }), ["format"]);
    assert_eq!(keys(&Settings { label_until: Some(String::new()), ..lines.clone() }), ["label_until"]);
    assert_eq!(keys(&Settings { class_names: Some("".into()), ..lines.clone() }), ["class_names"]);
    assert_eq!(keys(&Settings { format: None, path: Some("x.csv".into()), ..lines.clone() }), ["text", "label"]);
    assert_eq!(keys(&Settings { header: Some(true), ..lines }), ["header"]);
    let with_labels = SplitFile { labels_path: Some("y.txt".into()), ..SplitFile::new("x.txt") };
    let half =
        Settings { path: None, train: Some(with_labels), test: Some(SplitFile::new("t.txt")), ..of_lines("", None) };
    assert_eq!(keys(&half), ["test.path"]);
    let flags = LabelColumns::Several(["a", "b"].map(|name| Column::Name(name.into())).to_vec());
    let several = Settings::new("a.csv", Column::Name("text".into()), flags);
    assert_eq!(keys(&Settings { class_names: Some("n.txt".into()), ..several }), ["class_names"]);
}

/// Real files, if the shared data are there: the TREC questions as they are published, but for their one line in Latin-1.
#[test]
fn trec_as_it_is_published() {
    let Some(shared) = emberline_test_support::shared("data/trec/raw_TREC.train") else { return };
    let latin = fs::read(&shared).expect("readable");
    let folder = folder(&[("raw_TREC.train", &latin)]);
    let fine = of_lines("raw_TREC.train", Some(FileFormat::LabelFirst));
    let refused = read(&fine, folder.path());
    if !latin.is_ascii() && std::str::from_utf8(&latin).is_err() {
        assert!(refused.expect_err("not UTF-8").to_string().contains("iconv"));
    }
    let text: String = latin.iter().map(|&byte| char::from(byte)).collect();
    fs::write(folder.path().join("raw_TREC.train"), text).expect("written");
    let rows = read(&fine, folder.path()).expect("rows");
    assert_eq!((texts(&rows).len(), rows.labels().classes.len()), (5_452, 50));
    let coarse = Settings { label_until: Some(":".into()), ..fine };
    assert_eq!(
        read(&coarse, folder.path()).expect("rows").labels().classes,
        ["ABBR", "DESC", "ENTY", "HUM", "LOC", "NUM"]
    );
}

/// GoEmotions and its names, if the shared data are there.
#[test]
fn goemotions_with_its_names() {
    let Some(base) = emberline_test_support::shared("data") else { return };
    let columns = Settings::new("goemotions/dev.tsv", Column::Number(1), LabelColumns::One(Column::Number(2)));
    let class_names = Some("goemotions/labels.txt".into());
    let rows = read(&Settings { separator: Some(",".into()), class_names, ..columns }, Path::new(&base)).expect("rows");
    assert_eq!((rows.labels().classes.len(), rows.labels().classes[0].as_str()), (28, "admiration"));
}
