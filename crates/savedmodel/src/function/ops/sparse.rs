//! Ops on sparse tensors (indices `[n, rank]`, values `[n]`, shape `[rank]`) and on segments of rows.

use super::{Kernel, Outcome};
use crate::function::tensor::{Data, Element, Tensor, elements, made, with_values};
use crate::graph::flag;
use crate::proto::NodeDef;
use crate::segment::{Reduction, reduce};

pub(super) fn kernel(node: &NodeDef) -> Result<Option<Kernel>, String> {
    Ok(Some(match node.op.as_str() {
        "SparseFillEmptyRows" => Kernel::several(
            4,
            |[indices, values, shape, fill]| with_values!(values, v => fill_empty_rows(indices, v, shape, fill)),
        ),
        "SparseReshape" => Kernel::several(2, |[indices, from, to]| reshape(indices, &from.sizes()?, &to.ints()?)),
        "SparseSegmentSum" => Kernel::of(|[x, ids, to]| segments(x, ids, to, Reduction::Sum)),
        "SparseSegmentMean" => Kernel::of(|[x, ids, to]| segments(x, ids, to, Reduction::Mean)),
        "SparseSegmentSqrtN" => Kernel::of(|[x, ids, to]| segments(x, ids, to, Reduction::SqrtN)),
        "Bincount" | "DenseBincount" => {
            if flag(node, "binary_output", false) {
                return Err("reports which values occur instead of counting them, which isn't supported".to_owned());
            }
            Kernel::of(|[x, size, weights]| counts(x, size, weights))
        }
        "RaggedTensorToSparse" => Kernel::several(3, |[splits, values]| ragged(splits, values)),
        _ => return Ok(None),
    }))
}

/// Adds a value to each row without one; values stay in their order.
fn fill_empty_rows<T: Element>(indices: &Tensor, values: &[T], shape: &Tensor, fill: &Tensor) -> Outcome {
    let sizes = shape.sizes()?;
    let (&[count, rank], Some(&rows)) = (indices.shape(), sizes.first()) else {
        return Err("is used on no sparse tensor".to_owned());
    };
    if rank != sizes.len() || count != values.len() {
        return Err(format!("is used on {count} indices of {} values", values.len()));
    }
    made(&[rows, rank])?;
    let [fill] = fill.values::<T>()? else { return Err("fills with several values".to_owned()) };
    let old = indices.values::<i64>()?;
    let mut of_row: Vec<Vec<usize>> = vec![Vec::new(); rows];
    for n in 0..count {
        let row = usize::try_from(old[n * rank]).ok().and_then(|row| of_row.get_mut(row));
        row.ok_or_else(|| format!("is used on the row {} of {rows}", old[n * rank]))?.push(n);
    }
    let (mut new, mut out, mut reverse) = (Vec::new(), Vec::new(), vec![0_i64; count]);
    for (row, places) in of_row.iter().enumerate() {
        if places.is_empty() {
            new.push(row as i64);
            new.resize(new.len() + rank - 1, 0);
            out.push(fill.clone());
        }
        for &n in places {
            reverse[n] = out.len() as i64;
            new.extend_from_slice(&old[n * rank..(n + 1) * rank]);
            out.push(values[n].clone());
        }
    }
    let was_empty: Vec<bool> = of_row.iter().map(Vec::is_empty).collect();
    let indices = Tensor::new(vec![out.len(), rank], new);
    Ok(vec![indices, Tensor::vector(out), Tensor::vector(was_empty), Tensor::vector(reverse)])
}

fn reshape(indices: &Tensor, from: &[usize], to: &[i64]) -> Outcome {
    let old = indices.values::<i64>()?;
    let count = elements(from)?;
    let known = to.iter().filter(|&&d| d >= 0).try_fold(1_i64, |n, &d| n.checked_mul(d)).ok_or("is too large")?;
    let size = |&d: &i64| if d < 0 { (count as i64).checked_div(known).unwrap_or(0) } else { d };
    let sizes: Vec<i64> = to.iter().map(size).collect();
    let product = sizes.iter().try_fold(1_i64, |n, &d| n.checked_mul(d));
    if product != Some(count as i64) || indices.shape().get(1) != Some(&from.len()) {
        return Err(format!("makes the shape {to:?} of {from:?}"));
    }
    let mut new = Vec::with_capacity(indices.shape()[0].saturating_mul(sizes.len()));
    for index in old.chunks_exact(from.len().max(1)) {
        let mut at = index.iter().zip(from).fold(0_i64, |at, (&i, &size)| at.wrapping_mul(size as i64).wrapping_add(i));
        let start = new.len();
        new.resize(start + sizes.len(), 0);
        for (place, &size) in new[start..].iter_mut().zip(&sizes).rev() {
            *place = at.checked_rem(size).unwrap_or(0);
            at = at.checked_div(size).unwrap_or(0);
        }
    }
    let rows = new.len().checked_div(sizes.len()).unwrap_or(0);
    Ok(vec![Tensor::new(vec![rows, sizes.len()], new), Tensor::vector(sizes)])
}

