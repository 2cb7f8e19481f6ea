//! The weights of a model on the CPU: packed once, or widened from its files for every batch.

use emberline_kernels::rows::{Rows, Target, multiply_rows};
use emberline_kernels::{LANES, Panels};
use pulp::{Arch, Simd};

use super::{Layer, MappedLinear, Transformer};

/// The packed weights of a layer.
pub(super) struct PackedLayer {
    pub(super) queries_keys_values: PackedLinear,
    pub(super) attention_out: PackedLinear,
    pub(super) up: PackedLinear,
    pub(super) down: PackedLinear,
}

/// The packed weight of a linear map, `[in, out]`.
pub(super) struct PackedLinear(Panels);

impl PackedLayer {
    /// Packs the weights of a layer.
    pub(super) fn of(arch: Arch, layer: &Layer) -> Self {
        Self {
            queries_keys_values: PackedLinear::of(arch, &layer.queries_keys_values),
            attention_out: PackedLinear::of(arch, &layer.attention_out),
            up: PackedLinear::of(arch, &layer.up),
            down: PackedLinear::of(arch, &layer.down),
        }
    }
}

impl PackedLinear {
    /// Packs a weight.
    pub(super) fn of(arch: Arch, linear: &MappedLinear) -> Self {
        let mut panels = Panels::default();
        panels.reshape(linear.inputs, linear.outputs);
        let mut rows = Vec::new();
        for panel in 0..panels.panels() {
            let target = panels.panel_mut(panel);
            arch.dispatch(|| linear.widen_panel(panel * LANES, &mut rows, target));
        }
        Self(panels)
    }
}

/// Returns the size in bytes that the packed weights of all layers take.
pub(super) fn packed_bytes(model: &Transformer) -> u64 {
    let maps = |layer: &Layer| {
        let maps = [&layer.queries_keys_values, &layer.attention_out, &layer.up, &layer.down];
        maps.map(|linear| (linear.inputs * linear.outputs) as u64).iter().sum::<u64>()
    };
    4 * model.layers.iter().map(maps).sum::<u64>()
}

/// The buffers for a panel that is widened from a file.
#[derive(Default)]
pub(super) struct PanelBuffer {
    panel: Panels,
    rows: Vec<f32>,
}

/// Computes `target = rows W^T + b` with a packed weight, or with panels that are widened one at a time; equal bits.
#[inline(always)]
pub(super) fn product<S: Simd>(
    simd: S,
    rows: Rows<'_>,
    linear: &MappedLinear,
    packed: Option<&PackedLinear>,
    buffer: &mut PanelBuffer,
    target: Target<'_>,
) {
    if let Some(PackedLinear(panels)) = packed {
        return multiply_rows(simd, rows, panels, &linear.bias, target);
    }
    let Target { values, stride } = target;
    for first in (0..linear.outputs).step_by(LANES) {
        let width = LANES.min(linear.outputs - first);
        buffer.panel.reshape(linear.inputs, width);
        linear.widen_panel(first, &mut buffer.rows, buffer.panel.panel_mut(0));
        let bias = linear.bias.get(first..first + width).unwrap_or_default();
        multiply_rows(simd, rows, &buffer.panel, bias, Target { values: &mut values[first..], stride });
    }
}
