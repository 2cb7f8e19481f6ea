//! Rules for shapes and arithmetic: on shapes as far as they are known, and on ids element by element.

use savedmodel::graph::{flag, int};
use savedmodel::proto::NodeDef;

use super::{MAX_ELEMENTS, Outcome, known, unsupported_use};
use crate::source::tfhub::graph::expr::{Expr, Op};
use crate::source::tfhub::graph::value::{Sequence, Size, Value};

pub(super) fn of(node: &NodeDef, inputs: &[Value]) -> Outcome {
    let [value] = inputs else { return unsupported_use(inputs) };
    let shape = match value {
        Value::Texts(_) | Value::WasEmpty(_) => vec![Size::Batch],
        Value::Combined(_) => vec![Size::Batch, Size::Some],
        Value::Sizes(sizes) => vec![Size::Known(sizes.len() as i64)],
        Value::Indices(_) => vec![Size::Some, Size::Known(2)],
        Value::Rows(_) | Value::PartOfRows(..) => vec![Size::Some; 2],
        _ => vec![Size::Some],
    };
    match (node.op.as_str(), value) {
        ("Shape", _) => Ok(vec![Value::Sizes(shape)]),
        ("Size", Value::Each(of, _)) => Ok(vec![Value::Length(of.clone())]),
        ("Size", Value::Sizes(sizes)) => Ok(vec![Value::known(sizes.len() as i64)]),
        ("Size", Value::Texts(_)) => Ok(vec![Value::Sizes(shape)]),
        ("Size", _) => Ok(vec![Value::Sizes(vec![Size::Some])]),
        _ => unsupported_use(inputs),
    }
}

pub(super) fn filled(node: &NodeDef, inputs: &[Value]) -> Outcome {
    let ones = |len: usize, size| Ok(vec![Value::Sizes(vec![size; len])]);
    match (node.op.as_str(), inputs) {
        ("Fill", [_, Value::Zeros]) => Ok(vec![Value::Zeros]),
        ("Fill", [dims, Value::Sizes(value)]) => match (known(dims).as_deref(), value.as_slice()) {
            (Some([]), &[size]) => ones(1, size),
            (Some(&[len]), &[size]) if (0..=MAX_ELEMENTS as i64).contains(&len) => ones(len as usize, size),
            _ => unsupported_use(inputs),
        },
        ("ZerosLike", [Value::Combined(_) | Value::Zeros]) => Ok(vec![Value::Zeros]),
        ("ZerosLike", [Value::Sizes(sizes)]) => ones(sizes.len(), Size::Known(0)),
        ("OnesLike", [Value::Sizes(sizes)]) => ones(sizes.len(), Size::Known(1)),
        _ => unsupported_use(inputs),
    }
}

pub(super) fn slice(inputs: &[Value]) -> Outcome {
    let [value, begin, size] = inputs else { return unsupported_use(inputs) };
    match (value, known(begin).as_deref(), known(size).as_deref()) {
        (Value::Indices(bags), Some(&[0, 0]), Some(&[-1, 1])) => Ok(vec![Value::TextOfToken(bags.clone())]),
        (Value::Sizes(sizes), Some(&[begin]), Some(&[len])) => {
            let begin = usize::try_from(begin).ok().filter(|&b| b <= sizes.len());
            let rest = begin.map(|b| &sizes[b..]).ok_or("slices beyond its input")?;
            let part = if len == -1 { Some(rest) } else { usize::try_from(len).ok().and_then(|len| rest.get(..len)) };
            Ok(vec![Value::Sizes(part.ok_or("slices beyond its input")?.to_vec())])
        }
        _ => unsupported_use(inputs),
    }
}

