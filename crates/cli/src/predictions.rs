//! Writes the input's rows with their predictions: all input columns and all rows stay, in order, even rows with an empty text.
//!
//! | input | CSV output | JSON Lines output |
//! |---|---|---|
//! | CSV, TSV, Parquet | its columns | an object with its columns |
//! | JSON Lines | the keys of the first object | the object as it was written |
//! | a text per line | the column `text` | an object with the key `text` |
//!
//! These columns are added: `predicted`, `probability` and, with `--all`, `probability_CLASS` for each class. In a multi-label
//! task, `predicted` and `probability` hold one entry per predicted label: a list in JSON, joined by `|` in CSV. With
//! `--explain`, `explanation` follows: a list of `{word, effect}` in JSON, `good +0.1200; film -0.0100` in CSV; with
//! `--neighbours`, `neighbours`: a list of `{file, row, label, similarity, text}` in JSON (`neighbours.rs`).

mod neighbours;

use std::collections::BTreeSet;
use std::io::{self, Write};

use emberline_base::Task;
use emberline_dataset::{Original, TextRow};
use emberline_pipeline::{Neighbour, Prediction, WordEffect};
use serde_json::{Map, Value, json};

const PREDICTED: &str = "predicted";
const PROBABILITY: &str = "probability";
const EXPLANATION: &str = "explanation";
const NEIGHBOURS: &str = "neighbours";

/// The name of the text column if the input has no names.
const TEXT: &str = "text";

/// The separator between the labels of one row in CSV.
const LABEL_SEPARATOR: &str = "|";

/// The form of the output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum PredictionFormat {
    /// Comma-separated values with a header.
    Csv,
    /// One JSON object per line.
    Jsonl,
}

/// The task and classes of predictions, and the columns to add.
#[derive(Clone, Debug)]
pub(crate) struct Columns {
    /// The task.
    pub(crate) task: Task,
    /// The names of all classes.
    pub(crate) classes: Vec<String>,
    /// Whether to add a column with the probability of each class.
    pub(crate) all: bool,
    /// Whether to add the words that influenced the decision.
    pub(crate) explains: bool,
    /// Whether to add the nearest training rows.
    pub(crate) neighbours: bool,
}

/// The output for one row.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RowOutput<'r> {
    /// The prediction.
    pub(crate) prediction: &'r Prediction,
    /// The words that influenced the decision; empty unless they are asked for.
    pub(crate) explanation: &'r [WordEffect],
    /// The nearest training rows, if they are asked for; none for a text without a vector.
    pub(crate) neighbours: Option<&'r [Neighbour<'r>]>,
}

impl Columns {
    /// Returns the names of the added columns.
    fn names(&self) -> Vec<String> {
        let of_classes = self.classes.iter().filter(|_| self.all).map(|class| format!("{PROBABILITY}_{class}"));
        let explanation = self.explains.then(|| EXPLANATION.to_owned());
        let neighbours = self.neighbours.then(|| NEIGHBOURS.to_owned());
        let first = [PREDICTED.to_owned(), PROBABILITY.to_owned()].into_iter();
        first.chain(of_classes).chain(explanation).chain(neighbours).collect()
    }

