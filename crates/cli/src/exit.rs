//! The exit codes, and the code of each error.

use std::process::ExitCode;

use emberline_pipeline::{Pipeline, Span, StaleInput};

/// An exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Code {
    /// Success.
    Fine = 0,
    /// An unexpected error.
    Unexpected = 1,
    /// The command line is wrong.
    Usage = 2,
    /// The pipeline file is faulty.
    Invalid = 3,
    /// The data are invalid.
    Data = 4,
    /// The lock is missing or no longer fits, or cells are left to run.
    Stale = 5,
    /// A number is outside its tolerance.
    OutsideTolerance = 6,
    /// Some cells failed.
    CellsFailed = 7,
    /// A file that the pipeline names is missing, or has another hash.
    Asset = 8,
    /// SIGTERM ended the run, which continues from its checkpoints when it is started again (EX_TEMPFAIL of `sysexits.h`).
    TempFail = 75,
    /// SIGINT (Ctrl-C) ended the run, which continues from its checkpoints when it is started again.
    Interrupted = 130,
}

impl From<Code> for ExitCode {
    fn from(code: Code) -> Self {
        Self::from(code as u8)
    }
}

/// An error that ends a command.
#[derive(Debug)]
pub(crate) enum Error {
    /// The command line is invalid.
    Usage(String),
    /// A pipeline can't be loaded or run.
    Pipeline(emberline_pipeline::Error),
    /// An error of a pipeline, with the place in its file that names what is at fault.
    Located {
        /// The error.
        error: Box<Error>,
        /// The place and its line, as they are printed.
        place: String,
    },
    /// Texts can't be read.
    Data(emberline_dataset::Error),
    /// A row of the input can't be represented in the output.
    Row(String),
    /// An embedding can't be opened.
    Embedding(emberline_embedding::Error),
    /// The device that is asked for can't be used.
    Device(emberline_device::Unavailable),
    /// Nothing can be downloaded, for a reason in the environment.
    Fetch(emberline_fetch::Error),
    /// Cells can't be submitted to a cluster.
    Cluster(emberline_cluster::Error),
    /// The system could not start a thread.
    Threads(std::io::Error),
    /// A file can't be written.
    File(emberline_base::file::FileError),
    /// Standard output can't be written to; a closed pipe is no error.
    Output(std::io::Error),
}

impl Error {
    /// Returns the error of a pipeline with the place in its file that names what is at fault, if there is one.
    pub(crate) fn of_pipeline(pipeline: &Pipeline, error: emberline_pipeline::Error) -> Self {
        let of_each = match &error {
            emberline_pipeline::Error::MissingFiles(missing) => missing.as_slice(),
            other => std::slice::from_ref(other),
        };
        let mut places: Vec<String> = Vec::new();
        for place in of_each.iter().filter_map(|error| pipeline.place_of(error)).map(|place| place.shown()) {
            if !places.contains(&place) {
                places.push(place);
            }
        }
        match places.is_empty() {
            true => error.into(),
            false => Self::Located { error: Box::new(error.into()), place: places.join("\n") },
        }
    }

    /// Returns an error with a place, if there is one.
    pub(crate) fn at(error: Self, place: Option<Span>) -> Self {
        match place {
            Some(place) => Self::Located { error: Box::new(error), place: place.shown() },
            None => error,
        }
    }

