//! Ops that move elements or change the shape: reshaping, slicing, joining, repeating.

use super::{Kernel, outputs};
use crate::function::tensor::{Element, Tensor, elements, made, with_values};
use crate::function::view::{View, around, axis};
use crate::graph::{int, ints};
use crate::proto::NodeDef;

pub(super) fn kernel(node: &NodeDef) -> Result<Option<Kernel>, String> {
    Ok(Some(match node.op.as_str() {
        "Reshape" => Kernel::of(|[x, shape]| x.reshaped(inferred(&shape.ints()?, x.len())?)),
        "ExpandDims" => Kernel::of(|[x, at]| {
            let mut shape = x.shape().to_vec();
            shape.insert(axis(at.int()?, x.shape().len() + 1)?, 1);
            x.reshaped(shape)
        }),
        "Squeeze" => {
            let dims = ints(node, "squeeze_dims");
            Kernel::of(move |[x]| squeezed(x, &dims))
        }
        "Transpose" => Kernel::of(|[x, order]| transposed(x, &order.sizes()?)),
        "BroadcastTo" => Kernel::of(|[x, shape]| {
            let shape = shape.sizes()?;
            made(&shape)?;
            let view = View::whole(x.shape()).broadcast(&shape);
            viewed(x, view.ok_or_else(|| format!("makes the shape {shape:?} of {:?}", x.shape()))?)
        }),
        "Slice" => Kernel::of(|[x, begin, size]| sliced(x, &begin.ints()?, &size.ints()?)),
        "StridedSlice" => strided_slice(node),
        "Tile" => Kernel::of(|[x, times]| tiled(x, &times.sizes()?)),
        "Pad" => Kernel::of(|[x, sides]| padded(x, &sides.sizes()?, None)),
        "PadV2" => Kernel::of(|[x, sides, value]| padded(x, &sides.sizes()?, Some(value))),
        _ => return parts_kernel(node),
    }))
}

/// Returns the kernel of an op that splits a tensor into parts, or joins parts.
fn parts_kernel(node: &NodeDef) -> Result<Option<Kernel>, String> {
    Ok(Some(match node.op.as_str() {
        "Split" => {
            let parts = outputs(node, "num_split")?;
            Kernel::several(parts, move |[along, x]| {
                let along = axis(along.int()?, x.shape().len())?;
                match x.shape()[along] % parts {
                    0 => split(x, along, &vec![x.shape()[along] / parts; parts]),
                    _ => Err(format!("splits {:?} into {parts} equal parts", x.shape())),
                }
            })
        }
        "SplitV" => {
            let parts = outputs(node, "num_split")?;
            Kernel::several(parts, move |[x, sizes, along]| {
                let along = axis(along.int()?, x.shape().len())?;
                split(x, along, &rest(&sizes.ints()?, x.shape()[along])?)
            })
        }
        "Unpack" => {
            let (parts, along) = (outputs(node, "num")?, int(node, "axis", 0));
            Kernel::several(parts, move |[x]| unpacked(x, along, parts))
        }
        "Pack" => {
            let along = int(node, "axis", 0);
            Kernel::any(1, move |inputs| Ok(vec![packed(inputs, along)?]))
        }
        "ConcatV2" => Kernel::any(1, |inputs| match inputs.split_last() {
            Some((along, parts @ [first, ..])) => {
                Ok(vec![concatenated(parts, axis(along.int()?, first.shape().len())?)?])
            }
            _ => Err("has no input".to_owned()),
        }),
        _ => return Ok(None),
    }))
}

/// Divides a tensor along an axis into `parts` tensors without this axis.
fn unpacked(x: &Tensor, along: i64, parts: usize) -> Result<Vec<Tensor>, String> {
    let along = axis(along, x.shape().len())?;
    let mut shape = x.shape().to_vec();
    shape.remove(along);
    split(x, along, &vec![1; parts])?.iter().map(|part| part.reshaped(shape.clone())).collect()
}

