//! Text encoders in the ONNX format, run by the runtime `rten`.
//!
//! Input: a folder (or the file of a graph) and [`Options`]. Output: an [`Onnx`] encoder, which computes text -> token ids
//! (`sentence_transformer/tokenizer.rs`) -> the graph (`graph.rs`) -> one vector per text. If the graph's output is one vector
//! per token, the folder's pooling and the modules after it are applied, as for safetensors; if it is one vector per text,
//! that vector is the result.
//!
//! | file (`files.rs`) | content |
//! |---|---|
//! | `model.onnx`, `onnx/model.onnx`, or a name of [`Options::graphs`] | the graph |
//! | `model.onnx_data`, `model.onnx.data` | the external data: weights that don't fit into the graph's file |
//! | `tokenizer.json` and related files, next to the graph or in the parent folder | the tokenizer |
//! | `modules.json`, `1_Pooling/config.json`, ... in the same folders | the modules after the graph; without them, mean pooling |
//!
//! Specification: ONNX, <https://onnx.ai/onnx/intro/concepts.html>. The names of inputs and outputs are those that the
//! exporters of `transformers`, Optimum and sentence-transformers use.

mod files;
mod graph;
mod sizes;
#[cfg(test)]
mod tests;

use std::path::Path;
use std::sync::Mutex;

use emberline_base::{Digest, Matrix, Warning, threads};
use emberline_device::memory;

use self::files::Files;
use self::graph::{Graph, Output};
use crate::sentence_transformer::modules::Modules;
use crate::sentence_transformer::pooling::Pooling;
use crate::sentence_transformer::prompt;
use crate::sentence_transformer::stage::Stage;
use crate::sentence_transformer::tokenizer::{ModelLimits, PromptTokenizer};
use crate::transformer::Config;
use crate::{EncoderOptions, Error};

/// The version of this computation, which is part of the key of cached vectors. Increase it if the same files and settings
/// give other vectors, even if only in their last bit, also because of an update of `rten`.
pub const COMPUTATION: u32 = 1;

/// Options of an ONNX encoder.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Possible names of the graph in the folder; the first one that exists is used.
    pub graphs: Vec<String>,
    /// The name of the graph's output. By default, `sentence_embedding`, `last_hidden_state`, `token_embeddings` or the first
    /// output.
    pub output: Option<String>,
    /// The pooling mode, by name. By default, that of the folder, or else the mean.
    pub pooling: Option<String>,
    /// How texts are encoded.
    pub encoder: EncoderOptions,
}

/// A text encoder in the ONNX format.
pub struct Onnx {
    graph: Graph,
    tokens: PromptTokenizer,
    /// `None` if the graph's output is one vector per text.
    pooling: Option<Pooling>,
    stages: Vec<Stage>,
    /// The dimension of the graph's output, per token or per text.
    hidden: usize,
    dim: usize,
    digest: Digest,
    warnings: Vec<Warning>,
}

impl Onnx {
    /// Opens a folder, or the file of a graph.
    ///
    /// # Errors
    /// [`Error::Missing`] if the folder or a file is missing; [`Error::Format`] if a file is corrupt, an operator is
    /// unsupported, or the inputs and outputs aren't those of a text encoder.
    pub fn open(path: &Path, options: &Options) -> Result<Self, Error> {
        let files = Files::find(path, &options.graphs)?;
        let prompt = prompt::resolve(&files.root, options.encoder.prompt.as_deref())?;
        let positions = if files.tokenizer.join("config.json").exists() {
            Config::read(&files.tokenizer)?.max_positions()
        } else {
            None
        };
        let bounds = ModelLimits { positions, most: None, rows: None };
        let tokens = PromptTokenizer::read(&files.tokenizer, bounds, options.encoder.max_length, prompt.text)?;
        let (graph, mut parts) = Graph::open(&files, options.output.as_deref())?;
        // The kind and the dimension of the output are only certain after the graph has run once.
        let (kind, hidden) = graph.probe(&tokens)?;
        let (pooling, stages) = post_processing(&files, options, kind, hidden, &graph)?;
        let mut dim = pooling.as_ref().map_or(hidden, |pooling| pooling.dim(hidden));
        let mut read = Vec::new();
        for module in &stages {
            read.extend(Stage::read(module, &mut dim)?);
        }
        if options.encoder.normalize && !matches!(read.last(), Some(Stage::Normalize)) {
            read.push(Stage::Normalize);
        }
        parts.push(b"onnx/1".to_vec());
        parts.push(tokens.digest_part());
        parts.push(pooling.as_ref().map_or_else(Vec::new, |pooling| pooling.digest_part().into_bytes()));
        parts.extend(read.iter().map(Stage::digest_part));
        let digest = Digest::of_parts(parts.iter().map(Vec::as_slice));
        let warnings = prompt.warning.into_iter().collect();
        Ok(Self { graph, tokens, pooling, stages: read, hidden, dim, digest, warnings })
    }

