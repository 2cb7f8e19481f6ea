//! `history.csv`: the epochs of one cell.
//!
//! | column | |
//! |---|---|
//! | `epoch` | 1, 2, 3, ... |
//! | `learning_rate` | the learning rate of the epoch |
//! | `seconds` | wall time of training and validation |
//! | `loss`, `accuracy`, ... | metrics measured while training, in the order of [`Metric::ALL`] |
//! | `val_loss`, `val_accuracy`, ... | metrics of the validation rows, if there are any |
//!
//! UTF-8, comma-separated, LF; the first line is the header, and every line ends with LF. Numbers have the shortest form
//! that reads back as the same 64-bit float; a fit that diverged has `NaN`, `inf` and `-inf`. A field is empty if the epoch
//! lacks a metric that others have. The reader refuses a truncated file.

use std::path::Path;

use emberline_base::record::Epoch;
use emberline_base::{Metric, Scores};

use crate::Error;

/// The first columns of every history.
const FIXED: [&str; 3] = ["epoch", "learning_rate", "seconds"];

/// Formats the epochs of one cell as the text of its `history.csv`.
pub fn to_csv(epochs: &[Epoch]) -> String {
    let train: Vec<Metric> = present(epochs, |epoch| Some(&epoch.train));
    let valid: Vec<Metric> = present(epochs, |epoch| epoch.valid.as_ref());
    let names = FIXED.iter().map(|name| (*name).to_owned());
    let names = names.chain(train.iter().map(|m| m.name().to_owned()));
    let mut text = names.chain(valid.iter().map(|m| format!("val_{m}"))).collect::<Vec<_>>().join(",");
    text.push('\n');
    for epoch in epochs {
        let mut fields =
            vec![epoch.epoch.to_string(), format!("{:?}", epoch.learning_rate), format!("{:?}", epoch.seconds)];
        fields.extend(train.iter().map(|metric| field(Some(&epoch.train), *metric)));
        fields.extend(valid.iter().map(|metric| field(epoch.valid.as_ref(), *metric)));
        text.push_str(&fields.join(","));
        text.push('\n');
    }
    text
}

/// Returns the metrics that at least one epoch has.
fn present<'a>(epochs: &'a [Epoch], scores: impl Fn(&'a Epoch) -> Option<&'a Scores>) -> Vec<Metric> {
    let has = |metric: &Metric| epochs.iter().filter_map(&scores).any(|scores| scores.contains_key(metric));
    Metric::ALL.into_iter().filter(has).collect()
}

fn field(scores: Option<&Scores>, metric: Metric) -> String {
    scores.and_then(|scores| scores.get(&metric)).map(|value| format!("{value:?}")).unwrap_or_default()
}

/// Parses the text of a `history.csv`; `path` is only used in errors.
///
/// # Errors
/// [`Error::History`] with the line if a column is unknown or missing, a number can't be parsed, an epoch is out of order,
/// or the file is truncated.
pub fn from_csv(path: &Path, text: &str) -> Result<Vec<Epoch>, Error> {
    let fault = |line: u64, fault: String| Error::History { path: path.to_owned(), line, fault };
    if !text.ends_with('\n') {
        return Err(fault(text.lines().count().max(1) as u64, "the last line is truncated".to_owned()));
    }
    let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(text.as_bytes());
    let mut columns = Vec::new();
    let mut epochs = Vec::new();
    for record in reader.records() {
        let record = record.map_err(|error| fault(error.position().map_or(1, csv::Position::line), why(&error)))?;
        let line = record.position().map_or(1, csv::Position::line);
        if columns.is_empty() {
            columns = read_header(&record).map_err(|why| fault(line, why))?;
        } else {
            epochs.push(read_epoch(&columns, &record, epochs.len()).map_err(|why| fault(line, why))?);
        }
    }
    if columns.is_empty() {
        return Err(fault(1, "the header is missing".to_owned()));
    }
    Ok(epochs)
}

fn why(error: &csv::Error) -> String {
    match error.kind() {
        csv::ErrorKind::UnequalLengths { expected_len, len, .. } => {
            format!("{len} fields, but the header has {expected_len} columns")
        }
        _ => "this is not UTF-8".to_owned(),
    }
}

/// The content of a column.
#[derive(Clone, Copy, PartialEq)]
enum Column {
    Epoch,
    LearningRate,
    Seconds,
    Train(Metric),
    Valid(Metric),
}

impl Column {
    fn named(name: &str) -> Option<Self> {
        let metric = Metric::from_name;
        match name {
            "epoch" => Some(Self::Epoch),
            "learning_rate" => Some(Self::LearningRate),
            "seconds" => Some(Self::Seconds),
            _ => match name.strip_prefix("val_") {
                Some(metric_name) => metric(metric_name).map(Self::Valid),
                None => metric(name).map(Self::Train),
            },
        }
    }
}

fn read_header(record: &csv::StringRecord) -> Result<Vec<Column>, String> {
    let mut columns = Vec::new();
    for name in record {
        let column = Column::named(name).ok_or_else(|| format!("unknown column {name:?}"))?;
        if columns.contains(&column) {
            return Err(format!("duplicate column {name:?}"));
        }
        columns.push(column);
    }
    match FIXED.iter().find(|name| Column::named(name).is_none_or(|column| !columns.contains(&column))) {
        Some(name) => Err(format!("the column {name:?} is missing")),
        None => Ok(columns),
    }
}

