//! Tests the label columns in every format: missing values, second headers, similar labels, labels that training lacks, the
//! positive class, and data from which nothing can be learned.

use std::fs;

use crate::write::{self, Value};
use emberline_base::record::ChosenBy;
use emberline_base::warning::Code;
use emberline_base::{SplitName, Task};
use emberline_dataset::settings::{
    Amount, Column, Duplicates, LabelColumns, Settings, Split, SplitFile, UnknownLabels,
};
use emberline_dataset::{Dataset, Error, Rows, load, read};

const NAMES: [&str; 2] = ["text", "label"];

fn name(name: &str) -> Column {
    Column::Name(name.to_owned())
}

fn settings(path: &str) -> Settings {
    Settings::new(path, name("text"), LabelColumns::One(name("label")))
}

fn table(labels: impl IntoIterator<Item = Value>) -> Vec<Vec<Value>> {
    labels.into_iter().enumerate().map(|(at, label)| vec![Value::text(&format!("text {at}")), label]).collect()
}

fn texts(labels: &[&str]) -> Vec<Vec<Value>> {
    table(labels.iter().map(|label| Value::text(label)))
}

/// The table in every format.
fn formats(names: &[&str], rows: &[Vec<Value>]) -> [(&'static str, Vec<u8>); 4] {
    [
        ("a.csv", write::csv(names, rows, b',')),
        ("a.tsv", write::csv(names, rows, b'\t')),
        ("a.jsonl", write::jsonl(names, rows)),
        ("a.parquet", write::parquet(names, rows)),
    ]
}

fn read_file(file: &str, bytes: impl AsRef<[u8]>, change: impl Fn(&mut Settings)) -> Result<Rows, Error> {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join(file), bytes).expect("written");
    let mut settings = settings(file);
    change(&mut settings);
    read(&settings, folder.path())
}

fn csv_rows(labels: &[&str]) -> Rows {
    read_file("a.csv", write::csv(&NAMES, &texts(labels), b','), |_| {}).expect("readable")
}

fn data(rows: &Rows) -> Dataset {
    rows.split(&Split { train: Some(Amount::Fraction(0.7)), ..Split::default() }, 1).expect("divisible")
}

fn codes(rows: &Rows) -> Vec<Code> {
    rows.findings().warnings.iter().map(|warning| warning.code).collect()
}

fn warning(rows: &Rows, code: Code) -> String {
    let warnings = rows.findings().warnings;
    warnings.into_iter().find(|warning| warning.code == code).unwrap_or_else(|| panic!("no {code}")).text
}

#[test]
fn missing_labels_are_missing_in_every_format() {
    let labels = ["1", "0", "nan", "1", "NaN", "0", "", " ", "\u{feff}", "1", "0"];
    for (file, bytes) in formats(&NAMES, &texts(&labels)) {
        let data = data(&read_file(file, bytes, |_| {}).unwrap_or_else(|e| panic!("{file}: {e}"))).data;
        assert_eq!((data.task, data.rows_read, data.missing_labels), (Task::Binary, 11, 5), "{file}");
        assert_eq!(data.classes, ["0", "1"], "{file}");
    }
}

#[test]
fn missing_numbers_and_nulls_are_missing_in_every_typed_format() {
    let numbers = [1.0, 0.0, f64::NAN, 1.0, -f64::NAN, 0.0, -0.0, 1.0].map(Value::Float);
    let lists = [&["a"][..], &["b"], &["nan"], &["a", " "], &[], &["b"], &["a"]]
        .map(|labels| Value::List(Some(labels.iter().map(|&label| label.to_owned()).collect())));
    let nulls =
        [Some("1"), None, Some("0"), None, Some("1"), Some("0")].map(|text| Value::Text(text.map(str::to_owned)));
    let cases =
        [(table(numbers), 2, vec!["0", "1"]), (table(lists), 1, vec!["a", "b"]), (table(nulls), 2, vec!["0", "1"])];
    for (rows, missing, classes) in cases {
        for (file, bytes) in [("a.jsonl", write::jsonl(&NAMES, &rows)), ("a.parquet", write::parquet(&NAMES, &rows))] {
            let data = data(&read_file(file, bytes, |_| {}).unwrap_or_else(|e| panic!("{file}: {e}"))).data;
            assert_eq!(
                (data.missing_labels, &data.classes),
                (missing, &classes.iter().map(|c| (*c).to_owned()).collect())
            );
        }
    }
}

