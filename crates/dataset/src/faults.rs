//! Validates the settings of `[data]` without reading the data.

use std::collections::HashSet;
use std::path::Path;

use emberline_base::Fault;

use crate::files::DataFile;
use crate::format::{Format, Packing};
use crate::settings::{Column, LabelColumns, Settings, SplitFile};

impl Settings {
    /// Returns all faults of the settings, in the order of the table.
    pub fn faults(&self) -> Vec<Fault> {
        let mut faults = Vec::new();
        self.files_faults(&mut faults);
        self.columns_faults(&mut faults);
        self.delimiter_faults(&mut faults);
        self.split_faults(&mut faults);
        faults
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
        if self.path.is_none() {
            for (key, given) in [("url", self.url.is_some()), ("sha256", self.sha256.is_some())] {
                if given && self.train.is_some() {
                    let hint =
                        "write it below [data.train], [data.valid] or [data.test], beside the path it belongs to";
                    faults.push(Fault::new(key, format!("`{key}` without `path`"), hint));
                }
            }
        }
        faults.extend(self.name_faults());
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
        let (text, labels) = (self.text_column(), self.label_columns());
        self.text.iter().for_each(|text| check("text", text));
        let labels = labels.columns();
        for label in self.label.iter().flat_map(|label| label.columns()) {
            check("label", label);
        }
        self.group.iter().for_each(|group| check("group", group));
        self.split.order.iter().for_each(|order| check("split.order", order));
        if labels.contains(&text) {
            let fault = Fault::new("label", "the label column is the text column", "name another column");
            faults.push(fault.related_to("text"));
        }
        self.extra_columns_faults(faults);
        self.missing_columns(faults);
        self.line_faults(faults);
        if let Some(LabelColumns::Several(several)) = &self.label {
            self.several_faults(several, faults);
        } else if self.separator.is_some() && self.positive.is_some() {
            let hint = "a multi-label task has no positive class; leave one of them out";
            faults.push(Fault::new("positive", "`positive` with a `separator`", hint));
        }
        if self.separator.as_deref() == Some("") {
            faults.push(Fault::new("separator", "the separator is empty", "give for example \",\", or leave it out"));
        }
    }

    /// Adds a fault if a column isn't given that the format needs.
    fn missing_columns(&self, faults: &mut Vec<Fault>) {
        if self.is_of_lines() {
            return;
        }
        for (key, of, given) in [("text", "texts", self.text.is_some()), ("label", "labels", self.label.is_some())] {
            if !given {
                let hint =
                    format!("add `{key} = \"COLUMN\"`, the column of the {of}; `emberline init --data FILE` finds it");
                faults.push(Fault::new(key, format!("[data] lacks `{key}`"), hint));
            }
        }
    }

    /// Adds the faults of what says how lines and labels are read: files of labels and of class names, and where labels end.
    fn line_faults(&self, faults: &mut Vec<Fault>) {
        let files: Vec<DataFile<'_>> = self.data_files().collect();
        if self.has_label_files() {
            for file in files.iter().filter(|file| file.labels.is_none()) {
                let hint =
                    "line N of a file of labels is the label of line N of its texts: every file of texts needs one";
                let message = format!("`{}` has no `labels_path`, but another file has", file.path.display());
                faults.push(Fault::new(file.key("path"), message, hint).related_to("labels_path"));
            }
            if self.format.is_some() {
                let hint = "with labels in a file of their own, `path` has a text per line; leave one of the two out";
                faults.push(Fault::new("format", "`format` beside `labels_path`", hint).related_to("labels_path"));
            }
        }
        if self.labels_path.is_some() && self.path.is_none() {
            let hint = "write it below [data.train], [data.valid] or [data.test], beside the path of the texts";
            faults.push(Fault::new("labels_path", "`labels_path` without `path`", hint).related_to("train"));
        }
        let empty = |path: &Path| path.as_os_str().is_empty();
        for file in files.iter().filter(|file| file.labels.is_some_and(empty)) {
            faults.push(Fault::new(file.key("labels_path"), "the path is empty", "give a file"));
        }
        if self.class_names.as_deref().is_some_and(empty) {
            faults.push(Fault::new("class_names", "the path is empty", "give a file with a name per line"));
        }
        if self.label_until.as_deref() == Some("") {
            faults.push(Fault::new("label_until", "the text is empty", "give for example \":\", or leave it out"));
        }
        if let Some(LabelColumns::Several(_)) = &self.label {
            for (key, given) in
                [("class_names", self.class_names.is_some()), ("label_until", self.label_until.is_some())]
            {
                if given {
                    let hint = "several label columns are one class each, and have their columns' names; leave it out";
                    faults
                        .push(Fault::new(key, format!("`{key}` with several label columns"), hint).related_to("label"));
                }
            }
        }
    }

    /// Adds a fault if the column of groups or of times is also used for something else.
    fn extra_columns_faults(&self, faults: &mut Vec<Fault>) {
        let (group, order) = (self.group.as_ref(), self.split.order.as_ref());
        let same = |one: Option<&Column>, other: &Column| one == Some(other);
        let (text, labels) = (self.text_column(), self.label_columns());
        let labels = labels.columns();
        let of_groups = "name the column of the groups, or leave `group` out: rows of equal texts stay together anyway";
        let of_times = "name the column that says how old a row is, or leave `order` out";
        let keys = [("group", "group", group, of_groups), ("split.order", "order", order, of_times)];
        for (key, name, column, hint) in keys {
            if same(column, &text) {
                let message = format!("the {name} column is the text column");
                faults.push(Fault::new(key, message, hint).related_to("text"));
            }
            if labels.iter().any(|label| same(column, label)) {
                let message = format!("the {name} column is a label column");
                faults.push(Fault::new(key, message, hint).related_to("label"));
            }
        }
        if group.is_some() && group == order {
            faults
                .push(Fault::new("split.order", "the order column is the group column", of_times).related_to("group"));
        }
    }

