//! Reads the parts that all families have: linear maps, norms, and positions that begin after the padding token's.

use super::{Config, Linear, MappedLinear, Norm, NormKind, NormNames, Positions, Table, Weights};
use crate::Error;

impl Weights {
    /// Reads a linear map into memory: `NAME.weight`, `[outputs, inputs]`, and `NAME.bias`, `[outputs]`, if it is present.
    pub(crate) fn linear(&mut self, name: &str, outputs: usize, inputs: usize) -> Result<Linear, Error> {
        let weight = self.table(&format!("{name}.weight"), outputs, inputs)?;
        let bias = self.bias(name, outputs)?;
        let bias_name = bias.is_some().then(|| self.full_name(&format!("{name}.bias")));
        Ok(Linear { weight, bias: bias.unwrap_or_default(), bias_name })
    }

    /// Opens a linear map of a layer: `NAME.weight`, `[outputs, inputs]`, and `NAME.bias`, `[outputs]`, if it is present.
    pub(super) fn layer_linear(&mut self, name: &str, outputs: usize, inputs: usize) -> Result<MappedLinear, Error> {
        self.stacked(&[(name.to_owned(), outputs)], inputs)
    }

    /// Opens linear maps of the same inputs, with their numbers of outputs, stacked to one map.
    pub(super) fn stacked(&mut self, names: &[(String, usize)], inputs: usize) -> Result<MappedLinear, Error> {
        let (mut parts, mut biases, mut bias_names) = (Vec::new(), Vec::new(), Vec::new());
        for (name, outputs) in names {
            parts.push(self.mapped(&format!("{name}.weight"), *outputs, inputs)?);
            let bias = self.bias(name, *outputs)?;
            bias_names.push(bias.is_some().then(|| self.full_name(&format!("{name}.bias"))));
            biases.push(bias);
        }
        let has_bias = biases.iter().any(Option::is_some);
        let all =
            biases.into_iter().zip(names).flat_map(|(bias, (_, outputs))| bias.unwrap_or_else(|| vec![0.0; *outputs]));
        Ok(MappedLinear::new(parts, bias_names, if has_bias { all.collect() } else { Vec::new() }))
    }

    fn bias(&mut self, name: &str, outputs: usize) -> Result<Option<Vec<f32>>, Error> {
        let bias = format!("{name}.bias");
        if self.has(&bias) { self.vector(&bias, outputs).map(Some) } else { Ok(None) }
    }

    /// Reads a layer norm: `NAME.weight` and, if it is present, `NAME.bias`, `[width]` each; in files of the first BERT models
    /// they are called `gamma` and `beta`.
    pub(super) fn norm(&mut self, name: &str, width: usize, epsilon: f32) -> Result<Norm, Error> {
        let old = self.has(&format!("{name}.gamma"));
        let (scale, shift) = if old { ("gamma", "beta") } else { ("weight", "bias") };
        let (scale, shift) = (format!("{name}.{scale}"), format!("{name}.{shift}"));
        let names = NormNames {
            scale: self.full_name(&scale),
            shift: self.has(&shift).then(|| self.full_name(&shift)),
            less_one: false,
        };
        let scale = self.vector(&scale, width)?;
        let shift = if self.has(&shift) { self.vector(&shift, width)? } else { vec![0.0; width] };
        Ok(Norm { kind: NormKind::Layer, scale, shift, epsilon, names })
    }

    /// Reads the norm by the root mean square (RMSNorm): `NAME.weight`, `[width]`.
    pub(super) fn rms_norm(&mut self, name: &str, width: usize, epsilon: f32) -> Result<Norm, Error> {
        let name = format!("{name}.weight");
        let scale = self.vector(&name, width)?;
        let names = NormNames { scale: self.full_name(&name), shift: None, less_one: false };
        Ok(Norm { kind: NormKind::RootMeanSquare, scale, shift: Vec::new(), epsilon, names })
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

/// Names maps that are stacked, each with the same number of outputs.
pub(super) fn named<const COUNT: usize>(names: [String; COUNT], outputs: usize) -> [(String, usize); COUNT] {
    names.map(|name| (name, outputs))
}
