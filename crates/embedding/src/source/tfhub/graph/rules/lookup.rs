//! Rules from tokens to ids, from ids to rows, and from rows to the vectors of texts.

use emberline_base::Combiner;
use savedmodel::graph::int;
use savedmodel::proto::NodeDef;

use super::{MAX_ELEMENTS, Outcome, known, sizes, unsupported_use};
use crate::source::tfhub::graph::expr::Expr;
use crate::source::tfhub::graph::value::{Combined, Part, Rows, Sequence, Size, Step, Value};

/// Returns the tokens that a table or a hash is applied to.
fn tokens(value: &Value) -> Option<Sequence> {
    match value {
        Value::Tokens(bags) => Some(Sequence::Bags(bags.clone())),
        Value::Strings(strings) => match strings.as_slice() {
            [token] => Some(Sequence::Token(token.clone())),
            _ => None,
        },
        _ => None,
    }
}

pub(super) fn find(inputs: &[Value]) -> Outcome {
    let [Value::Vocabulary(vocabulary), keys, default] = inputs else { return unsupported_use(inputs) };
    match (tokens(keys), known(default).as_deref()) {
        (Some(of), Some(&[default])) => Ok(vec![Value::Each(of, Expr::Found { vocabulary: *vocabulary, default })]),
        _ => unsupported_use(inputs),
    }
}

pub(super) fn lines(inputs: &[Value]) -> Outcome {
    match inputs {
        [Value::Vocabulary(vocabulary)] => Ok(vec![Value::Lines(*vocabulary)]),
        _ => unsupported_use(inputs),
    }
}

pub(super) fn bucket(node: &NodeDef, inputs: &[Value]) -> Outcome {
    let buckets = u64::try_from(int(node, "num_buckets", 0)).unwrap_or(0);
    match inputs {
        _ if buckets == 0 => Err("hashes to no bucket".to_owned()),
        [keys] => match tokens(keys) {
            Some(of) => Ok(vec![Value::Each(of, Expr::Bucket(buckets))]),
            None => unsupported_use(inputs),
        },
        _ => unsupported_use(inputs),
    }
}

pub(super) fn unique(inputs: &[Value]) -> Outcome {
    let [Value::Each(of, ids)] = inputs else { return unsupported_use(inputs) };
    let unique = Sequence::Unique(of.clone().into(), ids.clone());
    Ok(vec![Value::Each(unique, Expr::Id), Value::UniqueIndex(of.clone(), ids.clone())])
}

pub(super) fn gather(node: &NodeDef, inputs: &[Value]) -> Outcome {
    let first_axis = inputs.get(2).is_none_or(|axis| known(axis).as_deref() == Some(&[0]));
    if !first_axis || int(node, "batch_dims", 0) != 0 {
        return unsupported_use(inputs);
    }
    Ok(vec![match (&inputs[..inputs.len().min(2)], node.op.as_str()) {
        ([Value::Variable(variable), Value::Each(of, row)], _) => {
            Value::Rows(Rows { of: of.clone(), variables: vec![*variable], variable: Expr::Const(0), row: row.clone() })
        }
        ([Value::Variable(variable), Value::PartOfIds(part, row)], _) => {
            Value::PartOfRows(part.clone(), row.clone(), *variable)
        }
        ([Value::Indices(bags), Value::Where(Sequence::Bags(of), condition)], _) if bags == of => {
            Value::Indices(bags.with(Step::Keep(condition.clone())))
        }
        ([Value::Each(Sequence::Bags(bags), id), Value::Where(Sequence::Bags(of), condition)], _) if bags == of => {
            Value::Each(Sequence::Bags(bags.with(Step::Keep(condition.clone()))), id.clone())
        }
        ([Value::Sizes(sizes), positions], _) => sizes::picked(sizes, positions)?,
        _ => return unsupported_use(inputs),
    }])
}

