//! Tests that splits are stable: a text is in the same split on every machine, an appended row moves hardly any other, and the
//! same holds for groups, duplicates, explicit rows, rows per class, folds, repeats and times.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use emberline_base::SplitName;
use emberline_dataset::settings::{Amount, Column, Duplicates, LabelColumns, Settings, Split};
use emberline_dataset::{Dataset, Error, load, read};

fn one_file() -> Settings {
    Settings::new("a.csv", Column::Name("text".into()), LabelColumns::One(Column::Name("label".into())))
}

fn with(split: Split) -> Settings {
    Settings { split, ..one_file() }
}

fn fractions() -> Split {
    let part = |part| Some(Amount::Fraction(part));
    Split { train: part(0.5), valid: part(0.2), test: part(0.2), ..Split::default() }
}

/// A folder with a file of texts, labels and whatever else.
fn folder(header: &str, rows: &[String]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("a.csv"), format!("{header}\n{}\n", rows.join("\n"))).expect("written");
    folder
}

/// Rows of the classes a, b and c, of which b has a quarter of the rows and c a few.
fn rows(count: usize) -> Vec<String> {
    let label = |row: usize| match row % 16 {
        3 => "c",
        row if row % 4 == 1 => "b",
        _ => "a",
    };
    (0..count).map(|row| format!("text {row},{}", label(row))).collect()
}

fn divided(folder: &Path, settings: &Settings) -> Dataset {
    load(settings, folder, 1).expect("divided")
}

/// The split of every text; none for those in no split.
fn places(data: &Dataset) -> BTreeMap<String, SplitName> {
    let of = |name| data.texts_of(name).map(move |text| (text.to_owned(), name)).collect::<Vec<_>>();
    SplitName::ALL.into_iter().flat_map(of).collect()
}

fn texts(data: &Dataset, name: SplitName) -> BTreeSet<String> {
    data.texts_of(name).map(str::to_owned).collect()
}

#[test]
fn one_appended_row_moves_at_most_one_row_of_a_class_at_a_border() {
    for count in [97, 100, 211] {
        let before = places(&divided(folder("text,label", &rows(count)).path(), &with(fractions())));
        for (text, class) in [("one more", "a"), ("another", "b"), ("and another", "c")] {
            let more = [rows(count), vec![format!("{text},{class}")]].concat();
            let after = places(&divided(folder("text,label", &more).path(), &with(fractions())));
            let known = rows(count);
            let moved = known.iter().filter(|row| {
                let text = row.split(',').next().expect("a text");
                before.get(text) != after.get(text)
            });
            // Three borders, three classes.
            let moved: Vec<&str> = moved.map(|row| row.rsplit(',').next().expect("a class")).collect();
            for class in ["a", "b", "c"] {
                let moved = moved.iter().filter(|of| **of == class).count();
                assert!(moved <= 3, "{count} rows and {text}: {moved} of {class} moved");
            }
        }
    }
}

#[test]
fn the_order_of_the_file_and_the_clothes_of_a_text_move_nothing() {
    let before = divided(folder("text,label", &rows(120)).path(), &with(fractions()));
    let mut turned: Vec<String> = rows(120).iter().map(|row| row.replace("text", "  TEXT")).collect();
    turned.reverse();
    let after = divided(folder("text,label", &turned).path(), &with(fractions()));
    for name in SplitName::ALL {
        let plain: BTreeSet<String> = texts(&after, name).iter().map(|text| text.trim().to_lowercase()).collect();
        assert_eq!(texts(&before, name), plain, "{name}");
    }
    // Training takes them in the same order, too.
    let order = |data: &Dataset| {
        let train: Vec<&str> = data.texts_of(SplitName::Train).collect();
        data.order.iter().map(|&at| train[at].trim().to_lowercase()).collect::<Vec<String>>()
    };
    assert_eq!(order(&before), order(&after));
    assert!(!order(&before).is_sorted());
}

#[test]
fn copies_are_dropped_or_kept_on_one_side() {
    let mut rows = rows(100);
    rows.extend((0..40).map(|row| format!("TEXT {},a", row / 2)));
    let folder = folder("text,label", &rows);
    let dropped = divided(folder.path(), &with(Split::default()));
    assert_eq!((dropped.data.duplicate_texts, dropped.data.duplicates_kept, dropped.unused), (40, false, 40));
    assert_eq!(SplitName::ALL.map(|name| dropped.texts_of(name).len()), [80, 20, 0]);
    let keep = Settings { duplicates: Duplicates::Keep, ..with(Split::default()) };
    let kept = divided(folder.path(), &keep);
    assert_eq!((kept.data.duplicate_texts, kept.data.duplicates_kept, kept.unused), (40, true, 0));
    let plain = |name| texts(&kept, name).iter().map(|text| text.to_lowercase()).collect::<BTreeSet<_>>();
    assert!(plain(SplitName::Train).is_disjoint(&plain(SplitName::Valid)));
    let findings = read(&keep, folder.path()).expect("readable").findings().to_string();
    assert!(findings.contains("which are kept: data.duplicates = \"keep\"): 40"), "{findings}");
}

