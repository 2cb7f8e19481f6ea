//! Reads the parts that all families have: linear maps, layer norms, and positions that begin after the padding token's.

use super::{Config, Linear, Norm, Positions, Table, Weights};
use crate::Error;

impl Weights {
    /// Reads a linear map: `NAME.weight`, `[outputs, inputs]`, and `NAME.bias`, `[outputs]`, if it is present.
    pub(crate) fn linear(&mut self, name: &str, outputs: usize, inputs: usize) -> Result<Linear, Error> {
        let weight = self.table(&format!("{name}.weight"), outputs, inputs)?;
        let bias = format!("{name}.bias");
        let bias = if self.has(&bias) { self.vector(&bias, outputs)? } else { Vec::new() };
        Ok(Linear { weight, bias })
    }

    /// Reads three linear maps of the same inputs and stacks them to one map.
    pub(super) fn stacked(&mut self, names: &[String; 3], outputs: usize, inputs: usize) -> Result<Linear, Error> {
        let mut all = Linear { weight: Table { rows: 0, cols: inputs, values: Vec::new() }, bias: Vec::new() };
        for name in names {
            let one = self.linear(name, outputs, inputs)?;
            all.weight.rows += outputs;
            all.weight.values.extend(one.weight.values);
            all.bias.extend(if one.bias.is_empty() { vec![0.0; outputs] } else { one.bias });
        }
        Ok(all)
    }

    /// Reads a layer norm: `NAME.weight` and, if it is present, `NAME.bias`, `[width]` each; in files of the first BERT models
    /// they are called `gamma` and `beta`.
    pub(super) fn norm(&mut self, name: &str, width: usize, epsilon: f32) -> Result<Norm, Error> {
        let old = self.has(&format!("{name}.gamma"));
        let (scale, shift) = if old { ("gamma", "beta") } else { ("weight", "bias") };
        let scale = self.vector(&format!("{name}.{scale}"), width)?;
        let shift = format!("{name}.{shift}");
        let shift = if self.has(&shift) { self.vector(&shift, width)? } else { vec![0.0; width] };
        Ok(Norm { scale, shift, epsilon })
    }

    /// Creates positions that begin after the row of the padding token; the table must have at least one such row.
    pub(super) fn positions_after_padding(
        &self,
        config: &Config,
        table: Table,
        padding: u32,
    ) -> Result<Positions, Error> {
        if padding as usize + 1 >= table.rows {
            return Err(
                config.fault(format!("{} positions, but none after that of the padding token, {padding}", table.rows))
            );
        }
        Ok(Positions::AfterPadding(table, padding))
    }
}