#[test]
fn missing_flags_are_missing_in_every_format() {
    let flags = ["text", "toxic", "insult"];
    let row = |at: usize, toxic: &str, insult: &str| {
        vec![Value::Text(Some(format!("text {at}"))), Value::text(toxic), Value::text(insult)]
    };
    let rows = vec![row(0, "1", "0"), row(1, "NaN", "1"), row(2, "0", "1"), row(3, "1", " "), row(4, "0", "0")];
    let label = LabelColumns::Several(vec![name("toxic"), name("insult")]);
    for (file, bytes) in formats(&flags, &rows) {
        let rows = read_file(file, bytes, |settings| settings.label = Some(label.clone())).expect("readable");
        assert_eq!(data(&rows).data.missing_labels, 2, "{file}");
    }
    let row =
        |at: usize, toxic: f64| vec![Value::Text(Some(format!("text {at}"))), Value::Float(toxic), Value::Float(0.0)];
    let rows = vec![row(0, 1.0), row(1, f64::NAN), row(2, 0.0), row(3, 1.0)];
    for (file, bytes) in [("a.jsonl", write::jsonl(&flags, &rows)), ("a.parquet", write::parquet(&flags, &rows))] {
        let rows = read_file(file, bytes, |settings| settings.label = Some(label.clone())).expect("readable");
        assert_eq!(data(&rows).data.missing_labels, 1, "{file}");
    }
}

#[test]
fn a_text_that_reads_nan_is_a_text_and_an_invisible_one_is_none() {
    let mut rows = texts(&["1", "0", "1", "0", "1"]);
    rows[0][0] = Value::text("nan");
    rows[1][0] = Value::text("\u{feff} ");
    for (file, bytes) in formats(&NAMES, &rows) {
        let rows = read_file(file, bytes, |_| {}).expect("readable");
        assert_eq!((data(&rows).texts.iter().next(), data(&rows).data.empty_texts), (Some("nan"), 1), "{file}");
    }
}

#[test]
fn words_for_missing_values_are_warned_of_and_stay_labels() {
    let rows = csv_rows(&["1", "0", "NA", "1", "0", "NA"]);
    assert_eq!((codes(&rows), data(&rows).data.classes.len()), (vec![Code::MissingAsLabel], 3));
    let text = warning(&rows, Code::MissingAsLabel);
    assert!(text.contains("`NA` (2 rows)") && text.contains("a.csv, line 4"), "{text}");
    assert_eq!(codes(&csv_rows(&["hate", "hate", "none"])), []);
}

#[test]
fn a_second_header_is_refused_in_every_format() {
    for (text, label) in [("text", "label"), (" Text", "LABEL "), ("\u{feff}text", "label")] {
        let mut rows = texts(&["1", "0", "1", "0"]);
        rows.insert(2, vec![Value::text(text), Value::text(label)]);
        for (file, bytes) in formats(&NAMES, &rows) {
            let error = read_file(file, bytes, |_| {}).expect_err("a second header").to_string();
            let place = if file == "a.parquet" {
                "row 3"
            } else if file == "a.jsonl" {
                "line 3"
            } else {
                "line 4"
            };
            assert!(error.contains(&format!("{file}, {place}: this row repeats the column names")), "{error}");
        }
    }
    // By number too, as long as a header is read; and with several label columns.
    let header = |settings: &mut Settings| {
        *settings = Settings::new("a.csv", Column::Number(1), LabelColumns::One(Column::Number(2)));
        settings.header = Some(true);
    };
    let error = read_file("a.csv", "text,label\na,1\ntext,label\nb,0\n", header).expect_err("a second header");
    assert!(matches!(error, Error::SecondHeader { .. }), "{error}");
    let flags = |settings: &mut Settings| settings.label = Some(LabelColumns::Several(vec![name("x"), name("y")]));
    let error = read_file("a.csv", "text,x,y\na,1,0\n\u{feff}text,x,y\nb,0,1\n", flags).expect_err("a second header");
    assert!(matches!(error, Error::SecondHeader { .. }), "{error}");
    // In another order, and with other columns.
    let error = read_file("a.csv", "id,text,label\n1,a,1\n2,b,0\nText,Label,id\nc,1,3\n", |_| {});
    assert!(matches!(error, Err(Error::SecondHeader { .. })), "{error:?}");
    // Names of only digits may be values.
    let digits = |settings: &mut Settings| {
        *settings = Settings::new("a.csv", name("0"), LabelColumns::One(name("1")));
    };
    assert!(read_file("a.csv", "0,1\na,1\n0,1\nb,0\n", digits).is_ok());
    // A single name is not a header.
    assert!(read_file("a.csv", "text,label\ntext,1\na,0\nb,1\nc,label\n", |_| {}).is_ok());
}

