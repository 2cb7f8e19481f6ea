//! Contradictions of the `[data]` table that show without looking at the data.

use std::collections::HashSet;
use std::fs;
use std::path::Path;

use emberline_base::Fault;

use crate::error::Error;
use crate::format::{Format, Packing};
use crate::settings::{Amount, Column, LabelColumns, Settings, SplitFile};

/// How far fractions may sum above 1 by rounding alone.
const SLACK: f64 = 1e-9;

impl Settings {
    /// All that is wrong with the settings by themselves, in the order of the table.
    pub fn faults(&self) -> Vec<Fault> {
        let mut faults = Vec::new();
        self.files_faults(&mut faults);
        self.columns_faults(&mut faults);
        self.delimiter_faults(&mut faults);
        self.split_faults(&mut faults);
        faults
    }

    /// What is wrong with the files that the settings name, as far as it shows without reading them. Relative paths count
    /// from `base`.
    pub fn missing_files(&self, base: &Path) -> Vec<Error> {
        let look = |path: &Path| {
            let path = base.join(path);
            let found = fs::metadata(&path).map_err(Error::reading(&path));
            found.map(|found| found.is_dir().then_some(Error::Folder { path })).unwrap_or_else(Some)
        };
        self.files().filter_map(|(_, path)| look(path)).collect()
    }

    /// The key below `[data]` and the path of every file that is named.
    pub fn files(&self) -> impl Iterator<Item = (&'static str, &Path)> {
        let whole = self.path.iter().map(|path| ("path", path.as_path()));
        let split = [("train.path", &self.train), ("valid.path", &self.valid), ("test.path", &self.test)];
        whole.chain(split.into_iter().filter_map(|(key, file)| Some((key, file.as_ref()?.path.as_path()))))
    }

    fn files_faults(&self, faults: &mut Vec<Fault>) {
        let parts: [(&str, &Option<SplitFile>); 3] =
            [("train", &self.train), ("valid", &self.valid), ("test", &self.test)];
        if self.path.is_some() {
            for (name, file) in parts {
                if file.is_some() {
                    let message = format!("`path` and [data.{name}] are both given");
                    faults.push(Fault::new(
                        name,
                        message,
                        "for files of their own, give [data.train] instead of `path`",
                    ));
                }
            }
        } else if self.train.is_none() {
            let hint = "give path = \"FILE\", or [data.train] with a path";
            let fault = Fault::new("", "no file of training rows is given", hint);
            faults.push(fault.related_to("path").related_to("train"));
        }
        for (key, path) in self.files() {
            if path.as_os_str().is_empty() {
                faults.push(Fault::new(key, "the path is empty", "give a file"));
            } else if let (Packing::Plain | Packing::Gzip | Packing::Zstd, None) = Packing::of(path, Format::of) {
                let hint =
                    "its name must end in .csv, .tsv, .jsonl or .parquet, plain or with .gz, .zst or .zip after it";
                faults.push(Fault::new(key, format!("`{}` is of no known format", path.display()), hint));
            }
        }
    }

    fn columns_faults(&self, faults: &mut Vec<Fault>) {
        let by_name = "give a column's name, or its number (1 is the first)";
        let mut check = |key: &str, column: &Column| match column {
            Column::Number(0) => faults.push(Fault::new(key, "there is no column 0", "1 is the first")),
            Column::Name(name) if name.trim().is_empty() => {
                faults.push(Fault::new(key, "the column's name is empty", by_name));
            }
            Column::Name(_) if self.header == Some(false) => {
                let message = "a column is given by name, but header = false";
                faults.push(Fault::new(key, message, "give its number, or remove `header`").related_to("header"));
            }
            _ => {}
        };
        check("text", &self.text);
        let labels = self.label.columns();
        for label in labels {
            check("label", label);
        }
        if labels.contains(&self.text) {
            let fault = Fault::new("label", "the label column is the text column", "name another column");
            faults.push(fault.related_to("text"));
        }
        if let LabelColumns::Several(several) = &self.label {
            self.several_faults(several, faults);
        }
        if matches!(self.label, LabelColumns::One(_)) && self.separator.is_some() && self.positive.is_some() {
            let hint = "a multi-label task has no positive class; leave one of them out";
            faults.push(Fault::new("positive", "`positive` with a `separator`", hint));
        }
        if self.separator.as_deref() == Some("") {
            faults.push(Fault::new("separator", "the separator is empty", "give for example \",\", or leave it out"));
        }
    }

    fn several_faults(&self, several: &[Column], faults: &mut Vec<Fault>) {
        match several {
            [] => faults.push(Fault::new("label", "the list of label columns is empty", "name the columns")),
            [_] => faults.push(Fault::new("label", "a list of one label column", "give the column without brackets")),
            _ => {}
        }
        let mut earlier = HashSet::with_capacity(several.len());
        if let Some(twice) = several.iter().find(|column| !earlier.insert(*column)) {
            let message = format!("column {twice} stands in the list twice");
            faults.push(Fault::new("label", message, "name each column once"));
        }
        if self.separator.is_some() {
            let hint = "several columns are one class each; leave the separator out";
            let fault = Fault::new("separator", "a separator with several label columns", hint);
            faults.push(fault.related_to("label"));
        }
        if self.positive.is_some() {
            let hint = "it is for two classes in one column; leave it out";
            faults.push(Fault::new("positive", "`positive` with several label columns", hint).related_to("label"));
        }
    }

