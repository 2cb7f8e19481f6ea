//! From a graph to steps: walks it from its output to the text and takes calls apart.
//!
//! Only the graph is read here, no variable: an unknown op is named before anything is loaded.

use std::collections::BTreeMap;

use super::ops::{self, Kernel};
use super::tensor::Tensor;
use crate::source::tfhub::graph::{
    Captured, Entry, Frame, Library, Reader, Variable, Vocabulary, Walk, find, several_outputs,
};
use crate::source::tfhub::proto::{Attr, MetaGraphDef, NodeDef};

/// More slots than any module's program has.
const MAX_SLOTS: usize = 100_000;
/// Which output of several holds the vectors.
const OUTPUTS: [&str; 3] = ["outputs", "default", "output_0"];

/// Where a tensor comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Origin {
    /// A constant of the graph, by number.
    Constant(usize),
    Variable(usize),
    Vocabulary(usize),
    /// What an earlier step (or the text, slot 0) leaves in a slot.
    Slot(usize),
}

/// One node.
pub(super) struct Step {
    /// `the node "name" (op Op)`.
    pub(super) node: String,
    pub(super) kernel: Kernel,
    pub(super) inputs: Vec<Origin>,
    /// The slot of the first output; the others follow.
    pub(super) first: usize,
}

/// The steps from a text to its vector, before variables are loaded.
#[derive(Default)]
pub(super) struct Sketch {
    pub(super) steps: Vec<Step>,
    pub(super) slots: usize,
    pub(super) constants: Vec<Tensor>,
    pub(super) variables: Vec<Variable>,
    pub(super) vocabularies: Vec<Vocabulary>,
}

/// The steps of a graph, and where its vectors come from.
///
/// # Errors
/// What isn't read, by the names of node and op.
pub(super) fn sketch(meta: &MetaGraphDef) -> Result<(Sketch, Origin), String> {
    let reader = Reader::new(meta)?;
    let library = Library::new(reader.graph);
    let sketch = Sketch { slots: 1, ..Sketch::default() };
    let mut sketcher = Sketcher { reader, library, sketch };
    let text = Origin::Slot(0);
    let output = match find(&sketcher.reader)? {
        Entry::Function { name, captured } => {
            let mut arguments = vec![text];
            for &id in captured {
                arguments.push(sketcher.captured(id)?);
            }
            let outputs = sketcher.call(&name, arguments)?;
            the_output(meta, &outputs)?
        }
        Entry::Nodes { input, output } => {
            let frame = Frame::graph(sketcher.reader.graph, BTreeMap::from([(input.to_owned(), text)]));
            sketcher.evaluate(&frame, &[output])?.pop().ok_or("its signature has no output")?
        }
    };
    sketcher.sketch.vocabularies = sketcher.reader.vocabularies;
    Ok((sketcher.sketch, output))
}

/// The only output, or the one that a signature names.
fn the_output(meta: &MetaGraphDef, outputs: &[Origin]) -> Result<Origin, String> {
    if let [output] = outputs {
        return Ok(*output);
    }
    let signature = ["serving_default", "default"].iter().find_map(|name| meta.signature_def.get(*name));
    let named = OUTPUTS.iter().find_map(|name| signature?.outputs.get(*name));
    let index = named.and_then(|info| info.name.rsplit(':').next()?.parse::<usize>().ok());
    let found = index.and_then(|index| outputs.get(index));
    let unnamed = || format!("its function returns {} tensors, none of them named as vectors", outputs.len());
    found.copied().ok_or_else(|| match signature {
        Some(signature) if signature.outputs.len() > 1 => several_outputs(signature),
        _ => unnamed(),
    })
}

struct Sketcher<'g> {
    /// Finds files, tables and variables.
    reader: Reader<'g>,
    library: Library<'g>,
    sketch: Sketch,
}

impl<'g> Sketcher<'g> {
    fn captured(&mut self, id: i32) -> Result<Origin, String> {
        Ok(match self.reader.captured(id)? {
            Captured::Variable(variable) => self.variable(variable),
            Captured::Vocabulary(number) => Origin::Vocabulary(number),
            Captured::File(name) => self.constant(Tensor::scalar(name.into_bytes())),
            Captured::Constant(node) => self.constant(value(node)?),
        })
    }

    fn variable(&mut self, variable: Variable) -> Origin {
        let variables = &mut self.sketch.variables;
        Origin::Variable(variables.iter().position(|v| *v == variable).unwrap_or_else(|| {
            variables.push(variable);
            variables.len() - 1
        }))
    }

    fn constant(&mut self, value: Tensor) -> Origin {
        self.sketch.constants.push(value);
        Origin::Constant(self.sketch.constants.len() - 1)
    }

    fn step(&mut self, node: &NodeDef, kernel: Kernel, inputs: &[Origin]) -> Result<Vec<Origin>, String> {
        let first = self.sketch.slots;
        self.sketch.slots += kernel.outputs;
        if self.sketch.slots > MAX_SLOTS {
            return Err(format!("is behind more than {MAX_SLOTS} tensors"));
        }
        let outputs = (first..self.sketch.slots).map(Origin::Slot).collect();
        let name = format!("the node {:?} (op {})", node.name, node.op);
        self.sketch.steps.push(Step { node: name, kernel, inputs: inputs.to_vec(), first });
        Ok(outputs)
    }
}

impl<'g> Walk<'g> for Sketcher<'g> {
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
            "HashTableV2" | "HashTable" => vec![Origin::Vocabulary(self.reader.vocabulary_node(node)?)],
            _ => return self.step(node, ops::kernel(node)?, inputs),
        })
    }
}

/// What a constant node says.
fn value(node: &NodeDef) -> Result<Tensor, String> {
    match node.attr.get("value").and_then(|a| a.value.as_ref()) {
        Some(Attr::Tensor(tensor)) => Tensor::constant(tensor),
        _ => Err("is a constant without a value".to_owned()),
    }
}
