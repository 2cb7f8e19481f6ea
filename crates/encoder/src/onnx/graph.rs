//! An ONNX graph: identifies its inputs and its output, and runs it for one text at a time.

use std::path::PathBuf;
use std::sync::Arc;

use emberline_base::sniff::{self, FileUse};
use emberline_base::{catch_panic, file};
use emberline_device::memory;
use rten::{LoadError, Model, ModelOptions, NodeId, RunOptions, ThreadPool, Value};
use rten_tensor::NdTensor;
use rten_tensor::prelude::*;
use sha2::{Digest as _, Sha256};

use super::files::Files;
use super::sizes;
use crate::Error;
use crate::sentence_transformer::tokenizer::PromptTokenizer;

/// The names of outputs that exporters use, in order of preference: the text's own vector first.
const OUTPUTS: [&str; 3] = ["sentence_embedding", "last_hidden_state", "token_embeddings"];
/// Bytes of memory that loading needs per byte of the files.
const LOADING: u64 = 3;
/// Maximum dimension of a token's vector, more than that of any encoder.
const MAX_HIDDEN: usize = 1 << 20;

/// A loaded graph.
pub(super) struct Graph {
    path: PathBuf,
    model: Model,
    inputs: Vec<(NodeId, Input)>,
    output: NodeId,
}

/// The meaning of an input of a graph; each has the shape `[1, tokens]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Input {
    Ids,
    /// The attention mask: all 1, since there is no padding.
    Mask,
    /// The token types: all 0, since there is one text and not a pair.
    Types,
    /// 0, 1, 2, ...
    Positions,
}

/// The kind of a graph's output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Output {
    /// One vector per token, `[1, tokens, hidden]`.
    PerToken,
    /// One vector per text, `[1, hidden]`.
    PerText,
}

impl Graph {
    /// Loads a graph. Returns it with the parts of its digest: the hashes of its files, and the name of its output.
    pub(super) fn open(files: &Files, output: Option<&str>) -> Result<(Self, Vec<Vec<u8>>), Error> {
        let bytes = file::read(&files.graph)?;
        let mut size = bytes.len() as u64;
        let mut parts = vec![Sha256::digest(&bytes).to_vec()];
        let mut options = ModelOptions::with_all_ops();
        options.prepack_weights(true);
        for (name, path) in &files.data {
            let numbers = file::read(path)?;
            if let Some(found) = sniff::placeholder_kind(&numbers) {
                return Err(Error::format(
                    path,
                    found.mismatch_message("the numbers of an ONNX graph", FileUse::Model),
                ));
            }
            parts.push(Sha256::digest(&numbers).to_vec());
            size += numbers.len() as u64;
            options.external_data(name, numbers);
        }
        let fault = |reason: String| Error::format(&files.graph, reason);
        // The runtime copies the weights when it reads them, and again when it packs them for matrix products.
        memory::require(LOADING * size)?;
        let checked = catch_panic(|| sizes::check(&bytes, size))
            .map_err(|panic| fault(format!("not an ONNX graph ({panic})")))?;
        checked.map_err(&fault)?;
        let model =
            catch_panic(|| options.load(bytes)).map_err(|panic| fault(format!("not an ONNX graph ({panic})")))?;
        let model = model.map_err(|e| fault(format!("can't be loaded as an ONNX graph: {e}{}", cure(&e))))?;
        let name = |id: &NodeId| model.node_info(*id).and_then(|info| info.name()).unwrap_or_default().to_owned();
        let inputs = model.input_ids().iter().map(|id| Ok((*id, Input::named(&name(id))?)));
        let inputs = inputs.collect::<Result<Vec<_>, String>>().map_err(&fault)?;
        if !inputs.iter().any(|(_, input)| *input == Input::Ids) {
            return Err(fault("has no input `input_ids`; it isn't an encoder of texts".to_owned()));
        }
        let names: Vec<String> = model.output_ids().iter().map(name).collect();
        let usual = OUTPUTS.iter().find_map(|usual| names.iter().position(|name| name == usual));
        let chosen = match output {
            None => usual.unwrap_or(0),
            Some(asked) => names
                .iter()
                .position(|name| name == asked)
                .ok_or_else(|| fault(format!("has no output {asked:?}; there are {}", names.join(", "))))?,
        };
        let output = *model.output_ids().get(chosen).ok_or_else(|| fault("has no output".to_owned()))?;
        parts.push(names[chosen].clone().into_bytes());
        Ok((Self { path: files.graph.clone(), model, inputs, output }, parts))
    }