/// Joins tensors of one shape along a new axis.
fn packed(inputs: &[&Tensor], along: i64) -> Result<Tensor, String> {
    let first = inputs.first().ok_or("has no input")?;
    let along = axis(along, first.shape().len() + 1)?;
    let mut shape = first.shape().to_vec();
    shape.insert(along, 1);
    let parts = inputs.iter().map(|x| x.reshaped(shape.clone())).collect::<Result<Vec<_>, _>>()?;
    concatenated(&parts.iter().collect::<Vec<_>>(), along)
}

/// Resolves a shape in which one size may be -1, which stands for the rest of `count` elements.
fn inferred(shape: &[i64], count: usize) -> Result<Vec<usize>, String> {
    let known: Vec<usize> = shape.iter().filter_map(|&d| usize::try_from(d).ok()).collect();
    let product = elements(&known)?;
    let size = |&d: &i64| match usize::try_from(d) {
        Ok(size) => Ok(size),
        Err(_) if d == -1 && known.len() + 1 == shape.len() => Ok(count.checked_div(product).unwrap_or(0)),
        Err(_) => Err(format!("makes the shape {shape:?}")),
    };
    shape.iter().map(size).collect()
}

fn squeezed(x: &Tensor, dims: &[i64]) -> Result<Tensor, String> {
    let named = dims.iter().map(|&d| axis(d, x.shape().len())).collect::<Result<Vec<_>, _>>()?;
    let goes = |at: usize, size: usize| size == 1 && (named.is_empty() || named.contains(&at));
    let kept = x.shape().iter().enumerate().filter(|&(at, &size)| !goes(at, size)).map(|(_, &size)| size);
    x.reshaped(kept.collect())
}

fn viewed(x: &Tensor, view: View) -> Result<Tensor, String> {
    elements(&view.shape)?;
    with_values!(x, values => Ok(Tensor::new(view.shape.clone(), view.copy(values))))
}

fn transposed(x: &Tensor, order: &[usize]) -> Result<Tensor, String> {
    let mut sorted = order.to_vec();
    sorted.sort_unstable();
    if !sorted.into_iter().eq(0..x.shape().len()) {
        return Err(format!("orders {} dimensions as {order:?}", x.shape().len()));
    }
    let whole = View::whole(x.shape());
    let pick = |&axis: &usize| (whole.shape[axis], whole.strides[axis]);
    let (shape, strides) = order.iter().map(pick).unzip();
    viewed(x, View { shape, strides, offset: 0 })
}

/// Returns `size` elements from `begin` on in each dimension; -1 selects all that follow.
fn sliced(x: &Tensor, begin: &[i64], size: &[i64]) -> Result<Tensor, String> {
    let unfit = || format!("takes {size:?} from {begin:?} on, of {:?}", x.shape());
    if begin.len() != x.shape().len() || size.len() != x.shape().len() {
        return Err(unfit());
    }
    let mut view = View::whole(x.shape());
    for (at, (&begin, &size)) in begin.iter().zip(size).enumerate() {
        let start = usize::try_from(begin).ok().filter(|&b| b <= x.shape()[at]).ok_or_else(unfit)?;
        let left = x.shape()[at] - start;
        let taken = if size == -1 { Some(left) } else { usize::try_from(size).ok().filter(|&s| s <= left) };
        view.shape[at] = taken.ok_or_else(unfit)?;
        view.offset += view.strides[at] * start as isize;
    }
    viewed(x, view)
}

