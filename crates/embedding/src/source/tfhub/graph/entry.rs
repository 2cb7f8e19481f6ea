//! Finds the function that embeds texts, and evaluates it.

use std::collections::BTreeMap;

use super::capture::child;
use super::frame::Frame;
use super::plan::Plan;
use super::reader::Reader;
use super::value::Value;
use super::walk::Walk;
use crate::source::tfhub::proto::{MetaGraphDef, ObjectKind, SignatureDef, dtype};

/// The signatures that may hold the function: TensorFlow's, TensorFlow Hub's.
const SIGNATURES: [&str; 2] = ["serving_default", "default"];

/// Where a graph takes texts, and where it gives their vectors.
pub(crate) enum Entry<'g> {
    /// A function of the texts and of captured objects.
    Function { name: String, captured: &'g [i32] },
    /// A TF1 graph's nodes.
    Nodes { input: &'g str, output: &'g str },
}

/// What a graph does with texts.
///
/// # Errors
/// What isn't understood, by the names of node and op.
pub(crate) fn read(meta: &MetaGraphDef) -> Result<Plan, String> {
    let mut reader = Reader::new(meta)?;
    let mut outputs = match find(&reader)? {
        Entry::Function { name, captured } => {
            let captured = captured.iter().map(|&id| reader.capture(id));
            let texts = std::iter::once(Ok(Value::Texts(Vec::new())));
            let arguments = texts.chain(captured).collect::<Result<Vec<_>, _>>()?;
            reader.call(&name, arguments)?
        }
        Entry::Nodes { input, output } => {
            let texts = BTreeMap::from([(input.to_owned(), Value::Texts(Vec::new()))]);
            let frame = Frame::graph(reader.graph, texts);
            reader.evaluate(&frame, &[output])?
        }
    };
    match (outputs.pop(), outputs.is_empty()) {
        (Some(Value::Combined(combined)), true) => Plan::new(*combined, reader.variables, reader.vocabularies),
        (Some(other), true) => Err(format!("its function returns {}, not the vectors of texts", other.what())),
        _ => Err("its function doesn't return one tensor".to_owned()),
    }
}

/// Finds the function or the nodes that embed texts.
pub(crate) fn find<'g>(reader: &Reader<'g>) -> Result<Entry<'g>, String> {
    match concrete_function(reader)? {
        Some(name) => {
            let function = reader.objects()?.concrete_functions.get(&name);
            let captured = function.map_or(&[][..], |f| f.bound_inputs.as_slice());
            Ok(Entry::Function { name, captured })
        }
        None => nodes(reader),
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
    let arguments = reader.library.function(function)?.signature.as_ref().map_or(&[][..], |s| &s.input_arg);
    Ok(arguments.len().checked_sub(captured) == Some(1) && arguments[0].r#type == dtype::STRING)
}

/// The nodes of a TF1 graph's signature.
fn nodes<'g>(reader: &Reader<'g>) -> Result<Entry<'g>, String> {
    let meta = reader.meta;
    let named = ["default", "serving_default"].iter().find_map(|name| meta.signature_def.get(*name));
    let signature = named.ok_or("has neither a function nor a signature that embeds texts")?;
    let input = the_input(signature)?;
    let output = match (signature.outputs.get("default"), signature.outputs.len()) {
        (Some(output), _) => output,
        (None, 0 | 1) => signature.outputs.values().next().ok_or("its signature has no output")?,
        (None, _) => return Err(several_outputs(signature)),
    };
    Ok(Entry::Nodes { input, output: &output.name })
}

/// Says which tensors a signature gives, none of which is known to be vectors of texts: the module is for something else, such
/// as cutting texts into words.
pub(crate) fn several_outputs(signature: &SignatureDef) -> String {
    let outputs: Vec<String> = signature.outputs.keys().map(|name| format!("`{name}`")).collect();
    format!(
        "its signature gives {} tensors ({}), none of which is known to be the vectors of texts; a signature with one tensor, \
         or one that is named `default`, is read: choose a module that embeds texts, such as nnlm or \
         universal-sentence-encoder",
        outputs.len(),
        outputs.join(", ")
    )
}

fn the_input(signature: &SignatureDef) -> Result<&str, String> {
    let mut inputs = signature.inputs.values();
    match (inputs.next(), inputs.next()) {
        (Some(input), None) if input.dtype == dtype::STRING => Ok(input.name.split(':').next().unwrap_or_default()),
        _ => Err("its signature doesn't take texts alone".to_owned()),
    }
}