pub(super) fn strided_slice(node: &NodeDef, inputs: &[Value]) -> Outcome {
    let [value, begin, end, strides] = inputs else { return unsupported_use(inputs) };
    let (Some(begin), Some(end), Some(strides)) = (known(begin), known(end), known(strides)) else {
        return unsupported_use(inputs);
    };
    let mask = |name| int(node, name, 0);
    if mask("ellipsis_mask") != 0 || mask("new_axis_mask") != 0 || strides.iter().any(|&s| s != 1) {
        return unsupported_use(inputs);
    }
    let (open_begin, open_end, single) = (mask("begin_mask"), mask("end_mask"), mask("shrink_axis_mask"));
    match (value, begin.as_slice(), end.as_slice()) {
        // [:, 0]
        (Value::Indices(bags), [first, 0], [_, _]) => {
            let all = (open_begin & 1 == 1 || *first == 0) && open_end & 1 == 1;
            if all && single == 2 { Ok(vec![Value::TextOfToken(bags.clone())]) } else { unsupported_use(inputs) }
        }
        (Value::Sizes(sizes), &[begin], &[end]) => {
            let len = sizes.len() as i64;
            let place = |at: i64| (if at < 0 { at.saturating_add(len) } else { at }).clamp(0, len) as usize;
            let begin = if open_begin & 1 == 1 { 0 } else { place(begin) };
            let end = match (single & 1 == 1, open_end & 1 == 1) {
                (true, _) => begin + 1,
                (false, true) => sizes.len(),
                (false, false) => place(end).max(begin),
            };
            Ok(vec![Value::Sizes(sizes.get(begin..end).ok_or("slices beyond its input")?.to_vec())])
        }
        _ => unsupported_use(inputs),
    }
}

pub(super) fn picked(sizes: &[Size], positions: &Value) -> Result<Value, String> {
    let positions = known(positions).ok_or("picks sizes that aren't known")?;
    let size = |at: i64| usize::try_from(at).ok().and_then(|at| sizes.get(at).copied());
    let picked = positions.into_iter().map(size).collect::<Option<Vec<_>>>();
    Ok(Value::Sizes(picked.ok_or("picks a size that isn't there")?))
}

pub(super) fn joined(node: &NodeDef, inputs: &[Value]) -> Outcome {
    let parts = match (node.op.as_str(), inputs.split_last()) {
        ("ConcatV2", Some((axis, parts))) if known(axis).as_deref() == Some(&[0]) => parts,
        ("Pack", _) if int(node, "axis", 0) == 0 => inputs,
        _ => return unsupported_use(inputs),
    };
    if let [zero, Value::Ends(bags)] = parts
        && known(zero).as_deref() == Some(&[0])
    {
        return Ok(vec![Value::Splits(bags.clone())]);
    }
    let mut all = Vec::new();
    for part in parts {
        match part {
            Value::Sizes(sizes) => all.extend_from_slice(sizes),
            Value::Length(_) => all.push(Size::Some),
            _ => return unsupported_use(inputs),
        }
        if all.len() > MAX_ELEMENTS {
            return Err(format!("makes more than {MAX_ELEMENTS} sizes"));
        }
    }
    Ok(vec![Value::Sizes(all)])
}

pub(super) fn reduced(node: &NodeDef, inputs: &[Value]) -> Outcome {
    let [value, axis] = inputs else { return unsupported_use(inputs) };
    if flag(node, "keep_dims", false) || known(axis).as_deref() != Some(&[0]) {
        return unsupported_use(inputs);
    }
    let op = match node.op.as_str() {
        "Max" => Op::Maximum,
        "Prod" => Op::Mul,
        _ => Op::Add,
    };
    match value {
        Value::Indices(bags) if op == Op::Maximum => Ok(vec![Value::LastIndex(bags.clone())]),
        Value::TextOfToken(_) | Value::Counts(_) => Ok(vec![Value::Sizes(vec![Size::Some])]),
        Value::Sizes(sizes) => match sizes.split_first() {
            Some((&first, rest)) => Ok(vec![Value::Sizes(vec![rest.iter().fold(first, |a, &b| size(op, a, b))])]),
            None => Ok(vec![Value::known(i64::from(op == Op::Mul))]),
        },
        _ => unsupported_use(inputs),
    }
}

pub(super) fn range(inputs: &[Value]) -> Outcome {
    match inputs {
        [start, Value::Length(of), delta]
            if known(start).as_deref() == Some(&[0]) && known(delta).as_deref() == Some(&[1]) =>
        {
            Ok(vec![Value::Positions(of.clone())])
        }
        _ => unsupported_use(inputs),
    }
}

