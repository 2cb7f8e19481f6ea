//! Runs a function of a graph.
//!
//! In: a MetaGraphDef, the checkpoint, vocabularies and inputs. Out: the outputs. [`mod@unbound`] resolves the graph
//! into steps of supported [`ops`]; [`program`] computes what doesn't depend on the inputs, once, and runs the rest.
//! [`tensor`] and [`view`] are the values that the steps exchange.

mod ops;
mod program;
pub(crate) mod tensor;
mod unbound;
mod view;

use std::sync::Arc;

use self::program::Program;
use self::tensor::{Element, Tensor};
pub use self::unbound::{Entry, UnboundFunction};
use crate::bundle::{Bundle, Number};
use crate::error::Error;
use crate::files::{Files, SAVED_MODEL};
use crate::graph::Vocabulary;
use crate::keys::Keys;
use crate::proto::{MetaGraphDef, dtype};
use crate::slices::Region;
use crate::text::Tokens;

/// The maximum size of a vocabulary.
const MAX_VOCABULARY: u64 = 1 << 30;

/// A function with its variables, ready to run. Runs share only constants, so that several threads may run it at
/// once.
pub struct Function {
    program: Program,
    inputs: Vec<String>,
    outputs: Vec<String>,
    vocabularies: Vec<Arc<Tokens>>,
    digests: Vec<String>,
    parameters: u64,
}

impl Function {
    pub(super) fn load(mut unbound: UnboundFunction, files: &Files, meta: &MetaGraphDef) -> Result<Self, Error> {
        let fault = |reason: String| files.fault(SAVED_MODEL, reason);
        let (inputs, outputs) = std::mem::take(&mut unbound.names);
        let vocabularies = unbound.vocabularies.iter().map(|named| Ok(Arc::new(named.read(files)?)));
        let vocabularies = vocabularies.collect::<Result<Vec<_>, Error>>()?;
        let (variables, digests) = variables(&unbound, files, meta)?;
        let parameters = variables.iter().map(|v| v.len() as u64).sum();
        let tables: Vec<Tensor> = vocabularies.iter().cloned().map(Tensor::table).collect();
        let program = Program::new(unbound, &variables, &tables).map_err(fault)?;
        Ok(Self { program, inputs, outputs, vocabularies, digests, parameters })
    }

    /// Returns the names of the inputs, in the order in which [`run`](Self::run) takes them.
    pub fn inputs(&self) -> &[String] {
        &self.inputs
    }

    /// Returns the names of the outputs, in the order in which [`run`](Self::run) returns them.
    pub fn outputs(&self) -> &[String] {
        &self.outputs
    }

    /// Returns the outputs for some inputs.
    ///
    /// # Errors
    /// [`Error::Run`] when the number of inputs is wrong, or a node doesn't support its inputs.
    pub fn run(&self, inputs: &[Tensor]) -> Result<Vec<Tensor>, Error> {
        if inputs.len() != self.inputs.len() {
            let names = self.inputs.join("`, `");
            let reason = format!("is given {} inputs; it has {}: `{names}`", inputs.len(), self.inputs.len());
            return Err(Error::Run { reason });
        }
        self.program.run(inputs).map_err(|reason| Error::Run { reason })
    }

    /// Returns the number of parameters: the numbers in its variables.
    pub fn parameters(&self) -> u64 {
        self.parameters
    }

    /// Returns the vocabularies in which it looks up tokens, in the order of their first use.
    pub fn vocabularies(&self) -> &[Arc<Tokens>] {
        &self.vocabularies
    }

    /// Returns the content addresses of its variables, in the order of their first use.
    pub fn variable_digests(&self) -> &[String] {
        &self.digests
    }
}

impl Vocabulary {
    /// Reads the tokens.
    ///
    /// # Errors
    /// When its name leads out of the folder `assets`, or the file is missing, too large, or doesn't have one token
    /// per line.
    pub fn read(&self, files: &Files) -> Result<Tokens, Error> {
        let path = self.path().map_err(|reason| files.fault(SAVED_MODEL, reason))?;
        let bytes = files.read(&path, MAX_VOCABULARY)?.into_owned();
        Tokens::new(bytes, self.lines).map_err(|reason| files.fault(&path, reason))
    }

    /// Returns the name of its file below the model's folder.
    ///
    /// # Errors
    /// When it leads out of the folder `assets`.
    pub fn path(&self) -> Result<String, String> {
        let name = &self.file;
        if name.is_empty() || name.contains(['/', '\\', ':', '\0']) || name.starts_with('.') {
            return Err(format!("its vocabulary {name:?} isn't a file in the folder assets"));
        }
        Ok(format!("assets/{name}"))
    }
}

/// Reads the variables of a function, with their content addresses.
fn variables(
    unbound: &UnboundFunction,
    files: &Files,
    meta: &MetaGraphDef,
) -> Result<(Vec<Tensor>, Vec<String>), Error> {
    if unbound.variables.is_empty() {
        return Ok((Vec::new(), Vec::new()));
    }
    let bundle = Bundle::open(files)?;
    let keys = Keys::read(meta, &bundle, unbound.variables.iter())?;
    let load = |variable| {
        let (key, region) = keys.of(variable).map_err(|reason| files.fault(SAVED_MODEL, reason))?;
        load(&bundle, &key, region.as_ref())
    };
    unbound.variables.iter().map(load).collect::<Result<Vec<_>, _>>().map(|loaded| loaded.into_iter().unzip())
}

/// Reads a variable, with the precision that the checkpoint has.
fn load(bundle: &Bundle<'_>, key: &str, region: Option<&Region>) -> Result<(Tensor, String), Error> {
    let (kind, shape) = bundle.describe(key, region)?;
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
) -> Result<(Tensor, String), Error> {
    let numbers = bundle.tensor::<T>(key, region)?;
    let count = tensor::elements(&shape).map_err(|reason| bundle.fault(key, &reason))?;
    if count != numbers.values.len() {
        return Err(bundle.fault(key, &format!("has the shape {shape:?}, of which a part of rows can't be taken")));
    }
    Ok((Tensor::new(shape, numbers.values), numbers.digest))
}