    fn several_faults(&self, several: &[Column], faults: &mut Vec<Fault>) {
        match several {
            [] => faults.push(Fault::new("label", "the list of label columns is empty", "name the columns")),
            [_] => faults.push(Fault::new("label", "a list of one label column", "give the column without brackets")),
            _ => {}
        }
        let mut earlier = HashSet::with_capacity(several.len());
        if let Some(duplicate) = several.iter().find(|column| !earlier.insert(*column)) {
            let message = format!("duplicate column {duplicate}");
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
        if let Some(message) = self.delimiter.and_then(delimiter_fault) {
            faults.push(Fault::new("delimiter", message, DELIMITERS));
        }
        let formats: Vec<Format> =
            self.data_files().filter_map(|file| Packing::of(file.path, self.format_of()).1).collect();
        let has_fields = formats.is_empty() || formats.iter().any(|format| format.delimiter().is_some());
        for (key, given) in [("delimiter", self.delimiter.is_some()), ("header", self.header.is_some())] {
            if given && !has_fields {
                let fault = Fault::new(key, format!("{key} is for .csv and .tsv files"), "leave it out");
                faults.push(["path", "train", "valid", "test"].into_iter().fold(fault, Fault::related_to));
            }
        }
    }
}

/// Examples of delimiters, for messages.
pub(crate) const DELIMITERS: &str = "for example \";\" or \"\\t\"";

/// Returns why a character can't be a delimiter; none if it can.
pub(crate) fn delimiter_fault(delimiter: char) -> Option<String> {
    match delimiter {
        d if !d.is_ascii() => Some(format!("{d:?} is not an ASCII character")),
        '"' | '\n' | '\r' | '\0' => Some(format!("{delimiter:?} can't stand between fields")),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::{Amount, Split};

    fn settings() -> Settings {
        Settings::new("a.csv", Column::Name("text".into()), LabelColumns::One(Column::Name("label".into())))
    }

    fn keys(settings: &Settings) -> Vec<String> {
        settings.faults().into_iter().map(|fault| fault.key).collect()
    }

    fn file(path: &str) -> Option<SplitFile> {
        Some(SplitFile::new(path))
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
        assert_eq!(keys(&Settings { text: Some(name("label")), ..settings() }), ["label"]);
        assert_eq!(keys(&Settings { text: Some(Column::Number(0)), ..settings() }), ["text"]);
        let several = |names: &[&str]| LabelColumns::Several(names.iter().map(|n| name(n)).collect());
        assert_eq!(keys(&Settings { label: Some(several(&[])), ..settings() }), ["label"]);
        assert_eq!(keys(&Settings { label: Some(several(&["a"])), ..settings() }), ["label"]);
        assert_eq!(keys(&Settings { label: Some(several(&["a", "b", "a"])), ..settings() }), ["label"]);
        let both = Settings { label: Some(several(&["a", "b"])), separator: Some(",".into()), ..settings() };
        assert_eq!(keys(&both), ["separator"]);
        assert_eq!(keys(&Settings { separator: Some(String::new()), ..settings() }), ["separator"]);
    }

    #[test]
    fn groups_and_times_have_columns_of_their_own() {
        let name = |name: &str| Some(Column::Name(name.to_owned()));
        let with = |group: Option<Column>, order: Option<Column>| {
            let split = Split { order, ..Split::default() };
            let faults = Settings { group, split, ..settings() }.faults();
            faults.into_iter().map(|fault| format!("{}: {}", fault.key, fault.message)).collect::<Vec<_>>()
        };
        assert_eq!(with(name("author"), name("day")), [""; 0]);
        assert_eq!(with(name("text"), None), ["group: the group column is the text column"]);
        assert_eq!(with(name("label"), None), ["group: the group column is a label column"]);
        assert_eq!(with(None, name("text")), ["split.order: the order column is the text column"]);
        assert_eq!(with(None, name("label")), ["split.order: the order column is a label column"]);
        assert_eq!(with(name("day"), name("day")), ["split.order: the order column is the group column"]);
    }

    #[test]
    fn only_two_classes_have_a_positive_one() {
        let positive = Settings { positive: Some("spam".into()), ..settings() };
        assert_eq!(keys(&positive), [""; 0]);
        assert_eq!(keys(&Settings { separator: Some(",".into()), ..positive.clone() }), ["positive"]);
        let flags = LabelColumns::Several(["a", "b"].map(|name| Column::Name(name.to_owned())).to_vec());
        assert_eq!(keys(&Settings { label: Some(flags), ..positive }), ["positive"]);
    }

    #[test]
    fn delimiters_contradict() {
        assert_eq!(keys(&Settings { delimiter: Some('·'), ..settings() }), ["delimiter"]);
        assert_eq!(keys(&Settings { delimiter: Some('"'), ..settings() }), ["delimiter"]);
        let jsonl =
            Settings { path: Some("a.jsonl.gz".into()), delimiter: Some(';'), header: Some(true), ..settings() };
        assert_eq!(keys(&jsonl), ["delimiter", "header"]);
    }
}
