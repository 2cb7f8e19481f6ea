//! Finds the function that embeds texts, and evaluates it.

use savedmodel::Entry;
use savedmodel::graph::{Frame, Objects, Walk, child};
use savedmodel::proto::{MetaGraphDef, ObjectKind, SignatureDef, dtype};

use super::plan::Plan;
use super::reader::Reader;
use super::value::Value;

/// The signatures that may hold the function: TensorFlow's, then TensorFlow Hub's.
const SIGNATURES: [&str; 2] = ["serving_default", "default"];

/// The names of the output that holds the vectors, if there are several outputs.
const OUTPUTS: [&str; 3] = ["outputs", "default", "output_0"];

/// Returns what a graph does with texts.
///
/// # Errors
/// What isn't supported, with the names of node and op.
pub(crate) fn read(meta: &MetaGraphDef) -> Result<Plan, String> {
    let mut reader = Reader::new(meta)?;
    let mut outputs = match any(&reader.objects)? {
        Entry::Function { name, captured, .. } => {
            let captured = captured.iter().map(|&id| reader.capture(id));
            let texts = std::iter::once(Ok(Value::Texts(Vec::new())));
            let arguments = texts.chain(captured).collect::<Result<Vec<_>, _>>()?;
            reader.call(&name, arguments)?
        }
        Entry::Nodes { inputs, outputs } => {
            let texts = inputs.iter().map(|&input| (input.to_owned(), Value::Texts(Vec::new()))).collect();
            let frame = Frame::graph(reader.objects.graph(), texts);
            reader.evaluate(&frame, &outputs)?
        }
    };
    match (outputs.pop(), outputs.is_empty()) {
        (Some(Value::Combined(combined)), true) => {
            Plan::new(*combined, reader.variables, reader.objects.vocabularies())
        }
        (Some(other), true) => Err(format!("its function returns {}, not the vectors of texts", other.what())),
        _ => Err("its function doesn't return one tensor".to_owned()),
    }
}

/// Finds the function or the nodes that embed texts, with one output: the vectors.
///
/// # Errors
/// When nothing takes texts alone, or it is unclear which output holds the vectors.
pub(crate) fn find(meta: &MetaGraphDef) -> Result<Entry<'_>, String> {
    match any(&Objects::new(meta)?)? {
        Entry::Function { name, captured, outputs } if outputs.len() != 1 => {
            let output = the_output(meta, outputs.len())?;
            Ok(Entry::Function { name, captured, outputs: vec![output] })
        }
        entry => Ok(entry),
    }
}

/// Finds the function or the nodes that embed texts, with all outputs.
fn any<'g>(objects: &Objects<'g>) -> Result<Entry<'g>, String> {
    match concrete_function(objects)? {
        Some(name) => Entry::function(objects, &name),
        None => nodes(objects.meta()),
    }
}

/// Returns which of several outputs a signature names.
fn the_output(meta: &MetaGraphDef, count: usize) -> Result<usize, String> {
    let signature = ["serving_default", "default"].iter().find_map(|name| meta.signature_def.get(*name));
    let named = OUTPUTS.iter().find_map(|name| signature?.outputs.get(*name));
    let index = named.and_then(|info| info.name.rsplit(':').next()?.parse::<usize>().ok());
    let unnamed = || format!("its function returns {count} tensors, none of them named as vectors");
    index.filter(|&index| index < count).ok_or_else(|| match signature {
        Some(signature) if signature.outputs.len() > 1 => several_outputs(signature),
        _ => unnamed(),
    })
}

/// Returns the concrete function of root -> `__call__`, or of a signature, that takes texts and nothing else.
fn concrete_function(objects: &Objects<'_>) -> Result<Option<String>, String> {
    let Some(root) = objects.root() else { return Ok(None) };
    let signatures = child(root, "signatures").and_then(|id| objects.object(id).ok());
    let signature = signatures.and_then(|s| SIGNATURES.iter().find_map(|name| child(s, name)));
    let mut named = Vec::new();
    for id in [child(root, "__call__"), signature].into_iter().flatten() {
        match &objects.object(id)?.kind {
            Some(ObjectKind::Function(function)) => named.extend(&function.concrete_functions),
            Some(ObjectKind::BareConcreteFunction(function)) => named.push(&function.concrete_function_name),
            _ => {}
        }
    }
    if named.is_empty() && child(root, "__call__").is_none() {
        return Ok(None);
    }
    let mut texts_only = named.iter().filter(|name| takes_texts_only(objects, name).unwrap_or(false));
    let found = texts_only.next().ok_or("has no function that takes texts alone")?;
    Ok(Some((*found).clone()))
}

fn takes_texts_only(objects: &Objects<'_>, function: &str) -> Result<bool, String> {
    let captured = objects.concrete(function).map_or(0, |f| f.bound_inputs.len());
    let arguments = objects.function(function)?.signature.as_ref().map_or(&[][..], |s| &s.input_arg);
    Ok(arguments.len().checked_sub(captured) == Some(1) && arguments[0].r#type == dtype::STRING)
}

/// Returns the nodes of a TF1 graph's signature.
fn nodes(meta: &MetaGraphDef) -> Result<Entry<'_>, String> {
    let named = ["default", "serving_default"].iter().find_map(|name| meta.signature_def.get(*name));
    let signature = named.ok_or("has neither a function nor a signature that embeds texts")?;
    let input = the_input(signature)?;
    let output = match (signature.outputs.get("default"), signature.outputs.len()) {
        (Some(output), _) => output,
        (None, 0 | 1) => signature.outputs.values().next().ok_or("its signature has no output")?,
        (None, _) => return Err(several_outputs(signature)),
    };
    Ok(Entry::Nodes { inputs: vec![input], outputs: vec![&output.name] })
}

/// Describes the tensors of a signature, none of which is known to hold vectors of texts: the module is for something
/// else, such as splitting texts into words.
fn several_outputs(signature: &SignatureDef) -> String {
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
