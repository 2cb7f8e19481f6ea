//! Ops that create tensors from shapes and numbers. The size of what they create from a few numbers is limited.

use super::{Kernel, outputs};
use crate::function::tensor::{Data, Tensor, made, with_values};
use crate::graph::dtype;
use crate::proto::{NodeDef, dtype as types};

pub(super) fn kernel(node: &NodeDef) -> Result<Option<Kernel>, String> {
    let wide = dtype(node, "out_type") == types::INT64;
    Ok(Some(match node.op.as_str() {
        "Shape" => Kernel::of(move |[x]| Ok(shape_of(x, wide))),
        "ShapeN" => Kernel::any(outputs(node, "N")?, move |xs| Ok(xs.iter().map(|x| shape_of(x, wide)).collect())),
        "Size" => Kernel::of(move |[x]| Ok(Tensor::whole(Vec::new(), vec![x.len() as i64], wide))),
        "Rank" => Kernel::of(|[x]| Ok(Tensor::scalar(x.shape().len() as i32))),
        "Fill" => Kernel::of(|[shape, value]| {
            let shape = shape.sizes()?;
            let count = made(&shape)?;
            made(&[value.bytes() / 8 + 1, count])?; // a long string, too
            with_values!(value, v => match v.as_slice() {
                [value] => Ok(Tensor::new(shape, repeated(value, count))),
                many => Err(format!("fills {count} elements with {}", many.len())),
            })
        }),
        "ZerosLike" => Kernel::of(|[x]| like(x, 0)),
        "OnesLike" => Kernel::of(|[x]| like(x, 1)),
        "Range" => Kernel::of(|[from, to, by]| range(from, to, by)),
        _ => return Ok(None),
    }))
}

fn repeated<T: Clone>(value: &T, count: usize) -> Vec<T> {
    vec![value.clone(); count]
}

fn shape_of(x: &Tensor, wide: bool) -> Tensor {
    let sizes: Vec<i64> = x.shape().iter().map(|&d| d as i64).collect();
    Tensor::whole(vec![sizes.len()], sizes, wide)
}

fn like(x: &Tensor, value: i8) -> Result<Tensor, String> {
    let (shape, count) = (x.shape().to_vec(), x.len());
    Ok(match x.data() {
        Data::F32(_) => Tensor::new(shape, vec![f32::from(value); count]),
        Data::F64(_) => Tensor::new(shape, vec![f64::from(value); count]),
        Data::I32(_) => Tensor::new(shape, vec![i32::from(value); count]),
        Data::I64(_) => Tensor::new(shape, vec![i64::from(value); count]),
        Data::Bool(_) => Tensor::new(shape, vec![value != 0; count]),
        Data::Bytes(_) if value == 0 => Tensor::new(shape, vec![Vec::<u8>::new(); count]),
        Data::Bytes(_) | Data::Table(_) => return Err(format!("is used on {}", x.what())),
    })
}

fn range(from: &Tensor, to: &Tensor, by: &Tensor) -> Result<Tensor, String> {
    let wide = match from.data() {
        Data::F32(_) => return range_of_floats(from, to, by),
        data => matches!(data, Data::I64(_)),
    };
    let (from, to, by) = (from.int()?, to.int()?, by.int()?);
    let span = if by > 0 { i128::from(to) - i128::from(from) } else { i128::from(from) - i128::from(to) };
    let count = match i128::from(by).abs() {
        0 => return Err("counts in steps of 0".to_owned()),
        step => usize::try_from((span.max(0) + step - 1) / step).unwrap_or(usize::MAX),
    };
    made(&[count])?;
    let numbers = (0..count as i64).map(|n| from.wrapping_add(n.wrapping_mul(by))).collect();
    Ok(Tensor::whole(vec![count], numbers, wide))
}

fn range_of_floats(from: &Tensor, to: &Tensor, by: &Tensor) -> Result<Tensor, String> {
    let one = |x: &Tensor| x.values::<f32>()?.first().copied().ok_or_else(|| "has an empty input".to_owned());
    let (from, to, by) = (one(from)?, one(to)?, one(by)?);
    let count = ((f64::from(to) - f64::from(from)) / f64::from(by)).ceil();
    if !count.is_finite() {
        return Err("counts in steps of 0".to_owned());
    }
    let count = made(&[count.max(0.0) as usize])?;
    Ok(Tensor::vector((0..count).map(|n| from + n as f32 * by).collect()))
}