    /// Returns the dimension of a vector.
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// Returns whether every vector is scaled to length 1.
    pub fn normalizes(&self) -> bool {
        matches!(self.stages.last(), Some(Stage::Normalize))
    }

    /// Returns the number of parameters of the graph and of the modules after it.
    pub fn parameters(&self) -> u64 {
        self.graph.parameters() + self.stages.iter().map(Stage::parameters).sum::<u64>()
    }

    /// Returns the digest of everything that determines a text's vector.
    pub fn digest(&self) -> Digest {
        self.digest.clone()
    }

    /// Returns the maximum length of a text in tokens.
    pub fn max_tokens(&self) -> usize {
        self.tokens.longest()
    }

    /// Returns whether a text is longer than that, so that a part of it is cut off.
    ///
    /// # Errors
    /// If the tokenizer is corrupt.
    pub fn is_cut(&self, text: &[u8]) -> Result<bool, Error> {
        self.tokens.is_cut(text)
    }

    /// Returns the warnings about the options.
    pub fn warnings(&self) -> &[Warning] {
        &self.warnings
    }

    /// Encodes texts, one vector per text, `[texts, dim]`. Every text is computed alone on one thread, so that its vector
    /// depends neither on the other texts nor on the number of threads. Invalid UTF-8 is replaced by U+FFFD.
    ///
    /// # Errors
    /// If the tokenizer fails, or the graph can't be run.
    pub fn encode(&self, texts: &[&[u8]]) -> Result<Matrix, Error> {
        let mut vectors = Matrix::zeros(texts.len(), self.dim);
        let work = Mutex::new(texts.iter().zip(vectors.values_mut().chunks_exact_mut(self.dim)));
        let take = || work.lock().expect("no thread panics while it holds the lock").next();
        let each = || -> Result<(), Error> {
            let mut runner = self.graph.runner();
            while let Some((text, row)) = take() {
                row.copy_from_slice(&self.vector(text, &mut runner)?);
            }
            Ok(())
        };
        // Each thread starts another one, for its runner.
        let threads = rayon::current_num_threads().min(texts.len()).min(memory::max_additional_threads() / 2);
        threads::run_on_threads(threads, "onnx", each).into_iter().collect::<Result<(), Error>>()?;
        Ok(vectors)
    }

    fn vector(&self, text: &[u8], runner: &mut graph::Runner<'_>) -> Result<Vec<f32>, Error> {
        let ids = self.tokens.ids(text)?;
        let output = if ids.is_empty() { Vec::new() } else { runner.run(&ids)?.1 };
        let vector = match &self.pooling {
            Some(pooling) => pooling.pool(&output, self.hidden, self.tokens.prompt_tokens()?),
            None if output.is_empty() => vec![0.0; self.hidden],
            None => output,
        };
        Ok(self.stages.iter().fold(vector, |vector, stage| stage.apply(vector)))
    }
}

/// Returns the pooling and the modules that are applied to the graph's output; none if it is one vector per text already.
fn post_processing(
    files: &Files,
    options: &Options,
    kind: Output,
    hidden: usize,
    graph: &Graph,
) -> Result<(Option<Pooling>, Vec<crate::sentence_transformer::modules::Module>), Error> {
    if kind == Output::PerText {
        return match &options.pooling {
            None => Ok((None, Vec::new())),
            Some(_) => {
                Err(graph.fault("the output is one vector per text, which is pooled already; leave `pooling` out"))
            }
        };
    }
    let modules = if files.root.join("modules.json").exists() { Some(Modules::read(&files.root)?) } else { None };
    let pooling = match (&options.pooling, &modules) {
        (Some(name), _) => Pooling::named(name).map_err(|reason| graph.fault(&reason))?,
        (None, Some(modules)) => modules.pooling(hidden)?,
        (None, None) => Pooling::mean(),
    };
    Ok((Some(pooling), modules.map(|modules| modules.after_pooling).unwrap_or_default()))
}
