//! Reads a graph's meaning: assigns a [`Value`] to every tensor between the output and the input, by the [rules].

use savedmodel::graph::{Captured, Library, Objects, Variable, Walk};
use savedmodel::proto::{MetaGraphDef, NodeDef};

use super::constant;
use super::rules;
use super::value::Value;

/// A graph under evaluation, with the objects found in it so far.
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

    /// Returns the meaning of a captured object.
    pub(super) fn capture(&mut self, id: i32) -> Result<Value, String> {
        Ok(match self.objects.captured(id)? {
            Captured::Variable(variable) => self.variable(variable),
            Captured::Vocabulary(number) => Value::Vocabulary(number),
            Captured::File(name) => Value::Asset(name),
            Captured::Constant(node) => constant::of_node(node),
        })
    }

    /// Returns a variable as a value, by its number.
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