fn read_epoch(columns: &[Column], record: &csv::StringRecord, before: usize) -> Result<Epoch, String> {
    let has_valid =
        columns.iter().zip(record).any(|(column, text)| matches!(column, Column::Valid(_)) && !text.is_empty());
    let valid = has_valid.then(Scores::new);
    let mut epoch = Epoch { epoch: 0, learning_rate: 0.0, seconds: 0.0, train: Scores::new(), valid };
    for (column, text) in columns.iter().zip(record) {
        match column {
            Column::Epoch => epoch.epoch = text.parse().map_err(|_| format!("{text:?} is not an epoch"))?,
            Column::LearningRate => epoch.learning_rate = number(text)?,
            Column::Seconds => epoch.seconds = number(text)?,
            Column::Train(_) | Column::Valid(_) if text.is_empty() => {}
            Column::Train(metric) => {
                epoch.train.insert(*metric, number(text)?);
            }
            Column::Valid(metric) => {
                epoch.valid.get_or_insert_default().insert(*metric, number(text)?);
            }
        }
    }
    if epoch.epoch as usize != before + 1 {
        return Err(format!("found epoch {}, expected epoch {}", epoch.epoch, before + 1));
    }
    Ok(epoch)
}

fn number(text: &str) -> Result<f64, String> {
    text.parse().map_err(|_| format!("{text:?} is not a number"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn epoch(number: u32, valid: bool) -> Epoch {
        let seconds = 0.1 + 0.2 * f64::from(number);
        let train = Scores::from([(Metric::Loss, 1.0 / 3.0), (Metric::Accuracy, 1e-300)]);
        let valid = valid.then(|| Scores::from([(Metric::Loss, f64::INFINITY), (Metric::PrAuc, 5e-324)]));
        Epoch { epoch: number, learning_rate: 1e-4, seconds, train, valid }
    }

    fn fault(text: &str) -> String {
        from_csv(Path::new("history.csv"), text).expect_err("damaged").to_string()
    }

    #[test]
    fn numbers_read_back_equal() {
        for epochs in
            [vec![], vec![epoch(1, false)], vec![epoch(1, true), epoch(2, true)], vec![epoch(1, true), epoch(2, false)]]
        {
            let text = to_csv(&epochs);
            assert_eq!(from_csv(Path::new("h"), &text).expect("readable"), epochs, "{text}");
        }
    }

    #[test]
    fn columns_follow_what_there_is() {
        assert_eq!(to_csv(&[epoch(1, false)]).lines().next(), Some("epoch,learning_rate,seconds,loss,accuracy"));
        let header = to_csv(&[epoch(1, true)]);
        assert!(header.starts_with("epoch,learning_rate,seconds,loss,accuracy,val_loss,val_pr_auc\n"), "{header}");
    }

    #[test]
    fn not_a_number_stays_not_a_number() {
        let mut one = epoch(1, false);
        one.train.insert(Metric::Loss, f64::NAN);
        let read = from_csv(Path::new("h"), &to_csv(&[one])).expect("readable");
        assert!(read[0].train[&Metric::Loss].is_nan());
    }

    #[test]
    fn every_damage_is_named_with_its_line() {
        let head = "epoch,learning_rate,seconds,loss\n";
        assert!(fault("").starts_with("history.csv:1: "));
        assert!(fault("\n").contains("the header is missing"));
        assert!(
            fault(&format!("{head}1,0.1,2,0.25\n2,0.1,2,0.2")).starts_with("history.csv:3: the last line is truncated")
        );
        assert!(
            fault(&format!("{head}1,0.1,2\n")).starts_with("history.csv:2: 3 fields, but the header has 4 columns")
        );
        assert!(
            fault(&format!("{head}1,0.1,2,0.25\n3,0.1,2,0.25\n"))
                .starts_with("history.csv:3: found epoch 3, expected epoch 2")
        );
        assert!(fault(&format!("{head}1,0.1,2,x\n")).contains("\"x\" is not a number"));
        assert!(fault(&format!("{head}-1,0.1,2,1\n")).contains("\"-1\" is not an epoch"));
        assert!(fault("epoch,seconds,loss\n").contains("\"learning_rate\" is missing"));
        assert!(fault("epoch,learning_rate,seconds,lost\n").contains("unknown column \"lost\""));
        assert!(fault("epoch,epoch,learning_rate,seconds\n").contains("duplicate column \"epoch\""));
    }

    #[test]
    fn line_ends_of_other_systems_are_read() {
        let text = to_csv(&[epoch(1, true)]).replace('\n', "\r\n");
        assert_eq!(from_csv(Path::new("h"), &text).expect("readable"), [epoch(1, true)]);
    }

    #[test]
    fn no_prefix_of_a_file_is_taken_for_another_one() {
        let text = to_csv(&[epoch(1, true), epoch(2, true)]);
        for end in 0..text.len() {
            match from_csv(Path::new("h"), &text[..end]) {
                Ok(epochs) => assert!(text[..end].ends_with('\n') && epochs.len() < 2, "{end}"),
                Err(error) => assert!(matches!(error, Error::History { .. }), "{error}"),
            }
        }
    }
}