    fn delimiter_faults(&self, faults: &mut Vec<Fault>) {
        match self.delimiter {
            Some(d) if !d.is_ascii() => {
                faults.push(Fault::new(
                    "delimiter",
                    format!("{d:?} is not an ASCII character"),
                    "for example \";\" or \"\\t\"",
                ));
            }
            Some(d @ ('"' | '\n' | '\r' | '\0')) => {
                faults.push(Fault::new(
                    "delimiter",
                    format!("{d:?} can't stand between fields"),
                    "for example \";\" or \"\\t\"",
                ));
            }
            _ => {}
        }
        let formats: Vec<Format> = self.files().filter_map(|(_, path)| Packing::of(path, Format::of).1).collect();
        let has_fields = formats.is_empty() || formats.iter().any(|format| format.delimiter().is_some());
        for (key, given) in [("delimiter", self.delimiter.is_some()), ("header", self.header.is_some())] {
            if given && !has_fields {
                let fault = Fault::new(key, format!("{key} is for .csv and .tsv files"), "leave it out");
                faults.push(["path", "train", "valid", "test"].into_iter().fold(fault, Fault::related_to));
            }
        }
    }

    fn split_faults(&self, faults: &mut Vec<Fault>) {
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
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Split;

    fn settings() -> Settings {
        Settings::new("a.csv", Column::Name("text".into()), LabelColumns::One(Column::Name("label".into())))
    }

    fn keys(settings: &Settings) -> Vec<String> {
        settings.faults().into_iter().map(|fault| fault.key).collect()
    }

    fn file(path: &str) -> Option<SplitFile> {
        Some(SplitFile { path: path.into() })
    }

    #[test]
    fn sound_settings_have_none() {
        assert_eq!(keys(&settings()), [""; 0]);
        let split = Split {
            train: Some(Amount::Fraction(0.8)),
            valid: Some(Amount::Fraction(0.1)),
            test: Some(Amount::Fraction(0.1)),
            ..Split::default()
        };
        assert_eq!(keys(&Settings { split, ..settings() }), [""; 0]);
        let parts = Settings { path: None, train: file("a.tsv.gz"), test: file("b.zip"), ..settings() };
        assert_eq!(keys(&parts), [""; 0]);
    }

    #[test]
    fn files_contradict() {
        assert_eq!(keys(&Settings { train: file("b.csv"), test: file("c.csv"), ..settings() }), ["train", "test"]);
        assert_eq!(keys(&Settings { path: None, ..settings() }), [""]);
        assert_eq!(keys(&Settings { path: None, valid: file("b.csv"), ..settings() }), [""]);
        assert_eq!(keys(&Settings { path: Some("a.xlsx".into()), ..settings() }), ["path"]);
        assert_eq!(keys(&Settings { path: None, train: file("a.csv.bz2"), ..settings() }), ["train.path"]);
    }

    #[test]
    fn columns_contradict() {
        let name = |name: &str| Column::Name(name.to_owned());
        assert_eq!(keys(&Settings { header: Some(false), ..settings() }), ["text", "label"]);
        assert_eq!(keys(&Settings { text: name("label"), ..settings() }), ["label"]);
        assert_eq!(keys(&Settings { text: Column::Number(0), ..settings() }), ["text"]);
        let several = |names: &[&str]| LabelColumns::Several(names.iter().map(|n| name(n)).collect());
        assert_eq!(keys(&Settings { label: several(&[]), ..settings() }), ["label"]);
        assert_eq!(keys(&Settings { label: several(&["a"]), ..settings() }), ["label"]);
        assert_eq!(keys(&Settings { label: several(&["a", "b", "a"]), ..settings() }), ["label"]);
        let both = Settings { label: several(&["a", "b"]), separator: Some(",".into()), ..settings() };
        assert_eq!(keys(&both), ["separator"]);
        assert_eq!(keys(&Settings { separator: Some(String::new()), ..settings() }), ["separator"]);
    }

    #[test]
    fn only_two_classes_have_a_positive_one() {
        let positive = Settings { positive: Some("spam".into()), ..settings() };
        assert_eq!(keys(&positive), [""; 0]);
        assert_eq!(keys(&Settings { separator: Some(",".into()), ..positive.clone() }), ["positive"]);
        let flags = LabelColumns::Several(["a", "b"].map(|name| Column::Name(name.to_owned())).to_vec());
        assert_eq!(keys(&Settings { label: flags, ..positive }), ["positive"]);
    }

    #[test]
    fn delimiters_contradict() {
        assert_eq!(keys(&Settings { delimiter: Some('·'), ..settings() }), ["delimiter"]);
        assert_eq!(keys(&Settings { delimiter: Some('"'), ..settings() }), ["delimiter"]);
        let jsonl =
            Settings { path: Some("a.jsonl.gz".into()), delimiter: Some(';'), header: Some(true), ..settings() };
        assert_eq!(keys(&jsonl), ["delimiter", "header"]);
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
}
