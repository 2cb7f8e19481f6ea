//! The arrays of a model on a device, and the maps and norms that are made of them.
//!
//! An array is a tensor on the device, or the place of a trained one, which every forward pass is given.

use std::collections::BTreeMap;

use burn::tensor::backend::Backend;
use burn::tensor::{Tensor, TensorData};

use super::super::fused;
use super::super::{Layer, Linear, MappedLinear, MappedTable, Name, Norm, NormKind, Table};
use super::products::Products;
use crate::Error;

/// A layer of a model.
pub(super) struct DeviceLayer<B: Backend> {
    pub(super) attention_norm: Option<DeviceNorm<B>>,
    pub(super) queries_keys_values: DeviceLinear<B>,
    pub(super) head_norms: Option<[DeviceNorm<B>; 2]>,
    pub(super) attention_out: DeviceLinear<B>,
    pub(super) feed_forward_norm: DeviceNorm<B>,
    pub(super) up: DeviceLinear<B>,
    pub(super) down: DeviceLinear<B>,
    pub(super) result_norms: Option<[DeviceNorm<B>; 2]>,
}

/// An array of a model on a device. A vector is a matrix of one row.
pub(super) enum DeviceArray<B: Backend> {
    Frozen(Tensor<B, 2>),
    /// A part of the trained array `index`: `count` rows (of a vector: columns) from `first` on.
    Trained {
        index: usize,
        dim: usize,
        first: usize,
        count: usize,
    },
}

/// A linear map.
pub(crate) struct DeviceLinear<B: Backend> {
    /// The parts of the weight, `[out, in]`: their rows follow each other.
    parts: Vec<DeviceArray<B>>,
    /// The parts of the bias, `[1, out]`; empty if there is none.
    bias: Vec<DeviceArray<B>>,
    /// The adapter of each part; empty if there are none.
    adapters: Vec<Adapter<B>>,
    products: Products,
}

/// A trained difference of a weight, of low rank: `scale B A` (LoRA; Hu et al., 2021).
struct Adapter<B: Backend> {
    /// A, `[rank, in]`.
    down: DeviceArray<B>,
    /// B, `[out, rank]`.
    up: DeviceArray<B>,
    scale: f32,
}

pub(super) struct DeviceNorm<B: Backend> {
    kind: NormKind,
    scale: DeviceArray<B>,
    /// Added to the scale.
    scale_offset: Option<f32>,
    /// `None` for the norm by the root mean square.
    shift: Option<DeviceArray<B>>,
    epsilon: f32,
}

/// Makes the arrays of a model: the trained ones are given to every forward pass, the others are copied to a device.
pub(crate) struct DeviceArrays<'a, B: Backend> {
    pub(crate) device: &'a B::Device,
    /// The index of each trained array, by name; those of the adapters of `NAME.weight` are called `NAME.lora_A.weight` and
    /// `NAME.lora_B.weight`.
    pub(crate) trained: &'a BTreeMap<String, usize>,
    /// The factor of the adapters.
    pub(crate) adapter_scale: f32,
    /// How the layers' products are computed.
    pub(crate) products: Products,
}

