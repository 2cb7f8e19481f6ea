//! Turns a graph into steps: walks it from its outputs to its inputs and inlines calls.
//!
//! Only the graph is read here, not the variables: an unsupported op is reported before anything is loaded.

use std::collections::BTreeMap;

use super::Function;
use super::ops::{self, Kernel};
use super::tensor::Tensor;
use crate::error::Error;
use crate::files::Files;
use crate::graph::{Captured, Frame, Library, Objects, Variable, Vocabulary, Walk};
use crate::proto::{Attr, MetaGraphDef, NodeDef};

/// The maximum number of slots; no module's program has more.
const MAX_SLOTS: usize = 100_000;

/// Where a graph takes its inputs, and where it returns its outputs.
#[derive(Clone, Debug)]
pub enum Entry<'g> {
    /// A function of the graph: its first arguments are the inputs, and the others are the objects that it captures.
    Function {
        /// Its name.
        name: String,
        /// The captured objects, by number.
        captured: &'g [i32],
        /// Which of its results are the outputs.
        outputs: Vec<usize>,
    },
    /// Nodes of the graph itself, as in TF1 signatures.
    Nodes {
        /// The nodes that represent the inputs, such as placeholders.
        inputs: Vec<&'g str>,
        /// The tensors that are the outputs, such as `node:0`.
        outputs: Vec<&'g str>,
    },
}

impl<'g> Entry<'g> {
    /// Returns a concrete function, with all its results.
    ///
    /// # Errors
    /// When there is no function of this name.
    pub fn function(objects: &Objects<'g>, name: &str) -> Result<Self, String> {
        let results = objects.function(name)?.signature.as_ref().map_or(0, |signature| signature.output_arg.len());
        let captured = objects.concrete(name).map_or(&[][..], |function| function.bound_inputs.as_slice());
        Ok(Self::Function { name: name.to_owned(), captured, outputs: (0..results).collect() })
    }

    /// Returns the names of the inputs and of the outputs.
    fn names(&self, objects: &Objects<'g>) -> Result<(Vec<String>, Vec<String>), String> {
        match self {
            Self::Nodes { inputs, outputs } => {
                let owned = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
                Ok((owned(inputs), owned(outputs)))
            }
            Self::Function { name, captured, outputs } => {
                let signature = objects.function(name)?.signature.as_ref();
                let arguments = signature.map_or(&[][..], |signature| &signature.input_arg);
                let results = signature.map_or(&[][..], |signature| &signature.output_arg);
                let inputs = arguments.len().checked_sub(captured.len());
                let inputs =
                    inputs.ok_or_else(|| format!("the function {name:?} captures more than it has arguments"))?;
                let output = |&at: &usize| results.get(at).map(|result| result.name.clone());
                let outputs = outputs.iter().map(output).collect::<Option<_>>();
                let outputs =
                    outputs.ok_or_else(|| format!("the function {name:?} has only {} results", results.len()))?;
                Ok((arguments[..inputs].iter().map(|argument| argument.name.clone()).collect(), outputs))
            }
        }
    }
}

/// Where a tensor comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Origin {
    /// A constant of the graph, by number.
    Constant(usize),
    Variable(usize),
    Vocabulary(usize),
    /// A slot, which an input (the first slots) or an earlier step fills.
    Slot(usize),
}

/// One node.
pub(super) struct Step {
    /// `the node "name" (op Op)`.
    pub(super) node: String,
    pub(super) kernel: Kernel,
    pub(super) inputs: Vec<Origin>,
    /// The slot of the first output; the other outputs follow.
    pub(super) first: usize,
}

/// A function resolved into steps, before its variables are loaded.
#[derive(Default)]
pub struct UnboundFunction {
    pub(super) steps: Vec<Step>,
    pub(super) slots: usize,
    pub(super) constants: Vec<Tensor>,
    pub(super) variables: Vec<Variable>,
    pub(super) vocabularies: Vec<Vocabulary>,
    pub(super) outputs: Vec<Origin>,
    pub(super) names: (Vec<String>, Vec<String>),
}

