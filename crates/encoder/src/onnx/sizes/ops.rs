//! Shape inference: the shape of an operator's output, and its values if it is small.

use rten_onnx::onnx::{AttributeProto, NodeProto};

use super::of_constant;
use super::tensor::Tensor;

/// A node with its inputs, as far as they are known.
struct Op<'n> {
    node: &'n NodeProto,
    inputs: &'n [Tensor],
}

/// Infers a node's first output, as far as it is known.
pub(super) fn output(node: &NodeProto, inputs: &[Tensor]) -> Tensor {
    let op = Op { node, inputs };
    let made = match node.op_type.as_deref().unwrap_or_default() {
        "Constant" => op.constant(),
        "ConstantOfShape" => op.lengths(0).map(Tensor::of),
        "RandomNormal" | "RandomUniform" => op.attribute("shape").map(|shape| Tensor::of(lengths(&shape.ints))),
        "Range" => op.range(),
        "Shape" => op.dims(0).map(|dims| Tensor::vector(dims.iter().map(|&dim| dim as f64).collect())),
        "Expand" => op.expand(),
        "Tile" => op.tile(),
        "Pad" => op.pad(),
        "Resize" | "Upsample" => op.resize(),
        "OneHot" => op.one_hot(),
        "Concat" => op.concat(),
        "Gather" => op.gather(),
        "Reshape" => op.reshape(),
        "Unsqueeze" => op.unsqueeze(),
        "Squeeze" | "Flatten" | "Transpose" => op.same_size(),
        "MatMul" | "MatMulInteger" => op.mat_mul(),
        "Add" | "Sub" | "Mul" | "Div" | "Pow" | "Mod" | "And" | "Or" | "Xor" | "Equal" | "Less" | "Greater"
        | "LessOrEqual" | "GreaterOrEqual" | "Min" | "Max" | "Sum" | "Mean" | "Where" | "PRelu" => op.elementwise(),
        "Identity" | "Cast" => inputs.first().cloned(),
        "Abs" | "Ceil" | "Clip" | "Cos" | "Dropout" | "Erf" | "Exp" | "EyeLike" | "Floor" | "Gelu" | "Log" | "Neg"
        | "Not" | "RandomNormalLike" | "RandomUniformLike" | "Reciprocal" | "Relu" | "Round" | "Sigmoid" | "Sign"
        | "Sin" | "Softmax" | "Sqrt" | "Tanh" | "Trilu" => op.unary(),
        _ => None,
    };
    made.unwrap_or_default()
}

