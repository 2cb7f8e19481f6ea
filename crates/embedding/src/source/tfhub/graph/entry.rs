//! Finds the function that embeds texts, and evaluates it.

use std::collections::BTreeMap;

use super::capture::child;
use super::frame::Frame;
use super::plan::Plan;
use super::reader::Reader;
use super::value::Value;
use crate::source::tfhub::proto::{MetaGraphDef, ObjectKind, SignatureDef, dtype};

/// The signatures that may hold the function: TensorFlow's, TensorFlow Hub's.
const SIGNATURES: [&str; 2] = ["serving_default", "default"];

/// What a graph does with texts.
///
/// # Errors
/// What isn't understood, by the names of node and op.
pub(crate) fn read(meta: &MetaGraphDef) -> Result<Plan, String> {
    let mut reader = Reader::new(meta)?;
    let mut outputs = match concrete_function(&reader)? {
        Some(function) => {
            let mut arguments = vec![Value::Texts(Vec::new())];
            arguments.extend(reader.captures(&function)?);
            reader.call(&function, arguments)?
        }
        None => vec![signature_output(&mut reader)?],
    };
    match (outputs.pop(), outputs.is_empty()) {
        (Some(Value::Combined(combined)), true) => Plan::new(*combined, reader.variables, reader.vocabularies),
        (Some(other), true) => Err(format!("its function returns {}, not the vectors of texts", other.what())),
        _ => Err("its function doesn't return one tensor".to_owned()),
    }
}

/// The concrete function of root -> `__call__`, or of a signature, that takes texts and nothing else.
fn concrete_function(reader: &Reader<'_>) -> Result<Option<String>, String> {
    let Ok(objects) = reader.objects() else { return Ok(None) };
    let Some(root) = objects.nodes.first() else { return Ok(None) };
    let signatures = child(root, "signatures").and_then(|id| reader.object(id).ok());
    let signature = signatures.and_then(|s| SIGNATURES.iter().find_map(|name| child(s, name)));
    let mut named = Vec::new();
    for id in [child(root, "__call__"), signature].into_iter().flatten() {
        match &reader.object(id)?.kind {
            Some(ObjectKind::Function(function)) => named.extend(&function.concrete_functions),
            Some(ObjectKind::BareConcreteFunction(function)) => named.push(&function.concrete_function_name),
            _ => {}
        }
    }
    if named.is_empty() && child(root, "__call__").is_none() {
        return Ok(None);
    }
    let mut texts_only = named.iter().filter(|name| takes_texts_only(reader, name).unwrap_or(false));
    let found = texts_only.next().ok_or("has no function that takes texts alone")?;
    Ok(Some((*found).clone()))
}

fn takes_texts_only(reader: &Reader<'_>, function: &str) -> Result<bool, String> {
    let captured = reader.objects()?.concrete_functions.get(function).map_or(0, |f| f.bound_inputs.len());
    let arguments = reader.function(function)?.signature.as_ref().map_or(&[][..], |s| &s.input_arg);
    Ok(arguments.len().checked_sub(captured) == Some(1) && arguments[0].r#type == dtype::STRING)
}

/// The output of a TF1 graph's signature.
fn signature_output(reader: &mut Reader<'_>) -> Result<Value, String> {
    let (meta, graph) = (reader.meta, reader.graph);
    let named = ["default", "serving_default"].iter().find_map(|name| meta.signature_def.get(*name));
    let signature = named.ok_or("has neither a function nor a signature that embeds texts")?;
    let input = the_input(signature)?;
    let output = match (signature.outputs.get("default"), signature.outputs.len()) {
        (Some(output), _) => output,
        (None, 1) => signature.outputs.values().next().ok_or("its signature has no output")?,
        (None, outputs) => return Err(format!("its signature has {outputs} outputs")),
    };
    let frame = Frame::graph(graph, BTreeMap::from([(input.to_owned(), Value::Texts(Vec::new()))]));
    reader.evaluate(&frame, &output.name)
}

fn the_input(signature: &SignatureDef) -> Result<&str, String> {
    let mut inputs = signature.inputs.values();
    match (inputs.next(), inputs.next()) {
        (Some(input), None) if input.dtype == dtype::STRING => Ok(input.name.split(':').next().unwrap_or_default()),
        _ => Err("its signature doesn't take texts alone".to_owned()),
    }
}
