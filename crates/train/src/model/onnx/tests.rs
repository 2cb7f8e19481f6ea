//! Tests the structure of exported graphs. That they compute what the model does is tested end to end
//! (`tests/tests/export.rs`).

use std::collections::{BTreeMap, BTreeSet};

use emberline_base::Digest;

use super::*;
use crate::head::Architecture;
use crate::model::{Calibration, EmbeddingOrigin, LogitCalibration, ModelDescription};
use crate::settings::{Head, Layer, LayerNorm};
use crate::weights::Tensor;

const ACTIVATIONS: [Activation; 6] =
    [Activation::Linear, Activation::Relu, Activation::Gelu, Activation::Tanh, Activation::Sigmoid, Activation::Silu];

/// Returns a model with a layer of every activation, layer normalisation, dropout and a calibration, whose embedding has these arrays.
fn model(task: Task, embedding: Vec<Tensor>) -> Model {
    let dense = |activation| {
        [Layer::Dense { units: 3, activation }, Layer::LayerNorm(LayerNorm::default()), Layer::Dropout { rate: 0.5 }]
    };
    let head = Head { layers: ACTIVATIONS.into_iter().flat_map(dense).collect() };
    let classes = if task == Task::Binary { ["no", "yes"].as_slice() } else { &["a", "b", "c"] };
    let description = ModelDescription {
        task,
        classes: classes.iter().map(|&class| class.to_owned()).collect(),
        thresholds: if task == Task::Binary { vec![0.25] } else { Vec::new() },
        calibration: Some(Calibration::Logits(LogitCalibration { scale: 0.5, offset: 1.0 })),
        embedding: EmbeddingOrigin { name: "e".to_owned(), kind: "corpus".to_owned(), digest: Digest::of(b"e") },
        data_digest: Digest::of(b"d"),
        provenance: BTreeMap::new(),
    };
    let architecture = Architecture::new(&head, 2, description.outputs());
    let mut weights = architecture.initial_weights(1).expect("memory");
    weights.0.extend(embedding);
    Model::new(description, architecture, weights).expect("a model")
}

fn decoded(bytes: &[u8]) -> ModelProto {
    ModelProto::decode(bytes).expect("a message")
}

/// Asserts that every value is defined once, and before it is used.
fn assert_sound(model: &ModelProto) {
    let graph = model.graph.as_ref().expect("a graph");
    let mut known = BTreeSet::new();
    let given = graph.input.iter().map(|input| &input.name).chain(graph.initializer.iter().map(|array| &array.name));
    assert!(given.into_iter().all(|name| known.insert(name.clone())));
    for node in &graph.node {
        assert!(node.input.iter().all(|input| known.contains(input)), "{node:?}");
        assert!(node.output.iter().all(|output| known.insert(output.clone())), "{node:?}");
    }
    let used: BTreeSet<&String> = graph.node.iter().flat_map(|node| &node.input).collect();
    assert!(graph.initializer.iter().all(|array| used.contains(&array.name)), "an array that nothing uses");
    assert!(graph.output.iter().all(|output| known.contains(&output.name)));
}

#[test]
fn graphs_of_every_task_and_combiner_hold_together() {
    let rows = Matrix::new(2, 2, vec![1.0, 2.0, 3.0, 4.0]);
    for task in [Task::Binary, Task::MultiClass, Task::MultiLabel] {
        let model = model(task, Vec::new());
        assert_sound(&decoded(&model.to_onnx(OnnxInput::Vectors).expect("a file")));
        for (combiner, normalize) in [Combiner::Sum, Combiner::Mean, Combiner::Sqrtn, Combiner::Max]
            .into_iter()
            .zip([true, false].iter().cycle())
        {
            let table = OnnxTable { rows: &rows, words: &[], combiner, normalize: *normalize };
            assert_sound(&decoded(&model.to_onnx(OnnxInput::Ids(table)).expect("a file")));
        }
    }
}

#[test]
fn a_learned_mix_takes_all_layers() {
    let array = |name: &str, values: Vec<f32>| Tensor { name: name.to_owned(), shape: vec![values.len()], values };
    let mixed = model(Task::Binary, vec![array(MIX, vec![0.0; 3]), array("embedding.gamma", vec![1.5])]);
    let file = decoded(&mixed.to_onnx(OnnxInput::Vectors).expect("a file"));
    assert_sound(&file);
    let graph = file.graph.expect("a graph");
    let shares = graph.initializer.iter().find(|array| array.name == "embedding.shares").expect("shares");
    assert_eq!(shares.raw_data, [0.5f32; 3].map(f32::to_le_bytes).concat());
    let shape = graph.input[0].r#type.as_ref().and_then(|t| t.tensor_type.as_ref()?.shape.as_ref()).expect("a shape");
    assert_eq!(shape.dim[1].dim_value, Some(6));
}

#[test]
fn metadata_name_classes_thresholds_and_words() {
    let rows = Matrix::new(2, 2, vec![0.0; 4]);
    let words = [Some("a \"b\"".to_owned()), None];
    let table = OnnxTable { rows: &rows, words: &words, combiner: Combiner::Mean, normalize: false };
    let file = decoded(&model(Task::Binary, Vec::new()).to_onnx(OnnxInput::Ids(table)).expect("a file"));
    let entry = |key: &str| file.metadata_props.iter().find(|entry| entry.key == key).map(|entry| entry.value.as_str());
    assert_eq!(entry("classes"), Some("[\"no\",\"yes\"]"));
    assert_eq!(entry("thresholds"), Some("[0.25]"));
    assert_eq!(entry("positive_class"), Some("yes"));
    assert_eq!(entry("vocabulary"), Some("[\"a \\\"b\\\"\",null]"));
    assert_eq!(entry("format"), None);
}

#[test]
fn a_table_of_other_rows_is_refused() {
    let rows = Matrix::zeros(2, 3);
    let table = OnnxTable { rows: &rows, words: &[], combiner: Combiner::Mean, normalize: false };
    let refused = model(Task::Binary, Vec::new()).to_onnx(OnnxInput::Ids(table)).expect_err("refused");
    assert_eq!(
        refused.to_string(),
        "the model takes rows of length 2, not rows of length 3; embed the texts with the embedding that it was trained with"
    );
}
