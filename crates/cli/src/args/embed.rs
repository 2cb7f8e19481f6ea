//! The arguments of `embed`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use emberline_device::Choice;

use crate::texts::TextArgs;

/// How vectors are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum VectorFormat {
    /// A line of JSON a text.
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
    /// The source's file or folder, where it has one.
    pub(crate) path: Option<PathBuf>,
    /// What a neural encoder computes on: auto, cpu, cuda or wgpu.
    #[arg(long, default_value = "auto")]
    pub(crate) device: Choice,
    /// Set an option of the source, such as combiner=sum; may be repeated.
    #[arg(long, value_name = "KEY=VALUE")]
    pub(crate) set: Vec<String>,
    #[command(flatten)]
    pub(crate) texts: TextArgs,
    /// The column of the texts, by its name, or by its number (1 is the first) where a file has no header.
    #[arg(long, value_name = "COLUMN", default_value = "text")]
    pub(crate) text: String,
    /// Where the vectors go [default: standard output].
    #[arg(long, short, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// How the vectors are written.
    #[arg(long, value_enum, default_value = "jsonl")]
    pub(crate) format: VectorFormat,
    /// Print the cosine similarity of every two texts, instead.
    #[arg(long)]
    pub(crate) similarity: bool,
    /// Compare the model with its published vectors, instead: use-4, use-large-5 or all-MiniLM-L6-v2.
    #[arg(long, value_name = "NAME", conflicts_with_all = ["input", "text", "delimiter", "output", "similarity"])]
    pub(crate) verify_published: Option<String>,
}
