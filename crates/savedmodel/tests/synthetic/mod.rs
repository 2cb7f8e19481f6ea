//! Models that tests write themselves: a graph of the ops that TensorFlow Hub's exporter uses, with variations.

use std::fs;
use std::path::Path;

use prost::Message;
use savedmodel::leveldb::{masked, table};
use savedmodel::proto::*;
use savedmodel::slice_key;

/// How a model differs from the simplest one.
pub(crate) struct Recipe {
    pub(crate) segment_op: &'static str,
    /// The op that edits texts, if any.
    pub(crate) edit: Option<NodeDef>,
    pub(crate) double: bool,
    pub(crate) snappy: bool,
    /// The number of rows per slice, each in a shard of its own. `None`: the table isn't sliced.
    pub(crate) slices: Option<usize>,
}

pub(crate) const PLAIN: Recipe =
    Recipe { segment_op: "SparseSegmentSqrtN", edit: None, double: false, snappy: false, slices: None };

/// Four words and two hash buckets, three columns: element `(r, c)` is `4 r + c`.
const WORDS: &str = "a\nb\ncat\n\u{fc}ber\n";
const ROWS: usize = 6;
const COLS: usize = 3;

pub(crate) fn node(name: &str, op: &str, inputs: &[&str]) -> NodeDef {
    let input = inputs.iter().map(|i| (*i).to_owned()).collect();
    NodeDef { name: name.to_owned(), op: op.to_owned(), input, ..NodeDef::default() }
}

pub(crate) fn with(mut node: NodeDef, name: &str, value: Attr) -> NodeDef {
    node.attr.insert(name.to_owned(), AttrValue { value: Some(value) });
    node
}

fn shape(dims: &[i64]) -> Option<TensorShapeProto> {
    Some(TensorShapeProto { dim: dims.iter().map(|&size| Dim { size }).collect(), unknown_rank: false })
}

pub(crate) fn ints(name: &str, dims: &[i64], values: &[i64]) -> NodeDef {
    let tensor = TensorProto {
        dtype: dtype::INT64,
        tensor_shape: shape(dims),
        int64_val: values.to_vec(),
        ..TensorProto::default()
    };
    with(node(name, "Const", &[]), "value", Attr::Tensor(tensor))
}

pub(crate) fn string(name: &str, value: &str) -> NodeDef {
    let string_val = vec![value.as_bytes().to_vec()];
    let tensor = TensorProto { dtype: dtype::STRING, tensor_shape: shape(&[]), string_val, ..TensorProto::default() };
    with(node(name, "Const", &[]), "value", Attr::Tensor(tensor))
}

fn body(recipe: &Recipe) -> Vec<NodeDef> {
    let text = if recipe.edit.is_some() { "edit:output:0" } else { "texts" };
    let inputs = ["fill:output_indices:0", "from:output:0", "to:output:0", "by:output:0"];
    let column = node("column", "StridedSlice", &inputs);
    let column = [("begin_mask", 1), ("end_mask", 1), ("shrink_axis_mask", 2)]
        .into_iter()
        .fold(column, |n, (name, mask)| with(n, name, Attr::I(mask)));
    let mut nodes = vec![
        string("space", " "),
        string("empty", ""),
        ints("from", &[2], &[0, 0]),
        ints("to", &[2], &[0, 1]),
        ints("by", &[2], &[1]),
        node("split", "StringSplitV2", &[text, "space:output:0"]),
        node("fill", "SparseFillEmptyRows", &["split:indices:0", "split:values:0", "split:shape:0", "empty:output:0"]),
        node("found", "LookupTableFindV2", &["table", "fill:output_values:0", "default"]),
        with(node("hash", "StringToHashBucketFast", &["fill:output_values:0"]), "num_buckets", Attr::I(2)),
        node("size", "LookupTableSizeV2", &["table", "^found"]),
        node("oov", "AddV2", &["hash:output:0", "size:size:0"]),
        node("known", "NotEqual", &["found:values:0", "default"]),
        node("ids", "SelectV2", &["known:z:0", "found:values:0", "oov:z:0"]),
        column,
        node("unique", "Unique", &["ids:output:0"]),
        node("rows", "ResourceGather", &["vectors", "unique:y:0"]),
        node("sum", recipe.segment_op, &["rows:output:0", "unique:idx:0", "column:output:0"]),
    ];
    nodes.extend(recipe.edit.clone());
    nodes
}

fn children(named: &[(&str, i32)]) -> Vec<ObjectReference> {
    named.iter().map(|&(name, node_id)| ObjectReference { node_id, local_name: name.to_owned() }).collect()
}

