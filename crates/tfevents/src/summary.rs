//! The values that an event may carry: a scalar, or the data of a plugin.
//!
//! A tag and a number (or a plugin's bytes) enter; `Summary.Value` messages leave, byte for byte as TensorFlow 2's
//! summary writer encodes them: a tensor, and the plugin that shows it.
//! Specification: `tensorflow/core/framework/summary.proto`, `tensor.proto`.
//!
//! | field of a value | content |
//! |---|---|
//! | 1 string | tag |
//! | 8 message | tensor: 1 type (1 = float, 7 = text), 2 shape: { 2 dimension: { 1 size } }, 4 raw content, little-endian, 8 texts |
//! | 9 message | metadata: 1 plugin: { 1 name, 2 content } |
//!
//! | plugin | tensor | plugin content |
//! |---|---|---|
//! | `scalars` | float [] | empty |
//! | any other | float `[0]`, or a [`PluginTensor`] | the plugin's own message |

use crate::proto::{Dim, Metadata, Plugin, Shape, Tensor, Value, dtype};

/// A tensor that a plugin shows: `histograms`, `pr_curves`, `text`.
#[derive(Clone, Debug)]
pub struct PluginTensor<'a> {
    /// The plugin's name.
    pub plugin: &'a str,
    /// The plugin's own message.
    pub content: Vec<u8>,
    /// The length of each axis.
    pub shape: &'a [usize],
    /// The values, row-major, as many as the product of `shape`.
    pub values: Values<'a>,
}

/// The values of a tensor.
#[derive(Clone, Copy, Debug)]
pub enum Values<'a> {
    /// 32-bit floats.
    Floats(&'a [f32]),
    /// Texts.
    Texts(&'a [String]),
}

/// A tensor that a plugin shows.
pub(crate) fn tensor(tag: &str, tensor: &PluginTensor<'_>) -> Value {
    let PluginTensor { plugin, content, shape, values } = tensor;
    let filled = match values {
        Values::Floats(numbers) => floats(shape, numbers.iter().flat_map(|number| number.to_le_bytes()).collect()),
        Values::Texts(texts) => Tensor {
            dtype: dtype::STRING,
            shape: Some(shape_of(shape)),
            content: Vec::new(),
            texts: texts.iter().map(|text| text.as_bytes().to_vec()).collect(),
        },
    };
    value(tag, filled, metadata(plugin, content.clone()))
}

/// One number.
pub(crate) fn scalar(tag: &str, number: f32) -> Value {
    value(tag, floats(&[], number.to_le_bytes().to_vec()), metadata("scalars", Vec::new()))
}

/// A value that is all metadata.
pub(crate) fn plugin_data(tag: &str, plugin: &str, content: Vec<u8>) -> Value {
    value(tag, floats(&[0], Vec::new()), metadata(plugin, content))
}

fn value(tag: &str, tensor: Tensor, metadata: Metadata) -> Value {
    Value { tag: tag.to_owned(), tensor: Some(tensor), metadata: Some(metadata) }
}

/// Returns a tensor of 32-bit floats, whose little-endian bytes are `content`.
fn floats(shape: &[usize], content: Vec<u8>) -> Tensor {
    Tensor { dtype: dtype::FLOAT, shape: Some(shape_of(shape)), content, texts: Vec::new() }
}

fn shape_of(shape: &[usize]) -> Shape {
    Shape { dim: shape.iter().map(|&size| Dim { size: size as u64 }).collect() }
}

fn metadata(plugin: &str, content: Vec<u8>) -> Metadata {
    Metadata { plugin: Some(Plugin { name: plugin.to_owned(), content }) }
}

#[cfg(test)]
mod tests {
    use prost::Message as _;

    use super::*;

    fn hex(message: Value) -> String {
        message.encode_to_vec().iter().map(|byte| format!("{byte:02x}")).collect()
    }

    #[test]
    fn a_scalar() {
        // What TensorFlow 2.21 writes for tf.summary.scalar("loss", .25, step=3)
        assert_eq!(hex(scalar("loss", 0.25)), "0a046c6f7373420a0801120022040000803e4a0b0a090a077363616c617273");
    }
}
