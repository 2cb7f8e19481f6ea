//! Ops on indices: rows of tables, partitions and stitches, scattering, segments, distinct values.

use std::collections::HashMap;
use std::hash::Hash;

use super::{Kernel, Outcome, outputs};
use crate::function::tensor::{Data, Element, Tensor, elements, like, made, with_values};
use crate::function::view::{View, around, axis};
use crate::graph::{dtype, int};
use crate::proto::{NodeDef, dtype as types};

pub(super) fn kernel(node: &NodeDef) -> Result<Option<Kernel>, String> {
    Ok(Some(match node.op.as_str() {
        "Gather" | "ResourceGather" if int(node, "batch_dims", 0) == 0 => Kernel::of(|[x, ids]| gather(x, ids, 0)),
        "GatherV2" if int(node, "batch_dims", 0) == 0 => {
            Kernel::of(|[x, ids, along]| gather(x, ids, axis(along.int()?, x.shape().len())?))
        }
        "Gather" | "ResourceGather" | "GatherV2" => return Err("gathers by batches, which isn't supported".to_owned()),
        "GatherNd" => Kernel::of(|[x, ids]| gather_nd(x, ids)),
        "ScatterNd" => Kernel::of(|[ids, updates, shape]| scatter_nd(ids, updates, &shape.sizes()?)),
        "SparseToDense" => Kernel::of(|[ids, shape, values, fill]| dense(ids, &shape.sizes()?, values, fill)),
        "DynamicPartition" => {
            let parts = outputs(node, "num_partitions")?;
            Kernel::several(parts, move |[x, to]| partition(x, to, parts))
        }
        "DynamicStitch" | "ParallelDynamicStitch" => Kernel::any(1, |inputs| Ok(vec![stitch(inputs)?])),
        "Where" => Kernel::of(positions),
        "Unique" => {
            let wide = dtype(node, "out_idx") == types::INT64;
            Kernel::several(2, move |[x]| unique(x, wide))
        }
        "SegmentSum" => Kernel::of(|[x, to]| segments(x, to, None)),
        "UnsortedSegmentSum" => Kernel::of(|[x, to, count]| segments(x, to, Some(count.int()?))),
        "OneHot" => {
            let last = int(node, "axis", -1) == -1;
            if !last {
                return Err("puts its numbers on another axis than the last, which isn't supported".to_owned());
            }
            Kernel::of(|[ids, depth, on, off]| one_hot(ids, depth, on, off))
        }
        _ => return Ok(None),
    }))
}

/// Checks that an index is below a size.
fn below(id: i64, size: usize) -> Result<usize, String> {
    let found = usize::try_from(id).ok().filter(|&id| id < size);
    found.ok_or_else(|| format!("takes the element {id} of {size}"))
}

fn gather(x: &Tensor, ids: &Tensor, along: usize) -> Result<Tensor, String> {
    if x.shape().is_empty() {
        return Err("takes elements of a single one".to_owned());
    }
    let (outer, size, inner) = around(x.shape(), along);
    let places = ids.ints()?.into_iter().map(|id| below(id, size)).collect::<Result<Vec<_>, _>>()?;
    let shape = [&x.shape()[..along], ids.shape(), &x.shape()[along + 1..]].concat();
    let count = elements(&shape)?;
    with_values!(x, values => {
        let mut out = Vec::with_capacity(count);
        for row in 0..outer {
            for &place in &places {
                let start = (row * size + place) * inner;
                out.extend_from_slice(&values[start..start + inner]);
            }
        }
        Ok(Tensor::new(shape, out))
    })
}

/// Returns where each index of `[..., depth]` points in a tensor: the first element, and how many elements it
/// selects.
fn pointed(ids: &Tensor, shape: &[usize]) -> Result<(Vec<usize>, usize), String> {
    let depth = ids.shape().last().copied().ok_or("is given a single number as index")?;
    if depth > shape.len() {
        return Err(format!("points into {} dimensions with {depth} numbers", shape.len()));
    }
    let inner: usize = shape[depth..].iter().product();
    let numbers = ids.ints()?;
    let count: usize = ids.shape()[..ids.shape().len() - 1].iter().product();
    let place = |n: usize| {
        let index = numbers[n * depth..(n + 1) * depth].iter().zip(shape);
        index.into_iter().try_fold(0, |at, (&id, &size)| Ok::<_, String>(at * size + below(id, size)?))
    };
    let places = (0..count).map(|n| Ok(place(n)? * inner)).collect::<Result<_, String>>()?;
    Ok((places, inner))
}

