use std::borrow::Cow;
use std::path::Path;

use emberline_base::record::ChosenBy;
use emberline_base::{Labels, Targets, Task};

use super::*;
use crate::error::Error;

fn text(text: &str) -> Field<'_> {
    Field::Text(Cow::Borrowed(text))
}

fn collect(separator: Option<&str>, rows: &[&str]) -> Collector {
    let mut collector = Collector::new(separator.map(str::to_owned), false);
    for row in rows {
        assert!(collector.push(&[text(row)]).is_ok(), "{row}");
    }
    collector
}

fn finished(collector: Collector, train: Range<usize>, positive: Option<&str>) -> Result<(Labels, Classes), Error> {
    let mut classes = collector.classes(train, Path::new("a.csv"))?;
    collector.choose_positive(&mut classes, positive)?;
    Ok((collector.finish(&classes), classes))
}

fn classes(rows: &[&str], positive: Option<&str>) -> Result<Labels, Error> {
    Ok(finished(collect(None, rows), 0..rows.len(), positive)?.0)
}

#[test]
fn numbers_stand_in_numeric_order_and_words_in_byte_order() {
    assert_eq!(classes(&["10", "2", " 1 ", "2"], None).expect("classes").classes, ["1", "2", "10"]);
    assert_eq!(classes(&["0.5", "-1", "1e1"], None).expect("classes").classes, ["-1", "0.5", "1e1"]);
    assert_eq!(classes(&["10", "2", "b"], None).expect("classes").classes, ["10", "2", "b"]);
    assert_eq!(classes(&["inf", "2", "10"], None).expect("classes").classes, ["10", "2", "inf"]);
    assert_eq!(classes(&["b", "a", "B"], None).expect("classes").classes, ["B", "a", "b"]);
}

/// The positive class, how it was chosen, its rows, and all.
fn positive(rows: &[&str], setting: Option<&str>) -> (String, ChosenBy, usize, usize) {
    let (labels, classes) = finished(collect(None, rows), 0..2, setting).expect("classes");
    let Positive { by, rows, of } = classes.positive.expect("binary");
    (labels.classes[1].clone(), by, rows, of)
}

#[test]
fn the_positive_class_is_set_or_says_yes_or_is_the_minority() {
    use ChosenBy::{Minority, Name, Order, Setting};
    let chosen = |class: &str, by, rows, of| (class.to_owned(), by, rows, of);
    assert_eq!(positive(&["spam", "ham", "ham"], Some("ham")), chosen("ham", Setting, 2, 3));
    for (yes, no) in [("1", "0"), ("1.0", "0.0"), ("True", "False"), ("y", "n"), ("POS", "neg"), ("1", "-1")] {
        assert_eq!(positive(&[yes, no, yes], None), chosen(yes, Name, 2, 3));
        assert_eq!(positive(&[no, yes, yes], None), chosen(yes, Name, 2, 3));
    }
    assert_eq!(positive(&["sincere", "insincere", "sincere"], None), chosen("insincere", Minority, 1, 3));
    // Both say yes, or neither does; of equally many the last in order.
    assert_eq!(positive(&["yes", "true", "yes"], None), chosen("true", Minority, 1, 3));
    assert_eq!(positive(&["none", "hate"], None), chosen("none", Order, 1, 2));
    assert_eq!(positive(&["10", "9"], None), chosen("10", Order, 1, 2));
    // All rows count, those of other files too.
    assert_eq!(positive(&["a", "b", "a", "b", "b"], None), chosen("a", Minority, 2, 5));
}

#[test]
fn negative_and_positive_stand_in_this_order() {
    let labels = classes(&["spam", "ham", "spam"], None).expect("classes");
    assert_eq!((labels.task, labels.classes.as_slice()), (Task::Binary, &["spam".to_owned(), "ham".to_owned()][..]));
    assert_eq!(labels.targets, Targets::Single(vec![0, 1, 0]));
}