#[test]
fn byte_order_marks_in_the_middle_are_passed_over() {
    let csv = "label,text\n1,\"a, b\"\n\u{feff}0,c\n\u{feff}1,d\n\u{feff}\n0,e\n";
    let rows = read_file("a.csv", csv, |_| {}).expect("readable");
    assert_eq!((data(&rows).data.classes, data(&rows).data.rows_read), (vec!["0".to_owned(), "1".to_owned()], 4));
    let csv = "text,label\na,1\n\u{feff}\"b, c\",0\nd,1\n";
    let rows = read_file("a.csv", csv, |_| {}).expect("readable");
    assert_eq!(data(&rows).texts.iter().nth(1), Some("b, c"));
    let jsonl =
        "\u{feff}{\"text\":\"a\",\"label\":1}\n\u{feff}{\"text\":\"b\",\"label\":0}\n{\"text\":\"c\",\"label\":1}\n";
    assert_eq!(data(&read_file("a.jsonl", jsonl, |_| {}).expect("readable")).data.rows_read, 3);
}

#[test]
fn a_header_that_is_read_as_a_row_is_warned_of() {
    let by_number = |settings: &mut Settings| {
        *settings = Settings {
            path: settings.path.clone(),
            ..Settings::new("", Column::Number(1), LabelColumns::One(Column::Number(2)))
        };
    };
    let read_by_number = |csv: &str| read_file("a.csv", csv, by_number).expect("readable");
    for csv in [
        "text,label\na b,1\nc d,0\ne f,1\ng,0\n",
        "review text,sentiment\na,pos\nb,neg\nc,pos\n",
        "q,kind\na,x\nb,y\nc,x\n",
    ] {
        let rows = read_by_number(csv);
        assert_eq!(codes(&rows)[0], Code::HeaderAsRow, "{csv}");
        assert!(warning(&rows, Code::HeaderAsRow).starts_with("a.csv, line 1: "), "{csv}");
    }
    for csv in ["a b,1\nc d,0\ne f,1\ng,0\n", "two words,rare\na,x\nb,y\nc,x\n", "text,x\na,y\nb,x\nc,y\n"] {
        assert!(!codes(&read_by_number(csv)).contains(&Code::HeaderAsRow), "{csv}");
    }
    let flags = |settings: &mut Settings| {
        by_number(settings);
        settings.label = Some(LabelColumns::Several(vec![Column::Number(2), Column::Number(3)]));
    };
    let error = read_file("a.csv", "text,x,y\na,1,0\nb,0,1\n", flags).expect_err("no flag").to_string();
    assert!(error.ends_with("expected 0 or 1; if the line holds the columns' names, set header = true"), "{error}");
}

#[test]
fn forms_of_one_label_are_warned_of_and_never_merged() {
    let rows = csv_rows(&["True", "TRUE", "true", "False", "FALSE", "false", "True"]);
    assert_eq!((codes(&rows), data(&rows).data.classes.len()), (vec![Code::SimilarLabels], 6));
    let text = warning(&rows, Code::SimilarLabels);
    assert!(text.starts_with("Labels `True` (2 rows), `TRUE` (1 row), `true` (1 row) differ only by case"), "{text}");
    assert!(text.ends_with("The first `TRUE` is in a.csv, line 3."), "{text}");
    let rows = csv_rows(&["1", "0", "1.0", "0.0", "1", "0"]);
    assert_eq!((codes(&rows), data(&rows).data.classes.len()), (vec![Code::SimilarLabels], 4));
    let rows = csv_rows(&["yes", "0", "1", "no", "yes", "0"]);
    assert!(warning(&rows, Code::SimilarLabels).contains("by how yes or no is written"));
    assert_eq!(codes(&csv_rows(&["1", "0", "1", "0"])), []);
    let many: Vec<String> = (0..200).map(|at| format!("{}{}", ["Label", "label"][at % 2], at / 2)).collect();
    let text = warning(&csv_rows(&many.iter().map(String::as_str).collect::<Vec<_>>()), Code::SimilarLabels);
    assert!(text.contains("and so do 95 more groups of labels") && text.len() < 1000, "{text}");
    // Typed formats write a number in one way.
    let rows = table([1.0, 0.0, 1.0].map(Value::Float));
    assert_eq!(codes(&read_file("a.jsonl", write::jsonl(&NAMES, &rows), |_| {}).expect("readable")), []);
}

