//! Limits the memory that loading a graph may allocate, by shape inference before the runtime loads it: loading evaluates all
//! nodes that depend only on constants, and a malicious graph of a kilobyte may allocate a tensor of many gigabytes.
//!
//! Every tensor is followed by its shape, and small ones by their values too, since shapes are computed from them. A size that
//! depends on the texts is unknown and not refused; but for a node that multiplies it (`Tile`, `Pad`, ...), a lower bound of
//! the size is computed.
//!
//! Specification: ONNX, `docs/Operators.md`.

use std::collections::HashMap;

use rten_onnx::onnx::{GraphProto, ModelProto, NodeProto, TensorProto};
use rten_onnx::protobuf::{DecodeMessage, ReadPos, ValueReader};

mod bounded;
mod ops;
mod tensor;

use self::bounded::Bounded;
use self::tensor::Tensor;

/// Size in bytes that every tensor may have, however small the graph's files are.
const ALWAYS_ALLOWED: u64 = 64 << 20;
/// Maximum size of a tensor in bytes per byte of the graph's files.
const MAX_GROWTH: u64 = 250;
/// Maximum depth of nested graphs.
const MAX_DEPTH: u32 = 16;

/// Refuses a graph that can't be parsed, or with a tensor that is disproportionately large. `bytes`: the total size of the graph's
/// files. What can't be parsed must not reach the runtime, whose parser never ends on some of it ([`Bounded`]). A file without a
/// graph is accepted, since the runtime explains why it isn't one.
///
/// # Errors
/// Why it can't be parsed; or the node with the tensor, and how many bytes it would take.
pub(super) fn check(graph: &[u8], bytes: u64) -> Result<(), String> {
    let reader = ValueReader::new(ReadPos::new(Bounded::new(graph)));
    let parsed = ModelProto::decode(reader).map_err(|error| format!("can't be loaded as an ONNX graph: {error}"))?;
    let Some(graph) = parsed.graph else { return Ok(()) };
    let limit = bytes.saturating_mul(MAX_GROWTH).max(ALWAYS_ALLOWED);
    Checker { limit, depth: MAX_DEPTH }.graph(&graph, None)
}

/// Checks the nodes of a graph and of its nested graphs.
struct Checker {
    /// Maximum size of a tensor in bytes.
    limit: u64,
    /// How many more levels of graphs may be nested.
    depth: u32,
}

/// The tensors of a graph by name, with access to those of the enclosing graphs.
struct Scope<'o> {
    outer: Option<&'o Scope<'o>>,
    own: HashMap<String, Tensor>,
}

impl Scope<'_> {
    fn get(&self, name: &str) -> Option<&Tensor> {
        self.own.get(name).or_else(|| self.outer?.get(name))
    }
}

impl Checker {
    /// Checks the nodes of a graph, which are in the order of computation. `outer`: the tensors of the enclosing graph.
    fn graph(&self, graph: &GraphProto, outer: Option<&Scope<'_>>) -> Result<(), String> {
        let mut scope = Scope { outer, own: HashMap::new() };
        for initializer in &graph.initializer {
            scope.own.insert(initializer.name.clone().unwrap_or_default(), of_constant(initializer));
        }
        for node in &graph.node {
            let inputs: Vec<Tensor> =
                node.input.iter().map(|name| scope.get(name).cloned().unwrap_or_default()).collect();
            let output = ops::output(node, &inputs);
            let bytes = output.least.saturating_mul(4);
            if bytes > self.limit {
                return Err(refusal(node, bytes, self.limit));
            }
            if let Some(name) = node.output.first() {
                scope.own.insert(name.clone(), output);
            }
            self.nested_graphs(node, &scope)?;
        }
        Ok(())
    }

    fn nested_graphs(&self, node: &NodeProto, scope: &Scope<'_>) -> Result<(), String> {
        let Some(depth) = self.depth.checked_sub(1) else {
            return Err(format!("its graphs are nested more than {MAX_DEPTH} levels deep"));
        };
        let inner = Self { depth, ..*self };
        node.attribute
            .iter()
            .filter_map(|attribute| attribute.g.as_ref())
            .try_for_each(|graph| inner.graph(graph, Some(scope)))
    }
}

fn refusal(node: &NodeProto, bytes: u64, limit: u64) -> String {
    let [kind, name] = [&node.op_type, &node.name].map(|text| text.as_deref().unwrap_or_default());
    format!(
        "its node {name:?} ({kind}) would take {bytes} bytes, more than the {limit} bytes that are plausible for its size; the file is damaged or malicious"
    )
}

/// Converts a constant of the graph.
fn of_constant(tensor: &TensorProto) -> Tensor {
    let dims: Vec<u64> = tensor.dims.iter().map(|&dim| u64::try_from(dim).unwrap_or_default()).collect();
    Tensor::of(dims).with(tensor::numbers(tensor))
}

#[cfg(test)]
mod tests {
    use rten_onnx::onnx::{AttributeProto, DataType};

    use super::*;

