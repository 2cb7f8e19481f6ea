//! Walks a graph from the requested tensors to its inputs and assigns a value to every tensor on the way: a meaning,
//! or a slot of a program.
//!
//! Nodes are evaluated on demand, without recursion within a graph; the nesting of calls is limited, as is the total
//! number of evaluations, so that no graph takes long.

use std::collections::BTreeMap;

use super::frame::{self, Frame, Reference};
use crate::proto::{FunctionDef, GraphDef, NodeDef};

/// The maximum nesting depth of calls.
const MAX_DEPTH: usize = 16;
/// The maximum number of evaluated nodes, counted anew for each call.
const MAX_NODES: usize = 20_000;
/// The maximum number of inputs of a node.
const MAX_INPUTS: usize = 4_096;

/// The functions of a graph, and the number of nodes evaluated so far.
pub struct Library<'g> {
    functions: BTreeMap<&'g str, &'g FunctionDef>,
    depth: usize,
    evaluated: usize,
}

impl<'g> Library<'g> {
    /// Returns the functions of a graph.
    pub fn new(graph: &'g GraphDef) -> Self {
        let library = graph.library.iter().flat_map(|library| &library.function);
        let functions = library.filter_map(|f| Some((f.signature.as_ref()?.name.as_str(), f))).collect();
        Self { functions, depth: 0, evaluated: 0 }
    }

    /// Returns a function by its name.
    ///
    /// # Errors
    /// When there is no such function.
    pub fn function(&self, name: &str) -> Result<&'g FunctionDef, String> {
        self.functions.get(name).copied().ok_or_else(|| format!("the graph has no function {name:?}"))
    }
}

/// An interpretation of a graph, which assigns values to tensors.
pub trait Walk<'g> {
    /// The value of a tensor.
    type Value: Clone;

    /// Returns the functions that may be called.
    fn library(&mut self) -> &mut Library<'g>;

    /// Returns the outputs of a node that calls no function.
    ///
    /// # Errors
    /// What is wrong with the node, to follow its name in a message.
    fn apply(&mut self, node: &'g NodeDef, inputs: &[Self::Value]) -> Result<Vec<Self::Value>, String>;

    /// Returns the values of a function's outputs.
    ///
    /// # Errors
    /// When there is no such function, it doesn't fit its arguments, or a node in it can't be evaluated.
    fn call(&mut self, name: &str, arguments: Vec<Self::Value>) -> Result<Vec<Self::Value>, String> {
        let function = self.library().function(name)?;
        if self.library().depth == MAX_DEPTH {
            return Err(format!("calls nest deeper than {MAX_DEPTH}"));
        }
        let frame = Frame::function(function, arguments)?;
        let outputs = function.signature.iter().flat_map(|s| &s.output_arg);
        let returned = outputs.map(|output| {
            let source = function.ret.get(&output.name);
            source.map(String::as_str).ok_or_else(|| format!("the function {name:?} doesn't return {:?}", output.name))
        });
        let returned = returned.collect::<Result<Vec<_>, _>>()?;
        self.library().depth += 1;
        let values = self.evaluate(&frame, &returned);
        self.library().depth -= 1;
        values
    }

    /// Returns the values of some tensors.
    ///
    /// # Errors
    /// When there is no such tensor, or a node that it depends on can't be evaluated.
    fn evaluate(&mut self, frame: &Frame<'g, Self::Value>, sources: &[&str]) -> Result<Vec<Self::Value>, String> {
        let mut done: BTreeMap<&str, Vec<Self::Value>> = BTreeMap::new();
        let one = |source: &&str| {
            let wanted = Reference::parse(source)?.ok_or("a control input has no value")?;
            if frame.argument(wanted.node).is_none() {
                self.finish(frame, frame.node(wanted.node)?, &mut done)?;
            }
            value_of(frame, &done, wanted)?.ok_or_else(|| format!("the tensor {source:?} has no value"))
        };
        sources.iter().map(one).collect()
    }

    /// Evaluates a node and all that it depends on.
    ///
    /// # Errors
    /// Those of [`evaluate`](Self::evaluate).
    fn finish(
        &mut self,
        frame: &Frame<'g, Self::Value>,
        node: &'g NodeDef,
        done: &mut BTreeMap<&'g str, Vec<Self::Value>>,
    ) -> Result<(), String> {
        let mut open = if done.contains_key(node.name.as_str()) { Vec::new() } else { vec![node] };
        while let Some(&node) = open.last() {
            match self.step(frame, node, done)? {
                Next::Needs(input) if open.iter().any(|n| n.name == input.name) => {
                    return Err(format!("the node {:?} feeds itself", input.name));
                }
                Next::Needs(input) => open.push(input),
                Next::Done(values) => {
                    done.insert(&node.name, values);
                    open.pop();
                }
            }
        }
        Ok(())
    }

    /// Evaluates a node, or returns an input that must be evaluated first.
    ///
    /// # Errors
    /// Those of [`evaluate`](Self::evaluate).
    fn step(
        &mut self,
        frame: &Frame<'g, Self::Value>,
        node: &'g NodeDef,
        done: &BTreeMap<&'g str, Vec<Self::Value>>,
    ) -> Result<Next<'g, Self::Value>, String> {
        if node.input.len() > MAX_INPUTS {
            return Err(format!("the node {:?} (op {}) has more than {MAX_INPUTS} inputs", node.name, node.op));
        }
        let mut inputs = Vec::with_capacity(node.input.len());
        for reference in Reference::inputs(node)? {
            match value_of(frame, done, reference)? {
                Some(value) => inputs.push(value),
                None => return Ok(Next::Needs(frame.node(reference.node)?)),
            }
        }
        let library = self.library();
        library.evaluated += 1;
        if library.evaluated > MAX_NODES {
            return Err(format!("more than {MAX_NODES} nodes have to be read"));
        }
        let direct = library.functions.contains_key(node.op.as_str()).then_some(node.op.as_str());
        let values = match frame::called(node).or(direct) {
            Some(function) => self.call(function, inputs)?,
            None => {
                let fault = |reason| format!("the node {:?} (op {}) {reason}", node.name, node.op);
                self.apply(node, &inputs).map_err(fault)?
            }
        };
        Ok(Next::Done(values))
    }
}

/// The result of a step: a node to evaluate first, or the outputs.
pub enum Next<'g, V> {
    /// This node must be evaluated first.
    Needs(&'g NodeDef),
    /// The values of the node's outputs.
    Done(Vec<V>),
}

/// Returns a tensor's value; `None` if its node isn't evaluated yet.
fn value_of<V: Clone>(
    frame: &Frame<'_, V>,
    done: &BTreeMap<&str, Vec<V>>,
    of: Reference<'_>,
) -> Result<Option<V>, String> {
    if let Some(value) = frame.argument(of.node) {
        return Ok(Some(value.clone()));
    }
    let Some(values) = done.get(of.node) else { return Ok(None) };
    let op = &frame.node(of.node)?.op;
    match values.get(of.output(op)?) {
        Some(value) => Ok(Some(value.clone())),
        None => Err(format!("the node {:?} (op {op}) has fewer outputs than are used", of.node)),
    }
}
