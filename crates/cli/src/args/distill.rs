//! The arguments of `distill`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use emberline_device::DeviceChoice;
use emberline_embedding::distill::{StoredType, TokenWeights};

/// How tokens are weighed by their frequency.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum WeightsName {
    /// All alike.
    None,
    /// By the logarithm of the rank, as early versions of model2vec did.
    Zipf,
    /// By smooth inverse frequency, which Zipf's law gives of the rank, as model2vec does.
    Sif,
}

/// The type of the numbers in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum StoredName {
    /// 32-bit floats.
    F32,
    /// 16-bit floats.
    F16,
    /// Whole numbers of 8 bits, with a scale per token.
    I8,
}

#[derive(Debug, Args)]
pub(crate) struct Distill {
    /// The kind of the source: sentence_transformer.
    pub(crate) kind: String,
    /// The model's folder.
    pub(crate) path: PathBuf,
    /// The folder to write: model.safetensors, tokenizer.json and config.json.
    #[arg(long, short, value_name = "DIR")]
    pub(crate) output: PathBuf,
    /// The length of a vector, of which principal components are taken [default: 256, or the encoder's own if it is shorter].
    #[arg(long, value_name = "N")]
    pub(crate) dim: Option<usize>,
    /// How tokens are weighed by their frequency, which their order tells.
    #[arg(long, value_enum, default_value = "sif")]
    pub(crate) weights: WeightsName,
    /// The coefficient of --weights sif, between 0 and 1: the smaller it is, the less a frequent token weighs.
    #[arg(long, value_name = "A", default_value = "1e-4", value_parser = coefficient)]
    pub(crate) sif: f64,
    /// Only the whole words of this file get vectors: one word per line, the most frequent first; texts are then cut into words, and
    /// others are unknown [default: every token of the encoder].
    #[arg(long, value_name = "FILE", conflicts_with = "words_of")]
    pub(crate) words: Option<PathBuf>,
    /// Only the whole words of the texts in this data file get vectors, the most frequent first: .txt, .csv, .tsv, .jsonl or
    /// .parquet, plain or followed by .gz, .zst or .zip.
    #[arg(long, value_name = "FILE")]
    pub(crate) words_of: Option<PathBuf>,
    /// The column of the texts in --words-of, by its name, or by its number (1 is the first) if the file has no header.
    #[arg(long, value_name = "COLUMN", default_value = "text")]
    pub(crate) text: String,
    /// At most so many words, the first ones.
    #[arg(long, value_name = "N")]
    pub(crate) max_words: Option<usize>,
    /// What the numbers of the table are stored in.
    #[arg(long, value_enum, default_value = "f32")]
    pub(crate) quantize: StoredName,
    /// The device for the encoder: auto, cpu, cuda or wgpu.
    #[arg(long, default_value = "auto")]
    pub(crate) device: DeviceChoice,
    /// Replace an existing folder.
    #[arg(long)]
    pub(crate) force: bool,
}

impl Distill {
    /// Returns the weights with their coefficient.
    pub(crate) fn token_weights(&self) -> TokenWeights {
        match self.weights {
            WeightsName::None => TokenWeights::None,
            WeightsName::Zipf => TokenWeights::Zipf,
            WeightsName::Sif => TokenWeights::Sif { coefficient: self.sif },
        }
    }
}

impl From<StoredName> for StoredType {
    fn from(name: StoredName) -> Self {
        match name {
            StoredName::F32 => Self::F32,
            StoredName::F16 => Self::F16,
            StoredName::I8 => Self::I8,
        }
    }
}

/// Parses the coefficient of smooth inverse frequency.
fn coefficient(text: &str) -> Result<f64, String> {
    let number = text.parse::<f64>().ok().filter(|number| *number > 0.0 && *number < 1.0);
    number.ok_or_else(|| "a number above 0 and below 1 is expected, such as 1e-4".to_owned())
}
