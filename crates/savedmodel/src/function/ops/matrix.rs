//! Matrix products, and biases.

use ndarray::{ArrayView2, ArrayViewMut2, LinalgScalar, linalg::general_mat_mul};

use super::Kernel;
use crate::function::tensor::{Data, Element, Tensor, elements};
use crate::function::view::{View, broadcast};
use crate::graph::{bytes, flag};
use crate::proto::NodeDef;

pub(super) fn kernel(node: &NodeDef) -> Result<Option<Kernel>, String> {
    let turned = |a: &str, b: &str| (flag(node, a, false), flag(node, b, false));
    Ok(Some(match node.op.as_str() {
        "MatMul" => {
            let turned = turned("transpose_a", "transpose_b");
            Kernel::of(move |[a, b]| match (a.shape().len(), b.shape().len()) {
                (2, 2) => product(a, b, turned),
                _ => Err(format!("multiplies the shapes {:?} and {:?}", a.shape(), b.shape())),
            })
        }
        "BatchMatMul" | "BatchMatMulV2" => {
            let turned = turned("adj_x", "adj_y");
            Kernel::of(move |[a, b]| product(a, b, turned))
        }
        "BiasAdd" => {
            if !matches!(bytes(node, "data_format"), b"" | b"NHWC") {
                return Err("adds along another axis than the last, which isn't supported".to_owned());
            }
            Kernel::of(|[x, bias]| add_bias(x, bias))
        }
        _ => return Ok(None),
    }))
}

/// Multiplies the last two dimensions, and broadcasts those before them.
fn product(a: &Tensor, b: &Tensor, turned: (bool, bool)) -> Result<Tensor, String> {
    match (a.data(), b.data()) {
        (Data::F32(x), Data::F32(y)) => products(a.shape(), x, b.shape(), y, turned),
        (Data::F64(x), Data::F64(y)) => products(a.shape(), x, b.shape(), y, turned),
        _ => Err(format!("multiplies {} and {}", a.what(), b.what())),
    }
}

fn products<T: Element + LinalgScalar>(
    a: &[usize],
    x: &[T],
    b: &[usize],
    y: &[T],
    (turn_a, turn_b): (bool, bool),
) -> Result<Tensor, String> {
    let unfit = || format!("multiplies the shapes {a:?} and {b:?}");
    let (Some((outer_a, &[a0, a1])), Some((outer_b, &[b0, b1]))) = (a.split_last_chunk(), b.split_last_chunk()) else {
        return Err(unfit());
    };
    let (m, k) = if turn_a { (a1, a0) } else { (a0, a1) };
    let (n, inner) = if turn_b { (b0, b1) } else { (b1, b0) };
    if inner != k {
        return Err(unfit());
    }
    let outer = broadcast(outer_a, outer_b)?;
    let shape = [outer.as_slice(), &[m, n]].concat();
    let mut out = vec![T::zero(); elements(&shape)?];
    let firsts = |from: &[usize]| {
        let mut firsts = Vec::new();
        let view = View::whole(from).broadcast(&outer).ok_or_else(unfit)?;
        view.rows(|first, stride, length| firsts.extend((0..length).map(|i| first + stride as usize * i)));
        Ok::<_, String>(firsts)
    };
    let places = firsts(outer_a)?.into_iter().zip(firsts(outer_b)?);
    for ((i, j), out) in places.zip(out.chunks_exact_mut((m * n).max(1))) {
        let (left, right) = (&x[i * m * k..][..m * k], &y[j * k * n..][..k * n]);
        let left = ArrayView2::from_shape((a0, a1), left).map_err(|_| unfit())?;
        let right = ArrayView2::from_shape((b0, b1), right).map_err(|_| unfit())?;
        multiply(if turn_a { left.t() } else { left }, if turn_b { right.t() } else { right }, out);
    }
    Ok(Tensor::new(shape, out))
}

/// Multiplies matrices: for a single row, the right matrix is read once, row by row; larger products are computed in
/// blocks.
fn multiply<T: LinalgScalar>(a: ArrayView2<'_, T>, b: ArrayView2<'_, T>, out: &mut [T]) {
    let (m, n) = (a.nrows(), b.ncols());
    if m == 1 && b.is_standard_layout() {
        for (&factor, row) in a.iter().zip(b.rows()) {
            let row = row.to_slice().unwrap_or_default();
            out.iter_mut().zip(row).for_each(|(sum, &value)| *sum = *sum + factor * value);
        }
    } else if let Ok(mut out) = ArrayViewMut2::from_shape((m, n), out) {
        general_mat_mul(T::one(), &a, &b, T::zero(), &mut out);
    }
}

fn add_bias(x: &Tensor, bias: &Tensor) -> Result<Tensor, String> {
    match (x.shape().last(), bias.shape(), x.data()) {
        (Some(last), [length], Data::F32(values)) if last == length => {
            let bias = bias.values::<f32>()?;
            let rows = values.chunks_exact(bias.len().max(1));
            let sums = rows.flat_map(|row| row.iter().zip(bias).map(|(x, b)| x + b)).collect();
            Ok(Tensor::new(x.shape().to_vec(), sums))
        }
        _ => Err(format!("adds the shape {:?} to {:?} {}", bias.shape(), x.shape(), x.what())),
    }
}
