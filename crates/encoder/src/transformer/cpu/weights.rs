//! The weights of a model on the CPU: packed once, or widened from its files for every batch. Those of the layers may be quantised.

use emberline_kernels::integer::{IntegerPanels, IntegerRows, multiply_integers};
use emberline_kernels::rows::{Rows, Target, multiply_rows};
use emberline_kernels::{Group, LANES, Panels};
use pulp::{Arch, Simd};

use super::{Layer, MappedLinear, Transformer};
use crate::Precision;

/// The packed weights of a layer.
pub(super) struct PackedLayer {
    pub(super) queries_keys_values: PackedLinear,
    pub(super) attention_out: PackedLinear,
    pub(super) up: PackedLinear,
    pub(super) down: PackedLinear,
}

/// The packed weight of a linear map, `[in, out]`.
pub(super) enum PackedLinear {
    Whole(Panels),
    /// Rounded to brain floats, as the rows are that it is multiplied with.
    Rounded(Panels),
    Quantised(IntegerPanels),
}

impl PackedLayer {
    /// Packs the weights of a layer.
    pub(super) fn of(arch: Arch, layer: &Layer, precision: Precision) -> Self {
        let packed = |linear| PackedLinear::of(arch, linear, precision);
        Self {
            queries_keys_values: packed(&layer.queries_keys_values),
            attention_out: packed(&layer.attention_out),
            up: packed(&layer.up),
            down: packed(&layer.down),
        }
    }
}

impl PackedLinear {
    /// Packs a weight.
    pub(super) fn of(arch: Arch, linear: &MappedLinear, precision: Precision) -> Self {
        match precision {
            Precision::F32 => Self::Whole(panels(arch, linear, |_| {})),
            Precision::Bf16 => Self::Rounded(panels(arch, linear, round_panel)),
            Precision::I8 => {
                let (mut panels, mut buffer) = (IntegerPanels::default(), Panels::default());
                let mut rows = Vec::new();
                panels.reshape(linear.inputs, linear.outputs);
                buffer.reshape(linear.inputs, LANES);
                for panel in 0..panels.panels() {
                    arch.dispatch(|| {
                        linear.widen_panel(panel * LANES, &mut rows, buffer.panel_mut(0));
                        panels.set_panel(panel, buffer.panel(0));
                    });
                }
                Self::Quantised(panels)
            }
        }
    }
}

/// Packs a weight, and changes each panel.
fn panels(arch: Arch, linear: &MappedLinear, change: impl Fn(&mut [Group])) -> Panels {
    let (mut panels, mut rows) = (Panels::default(), Vec::new());
    panels.reshape(linear.inputs, linear.outputs);
    for panel in 0..panels.panels() {
        let target = panels.panel_mut(panel);
        arch.dispatch(|| {
            linear.widen_panel(panel * LANES, &mut rows, target);
            change(target);
        });
    }
    panels
}

/// Returns the size in bytes that the packed weights of all layers take.
pub(super) fn packed_bytes(model: &Transformer, precision: Precision) -> u64 {
    let maps = |layer: &Layer| {
        let maps = [&layer.queries_keys_values, &layer.attention_out, &layer.up, &layer.down];
        maps.map(|linear| (linear.inputs * linear.outputs) as u64).iter().sum::<u64>()
    };
    let bytes = match precision {
        Precision::F32 | Precision::Bf16 => 4,
        Precision::I8 => 1,
    };
    bytes * model.layers.iter().map(maps).sum::<u64>()
}

/// The buffers of a product.
#[derive(Default)]
pub(super) struct ProductBuffers {
    /// What unpacked weights are multiplied in.
    precision: Precision,
    /// A panel that is widened from a file, and the rows that it is made of.
    panel: Panels,
    rows: Vec<f32>,
    /// The left side of the product.
    left: Panels,
    /// The same panel, and the left side of the product, quantised.
    integers: IntegerPanels,
    quantised: IntegerRows,
    /// The left side of the product, rounded.
    rounded: Vec<f32>,
}

impl ProductBuffers {
    /// Creates buffers for products with weights that are multiplied in `precision`, if they aren't packed.
    pub(super) fn new(precision: Precision) -> Self {
        Self { precision, ..Self::default() }
    }
}