    /// Refuses input columns with the name of an added column.
    fn refuse_taken<'n>(&self, mut names: impl Iterator<Item = &'n str>) -> Result<(), Refusal> {
        let added = self.names();
        match names.find(|name| added.iter().any(|added| added == name)) {
            Some(name) => Err(Refusal::Taken(name.to_owned())),
            None => Ok(()),
        }
    }

    fn predicted<'p>(&'p self, prediction: &'p Prediction) -> impl Iterator<Item = &'p str> {
        prediction.classes.iter().map(|&class| self.classes[class].as_str())
    }

    /// Appends the added fields to a row of CSV.
    fn push_fields(&self, output: RowOutput<'_>, record: &mut csv::StringRecord) {
        let RowOutput { prediction, explanation, neighbours } = output;
        record.push_field(&self.predicted(prediction).collect::<Vec<_>>().join(LABEL_SEPARATOR));
        let shown: Vec<String> = self.shown(prediction).into_iter().map(text).collect();
        record.push_field(&shown.join(LABEL_SEPARATOR));
        if self.all {
            prediction.probabilities.iter().for_each(|probability| record.push_field(&text(*probability)));
        }
        if self.explains {
            let words = explanation.iter().map(|WordEffect { word, effect }| format!("{word} {effect:+.4}"));
            record.push_field(&words.collect::<Vec<_>>().join("; "));
        }
        if self.neighbours {
            record.push_field(&neighbours::field(neighbours, &self.classes));
        }
    }

    /// Returns the added entries of a JSON object.
    fn entries(&self, output: RowOutput<'_>) -> Map<String, Value> {
        let RowOutput { prediction, explanation, neighbours } = output;
        let predicted = self.predicted(prediction).map(Value::from);
        let shown = self.shown(prediction).into_iter().map(number);
        let [predicted, shown]: [Value; 2] = match self.task {
            Task::MultiLabel => [predicted.collect(), shown.collect()],
            Task::Binary | Task::MultiClass => [{ predicted }.next(), { shown }.next()].map(Option::unwrap_or_default),
        };
        let of_classes = prediction.probabilities.iter().filter(|_| self.all).copied().map(number);
        let words =
            explanation.iter().map(|WordEffect { word, effect }| json!({"word": word, "effect": number(*effect)}));
        let explanation = self.explains.then(|| Value::from_iter(words));
        let neighbours = self.neighbours.then(|| neighbours::value(neighbours, self.task, &self.classes));
        let values = [predicted, shown].into_iter().chain(of_classes).chain(explanation).chain(neighbours);
        self.names().into_iter().zip(values).collect()
    }

    /// Returns the probabilities of the column `probability`: those of the predicted classes; binary, that of the positive class.
    fn shown(&self, prediction: &Prediction) -> Vec<f64> {
        let of = |class: usize| prediction.probabilities[class];
        match self.task {
            Task::Binary => vec![of(1)],
            Task::MultiClass | Task::MultiLabel => prediction.classes.iter().map(|&class| of(class)).collect(),
        }
    }
}

/// Why a row can't be written.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// The input has a column with the name of an added column.
    Taken(String),
    /// Two columns of the input have the same name, and a JSON object can hold only one of them.
    Repeated(String),
    /// A JSON object has a key that the first object lacks, so CSV has no column for it.
    NewKey(String),
    /// A JSON object can't be read.
    Json(serde_json::Error),
    /// The output can't be written.
    Output(io::Error),
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Taken(name) => {
                write!(f, "the input has a column `{name}`, which the predictions are written to: rename or remove it")
            }
            Self::Repeated(name) => {
                write!(
                    f,
                    "two columns are called `{name}`, and a JSON object holds one: rename one, or use --format csv"
                )
            }
            Self::NewKey(key) => {
                write!(f, "the key `{key}` isn't in the first object, so CSV has no column for it: use --format jsonl")
            }
            Self::Json(error) => write!(f, "can't be read as JSON: {error}"),
            Self::Output(error) => write!(f, "can't be written: {error}"),
        }
    }
}

/// An input row in the output's form, kept until its prediction is known.
pub(crate) enum InputRow {
    /// The fields of a CSV row.
    Fields(csv::StringRecord),
    /// A JSON object without its closing brace.
    Object(String),
}

/// Writes rows with their predictions.
pub(crate) struct Writer<W: Write> {
    columns: Columns,
    out: Output<W>,
    /// The input's columns, once the first row is known.
    names: Option<Vec<String>>,
}

enum Output<W: Write> {
    Csv(Box<csv::Writer<W>>),
    Jsonl(W),
}

impl<W: Write> Writer<W> {
    /// Returns a writer to `out`.
    pub(crate) fn new(out: W, format: PredictionFormat, columns: Columns) -> Self {
        let out = match format {
            PredictionFormat::Csv => Output::Csv(Box::new(csv::Writer::from_writer(out))),
            PredictionFormat::Jsonl => Output::Jsonl(out),
        };
        Self { columns, out, names: None }
    }

    /// Converts an input row to the output's form. The first row decides the input's columns.
    ///
    /// # Errors
    /// When the row can't be represented in the output.
    pub(crate) fn take(&mut self, row: &TextRow<'_>) -> Result<InputRow, Refusal> {
        if self.names.is_none() {
            self.begin(names_of(&row.original)?)?;
        }
        let names = self.names.as_deref().unwrap_or_default();
        match &self.out {
            Output::Csv(_) => fields(row, names).map(InputRow::Fields),
            Output::Jsonl(_) => object(row, &self.columns).map(InputRow::Object),
        }
    }

    /// Writes the header, once the input's columns are known.
    fn begin(&mut self, names: Vec<String>) -> Result<(), Refusal> {
        self.columns.refuse_taken(names.iter().map(String::as_str))?;
        match &mut self.out {
            Output::Csv(out) => {
                let added = self.columns.names();
                out.write_record(names.iter().chain(&added)).map_err(|error| Refusal::Output(plain(error)))?;
            }
            Output::Jsonl(_) => {
                let mut known = BTreeSet::new();
                if let Some(name) = names.iter().find(|name| !known.insert(*name)) {
                    return Err(Refusal::Repeated(name.clone()));
                }
            }
        }
        self.names = Some(names);
        Ok(())
    }

