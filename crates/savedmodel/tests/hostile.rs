//! Hostile graphs: they give a clear error that names the node, no panic, and no large allocation.

mod synthetic;

use std::fs;

use prost::Message;
use savedmodel::proto::*;
use savedmodel::{SavedModel, Tensor};

use self::synthetic::{PLAIN, Recipe, ints, node, saved_model, string, with, write};

/// Returns the functions of the only graph.
fn functions(model: &mut savedmodel::proto::SavedModel) -> &mut Vec<FunctionDef> {
    let graph = model.meta_graphs[0].graph_def.as_mut();
    &mut graph.and_then(|graph| graph.library.as_mut()).expect("functions").function
}

/// Runs the plain model with these nodes after its sum, the last of them the output; returns the error.
fn hostile(nodes: Vec<NodeDef>) -> String {
    let folder = tempfile::tempdir().expect("a folder");
    write(folder.path(), &PLAIN);
    let mut model = saved_model(&PLAIN);
    let function = &mut functions(&mut model)[0];
    let last = nodes.last().map(|node| format!("{}:output:0", node.name)).expect("a node");
    function.ret.insert("out".to_owned(), last);
    function.node_def.extend(nodes);
    fs::write(folder.path().join("saved_model.pb"), model.encode_to_vec()).expect("written");
    let run = |function: savedmodel::Function| {
        let outputs = function.run(&[Tensor::vector(vec![b"a b".to_vec()])])?;
        assert_eq!(outputs.len(), 1);
        Ok(outputs[0].shape().to_vec())
    };
    let outcome = SavedModel::open(folder.path()).and_then(|model| model.function("__call__")).and_then(run);
    outcome.expect_err("a fault").to_string()
}

fn number(name: &str, attribute: &str, value: i64, op: &str, inputs: &[&str]) -> NodeDef {
    with(node(name, op, inputs), attribute, Attr::I(value))
}

/// Returns nodes that each join the previous one with itself.
fn doubled(op: &str, times: usize, first: &str, more: &[&str]) -> Vec<NodeDef> {
    let mut previous = first.to_owned();
    let double = |i: usize| {
        let name = format!("d{i}");
        let inputs = [&[previous.as_str(), previous.as_str()], more].concat();
        let made = node(&name, op, &inputs);
        previous = format!("{name}:output:0");
        made
    };
    (0..times).map(double).collect()
}

#[test]
fn hostile_graphs_are_refused() {
    let sum = "sum:output:0";
    let huge = || ints("huge", &[2], &[1 << 40, 1 << 40]);
    let large = || ints("large", &[2], &[1 << 14, 1 << 14]);
    let one = || ints("one", &[], &[1]);
    let zero = || ints("zero", &[], &[0]);
    for (message, nodes) in [
        ("is too large", vec![huge(), one(), node("x", "Fill", &["huge:output:0", "one:output:0"])]),
        ("elements are made", vec![large(), one(), node("x", "Fill", &["large:output:0", "one:output:0"])]),
        ("is too large", vec![large(), node("x", "Tile", &[sum, "large:output:0"])]),
        ("elements are made", vec![large(), node("x", "BroadcastTo", &[sum, "large:output:0"])]),
        ("is too large", vec![ints("n", &[2], &[i64::MAX, 2]), node("x", "Tile", &[sum, "n:output:0"])]),
        (
            "is too large",
            vec![
                zero(),
                one(),
                ints("n", &[], &[1 << 40]),
                node("x", "Range", &["zero:output:0", "n:output:0", "one:output:0"]),
            ],
        ),
        ("steps of 0", vec![zero(), one(), node("x", "Range", &["zero:output:0", "one:output:0", "zero:output:0"])]),
        ("makes the shape", vec![ints("n", &[1], &[7]), node("x", "Reshape", &[sum, "n:output:0"])]),
        ("makes the shape", vec![ints("n", &[2], &[-1, -1]), node("x", "Reshape", &[sum, "n:output:0"])]),
        ("multiplies the shapes", vec![node("x", "MatMul", &[sum, sum])]),
        (
            "takes the element 99 of",
            vec![ints("n", &[], &[99]), zero(), node("x", "GatherV2", &[sum, "n:output:0", "zero:output:0"])],
        ),
        ("along the axis 5", vec![ints("n", &[], &[5]), node("x", "ExpandDims", &[sum, "n:output:0"])]),
        ("orders 2 dimensions", vec![ints("n", &[2], &[0, 0]), node("x", "Transpose", &[sum, "n:output:0"])]),
        ("makes 0 tensors", vec![zero(), number("x", "num_split", 0, "Split", &["zero:output:0", sum])]),
        (
            "makes 9999 tensors",
            vec![zero(), number("x", "num_partitions", 9999, "DynamicPartition", &[sum, "zero:output:0"])],
        ),
        ("equal parts", vec![one(), number("x", "num_split", 2, "Split", &["one:output:0", sum])]),
        ("divides a whole number by 0", vec![one(), zero(), node("x", "FloorDiv", &["one:output:0", "zero:output:0"])]),
        ("is used on", vec![one(), node("x", "AddV2", &[sum, "one:output:0"])]),
        ("has 1 inputs; 2 are read", vec![node("x", "MatMul", &[sum])]),
        ("the node \"x\" (op ReadFile) is an unsupported op", vec![node("x", "ReadFile", &[sum])]),
        ("the node \"x\" (op PyFunc) is an unsupported op", vec![node("x", "PyFunc", &[sum])]),
        ("the node \"x\" (op SaveV2) is an unsupported op", vec![node("x", "SaveV2", &[sum])]),
        ("no node \"gone\"", vec![node("x", "Relu", &["gone:output:0"])]),
        ("feeds itself", vec![node("x", "Relu", &["x:output:0"])]),
        (
            "make constants of more than",
            [vec![string("s", "abcdefgh")], doubled("StringJoin", 60, "s:output:0", &[])].concat(),
        ),
        (
            "make constants of more than",
            [
                vec![ints("m", &[1], &[1 << 20]), one(), zero(), node("f", "Fill", &["m:output:0", "one:output:0"])],
                doubled("ConcatV2", 60, "f:output:0", &["zero:output:0"]),
            ]
            .concat(),
        ),
        ("a negative size", vec![ints("n", &[-4], &[1]), node("x", "Identity", &["n:output:0"])]),
        ("at most 4194304", vec![ints("n", &[1 << 28], &[1]), node("x", "Identity", &["n:output:0"])]),
    ] {
        let error = hostile(nodes);
        assert!(error.contains(message), "expected {message:?}: {error}");
    }
}

