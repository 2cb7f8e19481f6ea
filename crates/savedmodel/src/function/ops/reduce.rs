//! Ops along axes: sums, means, extremes, softmax, running sums. Floats are summed in 64 bits.

use super::Kernel;
use crate::function::tensor::{Data, Element, Tensor};
use crate::function::view::{View, around, axis};
use crate::graph::flag;
use crate::proto::NodeDef;

pub(super) fn kernel(node: &NodeDef) -> Result<Option<Kernel>, String> {
    let keep = flag(node, "keep_dims", false);
    Ok(Some(match node.op.as_str() {
        "Sum" => Kernel::of(move |[x, axes]| number(x, axes, keep, 0.0, |a, b| a + b, 0, i64::wrapping_add)),
        "Prod" => Kernel::of(move |[x, axes]| number(x, axes, keep, 1.0, |a, b| a * b, 1, i64::wrapping_mul)),
        "Max" => Kernel::of(move |[x, axes]| number(x, axes, keep, f64::NEG_INFINITY, f64::max, i64::MIN, i64::max)),
        "Min" => Kernel::of(move |[x, axes]| number(x, axes, keep, f64::INFINITY, f64::min, i64::MAX, i64::min)),
        "Mean" => Kernel::of(move |[x, axes]| mean(x, axes, keep)),
        "All" => Kernel::of(move |[x, axes]| reduced(x, x.values()?, axes, keep, true, |a, &b| a && b)),
        "Any" => Kernel::of(move |[x, axes]| reduced(x, x.values()?, axes, keep, false, |a, &b| a || b)),
        "Softmax" => Kernel::of(|[x]| softmax(x, false)),
        "LogSoftmax" => Kernel::of(|[x]| softmax(x, true)),
        "ArgMax" => Kernel::of(|[x, along]| arg_max(x, along)),
        "Cumsum" => {
            let (exclusive, reverse) = (flag(node, "exclusive", false), flag(node, "reverse", false));
            if reverse {
                return Err("adds up from the end, which isn't supported".to_owned());
            }
            Kernel::of(move |[x, along]| running_sum(x, along, exclusive))
        }
        _ => return Ok(None),
    }))
}

/// Returns the shape that remains after a reduction, and the position that each element contributes to.
fn target(x: &Tensor, axes: &Tensor, keep: bool) -> Result<(Vec<usize>, View), String> {
    let rank = x.shape().len();
    let mut gone = vec![false; rank];
    for along in axes.ints()? {
        gone[axis(along, rank)?] = true;
    }
    let one = |(&size, &gone): (&usize, &bool)| if gone { 1 } else { size };
    let kept: Vec<usize> = x.shape().iter().zip(&gone).map(one).collect();
    let mut view = View::whole(&kept);
    for (stride, gone) in view.strides.iter_mut().zip(&gone) {
        *stride = if *gone { 0 } else { *stride };
    }
    view.shape = x.shape().to_vec();
    let stays = kept.iter().zip(&gone).filter(|&(_, gone)| keep || !gone).map(|(&size, _)| size).collect();
    Ok((stays, view))
}

fn reduced<T, R: Element>(
    x: &Tensor,
    values: &[T],
    axes: &Tensor,
    keep: bool,
    start: R,
    mut f: impl FnMut(R, &T) -> R,
) -> Result<Tensor, String> {
    let (shape, view) = target(x, axes, keep)?;
    let mut out = vec![start; shape.iter().product()];
    let mut from = 0;
    view.rows(|first, stride, length| {
        for (i, value) in values[from..from + length].iter().enumerate() {
            let place = &mut out[first + stride as usize * i];
            *place = f(place.clone(), value);
        }
        from += length;
    });
    Ok(Tensor::new(shape, out))
}

fn number(
    x: &Tensor,
    axes: &Tensor,
    keep: bool,
    start: f64,
    real: impl Fn(f64, f64) -> f64,
    first: i64,
    whole: impl Fn(i64, i64) -> i64,
) -> Result<Tensor, String> {
    match x.data() {
        Data::F32(v) => narrowed(&reduced(x, v, axes, keep, start, |a, &b| real(a, f64::from(b)))?),
        Data::F64(v) => reduced(x, v, axes, keep, start, |a, &b| real(a, b)),
        Data::I32(v) => {
            let wide = reduced(x, v, axes, keep, first, |a, &b| whole(a, i64::from(b)))?;
            Ok(Tensor::whole(wide.shape().to_vec(), wide.ints()?, false))
        }
        Data::I64(v) => reduced(x, v, axes, keep, first, |a, &b| whole(a, b)),
        _ => Err(format!("is used on {}", x.what())),
    }
}

