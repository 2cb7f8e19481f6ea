//! Encoders as ONNX graphs, computed by the runtime `rten`.
//!
//! A folder (or a graph's file) and [`Options`] enter, an [`Onnx`] leaves, which makes a vector of a text:
//! text -> token ids (`sentence_transformer/tokenizer.rs`) -> the graph (`graph.rs`) -> one vector. Where the graph gives a
//! vector a token, pooling and the steps behind it are those of the folder, as with safetensors; where it gives a vector a
//! text, that is it.
//!
//! | file (`files.rs`) | what it says |
//! |---|---|
//! | `model.onnx`, `onnx/model.onnx`, or as [`Options::graphs`] say | the graph |
//! | `model.onnx_data`, `model.onnx.data` | its numbers, where they don't fit into the graph's file |
//! | `tokenizer.json` and its kin, beside the graph or one folder up | from text to token ids |
//! | `modules.json`, `1_Pooling/config.json`, ... one folder up | the steps behind the graph; without them: the mean of the tokens |
//!
//! Specification: ONNX, <https://onnx.ai/onnx/intro/concepts.html>; the names of inputs and outputs are those that the
//! exporters of `transformers`, Optimum and sentence-transformers write.

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
use self::graph::{Given, Graph};
use crate::Error;
use crate::sentence_transformer::modules::Modules;
use crate::sentence_transformer::pooling::Pooling;
use crate::sentence_transformer::prompt;
use crate::sentence_transformer::stage::Stage;
use crate::sentence_transformer::tokenizer::{Bounds, Tokens};
use crate::transformer::Config;

/// The version of this computation, which is part of the key that vectors are cached by. Raise it when the numbers change
/// that the same files and settings give, if only in their last bit: here too when `rten` is raised and computes otherwise.
pub const COMPUTATION: u32 = 1;

/// What a person may set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// The names that the graph may have in the folder; the first that is there is it.
    pub graphs: Vec<String>,
    /// The graph's output; when left out, `sentence_embedding`, `last_hidden_state`, `token_embeddings` or the first one.
    pub output: Option<String>,
    /// How tokens' vectors become one, by name; when left out, as the folder says, else the mean.
    pub pooling: Option<String>,
    /// What stands before every text: the name of a prompt of the model, or a text. When left out, the model's default
    /// prompt, where it has one.
    pub prompt: Option<String>,
    /// Scales vectors to length 1, even where the model doesn't.
    pub normalize: bool,
    /// The longest text in tokens, special ones included; when left out, the model's own.
    pub max_length: Option<usize>,
}

/// An encoder of texts.
pub struct Onnx {
    graph: Graph,
    tokens: Tokens,
    /// None where the graph gives a vector a text.
    pooling: Option<Pooling>,
    stages: Vec<Stage>,
    /// The numbers that the graph gives a token, or a text.
    hidden: usize,
    dim: usize,
    digest: Digest,
    warnings: Vec<Warning>,
}

impl Onnx {
    /// Reads a folder, or a graph's file.
    ///
    /// # Errors
    /// [`Error::Missing`] when the folder or a file isn't there, [`Error::Format`] when one is damaged, an operation isn't
    /// known, or inputs and outputs aren't those of an encoder of texts.
    pub fn open(path: &Path, options: &Options) -> Result<Self, Error> {
        let files = Files::find(path, &options.graphs)?;
        let prompt = prompt::resolve(&files.root, options.prompt.as_deref())?;
        let positions = if files.tokenizer.join("config.json").exists() {
            Config::read(&files.tokenizer)?.max_positions()
        } else {
            None
        };
        let bounds = Bounds { positions, most: None, rows: None };
        let tokens = Tokens::read(&files.tokenizer, bounds, options.max_length, prompt.text)?;
        let (graph, mut parts) = Graph::open(&files, options.output.as_deref())?;
        // What a graph gives is only known for certain once it has given something.
        let (given, hidden) = graph.probe(&tokens)?;
        let (pooling, stages) = behind(&files, options, given, hidden, &graph)?;
        let mut dim = pooling.as_ref().map_or(hidden, |pooling| pooling.dim(hidden));
        let mut read = Vec::new();
        for module in &stages {
            read.extend(Stage::read(module, &mut dim)?);
        }
        if options.normalize && !matches!(read.last(), Some(Stage::Normalize)) {
            read.push(Stage::Normalize);
        }
        parts.push(b"onnx/1".to_vec());
        parts.push(tokens.rules());
        parts.push(pooling.as_ref().map_or_else(Vec::new, |pooling| pooling.rules().into_bytes()));
        parts.extend(read.iter().map(Stage::rules));
        let digest = Digest::of_parts(parts.iter().map(Vec::as_slice));
        let warnings = prompt.warning.into_iter().collect();
        Ok(Self { graph, tokens, pooling, stages: read, hidden, dim, digest, warnings })
    }

    /// The length of a vector.
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// The numbers of the graph and of the steps behind it.
    pub fn parameters(&self) -> u64 {
        self.graph.parameters() + self.stages.iter().map(Stage::parameters).sum::<u64>()
    }

    /// The content address of everything that decides a text's vector.
    pub fn digest(&self) -> Digest {
        self.digest.clone()
    }

    /// What a person should know of the settings before trusting the vectors.
    pub fn warnings(&self) -> &[Warning] {
        &self.warnings
    }

    /// A vector a text, `[texts, dim]`. Every text is computed by itself on one thread, so that its vector doesn't depend on
    /// what stands beside it, nor on the number of threads. What isn't UTF-8 is replaced by U+FFFD.
    ///
    /// # Errors
    /// When the tokenizer fails, or the graph can't compute.
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
        // Each starts another, for its runner.
        let threads = rayon::current_num_threads().min(texts.len()).min(memory::room_for_threads() / 2);
        threads::work_on(threads, "onnx", each).into_iter().collect::<Result<(), Error>>()?;
        Ok(vectors)
    }

    fn vector(&self, text: &[u8], runner: &mut graph::Runner<'_>) -> Result<Vec<f32>, Error> {
        let ids = self.tokens.ids(text)?;
        let given = if ids.is_empty() { Vec::new() } else { runner.run(&ids)?.1 };
        let vector = match &self.pooling {
            Some(pooling) => pooling.pool(&given, self.hidden, self.tokens.prompt_tokens()?),
            None if given.is_empty() => vec![0.0; self.hidden],
            None => given,
        };
        Ok(self.stages.iter().fold(vector, |vector, stage| stage.apply(vector)))
    }
}

/// What stands behind the graph: nothing where it gives a vector a text already.
fn behind(
    files: &Files,
    options: &Options,
    given: Given,
    hidden: usize,
    graph: &Graph,
) -> Result<(Option<Pooling>, Vec<crate::sentence_transformer::modules::Module>), Error> {
    if given == Given::Text {
        return match &options.pooling {
            None => Ok((None, Vec::new())),
            Some(_) => Err(graph.fault("the output is a vector a text, pooled already; leave `pooling` out")),
        };
    }
    let modules = if files.root.join("modules.json").exists() { Some(Modules::read(&files.root)?) } else { None };
    let pooling = match (&options.pooling, &modules) {
        (Some(name), _) => Pooling::named(name).map_err(|reason| graph.fault(&reason))?,
        (None, Some(modules)) => modules.pooling(hidden)?,
        (None, None) => Pooling::mean(),
    };
    Ok((Some(pooling), modules.map(|modules| modules.behind).unwrap_or_default()))
}
