//! Exports a model as an ONNX file, opset 17; checked against onnxruntime by `ci/export.py`.
//!
//! | input | type and shape | content |
//! |---|---|---|
//! | `vectors` | F32 `[batch, dim]` | the embedding's vectors; for a learned mix, those of all layers `[batch, layers * dim]` |
//! | or `ids` | I64 `[batch, tokens]` | row numbers of the table, which the file contains; -1 is padding |
//!
//! | output | type and shape | content |
//! |---|---|---|
//! | `logits` | F32 `[batch, outputs]` | see [`Model::logits`] |
//! | `probabilities` | F32 `[batch, outputs]` | see [`Model::probabilities`]: calibrated; binary: of the positive class |
//!
//! The metadata are those of the model's own file: classes, thresholds, digests. With `ids`, `vocabulary` is a JSON
//! list of the word of every row, null for a row without one. Dropout has no effect during inference and is left out.
//!
//! Specification: <https://github.com/onnx/onnx/blob/main/docs/IR.md>.

mod graph;
mod pooling;
mod proto;
#[cfg(test)]
mod tests;

use emberline_base::{Combiner, Matrix, Task};
use prost::Message;

use self::graph::{Graph, Length, float, integer};
use self::pooling::vectors_of_ids;
use self::proto::{ModelProto, OperatorSetIdProto, StringStringEntryProto, element};
use super::{Calibration, Model, ModelError};
use crate::engine::{MIX, shares};
use crate::head::Step;
use crate::settings::Activation;

/// The version of the file format that introduced opset 17.
const IR_VERSION: i64 = 8;
const OPSET: i64 = 17;
/// The maximum size of a protocol buffer, just below 2 GiB.
const MAX_BYTES: u64 = (1 << 31) - 1;
/// The space reserved for everything but the table, in bytes.
const MARGIN: u64 = 1 << 20;

/// The input of an ONNX graph.
#[derive(Clone, Copy, Debug)]
pub enum OnnxInput<'t> {
    /// Vectors of texts, computed elsewhere.
    Vectors,
    /// Token ids, which are row numbers of this table; the table becomes part of the file.
    Ids(OnnxTable<'t>),
}

/// A table, and how its rows are combined into a text's vector.
#[derive(Clone, Copy, Debug)]
pub struct OnnxTable<'t> {
    /// The rows, `[rows, dim]`, including those that training changed.
    pub rows: &'t Matrix,
    /// The word of every row.
    pub words: &'t [Option<String>],
    /// How the rows of a text are combined.
    pub combiner: Combiner,
    /// Whether the vector is scaled to length 1; a vector of zeros stays.
    pub normalize: bool,
}

impl Model {
    /// Serializes the model to the bytes of an ONNX file. Equal models give equal bytes.
    ///
    /// # Errors
    /// When the rows of the table have another length than the model takes, the table is too large for an ONNX file, or the
    /// model has an isotonic calibration.
    pub fn to_onnx(&self, input: OnnxInput<'_>) -> Result<Vec<u8>, ModelError> {
        if let Some(Calibration::Probabilities(_)) = self.description.calibration {
            return Err(ModelError::OnnxCalibration);
        }
        let mut graph = Graph::default();
        let mut metadata = self.metadata();
        metadata.remove("format");
        metadata.remove("version");
        let vectors = match input {
            OnnxInput::Vectors => self.vectors_input(&mut graph),
            OnnxInput::Ids(table) => {
                self.check_table(&table)?;
                if table.words.iter().any(Option::is_some) {
                    metadata.insert("vocabulary".to_owned(), serde_json::json!(table.words).to_string());
                }
                vectors_of_ids(&mut graph, &table)
            }
        };
        self.add_head(&mut graph, vectors);
        self.add_probabilities(&mut graph);
        let model = ModelProto {
            ir_version: IR_VERSION,
            producer_name: "emberline".to_owned(),
            graph: Some(graph.finish("emberline")),
            opset_import: vec![OperatorSetIdProto { domain: String::new(), version: OPSET }],
            metadata_props: metadata.into_iter().map(|(key, value)| StringStringEntryProto { key, value }).collect(),
        };
        let bytes = model.encoded_len() as u64;
        if bytes > MAX_BYTES { Err(ModelError::OnnxTooLarge { bytes }) } else { Ok(model.encode_to_vec()) }
    }

    /// Checks the size of a table before it is copied.
    fn check_table(&self, table: &OnnxTable<'_>) -> Result<(), ModelError> {
        let of = |dim: usize| format!("rows of length {dim}");
        if table.rows.cols() != self.dim() {
            return Err(ModelError::Features { expected: of(self.dim()), found: of(table.rows.cols()) });
        }
        let bytes = table.rows.values().len() as u64 * 4;
        if bytes + MARGIN > MAX_BYTES { Err(ModelError::OnnxTooLarge { bytes }) } else { Ok(()) }
    }

