//! Tests the split of small files: amounts, files per split, leaks, findings, and errors that name the cure.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use emberline_base::{SplitName, Splits};
use emberline_dataset::settings::{Amount, Column, LabelColumns, Settings, Split, SplitFile};
use emberline_dataset::{Dataset, Error, load, read};

/// `rows` rows, every `period`-th of class b, and every tenth text once more in other clothes.
fn table(rows: usize, period: usize) -> String {
    let line = |row: usize| {
        let label = if row.is_multiple_of(period) { "b" } else { "a" };
        if row % 10 == 9 { format!("  TEXT {} ,{label}\n", row - 1) } else { format!("text {row},{label}\n") }
    };
    "text,label\n".to_owned() + &(0..rows).map(line).collect::<String>()
}

fn one_file() -> Settings {
    Settings::new("a.csv", Column::Name("text".into()), LabelColumns::One(Column::Name("label".into())))
}

fn divided(base: &Path, train: Option<Amount>, valid: Option<Amount>, test: Option<Amount>) -> Result<Dataset, Error> {
    load(&Settings { split: Split { train, valid, test, ..Split::default() }, ..one_file() }, base, 7)
}

fn sizes(data: &Dataset) -> (usize, Option<usize>, Option<usize>) {
    let Splits { train, valid, test } = data.splits.map(|_, rows| rows.len());
    (train, valid, test)
}

fn folder_with(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, content) in files {
        fs::write(folder.path().join(name), content).expect("written");
    }
    folder
}

/// If all rows are for training, those of the validation and test files are too, in the order that the seed gives.
#[test]
fn all_rows_train_without_a_split() {
    let other = "text,label\nnew one,a\nnew two,b\ntext 3,a\n";
    let folder = folder_with(&[("a.csv", &table(1000, 16)), ("v.csv", other)]);
    let split = Split { folds: Some(3), fold: Some(2), seed: Some(5), ..Split::default() };
    let settings = Settings { split: split.training_on_all(), ..one_file() };
    let all = load(&settings, folder.path(), 7).expect("rows");
    assert_eq!((sizes(&all), all.unused), ((900, None, None), 100));
    let counted = Split { train: Some(Amount::Count(900)), seed: Some(5), ..Split::default() };
    assert_eq!(
        all.digest(),
        load(&Settings { split: counted, ..one_file() }, folder.path(), 7).expect("rows").digest()
    );
    let file = |path: &str| Some(SplitFile::new(path));
    let files = Settings { path: None, train: file("a.csv"), valid: file("v.csv"), ..settings };
    let both = load(&files, folder.path(), 7).expect("rows");
    assert_eq!(sizes(&both), (902, None, None));
}

#[test]
fn counts_and_fractions_are_met_exactly() {
    // 900 different texts.
    let folder = folder_with(&[("a.csv", &table(1000, 16))]);
    let (count, part) = (|n| Some(Amount::Count(n)), |p| Some(Amount::Fraction(p)));
    let cases = [
        ((None, None, None), (720, Some(180), None)),
        ((None, count(101), count(99)), (700, Some(101), Some(99))),
        ((part(0.8), part(0.1), part(0.1)), (720, Some(90), Some(90))),
        ((count(17), None, part(0.333)), (17, None, Some(300))),
        ((None, None, count(5)), (895, None, Some(5))),
        ((count(900), None, None), (900, None, None)),
    ];
    for ((train, valid, test), wanted) in cases {
        let data = divided(folder.path(), train, valid, test).expect("enough rows");
        assert_eq!(sizes(&data), wanted, "{train:?} {valid:?} {test:?}");
        assert_eq!(data.unused, 1000 - data.splits.iter().map(|(_, rows)| rows.len()).sum::<usize>());
        for (_, rows) in data.splits.iter().filter(|(_, rows)| rows.len() >= 99) {
            let share = data.labels.counts(rows)[1] as f64 / rows.len() as f64;
            assert!((share - 0.063).abs() < 0.021, "{share}");
        }
        let normal = |name| data.texts_of(name).map(|text| text.trim().to_lowercase()).collect::<BTreeSet<_>>();
        let [train, valid, test] = SplitName::ALL.map(normal);
        assert!(train.is_disjoint(&valid) && train.is_disjoint(&test) && valid.is_disjoint(&test));
    }
}

#[test]
fn fractions_that_are_rounded_up_do_not_reach_too_far() {
    let folder = folder_with(&[("a.csv", &table(16, 3))]);
    let part = |p| Some(Amount::Fraction(p));
    let data = divided(folder.path(), part(0.8), part(0.1), part(0.1)).expect("one row less for training");
    assert_eq!(sizes(&data), (11, Some(2), Some(2)));
}

