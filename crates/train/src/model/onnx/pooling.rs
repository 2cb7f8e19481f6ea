//! The part of an ONNX graph that computes a text's vector from its token ids, by combining rows of the table.

use emberline_base::Combiner;

use super::OnnxTable;
use super::graph::{Graph, Length, integer, list};
use super::proto::element;

/// Adds the input `ids` `[batch, tokens]` and the nodes that compute vectors `[batch, dim]` from it. Returns the name
/// of the vectors.
///
/// Ids below 0 are padding. Row 0 is gathered in their place, and excluded by the mask.
pub(super) fn vectors_of_ids(graph: &mut Graph, table: &OnnxTable<'_>) -> String {
    let ids = graph.input("ids", element::INT64, &[Length::Dynamic("batch"), Length::Dynamic("tokens")]);
    let all = graph.floats("embedding.table", &[table.rows.rows(), table.rows.cols()], table.rows.values());
    let zero = graph.integers("embedding.zero", &[0]);
    let is_token = graph.node("GreaterOrEqual", &[&ids, &zero], "is_token"); // [batch, tokens]
    let row_ids = graph.node("Max", &[&ids, &zero], "row_ids");
    let rows = graph.node_with("Gather", &[&all, &row_ids], "rows", vec![integer("axis", 0)]); // [batch, tokens, dim]
    let counted = cast(graph, &is_token, element::FLOAT, "counted");
    let first = graph.integers("embedding.axis_of_tokens", &[1]);
    let last = graph.integers("embedding.axis_of_numbers", &[2]);
    let tokens = graph.node_with("ReduceSum", &[&counted, &first], "token_count", vec![integer("keepdims", 1)]); // [batch, 1]
    let mask = graph.node("Unsqueeze", &[&counted, &last], "mask"); // [batch, tokens, 1]
    let combined = match table.combiner {
        Combiner::Max => largest(graph, &rows, &mask, &tokens),
        combiner => {
            let masked = graph.node("Mul", &[&rows, &mask], "token_rows");
            let sum = graph.node_with("ReduceSum", &[&masked, &first], "sum", vec![integer("keepdims", 0)]); // [batch, dim]
            scaled(graph, combiner, sum, &tokens)
        }
    };
    if table.normalize { normalized(graph, &combined) } else { combined }
}

fn cast(graph: &mut Graph, input: &str, to: i32, output: &str) -> String {
    graph.node_with("Cast", &[input], output, vec![integer("to", i64::from(to))])
}

/// Adds the division of the sum by the number of tokens or its square root, if the combiner needs it; zeros for a text
/// without tokens.
fn scaled(graph: &mut Graph, combiner: Combiner, sum: String, tokens: &str) -> String {
    if combiner == Combiner::Sum {
        return sum;
    }
    let one = graph.floats("embedding.one", &[1], &[1.0]);
    let count = graph.node("Max", &[tokens, &one], "divisor");
    let divisor = match combiner {
        Combiner::Sqrtn => graph.node("Sqrt", &[&count], "root"),
        Combiner::Mean | Combiner::Sum | Combiner::Max => count,
    };
    graph.node("Div", &[&sum, &divisor], "combined")
}

/// Adds the maximum of each column; zeros for a text without tokens.
fn largest(graph: &mut Graph, rows: &str, mask: &str, tokens: &str) -> String {
    let lowest = graph.floats("embedding.lowest", &[1], &[f32::MIN]);
    let zero = graph.floats("embedding.nothing", &[1], &[0.0]);
    let is_token = cast(graph, mask, element::BOOL, "is_token_row");
    let masked = graph.node("Where", &[&is_token, rows, &lowest], "token_rows");
    let attributes = vec![list("axes", &[1]), integer("keepdims", 0)];
    let largest = graph.node_with("ReduceMax", &[&masked], "largest", attributes);
    let has_tokens = cast(graph, tokens, element::BOOL, "has_tokens"); // [batch, 1]
    graph.node("Where", &[&has_tokens, &largest, &zero], "combined")
}

/// Adds the scaling of vectors to length 1; a vector of zeros stays.
fn normalized(graph: &mut Graph, vectors: &str) -> String {
    let attributes = vec![list("axes", &[1]), integer("keepdims", 1)];
    let length = graph.node_with("ReduceL2", &[vectors], "length", attributes);
    let least = graph.floats("embedding.least", &[1], &[f32::MIN_POSITIVE]);
    let divisor = graph.node("Max", &[&length, &least], "length_divisor");
    graph.node("Div", &[vectors, &divisor], "normalized")
}
