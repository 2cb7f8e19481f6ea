//! What the nodes of a graph would allocate, as far as the graph alone tells, checked before the runtime loads it: loading
//! computes everything that depends on constants alone, and a graph of a kilobyte may ask for a tensor of many gigabytes.
//!
//! Every tensor is followed by its shape, and small ones by their numbers, since shapes are computed from those. What depends
//! on the texts isn't known, and not refused; but of what multiplies it (`Tile`, `Pad`, ...) the least size is.
//!
//! Specification: ONNX, `docs/Operators.md`.

use std::collections::HashMap;

use rten_onnx::onnx::{GraphProto, ModelProto, NodeProto, TensorProto};

mod ops;
mod tensor;

use self::tensor::Tensor;

/// Bytes of a tensor that no graph is suspicious for.
const FREE: u64 = 64 << 20;
/// The most bytes that a tensor may take for each byte of the graph's files.
const GROWTH: u64 = 250;

/// Refuses a graph that would make a tensor out of all proportion to its files, of so many bytes together. What can't be read
/// is the runtime's to explain.
///
/// # Errors
/// Which node would, and how much it would take.
pub(super) fn check(graph: &[u8], bytes: u64) -> Result<(), String> {
    let Ok(ModelProto { graph: Some(graph), .. }) = ModelProto::parse_buf(graph) else { return Ok(()) };
    let most = bytes.saturating_mul(GROWTH).max(FREE);
    Checker { most, depth: MAX_DEPTH }.graph(&graph, None)
}

/// Graphs within graphs, at most.
const MAX_DEPTH: u32 = 16;

struct Checker {
    most: u64,
    depth: u32,
}

/// What is known of the tensors of a graph; those of the graphs around it can be asked for, too.
struct Known<'o> {
    outer: Option<&'o Known<'o>>,
    own: HashMap<String, Tensor>,
}

impl Known<'_> {
    fn get(&self, name: &str) -> Option<&Tensor> {
        self.own.get(name).or_else(|| self.outer?.get(name))
    }
}

impl Checker {
    /// Follows the nodes of a graph, which stand in the order of computation. `outer`: what a graph around it knows.
    fn graph(&self, graph: &GraphProto, outer: Option<&Known<'_>>) -> Result<(), String> {
        let mut known = Known { outer, own: HashMap::new() };
        for initializer in &graph.initializer {
            known.own.insert(initializer.name.clone().unwrap_or_default(), of_constant(initializer));
        }
        for node in &graph.node {
            let inputs: Vec<Tensor> =
                node.input.iter().map(|name| known.get(name).cloned().unwrap_or_default()).collect();
            let output = ops::output(node, &inputs);
            let taken = output.least.saturating_mul(4);
            if taken > self.most {
                return Err(refusal(node, taken, self.most));
            }
            if let Some(name) = node.output.first() {
                known.own.insert(name.clone(), output);
            }
            self.graphs_within(node, &known)?;
        }
        Ok(())
    }

    fn graphs_within(&self, node: &NodeProto, known: &Known<'_>) -> Result<(), String> {
        let Some(depth) = self.depth.checked_sub(1) else { return Err("its graphs nest without end".to_owned()) };
        let inner = Self { depth, ..*self };
        node.attribute
            .iter()
            .filter_map(|attribute| attribute.g.as_ref())
            .try_for_each(|graph| inner.graph(graph, Some(known)))
    }
}

fn refusal(node: &NodeProto, taken: u64, most: u64) -> String {
    let [kind, name] = [&node.op_type, &node.name].map(|text| text.as_deref().unwrap_or_default());
    format!(
        "its node {name:?} ({kind}) would take {taken} bytes, and {most} at most are believed; it is damaged, or isn't meant to be run"
    )
}

/// A constant as the graph holds it.
fn of_constant(tensor: &TensorProto) -> Tensor {
    let dims: Vec<u64> = tensor.dims.iter().map(|&dim| u64::try_from(dim).unwrap_or_default()).collect();
    Tensor::of(dims).with(tensor::numbers(tensor))
}

#[cfg(test)]
mod tests {
    use rten_onnx::onnx::{AttributeProto, DataType};

    use super::*;

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
        Checker { most: FREE, depth: MAX_DEPTH }.graph(&graph, None).is_err()
    }

    #[test]
    fn nodes_that_make_much_of_little_are_refused() {
        let much: &[i64] = &[1 << 15, 1 << 15];
        for kind in ["ConstantOfShape", "Expand", "Tile", "Pad"] {
            let inputs: &[&str] = if kind == "ConstantOfShape" { &["shape"] } else { &["x", "shape"] };
            for x in [true, false] {
                let mut constants: Vec<(&str, &[i64])> = vec![("shape", much)];
                constants.extend(x.then_some(("x", &[1, 2][..])));
                // A vector has one axis to be padded, before and behind.
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
