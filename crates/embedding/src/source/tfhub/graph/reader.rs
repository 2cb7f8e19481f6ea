//! Reads a graph's meaning: gives every tensor on the way from the output to the input its [`Value`], by the
//! [rules].

use savedmodel::graph::{Captured, Library, Objects, Variable, Walk};
use savedmodel::proto::{MetaGraphDef, NodeDef};

use super::constant;
use super::rules;
use super::value::Value;

/// A graph under evaluation, and what it was found to use.
pub(crate) struct Reader<'g> {
    pub(super) objects: Objects<'g>,
    pub(super) library: Library<'g>,
    pub(super) variables: Vec<Variable>,
}

impl<'g> Reader<'g> {
    pub(crate) fn new(meta: &'g MetaGraphDef) -> Result<Self, String> {
        let objects = Objects::new(meta)?;
        let library = Library::new(objects.graph());
        Ok(Self { objects, library, variables: Vec::new() })
    }

    /// What an object is to the symbolic reading of a graph.
    pub(super) fn capture(&mut self, id: i32) -> Result<Value, String> {
        Ok(match self.objects.captured(id)? {
            Captured::Variable(variable) => self.variable(variable),
            Captured::Vocabulary(number) => Value::Vocabulary(number),
            Captured::File(name) => Value::Asset(name),
            Captured::Constant(node) => constant::of_node(node),
        })
    }

    /// A variable by its number.
    pub(super) fn variable(&mut self, variable: Variable) -> Value {
        let known = self.variables.iter().position(|v| *v == variable);
        Value::Variable(known.unwrap_or_else(|| {
            self.variables.push(variable);
            self.variables.len() - 1
        }))
    }
}

impl<'g> Walk<'g> for Reader<'g> {
    type Value = Value;

    fn library(&mut self) -> &mut Library<'g> {
        &mut self.library
    }

    fn apply(&mut self, node: &'g NodeDef, inputs: &[Value]) -> Result<Vec<Value>, String> {
        rules::apply(self, node, inputs)
    }
}