#[test]
fn no_group_is_on_two_sides() {
    let rows: Vec<String> = (0..200).map(|row| format!("text {row},{},author {}", row % 2, row % 37 % 23)).collect();
    let folder = folder("text,label,author", &rows);
    let settings = Settings { group: Some(Column::Name("author".into())), ..with(fractions()) };
    let data = divided(folder.path(), &settings);
    let authors = |name| {
        let number = |text: &str| text.trim_start_matches("text ").parse::<usize>().expect("a number");
        data.texts_of(name).map(|text| number(text) % 37 % 23).collect::<BTreeSet<usize>>()
    };
    let [train, valid, test] = SplitName::ALL.map(authors);
    assert!(train.is_disjoint(&valid) && train.is_disjoint(&test) && valid.is_disjoint(&test));
    assert!(!train.is_empty() && !valid.is_empty() && !test.is_empty());
    assert!(data.texts_of(SplitName::Test).len().abs_diff(40) <= 12, "about what is asked for");
    let error = load(&Settings { group: Some(Column::Name("who".into())), ..one_file() }, folder.path(), 1);
    assert!(error.expect_err("no column").to_string().contains("no column `who`"));
}

#[test]
fn so_many_of_each_class_are_a_subset_of_more() {
    let folder = folder("text,label", &rows(300));
    let split = |count| Split {
        per_class: Some(count),
        valid: Some(Amount::Count(50)),
        test: Some(Amount::Count(50)),
        ..Split::default()
    };
    let [few, more] = [3, 8].map(|count| divided(folder.path(), &with(split(count))));
    for (data, count) in [(&few, 3), (&more, 8)] {
        assert_eq!(data.labels.counts(&data.splits.train), [count; 3]);
    }
    assert!(texts(&few, SplitName::Train).is_subset(&texts(&more, SplitName::Train)));
    assert_eq!((&few.splits.valid, &few.splits.test), (&more.splits.valid, &more.splits.test));
    let error = load(&with(split(30)), folder.path(), 1).expect_err("too few").to_string();
    assert!(error.contains("30 training rows of each class are asked for, but of `c`"), "{error}");
}

#[test]
fn every_row_is_tested_in_one_fold_and_no_fold_validates_itself() {
    let folder = folder("text,label", &rows(103));
    let fold = |fold| Split { folds: Some(5), fold: Some(fold), ..Split::default() };
    let mut tested = BTreeSet::new();
    for number in 1..=5 {
        let data = divided(folder.path(), &with(fold(number)));
        let [train, valid, test] = SplitName::ALL.map(|name| texts(&data, name));
        assert_eq!((train.len() + valid.len() + test.len(), valid.len()), (103, 21), "fold {number}");
        assert!(test.len() == 20 || test.len() == 21);
        assert!(train.is_disjoint(&valid) && train.is_disjoint(&test) && valid.is_disjoint(&test));
        assert!(test.iter().all(|text| tested.insert(text.clone())), "fold {number}");
        let next = texts(&divided(folder.path(), &with(fold(number % 5 + 1))), SplitName::Test);
        assert!(valid.intersection(&next).count() >= 18, "validation is the block behind fold {number}");
    }
    assert_eq!(tested.len(), 103);
}

#[test]
fn repeats_draw_new_splits_and_the_first_is_that_of_no_repeats() {
    let folder = folder("text,label", &rows(100));
    let repeat = |repeat| Split { repeats: Some(3), repeat: Some(repeat), ..fractions() };
    let [first, second, third] = [1, 2, 3].map(|number| divided(folder.path(), &with(repeat(number))).digest());
    assert_eq!(first, divided(folder.path(), &with(fractions())).digest());
    assert!(first != second && second != third && first != third);
}

#[test]
fn time_divides_the_oldest_from_the_newest() {
    // The file is in no order; equal times stay in that of the file.
    let rows: Vec<String> = (0..50).map(|row| format!("text {row},{},{}", row % 2, row * 7 % 50 / 2)).collect();
    let folder = folder("text,label,created_at", &rows);
    let count = |rows| Some(Amount::Count(rows));
    let order = Some(Column::Name("created_at".into()));
    let split = Split { valid: count(10), test: count(5), order, ..Split::default() };
    let times = |data: &Dataset, name| {
        let number = |text: &str| text.trim_start_matches("text ").parse::<usize>().expect("a number");
        data.texts_of(name).map(|text| number(text) * 7 % 50 / 2).collect::<BTreeSet<usize>>()
    };
    let data = divided(folder.path(), &with(split.clone()));
    let [train, valid, test] = SplitName::ALL.map(|name| times(&data, name));
    assert!(train.last() <= valid.first() && valid.last() <= test.first(), "{train:?} {valid:?} {test:?}");
    assert_eq!(SplitName::ALL.map(|name| data.texts_of(name).len()), [35, 10, 5]);
    let fewer = divided(folder.path(), &with(Split { train: count(8), ..split.clone() }));
    assert_eq!(times(&fewer, SplitName::Test), test);
    assert!(times(&fewer, SplitName::Train).first() >= Some(&13), "those next to validation");
    fs::write(folder.path().join("a.csv"), "text,label,created_at\nx,0,1\ny,1,31/12/2020\n").expect("written");
    let error = load(&with(split), folder.path(), 1).expect_err("no time").to_string();
    assert!(error.contains("a.csv, line 3: column `created_at` holds `31/12/2020`; expected a number"), "{error}");
}

