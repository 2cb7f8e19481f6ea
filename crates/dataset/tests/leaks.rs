//! Tests properties of every split, on random tables: no text is in two splits, amounts are met, and held-out rows don't affect
//! the other rows.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use emberline_base::normalise::push_key;
use emberline_base::{SplitName, Splits};
use emberline_dataset::settings::{Amount, Column, LabelColumns, Settings, Split, SplitFile};
use emberline_dataset::{Dataset, Error, Rows, read};
use proptest::collection::{btree_set, vec};
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::{Config, RngSeed, TestCaseResult, TestRunner};

/// Texts that differ, or don't, by what upper and lower case, composed and decomposed accents make of them.
const TEXTS: [&str; 12] = [
    "why",
    "a b c",
    "\u{C9}t\u{E9} x",
    "E\u{301}te\u{301} x",
    "Stra\u{DF}e",
    "strasse",
    "\u{39F}\u{394}\u{39F}\u{3A3} y",
    "\u{3BF}\u{3B4}\u{3BF}\u{3C2} y",
    "\u{130}i",
    "\u{212A} 5",
    "k 5",
    "\u{1C4}\u{FB01}",
];
const SPACES: [&str; 6] = [" ", "  ", "\t", "\u{A0}", "\u{2003}\u{3000}", " \n"];
const CLASSES: [&str; 3] = ["no", "yes", "10"];

#[derive(Clone, Debug)]
struct Row {
    text: String,
    /// Positions in `CLASSES`; in a single-label task, only the first counts.
    classes: BTreeSet<usize>,
}

/// A table, or one per split, and the settings of the split.
#[derive(Clone, Debug)]
struct Case {
    tables: Splits<Vec<Row>>,
    multi_label: bool,
    split: Split,
}

fn row() -> impl Strategy<Value = Row> {
    let clothes = (any::<bool>(), select(&SPACES[..]), select(&["", " ", "\u{2028}\t"][..]));
    (0..60usize, clothes, btree_set(0..CLASSES.len(), 1..=2)).prop_map(|(number, (upper, space, edge), classes)| {
        let text = TEXTS.get(number).map_or_else(|| format!("text {number}"), |text| (*text).to_owned());
        let text = if upper { text.to_uppercase() } else { text };
        Row { text: format!("{edge}{}{edge}", text.replace(' ', space)), classes }
    })
}

fn amount() -> impl Strategy<Value = Option<Amount>> {
    let some = prop_oneof![(1..25u64).prop_map(Amount::Count), (0.02..0.5).prop_map(Amount::Fraction)];
    proptest::option::of(some)
}

fn case() -> impl Strategy<Value = Case> {
    let table = || vec(row(), 5..70);
    let tables = (table(), proptest::option::of(table()), proptest::option::of(table()));
    let amounts = (amount(), amount(), amount());
    (tables, amounts, any::<[bool; 2]>(), any::<u64>()).prop_map(|(tables, amounts, [stratify, multi_label], seed)| {
        let ((train, valid, test), (train_rows, valid_rows, test_rows)) = (tables, amounts);
        let split = Split {
            train: train_rows,
            valid: valid_rows,
            test: test_rows,
            stratify: Some(stratify),
            seed: Some(seed),
            ..Split::default()
        };
        Case { tables: Splits { train: with_every_class(train), valid, test }, multi_label, split }
    })
}

/// One row of each class comes first, so that every label of the other tables is known.
fn with_every_class(rows: Vec<Row>) -> Vec<Row> {
    let first = |class: usize| Row { text: format!("first {class}"), classes: [class].into() };
    (0..CLASSES.len()).map(first).chain(rows).collect()
}

impl Case {
    /// Writes the tables and reads them.
    fn rows(&self, folder: &Path) -> Result<Rows, Error> {
        for (name, rows) in self.tables.iter() {
            self.write(&folder.join(format!("{name}.csv")), rows);
        }
        let column = |name: &str| Column::Name(name.to_owned());
        let file = |name: &str| Some(SplitFile::new(format!("{name}.csv")));
        let alone = self.tables.iter().count() == 1;
        let settings = Settings {
            path: alone.then(|| "train.csv".into()),
            separator: self.multi_label.then(|| "|".to_owned()),
            train: file("train").filter(|_| !alone),
            valid: file("valid").filter(|_| self.tables.valid.is_some()),
            test: file("test").filter(|_| self.tables.test.is_some()),
            ..Settings::new("train.csv", column("text"), LabelColumns::One(column("label")))
        };
        read(&settings, folder)
    }

    fn write(&self, path: &Path, rows: &[Row]) {
        let mut writer =
            csv::WriterBuilder::new().quote_style(csv::QuoteStyle::Always).from_path(path).expect("a file");
        writer.write_record(["text", "label"]).expect("written");
        for row in rows {
            let classes: Vec<&str> = row.classes.iter().map(|&class| CLASSES[class]).collect();
            let label = if self.multi_label { classes.join("|") } else { classes[0].to_owned() };
            writer.write_record([&row.text, &label]).expect("written");
        }
        writer.flush().expect("written");
    }