/// Python's `x[begin:end:stride, ...]`, with its masks, new axes and dropped axes.
fn strided_slice(node: &NodeDef) -> Kernel {
    let mask = |name: &str| int(node, name, 0);
    let [begins, ends, ellipsis, new, shrink] =
        ["begin_mask", "end_mask", "ellipsis_mask", "new_axis_mask", "shrink_axis_mask"].map(mask);
    Kernel::of(move |[x, begin, end, stride]| {
        let (begin, end, stride) = (begin.ints()?, end.ints()?, stride.ints()?);
        let has = |mask: i64, at: usize| at < 64 && mask >> at & 1 == 1;
        let named = (0..begin.len()).filter(|&at| !has(ellipsis, at) && !has(new, at)).count();
        if begin.len() != end.len() || begin.len() != stride.len() || named > x.shape().len() || begin.len() > 16 {
            return Err(format!("slices {:?} from {begin:?} to {end:?}", x.shape()));
        }
        let whole = View::whole(x.shape());
        let mut view = View { shape: Vec::new(), strides: Vec::new(), offset: 0 };
        let mut from = 0;
        for at in 0..begin.len() {
            if has(ellipsis, at) {
                for _ in named..x.shape().len() {
                    view.shape.push(whole.shape[from]);
                    view.strides.push(whole.strides[from]);
                    from += 1;
                }
            } else if has(new, at) {
                view.shape.push(1);
                view.strides.push(0);
            } else {
                let size = *whole.shape.get(from).ok_or("slices more dimensions than there are")?;
                let range = Range { begin: begin[at], end: end[at], stride: stride[at] };
                let (start, count) = match has(shrink, at) {
                    true => (range.single(size)?, 1),
                    false => range.of(size, has(begins, at), has(ends, at))?,
                };
                view.offset += whole.strides[from] * start;
                if !has(shrink, at) {
                    view.shape.push(count);
                    view.strides.push(whole.strides[from].saturating_mul(stride[at] as isize));
                }
                from += 1;
            }
        }
        view.shape.extend(&whole.shape[from..]);
        view.strides.extend(&whole.strides[from..]);
        viewed(x, view)
    })
}

struct Range {
    begin: i64,
    end: i64,
    stride: i64,
}

impl Range {
    /// Returns the position that a single index selects.
    fn single(&self, size: usize) -> Result<isize, String> {
        Ok(axis(self.begin, size).map_err(|_| format!("takes the element {} of {size}", self.begin))? as isize)
    }

    /// Returns the first position, and the number of positions.
    fn of(&self, size: usize, from_start: bool, to_end: bool) -> Result<(isize, usize), String> {
        let size = size as i64;
        let forward = match self.stride {
            0 => return Err("slices in steps of 0".to_owned()),
            stride => stride > 0,
        };
        let (low, high) = if forward { (0, size) } else { (-1, size - 1) };
        let place = |at: i64| (if at < 0 { at.saturating_add(size) } else { at }).clamp(low, high);
        let begin = if from_start { if forward { low } else { high } } else { place(self.begin) };
        let end = if to_end { if forward { high } else { low } } else { place(self.end) };
        let span = if forward { end - begin } else { begin - end };
        let count = if span <= 0 { 0 } else { (span - 1) / self.stride.saturating_abs() + 1 };
        Ok((if count == 0 { 0 } else { begin as isize }, count as usize))
    }
}

/// Resolves the sizes of parts, one of which may be -1.
fn rest(sizes: &[i64], whole: usize) -> Result<Vec<usize>, String> {
    let known = sizes.iter().filter(|&&s| s >= 0).try_fold(0_i64, |sum, &s| sum.checked_add(s));
    let left = known.and_then(|known| usize::try_from(whole as i64 - known).ok());
    let size = |&s: &i64| if s == -1 { left } else { usize::try_from(s).ok() };
    sizes.iter().map(size).collect::<Option<_>>().ok_or_else(|| format!("splits {whole} into {sizes:?}"))
}

fn split(x: &Tensor, along: usize, sizes: &[usize]) -> Result<Vec<Tensor>, String> {
    if sizes.iter().try_fold(0_usize, |sum, &s| sum.checked_add(s)) != Some(x.shape()[along]) {
        return Err(format!("splits {:?} into {sizes:?}", x.shape()));
    }
    let mut view = View::whole(x.shape());
    let parts = sizes.iter().map(|&size| {
        view.shape[along] = size;
        let part = viewed(x, view.clone());
        view.offset += view.strides[along] * size as isize;
        part
    });
    parts.collect()
}