/// A file for each of training, validation and test.
fn with_files(train: &str, valid: &str, test: Option<&str>, change: impl Fn(&mut Settings)) -> Result<Rows, Error> {
    let folder = tempfile::tempdir().expect("a folder");
    let write =
        |file: &str, rows: &str| fs::write(folder.path().join(file), format!("text,label\n{rows}")).expect("written");
    let file = |path: &str| Some(SplitFile::new(path));
    write("t.csv", train);
    write("v.csv", valid);
    let mut settings = Settings { path: None, train: file("t.csv"), valid: file("v.csv"), ..settings("") };
    if let Some(test) = test {
        write("s.csv", test);
        settings.test = file("s.csv");
    }
    change(&mut settings);
    read(&settings, folder.path())
}

const TRAIN: &str = "a,1\nb,0\nc,1\nd,0\nshared,1\n";
const VALID: &str = "e,1\nf,2\ng,0\nshared,3\nh,2\n";

fn unknown(rule: UnknownLabels) -> impl Fn(&mut Settings) {
    move |settings| settings.unknown_labels = rule
}

#[test]
fn unknown_labels_are_refused_with_the_cure() {
    let error = with_files(TRAIN, VALID, None, |_| {}).expect_err("refused").to_string();
    assert!(error.contains("v.csv, line 3: no training row has the label `2` (training has `0`, `1`)"), "{error}");
    assert!(error.contains("3 validation and test rows have such a label"), "{error}");
    assert!(error.contains("data.unknown_labels: \"drop\"") && error.contains("\"count_as_wrong\""), "{error}");
    let error = with_files(TRAIN, "e,1.0\nf,0\n", None, |_| {}).expect_err("refused").to_string();
    assert!(error.contains("it differs from `1` only by its form"), "{error}");
    // A header in the validation file alone, which is read as a row.
    let folder = tempfile::tempdir().expect("a folder");
    for (file, rows) in [("t.csv", "a,1\nb,0\n"), ("v.csv", "text,label\nc,1\n")] {
        fs::write(folder.path().join(file), rows).expect("written");
    }
    let file = |path: &str| Some(SplitFile::new(path));
    let columns = Settings::new("", Column::Number(1), LabelColumns::One(Column::Number(2)));
    let settings = Settings { path: None, train: file("t.csv"), valid: file("v.csv"), ..columns };
    let error = read(&settings, folder.path()).expect_err("refused").to_string();
    assert!(error.contains("v.csv, line 1: no training row has the label `label`"), "{error}");
    assert!(error.contains("if the line holds the columns' names, set header = true"), "{error}");
}

#[test]
fn unknown_labels_are_dropped_as_if_they_had_never_been_read() {
    let rows = with_files(TRAIN, VALID, Some("i,0\nj,9\n"), unknown(UnknownLabels::Drop)).expect("readable");
    let known = with_files(TRAIN, "e,1\ng,0\n", Some("i,0\n"), |_| {}).expect("readable");
    let (dropped, expected) = (data(&rows), data(&known));
    assert_eq!(dropped.digest(), expected.digest());
    assert_eq!(dropped.texts, expected.texts);
    assert_eq!((dropped.data.unknown_labels, dropped.data.rows_read), (4, 12));
    let text = warning(&rows, Code::UnknownLabels);
    assert!(text.starts_with("4 validation or test rows have a label that no training row has"), "{text}");
    assert!(text.contains("`2`, `3`, `9`; the first: v.csv, line 3") && text.contains("are left out"), "{text}");
    let found = rows.findings();
    assert_eq!((found.files[1].unknown_labels, &found.files[1].unknown_at), (3, &vec![3, 5, 6]));
    // Places of later rows are those of their file.
    let conflict = with_files(TRAIN, "f,2\ne,1\nE,0\n", None, unknown(UnknownLabels::Drop)).expect("readable");
    assert!(warning(&conflict, Code::ConflictingLabels).contains("`1` in v.csv, line 3, `0` in v.csv, line 4"));
    let error =
        with_files(TRAIN, "e,2\n", None, unknown(UnknownLabels::Drop)).expect_err("nothing is left").to_string();
    assert!(error.contains("v.csv: valid gets no row"), "{error}");
}