    /// Returns the rows of all tables and the split dataset; none if there are too few rows.
    fn divided(&self) -> Option<(Rows, Dataset)> {
        let folder = tempfile::tempdir().expect("a folder");
        let divided = self.rows(folder.path()).and_then(|rows| {
            let data = rows.split(&self.split, 1)?;
            Ok((rows, data))
        });
        match divided {
            Ok(divided) => Some(divided),
            Err(Error::TooFewRows { .. } | Error::EmptySplit { .. } | Error::OneClassToTrainOn { .. }) => None,
            Err(other) => panic!("{other}"),
        }
    }
}

/// What counts as the same text: everything that the sources make equal by its case is equal here.
fn normal(text: &str) -> String {
    let mut key = Vec::new();
    push_key(text, &mut key);
    String::from_utf8(key).expect("a key is UTF-8")
}

/// Returns the normalised texts of each split, and the texts in order.
fn sides(data: &Dataset) -> Splits<BTreeSet<String>> {
    data.splits.map(|name, _| data.texts_of(name).map(normal).collect())
}

fn texts(data: &Dataset, name: SplitName) -> Vec<String> {
    data.texts_of(name).map(str::to_owned).collect()
}

/// Runs the check on random cases with a fixed seed; the check returns whether a case had enough rows.
fn for_all(check: impl Fn(&Case) -> Result<bool, TestCaseError>) {
    let config = Config { cases: 400, rng_seed: RngSeed::Fixed(1), failure_persistence: None, ..Config::default() };
    let divided = Cell::new(0);
    let run = TestRunner::new(config).run(&case(), |case| {
        divided.set(divided.get() + usize::from(check(&case)?));
        Ok(())
    });
    run.unwrap_or_else(|fault| panic!("{fault}"));
    assert!(divided.get() > 150, "only {} of 400 tables could be divided", divided.get());
}

#[test]
fn no_normalised_text_is_in_two_splits() {
    for_all(|case| {
        let Some((rows, data)) = case.divided() else { return Ok(false) };
        let sides: Vec<BTreeSet<String>> = sides(&data).iter().map(|(_, side)| side.clone()).collect();
        for (at, side) in sides.iter().enumerate() {
            for other in &sides[at + 1..] {
                prop_assert!(side.is_disjoint(other), "{:?}", side.intersection(other));
            }
        }
        let used: Vec<usize> = data.splits.iter().flat_map(|(_, rows)| rows.iter().copied()).collect();
        prop_assert_eq!(used.iter().collect::<BTreeSet<_>>().len(), used.len());
        prop_assert_eq!(used.len() + data.unused, data.texts.len());
        counts_are_met(case, &data)?;
        what_files_share_is_told(case, &rows, &data)?;
        Ok(true)
    });
}

fn counts_are_met(case: &Case, data: &Dataset) -> TestCaseResult {
    let Split { train, valid, test, .. } = case.split;
    for (name, amount) in SplitName::ALL.into_iter().zip([train, valid, test]) {
        if let Some(Amount::Count(count)) = amount {
            // Duplicates are dropped, so every unit is one row.
            prop_assert_eq!(data.splits.get(name).map(Vec::len), Some(count as usize));
        }
    }
    Ok(())
}

/// Of a text in several files, the most protected keeps its rows; that the others lose theirs is counted and found.
fn what_files_share_is_told(case: &Case, rows: &Rows, data: &Dataset) -> TestCaseResult {
    let mut files: BTreeMap<String, BTreeSet<SplitName>> = BTreeMap::new();
    for (name, table) in case.tables.iter() {
        for row in table {
            files.entry(normal(&row.text)).or_default().insert(name);
        }
    }
    let keeper = |text: &str| files[&normal(text)].last().copied();
    let lost = case.tables.map(|name, table| table.iter().filter(|row| keeper(&row.text) != Some(name)).count());
    prop_assert_eq!(&data.leaks, &lost);
    let findings = rows.findings();
    prop_assert_eq!(findings.shared_texts, files.values().filter(|names| names.len() > 1).count());
    prop_assert!(findings.shared_texts == 0 || findings.are_serious(|_| true));
    Ok(())
}

/// Other texts and other labels in the files of held-out rows: training, and validation where it is taken out of the
/// training file, stay what they are, row by row.
#[test]
fn what_held_out_files_hold_moves_no_other_row() {
    for_all(|case| {
        let mut case = case.clone();
        let fresh = |name: SplitName, rows: &mut Vec<Row>| {
            rows.iter_mut().enumerate().for_each(|(at, row)| row.text = format!("{name} {at}"));
        };
        let Splits { valid, test, .. } = &mut case.tables;
        valid.iter_mut().for_each(|rows| fresh(SplitName::Valid, rows));
        test.iter_mut().for_each(|rows| fresh(SplitName::Test, rows));
        let Some((_, before)) = case.divided() else { return Ok(false) };
        let mut other = case.clone();
        let Splits { valid, test, .. } = &mut other.tables;
        for row in valid.iter_mut().chain(test).flatten() {
            (row.text, row.classes) = (row.text.clone() + " again", [1].into());
        }
        let (_, after) = other.divided().expect("as many rows as before");
        for name in SplitName::ALL {
            if case.tables.get(name).is_none() || name == SplitName::Train {
                prop_assert_eq!(texts(&before, name), texts(&after, name));
            }
        }
        prop_assert_eq!(&before.labels.classes, &after.labels.classes);
        prop_assert_eq!(&before.data.splits.train, &after.data.splits.train);
        prop_assert_eq!(before.data.majority_accuracy.train, after.data.majority_accuracy.train);
        Ok(true)
    });
}