    /// Whether the words that influenced the decision are written.
    pub(crate) fn explains(&self) -> bool {
        self.columns.explains
    }

    /// Writes a row with its added columns.
    ///
    /// # Errors
    /// When the output can't be written.
    pub(crate) fn write(&mut self, row: InputRow, output: RowOutput<'_>) -> io::Result<()> {
        match (&mut self.out, row) {
            (Output::Csv(out), InputRow::Fields(mut record)) => {
                self.columns.push_fields(output, &mut record);
                out.write_record(&record).map_err(plain)
            }
            (Output::Jsonl(out), InputRow::Object(open)) => {
                let added = Value::from(self.columns.entries(output)).to_string();
                let separator = if open.ends_with('{') { "" } else { "," };
                writeln!(out, "{open}{separator}{}", &added[1..])
            }
            _ => unreachable!("`take` converts rows to the form that is written"),
        }
    }

    /// Flushes the output and returns it.
    ///
    /// # Errors
    /// When the output can't be written.
    pub(crate) fn finish(self) -> io::Result<W> {
        match self.out {
            Output::Csv(out) => out.into_inner().map_err(csv::IntoInnerError::into_error),
            Output::Jsonl(out) => Ok(out),
        }
    }
}

/// Returns the system's error of a failed write.
fn plain(error: csv::Error) -> io::Error {
    match error.into_kind() {
        csv::ErrorKind::Io(error) => error,
        other => io::Error::other(format!("{other:?}")),
    }
}

/// Returns the names of a row's columns.
fn names_of(row: &Original<'_>) -> Result<Vec<String>, Refusal> {
    match row {
        Original::Line => Ok(vec![TEXT.to_owned()]),
        Original::Fields { names, .. } | Original::Values { names, .. } => Ok(names.to_vec()),
        Original::Object(object) => Ok(parsed(object)?.into_iter().map(|(key, _)| key).collect()),
    }
}

fn parsed(object: &str) -> Result<Map<String, Value>, Refusal> {
    serde_json::from_str(object).map_err(Refusal::Json)
}

/// Returns a row as fields of CSV, in the order of `names`.
fn fields(row: &TextRow<'_>, names: &[String]) -> Result<csv::StringRecord, Refusal> {
    let mut record = csv::StringRecord::new();
    match row.original {
        Original::Line => record.push_field(row.text),
        Original::Fields { fields, .. } => fields.iter().for_each(|field| record.push_field(field)),
        Original::Values { values, .. } => values.iter().for_each(|value| record.push_field(&field(value))),
        Original::Object(object) => {
            let mut object = parsed(object)?;
            for name in names {
                record.push_field(&object.shift_remove(name).as_ref().map(field).unwrap_or_default());
            }
            if let Some((key, _)) = object.into_iter().next() {
                return Err(Refusal::NewKey(key));
            }
        }
    }
    Ok(record)
}

/// Formats a probability with the shortest digits of a 32-bit float.
fn text(probability: f64) -> String {
    (probability as f32).to_string()
}

fn number(probability: f64) -> Value {
    text(probability).parse::<f64>().map_or(Value::Null, Value::from)
}

/// Converts a JSON value to a field of CSV: strings unchanged, null as an empty field, all else as JSON.
fn field(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// Returns a row as a JSON object without its closing brace.
fn object(row: &TextRow<'_>, columns: &Columns) -> Result<String, Refusal> {
    let made = |names: &[String], values: &mut dyn Iterator<Item = Value>| -> Map<String, Value> {
        names.iter().cloned().zip(values).collect()
    };
    let made = match row.original {
        Original::Line => made(&[TEXT.to_owned()], &mut std::iter::once(Value::from(row.text))),
        Original::Fields { names, fields } => made(names, &mut fields.iter().map(|field| Value::from(field.as_ref()))),
        Original::Values { names, values } => made(names, &mut values.iter().cloned()),
        Original::Object(object) => {
            // Most objects contain none of these words, and need not be parsed.
            if [PREDICTED, PROBABILITY, EXPLANATION, NEIGHBOURS].iter().any(|name| object.contains(name)) {
                columns.refuse_taken(parsed(object)?.keys().map(String::as_str))?;
            }
            return Ok(without_brace(object.trim_end()).to_owned());
        }
    };
    Ok(without_brace(&Value::from(made).to_string()).to_owned())
}

/// Returns an object without its closing brace and the space before it.
fn without_brace(object: &str) -> &str {
    object.strip_suffix('}').unwrap_or(object).trim_end()
}
