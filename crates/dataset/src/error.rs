//! The errors of reading and splitting data. Every variant names the file, and the line if there is one.

mod key;
mod place;
mod words;

use std::path::{Path, PathBuf};

use emberline_base::file::FileError;
use emberline_base::number::{agreeing, counted};
use emberline_base::sniff::{FileUse, Kind};
use emberline_base::{OutOfMemory, SplitName};

pub use self::place::{Place, Unit};
pub(crate) use self::words::excerpt;
use self::words::{all_are, all_have, left_out, listed, none_of, suggested};

/// An error of reading or splitting data.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The file doesn't exist.
    #[error("{}: there is no such file; correct the path (a relative one counts from the pipeline file's folder)", path.display())]
    Missing {
        /// The path, joined to the base folder.
        path: PathBuf,
    },
    /// The file doesn't exist, but the settings say where it can be downloaded.
    #[error("{}: there is no such file; run `emberline fetch FILE`, which downloads it", path.display())]
    NotFetched {
        /// The path, joined to the base folder.
        path: PathBuf,
    },
    /// The file isn't the one that `sha256` names.
    #[error(
        "{}: its sha256 is {found}, the pipeline says {expected}; correct `sha256`, or fetch the file again with `emberline fetch --force FILE`",
        path.display()
    )]
    Hash {
        /// The file.
        path: PathBuf,
        /// What the settings say.
        expected: String,
        /// What it has.
        found: String,
    },
    /// The path is that of a folder.
    #[error("{}: this is a folder; name a file in it", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
    },
    /// The system failed to read the file.
    #[error(transparent)]
    File(#[from] FileError),
    /// There is not enough memory.
    #[error(transparent)]
    OutOfMemory(#[from] OutOfMemory),
    /// The ending of the file's name is that of no known format.
    #[error("{}: unknown format; the name must end in .csv, .tsv, .jsonl, .json or .parquet, plain or with .gz, .zst or .zip after it, or data.format must say it", path.display())]
    UnknownFormat {
        /// The file.
        path: PathBuf,
    },
    /// A compressed or binary file that ends early or contradicts itself.
    #[error("{}: damaged or cut off: {reason}; copy or download it again", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What its reader found.
        reason: String,
    },
    /// A compressed file that is far larger when uncompressed than data files are (a decompression bomb).
    #[error("{}: refused after {unpacked} unpacked bytes, {} times its own size; unpack it first if it is meant", path.display(), unpacked / packed.max(&1))]
    Oversized {
        /// The file.
        path: PathBuf,
        /// Bytes of the compressed file.
        packed: u64,
        /// Bytes that came out of it so far.
        unpacked: u64,
    },
    /// A zip archive that isn't one plain data file.
    #[error("{}: {reason}", path.display())]
    Archive {
        /// The archive.
        path: PathBuf,
        /// What is wrong with it, and the cure.
        reason: String,
    },
    /// An empty file.
    #[error("{}: the file is empty; copy or download it again, or name another one", path.display())]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// A file that holds only a header, or only blank lines.
    #[error("{}: there are no rows{}", path.display(), if *header { " below the header" } else { "" })]
    NoRows {
        /// The file.
        path: PathBuf,
        /// Whether a header was read.
        header: bool,
    },
    /// A file with rows of which none has both a text and a label.
    #[error("{}: {}: {empty} {} no text, {unlabelled} {} no label; are the right columns given as `text` and `label`?", path.display(), none_of(*read), agreeing(*empty, "has", "have"), agreeing(*unlabelled, "has", "have"))]
    NoUsableRows {
        /// The file.
        path: PathBuf,
        /// Rows in the file.
        read: usize,
        /// Those without a text.
        empty: usize,
        /// Those without a label.
        unlabelled: usize,
    },
    /// A file of another kind than its name says, by its first bytes.
    #[error("{}: {reason}", path.display())]
    OtherKind {
        /// The file.
        path: PathBuf,
        /// What it is instead, and the cure.
        reason: String,
    },
    /// Bytes that aren't UTF-8.
    #[error("{place}: byte {byte:#04X} (number {offset} of the file) is not UTF-8; {cure}")]
    NotUtf8 {
        /// Where.
        place: Place,
        /// The first invalid byte.
        byte: u8,
        /// Its number in the unpacked file; 1 is the first.
        offset: u64,
        /// What to do, by the bytes around it.
        cure: String,
    },
    /// A column that isn't in the file.
    #[error("{}: no column {column}{}; there {} {}{}", path.display(), suggested(nearest), if columns.len() == 1 { "is only" } else { "are" }, listed(columns, 30), hint.as_deref().map(|h| format!("; {h}")).unwrap_or_default())]
    NoColumn {
        /// The file.
        path: PathBuf,
        /// The column, as the settings name it.
        column: String,
        /// The most similar name.
        nearest: Option<String>,
        /// The names of all columns.
        columns: Vec<String>,
        /// What else may be wrong.
        hint: Option<String>,
    },
    /// A name that two columns have.
    #[error("{}: two columns are named `{column}`; give the column by its number", path.display())]
    AmbiguousColumn {
        /// The file.
        path: PathBuf,
        /// The name.
        column: String,
    },
    /// Two settings that mean one column.
    #[error("{}: columns {first} and {second} are one and the same; data.text, data.label, data.group and data.split.order each need a column of their own", path.display())]
    SameColumn {
        /// The file.
        path: PathBuf,
        /// The column, as the settings name it first.
        first: String,
        /// And again.
        second: String,
    },
    /// Two files of one dataset that don't share the label columns' names.
    #[error("{}: the label columns are {}, but {} has {}", path.display(), listed(columns, 30), first.display(), listed(expected, 30))]
    OtherColumns {
        /// The file that differs.
        path: PathBuf,
        /// Its label columns.
        columns: Vec<String>,
        /// The file it differs from.
        first: PathBuf,
        /// The label columns of that one.
        expected: Vec<String>,
    },
    /// A row with more or fewer fields than the first.
    #[error("{place}: {} where the first row has {expected}; {cure}", counted(*found, "field"))]
    FieldCount {
        /// Where the row begins.
        place: Place,
        /// Fields in this row.
        found: usize,
        /// Fields in the first row.
        expected: usize,
        /// What is likely to help.
        cure: String,
    },
    /// A quoted field that the file's end cuts off.
    #[error(
        "{place}: the quote that opens here is never closed; close it, or double it (\"\") if it belongs to the text"
    )]
    OpenQuote {
        /// Where the quote opens.
        place: Place,
    },
    /// A file that has no line of the form that its format has.
    #[error("{}: {reason}", path.display())]
    NotOfFormat {
        /// The file.
        path: PathBuf,
        /// What is missing, and the cure.
        reason: String,
    },
    /// A text beyond the last line of the file of labels.
    #[error("{place}: there is no label for this text, since {} has only {}; line N of one file belongs to line N of the other, so remove the lines that one of them has too many", labels.display(), counted(*lines, "line"))]
    NoLabelLine {
        /// The first text without a label.
        place: Place,
        /// The file of labels.
        labels: PathBuf,
        /// Its lines.
        lines: usize,
    },
    /// Labels beyond the last line of the file of texts.
    #[error("{}, line {}: there is no text for this label, since {} has only {}; line N of one file belongs to line N of the other, so remove the lines that one of them has too many", labels.display(), texts + 1, path.display(), counted(*texts, "line"))]
    NoTextLine {
        /// The file of texts.
        path: PathBuf,
        /// Its lines.
        texts: usize,
        /// The file of labels.
        labels: PathBuf,
        /// Its lines.
        lines: usize,
    },
    /// A file of class names that holds none, or one twice.
    #[error("{}: {reason}", path.display())]
    ClassNames {
        /// The file.
        path: PathBuf,
        /// What is wrong, with the line if there is one, and the cure.
        reason: String,
    },
    /// A label that the file of class names doesn't name.
    #[error("{place}: the label `{}` has no name in {}, which names {}; {cure}", excerpt(label), names.display(), listed(known, 12))]
    NoClassName {
        /// The first row with the label.
        place: Place,
        /// The label.
        label: Box<str>,
        /// The file of class names.
        names: Box<Path>,
        /// The labels that it names.
        known: Vec<String>,
        /// What to do.
        cure: Box<str>,
    },
    /// A file in which no column looks like texts, or like labels.
    #[error("{}: no column looks like {what}: {}. {}", path.display(), columns.join("; "), if *what == "texts" { "Texts are words in letters, and mostly differ from row to row; if there are some, name their column with --text" } else { "Labels are at least two different values, each in several rows; if there are some, name their column with --label" })]
    NothingLooksLike {
        /// The file.
        path: PathBuf,
        /// `texts` or `labels`.
        what: &'static str,
        /// What each column holds.
        columns: Vec<String>,
    },
    /// Text between a closing quote and the next delimiter.
    #[error("{place}: text follows the closing quote of a field that opens in line {opened}; {cure}")]
    TextAfterQuote {
        /// Where the text is.
        place: Place,
        /// The line of the field's opening quote.
        opened: u64,
        /// What is likely to help.
        cure: &'static str,
    },
    /// A quoted field with spaces before its opening quote, which is a field without quotes in RFC 4180.
    #[error(
        "{place}: there is a space before the opening quote of column {column}, so the quotes would become part of the value; remove the spaces between the delimiter and the quote, for example: sed -E 's/{delimiter} +\"/{delimiter}\"/g' OLD > NEW"
    )]
    BlankBeforeQuote {
        /// Where the row begins.
        place: Place,
        /// The column, by its name or number.
        column: String,
        /// The delimiter between fields.
        delimiter: char,
    },
    /// A line that isn't a JSON object.
    #[error("{place}: {reason}")]
    Json {
        /// Where.
        place: Place,
        /// What is wrong with it, and the cure.
        reason: String,
    },
    /// A JSON array that isn't whole, or isn't all of its file.
    #[error("{}: {reason}", path.display())]
    JsonArray {
        /// The file.
        path: PathBuf,
        /// What is wrong with it, and the cure.
        reason: &'static str,
    },
    /// An object of JSON Lines without the key of the text.
    #[error("{place}: the object has no key {column}; every row needs one, be it null or \"\"")]
    NoText {
        /// Where.
        place: Place,
        /// The key, as the settings name it.
        column: String,
    },
    /// A value that can't be a text or a label.
    #[error("{place}: column {column} holds {found}; expected {expected}")]
    Value {
        /// Where.
        place: Place,
        /// The column, as the settings name it.
        column: String,
        /// The value.
        found: String,
        /// What is expected instead.
        expected: &'static str,
    },
    /// A column of a type that can't be a text or a label.
    #[error("{}: column `{column}` is of type {found}; expected {expected}", path.display())]
    ColumnType {
        /// The file.
        path: PathBuf,
        /// The column.
        column: String,
        /// Its type.
        found: String,
        /// What it should be.
        expected: &'static str,
    },
    /// Only one class.
    #[error("{}: every label is `{class}`; at least two classes are needed", path.display())]
    OneClass {
        /// The file that gives the classes.
        path: PathBuf,
        /// The only class.
        class: String,
    },
    /// No row carries any class.
    #[error("{}: no row carries a label", path.display())]
    NoClass {
        /// The file that gives the classes.
        path: PathBuf,
    },
    /// More classes than are supported.
    #[error("{place}: more than {limit} different labels by this row; is column {column} the label column?")]
    TooManyClasses {
        /// The row with the first label too many.
        place: Place,
        /// The largest supported number of classes.
        limit: usize,
        /// The label column.
        column: String,
    },
    /// `positive` names no class.
    #[error("`data.positive` is `{positive}`{}, but the classes are {}", suggested(nearest), listed(classes, 30))]
    UnknownPositive {
        /// The setting.
        positive: String,
        /// The most similar class.
        nearest: Option<String>,
        /// All classes.
        classes: Vec<String>,
    },
    /// `positive` in a task without a positive class.
    #[error("`data.positive` is for two classes in one column; here {}; leave it out", if *multi_label { "the task is multi-label".to_owned() } else { format!("there {} {}", agreeing(*classes, "is", "are"), counted(*classes, "class")) })]
    NoPositive {
        /// The number of classes.
        classes: usize,
        /// Whether the task is multi-label.
        multi_label: bool,
    },
    /// A label of validation or test that the training rows lack.
    #[error("{place}: no training row has the label `{}` (training has {}){}; {} {} such a label. Correct them, or set data.unknown_labels: \"drop\" leaves such rows out, \"count_as_wrong\" keeps them and counts them as wrong", excerpt(label), listed(classes, 30), hint.as_deref().map(|hint| format!("; {hint}")).unwrap_or_default(), counted(*rows, if *rows == 1 { "validation or test row" } else { "validation and test row" }), agreeing(*rows, "has", "have"))]
    UnknownLabel {
        /// Its first row.
        place: Place,
        /// The label.
        label: Box<str>,
        /// The classes of the training rows.
        classes: Vec<String>,
        /// What may be wrong.
        hint: Option<Box<str>>,
        /// Validation and test rows with such a label.
        rows: usize,
    },
    /// A row that repeats the header, as when files were concatenated.
    #[error(
        "{place}: this row repeats the column names {}, so it is a second header, not data; remove the line",
        listed(names, 30)
    )]
    SecondHeader {
        /// The row.
        place: Place,
        /// The names of the columns that are read.
        names: Vec<String>,
    },
    /// Training rows that are all one text.
    #[error("{}: {} one text ({text:?}), so there is nothing to learn from; is the right column given as `text`?", path.display(), all_are(*rows))]
    OneText {
        /// The file of the training rows.
        path: PathBuf,
        /// Its usable rows.
        rows: usize,
        /// The text, cut if it is long.
        text: String,
    },
    /// A training split in which every row has the same label.
    #[error("{}: {} the label {label}, so there is nothing to learn; {reason}", path.display(), all_have(*rows))]
    OneClassToTrainOn {
        /// The file of the training rows.
        path: PathBuf,
        /// The training rows.
        rows: usize,
        /// The label that all of them have.
        label: String,
        /// Why, and the cure.
        reason: String,
    },
    /// Settings that ask for more rows than there are.
    #[error("{}: {asked} asked for, but there {} {}{}; lower the numbers in [data.split]", path.display(), agreeing(*available, "is", "are"), counted(*available, "usable row"), left_out(*leaks, *copies))]
    TooFewRows {
        /// The file that the rows are taken from.
        path: PathBuf,
        /// The splits and their sizes.
        asked: String,
        /// Usable rows in the file.
        available: usize,
        /// Rows that were left out because their text or group is in another split.
        leaks: usize,
        /// Rows that were left out as duplicates.
        copies: usize,
    },
    /// A class with fewer rows than `per_class` asks for.
    #[error("{}: {} of each class {} asked for, but of `{class}` {left} {} left beside validation and test; lower split.per_class, or hold out fewer rows", path.display(), counted(*asked as usize, "training row"), agreeing(*asked as usize, "is", "are"), agreeing(*left, "is", "are"))]
    TooFewOfClass {
        /// The file that the rows are taken from.
        path: PathBuf,
        /// Rows of each class.
        asked: u32,
        /// The class.
        class: String,
        /// The rows of the class that are available for training.
        left: usize,
    },
    /// An invalid line in a file of explicit rows.
    #[error("{place}: {reason}")]
    Draw {
        /// The line.
        place: Place,
        /// What is wrong with it, and the cure.
        reason: String,
    },
    /// A draw that isn't in the file of explicit rows.
    #[error("there is no draw `{draw}` in data.split.rows; there {} {}", if draws.len() == 1 { "is only" } else { "are" }, listed(draws, 30))]
    NoDraw {
        /// The draw, as the settings name it.
        draw: String,
        /// All draws.
        draws: Vec<String>,
    },
    /// A split without rows.
    #[error("{}: {split} gets no row: {reason}", path.display())]
    EmptySplit {
        /// The file that the rows are taken from.
        path: PathBuf,
        /// The split.
        split: SplitName,
        /// Why, and the cure.
        reason: String,
    },
    /// The function that receives the rows failed; its own error is returned instead of this one.
    #[error("reading was stopped")]
    Stopped,
    /// Settings that contradict themselves; `Settings::faults` lists all of them.
    #[error("data{}{key}: {message}; {hint}", if key.is_empty() { "" } else { "." })]
    Settings {
        /// The key below `[data]`.
        key: String,
        /// What is wrong.
        message: String,
        /// What to do.
        hint: String,
    },
}