fn listed(folder: &Path, lines: &str, duplicates: Duplicates, draw: Option<&str>) -> Result<Dataset, Error> {
    fs::write(folder.join("draws.csv"), format!("draw,split,row\n{lines}")).expect("written");
    let split = Split { rows: Some("draws.csv".into()), draw: draw.map(str::to_owned), ..Split::default() };
    load(&Settings { duplicates, ..with(split) }, folder, 1)
}

#[test]
fn explicit_rows_are_taken_as_they_are_listed() {
    // The third row has no text, and counts all the same.
    let rows = ["zero,a", "one,b", ",a", "\"three\nlines\",b", "four,a", "FOUR,b"].map(str::to_owned);
    let folder = folder("text,label", &rows);
    let lines = "1,train,5\n1,train,2\n1,valid,4\n1,test,1\n2,train,1\n2,train,4\n";
    let data = listed(folder.path(), lines, Duplicates::Drop, None).expect("the first draw");
    let train: Vec<&str> = data.texts_of(SplitName::Train).collect();
    assert_eq!(data.order.iter().map(|&at| train[at]).collect::<Vec<_>>(), ["four", "one"]);
    assert_eq!((texts(&data, SplitName::Valid).len(), texts(&data, SplitName::Test).len()), (1, 1));
    let second = listed(folder.path(), lines, Duplicates::Drop, Some("2")).expect("the second draw");
    assert_eq!(second.texts_of(SplitName::Train).collect::<Vec<_>>(), ["zero", "three\nlines"]);
    assert!(second.splits.valid.is_none());
    let both = "1,train,1\n1,train,5\n1,train,2\n1,test,6\n";
    assert_eq!(listed(folder.path(), both, Duplicates::Keep, None).expect("kept").texts_of(SplitName::Test).len(), 1);
}

#[test]
fn faults_of_explicit_rows_name_file_and_line() {
    let rows = ["zero,a", "one,b", ",a", "three,b", "ZERO,b"].map(str::to_owned);
    let folder = folder("text,label", &rows);
    for (lines, found) in [
        ("1,train,1\n1,train,9\n", "draws.csv, line 3: there is no row 9, since "),
        ("1,train,0\n", "draws.csv, line 2: there is no row 0, since "),
        ("1,train,3\n", "draws.csv, line 2: row 3 of "),
        ("1,train,x\n", "draws.csv, line 2: `x` is not a row number"),
        ("1,dev,1\n", "draws.csv, line 2: unknown split `dev`; write train, valid or test"),
        ("1,train,\n", "draws.csv, line 2: there is no `row`"),
        ("1,train,1\n1,train,2\n1,valid,2\n", "draws.csv, line 4: row 2 is listed twice in this draw, first in line 3"),
        (
            "1,train,1\n1,train,2\n1,test,5\n",
            "draws.csv, line 4: row 5 is for test, but line 2 has the same text for train",
        ),
        ("1,valid,1\n", "train gets no row: draw `1` of "),
    ] {
        let error = listed(folder.path(), lines, Duplicates::Drop, None).expect_err(found).to_string();
        assert!(error.contains(found), "{error}");
    }
    let error = listed(folder.path(), "1,train,1\n1,train,2\n", Duplicates::Drop, Some("3")).expect_err("no draw");
    assert_eq!(error.to_string(), "there is no draw `3` in data.split.rows; there is only `1`");
    fs::write(folder.path().join("draws.csv"), "draw,row\n1,2\n").expect("written");
    let split = Split { rows: Some("draws.csv".into()), ..Split::default() };
    let error = load(&with(split), folder.path(), 1).expect_err("no column").to_string();
    assert!(error.contains("no column `split`"), "{error}");
}

/// In a multi-label task, an added row reorders no strata, because the counts of labels are compared as powers of two.
#[test]
fn a_row_more_does_not_reorder_the_strata_of_labels() {
    // `a` and `b` are about as rare, and every row has both or one of them.
    let label = |row: usize| ["a|b", "a", "b", "a|b|c"][row % 4];
    let rows: Vec<String> = (0..100).map(|row| format!("text {row},{}", label(row))).collect();
    let settings = Settings { separator: Some("|".to_owned()), ..with(fractions()) };
    let before = places(&divided(folder("text,label", &rows).path(), &settings));
    for label in ["a", "b"] {
        let more = [rows.clone(), vec![format!("one more,{label}")]].concat();
        let after = places(&divided(folder("text,label", &more).path(), &settings));
        let moved = before.iter().filter(|(text, place)| after.get(*text) != Some(place)).count();
        assert!(moved <= 9, "{moved} rows moved by one of {label}");
    }
}
