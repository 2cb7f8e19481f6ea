//! Runs a function of a graph.
//!
//! In: a MetaGraphDef, the checkpoint, vocabularies, inputs. Out: the outputs. [`mod@sketch`] takes the graph apart into steps
//! of known [`ops`]; [`program`] computes what doesn't depend on the inputs, once, and runs the rest. [`tensor`] and
//! [`view`] are what the steps hand on.

mod ops;
mod program;
mod sketch;
pub(crate) mod tensor;
mod view;

use std::sync::Arc;

use self::program::Program;
pub use self::sketch::{Entry, Sketch};
use self::tensor::{Element, Tensor};
use crate::bundle::{Bundle, Number};
use crate::error::Error;
use crate::files::{Files, SAVED_MODEL};
use crate::graph::Vocabulary;
use crate::keys::Keys;
use crate::proto::{MetaGraphDef, dtype};
use crate::slices::Region;
use crate::text::Tokens;

/// The largest vocabulary that is read.
const MAX_VOCABULARY: u64 = 1 << 30;

/// A function with its variables, ready to run. Runs share nothing but constants: several threads may run it at once.
pub struct Function {
    program: Program,
    inputs: Vec<String>,
    outputs: Vec<String>,
    vocabularies: Vec<Arc<Tokens>>,
    digests: Vec<String>,
    parameters: u64,
}

impl Function {
    pub(super) fn load(mut sketch: Sketch, files: &Files, meta: &MetaGraphDef) -> Result<Self, Error> {
        let fault = |reason: String| files.fault(SAVED_MODEL, reason);
        let (inputs, outputs) = std::mem::take(&mut sketch.names);
        let vocabularies = sketch.vocabularies.iter().map(|named| Ok(Arc::new(named.read(files)?)));
        let vocabularies = vocabularies.collect::<Result<Vec<_>, Error>>()?;
        let (variables, digests) = variables(&sketch, files, meta)?;
        let parameters = variables.iter().map(|v| v.len() as u64).sum();
        let tables: Vec<Tensor> = vocabularies.iter().cloned().map(Tensor::table).collect();
        let program = Program::new(sketch, &variables, &tables).map_err(fault)?;
        Ok(Self { program, inputs, outputs, vocabularies, digests, parameters })
    }

    /// The names of the inputs, in the order in which [`run`](Self::run) takes them.
    pub fn inputs(&self) -> &[String] {
        &self.inputs
    }

    /// The names of the outputs, in the order in which [`run`](Self::run) gives them.
    pub fn outputs(&self) -> &[String] {
        &self.outputs
    }

    /// The outputs for some inputs.
    ///
    /// # Errors
    /// [`Error::Run`] when there is another number of inputs, or a node can't take what it is given.
    pub fn run(&self, inputs: &[Tensor]) -> Result<Vec<Tensor>, Error> {
        if inputs.len() != self.inputs.len() {
            let names = self.inputs.join("`, `");
            let reason = format!("is given {} inputs; it has {}: `{names}`", inputs.len(), self.inputs.len());
            return Err(Error::Run { reason });
        }
        self.program.run(inputs).map_err(|reason| Error::Run { reason })
    }

    /// The number of numbers that its variables hold.
    pub fn parameters(&self) -> u64 {
        self.parameters
    }

    /// The vocabularies that it looks tokens up in, in the order in which it meets them.
    pub fn vocabularies(&self) -> &[Arc<Tokens>] {
        &self.vocabularies
    }

    /// The content addresses of its variables, in the order in which it meets them.
    pub fn variable_digests(&self) -> &[String] {
        &self.digests
    }
}

impl Vocabulary {
    /// Reads the tokens.
    ///
    /// # Errors
    /// When its name leads out of the folder `assets`, or the file is missing, too large, or not one token a line.
    pub fn read(&self, files: &Files) -> Result<Tokens, Error> {
        let path = self.path().map_err(|reason| files.fault(SAVED_MODEL, reason))?;
        let bytes = files.read(&path, MAX_VOCABULARY)?.into_owned();
        Tokens::new(bytes, self.lines).map_err(|reason| files.fault(&path, reason))
    }

    /// The name of its file below the model's folder.
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

/// The variables of a function and their content addresses.
fn variables(sketch: &Sketch, files: &Files, meta: &MetaGraphDef) -> Result<(Vec<Tensor>, Vec<String>), Error> {
    if sketch.variables.is_empty() {
        return Ok((Vec::new(), Vec::new()));
    }
    let bundle = Bundle::open(files)?;
    let keys = Keys::read(meta, &bundle, sketch.variables.iter())?;
    let load = |variable| {
        let (key, region) = keys.of(variable).map_err(|reason| files.fault(SAVED_MODEL, reason))?;
        load(&bundle, &key, region.as_ref())
    };
    sketch.variables.iter().map(load).collect::<Result<Vec<_>, _>>().map(|loaded| loaded.into_iter().unzip())
}

/// A variable, as wide as the checkpoint has it.
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
