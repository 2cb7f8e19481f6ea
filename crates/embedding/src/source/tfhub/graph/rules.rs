//! The rules: what each supported op does to the meaning of tensors.
//!
//! An op that isn't listed here, or is used in another way, is refused by name. No op reads files, runs code, or
//! allocates memory of a size that the graph chooses.

mod lookup;
mod sizes;
mod text;

use savedmodel::graph::{Variable, dtype as element_type};
use savedmodel::proto::{NodeDef, dtype};

use super::reader::Reader;
use super::value::{Size, Value};

/// The maximum number of elements of a shape or a partition.
const MAX_ELEMENTS: usize = 4_096;

type Outcome = Result<Vec<Value>, String>;

/// Returns the outputs of a node whose inputs have these values.
pub(super) fn apply(reader: &mut Reader<'_>, node: &NodeDef, inputs: &[Value]) -> Outcome {
    match node.op.as_str() {
        "Const" => Ok(vec![super::constant::of_node(node)]),
        "Identity" | "StopGradient" | "PreventGradient" | "Snapshot" | "EnsureShape" | "ReadVariableOp" => same(inputs),
        "Reshape" | "ExpandDims" | "Squeeze" => reshaped(inputs),
        "Cast" => cast(node, inputs),
        "Tile" => match inputs {
            [Value::WasEmpty(_) | Value::Zeros, _] => same(inputs),
            _ => unsupported_use(inputs),
        },
        "VarHandleOp" | "VariableV2" | "Variable" => Ok(vec![reader.variable(Variable::of_node(node))]),
        "HashTableV2" | "HashTable" => Ok(vec![Value::Vocabulary(reader.objects.vocabulary_node(node)?)]),

        "StaticRegexReplace" | "RegexReplace" | "StringLower" => text::edit(node, inputs),
        "StringSplit" => text::split(node, inputs),
        "StringSplitV2" => text::split_at(node, inputs),
        "DenseBincount" | "Bincount" => text::counts(node, inputs),
        "Cumsum" => text::ends(node, inputs),
        "RaggedTensorToSparse" => text::ragged(inputs),
        "SparseFillEmptyRows" => text::fill(inputs),
        "SparseReshape" => text::reshape(inputs),
        "Where" => text::positions(inputs),

        "LookupTableFindV2" | "LookupTableFind" => lookup::find(inputs),
        "LookupTableSizeV2" | "LookupTableSize" => lookup::lines(inputs),
        "StringToHashBucketFast" => lookup::bucket(node, inputs),
        "Unique" => lookup::unique(inputs),
        "ResourceGather" | "GatherV2" | "Gather" => lookup::gather(node, inputs),
        "DynamicPartition" => lookup::partition(node, inputs),
        "ParallelDynamicStitch" | "DynamicStitch" => lookup::stitch(inputs),
        "SparseSegmentSum" | "SparseSegmentMean" | "SparseSegmentSqrtN" => lookup::combine(node, inputs),
        "Select" | "SelectV2" => lookup::select(inputs),

        "Shape" | "Size" | "ShapeN" | "Rank" => sizes::of(node, inputs),
        "Fill" | "ZerosLike" | "OnesLike" => sizes::filled(node, inputs),
        "Slice" => sizes::slice(inputs),
        "StridedSlice" => sizes::strided_slice(node, inputs),
        "Pack" | "ConcatV2" => sizes::joined(node, inputs),
        "Max" | "Prod" | "Sum" => sizes::reduced(node, inputs),
        "Range" => sizes::range(inputs),
        op => {
            match sizes::arithmetic(op) {
                Some(op) => sizes::binary(op, inputs),
                None if op == "LogicalNot" => sizes::not(inputs),
                None => Err("is an unsupported op; text modules that split at spaces and look words up are supported"
                    .to_owned()),
            }
        }
    }
}

fn same(inputs: &[Value]) -> Outcome {
    match inputs {
        [value, ..] => Ok(vec![value.clone()]),
        [] => Err("has no input".to_owned()),
    }
}

/// Refuses a use of an op that no rule supports.
fn unsupported_use(inputs: &[Value]) -> Outcome {
    let inputs: Vec<_> = inputs.iter().map(Value::what).collect();
    Err(format!("is used on {} in a way that isn't supported", inputs.join(", ")))
}

/// Reshaping moves no element; the shape matters only if columns have a meaning.
fn reshaped(inputs: &[Value]) -> Outcome {
    match inputs {
        [Value::Indices(_) | Value::LastIndex(_), ..] | [] => unsupported_use(inputs),
        _ => same(inputs),
    }
}

fn cast(node: &NodeDef, inputs: &[Value]) -> Outcome {
    let whole = matches!(element_type(node, "DstT"), dtype::INT32 | dtype::INT64);
    let float = matches!(element_type(node, "DstT"), dtype::FLOAT | dtype::DOUBLE);
    match inputs {
        [Value::Rows(_) | Value::Combined(_) | Value::Zeros | Value::Variable(_)] if float => same(inputs),
        [Value::Texts(_) | Value::Strings(_) | Value::Tokens(_) | Value::Asset(_) | Value::Vocabulary(_)] => {
            unsupported_use(inputs)
        }
        [_] if whole => same(inputs),
        _ => unsupported_use(inputs),
    }
}

/// Returns the numbers of a constant or shape, if all are known.
fn known(value: &Value) -> Option<Vec<i64>> {
    let Value::Sizes(sizes) = value else { return None };
    let number = |size: &Size| match size {
        Size::Known(number) => Some(*number),
        Size::Batch | Size::Longest | Size::Some => None,
    };
    sizes.iter().map(number).collect()
}