/// Concatenates parts that are equal in all dimensions except one.
pub(super) fn concatenated(parts: &[&Tensor], along: usize) -> Result<Tensor, String> {
    let first = parts.first().ok_or("has no input")?;
    let mut shape = first.shape().to_vec();
    shape[along] = 0;
    for part in parts {
        let mut other = part.shape().to_vec();
        let fits = other.len() == shape.len() && {
            shape[along] = shape[along].saturating_add(std::mem::take(&mut other[along]));
            other.iter().zip(&shape).enumerate().all(|(at, (a, b))| at == along || a == b)
        };
        if !fits {
            return Err(format!("joins the shapes {:?} and {:?}", first.shape(), part.shape()));
        }
    }
    let count = elements(&shape)?;
    let outer: usize = shape[..along].iter().product();
    with_values!(first, values => joined(parts, shape, along, (outer, count), values))
}

fn joined<T: Element>(
    parts: &[&Tensor],
    shape: Vec<usize>,
    along: usize,
    (outer, count): (usize, usize),
    _: &[T],
) -> Result<Tensor, String> {
    let values = parts.iter().map(|part| part.values::<T>()).collect::<Result<Vec<_>, _>>()?;
    let mut out = Vec::with_capacity(count);
    for row in 0..outer {
        for (part, values) in parts.iter().zip(&values) {
            let (_, size, inner) = around(part.shape(), along);
            out.extend_from_slice(&values[row * size * inner..(row + 1) * size * inner]);
        }
    }
    Ok(Tensor::new(shape, out))
}

fn tiled(x: &Tensor, times: &[usize]) -> Result<Tensor, String> {
    if times.len() != x.shape().len() {
        return Err(format!("repeats the shape {:?} {times:?} times", x.shape()));
    }
    let sizes = x.shape().iter().zip(times).map(|(&size, &times)| size.checked_mul(times));
    let shape = sizes.collect::<Option<Vec<_>>>().ok_or_else(|| format!("repeats a tensor {times:?} times"))?;
    made(&shape)?;
    // Each dimension becomes two: the repetitions, whose stride is 0, and the dimension itself.
    let whole = View::whole(x.shape());
    let mut view = View { shape: Vec::new(), strides: Vec::new(), offset: 0 };
    for ((&size, &stride), &times) in whole.shape.iter().zip(&whole.strides).zip(times) {
        view.shape.extend([times, size]);
        view.strides.extend([0, stride]);
    }
    with_values!(x, values => Ok(Tensor::new(shape, view.copy(values))))
}

fn padded(x: &Tensor, sides: &[usize], value: Option<&Tensor>) -> Result<Tensor, String> {
    let sides = sides.as_chunks::<2>().0;
    if sides.len() != x.shape().len() {
        return Err(format!("pads the shape {:?} on {} dimensions", x.shape(), sides.len()));
    }
    let grown = x.shape().iter().zip(sides).map(|(&size, &[a, b])| size.checked_add(a)?.checked_add(b));
    let shape = grown.collect::<Option<Vec<_>>>().ok_or("pads to a size that is too large")?;
    made(&shape)?;
    let values = x.values::<f32>()?;
    let fill = match value {
        Some(value) => *value.values::<f32>()?.first().ok_or("pads with nothing")?,
        None => 0.0,
    };
    let mut out = vec![fill; shape.iter().product()];
    let mut inside = View::whole(&shape);
    for (at, &[before, _]) in sides.iter().enumerate() {
        inside.offset += inside.strides[at] * before as isize;
    }
    inside.shape = x.shape().to_vec();
    let mut from = 0;
    inside.rows(|first, _, length| {
        out[first..first + length].copy_from_slice(&values[from..from + length]);
        from += length;
    });
    Ok(Tensor::new(shape, out))
}
