//! Runs the graph of a module that is no table of words: the Universal Sentence Encoder and others built of the same
//! ops.
//!
//! In: a MetaGraphDef, the checkpoint, vocabularies. Out: a [`GraphModule`], an [`Encoder`]. [`mod@sketch`] takes the graph
//! apart into steps of known [`ops`]; [`program`] computes what doesn't depend on the text, once, and runs the rest
//! for one text at a time, so that no text's vector depends on the texts beside it. [`tensor`] and [`view`] are what
//! the steps hand on.
//!
//! The same interpreter is the oracle of the tables: tests run both on every module.

mod ops;
mod program;
mod sketch;
mod tensor;
mod view;

#[cfg(test)]
mod damage;
#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::sync::Arc;

use emberline_base::{Digest, Matrix};
use rayon::prelude::*;

use self::program::Program;
use self::sketch::sketch;
use self::tensor::{Data, Element, Tensor};
use super::bundle::{Bundle, Number};
use super::files::{Files, SAVED_MODEL};
use super::keys::Keys;
use super::proto::{MetaGraphDef, dtype};
use super::slices::Region;
use crate::{Encoder, Error};

/// The version of this computation, which is part of the key that vectors are cached by. Raise it when the numbers change
/// that the same files and settings give, if only in their last bit.
const COMPUTATION: u32 = 1;
/// Any text: shows how long vectors are, and that the graph runs.
const PROBE: &[u8] = b"a b";

/// A module whose graph is run, ready for texts.
pub struct GraphModule {
    program: Program,
    dim: usize,
    parameters: u64,
    digest: Digest,
    /// The file that a message about a text names.
    place: PathBuf,
}

/// Whether a graph can be run, as far as it can be told without its variables.
///
/// # Errors
/// The first op that isn't read.
pub(super) fn check(meta: &MetaGraphDef) -> Result<(), String> {
    sketch(meta).map(|_| ())
}

/// Loads what a graph uses, and makes it ready to run. `model`: the bytes of the graph.
pub(super) fn open(files: &Files, meta: &MetaGraphDef, model: &[u8]) -> Result<GraphModule, Error> {
    let fault = |reason: String| files.fault(SAVED_MODEL, reason);
    let (sketch, output) = sketch(meta).map_err(fault)?;
    let mut parts = vec![Digest::of(model)];
    let mut vocabularies = Vec::with_capacity(sketch.vocabularies.len());
    for vocabulary in &sketch.vocabularies {
        let tokens = super::vocabulary(vocabulary, files)?;
        parts.push(Digest::of(tokens.content()));
        vocabularies.push(Tensor::table(Arc::new(tokens)));
    }
    let mut variables = Vec::with_capacity(sketch.variables.len());
    if !sketch.variables.is_empty() {
        let bundle = Bundle::open(files)?;
        let keys = Keys::read(meta, &bundle, sketch.variables.iter())?;
        for variable in &sketch.variables {
            let (key, region) = keys.of(variable).map_err(fault)?;
            let (tensor, digest) = load(&bundle, &key, region.as_ref())?;
            variables.push(tensor);
            parts.push(digest);
        }
    }
    let parameters = variables.iter().map(|v| v.len() as u64).sum();
    let program = Program::new(sketch, output, &variables, &vocabularies).map_err(fault)?;
    drop(variables);
    let dim = vector(&program, PROBE).map_err(fault)?.len();
    let parts = parts.iter().map(|part| part.as_str().as_bytes());
    let digest = Digest::of_parts([b"tfhub graph/2".as_slice()].into_iter().chain(parts));
    Ok(GraphModule { program, dim, parameters, digest, place: files.place(SAVED_MODEL) })
}

/// A variable, as wide as the checkpoint has it.
fn load(bundle: &Bundle<'_>, key: &str, region: Option<&Region>) -> Result<(Tensor, Digest), Error> {
    let (kind, shape) = bundle.what(key, region)?;
    match kind {
        dtype::DOUBLE => loaded::<f64>(bundle, key, region, shape),
        dtype::INT32 => loaded::<i32>(bundle, key, region, shape),
        dtype::INT64 => loaded::<i64>(bundle, key, region, shape),
        _ => loaded::<f32>(bundle, key, region, shape),
    }
}

fn loaded<T: Number + Element>(
    bundle: &Bundle<'_>,
    key: &str,
    region: Option<&Region>,
    shape: Vec<usize>,
) -> Result<(Tensor, Digest), Error> {
    let numbers = bundle.tensor::<T>(key, region)?;
    tensor::elements(&shape).map_err(|reason| bundle.fault(key, &reason))?;
    Ok((Tensor::new(shape, numbers.values), numbers.digest))
}

/// The numbers of one text's vector.
fn vector(program: &Program, text: &[u8]) -> Result<Vec<f32>, String> {
    let out = program.run(text)?;
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
        self.parameters
    }

    fn encode(&self, texts: &[&[u8]]) -> Result<Matrix, Error> {
        let mut matrix = Matrix::zeros(texts.len(), self.dim);
        if self.dim == 0 {
            return Ok(matrix);
        }
        let rows = matrix.values_mut().par_chunks_exact_mut(self.dim).zip(texts).enumerate();
        rows.try_for_each(|(number, (row, text))| {
            let fault = |reason: String| Error::format(&self.place, format!("text {}: {reason}", number + 1));
            let found = vector(&self.program, text).map_err(fault)?;
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
