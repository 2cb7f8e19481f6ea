//! The input of commands that read texts: a file, standard input, or a shell's process substitution `<(...)`.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use emberline_base::file::FileError;
use emberline_dataset::settings::Column;
use emberline_dataset::{Source, StreamFormat, TextInput, TextRow, TextsRead};

use crate::exit::Error;

/// The input of a command that reads texts.
#[derive(Debug, Args)]
pub(crate) struct TextArgs {
    /// The file of the texts: .txt (one text per line), .csv, .tsv, .jsonl, .json or .parquet, plain or followed by .gz, .zst or
    /// .zip; `-` for standard input [default: -].
    #[arg(long, short, value_name = "FILE")]
    input: Option<PathBuf>,
    /// The format of the input, whatever its name says [default: by a file's name; lines for standard input].
    #[arg(long, value_name = "FORMAT", value_enum)]
    input_format: Option<InputFormat>,
    /// The delimiter between the fields of a .csv or .tsv file, such as a comma or a tab [default: by the name].
    #[arg(long, value_name = "CHARACTER")]
    delimiter: Option<char>,
}

/// The format of the input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum InputFormat {
    /// One text per line.
    Lines,
    /// Comma-separated values.
    Csv,
    /// Tab-separated values without quotes.
    Tsv,
    /// One JSON object per line.
    Jsonl,
}

impl From<InputFormat> for StreamFormat {
    fn from(format: InputFormat) -> Self {
        match format {
            InputFormat::Lines => Self::Lines,
            InputFormat::Csv => Self::Csv,
            InputFormat::Tsv => Self::Tsv,
            InputFormat::Jsonl => Self::Jsonl,
        }
    }
}

impl TextArgs {
    /// Passes every row to `take`, in order, the empty ones too. `text` is the column of the texts; `originals` says whether rows
    /// are passed with all their fields.
    ///
    /// # Errors
    /// When the input can't be read, or lacks the column; and the errors of `take`.
    pub(crate) fn read(
        &self,
        text: TextColumn,
        originals: bool,
        take: impl FnMut(TextRow<'_>) -> Result<(), Error>,
    ) -> Result<TextsRead, Error> {
        let mut stream: Box<dyn Read>;
        let format = self.input_format.map(StreamFormat::from);
        let of_stream = format.unwrap_or_default();
        let from = match self.path() {
            None => {
                stream = Box::new(io::stdin());
                Source::Stream(&mut *stream, self.name(), of_stream)
            }
            Some(path) if is_open_already(path) => {
                stream = Box::new(File::open(path).map_err(FileError::new("read", path))?);
                Source::Stream(&mut *stream, self.name(), of_stream)
            }
            Some(path) => Source::File(path),
        };
        let of_column = TextInput::of_column(from, text.column);
        let input = TextInput { format, header: text.header, delimiter: self.delimiter, originals, ..of_column };
        if let Some(fault) = input.delimiter_fault() {
            return Err(Error::Usage(format!("--delimiter: {fault}")));
        }
        input.read(take)
    }

    /// Refuses a column of an input without columns: standard input is read as lines unless its format is given.
    pub(crate) fn refuse_column(&self, column: Option<&str>) -> Result<(), Error> {
        let is_stream = self.path().is_none_or(is_open_already);
        let format = self.input_format.or(is_stream.then_some(InputFormat::Lines));
        if column.is_none() || format != Some(InputFormat::Lines) {
            return Ok(());
        }
        Err(Error::Usage(format!(
            "--text names a column, and {} is read as lines, which have none; give --input-format csv, tsv or jsonl",
            self.name()
        )))
    }

    /// Returns the name of the input for messages.
    pub(crate) fn name(&self) -> &str {
        self.path().map_or("standard input", |path| path.to_str().unwrap_or("the input"))
    }

    /// Whether the input is JSON Lines.
    pub(crate) fn is_jsonl(&self) -> bool {
        match self.path().filter(|path| !is_open_already(path)) {
            _ if self.input_format.is_some() => self.input_format == Some(InputFormat::Jsonl),
            None => false,
            Some(path) => {
                let name = path.to_string_lossy().to_ascii_lowercase();
                let plain = [".gz", ".zst", ".zip"].iter().find_map(|packing| name.strip_suffix(packing));
                plain.unwrap_or(&name).ends_with("jsonl") || plain.unwrap_or(&name).ends_with(".ndjson")
            }
        }
    }

    /// Returns the named file; none for standard input.
    fn path(&self) -> Option<&Path> {
        self.input.as_deref().filter(|path| path.as_os_str() != "-")
    }
}

/// The column of the texts.
#[derive(Debug)]
pub(crate) struct TextColumn {
    /// Its name or number.
    pub(crate) column: Column,
    /// Whether the first row holds names; if none, it does when the column is given by name.
    pub(crate) header: Option<bool>,
}

/// Parses a column from the command line: a number, or a name.
pub(crate) fn column(word: &str) -> TextColumn {
    let column = word.parse().map_or_else(|_| Column::Name(word.to_owned()), Column::Number);
    TextColumn { column, header: None }
}

/// Whether a path names a descriptor that is open already: standard input, or a shell's process substitution `<(...)`.
fn is_open_already(path: &Path) -> bool {
    ["/dev/stdin", "/dev/fd", "/proc/self/fd"].iter().any(|open| path.starts_with(open))
}