impl UnboundFunction {
    /// Resolves the steps between an entry's inputs and outputs.
    ///
    /// # Errors
    /// What isn't supported, with the names of node and op.
    pub fn of(meta: &MetaGraphDef, entry: &Entry<'_>) -> Result<Self, String> {
        let objects = Objects::new(meta)?;
        let names = entry.names(&objects)?;
        let (library, inputs) = (Library::new(objects.graph()), (0..names.0.len()).map(Origin::Slot));
        let unbound = Self { slots: inputs.len(), names, ..Self::default() };
        let mut resolver = Resolver { objects, library, unbound };
        let outputs = match entry {
            Entry::Function { name, captured, outputs } => {
                let mut arguments: Vec<Origin> = inputs.collect();
                for &id in *captured {
                    arguments.push(resolver.captured(id)?);
                }
                let results = resolver.call(name, arguments)?;
                outputs.iter().map(|&at| results[at]).collect()
            }
            Entry::Nodes { inputs: nodes, outputs } => {
                let arguments: BTreeMap<String, Origin> =
                    nodes.iter().map(|&node| node.to_owned()).zip(inputs).collect();
                let frame = Frame::graph(resolver.objects.graph(), arguments);
                resolver.evaluate(&frame, outputs)?
            }
        };
        resolver.unbound.vocabularies = resolver.objects.vocabularies().to_vec();
        Ok(Self { outputs, ..resolver.unbound })
    }

    /// Returns the vocabularies in which the function looks up tokens.
    pub fn vocabularies(&self) -> &[Vocabulary] {
        &self.vocabularies
    }

    /// Loads what the function uses, and prepares it to run. `meta`: the model that the steps belong to.
    ///
    /// # Errors
    /// When a vocabulary or variable is missing or damaged, or when something that doesn't depend on the inputs can't
    /// be computed.
    pub fn load(self, files: &Files, meta: &MetaGraphDef) -> Result<Function, Error> {
        Function::load(self, files, meta)
    }
}

struct Resolver<'g> {
    /// Finds files, tables and variables.
    objects: Objects<'g>,
    library: Library<'g>,
    unbound: UnboundFunction,
}

impl<'g> Resolver<'g> {
    fn captured(&mut self, id: i32) -> Result<Origin, String> {
        Ok(match self.objects.captured(id)? {
            Captured::Variable(variable) => self.variable(variable),
            Captured::Vocabulary(number) => Origin::Vocabulary(number),
            Captured::File(name) => self.constant(Tensor::scalar(name.into_bytes())),
            Captured::Constant(node) => self.constant(value(node)?),
        })
    }

    fn variable(&mut self, variable: Variable) -> Origin {
        let variables = &mut self.unbound.variables;
        Origin::Variable(variables.iter().position(|v| *v == variable).unwrap_or_else(|| {
            variables.push(variable);
            variables.len() - 1
        }))
    }

    fn constant(&mut self, value: Tensor) -> Origin {
        self.unbound.constants.push(value);
        Origin::Constant(self.unbound.constants.len() - 1)
    }

    fn step(&mut self, node: &NodeDef, kernel: Kernel, inputs: &[Origin]) -> Result<Vec<Origin>, String> {
        let first = self.unbound.slots;
        self.unbound.slots += kernel.outputs;
        if self.unbound.slots > MAX_SLOTS {
            return Err(format!("is behind more than {MAX_SLOTS} tensors"));
        }
        let outputs = (first..self.unbound.slots).map(Origin::Slot).collect();
        let name = format!("the node {:?} (op {})", node.name, node.op);
        self.unbound.steps.push(Step { node: name, kernel, inputs: inputs.to_vec(), first });
        Ok(outputs)
    }
}

impl<'g> Walk<'g> for Resolver<'g> {
    type Value = Origin;

    fn library(&mut self) -> &mut Library<'g> {
        &mut self.library
    }

    fn apply(&mut self, node: &'g NodeDef, inputs: &[Origin]) -> Result<Vec<Origin>, String> {
        Ok(match node.op.as_str() {
            "Const" => vec![self.constant(value(node)?)],
            "Identity"
            | "StopGradient"
            | "PreventGradient"
            | "CheckNumerics"
            | "Snapshot"
            | "EnsureShape"
            | "ReadVariableOp"
            | "PlaceholderWithDefault" => vec![*inputs.first().ok_or("has no input")?],
            "IdentityN" => inputs.to_vec(),
            "VarHandleOp" | "VariableV2" | "Variable" => vec![self.variable(Variable::of_node(node))],
            "HashTableV2" | "HashTable" => vec![Origin::Vocabulary(self.objects.vocabulary_node(node)?)],
            _ => return self.step(node, ops::kernel(node)?, inputs),
        })
    }
}

/// Returns the value of a constant node.
fn value(node: &NodeDef) -> Result<Tensor, String> {
    match node.attr.get("value").and_then(|a| a.value.as_ref()) {
        Some(Attr::Tensor(tensor)) => Tensor::constant(tensor),
        _ => Err("is a constant without a value".to_owned()),
    }
}