#[test]
fn one_size_does_not_move_the_others() {
    let folder = folder_with(&[("a.csv", &table(500, 4))]);
    let count = |n| Some(Amount::Count(n));
    let base = divided(folder.path(), count(200), count(50), count(60)).expect("enough rows");
    let smaller = divided(folder.path(), count(70), count(50), count(60)).expect("enough rows");
    let all = divided(folder.path(), None, count(50), count(60)).expect("enough rows");
    let other_valid = divided(folder.path(), count(200), count(80), count(60)).expect("enough rows");
    let set = |data: &Dataset| data.splits.train.iter().copied().collect::<BTreeSet<usize>>();
    assert!(set(&smaller).is_subset(&set(&base)) && set(&base).is_subset(&set(&all)));
    assert_eq!((&smaller.splits.valid, &smaller.splits.test), (&base.splits.valid, &base.splits.test));
    assert_eq!((&all.splits.valid, &all.splits.test), (&base.splits.valid, &base.splits.test));
    assert_eq!(other_valid.splits.test, base.splits.test);
    assert!(base.splits.iter().all(|(_, rows)| rows.is_sorted()), "rows lie in the order of their file");
    let order: BTreeSet<usize> = base.order.iter().copied().collect();
    assert!(order.iter().copied().eq(0..200) && !base.order.is_sorted(), "training rows are shuffled");
}

#[test]
fn the_split_s_own_seed_overrides_the_pipeline_s() {
    let folder = folder_with(&[("a.csv", &table(100, 4))]);
    let rows = read(&one_file(), folder.path()).expect("readable");
    let own = Split { seed: Some(5), ..Split::default() };
    let digest = |split: &Split, seed| rows.split(split, seed).expect("divided").digest();
    assert_eq!(digest(&own, 1), digest(&own, 2));
    assert_eq!(digest(&own, 1), digest(&Split::default(), 5));
    assert_ne!(digest(&Split::default(), 1), digest(&Split::default(), 2));
    assert_ne!(digest(&Split { stratify: Some(false), ..Split::default() }, 1), digest(&Split::default(), 1));
}

#[test]
fn impossible_amounts_are_told_with_numbers() {
    let folder = folder_with(&[("a.csv", &table(100, 4))]);
    let fault = |train, valid, test| divided(folder.path(), train, valid, test).expect_err("too much").to_string();
    let count = |n| Some(Amount::Count(n));
    let error = fault(count(90), count(20), None);
    assert!(
        error.ends_with(
            "110 rows (90 for train, 20 for valid) asked for, but there are 90 usable rows (10 more are copies of a text, \
             see data.duplicates); lower the numbers in [data.split]"
        ),
        "{error}"
    );
    assert!(fault(None, count(90), None).contains("train gets no row: test and valid take all"));
    assert!(
        fault(None, Some(Amount::Fraction(0.001)), None)
            .contains("0.001 of 90 rows is less than one; raise split.valid")
    );
    assert!(fault(count(u64::MAX), count(u64::MAX), None).contains("asked for, but there are 90"));
    fs::write(folder.path().join("a.csv"), "text,label\n".to_owned() + &"same,a\n".repeat(50) + "other,b\n")
        .expect("written");
    let error = fault(None, count(20), count(10));
    assert!(error.contains("2 usable rows (49 more are copies of a text"), "{error}");
}

fn three_files() -> Settings {
    let file = |path: &str| Some(SplitFile::new(path));
    Settings { path: None, train: file("train.csv"), valid: file("valid.csv"), test: file("test.csv"), ..one_file() }
}

#[test]
fn texts_in_several_files_stay_in_the_most_protected() {
    let folder = folder_with(&[
        ("train.csv", "text,label\none,a\ntwo,b\nThree ,a\nfour,b\nfive,a\n"),
        ("valid.csv", "text,label\nthree,a\nSIX,b\n"),
        ("test.csv", "label,text\nb,six\na,two\n"),
    ]);
    let data = load(&three_files(), folder.path(), 1).expect("readable");
    let texts = |name| data.texts_of(name).map(str::to_owned).collect::<BTreeSet<String>>();
    assert_eq!(texts(SplitName::Train), ["five", "four", "one"].map(str::to_owned).into());
    assert_eq!(texts(SplitName::Valid), ["three".to_owned()].into());
    assert_eq!(texts(SplitName::Test), ["six", "two"].map(str::to_owned).into());
    assert_eq!(data.leaks, Splits { train: 2, valid: Some(1), test: Some(0) });
    assert_eq!((data.unused, data.data.rows_read, data.data.conflicting_labels), (3, 9, 1));
    let findings = read(&three_files(), folder.path()).expect("readable").findings();
    assert_eq!((findings.shared_texts, findings.conflicting_labels, findings.duplicate_texts), (3, 1, 3));
    assert!(findings.are_serious(|_| true));
    let conflict = &findings.conflicts[0];
    let lines: Vec<(u64, &str)> = conflict.occurrences.iter().map(|o| (o.line, o.labels[0].as_str())).collect();
    assert_eq!((conflict.text.as_str(), lines), ("two", vec![(3, "b"), (3, "a")]));
    let shown = findings.to_string();
    assert!(shown.contains("texts with different labels: 1\n  \"two\", 2 rows\n"), "{shown}");
}