impl Op<'_> {
    fn input(&self, at: usize) -> Option<&Tensor> {
        self.inputs.get(at).filter(|_| self.node.input.get(at).is_some_and(|name| !name.is_empty()))
    }

    fn dims(&self, at: usize) -> Option<&[u64]> {
        self.input(at)?.dims.as_deref()
    }

    fn lengths(&self, at: usize) -> Option<Vec<u64>> {
        self.input(at)?.lengths()
    }

    fn attribute(&self, name: &str) -> Option<&AttributeProto> {
        self.node.attribute.iter().find(|attribute| attribute.name.as_deref() == Some(name))
    }

    /// Returns the attribute `axis`; a negative one counts from the end.
    fn axis(&self, rank: usize) -> Option<usize> {
        let axis = self.attribute("axis").and_then(|axis| axis.i).unwrap_or(0);
        from_end(axis, rank).filter(|&axis| axis < rank)
    }

    fn constant(&self) -> Option<Tensor> {
        let attribute = self.node.attribute.first()?;
        match attribute.name.as_deref()? {
            "value" => attribute.t.as_ref().map(of_constant),
            "value_int" => Some(Tensor::of(Vec::new()).with(attribute.i.map(|number| vec![number as f64]))),
            "value_ints" => Some(Tensor::vector(attribute.ints.iter().map(|&number| number as f64).collect())),
            "value_float" => Some(Tensor::of(Vec::new()).with(attribute.f.map(|number| vec![number.into()]))),
            _ => None,
        }
    }

    fn range(&self) -> Option<Tensor> {
        let [start, limit, delta] = [0, 1, 2].map(|at| self.input(at).and_then(Tensor::number));
        let count = ((limit? - start?) / delta?).ceil();
        Some(Tensor::of(vec![count.max(0.0) as u64]))
    }

    fn expand(&self) -> Option<Tensor> {
        let shape = self.lengths(1)?;
        Some(match self.dims(0) {
            Some(dims) => Tensor::of(broadcast(&[dims, &shape])),
            None => Tensor::at_least(Tensor::of(shape).least.max(self.input(0)?.least)),
        })
    }

    fn tile(&self) -> Option<Tensor> {
        let repeats = self.lengths(1)?;
        Some(match self.dims(0) {
            Some(dims) if dims.len() == repeats.len() => {
                Tensor::of(dims.iter().zip(&repeats).map(|(dim, times)| dim.saturating_mul(*times)).collect())
            }
            _ => Tensor::at_least(Tensor::of(repeats).least.saturating_mul(self.input(0)?.least)),
        })
    }

    fn pad(&self) -> Option<Tensor> {
        let attribute = || self.attribute("pads").map(|pads| lengths(&pads.ints));
        let pads = self.lengths(1).or_else(attribute)?;
        let rank = pads.len() / 2;
        let added = |axis: usize| pads[axis].saturating_add(pads[axis + rank]);
        Some(match self.dims(0) {
            Some(dims) if dims.len() == rank => {
                Tensor::of((0..rank).map(|axis| dims[axis].saturating_add(added(axis))).collect())
            }
            _ => Tensor::at_least(Tensor::of((0..rank).map(|axis| added(axis).max(1)).collect()).least),
        })
    }

    fn resize(&self) -> Option<Tensor> {
        if let Some(sizes) = self.lengths(3) {
            return Some(Tensor::of(sizes));
        }
        let scales = [2, 1].into_iter().find_map(|at| self.input(at)?.numbers.clone())?;
        let scaled = |(scale, dim): (&f64, u64)| (scale * dim as f64).max(0.0) as u64;
        Some(match self.dims(0) {
            Some(dims) => Tensor::of(scales.iter().zip(dims.iter().copied()).map(scaled).collect()),
            None => Tensor::at_least(Tensor::of(scales.iter().map(|scale| scaled((scale, 1)).max(1)).collect()).least),
        })
    }

    fn one_hot(&self) -> Option<Tensor> {
        let depth = self.input(1)?.number()?.max(0.0) as u64;
        Some(Tensor::at_least(depth.saturating_mul(self.input(0)?.least)))
    }

    fn concat(&self) -> Option<Tensor> {
        let least = self.inputs.iter().fold(0, |sum: u64, tensor| sum.saturating_add(tensor.least));
        let Some(all) = self.inputs.iter().map(|tensor| tensor.dims.as_deref()).collect::<Option<Vec<_>>>() else {
            return Some(Tensor::at_least(least));
        };
        let mut dims = all.first()?.to_vec();
        let axis = self.axis(dims.len())?;
        dims[axis] = all.iter().map(|dims| dims.get(axis).copied().unwrap_or_default()).fold(0, u64::saturating_add);
        let numbers = self.inputs.iter().map(|tensor| tensor.numbers.as_deref()).collect::<Option<Vec<_>>>();
        Some(Tensor::of(dims).with(numbers.filter(|_| axis == 0).map(|numbers| numbers.concat())))
    }

    fn gather(&self) -> Option<Tensor> {
        let (data, indices) = (self.input(0)?, self.input(1)?);
        let (dims, picked) = (data.dims.as_deref()?, indices.dims.as_deref()?);
        let axis = self.axis(dims.len())?;
        let made = Tensor::of([&dims[..axis], picked, &dims[axis + 1..]].concat());
        let pick = |&index: &f64| {
            let numbers = data.numbers.as_deref()?;
            numbers.get(from_end(index as i64, numbers.len())?).copied()
        };
        let numbers = indices.numbers.as_ref().filter(|_| dims.len() == 1);
        Some(made.with(numbers.and_then(|numbers| numbers.iter().map(pick).collect())))
    }

    fn reshape(&self) -> Option<Tensor> {
        let from = self.input(0)?;
        let wanted = self.input(1)?.numbers.clone();
        let (Some(wanted), Some(dims)) = (wanted, &from.dims) else { return self.same_size() };
        let kept = |(at, &number): (usize, &f64)| {
            if number == 0.0 { dims.get(at).copied().unwrap_or(0) } else { number.max(1.0) as u64 }
        };
        let mut shape: Vec<u64> = wanted.iter().enumerate().map(kept).collect();
        if let Some(open) = wanted.iter().position(|&number| number < 0.0) {
            shape[open] = from.least / Tensor::of(shape.clone()).least.max(1);
        }
        Some(Tensor::of(shape).with(from.numbers.clone()))
    }

    fn unsqueeze(&self) -> Option<Tensor> {
        let from = self.input(0)?;
        let attribute = || self.attribute("axes").map(|axes| axes.ints.clone());
        let given = self.input(1).and_then(|axes| axes.numbers.as_ref());
        let axes = given.map(|axes| axes.iter().map(|&axis| axis as i64).collect()).or_else(attribute);
        let (Some(axes), Some(dims)) = (axes, &from.dims) else { return self.same_size() };
        let rank = dims.len() + axes.len();
        let mut indices: Vec<usize> = axes.iter().map(|&axis| from_end(axis, rank)).collect::<Option<_>>()?;
        indices.sort_unstable();
        let mut made = dims.clone();
        for index in indices {
            made.insert(index.min(made.len()), 1);
        }
        Some(Tensor::of(made).with(from.numbers.clone()))
    }

    fn mat_mul(&self) -> Option<Tensor> {
        let (left, right) = (self.dims(0)?, self.dims(1)?);
        let ([.., rows, _], [.., _, columns]) = (left, right) else { return None };
        let outer = broadcast(&[&left[..left.len() - 2], &right[..right.len() - 2]]);
        Some(Tensor::of([&outer[..], &[*rows, *columns]].concat()))
    }

    fn elementwise(&self) -> Option<Tensor> {
        let all: Option<Vec<&[u64]>> = self.inputs.iter().map(|tensor| tensor.dims.as_deref()).collect();
        let Some(all) = all else {
            return Some(Tensor::at_least(self.inputs.iter().map(|tensor| tensor.least).max()?));
        };
        Some(Tensor::of(broadcast(&all)).with(self.arithmetic()))
    }

    /// Computes the values of an operation on two small tensors; a tensor of one value is broadcast.
    fn arithmetic(&self) -> Option<Vec<f64>> {
        let [a, b] = self.inputs else { return None };
        let (a, b) = (a.numbers.as_deref()?, b.numbers.as_deref()?);
        let apply = |a: f64, b: f64| match self.node.op_type.as_deref()? {
            "Add" => Some(a + b),
            "Sub" => Some(a - b),
            "Mul" => Some(a * b),
            "Div" => Some((a / b).trunc()),
            _ => None,
        };
        let count = a.len().max(b.len());
        let at = |numbers: &[f64], index: usize| {
            if numbers.len() == 1 { numbers.first().copied() } else { numbers.get(index).copied() }
        };
        (0..count).map(|index| apply(at(a, index)?, at(b, index)?)).collect()
    }

    fn unary(&self) -> Option<Tensor> {
        Some(Tensor { numbers: None, ..self.input(0)?.clone() })
    }

    /// Returns a tensor with the same values in another shape.
    fn same_size(&self) -> Option<Tensor> {
        let from = self.input(0)?;
        let is_vector = from.dims.as_ref().is_some_and(|dims| dims.len() <= 1);
        let dims = from.dims.clone().filter(|_| is_vector);
        Some(Tensor { dims, ..from.clone() })
    }
}

/// Resolves an index; a negative one counts from the end.
fn from_end(at: i64, length: usize) -> Option<usize> {
    usize::try_from(if at < 0 { at + length as i64 } else { at }).ok()
}

fn lengths(numbers: &[i64]) -> Vec<u64> {
    numbers.iter().map(|&number| u64::try_from(number).unwrap_or_default()).collect()
}

/// Returns the shape to which all of the given shapes are broadcast; they are aligned at their last axis.
fn broadcast(all: &[&[u64]]) -> Vec<u64> {
    let rank = all.iter().map(|dims| dims.len()).max().unwrap_or(0);
    let of_axis = |from_end: usize| {
        let dims = all.iter().filter_map(|dims| dims.len().checked_sub(from_end).map(|at| dims[at]));
        dims.fold(1, |one: u64, dim| if one == 1 { dim } else { one.max(dim) })
    };
    (1..=rank).rev().map(of_axis).collect()
}
