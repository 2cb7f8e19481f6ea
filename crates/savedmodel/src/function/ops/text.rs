//! Ops on strings: editing, splitting, joining, hashing, looking up. Strings are bytes and need not be UTF-8.

use super::{Kernel, Outcome};
use crate::function::tensor::{Data, Tensor};
use crate::function::view::{View, broadcast};
use crate::graph::{bytes, flag, int};
use crate::proto::NodeDef;
use crate::text::{Replace, Split, fingerprint64, split as split_text};

/// The maximum number of bytes that an op may create.
const MAX_BYTES: usize = 1 << 28;

pub(super) fn kernel(node: &NodeDef) -> Result<Option<Kernel>, String> {
    let global = flag(node, "replace_global", true);
    Ok(Some(match node.op.as_str() {
        "StaticRegexReplace" => {
            let replace = Replace::new(bytes(node, "pattern"), bytes(node, "rewrite"), global)?;
            Kernel::of(move |[x]| edited(x, &replace))
        }
        "RegexReplace" => Kernel::of(move |[x, pattern, rewrite]| {
            edited(x, &Replace::new(pattern.string()?, rewrite.string()?, global)?)
        }),
        "StringLower" if bytes(node, "encoding").is_empty() => Kernel::of(|[x]| {
            let lower = x.values::<Vec<u8>>()?.iter().map(|text| text.to_ascii_lowercase());
            Ok(Tensor::new(x.shape().to_vec(), lower.collect()))
        }),
        "StringLower" => return Err("lowers Unicode letters; only ASCII ones are read".to_owned()),
        "StringSplit" => {
            let skip_empty = flag(node, "skip_empty", true);
            Kernel::several(3, move |[x, delimiter]| split(x, &at_any(delimiter.string()?, skip_empty)))
        }
        "StringSplitV2" => {
            if int(node, "maxsplit", -1) >= 0 {
                return Err("splits a limited number of times, which isn't supported".to_owned());
            }
            Kernel::several(3, |[x, separator]| split(x, &at(separator.string()?)))
        }
        "StringJoin" => {
            let separator = bytes(node, "separator").to_vec();
            Kernel::any(1, move |inputs| Ok(vec![joined(inputs, &separator)?]))
        }
        "StringToHashBucketFast" => {
            let buckets = u64::try_from(int(node, "num_buckets", 0)).ok().filter(|&buckets| buckets > 0);
            let buckets = buckets.ok_or("hashes to no bucket")?;
            Kernel::of(move |[x]| {
                let ids = x.values::<Vec<u8>>()?.iter().map(|token| (fingerprint64(token) % buckets) as i64);
                Ok(Tensor::new(x.shape().to_vec(), ids.collect()))
            })
        }
        "LookupTableFindV2" | "LookupTableFind" => Kernel::of(found),
        "LookupTableSizeV2" | "LookupTableSize" => Kernel::of(|[table]| match table.data() {
            Data::Table(tokens) => Ok(Tensor::scalar(i64::from(tokens.len()))),
            _ => Err(format!("is used on {}", table.what())),
        }),
        _ => return Ok(None),
    }))
}

fn edited(x: &Tensor, replace: &Replace) -> Result<Tensor, String> {
    let texts = x.values::<Vec<u8>>()?;
    let grown = texts.iter().try_fold(0_usize, |sum, text| sum.checked_add(replace.longest(text.len())?));
    if grown.is_none_or(|bytes| bytes > MAX_BYTES) {
        return Err("makes a text too long".to_owned());
    }
    Ok(Tensor::new(x.shape().to_vec(), texts.iter().map(|text| replace.apply(text).into_owned()).collect()))
}

/// `StringSplit`: splits at any byte of the delimiter.
fn at_any(delimiters: &[u8], skip_empty: bool) -> Split {
    match delimiters {
        [] => Split::Bytes,
        delimiters => Split::AtAny { delimiters: delimiters.to_vec(), skip_empty },
    }
}

/// `StringSplitV2`: splits at a separator, as Python's `str.split` does.
fn at(separator: &[u8]) -> Split {
    if separator.is_empty() { Split::WhiteSpace } else { Split::At(separator.to_vec()) }
}

fn split(x: &Tensor, at: &Split) -> Outcome {
    let (mut tokens, mut indices, mut longest) = (Vec::new(), Vec::new(), 0);
    for (row, text) in x.values::<Vec<u8>>()?.iter().enumerate() {
        let mut position = 0;
        split_text(text, at, &mut |token: &[u8]| {
            tokens.push(token.to_vec());
            indices.extend([row as i64, position]);
            position += 1;
        });
        longest = longest.max(position);
    }
    let shape = vec![x.len() as i64, longest];
    Ok(vec![Tensor::new(vec![tokens.len(), 2], indices), Tensor::vector(tokens), Tensor::vector(shape)])
}

/// Joins the strings of several tensors, element by element.
fn joined(inputs: &[&Tensor], separator: &[u8]) -> Result<Tensor, String> {
    let shape = inputs.iter().try_fold(Vec::new(), |shape, x| broadcast(&shape, x.shape()))?;
    let mut out: Vec<Vec<u8>> = vec![Vec::new(); shape.iter().product()];
    let mut total = 0_usize;
    for (number, x) in inputs.iter().enumerate() {
        let values = x.values::<Vec<u8>>()?;
        let view = View::whole(x.shape()).broadcast(&shape).ok_or("joins shapes that don't fit")?;
        let mut places = Vec::with_capacity(out.len());
        view.rows(|first, stride, length| places.extend((0..length).map(|i| first + stride as usize * i)));
        for (text, at) in out.iter_mut().zip(places) {
            total = total.saturating_add(values[at].len() + separator.len());
            if total > MAX_BYTES {
                return Err("makes a text too long".to_owned());
            }
            if number > 0 {
                text.extend_from_slice(separator);
            }
            text.extend_from_slice(&values[at]);
        }
    }
    Ok(Tensor::new(shape, out))
}

/// Returns the line of each token, or the default.
fn found([table, keys, default]: [&Tensor; 3]) -> Result<Tensor, String> {
    let Data::Table(tokens) = table.data() else { return Err(format!("looks up in {}", table.what())) };
    let &[default] = default.values::<i64>()? else { return Err("has several defaults".to_owned()) };
    let line = |token: &Vec<u8>| tokens.line(token).map_or(default, i64::from);
    Ok(Tensor::new(keys.shape().to_vec(), keys.values::<Vec<u8>>()?.iter().map(line).collect()))
}
