//! What every family has: linear maps, norms, and positions that begin behind the padding's.

use super::{Config, Linear, Norm, Positions, Table, Weights};
use crate::Error;

impl Weights {
    /// `NAME.weight [outputs, inputs]`, and `NAME.bias [outputs]` where it is there.
    pub(crate) fn linear(&mut self, name: &str, outputs: usize, inputs: usize) -> Result<Linear, Error> {
        let weight = self.table(&format!("{name}.weight"), outputs, inputs)?;
        let bias = format!("{name}.bias");
        let bias = if self.has(&bias) { self.vector(&bias, outputs)? } else { Vec::new() };
        Ok(Linear { weight, bias })
    }

    /// Several maps of the same inputs as one.
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

    /// `NAME.weight` and, where it is there, `NAME.bias`, `[width]` each; files of the first BERTs say gamma and beta.
    pub(super) fn norm(&mut self, name: &str, width: usize, epsilon: f32) -> Result<Norm, Error> {
        let old = self.has(&format!("{name}.gamma"));
        let (scale, shift) = if old { ("gamma", "beta") } else { ("weight", "bias") };
        let scale = self.vector(&format!("{name}.{scale}"), width)?;
        let shift = format!("{name}.{shift}");
        let shift = if self.has(&shift) { self.vector(&shift, width)? } else { vec![0.0; width] };
        Ok(Norm { scale, shift, epsilon })
    }

    /// Positions behind the padding's row, which must leave room for one token.
    pub(super) fn behind(&self, config: &Config, table: Table, padding: u32) -> Result<Positions, Error> {
        if padding as usize + 1 >= table.rows {
            return Err(config.fault(format!("{} positions leave none behind padding {padding}", table.rows)));
        }
        Ok(Positions::Behind(table, padding))
    }
}