#[test]
fn unknown_labels_that_count_as_wrong_stay() {
    let rows = with_files(TRAIN, VALID, None, unknown(UnknownLabels::CountAsWrong)).expect("readable");
    let data = data(&rows);
    let valid = data.splits.valid.as_deref().expect("rows");
    assert_eq!((valid.len(), data.labels.unknown(valid), data.data.unknown_labels), (5, 3, 3));
    let split = data.data.splits.valid.as_ref().expect("counted");
    assert_eq!((split.rows, split.classes["0"], split.classes["1"]), (5, 1, 1));
    assert_eq!(data.data.prevalence(SplitName::Valid), Some(0.2));
    assert_eq!(data.data.majority_accuracy.valid, Some(0.2));
    let targets = data.labels.matrix(valid).expect("memory");
    assert_eq!(targets.values().iter().filter(|target| target.is_nan()).count(), 3);
    assert!(data.labels.matrix(&data.splits.train).expect("memory").values().iter().all(|target| target.is_finite()));
    // A part of such a file is still stratified.
    let split = Split { valid: Some(Amount::Count(4)), ..Split::default() };
    assert_eq!(rows.split(&split, 1).expect("divisible").splits.valid.map(|rows| rows.len()), Some(4));
}

#[test]
fn unknown_labels_of_sets_leave_the_known_ones() {
    let separated = |rule| {
        move |settings: &mut Settings| {
            settings.separator = Some("|".to_owned());
            settings.unknown_labels = rule;
        }
    };
    let (train, valid) = ("a,x\nb,y\nc,x|y\n", "d,x|z\ne,z\nf,y\n");
    let kept = data(&with_files(train, valid, None, separated(UnknownLabels::CountAsWrong)).expect("readable"));
    let valid_rows = kept.splits.valid.clone().expect("rows");
    let classes: Vec<&[u32]> = valid_rows.iter().map(|&row| kept.labels.of_row(row)).collect();
    assert_eq!((classes, kept.data.unknown_labels), (vec![&[0][..], &[], &[1]], 2));
    let dropped = data(&with_files(train, valid, None, separated(UnknownLabels::Drop)).expect("readable"));
    assert_eq!(dropped.splits.valid.map(|rows| rows.len()), Some(1));
}

#[test]
fn the_positive_class_is_told_with_how_it_was_chosen() {
    let facts = |labels: &[&str], positive: Option<&str>| {
        let bytes = write::csv(&NAMES, &texts(labels), b',');
        let rows = read_file("a.csv", bytes, |settings| settings.positive = positive.map(str::to_owned));
        let rows = rows.expect("readable");
        let data = data(&rows).data;
        assert_eq!(data.positive.as_ref(), data.classes.get(1));
        (data.positive, data.positive_by, codes(&rows))
    };
    let sincere = ["sincere", "insincere", "sincere", "sincere", "insincere", "sincere"];
    let chosen = |class: &str, by, codes: &[Code]| (Some(class.to_owned()), Some(by), codes.to_vec());
    assert_eq!(facts(&sincere, None), chosen("insincere", ChosenBy::Minority, &[]));
    assert_eq!(facts(&sincere, Some("sincere")), chosen("sincere", ChosenBy::Setting, &[]));
    assert_eq!(facts(&["yes", "no", "yes", "no"], None), chosen("yes", ChosenBy::Name, &[]));
    let even = ["hate", "none", "hate", "none"];
    assert_eq!(facts(&even, None), chosen("none", ChosenBy::Order, &[Code::BalancedPositive]));
    assert_eq!(facts(&even, Some("hate")), chosen("hate", ChosenBy::Setting, &[]));
    let text = warning(&csv_rows(&even), Code::BalancedPositive);
    assert!(
        text.contains("`none`") && text.contains("2 of 4 rows (50.0 %)") && text.contains("data.positive"),
        "{text}"
    );
    // The rows of all files count, not only those of training.
    let rows = with_files("a,x\nb,y\nc,y\n", "d,x\ne,x\nf,x\n", None, |_| {}).expect("readable");
    assert_eq!(rows.positive(), Some("y"));
    // With three classes, there is no positive class.
    assert_eq!(csv_rows(&["a", "b", "c"]).positive(), None);
}