impl<B: Backend> DeviceArrays<'_, B> {
    /// The trained array of a name, or what `frozen` makes; `dim`, `first` and `count`: the part of the array that is wanted.
    fn array<E>(
        &self,
        name: Option<&str>,
        (dim, first, count): (usize, usize, usize),
        frozen: impl FnOnce() -> Result<Tensor<B, 2>, E>,
    ) -> Result<DeviceArray<B>, E> {
        match name.and_then(|name| self.trained.get(name)) {
            Some(&index) => Ok(DeviceArray::Trained { index, dim, first, count }),
            None => frozen().map(DeviceArray::Frozen),
        }
    }

    pub(super) fn table(&self, table: &Table) -> DeviceArray<B> {
        let frozen = || Ok::<_, std::convert::Infallible>(matrix(table.clone(), self.device));
        let Ok(array) = self.array(Some(&table.name), (0, 0, table.rows), frozen);
        array
    }

    pub(super) fn mapped(&self, table: &MappedTable) -> Result<DeviceArray<B>, Error> {
        self.array(Some(&table.name), (0, table.first, table.rows), || Ok(matrix(table.to_table()?, self.device)))
    }

    fn row(&self, name: Option<&Name>, first: usize, row: &[f32]) -> DeviceArray<B> {
        let frozen = || Ok::<_, std::convert::Infallible>(one_row(row, self.device));
        let Ok(array) = self.array(name.map(|name| &**name), (1, first, row.len()), frozen);
        array
    }

    pub(super) fn norm(&self, norm: &Norm) -> DeviceNorm<B> {
        let scale = self.row(Some(&norm.names.scale), 0, &norm.scale);
        let less_one = norm.names.less_one && matches!(scale, DeviceArray::Trained { .. });
        DeviceNorm {
            kind: norm.kind,
            scale,
            scale_offset: less_one.then_some(1.0),
            shift: match norm.kind {
                NormKind::Layer => Some(self.row(norm.names.shift.as_ref(), 0, &norm.shift)),
                NormKind::RootMeanSquare => None,
            },
            epsilon: norm.epsilon,
        }
    }

    pub(super) fn linear(&self, linear: &MappedLinear) -> Result<DeviceLinear<B>, Error> {
        let parts = || linear.parts.iter().zip(&linear.bias_names);
        let trained = |name: &str| self.trained.contains_key(name);
        let one = |values: Vec<f32>| {
            let weight = TensorData::new(values, [linear.outputs, linear.inputs]);
            vec![DeviceArray::Frozen(self.products.factor(Tensor::from_data(weight, self.device)))]
        };
        let weight = if parts().any(|(part, _)| trained(&part.name)) {
            linear.parts.iter().map(|part| self.mapped(part)).collect::<Result<_, _>>()?
        } else {
            one(linear.weight()?)
        };
        let bias = if linear.bias.is_empty() {
            Vec::new()
        } else if parts().any(|(_, bias)| bias.as_deref().is_some_and(trained)) {
            let mut at = 0;
            let row = |(part, name): (&MappedTable, &Option<Name>)| {
                let values = &linear.bias[at..at + part.rows];
                at += part.rows;
                self.row(name.as_ref(), part.first, values)
            };
            parts().map(row).collect()
        } else {
            vec![self.row(None, 0, &linear.bias)]
        };
        Ok(DeviceLinear { parts: weight, bias, adapters: self.adapters(linear), products: self.products })
    }

    /// The adapters of a linear map, whose parts either all have one, or none.
    fn adapters(&self, linear: &MappedLinear) -> Vec<Adapter<B>> {
        let adapter = |part: &MappedTable| {
            let of = |which: &str| self.trained.get(&adapter_name(&part.name, which)).copied();
            let (down, up) = (of("A")?, of("B")?);
            let whole = DeviceArray::Trained { index: down, dim: 0, first: 0, count: usize::MAX };
            let rows = DeviceArray::Trained { index: up, dim: 0, first: part.first, count: part.rows };
            Some(Adapter { down: whole, up: rows, scale: self.adapter_scale })
        };
        linear.parts.iter().filter_map(adapter).collect()
    }

    /// The linear map of a module after pooling; `prefix` precedes the names of its tensors.
    pub(crate) fn dense(&self, linear: &Linear, prefix: &str) -> DeviceLinear<B> {
        let name = |name: &str| Name::from(format!("{prefix}{name}"));
        let weight = Table { name: name(&linear.weight.name), ..linear.weight.clone() };
        let bias = linear.bias_name.as_ref().map(|bias| name(bias));
        let bias = bias.map(|name| self.row(Some(&name), 0, &linear.bias));
        let (parts, bias) = (vec![self.table(&weight)], bias.into_iter().collect());
        DeviceLinear { parts, bias, adapters: Vec::new(), products: Products::Whole }
    }

    pub(super) fn layer(&self, layer: &Layer) -> Result<DeviceLayer<B>, Error> {
        let norms =
            |norms: &Option<[Norm; 2]>| norms.as_ref().map(|[first, second]| [self.norm(first), self.norm(second)]);
        Ok(DeviceLayer {
            attention_norm: layer.attention_norm.as_ref().map(|norm| self.norm(norm)),
            queries_keys_values: self.linear(&layer.queries_keys_values)?,
            head_norms: norms(&layer.head_norms),
            attention_out: self.linear(&layer.attention_out)?,
            feed_forward_norm: self.norm(&layer.feed_forward_norm),
            up: self.linear(&layer.up)?,
            down: self.linear(&layer.down)?,
            result_norms: norms(&layer.result_norms),
        })
    }
}