    /// Returns the number of parameters of the graph.
    pub(super) fn parameters(&self) -> u64 {
        self.model.total_params() as u64
    }

    /// Creates an error about the graph's file.
    pub(super) fn fault(&self, reason: &str) -> Error {
        Error::format(&self.path, reason)
    }

    /// Runs the graph once to find out the kind of its output, and the dimension of a token's (or a text's) vector.
    pub(super) fn probe(&self, tokens: &PromptTokenizer) -> Result<(Output, usize), Error> {
        let mut ids = tokens.ids(b"a")?;
        if ids.is_empty() {
            ids.push(0);
        }
        let (kind, numbers) = self.runner().run(&ids)?;
        let hidden = if kind == Output::PerToken { numbers.len() / ids.len() } else { numbers.len() };
        if (1..=MAX_HIDDEN).contains(&hidden) {
            return Ok((kind, hidden));
        }
        Err(self.fault(&format!("its vectors have {hidden} numbers; 1 to {MAX_HIDDEN} are supported")))
    }

    /// Creates a runner with its own thread pool of one thread.
    pub(super) fn runner(&self) -> Runner<'_> {
        let pool = Arc::new(ThreadPool::with_num_threads(1));
        Runner { graph: self, options: RunOptions::default().with_thread_pool(Some(pool)) }
    }
}

/// Runs a graph on a single thread.
pub(super) struct Runner<'g> {
    graph: &'g Graph,
    options: RunOptions,
}

impl Runner<'_> {
    /// Runs the graph for a text of at least one token; returns the kind of the output and its numbers.
    pub(super) fn run(&mut self, ids: &[u32]) -> Result<(Output, Vec<f32>), Error> {
        let Graph { model, inputs, output, .. } = self.graph;
        let inputs = inputs.iter().map(|(id, input)| (*id, Value::from(input.of(ids)).into())).collect();
        let run = catch_panic(|| model.run_n(inputs, [*output], Some(self.options.clone())));
        let [value] = run.map_err(|panic| self.failed(ids, &panic))?.map_err(|e| self.failed(ids, &e.to_string()))?;
        let wrong =
            || self.graph.fault("its output isn't `[texts, tokens, numbers]` or `[texts, numbers]` of 32-bit floats");
        let tensor: rten_tensor::Tensor<f32> = value.try_into().map_err(|_| wrong())?;
        let kind = match tensor.shape() {
            [1, tokens, _] if *tokens == ids.len() => Output::PerToken,
            [1, _] => Output::PerText,
            _ => return Err(wrong()),
        };
        let numbers = tensor.to_vec();
        match numbers.iter().find(|number| !number.is_finite()) {
            None => Ok((kind, numbers)),
            Some(number) => Err(self.failed(ids, &format!("it gives {number}"))),
        }
    }

    fn failed(&self, ids: &[u32], why: &str) -> Error {
        let tokens = ids.len();
        self.graph.fault(&format!(
            "can't compute a text of {tokens} tokens: {why}; if longer texts alone fail, set `max_length`"
        ))
    }
}

impl Input {
    fn named(name: &str) -> Result<Self, String> {
        match name {
            "input_ids" => Ok(Self::Ids),
            "attention_mask" => Ok(Self::Mask),
            "token_type_ids" => Ok(Self::Types),
            "position_ids" => Ok(Self::Positions),
            other => Err(format!(
                "has an input {other:?}; `input_ids`, `attention_mask`, `token_type_ids` and `position_ids` are known"
            )),
        }
    }

    /// Creates the tensor of the input, `[1, tokens]`.
    fn of(self, ids: &[u32]) -> NdTensor<i32, 2> {
        let values = match self {
            Self::Ids => ids.iter().map(|&id| i32::try_from(id).unwrap_or(i32::MAX)).collect(),
            Self::Mask => vec![1; ids.len()],
            Self::Types => vec![0; ids.len()],
            Self::Positions => (0..ids.len() as i32).collect(),
        };
        NdTensor::from_data([1, ids.len()], values)
    }
}

/// Returns the advice for a graph whose external data is missing.
fn cure(error: &LoadError) -> &'static str {
    if error.to_string().contains("external data") {
        "; its weights must be in the same folder, in a file whose name is that of the graph followed by `_data` or `.data`"
    } else {
        ""
    }
}