#[test]
fn one_text_and_one_class_leave_nothing_to_learn() {
    let csv = |text: fn(usize) -> &'static str| {
        let rows: String = (0..24).map(|at| format!("{},{}\n", text(at), at % 2)).collect();
        read_file("a.csv", format!("text,label\n{rows}"), |_| {})
    };
    let error = csv(|at| if at % 3 == 0 { "same  text" } else { "Same text" }).expect_err("one text").to_string();
    assert!(error.contains("a.csv: all 24 rows are one text (\"same  text\")"), "{error}");
    let two_texts: String = (0..24).map(|at| format!("{},{}\n", ["same text", "other text"][at % 2], at % 2)).collect();
    let rows = |duplicates| {
        let keep = |settings: &mut Settings| settings.duplicates = duplicates;
        read_file("a.csv", format!("text,label\n{two_texts}"), keep).expect("two texts")
    };
    let split = Split { valid: Some(Amount::Count(12)), ..Split::default() };
    let error = rows(Duplicates::Keep).split(&split, 1).expect_err("no row is left").to_string();
    assert!(
        error.contains("train gets no row") && error.contains("24 rows of its file are only 2 different"),
        "{error}"
    );
    let error = rows(Duplicates::Drop).split(&split, 1).expect_err("too few rows").to_string();
    assert!(error.contains("there are 2 usable rows (22 more are copies of a text"), "{error}");
    // Too few rows of the other class.
    let mut labels = vec!["0"; 30];
    labels[7] = "1";
    let split = |stratify| Split { train: Some(Amount::Count(3)), stratify: Some(stratify), ..Split::default() };
    let error = csv_rows(&labels).split(&split(true), 1).expect_err("one class").to_string();
    assert!(error.contains("of the 30 rows that can be taken from the file, 1 has another label"), "{error}");
    let error = csv_rows(&labels).split(&split(false), 3).expect_err("one class").to_string();
    assert!(error.contains("stratify = true"), "{error}");
    // Training rows that are one text, beside other files.
    let error = with_files("a,1\nA,0\n", "b,1\n", None, |_| {}).expect_err("one text").to_string();
    assert!(error.contains("t.csv: all 2 rows are one text"), "{error}");
}

#[test]
fn classes_that_a_division_gives_training_no_row_of_are_warned_of() {
    let mut labels = ["a", "b"].repeat(20);
    labels[9] = "rare";
    let rows = csv_rows(&labels);
    let divided =
        |valid| rows.split(&Split { valid: Some(Amount::Count(valid)), ..Split::default() }, 1).expect("divisible");
    let warned = (1..39).filter_map(|valid| {
        let data = divided(valid);
        let untrained = data.labels.counts(&data.splits.train)[2] == 0;
        let warnings: Vec<Code> = data.data.warnings.iter().map(|warning| warning.code).collect();
        assert_eq!(warnings, if untrained { vec![Code::UnknownLabels] } else { vec![] }, "{valid}");
        untrained.then(|| data.data.warnings[0].text.clone())
    });
    let text = warned.collect::<Vec<_>>().pop().expect("it is not always in training");
    assert!(text.starts_with("1 validation or test row has a class that no training row has (`rare`)"), "{text}");
}

#[test]
fn warnings_name_files_as_the_settings_do() {
    let rows = with_files("a,1\nA,0\nb,1\nd,0\ne,1\nf,0\ng,1\n", "B,1\nc,0\n", None, |_| {}).expect("readable");
    assert_eq!(codes(&rows), [Code::ConflictingLabels, Code::SharedTexts]);
    let text = warning(&rows, Code::ConflictingLabels);
    assert!(
        text.starts_with("1 text has different labels in different rows, such as \"a\": `1` in t.csv, line 2, `0` in"),
        "{text}"
    );
    let text = warning(&rows, Code::SharedTexts);
    assert!(
        text.starts_with("1 text is in the files of two splits, such as \"b\" (t.csv, line 4; v.csv, line 2)."),
        "{text}"
    );
    assert_eq!(data(&rows).data.warnings, rows.findings().warnings);
}

/// The other entry points of the crate give the same result.
#[test]
fn a_fault_of_labels_ends_loading_too() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("a.csv"), "text,label\na,1\na,0\n").expect("written");
    assert!(matches!(load(&settings("a.csv"), folder.path(), 1), Err(Error::OneText { .. })));
}
