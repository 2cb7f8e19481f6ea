//! `predict`: classifies texts with a trained cell of a run or a bundle, row for row.

use std::ffi::OsStr;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use emberline_base::file;
use emberline_base::number::counted;
use emberline_cache::Cache;
use emberline_dataset::TextRow;
use emberline_pipeline::{Classifier, ClassifierOptions, TrainingRows};

use crate::args::Predict;
use crate::exit::{Code, Error};
use crate::predictions::{Columns, InputRow, PredictionFormat, Refusal, RowOutput, Writer};
use crate::progress::EncodingBar;
use crate::terminal::{say, say_choice, warn};
use crate::texts::{TextColumn, column};

/// Maximum number of rows per batch; with [`BYTES`], it bounds the memory that a stream takes.
const ROWS: usize = 4096;
/// Maximum number of bytes of text per batch.
const BYTES: usize = 4 << 20;

pub(super) fn run(args: &Predict) -> Result<Code, Error> {
    let (cache, assets) = (Cache::for_current_user(), args.assets.clone());
    let options = ClassifierOptions { cache, assets, ..ClassifierOptions::on(args.device.resolve()?) };
    if args.assets.is_some() && args.run.is_file() {
        return Err(Error::Usage("a bundle holds the files of its embedding; leave --assets out".to_owned()));
    }
    let classifier = Classifier::open(&args.run, args.cell.as_deref(), options)?;
    if args.explain {
        classifier.check_explains()?;
    }
    say_choice(classifier.choice());
    let neighbours = args.neighbours.map(|count| Neighbours::find_among(&classifier, count)).transpose()?;
    let of_pipeline = || TextColumn { column: classifier.text_column().clone(), header: classifier.header() };
    args.texts.refuse_column(args.text.as_deref())?;
    let text = args.text.as_deref().map_or_else(of_pipeline, column);
    let (task, classes) = (classifier.task(), classifier.classes().to_vec());
    let columns =
        Columns { task, classes, all: args.all, explains: args.explain, neighbours: args.neighbours.is_some() };
    let output = Output::new(args.output.as_deref())?;
    let mut rows = Rows::new(&classifier, neighbours, Writer::new(output, format(args)?, columns));
    let read = args.texts.read(text, true, |row| rows.take(&row, args.texts.name()))?;
    rows.classify()?;
    let without_vector = rows.neighbours.map_or(0, |neighbours| neighbours.without_vector);
    let output = rows.writer.finish()?;
    output.finish()?;
    read.warnings.iter().for_each(warn);
    say(&format!("{} classified", counted(read.rows, "text")));
    if without_vector > 0 {
        let texts = counted(without_vector, "text");
        say(&format!("{texts} without a word that the embedding knows: no vector, no neighbours"));
    }
    Ok(Code::Fine)
}

/// Returns the format of the output: that of `--format`, of the output's name, or of the input.
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

/// Finds the nearest training rows of texts.
struct Neighbours {
    rows: TrainingRows,
    /// The number of neighbours per text.
    count: usize,
    /// The number of texts without a vector so far.
    without_vector: usize,
}

impl Neighbours {
    fn find_among(classifier: &Classifier, count: u16) -> Result<Self, Error> {
        let mut bar = EncodingBar::default();
        let rows = classifier.training_rows(&mut |event| {
            bar.show("training rows", &event);
        })?;
        Ok(Self { rows, count: count.into(), without_vector: 0 })
    }
}

/// Classifies rows in batches and writes them.
struct Rows<'c, W: Write> {
    classifier: &'c Classifier,
    neighbours: Option<Neighbours>,
    writer: Writer<W>,
    waiting: Vec<InputRow>,
    texts: Vec<String>,
    bytes: usize,
    bar: EncodingBar,
}

impl<'c, W: Write> Rows<'c, W> {
    fn new(classifier: &'c Classifier, neighbours: Option<Neighbours>, writer: Writer<W>) -> Self {
        let (waiting, texts, bar) = (Vec::new(), Vec::new(), EncodingBar::default());
        Self { classifier, neighbours, writer, waiting, texts, bytes: 0, bar }
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

    /// Classifies and writes the rows of the current batch.
    fn classify(&mut self) -> Result<(), Error> {
        let bar = &mut self.bar;
        let vectors = self.classifier.vectors(&self.texts, &mut |event| {
            bar.show("predict", &event);
        })?;
        let predictions = self.classifier.classify_vectors(&vectors)?;
        let explanations = match self.writer.explains() {
            true => self.classifier.explain(&self.texts, &predictions)?,
            false => vec![Vec::new(); predictions.len()],
        };
        let nearest = match &mut self.neighbours {
            Some(Neighbours { rows, count, without_vector }) => {
                let nearest = rows.nearest(vectors, *count)?;
                *without_vector += nearest.iter().filter(|nearest| nearest.is_none()).count();
                nearest
            }
            None => vec![None; predictions.len()],
        };
        let each = predictions.iter().zip(&explanations).zip(&nearest);
        for (row, ((prediction, explanation), nearest)) in self.waiting.drain(..).zip(each) {
            self.writer.write(row, RowOutput { prediction, explanation, neighbours: nearest.as_deref() })?;
        }
        self.texts.clear();
        self.bytes = 0;
        Ok(())
    }
}

/// The output of predictions: standard output, or a file that appears under its name when it is complete.
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
