//! Real files: numbers of rows and classes as their publishers give them. The tests are skipped if the shared data aren't there.

use std::collections::BTreeMap;
use std::path::PathBuf;

use emberline_base::{Labels, SplitName, Task};
use emberline_dataset::settings::{Amount, Column, Duplicates, LabelColumns, Settings, Split, SplitFile};
use emberline_dataset::{Dataset, load, read, read_texts};
use emberline_test_support::shared;

fn data() -> Option<PathBuf> {
    shared("data")
}

fn named(path: &str, text: &str, label: &str) -> Settings {
    Settings::new(path, Column::Name(text.into()), LabelColumns::One(Column::Name(label.into())))
}

fn quora(path: &str) -> Settings {
    named(path, "question_text", "target")
}

fn numbered(train: &str, valid: &str, test: &str) -> Settings {
    let file = |path: &str| Some(SplitFile::new(path));
    let columns = Settings::new("", Column::Number(1), LabelColumns::One(Column::Number(2)));
    Settings { path: None, train: file(train), valid: file(valid), test: file(test), ..columns }
}

fn counts(rows: Option<&Vec<usize>>, labels: &Labels) -> Vec<usize> {
    labels.counts(rows.map(Vec::as_slice).unwrap_or_default())
}

#[test]
fn quora_as_the_course_divides_it() {
    let Some(base) = data() else { return };
    let split =
        |train| Split { train: Some(Amount::Count(train)), valid: Some(Amount::Count(1_293)), ..Split::default() };
    let rows = read(&quora("quora/labelled.csv"), &base).expect("readable");
    let data = rows.split(&split(13_061), 42).expect("enough rows");
    assert_eq!((data.data.rows_read, data.texts.len(), data.labels.task), (65_949, 65_949, Task::Binary));
    assert_eq!(data.labels.counts(&(0..65_949).collect::<Vec<_>>()), [61_839, 4_110]);
    assert_eq!(
        (data.splits.train.len(), data.texts_of(SplitName::Valid).len(), data.splits.test.is_none()),
        (13_061, 1_293, true)
    );
    let valid = counts(data.splits.valid.as_ref(), &data.labels);
    assert_eq!(valid, [1_212, 81]);
    let train = data.labels.counts(&data.splits.train);
    assert!(train[1].abs_diff(814) <= 1, "{train:?}");
    let majority = data.data.majority_accuracy.valid.expect("validation");
    assert!((majority - 1212.0 / 1293.0).abs() < 1e-12);
    let smaller = rows.split(&split(1_000), 42).expect("enough rows");
    assert_eq!(smaller.splits.valid, data.splits.valid);
    let larger: std::collections::BTreeSet<usize> = data.splits.train.iter().copied().collect();
    assert!(smaller.splits.train.iter().all(|row| larger.contains(row)));
    assert_ne!(smaller.digest(), data.digest());
    assert_eq!(rows.split(&split(13_061), 42).expect("enough rows").digest(), data.digest());
    assert_ne!(rows.split(&split(13_061), 43).expect("enough rows").digest(), data.digest());
}

#[test]
fn a_spreadsheet_s_line_ends_are_read_right() {
    let Some(base) = data() else { return };
    let dirty = read(&quora("quora/dirty-first-19999.csv"), &base).expect("readable");
    let dirty = dirty.split(&Split::default(), 1).expect("divided");
    assert_eq!((dirty.data.rows_read, dirty.texts.len()), (19_999, 19_999));
    let column = |path: &str, name: &str| {
        read_texts(&base.join(path), &Column::Name(name.into()), None, None).expect("readable")
    };
    let ids = column("quora/dirty-first-19999.csv", "qid");
    let clean: BTreeMap<String, String> =
        column("quora/labelled.csv", "qid").into_iter().zip(column("quora/labelled.csv", "question_text")).collect();
    let mut found = 0;
    for (id, text) in ids.iter().zip(dirty.texts.iter()) {
        if let Some(clean) = clean.get(id) {
            found += 1;
            assert_eq!(text, clean, "{id}");
        }
    }
    assert!(found > 19_000, "only {found} ids are in both files");
}

#[test]
fn a_zip_of_unlabelled_questions() {
    let Some(base) = data() else { return };
    let path = base.join("quora/unlabelled.csv.zip");
    let texts = read_texts(&path, &Column::Name("question_text".into()), None, None).expect("readable");
    assert_eq!(texts.len(), 56_370);
}

#[test]
fn sst2_has_no_header_and_a_file_per_split() {
    let Some(base) = data() else { return };
    let files = numbered("sst2/train.tsv", "sst2/dev.tsv", "sst2/test.tsv");
    let data = load(&Settings { duplicates: Duplicates::Keep, ..files.clone() }, &base, 1).expect("readable");
    let found = |data: &Dataset| SplitName::ALL.map(|name| data.texts_of(name).len());
    assert_eq!((found(&data), data.labels.task), ([6_920, 872, 1_821], Task::Binary));
    let dropped = load(&files, &base, 1).expect("readable");
    assert_eq!(found(&dropped), [6_909, 872, 1_821], "3 rows stand in other files, 8 are copies");
    assert_eq!(dropped.leaks.train, 3);
    assert_eq!(data.labels.classes, ["0", "1"]);
    assert_eq!(data.data.rows_read, 9_613);
}

#[test]
fn goemotions_is_multi_label() {
    let Some(base) = data() else { return };
    let files = numbered("goemotions/train.tsv", "goemotions/dev.tsv", "goemotions/test.tsv");
    let (separator, duplicates) = (Some(",".to_owned()), Duplicates::Keep);
    let data = load(&Settings { separator, duplicates, ..files }, &base, 1).expect("readable");
    let rows = [43_410, 5_426, 5_427];
    assert_eq!((SplitName::ALL.map(|name| data.texts_of(name).len()), data.labels.task), (rows, Task::MultiLabel));
    assert_eq!(data.labels.classes, (0..28).map(|class| class.to_string()).collect::<Vec<_>>());
    assert_eq!((data.unused, data.leaks.train), (0, 0));
}

#[test]
fn banking_has_77_classes() {
    let Some(base) = data() else { return };
    let data = load(&named("banking77/train.csv", "text", "category"), &base, 1).expect("readable");
    assert_eq!((data.data.rows_read, data.labels.classes.len()), (10_003, 77));
    assert_eq!(data.labels.classes[0], "Refund_not_showing_up");
    assert_eq!(data.data.duplicate_texts, 4);
    assert_eq!(data.texts_of(SplitName::Valid).len(), 2_000, "0.2 of the different texts when no amount is given");
    let findings = read(&named("banking77/train.csv", "text", "category"), &base).expect("readable").findings();
    assert_eq!(findings.files[0].rows, 10_003);
}

#[test]
fn davidson_has_texts_of_several_lines() {
    let Some(base) = data() else { return };
    let data = load(&named("davidson/labeled_data.csv", "tweet", "class"), &base, 1).expect("readable");
    assert_eq!((data.data.rows_read, data.labels.task), (24_783, Task::MultiClass));
    assert_eq!(data.labels.counts(&(0..24_783).collect::<Vec<_>>()), [1_430, 19_190, 4_163]);
    let flags = ["hate_speech", "neither"].map(|name| Column::Name(name.to_owned())).to_vec();
    let annotators =
        Settings::new("davidson/labeled_data.csv", Column::Name("tweet".into()), LabelColumns::Several(flags));
    assert!(load(&annotators, &base, 1).expect_err("numbers of annotators").to_string().ends_with("expected 0 or 1"));
}
