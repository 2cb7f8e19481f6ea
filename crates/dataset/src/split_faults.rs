//! Validates `[data.split]` without reading the data.

use emberline_base::Fault;

use crate::settings::{Amount, LabelColumns, Settings};

/// How far the sum of fractions may exceed 1 because of rounding.
const SLACK: f64 = 1e-9;

/// The largest number of folds and repeats.
const MAX_REPLICATES: u32 = 1_000;

/// Two keys that exclude each other: the key at fault, the other, the message, and the cure.
type Exclusion = (&'static str, &'static str, String, &'static str);

impl Settings {
    /// Adds the faults of `[data.split]`, by itself and together with the files.
    pub(crate) fn split_faults(&self, faults: &mut Vec<Fault>) {
        self.amount_faults(faults);
        self.per_class_faults(faults);
        self.replicate_faults(faults);
        for (key, other, message, hint) in self.exclusions() {
            faults.push(Fault::new(format!("split.{key}"), message, hint).related_to(format!("split.{other}")));
        }
    }

    fn amount_faults(&self, faults: &mut Vec<Fault>) {
        let amounts = [("train", self.split.train), ("valid", self.split.valid), ("test", self.split.test)];
        let hint = "give a count such as 1_000, or a fraction such as 0.1; leave it out for none";
        for (name, amount) in amounts {
            let message = match amount {
                Some(Amount::Count(0)) => "no rows are asked for".to_owned(),
                Some(Amount::Fraction(part)) if !(part > 0.0 && part < 1.0) => {
                    format!("{part:?} is not between 0 and 1")
                }
                _ => continue,
            };
            faults.push(Fault::new(format!("split.{name}"), message, hint));
        }
        let [train, valid, test] = amounts.map(|(_, amount)| amount);
        let carved = [train, valid.filter(|_| self.valid.is_none()), test.filter(|_| self.test.is_none())];
        let fractions = carved.into_iter().flatten().filter_map(|amount| match amount {
            Amount::Fraction(part) => Some(part),
            Amount::Count(_) => None,
        });
        let sum: f64 = fractions.sum();
        if sum > 1.0 + SLACK {
            let message = format!("the fractions sum to {sum:.4}, above 1");
            let fault = Fault::new("split", message, "lower one of them, or leave `train` out to take the rest");
            faults.push(fault.related_to("split"));
        }
    }

    fn per_class_faults(&self, faults: &mut Vec<Fault>) {
        let Some(per_class) = self.split.per_class else { return };
        if per_class == 0 {
            faults.push(Fault::new("split.per_class", "no rows are asked for", "give a number such as 8"));
        }
        if self.separator.is_some() || matches!(self.label, Some(LabelColumns::Several(_))) {
            let hint = "a row of several classes counts for each of them; give `train` instead";
            let fault = Fault::new("split.per_class", "`per_class` is for one label a row", hint);
            faults.push(fault.related_to("separator").related_to("label"));
        }
    }

    /// Adds the faults of folds, repeats and draws: their numbers, and the chosen ones.
    fn replicate_faults(&self, faults: &mut Vec<Fault>) {
        let split = &self.split;
        let mut chosen = |key: &str, number: Option<u32>, of_key: &str, of: Option<u32>, least: u32| {
            if let Some(of) = of.filter(|of| !(least..=MAX_REPLICATES).contains(of)) {
                let hint = format!("give a number from {least} to {MAX_REPLICATES}");
                faults.push(Fault::new(format!("split.{of_key}"), format!("{of} {of_key}"), hint));
            }
            let (message, hint) = match (number, of) {
                (Some(number), Some(of)) if number == 0 || number > of => (
                    format!("there is no {key} {number}"),
                    format!("give a number from 1 to {of}, or leave it out for all"),
                ),
                (Some(_), None) => {
                    (format!("`{key}` without `{of_key}`"), format!("give {of_key} too, or leave it out"))
                }
                _ => return,
            };
            faults.push(Fault::new(format!("split.{key}"), message, hint).related_to(format!("split.{of_key}")));
        };
        chosen("fold", split.fold, "folds", split.folds, 2);
        chosen("repeat", split.repeat, "repeats", split.repeats, 1);
        if split.draw.is_some() && split.rows.is_none() {
            let hint = "give the file of draws as `rows`, or leave it out";
            faults.push(Fault::new("split.draw", "`draw` without `rows`", hint).related_to("split.rows"));
        }
        if split.folds.is_some() && self.test.is_some() {
            let hint = "each fold is the test split once; leave [data.test] out, or repeat the split with `repeats`";
            faults.push(Fault::new("split.folds", "`folds` beside a test file", hint).related_to("test"));
        }
        if split.rows.is_some() && self.group.is_some() {
            let hint = "the file of `rows` says which rows go where, groups or not; leave `group` out, or `rows`";
            faults.push(Fault::new("group", "`group` beside `rows`", hint).related_to("split.rows"));
        }
        if split.rows.is_some() && self.path.is_none() {
            let hint = "it numbers the rows of one file: give `path` instead of [data.train]";
            faults.push(Fault::new("split.rows", "`rows` beside a file for each split", hint).related_to("path"));
        }
    }

    /// Returns the pairs of given keys that exclude each other.
    fn exclusions(&self) -> Vec<Exclusion> {
        let split = &self.split;
        let given = |key: &str| match key {
            "train" => split.train.is_some(),
            "valid" => split.valid.is_some(),
            "test" => split.test.is_some(),
            "per_class" => split.per_class.is_some(),
            "stratify" => split.stratify.is_some(),
            "order" => split.order.is_some(),
            "folds" => split.folds.is_some(),
            "repeats" => split.repeats.is_some(),
            _ => false,
        };
        let rows_decide = "the file of `rows` says which rows go where; leave this key out, or `rows`";
        let listed = ["train", "valid", "test", "per_class", "stratify", "order", "folds", "repeats"];
        let beside_rows = listed.into_iter().filter(|key| split.rows.is_some() && given(key));
        let mut found: Vec<Exclusion> =
            beside_rows.map(|key| (key, "rows", format!("`{key}` beside `rows`"), rows_decide)).collect();
        let pairs = [
            ("stratify", "order", "a split by time can't keep the classes in proportion; leave `stratify` out"),
            (
                "repeats",
                "order",
                "time divides the rows in one way only; leave `repeats` out, and put `seed` on the grid",
            ),
            ("folds", "order", "a fold would be older than its training rows; leave `folds` out"),
            ("repeats", "folds", "give one of them: folds test every row once, repeats draw a new split each time"),
            ("test", "folds", "each fold is the test split once; leave `test` out"),
            ("train", "per_class", "both say how many rows to train on; leave one out"),
        ];
        let is_active = |key: &str| given(key) && !(key == "stratify" && split.stratify == Some(false));
        let together = pairs.into_iter().filter(|(key, other, _)| is_active(key) && given(other));
        found.extend(together.map(|(key, other, hint)| (key, other, format!("`{key}` beside `{other}`"), hint)));
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::{Column, Split, SplitFile};

    fn settings() -> Settings {
        Settings::new("a.csv", Column::Name("text".into()), LabelColumns::One(Column::Name("label".into())))
    }

    fn keys(settings: &Settings) -> Vec<String> {
        settings.faults().into_iter().map(|fault| fault.key).collect()
    }

    fn of_split(split: Split) -> Vec<String> {
        keys(&Settings { split, ..settings() })
    }

    #[test]
    fn amounts_contradict() {
        let split =
            |train, valid, test| Settings { split: Split { train, valid, test, ..Split::default() }, ..settings() };
        assert_eq!(keys(&split(Some(Amount::Count(0)), None, None)), ["split.train"]);
        assert_eq!(
            keys(&split(None, Some(Amount::Fraction(1.0)), Some(Amount::Fraction(-0.1)))),
            ["split.valid", "split.test"]
        );
        assert_eq!(keys(&split(None, Some(Amount::Fraction(f64::NAN)), None)), ["split.valid"]);
        assert_eq!(keys(&split(Some(Amount::Fraction(0.9)), Some(Amount::Fraction(0.2)), None)), ["split"]);
    }

    #[test]
    fn keys_that_exclude_each_other_are_refused() {
        let time = || Split { order: Some(Column::Name("created_at".into())), ..Split::default() };
        let rows = || Split { rows: Some("draws.csv".into()), ..Split::default() };
        let folds = || Split { folds: Some(10), ..Split::default() };
        let some = Some(Amount::Count(5));
        for (split, expected) in [
            (time(), &[][..]),
            (Split { stratify: Some(false), ..time() }, &[]),
            (Split { stratify: Some(true), ..time() }, &["split.stratify"]),
            (Split { repeats: Some(5), ..time() }, &["split.repeats"]),
            (Split { folds: Some(5), ..time() }, &["split.folds"]),
            (rows(), &[]),
            (
                Split { train: some, stratify: Some(true), repeats: Some(2), ..rows() },
                &["split.train", "split.stratify", "split.repeats"],
            ),
            (Split { rows: Some("draws.txt".into()), ..Split::default() }, &["split.rows"]),
            (folds(), &[]),
            (Split { test: some, repeats: Some(3), ..folds() }, &["split.repeats", "split.test"]),
            (Split { fold: Some(11), ..folds() }, &["split.fold"]),
            (Split { fold: Some(1), ..Split::default() }, &["split.fold"]),
            (Split { folds: Some(1), ..Split::default() }, &["split.folds"]),
            (Split { repeats: Some(5), repeat: Some(6), ..Split::default() }, &["split.repeat"]),
            (Split { repeats: Some(4_000), ..Split::default() }, &["split.repeats"]),
            (Split { draw: Some("1".into()), ..Split::default() }, &["split.draw"]),
            (Split { per_class: Some(8), train: some, ..Split::default() }, &["split.train"]),
            (Split { per_class: Some(0), ..Split::default() }, &["split.per_class"]),
        ] {
            assert_eq!(of_split(split.clone()), expected, "{split:?}");
        }
    }

    #[test]
    fn files_and_labels_limit_the_split() {
        let test = Some(SplitFile::new("test.csv"));
        let files = Settings { path: None, train: test.clone(), test, ..settings() };
        let folds = Split { folds: Some(5), ..Split::default() };
        assert_eq!(keys(&Settings { split: folds, ..files.clone() }), ["split.folds"]);
        let rows = Split { rows: Some("draws.csv".into()), ..Split::default() };
        assert_eq!(keys(&Settings { split: rows.clone(), ..files }), ["split.rows"]);
        let by_author = Some(Column::Name("author".into()));
        assert_eq!(keys(&Settings { split: rows, group: by_author, ..settings() }), ["group"]);
        let per_class = Split { per_class: Some(8), ..Split::default() };
        let several = Settings { split: per_class, separator: Some(",".into()), ..settings() };
        assert_eq!(keys(&several), ["split.per_class"]);
        let group = Settings { group: Some(Column::Name("text".into())), ..settings() };
        assert_eq!(keys(&group), ["group"]);
    }
}
