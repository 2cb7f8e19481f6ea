//! Constants of a graph, as values that the rules can use. Large constants, and floats other than zeros, aren't read.

use savedmodel::proto::{Attr, NodeDef, TensorProto, dtype};

use super::value::{Size, Value};

/// The maximum number of elements of a constant; in a text module, larger ones don't matter to the rules.
const MAX_ELEMENTS: usize = 4096;

/// Returns the value of a constant node.
pub(super) fn of_node(node: &NodeDef) -> Value {
    match node.attr.get("value").and_then(|a| a.value.as_ref()) {
        Some(Attr::Tensor(tensor)) => value(tensor),
        _ => Value::Unread("a constant without a value"),
    }
}

/// Returns the value of a constant.
fn value(tensor: &TensorProto) -> Value {
    let Some(count) = count(tensor) else { return Value::Unread("a large constant") };
    let content = tensor.tensor_content.as_slice();
    let numbers = match tensor.dtype {
        dtype::STRING => return strings(&tensor.string_val, count),
        dtype::INT32 if !content.is_empty() => {
            content.as_chunks::<4>().0.iter().map(|&b| i64::from(i32::from_le_bytes(b))).collect()
        }
        dtype::INT64 if !content.is_empty() => {
            content.as_chunks::<8>().0.iter().map(|&b| i64::from_le_bytes(b)).collect()
        }
        dtype::BOOL if !content.is_empty() => content.iter().map(|&b| i64::from(b)).collect(),
        dtype::INT32 => tensor.int_val.iter().map(|&v| i64::from(v)).collect(),
        dtype::INT64 => tensor.int64_val.clone(),
        dtype::BOOL => tensor.bool_val.iter().map(|&v| i64::from(v)).collect(),
        dtype::FLOAT | dtype::DOUBLE => return floats(tensor),
        _ => return Value::Unread("a constant of an unsupported_use type"),
    };
    match repeated(numbers, count, 0) {
        Some(numbers) => Value::Sizes(numbers.into_iter().map(Size::Known).collect()),
        None => Value::Unread("a constant that doesn't fit its shape"),
    }
}

fn count(tensor: &TensorProto) -> Option<usize> {
    let Some(shape) = &tensor.tensor_shape else { return Some(1) };
    let dims = shape.dim.iter().map(|d| usize::try_from(d.size).ok());
    let count = dims.into_iter().try_fold(1_usize, |n, d| n.checked_mul(d?))?;
    (!shape.unknown_rank && count <= MAX_ELEMENTS).then_some(count)
}

/// Expands the elements: a message may leave out repetitions of the last element, and zeros.
fn repeated<T: Clone>(mut elements: Vec<T>, count: usize, zero: T) -> Option<Vec<T>> {
    if elements.len() > count {
        return None;
    }
    let last = elements.last().cloned().unwrap_or(zero);
    elements.resize(count, last);
    Some(elements)
}

fn strings(elements: &[Vec<u8>], count: usize) -> Value {
    match repeated(elements.to_vec(), count, Vec::new()) {
        // Repeating a long string must not take more memory than the file.
        Some(strings) if elements.len() == count || strings.len() <= 1 => Value::Strings(strings),
        _ => Value::Unread("a constant that doesn't fit its shape"),
    }
}

fn floats(tensor: &TensorProto) -> Value {
    let zeros = tensor.tensor_content.iter().all(|&b| b == 0)
        && tensor.float_val.iter().all(|&v| v == 0.0)
        && tensor.double_val.iter().all(|&v| v == 0.0);
    if zeros { Value::Zeros } else { Value::Unread("a constant of floats") }
}
