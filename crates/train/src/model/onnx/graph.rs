//! Builds an ONNX graph node by node. Every value has a name. A node is named after its output and operation, since
//! some runtimes look for values among the names of nodes too.

use super::proto::{
    AttributeProto, DimensionProto, GraphProto, NodeProto, TensorProto, TensorShapeProto, TensorTypeProto, TypeProto,
    ValueInfoProto, attribute, element,
};

/// The length of an axis of an input or output.
#[derive(Clone, Copy)]
pub(super) enum Length {
    /// A fixed length.
    Fixed(usize),
    /// A dynamic length with this name.
    Dynamic(&'static str),
}

/// A graph under construction.
#[derive(Default)]
pub(super) struct Graph(GraphProto);

impl Graph {
    /// Returns the finished graph.
    pub(super) fn finish(self, name: &str) -> GraphProto {
        GraphProto { name: name.to_owned(), ..self.0 }
    }

    /// Adds an input of this element type and shape, and returns its name.
    pub(super) fn input(&mut self, name: &str, element: i32, shape: &[Length]) -> String {
        self.0.input.push(value(name, element, shape));
        name.to_owned()
    }

    /// Declares a value as an output: 32-bit floats of this shape.
    pub(super) fn output(&mut self, name: &str, shape: &[Length]) {
        self.0.output.push(value(name, element::FLOAT, shape));
    }

    /// Adds a constant array of 32-bit floats, and returns its name.
    pub(super) fn floats(&mut self, name: &str, shape: &[usize], values: &[f32]) -> String {
        let bytes = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.constant(name, element::FLOAT, shape, bytes)
    }

    /// Adds a constant list of 64-bit integers, and returns its name.
    pub(super) fn integers(&mut self, name: &str, values: &[i64]) -> String {
        let bytes = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.constant(name, element::INT64, &[values.len()], bytes)
    }

    /// Adds a node, and returns the name of its output.
    pub(super) fn node(&mut self, operation: &str, inputs: &[&str], output: &str) -> String {
        self.node_with(operation, inputs, output, Vec::new())
    }

    /// Adds a node with attributes, and returns the name of its output.
    pub(super) fn node_with(
        &mut self,
        operation: &str,
        inputs: &[&str],
        output: &str,
        attribute: Vec<AttributeProto>,
    ) -> String {
        self.0.node.push(NodeProto {
            input: inputs.iter().map(|&input| input.to_owned()).collect(),
            output: vec![output.to_owned()],
            name: format!("{output}.{operation}"),
            op_type: operation.to_owned(),
            attribute,
        });
        output.to_owned()
    }

    fn constant(&mut self, name: &str, data_type: i32, shape: &[usize], raw_data: Vec<u8>) -> String {
        let dims = shape.iter().map(|&length| length as i64).collect();
        self.0.initializer.push(TensorProto { dims, data_type, name: name.to_owned(), raw_data });
        name.to_owned()
    }
}

/// Creates an integer attribute.
pub(super) fn integer(name: &str, i: i64) -> AttributeProto {
    AttributeProto { name: name.to_owned(), f: 0.0, i, ints: Vec::new(), r#type: attribute::INT }
}

/// Creates an attribute that is a floating-point number.
pub(super) fn float(name: &str, f: f32) -> AttributeProto {
    AttributeProto { name: name.to_owned(), f, i: 0, ints: Vec::new(), r#type: attribute::FLOAT }
}

/// Creates an attribute that is a list of integers.
pub(super) fn list(name: &str, ints: &[i64]) -> AttributeProto {
    AttributeProto { name: name.to_owned(), f: 0.0, i: 0, ints: ints.to_vec(), r#type: attribute::INTS }
}

fn value(name: &str, elem_type: i32, shape: &[Length]) -> ValueInfoProto {
    let of_axis = |length: &Length| match length {
        Length::Fixed(length) => DimensionProto { dim_value: Some(*length as i64), dim_param: None },
        Length::Dynamic(name) => DimensionProto { dim_value: None, dim_param: Some((*name).to_owned()) },
    };
    let shape = Some(TensorShapeProto { dim: shape.iter().map(of_axis).collect() });
    let r#type = Some(TypeProto { tensor_type: Some(TensorTypeProto { elem_type, shape }) });
    ValueInfoProto { name: name.to_owned(), r#type }
}