    /// Adds the input `vectors`, and the weighted sum of an encoder's layers if the model learned one. Returns the name
    /// of the vectors.
    fn vectors_input(&self, graph: &mut Graph) -> String {
        let Some(mix) = self.weights.get(MIX) else {
            return graph.input("vectors", element::FLOAT, &[Length::Dynamic("batch"), Length::Fixed(self.dim())]);
        };
        let layers = mix.shape[0];
        let shape = [Length::Dynamic("batch"), Length::Fixed(layers * self.dim())];
        let input = graph.input("vectors", element::FLOAT, &shape);
        let layered = graph.integers("embedding.layered", &[-1, layers as i64, self.dim() as i64]);
        let shares = graph.floats("embedding.shares", &[layers, 1], &shares(&self.weights));
        let axis = graph.integers("embedding.axis_of_layers", &[1]);
        let split = graph.node("Reshape", &[&input, &layered], "layers"); // [batch, layers, dim]
        let weighted = graph.node("Mul", &[&split, &shares], "weighted_layers");
        graph.node_with("ReduceSum", &[&weighted, &axis], "mixed", vec![integer("keepdims", 0)]) // [batch, dim]
    }

    /// Adds the layers, which end with the output `logits`.
    fn add_head(&self, graph: &mut Graph, vectors: String) {
        let mut x = vectors;
        let last = self.architecture.steps.len() - 1;
        for (at, step) in self.architecture.steps.iter().enumerate() {
            match step {
                Step::Dense { name, activation, .. } => {
                    let [kernel, bias] =
                        ["kernel", "bias"].map(|part| self.add_array(graph, &format!("{name}.{part}")));
                    let output = if at == last { "logits".to_owned() } else { format!("{name}.sums") };
                    x = graph.node("Gemm", &[&x, &kernel, &bias], &output); // [batch, units]
                    x = activate(graph, *activation, x, name);
                }
                Step::LayerNorm { name, units: _, epsilon } => {
                    let [gamma, beta] = ["gamma", "beta"].map(|part| self.add_array(graph, &format!("{name}.{part}")));
                    let attributes = vec![integer("axis", -1), float("epsilon", *epsilon as f32)];
                    let output = format!("{name}.output");
                    x = graph.node_with("LayerNormalization", &[&x, &gamma, &beta], &output, attributes);
                }
                Step::Dropout { .. } => {}
            }
        }
        graph.output("logits", &self.output_shape());
    }

    /// Adds a trained array, and returns its name.
    fn add_array(&self, graph: &mut Graph, name: &str) -> String {
        let array = self.weights.get(name).expect("a model holds the arrays of its layers");
        graph.floats(name, &array.shape, &array.values)
    }

    /// Adds the output `probabilities`, which are those of the calibrated logits.
    fn add_probabilities(&self, graph: &mut Graph) {
        let mut logits = "logits".to_owned();
        if let Some(Calibration::Logits(calibration)) = &self.description.calibration {
            let scale = graph.floats("calibration.scale", &[1], &[calibration.scale as f32]);
            let offset = graph.floats("calibration.offset", &[1], &[calibration.offset as f32]);
            let scaled = graph.node("Mul", &[&logits, &scale], "scaled_logits");
            logits = graph.node("Add", &[&scaled, &offset], "calibrated_logits");
        }
        match self.description.task {
            Task::Binary | Task::MultiLabel => graph.node("Sigmoid", &[&logits], "probabilities"),
            Task::MultiClass => graph.node_with("Softmax", &[&logits], "probabilities", vec![integer("axis", -1)]),
        };
        graph.output("probabilities", &self.output_shape());
    }

    fn output_shape(&self) -> [Length; 2] {
        [Length::Dynamic("batch"), Length::Fixed(self.architecture.outputs())]
    }
}

/// Adds an activation function, and returns the name of its output.
fn activate(graph: &mut Graph, activation: Activation, x: String, layer: &str) -> String {
    let output = format!("{layer}.output");
    match activation {
        Activation::Linear => x,
        Activation::Relu => graph.node("Relu", &[&x], &output),
        Activation::Tanh => graph.node("Tanh", &[&x], &output),
        Activation::Sigmoid => graph.node("Sigmoid", &[&x], &output),
        Activation::Gelu => gelu(graph, &x, layer),
        Activation::Silu => {
            let share = graph.node("Sigmoid", &[&x], &format!("{layer}.share"));
            graph.node("Mul", &[&x, &share], &output)
        }
    }
}

/// Adds x Phi(x) = x (0.5 + 0.5 erf(x / sqrt(2))); opset 17 has no operator for it.
fn gelu(graph: &mut Graph, x: &str, layer: &str) -> String {
    let name = |part: &str| format!("{layer}.{part}");
    let root = graph.floats(&name("root_of_half"), &[1], &[std::f32::consts::FRAC_1_SQRT_2]);
    let half = graph.floats(&name("half"), &[1], &[0.5]);
    let scaled = graph.node("Mul", &[x, &root], &name("scaled"));
    let erf = graph.node("Erf", &[&scaled], &name("erf"));
    let halved = graph.node("Mul", &[&erf, &half], &name("halved"));
    let share = graph.node("Add", &[&halved, &half], &name("share"));
    graph.node("Mul", &[x, &share], &name("output"))
}