/// Converts 64-bit floats to 32 bits.
fn narrowed(x: &Tensor) -> Result<Tensor, String> {
    Ok(Tensor::new(x.shape().to_vec(), x.values::<f64>()?.iter().map(|&v| v as f32).collect()))
}

fn mean(x: &Tensor, axes: &Tensor, keep: bool) -> Result<Tensor, String> {
    let sum = match x.data() {
        Data::F32(v) => reduced(x, v, axes, keep, 0.0, |a, &b| a + f64::from(b))?,
        Data::F64(v) => reduced(x, v, axes, keep, 0.0, |a, &b| a + b)?,
        _ => return Err(format!("is used on {}", x.what())),
    };
    let count = x.len() as f64 / sum.len().max(1) as f64;
    let means = Tensor::new(sum.shape().to_vec(), sum.values::<f64>()?.iter().map(|v| v / count).collect());
    if matches!(x.data(), Data::F32(_)) { narrowed(&means) } else { Ok(means) }
}

/// Computes the softmax along the last axis.
fn softmax(x: &Tensor, log: bool) -> Result<Tensor, String> {
    let values = x.values::<f32>()?;
    let length = x.shape().last().copied().ok_or("is used on a single number")?.max(1);
    let mut out = Vec::with_capacity(values.len());
    for row in values.chunks_exact(length) {
        let largest = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let start = out.len();
        out.extend(row.iter().map(|v| libm::expf(v - largest)));
        let sum: f64 = out[start..].iter().map(|&v| f64::from(v)).sum();
        match log {
            true => out[start..].iter_mut().zip(row).for_each(|(o, v)| *o = v - largest - libm::log(sum) as f32),
            false => out[start..].iter_mut().for_each(|o| *o = (f64::from(*o) / sum) as f32),
        }
    }
    Ok(Tensor::new(x.shape().to_vec(), out))
}

fn arg_max(x: &Tensor, along: &Tensor) -> Result<Tensor, String> {
    let along = axis(along.int()?, x.shape().len())?;
    let (outer, size, inner) = around(x.shape(), along);
    let values = x.values::<f32>()?;
    let mut shape = x.shape().to_vec();
    if shape.remove(along) == 0 {
        return Err("looks for the largest of no elements".to_owned());
    }
    let largest = |o: usize, i: usize| {
        let at = |n: usize| values[(o * size + n) * inner + i];
        (1..size).fold(0, |best, n| if at(n) > at(best) { n } else { best }) as i64
    };
    Ok(Tensor::new(
        shape,
        (0..outer).flat_map(|o| (0..inner).map(move |i| largest(o, i)).collect::<Vec<_>>()).collect(),
    ))
}

fn running_sum(x: &Tensor, along: &Tensor, exclusive: bool) -> Result<Tensor, String> {
    let (_, size, inner) = around(x.shape(), axis(along.int()?, x.shape().len())?);
    macro_rules! sums {
        ($values:expr, $add:expr) => {{
            let mut out = $values.to_vec();
            for block in out.chunks_exact_mut((size * inner).max(1)) {
                for i in 0..inner {
                    let mut sum = Default::default();
                    for n in 0..size {
                        let value = std::mem::replace(&mut block[n * inner + i], sum);
                        sum = $add(sum, value);
                        if !exclusive {
                            block[n * inner + i] = sum;
                        }
                    }
                }
            }
            Ok(Tensor::new(x.shape().to_vec(), out))
        }};
    }
    match x.data() {
        Data::F32(values) => sums!(values, |a: f32, b: f32| a + b),
        Data::I32(values) => sums!(values, i32::wrapping_add),
        Data::I64(values) => sums!(values, i64::wrapping_add),
        _ => Err(format!("is used on {}", x.what())),
    }
}
