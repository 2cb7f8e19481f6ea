//! `predict`: classifies texts with a trained cell of a run or a bundle, row for row.

use std::ffi::OsStr;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use emberline_base::Interrupt;
use emberline_base::file;
use emberline_base::number::counted;
use emberline_cache::Cache;
use emberline_dataset::TextRow;
use emberline_pipeline::{Classifier, ClassifierOptions};

use crate::args::Predict;
use crate::exit::{Code, Error};
use crate::predictions::{Columns, InputRow, PredictionFormat, Refusal, Writer};
use crate::progress::EncodingBar;
use crate::terminal::{say, warn};
use crate::texts::{TextColumn, column};

/// Rows are classified together up to this number of them, or of bytes of their texts: the memory that a stream takes.
const ROWS: usize = 4096;
const BYTES: usize = 4 << 20;

pub(super) fn run(args: &Predict) -> Result<Code, Error> {
    let options = ClassifierOptions {
        device: args.device.resolve()?,
        cache: Cache::of_user(),
        assets: args.assets.clone(),
        interrupt: Interrupt::default(),
    };
    if args.assets.is_some() && args.run.is_file() {
        return Err(Error::Usage("a bundle holds the files of its embedding; leave --assets out".to_owned()));
    }
    let classifier = Classifier::open(&args.run, args.cell.as_deref(), options)?;
    if args.explain {
        classifier.check_explains()?;
    }
    say(classifier.description());
    let of_pipeline = || TextColumn { column: classifier.text_column().clone(), header: classifier.header() };
    let text = args.text.as_deref().map_or_else(of_pipeline, column);
    let (task, classes) = (classifier.task(), classifier.classes().to_vec());
    let columns = Columns { task, classes, all: args.all, explains: args.explain };
    let output = Output::new(args.output.as_deref())?;
    let mut rows = Rows::new(&classifier, Writer::new(output, format(args)?, columns));
    let read = args.texts.read(text, true, |row| rows.take(&row, args.texts.name()))?;
    rows.classify()?;
    let output = rows.writer.finish()?;
    output.finish()?;
    read.warnings.iter().for_each(warn);
    say(&format!("{} classified", counted(read.rows, "text")));
    Ok(Code::Fine)
}

/// The output's form: as asked for, as the output's name says, or the input's.
fn format(args: &Predict) -> Result<PredictionFormat, Error> {
    if let Some(format) = args.format {
        return Ok(format);
    }
    let ending = args.output.as_deref().and_then(Path::extension).and_then(OsStr::to_str).unwrap_or_default();
    match ending {
        "jsonl" | "ndjson" => Ok(PredictionFormat::Jsonl),
        "csv" => Ok(PredictionFormat::Csv),
        "tsv" | "parquet" | "xlsx" | "gz" | "zst" | "zip" => Err(Error::Usage(format!(
            "predictions are written as plain CSV or JSON Lines, not as .{ending}; name the output .csv or .jsonl, or give --format"
        ))),
        _ if args.texts.is_jsonl() => Ok(PredictionFormat::Jsonl),
        _ => Ok(PredictionFormat::Csv),
    }
}

/// Rows on their way through the classifier.
struct Rows<'c, W: Write> {
    classifier: &'c Classifier,
    writer: Writer<W>,
    waiting: Vec<InputRow>,
    texts: Vec<String>,
    bytes: usize,
    bar: EncodingBar,
}

impl<'c, W: Write> Rows<'c, W> {
    fn new(classifier: &'c Classifier, writer: Writer<W>) -> Self {
        Self { classifier, writer, waiting: Vec::new(), texts: Vec::new(), bytes: 0, bar: EncodingBar::default() }
    }

    fn take(&mut self, row: &TextRow<'_>, input: &str) -> Result<(), Error> {
        let refused = |refusal| match refusal {
            Refusal::Output(error) => Error::Output(error),
            refusal => Error::Row(format!("{input}, {} {}: {refusal}", row.unit, row.number)),
        };
        self.waiting.push(self.writer.take(row).map_err(refused)?);
        self.texts.push(row.text.to_owned());
        self.bytes += row.text.len();
        if self.texts.len() >= ROWS || self.bytes >= BYTES { self.classify() } else { Ok(()) }
    }

    /// Classifies and writes the rows that wait.
    fn classify(&mut self) -> Result<(), Error> {
        let bar = &mut self.bar;
        let predictions = self.classifier.classify(&self.texts, &mut |event| {
            bar.show("predict", &event, || {});
        })?;
        let explanations = match self.writer.explains() {
            true => self.classifier.explain(&self.texts, &predictions)?,
            false => vec![Vec::new(); predictions.len()],
        };
        for ((row, prediction), explanation) in self.waiting.drain(..).zip(&predictions).zip(&explanations) {
            self.writer.write(row, prediction, explanation)?;
        }
        self.texts.clear();
        self.bytes = 0;
        Ok(())
    }
}

/// Where predictions go: standard output, or a file that appears under its name when it is complete.
enum Output {
    Stdout(BufWriter<io::Stdout>),
    File(file::Output),
}

impl Output {
    fn new(path: Option<&Path>) -> Result<Self, Error> {
        match path {
            None => Ok(Self::Stdout(BufWriter::new(io::stdout()))),
            Some(path) => Ok(Self::File(file::Output::create(path)?)),
        }
    }

    fn finish(self) -> Result<(), Error> {
        match self {
            Self::Stdout(mut out) => Ok(out.flush()?),
            Self::File(out) => Ok(out.finish()?),
        }
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Stdout(out) => out.write(bytes),
            Self::File(out) => out.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Stdout(out) => out.flush(),
            Self::File(out) => out.flush(),
        }
    }
}