    /// Returns the exit code of the error.
    pub(crate) fn code(&self) -> Code {
        use emberline_pipeline::Error as Pipeline;
        match self {
            Self::Cluster(error) => of_cluster(error),
            Self::Usage(_) | Self::Device(_) | Self::Fetch(_) => Code::Usage,
            Self::Located { error, .. } => error.code(),
            Self::Pipeline(Pipeline::Invalid(_) | Pipeline::NoCells(_) | Pipeline::TooLarge { .. }) => Code::Invalid,
            Self::Pipeline(Pipeline::PipelineFile(_) | Pipeline::MissingFiles(_)) => Code::Asset,
            Self::Pipeline(Pipeline::NoSuchCell { .. }) => Code::Usage,
            Self::Pipeline(Pipeline::Data(error)) | Self::Data(error) if error.is_out_of_memory() => Code::Unexpected,
            Self::Pipeline(Pipeline::Data(error)) | Self::Data(error) if error.is_asset() => Code::Asset,
            Self::Data(emberline_dataset::Error::UnknownFormat { .. }) => Code::Usage,
            Self::Pipeline(Pipeline::TrainingData { source }) => of_training_data(source),
            Self::Pipeline(Pipeline::OtherTrainingData { .. }) => Code::Stale,
            Self::Pipeline(Pipeline::NoTrainingText) => Code::Usage,
            Self::Pipeline(Pipeline::Data(_) | Pipeline::Checks(_)) | Self::Data(_) | Self::Row(_) => Code::Data,
            Self::Pipeline(Pipeline::Embedding { source, .. }) | Self::Embedding(source) => of_embedding(source),
            Self::Pipeline(Pipeline::File(error)) | Self::File(error) if error.is_not_a_file() => Code::Asset,
            Self::Pipeline(Pipeline::Train(emberline_train::Error::Device(_))) => Code::Usage,
            Self::Pipeline(Pipeline::Train(emberline_train::Error::File(error))) if error.is_not_a_file() => {
                Code::Asset
            }
            Self::Pipeline(Pipeline::Train(emberline_train::Error::ModelFile { why, .. })) => of_model(why),
            Self::Pipeline(Pipeline::Train(emberline_train::Error::Model(
                emberline_train::ModelError::OnnxTooLarge { .. },
            ))) => Code::Usage,
            Self::Pipeline(Pipeline::Train(emberline_train::Error::Unsupported(_))) => Code::Invalid,
            Self::Pipeline(Pipeline::NoLock(_) | Pipeline::Lock { .. }) => Code::Stale,
            Self::Pipeline(Pipeline::WorkPending(_) | Pipeline::RefitPending(_)) => Code::Stale,
            Self::Pipeline(Pipeline::Stale(stale)) => of_inputs(stale),
            Self::Pipeline(Pipeline::OtherVersion { .. }) => Code::Stale,
            Self::Pipeline(Pipeline::RunFile { .. } | Pipeline::Learned { .. }) => Code::Asset,
            Self::Pipeline(Pipeline::EncoderNotKept { .. } | Pipeline::EncoderDamaged { .. }) => Code::Asset,
            Self::Pipeline(Pipeline::FrozenEncoder { .. }) => Code::Usage,
            Self::Pipeline(Pipeline::OtherPipeline { .. }) => Code::Usage,
            Self::Pipeline(Pipeline::Refit { .. }) => Code::CellsFailed,
            Self::Pipeline(Pipeline::Report(error)) => of_report(error),
            Self::Pipeline(Pipeline::Bundle { why, .. }) => of_bundle(why),
            Self::Pipeline(_) | Self::File(_) | Self::Threads(_) => Code::Unexpected,
            Self::Output(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Code::Fine,
            Self::Output(_) => Code::Unexpected,
        }
    }
}

/// Returns the code for inputs that differ from the lock: `Asset` if an embedding's files differ, else `Stale`.
pub(crate) fn of_inputs(stale: &[StaleInput]) -> Code {
    if stale.iter().any(|stale| stale.is_asset) { Code::Asset } else { Code::Stale }
}

/// Returns the code for training data that are read again: `Asset` if a file is missing. If the data can't be read or split any
/// more, they have changed since training: `Stale`.
fn of_training_data(error: &emberline_dataset::Error) -> Code {
    match error {
        error if error.is_out_of_memory() => Code::Unexpected,
        error if error.is_asset() => Code::Asset,
        _ => Code::Stale,
    }
}

fn of_cluster(error: &emberline_cluster::Error) -> Code {
    use emberline_cluster::Error as Cluster;
    match error {
        Cluster::NoProfile
        | Cluster::NoSuchProfile { .. }
        | Cluster::Profile { .. }
        | Cluster::NoSlurm { .. }
        | Cluster::Refused { .. }
        | Cluster::NotShared { .. }
        | Cluster::NotSeen { .. } => Code::Usage,
        Cluster::OtherPlan { .. } | Cluster::Damaged { .. } => Code::Stale,
        Cluster::Slurm { .. } | Cluster::NoSpace { .. } | Cluster::File(_) => Code::Unexpected,
    }
}

fn of_report(error: &emberline_pipeline::ReportError) -> Code {
    use emberline_pipeline::ReportError as Report;
    match error {
        Report::Version { .. } | Report::EarlierVersion { .. } => Code::Stale,
        Report::Study(_) | Report::Table(_) => Code::Unexpected,
        Report::UnknownMetric { .. } | Report::LossesDiffer { .. } => Code::Usage,
        Report::NoSuchCell { .. } => Code::Usage,
        Report::NotDone { .. } | Report::NothingToChoose { .. } => Code::Stale,
        Report::NoCellEnded(_) | Report::NotSummarised(_) => Code::Stale,
        Report::NotARun(_)
        | Report::Missing(_)
        | Report::Settings(_)
        | Report::Changed(_)
        | Report::NoSums(_)
        | Report::Json { .. }
        | Report::Cell { .. }
        | Report::Page { .. }
        | Report::History { .. } => Code::Asset,
        Report::File(error) if error.is_not_a_file() => Code::Asset,
        Report::File(_) => Code::Unexpected,
    }
}

/// Returns the code for a model file: `Stale` if it has another version, `Asset` if it can't be used for another reason.
fn of_model(error: &emberline_train::ModelError) -> Code {
    match error {
        emberline_train::ModelError::OtherVersion { .. } => Code::Stale,
        emberline_train::ModelError::OutOfMemory(_) => Code::Unexpected,
        _ => Code::Asset,
    }
}

/// Returns the code for a bundle: `Stale` if it has another version, `Asset` if it can't be used for another reason.
fn of_bundle(error: &emberline_pipeline::BundleError) -> Code {
    use emberline_pipeline::BundleError as Bundle;
    match error {
        Bundle::OtherVersion { .. } => Code::Stale,
        Bundle::Exists => Code::Usage,
        Bundle::NotABundle { .. } | Bundle::Damaged { .. } => Code::Asset,
        Bundle::Incomplete { .. } | Bundle::OutOfMemory(_) => Code::Unexpected,
    }
}

fn of_embedding(error: &emberline_embedding::Error) -> Code {
    match error {
        emberline_embedding::Error::OutOfMemory(_) | emberline_embedding::Error::Memory(_) => Code::Unexpected,
        emberline_embedding::Error::File(error) if error.is_out_of_memory() => Code::Unexpected,
        emberline_embedding::Error::Missing { .. } | emberline_embedding::Error::Hash { .. } => Code::Asset,
        emberline_embedding::Error::Format { .. } | emberline_embedding::Error::File(_) => Code::Asset,
        emberline_embedding::Error::OtherSource { .. }
        | emberline_embedding::Error::TunedRows { .. }
        | emberline_embedding::Error::TunedEncoder { .. }
        | emberline_embedding::Error::NotLearned { .. } => Code::Asset,
        emberline_embedding::Error::Export { .. } => Code::Usage,
        emberline_embedding::Error::Unsupported(_) | emberline_embedding::Error::Device(_) => Code::Usage,
        emberline_embedding::Error::Interrupted => Code::Interrupted,
    }
}

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Usage(message) | Self::Row(message) => f.write_str(message),
            Self::Pipeline(error) => error.fmt(f),
            Self::Located { error, place } => write!(f, "{error}\n{place}"),
            Self::Data(emberline_dataset::Error::Missing { path }) => {
                write!(f, "{}: there is no such file", path.display())
            }
            Self::Data(emberline_dataset::Error::UnknownFormat { path }) => write!(
                f,
                "{}: unknown format; the name must end in .txt (one text per line), .csv, .tsv, .jsonl, .json or .parquet, plain or with \
                 .gz, .zst or .zip after it",
                path.display()
            ),
            Self::Data(error) => error.fmt(f),
            Self::Embedding(error) => error.fmt(f),
            Self::Device(error) => error.fmt(f),
            Self::Fetch(error) => error.fmt(f),
            Self::Cluster(error) => error.fmt(f),
            Self::Threads(error) => write!(
                f,
                "the system could not start a thread: {}; raise the limits of processes (`ulimit -u`) and memory (`ulimit -v`), or the container's",
                emberline_base::file::system_message(error)
            ),
            Self::File(error) => error.fmt(f),
            Self::Output(error) => write!(f, "can't write to standard output: {error}"),
        }
    }
}

impl From<emberline_pipeline::Error> for Error {
    fn from(error: emberline_pipeline::Error) -> Self {
        Self::Pipeline(error)
    }
}

impl From<emberline_dataset::Error> for Error {
    fn from(error: emberline_dataset::Error) -> Self {
        Self::Data(error)
    }
}

impl From<emberline_embedding::Error> for Error {
    fn from(error: emberline_embedding::Error) -> Self {
        Self::Embedding(error)
    }
}

impl From<emberline_device::Unavailable> for Error {
    fn from(error: emberline_device::Unavailable) -> Self {
        Self::Device(error)
    }
}

impl From<emberline_fetch::Error> for Error {
    fn from(error: emberline_fetch::Error) -> Self {
        Self::Fetch(error)
    }
}

impl From<emberline_cluster::Error> for Error {
    fn from(error: emberline_cluster::Error) -> Self {
        Self::Cluster(error)
    }
}

impl From<emberline_base::file::FileError> for Error {
    fn from(error: emberline_base::file::FileError) -> Self {
        Self::File(error)
    }
}

impl From<std::io::Error> for Error {
    fn from(error: std::io::Error) -> Self {
        Self::Output(error)
    }
}
