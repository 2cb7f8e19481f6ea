//! Runs the graph of a module that isn't a table of words, such as the Universal Sentence Encoder.
//!
//! In: a MetaGraphDef and the module's files. Out: a [`GraphModule`], an [`Encoder`]. The graph is run for one text
//! at a time, so that no text's vector depends on the other texts. It also serves as the oracle of the tables: tests
//! run both on every module.

use std::path::PathBuf;

use emberline_base::{Digest, Matrix};
use rayon::prelude::*;
use savedmodel::proto::MetaGraphDef;
use savedmodel::{Data, Files, Function, SAVED_MODEL, Tensor, UnboundFunction};

use super::{check_vocabulary, files, graph};
use crate::{Encoder, Error};

/// The version of this computation, which is part of the key that vectors are cached under. Raise it when the numbers
/// change that the same files and settings give, even if only in their last bit.
const COMPUTATION: u32 = 1;
/// An arbitrary text: running it gives the length of the vectors, and shows that the graph runs.
const PROBE: &[u8] = b"a b";

/// A module whose graph is run, ready for texts.
pub struct GraphModule {
    function: Function,
    dim: usize,
    digest: Digest,
    /// The file that a message about a text names.
    place: PathBuf,
}

/// Loads the variables and vocabularies of a graph, and prepares it to run. `model`: the bytes of the graph.
pub(super) fn open(files: &Files, meta: &MetaGraphDef, model: &[u8]) -> Result<GraphModule, Error> {
    let fault = |reason: String| files::fault(files, SAVED_MODEL, reason);
    let entry = graph::find(meta).map_err(fault)?;
    let unbound = UnboundFunction::of(meta, &entry).map_err(fault)?;
    unbound.vocabularies().iter().try_for_each(|vocabulary| check_vocabulary(vocabulary, files))?;
    let function = unbound.load(files, meta).map_err(files::explained(files))?;
    let dim = vector(&function, PROBE).map_err(fault)?.len();
    let digest = digest(&function, model);
    Ok(GraphModule { function, dim, digest, place: files.place(SAVED_MODEL) })
}

/// Returns the digest of the graph, the words and the weights.
fn digest(function: &Function, model: &[u8]) -> Digest {
    let words = function.vocabularies().iter().map(|tokens| Digest::of(tokens.content()));
    let parts: Vec<Digest> = std::iter::once(Digest::of(model)).chain(words).collect();
    let weights = function.variable_digests().iter().map(String::as_bytes);
    let parts = parts.iter().map(|part| part.as_str().as_bytes()).chain(weights);
    Digest::of_parts([b"tfhub graph/2".as_slice()].into_iter().chain(parts))
}

/// Returns the numbers of one text's vector.
fn vector(function: &Function, text: &[u8]) -> Result<Vec<f32>, String> {
    let mut outputs = function.run(&[Tensor::vector(vec![text.to_vec()])]).map_err(|error| error.to_string())?;
    let Some(out) = outputs.pop() else { return Err("its function gives no tensor".to_owned()) };
    match (out.shape(), out.data()) {
        ([1, _] | [_], Data::F32(values)) => Ok(values.to_vec()),
        ([1, _] | [_], Data::F64(values)) => Ok(values.iter().map(|&v| v as f32).collect()),
        (shape, _) => Err(format!("makes {} of the shape {shape:?} of a text, not a vector", out.what())),
    }
}

impl Encoder for GraphModule {
    fn dim(&self) -> usize {
        self.dim
    }

    fn parameters(&self) -> u64 {
        self.function.parameters()
    }

    fn encode(&self, texts: &[&[u8]]) -> Result<Matrix, Error> {
        let mut matrix = Matrix::zeros(texts.len(), self.dim);
        if self.dim == 0 {
            return Ok(matrix);
        }
        let rows = matrix.values_mut().par_chunks_exact_mut(self.dim).zip(texts).enumerate();
        rows.try_for_each(|(number, (row, text))| {
            let fault = |reason: String| Error::format(&self.place, format!("text {}: {reason}", number + 1));
            let found = vector(&self.function, text).map_err(fault)?;
            if found.len() != row.len() {
                return Err(fault(format!("its vector has {} numbers, those of others {}", found.len(), row.len())));
            }
            row.copy_from_slice(&found);
            Ok(())
        })?;
        Ok(matrix)
    }

    fn digest(&self) -> Digest {
        self.digest.clone()
    }

    fn computation(&self) -> u32 {
        COMPUTATION
    }
}