impl Error {
    /// Returns the error for a file of another kind than its name says. `expected` is a noun phrase such as `CSV`.
    pub(crate) fn other_kind(path: &Path, found: Kind, expected: &str) -> Self {
        Self::OtherKind { path: path.to_owned(), reason: found.mismatch_message(expected, FileUse::Data) }
    }

    /// Whether the content doesn't have the form of its format, as when the file is of another format.
    pub(crate) fn is_malformed(&self) -> bool {
        matches!(
            self,
            Self::NoRows { .. }
                | Self::NoColumn { .. }
                | Self::FieldCount { .. }
                | Self::OpenQuote { .. }
                | Self::TextAfterQuote { .. }
                | Self::BlankBeforeQuote { .. }
                | Self::AmbiguousColumn { .. }
                | Self::Json { .. }
                | Self::JsonArray { .. }
        )
    }

    /// Returns a function for `map_err` that distinguishes a missing file and a folder from other failures of the system.
    pub(crate) fn reading(path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |source| match source.kind() {
            std::io::ErrorKind::NotFound => Self::Missing { path },
            std::io::ErrorKind::IsADirectory => Self::Folder { path },
            _ => Self::File(FileError { action: "read", path, source }),
        }
    }

    /// Whether memory was exhausted, which is no fault of the data.
    pub fn is_out_of_memory(&self) -> bool {
        match self {
            Self::OutOfMemory(_) => true,
            Self::File(error) => error.is_out_of_memory(),
            _ => false,
        }
    }

    /// Whether a file that the pipeline names is missing, is no ordinary file, or has another hash.
    pub fn is_asset(&self) -> bool {
        match self {
            Self::Missing { .. } | Self::NotFetched { .. } | Self::Hash { .. } | Self::Folder { .. } => true,
            Self::File(error) => error.is_not_a_file(),
            _ => false,
        }
    }
}