#[test]
fn a_positive_class_that_is_none_is_refused() {
    let error = classes(&["spam", "ham"], Some("Spam")).expect_err("no class").to_string();
    assert_eq!(error, "`data.positive` is `Spam` (did you mean `spam`?), but the classes are `ham`, `spam`");
    assert!(matches!(classes(&["a", "b", "c"], Some("a")), Err(Error::NoPositive { classes: 3, .. })));
    let sets = finished(collect(Some(","), &["a", "b"]), 0..2, Some("a"));
    assert!(matches!(sets, Err(Error::NoPositive { multi_label: true, .. })));
    assert!(matches!(classes(&["a", "a"], None), Err(Error::OneClass { .. })));
}

#[test]
fn a_separator_makes_sets() {
    let (labels, _) = finished(collect(Some(","), &["27", "2, 3,2", "3,nan"]), 0..3, None).expect("classes");
    assert_eq!((labels.task, labels.classes), (Task::MultiLabel, ["2", "3", "27"].map(str::to_owned).to_vec()));
    assert_eq!(labels.targets, Targets::Multi { offsets: vec![0, 1, 3, 4], ids: vec![2, 0, 1, 1] });
    let mut collector = Collector::new(Some(",".to_owned()), false);
    assert!(matches!(collector.push(&[text(" , ")]), Err(Refusal::Missing)));
    assert!(matches!(collector.push(&[text("NaN, ")]), Err(Refusal::Missing)));
}

#[test]
fn missing_labels_are_no_classes() {
    let mut collector = Collector::new(None, false);
    for missing in [text(""), text(" \u{feff}"), text("nan"), text("NaN"), Field::Missing] {
        assert!(matches!(collector.push(&[missing]), Err(Refusal::Missing)));
    }
    assert!(collector.push(&[text("\u{feff}1 ")]).is_ok() && collector.push(&[text("1")]).is_ok());
    assert_eq!(collector.names(), ["1"]);
    let mut flags = Collector::new(None, true);
    for missing in [text("NaN"), text(" "), Field::Missing] {
        assert!(matches!(flags.push(&[text("1"), missing]), Err(Refusal::Missing)));
    }
}

#[test]
fn columns_of_0_and_1() {
    let mut collector = Collector::new(None, true);
    assert!(collector.push(&[text("0"), text("1")]).is_ok());
    assert!(matches!(collector.push(&[text("1"), text("")]), Err(Refusal::Missing)));
    assert!(matches!(collector.push(&[text("1"), text("2")]), Err(Refusal::Value { column: 1, .. })));
    assert!(collector.push(&[text("false"), Field::Scalar("0".to_owned())]).is_ok());
    collector.name_flags(&["toxic".to_owned(), "insult".to_owned()]);
    let (labels, _) = finished(collector, 0..2, None).expect("classes");
    assert_eq!(labels.classes, ["toxic", "insult"]);
    assert_eq!(labels.targets, Targets::Multi { offsets: vec![0, 1, 1], ids: vec![1] });
}

#[test]
fn labels_that_training_lacks_are_unknown() {
    let collector = collect(None, &["a", "b", "a", "c", "c", "b"]);
    let classes = collector.classes(0..2, Path::new("a.csv")).expect("classes");
    assert_eq!(collector.rows_of_unknown(&classes), [3, 4]);
    assert_eq!((collector.unknown_label(3, &classes), collector.unknown_label(0, &classes)), ("c", ""));
    let unknown = Labels::UNKNOWN;
    assert_eq!(collector.finish(&classes).targets, Targets::Single(vec![0, 1, 0, unknown, unknown, 1]));

    let mut collector = collect(Some(","), &["a", "b", "a,c", "c", "b"]);
    let classes = collector.classes(0..2, Path::new("a.csv")).expect("classes");
    assert_eq!(collector.rows_of_unknown(&classes), [2, 3]);
    collector.retain(&[true, true, true, false, true]);
    let targets = Targets::Multi { offsets: vec![0, 1, 2, 3, 4], ids: vec![0, 1, 0, 1] };
    assert_eq!(collector.finish(&classes).targets, targets);
}

#[test]
fn an_id_column_is_refused_early() {
    let mut collector = Collector::new(None, false);
    for row in 0..MAX_CLASSES {
        assert!(collector.push(&[Field::Scalar(row.to_string())]).is_ok());
    }
    assert!(collector.push(&[Field::Scalar("7".to_owned())]).is_ok());
    assert!(matches!(collector.push(&[Field::Scalar("more".to_owned())]), Err(Refusal::TooMany)));
}