/// Reduces the rows `ids` of `x` by the segment that `to` names; segments without rows are 0.
fn segments(x: &Tensor, ids: &Tensor, to: &Tensor, reduction: Reduction) -> Result<Tensor, String> {
    let (ids, to) = (ids.ints()?, to.ints()?);
    let Some((&rows, inner)) = x.shape().split_first() else { return Err("adds up a single number".to_owned()) };
    let cols: usize = inner.iter().product();
    let row = |&id: &i64| {
        let found = u32::try_from(id).ok().filter(|&id| (id as usize) < rows);
        found.ok_or_else(|| format!("takes the row {id} of {rows}"))
    };
    let ids = ids.iter().map(row).collect::<Result<Vec<_>, _>>()?;
    if ids.len() != to.len() || !to.is_sorted() || to.first().is_some_and(|&first| first < 0) {
        return Err(format!("adds up {} rows by {} segments, which aren't in order", ids.len(), to.len()));
    }
    let count = to.last().map_or(0, |&last| usize::try_from(last).unwrap_or(usize::MAX).saturating_add(1));
    let shape = [&[count], inner].concat();
    made(&shape)?;
    let groups = to.chunk_by(|a, b| a == b).scan(0, |start, group| {
        let ids = &ids[*start..*start + group.len()];
        *start += group.len();
        Some((group[0] as usize, ids))
    });
    match x.data() {
        Data::F32(values) => {
            let mut out = vec![0.0; count * cols];
            groups.for_each(|(at, ids)| reduce(reduction, ids, values, &mut out[at * cols..(at + 1) * cols]));
            Ok(Tensor::new(shape, out))
        }
        Data::F64(values) => {
            let mut out = vec![0.0; count * cols];
            for (at, ids) in groups {
                let sum = &mut out[at * cols..(at + 1) * cols];
                for &id in ids {
                    sum.iter_mut().zip(&values[id as usize * cols..]).for_each(|(sum, v)| *sum += v);
                }
                let divisor = match reduction {
                    Reduction::Mean => ids.len() as f64,
                    Reduction::SqrtN => (ids.len() as f64).sqrt(),
                    Reduction::Sum => 1.0,
                };
                sum.iter_mut().for_each(|v| *v /= divisor);
            }
            Ok(Tensor::new(shape, out))
        }
        _ => Err(format!("is used on {}", x.what())),
    }
}

fn counts(x: &Tensor, size: &Tensor, weights: &Tensor) -> Result<Tensor, String> {
    if !weights.is_empty() || x.shape().len() > 1 {
        return Err("counts with weights, or by rows, which isn't supported".to_owned());
    }
    let size = usize::try_from(size.int()?).map_err(|_| "counts into a negative size")?;
    let mut out = vec![0_i64; made(&[size])?];
    for value in x.ints()? {
        match usize::try_from(value) {
            Ok(value) if value < size => out[value] += 1,
            Ok(_) => {}
            Err(_) => return Err(format!("counts the number {value}")),
        }
    }
    Ok(Tensor::whole(vec![size], out, matches!(weights.data(), Data::I64(_))))
}

/// Returns the rows of one ragged dimension.
fn ragged(splits: &Tensor, values: &Tensor) -> Outcome {
    let splits = splits.sizes()?;
    if splits.first() != Some(&0) || !splits.is_sorted() || splits.last() != Some(&values.len()) {
        return Err("has splits that don't fit the values".to_owned());
    }
    let rows = splits.windows(2).map(|pair| pair[1] - pair[0]);
    let longest = rows.clone().max().unwrap_or(0);
    let pair = |(row, len): (usize, usize)| (0..len).flat_map(move |at| [row as i64, at as i64]);
    let indices = rows.enumerate().flat_map(pair).collect();
    let shape = vec![splits.len() as i64 - 1, longest as i64];
    Ok(vec![Tensor::new(vec![values.len(), 2], indices), values.reshaped(vec![values.len()])?, Tensor::vector(shape)])
}