fn gather_nd(x: &Tensor, ids: &Tensor) -> Result<Tensor, String> {
    let (places, inner) = pointed(ids, x.shape())?;
    let outer = &ids.shape()[..ids.shape().len() - 1];
    let shape = [outer, &x.shape()[ids.shape()[outer.len()]..]].concat();
    elements(&shape)?;
    with_values!(x, values => {
        let mut out = Vec::with_capacity(places.len().saturating_mul(inner));
        places.iter().for_each(|&at| out.extend_from_slice(&values[at..at + inner]));
        Ok(Tensor::new(shape, out))
    })
}

/// Adds up the values that are scattered to the same position.
fn scatter_nd(ids: &Tensor, updates: &Tensor, shape: &[usize]) -> Result<Tensor, String> {
    let count = made(shape)?;
    let (places, inner) = pointed(ids, shape)?;
    if places.len() * inner != updates.len() {
        return Err(format!("scatters {} elements to {} places", updates.len(), places.len() * inner));
    }
    macro_rules! scattered {
        ($values:expr, $add:expr) => {{
            let mut out = vec![Default::default(); count];
            for (&at, from) in places.iter().zip($values.chunks_exact(inner.max(1))) {
                out[at..at + inner].iter_mut().zip(from).for_each(|(sum, v)| *sum = $add(*sum, *v));
            }
            Ok(Tensor::new(shape.to_vec(), out))
        }};
    }
    match updates.data() {
        Data::F32(v) => scattered!(v, |a: f32, b: f32| a + b),
        Data::I32(v) => scattered!(v, i32::wrapping_add),
        Data::I64(v) => scattered!(v, i64::wrapping_add),
        _ => Err(format!("is used on {}", updates.what())),
    }
}

fn dense(ids: &Tensor, shape: &[usize], values: &Tensor, fill: &Tensor) -> Result<Tensor, String> {
    let count = made(shape)?;
    made(&[fill.bytes() / 8 + 1, count])?;
    let ids = match ids.shape().len() {
        0 | 1 => ids.reshaped(vec![ids.len(), 1])?,
        _ => ids.clone(),
    };
    let (places, inner) = pointed(&ids, shape)?;
    if inner != 1 || (values.len() != places.len() && values.len() != 1) {
        return Err(format!("puts {} values in {} places of {shape:?}", values.len(), places.len()));
    }
    with_values!(values, v => Ok(Tensor::new(shape.to_vec(), placed(v, like(v, fill)?, &places, count)?)))
}

/// Puts values at their positions, or one value at all of them, with `fill` elsewhere.
fn placed<T: Clone>(values: &[T], fill: &[T], places: &[usize], count: usize) -> Result<Vec<T>, String> {
    let [fill] = fill else { return Err("fills with several values".to_owned()) };
    let mut out = vec![fill.clone(); count];
    for (n, &at) in places.iter().enumerate() {
        out[at] = values[if values.len() == 1 { 0 } else { n }].clone();
    }
    Ok(out)
}

/// Splits the elements (or rows) of `x` into the parts that `to` names.
fn partition(x: &Tensor, to: &Tensor, parts: usize) -> Outcome {
    let Some(row) = x.shape().strip_prefix(to.shape()) else {
        return Err(format!("divides the shape {:?} by {:?}", x.shape(), to.shape()));
    };
    let inner: usize = row.iter().product();
    let places = to.ints()?.into_iter().map(|part| below(part, parts)).collect::<Result<Vec<_>, _>>()?;
    with_values!(x, values => {
        let mut out = vec![Vec::new(); parts];
        for (n, &part) in places.iter().enumerate() {
            out[part].extend_from_slice(&values[n * inner..(n + 1) * inner]);
        }
        let mut counts = vec![0; parts];
        places.iter().for_each(|&part| counts[part] += 1);
        let shaped = out.into_iter().zip(counts).map(|(values, count)| Tensor::new([&[count], row].concat(), values));
        Ok(shaped.collect())
    })
}

/// Joins partitions: copies the rows of each tensor to the positions that its indices name; later ones win.
fn stitch(inputs: &[&Tensor]) -> Result<Tensor, String> {
    let (indices, data) = inputs.split_at(inputs.len() / 2);
    if indices.is_empty() || indices.len() != data.len() {
        return Err(format!("has {} inputs; pairs are read", inputs.len()));
    }
    let row = data[0].shape().strip_prefix(indices[0].shape()).ok_or("stitches shapes that don't fit")?;
    let places = indices.iter().map(|i| i.sizes()).collect::<Result<Vec<_>, _>>()?;
    let count = places.iter().flatten().max().map_or(0, |&last| last.saturating_add(1));
    // Every row must be given; gaps would be undefined.
    if count > places.iter().map(Vec::len).sum() {
        return Err(format!("stitches {count} rows of fewer"));
    }
    let shape = [&[count], row].concat();
    elements(&shape)?;
    with_values!(data[0], values => stitched(values, data, &places, shape, row.iter().product()))
}