    /// `ir_version` 8, then field 9 whose number has eleven bytes: the runtime would read it for ever.
    #[test]
    fn a_number_without_an_end_is_refused() {
        let endless = [&[0x08, 0x08, 0x48][..], &[0xFF; 11]].concat();
        let error = check(&endless, 14).expect_err("no graph");
        assert!(error.starts_with("can't be loaded as an ONNX graph"), "{error}");
    }

    /// Field 2 with a length of 2^64 - 13, which the runtime would skip backwards, to the beginning, again and again.
    #[test]
    fn a_length_that_leads_back_is_refused() {
        let back = [&[0x08, 0x08, 0x12, 0xF3][..], &[0xFF; 8], &[0x01]].concat();
        let found = std::panic::catch_unwind(|| check(&back, 13));
        assert!(!matches!(found, Ok(Ok(()))), "{found:?}");
    }

    fn constant(name: &str, numbers: &[i64]) -> TensorProto {
        TensorProto {
            dims: vec![numbers.len() as i64],
            data_type: Some(DataType::INT64),
            int64_data: numbers.to_vec(),
            name: Some(name.to_owned()),
            ..TensorProto::default()
        }
    }

    fn node(kind: &str, inputs: &[&str], output: &str) -> NodeProto {
        let owned = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
        NodeProto {
            op_type: Some(kind.to_owned()),
            input: owned(inputs),
            output: owned(&[output]),
            ..NodeProto::default()
        }
    }

    fn refused(constants: &[(&str, &[i64])], nodes: Vec<NodeProto>) -> bool {
        let initializer = constants.iter().map(|(name, numbers)| constant(name, numbers)).collect();
        let graph = GraphProto { node: nodes, initializer, ..GraphProto::default() };
        Checker { limit: ALWAYS_ALLOWED, depth: MAX_DEPTH }.graph(&graph, None).is_err()
    }

    #[test]
    fn nodes_that_make_much_of_little_are_refused() {
        let much: &[i64] = &[1 << 15, 1 << 15];
        for kind in ["ConstantOfShape", "Expand", "Tile", "Pad"] {
            let inputs: &[&str] = if kind == "ConstantOfShape" { &["shape"] } else { &["x", "shape"] };
            for x in [true, false] {
                let mut constants: Vec<(&str, &[i64])> = vec![("shape", much)];
                constants.extend(x.then_some(("x", &[1, 2][..])));
                // A vector has one axis to pad, at its beginning and its end.
                let many = [("shape", &[1 << 30, 1 << 30][..]), ("x", &[1][..])];
                let constants = if kind == "Pad" { many.to_vec() } else { constants };
                assert!(refused(&constants, vec![node(kind, inputs, "y")]), "{kind}");
            }
            assert!(!refused(&[("shape", &[2, 3]), ("x", &[1])], vec![node(kind, inputs, "y")]), "{kind}");
        }
        let range = [("start", &[0][..]), ("limit", &[1 << 40]), ("delta", &[2])];
        assert!(refused(&range, vec![node("Range", &["start", "limit", "delta"], "y")]));
        assert!(refused(&[("depth", &[1 << 30])], vec![node("OneHot", &["ids", "depth", "values"], "y")]));
        assert!(refused(&[("sizes", &[1, 1 << 15, 1 << 15])], vec![node("Resize", &["x", "", "", "sizes"], "y")]));
    }

    #[test]
    fn shapes_that_are_computed_are_followed() {
        let constants: [(&str, &[i64]); 2] = [("a", &[1 << 10]), ("b", &[1 << 5])];
        let shape = vec![
            node("Mul", &["a", "b"], "side"),
            node("Cast", &["side"], "cast"),
            node("Concat", &["cast", "side"], "shape"),
            node("ConstantOfShape", &["shape"], "y"),
        ];
        assert!(refused(&constants, shape.clone()));
        assert!(!refused(&[("a", &[4]), ("b", &[5])], shape));
        let again = |x: &'static str, y: &'static str| node("Tile", &[x, "b"], y);
        assert!(refused(
            &constants,
            vec![
                again("ids", "x"),
                again("x", "y"),
                again("y", "z"),
                again("z", "x"),
                again("x", "y"),
                again("y", "z")
            ]
        ));
        let long: Vec<i64> = vec![1; 9000];
        let outer = vec![
            node("Unsqueeze", &["x", "zero"], "row"),
            node("Unsqueeze", &["x", "one"], "column"),
            node("Add", &["row", "column"], "y"),
        ];
        assert!(refused(&[("x", &long), ("zero", &[0]), ("one", &[1])], outer));
    }

    #[test]
    fn graphs_within_graphs_are_followed() {
        let inner = GraphProto { node: vec![node("ConstantOfShape", &["shape"], "y")], ..GraphProto::default() };
        let branch = AttributeProto { g: Some(inner), ..AttributeProto::default() };
        let choice = NodeProto { attribute: vec![branch], ..node("If", &["ids"], "y") };
        assert!(refused(&[("shape", &[1 << 20, 1 << 20])], vec![choice]));
    }
}