#[test]
fn rows_that_are_left_out_for_their_group_are_counted_and_warned_of() {
    let folder = folder_with(&[
        ("train.csv", "text,label,author\none,a,ann\ntwo,b,bob\nthree,a,cyd\nfour,b,cyd\nfive,a,\n"),
        ("valid.csv", "text,label,author\nsix,a,dan\nFIVE,b,\n"),
        ("test.csv", "text,label,author\nseven,b,ann\neight,a,bob\n"),
    ]);
    let group = Some(Column::Name("author".into()));
    let data = load(&Settings { group, ..three_files() }, folder.path(), 1).expect("readable").data;
    assert_eq!((data.shared_texts, data.shared_groups), (1, 2));
    let warning = data.warnings.iter().map(ToString::to_string).find(|warning| warning.starts_with("EMB012"));
    let warning = warning.expect("a warning");
    let begins =
        "EMB012: 2 groups are in the files of two splits, such as `ann` (train.csv, line 2; test.csv, line 2).";
    assert!(warning.starts_with(begins) && warning.contains("2 rows of the others are left out"), "{warning}");
    let alone = load(&three_files(), folder.path(), 1).expect("readable").data;
    assert_eq!((alone.shared_texts, alone.shared_groups), (1, 0));
    assert!(alone.warnings.iter().all(|warning| !warning.to_string().starts_with("EMB012")));
}

#[test]
fn a_split_with_a_file_may_be_cut_and_one_without_is_carved() {
    let folder = folder_with(&[
        ("train.csv", &table(100, 4)),
        ("test.csv", &table(40, 3).replace("ext", "est").replace("EXT", "est").replace("test,label", "text,label")),
    ]);
    let split = Split { valid: Some(Amount::Count(30)), test: Some(Amount::Count(15)), ..Split::default() };
    let data = load(&Settings { valid: None, split, ..three_files() }, folder.path(), 1).expect("readable");
    assert_eq!(sizes(&data), (60, Some(30), Some(15)));
    let from = |name: SplitName, word: &str| data.texts_of(name).all(|text| text.to_lowercase().contains(word));
    assert!(from(SplitName::Train, "text") && from(SplitName::Valid, "text") && from(SplitName::Test, "test"));
    let whole = load(&Settings { valid: None, ..three_files() }, folder.path(), 1).expect("readable");
    assert_eq!(sizes(&whole), (72, Some(18), Some(36)), "validation is taken out of training when nothing is said");
}

#[test]
fn a_label_that_training_lacks_is_an_error() {
    let folder = folder_with(&[
        ("train.csv", "text,label\none,a\ntwo,b\n"),
        ("valid.csv", "text,label\nthree,a\n"),
        ("test.csv", "text,label\nfour,b\n\nfive,c\n"),
    ]);
    let error = load(&three_files(), folder.path(), 1).expect_err("an unseen label").to_string();
    assert!(error.contains("test.csv, line 4: no training row has the label `c` (training has `a`, `b`)"), "{error}");
}

#[test]
fn faulty_settings_are_refused_before_reading() {
    let error = load(&Settings { path: None, ..one_file() }, Path::new("/"), 1).expect_err("no file");
    assert!(matches!(error, Error::Settings { .. }), "{error}");
}

/// 400 rows with quotes, line ends, accents, repeated and empty texts, missing labels and three classes.
fn motley() -> String {
    let line = |row: usize| {
        let label = ["a", "b", "a", "c", "a", " b ", "a"][row % 7];
        match row % 23 {
            3 => format!("\"Say \"\"no\"\", {}\",{label}\r\n", row % 31),
            5 => format!("\"Two\n lines {}\",{label}\n", row % 29),
            8 => format!("STRASSE  ÉTÉ İ{} ,{label}\n", row % 17),
            9 => format!("straße\u{a0}été {},{label}\n", row % 17),
            11 => format!("  ,{label}\n"),
            14 => format!("no label {row},\n"),
            17 => format!("Text {},{label}\n", row / 2),
            _ => format!("text {row},{label}\n"),
        }
    };
    "text,label\n".to_owned() + &(0..400).map(line).collect::<String>()
}

/// Pinned: recorded results depend on which rows are taken, in which order, and on their digest, which covers them.
#[test]
fn what_is_read_and_divided_never_changes() {
    let folder = folder_with(&[("a.csv", &motley())]);
    let count = |n| Some(Amount::Count(n));
    let facts = |data: &Dataset| {
        let found = [data.data.duplicate_texts, data.data.conflicting_labels, data.data.empty_texts];
        (sizes(data), found, data.digest().to_string())
    };
    let stratified = divided(folder.path(), count(200), count(40), count(50)).expect("enough rows");
    let digest = "a54d947caccd1cf6375a1ae19a80b2a152d521111da5c430ead9db372227c076".to_owned();
    assert_eq!(facts(&stratified), ((200, Some(40), Some(50)), [9, 7, 17], digest));
    let split = Split { stratify: Some(false), valid: Some(Amount::Fraction(0.3)), ..Split::default() };
    let plain = load(&Settings { split, ..one_file() }, folder.path(), 3).expect("enough rows");
    let digest = "2e08d3b38ea8f0d9f981ceefd563cb564e1ac3b70958441e2f0083786b381684".to_owned();
    assert_eq!(facts(&plain), ((250, Some(107), None), [9, 7, 17], digest));
}