/// Returns the name of an array of the adapter of a weight, `NAME.weight`: `NAME.lora_A.weight`.
pub(crate) fn adapter_name(weight: &str, which: &str) -> String {
    format!("{}.lora_{which}.weight", weight.strip_suffix(".weight").unwrap_or(weight))
}

impl<B: Backend> DeviceArray<B> {
    pub(super) fn get(&self, trained: &[Tensor<B, 2>]) -> Tensor<B, 2> {
        match *self {
            Self::Frozen(ref tensor) => tensor.clone(),
            Self::Trained { index, dim, first, count } => {
                let whole = trained[index].clone();
                if count < whole.dims()[dim] { whole.narrow(dim, first, count) } else { whole }
            }
        }
    }
}

impl<B: Backend> DeviceLinear<B> {
    /// Applies the map to rows, `[rows, in]`.
    pub(crate) fn apply(&self, x: Tensor<B, 2>, trained: &[Tensor<B, 2>]) -> Tensor<B, 2> {
        let x = self.products.factor(x);
        let weight = joined(&self.parts, trained, 0);
        let bias = (!self.bias.is_empty()).then(|| joined(&self.bias, trained, 1));
        let mut product = self.products.linear(x.clone(), weight, bias);
        if !self.adapters.is_empty() {
            let difference = |adapter: &Adapter<B>| {
                let (down, up) = (adapter.down.get(trained), adapter.up.get(trained));
                let narrow = self.products.linear(x.clone(), down, None);
                self.products.linear(narrow.mul_scalar(adapter.scale), up, None)
            };
            product = product + cat(self.adapters.iter().map(difference).collect(), 1);
        }
        product
    }
}

impl<B: Backend> DeviceNorm<B> {
    pub(super) fn apply(&self, x: Tensor<B, 2>, trained: &[Tensor<B, 2>]) -> Tensor<B, 2> {
        if let (Some(shift), None) = (&self.shift, self.scale_offset) {
            let (scale, shift) = (self.scale.get(trained), shift.get(trained));
            if let Some(normed) = fused::layer_norm(&x, &scale, &shift, self.epsilon) {
                return normed;
            }
        }
        let centred = if self.kind == NormKind::Layer { x.clone() - x.mean_dim(1) } else { x };
        let square = (centred.clone() * centred.clone()).mean_dim(1);
        let scale = self.scale_offset.iter().fold(self.scale.get(trained), |scale, &offset| scale.add_scalar(offset));
        let scaled = centred / square.add_scalar(self.epsilon).sqrt() * scale;
        self.shift.iter().fold(scaled, |scaled, shift| scaled + shift.get(trained))
    }

    /// Normalises every head, `[texts, heads, length, width]`.
    pub(super) fn apply_to_heads(&self, x: Tensor<B, 4>, trained: &[Tensor<B, 2>]) -> Tensor<B, 4> {
        let [texts, heads, length, width] = x.dims();
        self.apply(x.reshape([texts * heads * length, width]), trained).reshape([texts, heads, length, width])
    }
}

/// Joins arrays, of which there is at least one, along a dimension.
fn joined<B: Backend>(parts: &[DeviceArray<B>], trained: &[Tensor<B, 2>], dim: usize) -> Tensor<B, 2> {
    cat(parts.iter().map(|part| part.get(trained)).collect(), dim)
}

fn cat<B: Backend>(mut parts: Vec<Tensor<B, 2>>, dim: usize) -> Tensor<B, 2> {
    if parts.len() == 1 { parts.swap_remove(0) } else { Tensor::cat(parts, dim) }
}

fn matrix<B: Backend>(table: Table, device: &B::Device) -> Tensor<B, 2> {
    Tensor::from_data(TensorData::new(table.values, [table.rows, table.cols]), device)
}

fn one_row<B: Backend>(row: &[f32], device: &B::Device) -> Tensor<B, 2> {
    Tensor::from_data(TensorData::new(row.to_vec(), [1, row.len()]), device)
}