#[test]
fn a_call_of_itself_is_refused() {
    let call = NameAttrList { name: "embed".to_owned() };
    let itself = node("x", "PartitionedCall", &["texts", "table", "default", "vectors"]);
    let error = hostile(vec![with(itself, "f", Attr::Func(call))]);
    assert!(error.contains("calls nest deeper"), "{error}");
}

/// Every variation of the synthetic model gives the same numbers for one row.
#[test]
fn variations_are_read_alike() {
    let sliced = Recipe { slices: Some(2), segment_op: "SparseSegmentSum", ..PLAIN };
    let packed = Recipe { snappy: true, double: true, segment_op: "SparseSegmentMean", ..PLAIN };
    let edited = Recipe { edit: Some(node("edit", "StringLower", &["texts"])), ..PLAIN };
    for recipe in [PLAIN, sliced, packed, edited] {
        let folder = tempfile::tempdir().expect("a folder");
        write(folder.path(), &recipe);
        let function =
            SavedModel::open(folder.path()).and_then(|model| model.function("__call__")).expect("a function");
        let outputs = function.run(&[Tensor::vector(vec![b"b".to_vec(), b"cat".to_vec()])]).expect("vectors");
        let found = outputs[0].values::<f32>().map(<[f32]>::to_vec);
        let found =
            found.unwrap_or_else(|_| outputs[0].values::<f64>().expect("floats").iter().map(|&v| v as f32).collect());
        assert_eq!(found, [4.0, 5.0, 6.0, 8.0, 9.0, 10.0], "{}", recipe.segment_op);
    }
}

#[test]
fn missing_and_truncated_files_are_named() {
    for name in
        ["saved_model.pb", "variables/variables.index", "variables/variables.data-00000-of-00001", "assets/tokens.txt"]
    {
        let folder = tempfile::tempdir().expect("a folder");
        write(folder.path(), &PLAIN);
        let path = folder.path().join(name);
        let open = || SavedModel::open(folder.path()).and_then(|model| model.function("__call__")).err();
        // Half of a vocabulary is still a valid vocabulary.
        if !name.ends_with(".txt") {
            let whole = fs::read(&path).expect("readable");
            fs::write(&path, &whole[..whole.len() / 2]).expect("written");
            let error = open().expect(name).to_string();
            assert!(error.contains("saved_model.pb: ") || error.contains(name), "{name}: {error}");
        }
        fs::remove_file(&path).expect("removed");
        let error = open().expect(name).to_string();
        assert!(error.contains(name) && error.contains("isn't there"), "{name}: {error}");
    }
}