/// Splits ids (or their positions) by the variable that holds their rows.
pub(super) fn partition(node: &NodeDef, inputs: &[Value]) -> Outcome {
    let parts = usize::try_from(int(node, "num_partitions", 0)).unwrap_or(0);
    if !(1..=MAX_ELEMENTS).contains(&parts) {
        return Err(format!("makes {parts} parts; from 1 to {MAX_ELEMENTS} are read"));
    }
    let part =
        |of: &Sequence, variable: &Expr, index| Part { of: of.clone(), variable: variable.clone(), parts, index };
    match inputs {
        [Value::Each(of, row), Value::Each(by, variable)] if of == by => {
            Ok((0..parts).map(|index| Value::PartOfIds(part(of, variable, index), row.clone())).collect())
        }
        [Value::Positions(of), Value::Each(by, variable)] if of == by => {
            Ok((0..parts).map(|index| Value::PartOfPositions(part(of, variable, index))).collect())
        }
        _ => unsupported_use(inputs),
    }
}

/// Brings parts of rows back into the order of their ids.
pub(super) fn stitch(inputs: &[Value]) -> Outcome {
    let (positions, rows) = inputs.split_at(inputs.len() / 2);
    let Some(Value::PartOfRows(first, row, _)) = rows.first() else {
        return unsupported_use(&inputs[..inputs.len().min(3)]);
    };
    let mut variables = Vec::with_capacity(rows.len());
    for (index, pair) in positions.iter().zip(rows).enumerate() {
        let expected = Part { index, ..first.clone() };
        match pair {
            (Value::PartOfPositions(at), Value::PartOfRows(part, of, variable))
                if *at == expected && *part == expected && of == row =>
            {
                variables.push(*variable);
            }
            (at, part) => return unsupported_use(&[at.clone(), part.clone()]),
        }
    }
    if inputs.len() != 2 * first.parts {
        return Err(format!("joins {} of {} parts", variables.len(), first.parts));
    }
    Ok(vec![Value::Rows(Rows { of: first.of.clone(), variables, variable: first.variable.clone(), row: row.clone() })])
}

/// Combines the rows of each text.
pub(super) fn combine(node: &NodeDef, inputs: &[Value]) -> Outcome {
    let combiner = match node.op.as_str() {
        "SparseSegmentSum" => Combiner::Sum,
        "SparseSegmentMean" => Combiner::Mean,
        _ => Combiner::Sqrtn,
    };
    let [data, indices, Value::TextOfToken(bags)] = inputs else { return unsupported_use(inputs) };
    let (ids, variables, variable, row) = match (data, indices) {
        (Value::Rows(rows), Value::UniqueIndex(of, ids)) => {
            let of_these = matches!(of, Sequence::Bags(b) if b == bags);
            if !of_these || rows.of != Sequence::Unique(of.clone().into(), ids.clone()) {
                return unsupported_use(inputs);
            }
            (ids, rows.variables.clone(), rows.variable.clone(), rows.row.clone())
        }
        (Value::Variable(variable), Value::Each(Sequence::Bags(of), ids)) if of == bags => {
            (ids, vec![*variable], Expr::Const(0), Expr::Id)
        }
        _ => return unsupported_use(inputs),
    };
    let combined = Combined { bags: bags.clone(), ids: ids.clone(), variables, variable, row, combiner, zeroed: None };
    Ok(vec![Value::Combined(combined.into())])
}

/// Selects one of two numbers for each element, or zeros for the texts that were empty.
pub(super) fn select(inputs: &[Value]) -> Outcome {
    let [condition, yes, no] = inputs else { return unsupported_use(inputs) };
    match (condition, yes, no) {
        (Value::WasEmpty(bags), Value::Zeros, Value::Combined(combined)) => {
            if !bags.precedes(&combined.bags) || combined.zeroed.is_some() {
                return unsupported_use(inputs);
            }
            let zeroed = Combined { zeroed: Some(bags.clone()), ..(**combined).clone() };
            Ok(vec![Value::Combined(zeroed.into())])
        }
        (Value::Sizes(c), Value::Sizes(a), Value::Sizes(b)) => {
            Ok(vec![Value::Sizes(vec![Size::Some; c.len().max(a.len()).max(b.len())])])
        }
        _ => {
            let Some(of) = [condition, yes, no].into_iter().find_map(sizes::sequence) else {
                return unsupported_use(inputs);
            };
            match [condition, yes, no].map(|value| sizes::expr(value, of)) {
                [Some(condition), Some(yes), Some(no)] => {
                    Ok(vec![Value::Each(of.clone(), Expr::select(&condition, &yes, &no)?)])
                }
                _ => unsupported_use(inputs),
            }
        }
    }
}
