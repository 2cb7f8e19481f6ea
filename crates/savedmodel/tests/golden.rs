//! Compares functions with TensorFlow: the models that `fixtures/models/make.py` wrote, and its vectors.

use emberline_test_support::saved_models::{golden, saved_model, texts};
use savedmodel::{Error, Function, SavedModel, Tensor};

/// The vectors of texts, `[texts, dim]`, as 32-bit floats.
fn vectors(function: &Function, texts: Vec<Vec<u8>>) -> Vec<f32> {
    let outputs = function.run(&[Tensor::vector(texts)]).expect("vectors");
    match outputs[0].values::<f32>() {
        Ok(values) => values.to_vec(),
        Err(_) => outputs[0].values::<f64>().expect("floats").iter().map(|&value| value as f32).collect(),
    }
}

#[test]
fn vectors_are_tensorflows() {
    for (name, function, dim, parameters) in [
        ("use-dan", "__call__", 512, 8_656),
        ("use-dan-signed", "serving_default", 16, 720),
        ("use-large", "__call__", 32, 4_832),
        ("use-tf1", "default", 16, 736),
        ("nnlm-tf1", "default", 6, 132),
        ("wiki-words-tf1", "default", 10, 210),
        ("nnlm-tf2-double", "__call__", 6, 126),
    ] {
        let function = SavedModel::open(saved_model(name)).and_then(|model| model.function(function)).expect(name);
        assert_eq!((function.inputs().len(), function.outputs().len()), (1, 1), "{name}");
        assert_eq!(function.parameters(), parameters, "{name}");
        let (found, expected) = (vectors(&function, texts()), golden(name));
        assert_eq!((found.len(), expected.len()), (texts().len() * dim, texts().len() * dim), "{name}");
        let difference = found.iter().zip(&expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(difference <= 1e-6 && found.iter().all(|value| value.is_finite()), "{name}: {difference:e}");
    }
}

#[test]
fn signatures_and_tensors_of_the_checkpoint_are_read() {
    let model = SavedModel::open(saved_model("use-dan-signed")).expect("a model");
    let names: Vec<&str> = model.signatures().map(|(name, _)| name).collect();
    assert!(names.contains(&"serving_default"), "{names:?}");
    let checkpoint = model.checkpoint().expect("a checkpoint");
    let matrices: Vec<&str> = checkpoint.names().filter(|name| checkpoint.floats(name, None).is_ok()).collect();
    assert!(!matrices.is_empty(), "{:?}", checkpoint.names().collect::<Vec<_>>());
    for name in matrices {
        let numbers = checkpoint.floats(name, None).expect(name);
        assert_eq!(numbers.values.len(), numbers.rows * numbers.cols, "{name}");
        assert_eq!(checkpoint.describe(name, None).expect(name).1, [numbers.rows, numbers.cols], "{name}");
    }
}

#[test]
fn what_is_asked_for_wrongly_is_named() {
    let model = SavedModel::open(saved_model("nnlm-tf1")).expect("a model");
    let error = model.function("gone").err().expect("no such function").to_string();
    assert!(error.contains("saved_model.pb: has no function \"gone\""), "{error}");
    let function = model.function("default").expect("a function");
    let error = function.run(&[]).expect_err("no input");
    assert!(matches!(&error, Error::Run { reason } if reason.contains("is given 0 inputs; it has 1: `")), "{error}");
    let error = function.run(&[Tensor::vector(vec![1.0_f32])]).expect_err("no strings").to_string();
    assert!(error.contains("is used on float, where string is read"), "{error}");
    let Err(error) = SavedModel::open(saved_model("")) else { panic!("no model is there") };
    assert!(matches!(&error, Error::Missing { file, .. } if file == "saved_model.pb"), "{error}");
}