/// Computes `target = rows W^T + b` with a packed weight, or with panels that are widened one at a time; equal bits.
#[inline(always)]
pub(super) fn product<S: Simd>(
    simd: S,
    rows: Rows<'_>,
    linear: &MappedLinear,
    packed: Option<&PackedLinear>,
    buffers: &mut ProductBuffers,
    target: Target<'_>,
) {
    let ProductBuffers { precision, panel, rows: widened, left, integers, quantised, rounded } = buffers;
    match packed {
        Some(PackedLinear::Whole(panels)) => return multiply_rows(simd, rows, panels, &linear.bias, target, left),
        Some(PackedLinear::Rounded(panels)) => {
            let rows = rounded_rows(rows, linear.inputs, rounded);
            return multiply_rows(simd, rows, panels, &linear.bias, target, left);
        }
        Some(PackedLinear::Quantised(panels)) => {
            quantised.quantise(rows, linear.inputs);
            return multiply_integers(quantised, panels, &linear.bias, target);
        }
        None => {}
    }
    let rows = match precision {
        Precision::F32 => rows,
        Precision::Bf16 => rounded_rows(rows, linear.inputs, rounded),
        Precision::I8 => {
            quantised.quantise(rows, linear.inputs);
            rows
        }
    };
    let Target { values, stride } = target;
    for first in (0..linear.outputs).step_by(LANES) {
        let width = LANES.min(linear.outputs - first);
        panel.reshape(linear.inputs, width);
        linear.widen_panel(first, widened, panel.panel_mut(0));
        let bias = linear.bias.get(first..first + width).unwrap_or_default();
        let target = Target { values: &mut values[first..], stride };
        match precision {
            Precision::F32 => multiply_rows(simd, rows, panel, bias, target, left),
            Precision::Bf16 => {
                round_panel(panel.panel_mut(0));
                multiply_rows(simd, rows, panel, bias, target, left);
            }
            Precision::I8 => {
                integers.reshape(linear.inputs, width);
                integers.set_panel(0, panel.panel(0));
                multiply_integers(quantised, integers, bias, target);
            }
        }
    }
}

#[inline(always)]
fn round_panel(panel: &mut [Group]) {
    panel.iter_mut().for_each(|group| group.0.iter_mut().for_each(|value| *value = to_bf16(*value)));
}

/// Returns rows of `cols` numbers, rounded to brain floats in a buffer.
#[inline(always)]
fn rounded_rows<'a>(rows: Rows<'_>, cols: usize, buffer: &'a mut Vec<f32>) -> Rows<'a> {
    buffer.clear();
    for row in rows.values.chunks(rows.stride).take(rows.count) {
        buffer.extend(row[..cols].iter().map(|value| to_bf16(*value)));
    }
    Rows { values: buffer, stride: cols, count: rows.count }
}

/// Rounds a number to the nearest brain float, the upper 16 bits of a 32-bit number; ties to even.
#[inline(always)]
fn to_bf16(value: f32) -> f32 {
    let bits = value.to_bits();
    let rounded = f32::from_bits(bits.wrapping_add(0x7fff + (bits >> 16 & 1)) & 0xffff_0000);
    if value.is_nan() { value } else { rounded }
}

#[cfg(test)]
mod tests {
    use super::to_bf16;

    /// Brain floats near 1 are 2^-7 apart, those of 256 to 512 are 2.
    #[test]
    fn numbers_are_rounded_to_the_nearest_brain_float() {
        let step = 1.0 / 128.0;
        let known = [
            (1.0, 1.0),
            (1.0 + 0.4 * step, 1.0),
            (1.0 + 0.5 * step, 1.0),
            (1.0 + 1.5 * step, 1.0 + 2.0 * step),
            (-1.0 - 0.6 * step, -1.0 - step),
            (257.0, 256.0),
            (259.0, 260.0),
            (0.0, 0.0),
            (f32::MAX, f32::INFINITY),
            (f32::NEG_INFINITY, f32::NEG_INFINITY),
        ];
        for (value, rounded) in known {
            assert_eq!(to_bf16(value), rounded, "{value}");
        }
        assert!(to_bf16(f32::from_bits(0x7fff_ffff)).is_nan() && to_bf16(-0.0).is_sign_negative());
    }
}