/// Returns the operation of an op that computes one number from two.
pub(super) fn arithmetic(op: &str) -> Option<Op> {
    Some(match op {
        "Add" | "AddV2" => Op::Add,
        "Sub" => Op::Sub,
        "Mul" => Op::Mul,
        "FloorDiv" => Op::FloorDiv,
        "FloorMod" => Op::FloorMod,
        "Maximum" => Op::Maximum,
        "Minimum" => Op::Minimum,
        "Less" => Op::Less,
        "LessEqual" => Op::LessEqual,
        "Greater" => Op::Greater,
        "GreaterEqual" => Op::GreaterEqual,
        "Equal" => Op::Equal,
        "NotEqual" => Op::NotEqual,
        "LogicalAnd" => Op::And,
        "LogicalOr" => Op::Or,
        _ => return None,
    })
}

pub(super) fn not(inputs: &[Value]) -> Outcome {
    match inputs {
        [Value::Each(of, condition)] => Ok(vec![Value::Each(of.clone(), Expr::not(condition)?)]),
        _ => unsupported_use(inputs),
    }
}

pub(super) fn binary(op: Op, inputs: &[Value]) -> Outcome {
    let [left, right] = inputs else { return unsupported_use(inputs) };
    if let Some(of) = sequence(left).or_else(|| sequence(right)) {
        return match (expr(left, of), expr(right, of)) {
            (Some(left), Some(right)) => Ok(vec![Value::Each(of.clone(), Expr::binary(op, &left, &right)?)]),
            _ => unsupported_use(inputs),
        };
    }
    match (left, right) {
        // The number of texts, and the number of tokens of the longest one.
        (Value::LastIndex(bags), one) | (one, Value::LastIndex(bags)) if op == Op::Add => {
            match known(one).is_some_and(|ones| ones.iter().all(|&one| one == 1)) {
                true => {
                    Ok(vec![Value::Sizes(vec![if bags.filled() { Size::Batch } else { Size::Some }, Size::Longest])])
                }
                false => unsupported_use(inputs),
            }
        }
        (Value::Sizes(a), Value::Sizes(b)) => {
            let len = if a.len() == 1 { b.len() } else { a.len() };
            if b.len() != len && b.len() != 1 {
                return Err("computes with two shapes that don't fit".to_owned());
            }
            let at = |sizes: &[Size], index: usize| sizes[if sizes.len() == 1 { 0 } else { index }];
            Ok(vec![Value::Sizes((0..len).map(|index| size(op, at(a, index), at(b, index))).collect())])
        }
        (Value::Sizes(_) | Value::Length(_), Value::Sizes(_) | Value::Length(_)) => {
            Ok(vec![Value::Sizes(vec![Size::Some])])
        }
        _ => unsupported_use(inputs),
    }
}

/// Returns what is known of the result.
fn size(op: Op, a: Size, b: Size) -> Size {
    match (op, a, b) {
        (_, Size::Known(a), Size::Known(b)) => op.apply(a, b).map_or(Size::Some, Size::Known),
        // A batch and its tokens may be empty, but not negative.
        (Op::Maximum, Size::Known(least), size) | (Op::Maximum, size, Size::Known(least)) if least <= 0 => size,
        (Op::Maximum | Op::Minimum, a, b) if a == b => a,
        _ => Size::Some,
    }
}

/// Returns the sequence for each of whose elements a value has a number.
pub(super) fn sequence(value: &Value) -> Option<&Sequence> {
    match value {
        Value::Each(of, _) => Some(of),
        _ => None,
    }
}

/// Returns the value as a number for each element of a sequence.
pub(super) fn expr(value: &Value, of: &Sequence) -> Option<Expr> {
    match value {
        Value::Each(sequence, expr) if sequence == of => Some(expr.clone()),
        Value::Lines(vocabulary) => Some(Expr::Lines(*vocabulary)),
        other => match known(other)?.as_slice() {
            [number] => Some(Expr::Const(*number)),
            _ => None,
        },
    }
}
