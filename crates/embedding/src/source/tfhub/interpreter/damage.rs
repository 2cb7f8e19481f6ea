//! Hostile and damaged graphs: a clear error that names the node, no panic, no large allocation.

use std::fs;

use prost::Message;

use super::super::files::Files;
use super::super::proto::*;
use super::super::tests::synthetic::{self, ints, node, saved_model, string, with};
use super::super::tests::{PLAIN, write};
use super::super::{Module, read};
use super::tests::{fixture, interpreted};
use crate::{Encoder, Error};

const INDEX: &str = "variables/variables.index";
const DATA: &str = "variables/variables.data-00000-of-00001";

/// Opens the plain module with these nodes behind its sum, the last of them the output; gives the error.
fn hostile(nodes: Vec<NodeDef>) -> String {
    let folder = tempfile::tempdir().expect("a folder");
    write(folder.path(), &PLAIN);
    let mut model = saved_model(&PLAIN);
    let function = &mut synthetic::functions(&mut model)[0];
    let last = nodes.last().map(|node| format!("{}:output:0", node.name)).expect("a node");
    function.ret.insert("out".to_owned(), last);
    function.node_def.extend(nodes);
    fs::write(folder.path().join("saved_model.pb"), model.encode_to_vec()).expect("written");
    interpreted(folder.path()).err().expect("a fault").to_string()
}

fn number(name: &str, attribute: &str, value: i64, op: &str, inputs: &[&str]) -> NodeDef {
    with(node(name, op, inputs), attribute, Attr::I(value))
}

/// Nodes that each join the one before with itself.
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
    let rows = "rows:output:0";
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
        ("the node \"x\" (op ReadFile) isn't one", vec![node("x", "ReadFile", &[sum])]),
        ("the node \"x\" (op PyFunc) isn't one", vec![node("x", "PyFunc", &[sum])]),
        ("the node \"x\" (op SaveV2) isn't one", vec![node("x", "SaveV2", &[sum])]),
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
        ("not a vector", vec![node("x", "Identity", &[rows])]),
    ] {
        let error = hostile(nodes);
        assert!(error.contains("saved_model.pb: ") && error.contains(message), "expected {message:?}: {error}");
    }
}

#[test]
fn a_call_of_itself_is_refused() {
    let call = NameAttrList { name: "embed".to_owned() };
    let itself = node("x", "PartitionedCall", &["texts", "table", "default", "vectors"]);
    let error = hostile(vec![with(itself, "f", Attr::Func(call))]);
    assert!(error.contains("calls nest deeper"), "{error}");
}

/// Truncates and flips the files of a module that is run; no panic, and checksums guard what isn't the graph.
#[test]
fn a_damaged_module_is_refused() {
    let folder = fixture("use-tf1");
    let names = ["saved_model.pb", "tfhub_module.pb", "assets/tokens.txt", INDEX, DATA];
    let whole = names.map(|name| (name.to_owned(), fs::read(folder.join(name)).expect("readable")));
    let open = |name: &str, bytes: Vec<u8>| {
        let mut files = std::collections::BTreeMap::from(whole.clone());
        files.insert(name.to_owned(), bytes);
        match read(&Files::Archive(folder.clone(), files)) {
            Ok(Module::Graph(module)) => Some(module),
            Ok(Module::Table(_)) => None,
            Err(Error::Format { .. }) => None,
            Err(other) => panic!("not a fault of a file: {other}"),
        }
    };
    let vector = |module: &super::GraphModule| module.encode(&[b"the fox"]).map(|m| m.values().to_vec()).ok();
    let (name, graph) = &whole[0];
    let expected = open(name, graph.clone()).map(|module| vector(&module)).expect("a module");
    for (name, bytes) in [&whole[0], &whole[3], &whole[4]] {
        for len in (0..bytes.len()).step_by(bytes.len() / 60 + 1) {
            let found = open(name, bytes[..len].to_vec()).map(|module| vector(&module));
            // Only bytes that no used variable has may be gone.
            assert!(name == DATA && found == Some(expected.clone()) || found.is_none(), "{name}: cut to {len} bytes");
        }
        for bit in (0..bytes.len() * 8).step_by(bytes.len() * 8 / 150 + 1) {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            let found = open(name, flipped).map(|module| vector(&module));
            assert!(name == "saved_model.pb" || found.is_none_or(|v| v == expected), "{name}: bit {bit}");
        }
    }
}
