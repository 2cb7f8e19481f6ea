//! The names of a model's tensors, part by part: fine-tuning trains them, and writes them to files by these names.

use super::{Layer, MappedLinear, Name, Norm, Transformer};

impl Transformer {
    /// Returns the tensors of everything before the layers, and of what all layers share.
    pub(crate) fn names_before_layers(&self) -> Vec<Name> {
        let mut names = vec![self.words.name.clone()];
        let tables = self.position_table().into_iter().chain(&self.token_types);
        names.extend(tables.map(|table| table.name.clone()));
        names.extend(self.embedding_norm.iter().flat_map(Norm::names));
        names.extend(self.embedding_out.iter().flat_map(MappedLinear::names));
        names.extend(self.relative_bias.iter().map(|bias| bias.table.name.clone()));
        if let Some(relative) = &self.disentangled {
            names.push(relative.table.name.clone());
            names.extend(relative.norm.iter().flat_map(Norm::names));
        }
        names
    }

    /// Returns the tensors of everything after the layers.
    pub(crate) fn names_after_layers(&self) -> Vec<Name> {
        self.final_norm.iter().flat_map(Norm::names).collect()
    }
}

impl Layer {
    /// Returns the tensors of the layer.
    pub(crate) fn names(&self) -> Vec<Name> {
        let norms = |norms: &Option<[Norm; 2]>| norms.iter().flatten().flat_map(Norm::names).collect::<Vec<_>>();
        let mut names: Vec<Name> = self.attention_norm.iter().flat_map(Norm::names).collect();
        names.extend(self.queries_keys_values.names());
        names.extend(norms(&self.head_norms));
        names.extend(self.attention_out.names());
        names.extend(self.feed_forward_norm.names());
        names.extend(self.up.names());
        names.extend(self.down.names());
        names.extend(norms(&self.result_norms));
        names
    }

    /// Returns the weights of the layer's linear maps.
    pub(crate) fn weights(&self) -> Vec<Name> {
        let maps = [&self.queries_keys_values, &self.attention_out, &self.up, &self.down];
        maps.into_iter().flat_map(MappedLinear::weight_names).collect()
    }
}

impl MappedLinear {
    fn weight_names(&self) -> Vec<Name> {
        let mut names: Vec<Name> = self.parts.iter().map(|part| part.name.clone()).collect();
        names.dedup(); // Both halves of one tensor.
        names
    }

    fn names(&self) -> Vec<Name> {
        let mut biases: Vec<Name> = self.bias_names.iter().flatten().cloned().collect();
        biases.dedup();
        self.weight_names().into_iter().chain(biases).collect()
    }
}

impl Norm {
    fn names(&self) -> impl Iterator<Item = Name> + use<> {
        [Some(self.names.scale.clone()), self.names.shift.clone()].into_iter().flatten()
    }
}
