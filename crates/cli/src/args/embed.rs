//! The arguments of `embed`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use emberline_device::DeviceChoice;

use crate::texts::TextArgs;

/// How vectors are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum VectorFormat {
    /// One JSON object per text.
    Jsonl,
    /// A NumPy array, [texts, dim].
    Npy,
    /// A safetensors file with one array, `embeddings`.
    Safetensors,
}

#[derive(Debug, Args)]
pub(crate) struct Embed {
    /// The kind of source, such as tfhub, word_vectors, model2vec or sentence_transformer.
    pub(crate) kind: String,
    /// The source's file or folder, if it has one.
    pub(crate) path: Option<PathBuf>,
    /// The device for neural encoders: auto, cpu, cuda or wgpu.
    #[arg(long, default_value = "auto")]
    pub(crate) device: DeviceChoice,
    /// Set an option of the source, such as combiner=sum; may be repeated.
    #[arg(long, value_name = "KEY=VALUE")]
    pub(crate) set: Vec<String>,
    #[command(flatten)]
    pub(crate) texts: TextArgs,
    /// The column of the texts, by its name, or by its number (1 is the first) if a file has no header.
    #[arg(long, value_name = "COLUMN", default_value = "text")]
    pub(crate) text: String,
    /// The file to write the vectors to [default: standard output].
    #[arg(long, short, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// The format of the vectors.
    #[arg(long, value_enum, default_value = "jsonl")]
    pub(crate) format: VectorFormat,
    /// Print the cosine similarity of every pair of texts instead.
    #[arg(long)]
    pub(crate) similarity: bool,
    /// Compare the model with its published vectors instead: use-4, use-large-5 or all-MiniLM-L6-v2.
    #[arg(long, value_name = "NAME", conflicts_with_all = ["input", "text", "delimiter", "output", "similarity"])]
    pub(crate) verify_published: Option<String>,
}
