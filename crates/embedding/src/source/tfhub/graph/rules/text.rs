//! Rules from texts to tokens: edits, splitting, filling empty texts, and dropping tokens.

use std::rc::Rc;

use savedmodel::graph::{bytes, flag, int};
use savedmodel::proto::NodeDef;
use savedmodel::text::Split;

use super::{Outcome, known, unsupported_use};
use crate::source::tfhub::graph::expr::Expr;
use crate::source::tfhub::graph::value::{Bags, Edit, Fill, Sequence, Size, Step, Value};

/// The maximum number of edits of a text, and of steps from its tokens to its ids; no module has more.
const MAX_STEPS: usize = 16;

pub(super) fn edit(node: &NodeDef, inputs: &[Value]) -> Outcome {
    let global = flag(node, "replace_global", true);
    let (edits, edit) = match inputs {
        [Value::Texts(edits)] if node.op == "StringLower" => {
            if !bytes(node, "encoding").is_empty() {
                return Err("lowers Unicode letters; only ASCII ones are read".to_owned());
            }
            (edits, Edit::Lowercase)
        }
        [Value::Texts(edits)] => {
            let [pattern, rewrite] = ["pattern", "rewrite"].map(|name| bytes(node, name).to_vec());
            (edits, Edit::Replace { pattern, rewrite, global })
        }
        [Value::Texts(edits), Value::Strings(pattern), Value::Strings(rewrite)] => {
            let ([pattern], [rewrite]) = (pattern.as_slice(), rewrite.as_slice()) else {
                return unsupported_use(inputs);
            };
            (edits, Edit::Replace { pattern: pattern.clone(), rewrite: rewrite.clone(), global })
        }
        _ => return unsupported_use(inputs),
    };
    if edits.len() >= MAX_STEPS {
        return Err(format!("is one of more than {MAX_STEPS} edits of a text"));
    }
    Ok(vec![Value::Texts([edits.as_slice(), &[edit]].concat())])
}

/// `StringSplit`: splits at any byte of the delimiter.
pub(super) fn split(node: &NodeDef, inputs: &[Value]) -> Outcome {
    let [Value::Texts(edits), Value::Strings(delimiter)] = inputs else { return unsupported_use(inputs) };
    let [delimiters] = delimiter.as_slice() else { return unsupported_use(inputs) };
    let skip_empty = flag(node, "skip_empty", true);
    let split = match delimiters.as_slice() {
        [] => Split::Bytes,
        delimiters => Split::AtAny { delimiters: delimiters.to_vec(), skip_empty },
    };
    Ok(sparse(Rc::new(Bags { edits: edits.clone(), split, steps: Vec::new() })))
}

/// `StringSplitV2`: splits at a separator, as Python's `str.split` does.
pub(super) fn split_at(node: &NodeDef, inputs: &[Value]) -> Outcome {
    let [Value::Texts(edits), Value::Strings(separator)] = inputs else { return unsupported_use(inputs) };
    let [separator] = separator.as_slice() else { return unsupported_use(inputs) };
    if int(node, "maxsplit", -1) >= 0 {
        return Err("splits a limited number of times, which isn't supported".to_owned());
    }
    let split = if separator.is_empty() { Split::WhiteSpace } else { Split::At(separator.clone()) };
    Ok(sparse(Rc::new(Bags { edits: edits.clone(), split, steps: Vec::new() })))
}

fn sparse(bags: Rc<Bags>) -> Vec<Value> {
    vec![Value::Indices(bags.clone()), Value::Tokens(bags), Value::Sizes(vec![Size::Batch, Size::Longest])]
}

/// Counts how often each text's number occurs, which is how many tokens it has.
pub(super) fn counts(node: &NodeDef, inputs: &[Value]) -> Outcome {
    match inputs {
        [Value::TextOfToken(bags), Value::Sizes(_), Value::Sizes(weights)]
            if weights.is_empty() && !flag(node, "binary_output", false) =>
        {
            Ok(vec![Value::Counts(bags.clone())])
        }
        _ => unsupported_use(inputs),
    }
}

pub(super) fn ends(node: &NodeDef, inputs: &[Value]) -> Outcome {
    let plain = !flag(node, "exclusive", false) && !flag(node, "reverse", false);
    match inputs {
        [Value::Counts(bags), axis] if plain && known(axis).as_deref() == Some(&[0]) => {
            Ok(vec![Value::Ends(bags.clone())])
        }
        _ => unsupported_use(inputs),
    }
}

pub(super) fn ragged(inputs: &[Value]) -> Outcome {
    match inputs {
        [Value::Splits(splits), Value::Tokens(bags)] if splits == bags => Ok(sparse(bags.clone())),
        _ => unsupported_use(inputs),
    }
}

/// Gives one element to texts that have none.
pub(super) fn fill(inputs: &[Value]) -> Outcome {
    let [Value::Indices(bags), values, Value::Sizes(shape), fill] = inputs else { return unsupported_use(inputs) };
    if bags.steps.len() >= MAX_STEPS {
        return Err(format!("is one of more than {MAX_STEPS} steps from tokens to ids"));
    }
    if shape.first() != Some(&Size::Batch) {
        return Err("fills another number of texts than there are".to_owned());
    }
    let (step, ids) = match (values, fill) {
        (Value::Tokens(of), Value::Strings(token)) if of == bags => match token.as_slice() {
            [token] => (Step::FillToken(token.clone()), false),
            _ => return unsupported_use(inputs),
        },
        (Value::Each(Sequence::Bags(of), ids), fill) if of == bags => {
            let fill = match (fill, known(fill).as_deref()) {
                (_, Some(&[id])) => Fill::Id(id),
                (Value::Each(Sequence::Token(token), id), _) => Fill::OfToken(token.clone(), id.clone()),
                _ => return unsupported_use(inputs),
            };
            (Step::FillId { ids: ids.clone(), fill }, true)
        }
        _ => return unsupported_use(inputs),
    };
    let filled = bags.with(step);
    let values = match ids {
        true => Value::Each(Sequence::Bags(filled.clone()), Expr::Id),
        false => Value::Tokens(filled.clone()),
    };
    Ok(vec![Value::Indices(filled.clone()), values, Value::WasEmpty(filled), Value::Unread("the order before filling")])
}

/// Accepts a reshape to the present shape: a reshape to any other would mix texts.
pub(super) fn reshape(inputs: &[Value]) -> Outcome {
    let [Value::Indices(bags), Value::Sizes(_), Value::Sizes(shape)] = inputs else { return unsupported_use(inputs) };
    match shape.as_slice() {
        [Size::Batch, Size::Longest | Size::Known(-1)] => Ok(vec![Value::Indices(bags.clone()), inputs[2].clone()]),
        _ => Err("reshapes tokens to another shape than [texts, tokens]".to_owned()),
    }
}

pub(super) fn positions(inputs: &[Value]) -> Outcome {
    match inputs {
        [Value::Each(sequence, condition)] => Ok(vec![Value::Where(sequence.clone(), condition.clone())]),
        _ => unsupported_use(inputs),
    }
}
