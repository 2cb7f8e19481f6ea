//! `[callbacks.csv_logger]`: writes one CSV line per epoch during training, like Keras's `CSVLogger`.
//!
//! Columns: `epoch` (0 for the first, as Keras counts), then the metrics in alphabetical order,
//! `accuracy,loss,...,val_accuracy,val_loss,...`.

use std::path::{Path, PathBuf};

use emberline_base::record::Epoch;
use emberline_base::{Fault, file, run_files};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Callback, Control};
use crate::Error;

/// `[callbacks.csv_logger]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CsvLogger {
    /// The name of the file in the cell's folder.
    #[schemars(length(min = 1, max = 255))]
    pub filename: String,
    /// The separator between fields. It must not contain letters, digits, quotes, line ends, or any of `_.+-`.
    #[schemars(length(min = 1))]
    pub separator: String,
}

impl Default for CsvLogger {
    fn default() -> Self {
        Self { filename: "training.csv".into(), separator: ",".into() }
    }
}

/// The maximum length of a file name that every system supports, in bytes.
const MAX_NAME: usize = 255;

impl CsvLogger {
    pub(super) fn faults(&self) -> Vec<Fault> {
        [self.filename_fault(), self.separator_fault()].into_iter().flatten().collect()
    }

    fn filename_fault(&self) -> Option<Fault> {
        let name = self.filename.as_str();
        let is_plain = Path::new(name).file_name().is_some_and(|last| last == name) && !name.starts_with('.');
        let is_reserved = run_files::CELL_FILES.iter().any(|reserved| reserved.eq_ignore_ascii_case(name));
        let fault = |message: String, hint: &str| Some(Fault::new("filename", message, hint));
        if name.len() > MAX_NAME {
            let message = format!("the file name has {} bytes; at most {MAX_NAME} are possible", name.len());
            return fault(message, "use a shorter name, such as training.csv");
        }
        if !is_plain || is_reserved || name.contains(['/', '\\', ':']) || name.chars().any(char::is_control) {
            let hint = "use a plain file name that no record of the cell has, such as training.csv";
            return fault(format!("{name:?} can't be used as the log's file name"), hint);
        }
        None
    }

    /// Returns the fault of the separator, if any. It must be distinguishable from the fields, which are names of
    /// metrics and numbers.
    fn separator_fault(&self) -> Option<Fault> {
        let separator = self.separator.as_str();
        let in_fields = |c: char| c.is_alphanumeric() || "_.+-\"\r\n\0".contains(c);
        let message = match separator {
            "" => "the separator is empty".to_owned(),
            _ if separator.contains(in_fields) => {
                format!("the separator {separator:?} can't be distinguished from names and numbers")
            }
            _ => return None,
        };
        Some(Fault::new("separator", message, "use for example \",\", \";\" or \"\\t\""))
    }
}

/// Writes the log. The file is replaced atomically after every epoch, so that no reader sees a partial line.
pub(super) struct CsvWriter {
    path: PathBuf,
    separator: String,
    text: String,
}

impl CsvWriter {
    pub(super) fn create(settings: &CsvLogger, folder: &Path) -> Self {
        Self { path: folder.join(&settings.filename), separator: settings.separator.clone(), text: String::new() }
    }
}

impl Callback for CsvWriter {
    fn on_epoch_end(&mut self, epoch: &Epoch, _: &mut Control) -> Result<(), Error> {
        let valid = epoch.valid.iter().flatten().map(|(metric, value)| (format!("val_{metric}"), *value));
        let mut fields: Vec<(String, f64)> =
            epoch.train.iter().map(|(metric, value)| (metric.to_string(), *value)).chain(valid).collect();
        fields.sort_by(|a, b| a.0.cmp(&b.0));
        let (mut names, mut values) = (vec!["epoch".to_owned()], vec![(epoch.epoch - 1).to_string()]);
        for (name, value) in fields {
            names.push(name);
            values.push(value.to_string());
        }
        if self.text.is_empty() {
            self.text = names.join(&self.separator) + "\n";
        }
        self.text += &(values.join(&self.separator) + "\n");
        Ok(file::write_atomic_unflushed(&self.path, self.text.as_bytes())?)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::epoch;
    use super::*;

    #[test]
    fn the_log_reads_as_keras_writes_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut log = CsvWriter::create(&CsvLogger::default(), folder.path());
        for number in 1..=2 {
            log.on_epoch_end(&epoch(number, 0.25), &mut Control::new(1.0)).expect("written");
        }
        let text = std::fs::read_to_string(folder.path().join("training.csv")).expect("readable");
        assert_eq!(text, "epoch,accuracy,loss,val_loss\n0,0.75,0.5,0.25\n1,0.75,0.5,0.25\n");
    }

    #[test]
    fn a_log_can_not_leave_its_folder_or_replace_a_record() {
        for filename in ["../x.csv", "/x.csv", "a/b.csv", "", "result.json"] {
            let settings = CsvLogger { filename: filename.into(), ..CsvLogger::default() };
            assert_eq!(settings.faults().len(), 1, "{filename}");
        }
        assert!(CsvLogger::default().faults().is_empty());
    }
}