fn stitched<T: Element + Default>(
    _: &[T],
    data: &[&Tensor],
    places: &[Vec<usize>],
    shape: Vec<usize>,
    inner: usize,
) -> Result<Tensor, String> {
    let mut out = vec![T::default(); shape.iter().product()];
    for (tensor, places) in data.iter().zip(places) {
        let values = tensor.values::<T>()?;
        if Some(values.len()) != places.len().checked_mul(inner) {
            return Err("stitches shapes that don't fit".to_owned());
        }
        for (n, &place) in places.iter().enumerate() {
            out[place * inner..(place + 1) * inner].clone_from_slice(&values[n * inner..(n + 1) * inner]);
        }
    }
    Ok(Tensor::new(shape, out))
}

/// Returns the positions of the elements that are true or not 0, `[count, rank]`.
fn positions([x]: [&Tensor; 1]) -> Result<Tensor, String> {
    let places: Vec<usize> = match x.data() {
        Data::Bool(v) => v.iter().enumerate().filter(|&(_, &v)| v).map(|(at, _)| at).collect(),
        Data::F32(v) => v.iter().enumerate().filter(|&(_, &v)| v != 0.0).map(|(at, _)| at).collect(),
        Data::I32(_) | Data::I64(_) => {
            x.ints()?.iter().enumerate().filter(|&(_, &v)| v != 0).map(|(at, _)| at).collect()
        }
        _ => return Err(format!("is used on {}", x.what())),
    };
    let strides = View::whole(x.shape()).strides;
    let index = |at: &usize| {
        let mut left = *at;
        strides
            .iter()
            .map(|&stride| {
                let i = left / stride as usize;
                left %= stride as usize;
                i as i64
            })
            .collect::<Vec<_>>()
    };
    Ok(Tensor::new(vec![places.len(), x.shape().len()], places.iter().flat_map(index).collect()))
}

/// Returns the distinct values in the order of their first occurrence, and for each element the index of its value.
fn unique(x: &Tensor, wide: bool) -> Outcome {
    if x.shape().len() != 1 {
        return Err(format!("is used on the shape {:?}; a row is read", x.shape()));
    }
    match x.data() {
        Data::I32(values) => Ok(distinct(values, wide)),
        Data::I64(values) => Ok(distinct(values, wide)),
        Data::Bytes(values) => Ok(distinct(values, wide)),
        _ => Err(format!("is used on {}", x.what())),
    }
}

fn distinct<T: Element + Hash + Eq>(values: &[T], wide: bool) -> Vec<Tensor> {
    let mut seen: HashMap<&T, i64> = HashMap::with_capacity(values.len());
    let mut firsts = Vec::new();
    let index = |value| {
        *seen.entry(value).or_insert_with(|| {
            firsts.push(T::clone(value));
            firsts.len() as i64 - 1
        })
    };
    let indices: Vec<i64> = values.iter().map(index).collect();
    vec![Tensor::vector(firsts), Tensor::whole(vec![indices.len()], indices, wide)]
}

/// Sums rows by the segment that `to` names; the segments must be sorted if their number isn't given.
fn segments(x: &Tensor, to: &Tensor, count: Option<i64>) -> Result<Tensor, String> {
    let ids = to.ints()?;
    let row = x.shape().strip_prefix(to.shape()).ok_or("adds up shapes that don't fit")?;
    if count.is_none() && !ids.is_sorted() {
        return Err("adds up segments that aren't sorted".to_owned());
    }
    let count = count.unwrap_or_else(|| ids.last().map_or(0, |last| last.saturating_add(1)));
    let shape = [&[usize::try_from(count).map_err(|_| "adds up a negative number of segments")?], row].concat();
    let (values, inner) = (x.values::<f32>()?, row.iter().product::<usize>());
    let mut out = vec![0.0; made(&shape)?];
    for (n, id) in ids.into_iter().enumerate().filter(|&(_, id)| id >= 0) {
        let place = below(id, shape[0])?;
        let sum = &mut out[place * inner..(place + 1) * inner];
        sum.iter_mut().zip(&values[n * inner..]).for_each(|(sum, v)| *sum += v);
    }
    Ok(Tensor::new(shape, out))
}

fn one_hot(ids: &Tensor, depth: &Tensor, on: &Tensor, off: &Tensor) -> Result<Tensor, String> {
    let depth = usize::try_from(depth.int()?).map_err(|_| "makes a negative number of columns")?;
    let shape = [ids.shape(), &[depth]].concat();
    let ([on], [off]) = (on.values::<f32>()?, off.values::<f32>()?) else {
        return Err("is given several values where one is read".to_owned());
    };
    let mut out = vec![*off; made(&shape)?];
    for (row, id) in out.chunks_exact_mut(depth.max(1)).zip(ids.ints()?) {
        if let Some(place) = usize::try_from(id).ok().and_then(|id| row.get_mut(id)) {
            *place = *on;
        }
    }
    Ok(Tensor::new(shape, out))
}
