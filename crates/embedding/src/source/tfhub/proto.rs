//! The protocol-buffer messages of a SavedModel and its checkpoint, as far as text modules need them.
//!
//! Field numbers are those of TensorFlow's `saved_model.proto`, `meta_graph.proto`, `graph.proto`, `function.proto`,
//! `node_def.proto`, `attr_value.proto`, `tensor.proto`, `saved_object_graph.proto`, `trackable_object_graph.proto`,
//! `tensor_bundle.proto`, `variable.proto` and TensorFlow Hub's `module_def.proto`. Fields that nothing here asks for
//! are left out; decoding skips them.

use std::collections::BTreeMap;

use prost::Message;

/// Element types, `DataType` of `types.proto`.
pub(super) mod dtype {
    pub(crate) const FLOAT: i32 = 1;
    pub(crate) const DOUBLE: i32 = 2;
    pub(crate) const INT32: i32 = 3;
    pub(crate) const STRING: i32 = 7;
    pub(crate) const INT64: i32 = 9;
    pub(crate) const BOOL: i32 = 10;
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct SavedModel {
    #[prost(message, repeated, tag = "2")]
    pub(super) meta_graphs: Vec<MetaGraphDef>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct MetaGraphDef {
    #[prost(message, optional, tag = "1")]
    pub(super) meta_info_def: Option<MetaInfoDef>,
    #[prost(message, optional, tag = "2")]
    pub(super) graph_def: Option<GraphDef>,
    #[prost(btree_map = "string, message", tag = "4")]
    pub(super) collection_def: BTreeMap<String, CollectionDef>,
    #[prost(btree_map = "string, message", tag = "5")]
    pub(super) signature_def: BTreeMap<String, SignatureDef>,
    #[prost(message, repeated, tag = "6")]
    pub(super) asset_file_def: Vec<AssetFileDef>,
    #[prost(message, optional, tag = "7")]
    pub(super) object_graph_def: Option<SavedObjectGraph>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct MetaInfoDef {
    #[prost(string, repeated, tag = "4")]
    pub(super) tags: Vec<String>,
}

/// A TF1 collection: here the variables (`VariableDef` as bytes) and the assets (`AssetFileDef` as `Any`).
#[derive(Clone, PartialEq, Message)]
pub(super) struct CollectionDef {
    #[prost(message, optional, tag = "2")]
    pub(super) bytes_list: Option<BytesList>,
    #[prost(message, optional, tag = "5")]
    pub(super) any_list: Option<AnyList>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct BytesList {
    #[prost(bytes = "vec", repeated, tag = "1")]
    pub(super) value: Vec<Vec<u8>>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct AnyList {
    #[prost(message, repeated, tag = "1")]
    pub(super) value: Vec<AnyMessage>,
}

/// `google.protobuf.Any`.
#[derive(Clone, PartialEq, Message)]
pub(super) struct AnyMessage {
    #[prost(bytes = "vec", tag = "2")]
    pub(super) value: Vec<u8>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct SignatureDef {
    #[prost(btree_map = "string, message", tag = "1")]
    pub(super) inputs: BTreeMap<String, TensorInfo>,
    #[prost(btree_map = "string, message", tag = "2")]
    pub(super) outputs: BTreeMap<String, TensorInfo>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct TensorInfo {
    #[prost(string, tag = "1")]
    pub(super) name: String,
    #[prost(int32, tag = "2")]
    pub(super) dtype: i32,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct AssetFileDef {
    #[prost(message, optional, tag = "1")]
    pub(super) tensor_info: Option<TensorInfo>,
    #[prost(string, tag = "2")]
    pub(super) filename: String,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct GraphDef {
    #[prost(message, repeated, tag = "1")]
    pub(super) node: Vec<NodeDef>,
    #[prost(message, optional, tag = "2")]
    pub(super) library: Option<FunctionDefLibrary>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct FunctionDefLibrary {
    #[prost(message, repeated, tag = "1")]
    pub(super) function: Vec<FunctionDef>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct FunctionDef {
    #[prost(message, optional, tag = "1")]
    pub(super) signature: Option<OpDef>,
    #[prost(message, repeated, tag = "3")]
    pub(super) node_def: Vec<NodeDef>,
    /// The name of an output argument -> `node:output:index`.
    #[prost(btree_map = "string, string", tag = "4")]
    pub(super) ret: BTreeMap<String, String>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct OpDef {
    #[prost(string, tag = "1")]
    pub(super) name: String,
    #[prost(message, repeated, tag = "2")]
    pub(super) input_arg: Vec<ArgDef>,
    #[prost(message, repeated, tag = "3")]
    pub(super) output_arg: Vec<ArgDef>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct ArgDef {
    #[prost(string, tag = "1")]
    pub(super) name: String,
    #[prost(int32, tag = "3")]
    pub(super) r#type: i32,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct NodeDef {
    #[prost(string, tag = "1")]
    pub(super) name: String,
    #[prost(string, tag = "2")]
    pub(super) op: String,
    #[prost(string, repeated, tag = "3")]
    pub(super) input: Vec<String>,
    #[prost(btree_map = "string, message", tag = "5")]
    pub(super) attr: BTreeMap<String, AttrValue>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct AttrValue {
    #[prost(oneof = "Attr", tags = "1, 2, 3, 5, 6, 8, 10")]
    pub(super) value: Option<Attr>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
pub(super) enum Attr {
    #[prost(message, tag = "1")]
    List(ListValue),
    #[prost(bytes = "vec", tag = "2")]
    S(Vec<u8>),
    #[prost(int64, tag = "3")]
    I(i64),
    #[prost(bool, tag = "5")]
    B(bool),
    #[prost(int32, tag = "6")]
    Type(i32),
    #[prost(message, tag = "8")]
    Tensor(TensorProto),
    #[prost(message, tag = "10")]
    Func(NameAttrList),
}

/// `AttrValue.ListValue`: whole numbers are all that is asked for.
#[derive(Clone, PartialEq, Message)]
pub(super) struct ListValue {
    #[prost(int64, repeated, tag = "3")]
    pub(super) i: Vec<i64>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct NameAttrList {
    #[prost(string, tag = "1")]
    pub(super) name: String,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct TensorShapeProto {
    #[prost(message, repeated, tag = "2")]
    pub(super) dim: Vec<Dim>,
    #[prost(bool, tag = "3")]
    pub(super) unknown_rank: bool,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Dim {
    #[prost(int64, tag = "1")]
    pub(super) size: i64,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct TensorProto {
    #[prost(int32, tag = "1")]
    pub(super) dtype: i32,
    #[prost(message, optional, tag = "2")]
    pub(super) tensor_shape: Option<TensorShapeProto>,
    #[prost(bytes = "vec", tag = "4")]
    pub(super) tensor_content: Vec<u8>,
    #[prost(float, repeated, tag = "5")]
    pub(super) float_val: Vec<f32>,
    #[prost(double, repeated, tag = "6")]
    pub(super) double_val: Vec<f64>,
    #[prost(int32, repeated, tag = "7")]
    pub(super) int_val: Vec<i32>,
    #[prost(bytes = "vec", repeated, tag = "8")]
    pub(super) string_val: Vec<Vec<u8>>,
    #[prost(int64, repeated, tag = "10")]
    pub(super) int64_val: Vec<i64>,
    #[prost(bool, repeated, tag = "11")]
    pub(super) bool_val: Vec<bool>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct SavedObjectGraph {
    #[prost(message, repeated, tag = "1")]
    pub(super) nodes: Vec<SavedObject>,
    #[prost(btree_map = "string, message", tag = "2")]
    pub(super) concrete_functions: BTreeMap<String, SavedConcreteFunction>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct SavedObject {
    #[prost(message, repeated, tag = "1")]
    pub(super) children: Vec<ObjectReference>,
    #[prost(oneof = "ObjectKind", tags = "5, 6, 7, 8, 9, 10")]
    pub(super) kind: Option<ObjectKind>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct ObjectReference {
    #[prost(int32, tag = "1")]
    pub(super) node_id: i32,
    #[prost(string, tag = "2")]
    pub(super) local_name: String,
}

#[derive(Clone, PartialEq, prost::Oneof)]
pub(super) enum ObjectKind {
    #[prost(message, tag = "5")]
    Asset(SavedAsset),
    #[prost(message, tag = "6")]
    Function(SavedFunction),
    #[prost(message, tag = "7")]
    Variable(SavedVariable),
    #[prost(message, tag = "8")]
    BareConcreteFunction(SavedBareConcreteFunction),
    #[prost(message, tag = "9")]
    Constant(SavedConstant),
    #[prost(message, tag = "10")]
    Resource(SavedResource),
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct SavedAsset {
    #[prost(int32, tag = "1")]
    pub(super) asset_file_def_index: i32,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct SavedFunction {
    #[prost(string, repeated, tag = "1")]
    pub(super) concrete_functions: Vec<String>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct SavedVariable {
    #[prost(int32, tag = "1")]
    pub(super) dtype: i32,
    #[prost(message, optional, tag = "2")]
    pub(super) shape: Option<TensorShapeProto>,
    #[prost(string, tag = "6")]
    pub(super) name: String,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct SavedBareConcreteFunction {
    #[prost(string, tag = "1")]
    pub(super) concrete_function_name: String,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct SavedConstant {
    #[prost(string, tag = "1")]
    pub(super) operation: String,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct SavedResource {
    #[prost(string, tag = "1")]
    pub(super) device: String,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct SavedConcreteFunction {
    #[prost(int32, repeated, tag = "2")]
    pub(super) bound_inputs: Vec<i32>,
}

/// The object graph of a checkpoint: the string tensor `_CHECKPOINTABLE_OBJECT_GRAPH`.
#[derive(Clone, PartialEq, Message)]
pub(super) struct TrackableObjectGraph {
    #[prost(message, repeated, tag = "1")]
    pub(super) nodes: Vec<TrackableObject>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct TrackableObject {
    #[prost(message, repeated, tag = "1")]
    pub(super) children: Vec<ObjectReference>,
    #[prost(message, repeated, tag = "2")]
    pub(super) attributes: Vec<SerializedTensor>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct SerializedTensor {
    #[prost(string, tag = "1")]
    pub(super) name: String,
    #[prost(string, tag = "3")]
    pub(super) checkpoint_key: String,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct BundleHeader {
    #[prost(int32, tag = "1")]
    pub(super) num_shards: i32,
    #[prost(int32, tag = "2")]
    pub(super) endianness: i32,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct BundleEntry {
    #[prost(int32, tag = "1")]
    pub(super) dtype: i32,
    #[prost(message, optional, tag = "2")]
    pub(super) shape: Option<TensorShapeProto>,
    #[prost(int32, tag = "3")]
    pub(super) shard_id: i32,
    #[prost(int64, tag = "4")]
    pub(super) offset: i64,
    #[prost(int64, tag = "5")]
    pub(super) size: i64,
    #[prost(fixed32, tag = "6")]
    pub(super) crc32c: u32,
    #[prost(message, repeated, tag = "7")]
    pub(super) slices: Vec<TensorSlice>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct TensorSlice {
    #[prost(message, repeated, tag = "1")]
    pub(super) extent: Vec<Extent>,
}

/// One dimension of a slice; no length: all of the dimension.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Extent {
    #[prost(int64, tag = "1")]
    pub(super) start: i64,
    #[prost(int64, optional, tag = "2")]
    pub(super) length: Option<i64>,
}

/// A TF1 variable, in the collection `variables`.
#[derive(Clone, PartialEq, Message)]
pub(super) struct VariableDef {
    #[prost(string, tag = "1")]
    pub(super) variable_name: String,
    #[prost(message, optional, tag = "4")]
    pub(super) save_slice_info_def: Option<SaveSliceInfoDef>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct SaveSliceInfoDef {
    #[prost(string, tag = "1")]
    pub(super) full_name: String,
    #[prost(int64, repeated, tag = "2")]
    pub(super) full_shape: Vec<i64>,
    #[prost(int64, repeated, tag = "3")]
    pub(super) var_offset: Vec<i64>,
    #[prost(int64, repeated, tag = "4")]
    pub(super) var_shape: Vec<i64>,
}

/// `tfhub_module.pb` of TF1 modules.
#[derive(Clone, PartialEq, Message)]
pub(super) struct ModuleDef {
    #[prost(int32, tag = "1")]
    pub(super) format: i32,
    #[prost(string, repeated, tag = "2")]
    pub(super) required_features: Vec<String>,
}