pub(crate) fn saved_model(recipe: &Recipe) -> SavedModel {
    let argument = |name: &str, r#type| ArgDef { name: name.to_owned(), r#type };
    let signature = OpDef {
        name: "embed".to_owned(),
        input_arg: vec![
            argument("texts", dtype::STRING),
            argument("table", 20),
            argument("default", dtype::INT64),
            argument("vectors", 20),
        ],
        output_arg: vec![argument("out", dtype::FLOAT)],
    };
    let ret = [("out".to_owned(), "sum:output:0".to_owned())].into();
    let function = FunctionDef { signature: Some(signature), node_def: body(recipe), ret };
    let object = |named: &[(&str, i32)], kind| SavedObject { children: children(named), kind };
    let call = SavedFunction { concrete_functions: vec!["embed".to_owned()] };
    let nodes = vec![
        object(&[("__call__", 1), ("table", 2), ("vectors", 3)], None),
        object(&[], Some(ObjectKind::Function(call))),
        object(&[("_initializer", 6)], Some(ObjectKind::Resource(SavedResource::default()))),
        object(&[], Some(ObjectKind::Variable(SavedVariable::default()))),
        object(&[], Some(ObjectKind::Asset(SavedAsset::default()))),
        object(&[], Some(ObjectKind::Constant(SavedConstant { operation: "minus one".to_owned() }))),
        object(&[("_filename", 4)], None),
    ];
    let bound = SavedConcreteFunction { bound_inputs: vec![2, 5, 3] };
    let objects = SavedObjectGraph { nodes, concrete_functions: [("embed".to_owned(), bound)].into() };
    let graph = GraphDef {
        node: vec![ints("minus one", &[], &[-1])],
        library: Some(FunctionDefLibrary { function: vec![function] }),
    };
    let assets = vec![AssetFileDef { tensor_info: None, filename: "tokens.txt".to_owned() }];
    let meta = MetaGraphDef {
        graph_def: Some(graph),
        asset_file_def: assets,
        object_graph_def: Some(objects),
        ..MetaGraphDef::default()
    };
    SavedModel { meta_graphs: vec![meta] }
}

fn numbers(recipe: &Recipe, rows: std::ops::Range<usize>) -> Vec<u8> {
    let values = rows.flat_map(|r| (0..COLS).map(move |c| (4 * r + c) as f32));
    match recipe.double {
        true => values.flat_map(|v| f64::from(v).to_le_bytes()).collect(),
        false => values.flat_map(f32::to_le_bytes).collect(),
    }
}

/// The index, and the shards.
fn checkpoint(recipe: &Recipe) -> (Vec<u8>, Vec<Vec<u8>>) {
    let key = "vectors/.ATTRIBUTES/VARIABLE_VALUE";
    let value = SerializedTensor { name: "VARIABLE_VALUE".to_owned(), checkpoint_key: key.to_owned() };
    // The numbers differ from those in the SavedModel.
    let stored = vec![
        TrackableObject { children: children(&[("vectors", 1)]), attributes: vec![] },
        TrackableObject { children: vec![], attributes: vec![value] },
    ];
    let graph = TrackableObjectGraph { nodes: stored }.encode_to_vec();
    assert!(graph.len() < 128, "a length of one byte");
    let lengths = crc32c::crc32c(&(graph.len() as u32).to_le_bytes());
    let text = [&[graph.len() as u8][..], &masked(lengths).to_le_bytes(), &graph].concat();
    let crc = crc32c::crc32c_append(crc32c::crc32c_append(lengths, &text[1..5]), &graph);
    let text_entry = BundleEntry {
        dtype: dtype::STRING,
        shape: shape(&[]),
        size: text.len() as i64,
        crc32c: masked(crc),
        ..BundleEntry::default()
    };

    let mut shards = vec![text];
    let number = if recipe.double { dtype::DOUBLE } else { dtype::FLOAT };
    let mut full = BundleEntry { dtype: number, shape: shape(&[ROWS as i64, COLS as i64]), ..BundleEntry::default() };
    let mut entries = Vec::new();
    for start in (0..ROWS).step_by(recipe.slices.unwrap_or(ROWS)) {
        let rows = start..ROWS.min(start + recipe.slices.unwrap_or(ROWS));
        let bytes = numbers(recipe, rows.clone());
        let entry = BundleEntry {
            dtype: number,
            shape: shape(&[rows.len() as i64, COLS as i64]),
            size: bytes.len() as i64,
            crc32c: masked(crc32c::crc32c(&bytes)),
            ..BundleEntry::default()
        };
        match recipe.slices {
            None => {
                full = BundleEntry { offset: shards[0].len() as i64, ..entry };
                shards[0].extend(bytes);
            }
            Some(_) => {
                let extent = vec![
                    Extent { start: start as i64, length: Some(rows.len() as i64) },
                    Extent { start: 0, length: None },
                ];
                let slice = TensorSlice { extent };
                let shard = BundleEntry { shard_id: shards.len() as i32, ..entry };
                entries.push((slice_key(key, &slice), shard.encode_to_vec()));
                full.slices.push(slice);
                shards.push(bytes);
            }
        }
    }
    let header = BundleHeader { num_shards: shards.len() as i32, endianness: 0 };
    entries.push((Vec::new(), header.encode_to_vec()));
    entries.push((b"_CHECKPOINTABLE_OBJECT_GRAPH".to_vec(), text_entry.encode_to_vec()));
    entries.push((key.as_bytes().to_vec(), full.encode_to_vec()));
    entries.sort();
    (table(&entries, recipe.snappy), shards)
}

pub(crate) fn write(folder: &Path, recipe: &Recipe) {
    fs::create_dir_all(folder.join("variables")).expect("a folder");
    fs::create_dir_all(folder.join("assets")).expect("a folder");
    fs::write(folder.join("saved_model.pb"), saved_model(recipe).encode_to_vec()).expect("written");
    fs::write(folder.join("assets/tokens.txt"), WORDS).expect("written");
    let (index, shards) = checkpoint(recipe);
    fs::write(folder.join("variables/variables.index"), index).expect("written");
    for (i, bytes) in shards.iter().enumerate() {
        let name = format!("variables/variables.data-{i:05}-of-{:05}", shards.len());
        fs::write(folder.join(name), bytes).expect("written");
    }
}
