//! Fine-tuning: which arrays of an encoder are trained, their first values, and the encoder that trained values make.
//!
//! Input: a [`SentenceTransformer`] and a [`Scope`]. [`HostEncoder::start`] gives the arrays, [`DeviceEncoder::forward`] the vectors
//! of a batch on any backend of Burn, through which gradients flow, and [`HostEncoder::tuned`] an encoder like any other. What is
//! minimised, and how, is no matter of this crate.

mod device;
mod export;
mod lora;
mod memory;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::sync::Arc;

use emberline_base::{Digest, Substream};

pub use self::device::DeviceEncoder;
pub use self::memory::Memory;
use crate::Error;
use crate::sentence_transformer::SentenceTransformer;
use crate::sentence_transformer::modules::Modules;
use crate::sentence_transformer::stage::{Residual, Stage};
pub use crate::transformer::Dropout;
use crate::transformer::{Config, Linear, Name, Transformer, Weights, adapter_name};

/// The part of an encoder that is trained.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Scope {
    /// All that a text's vector is made by: the vectors of tokens and positions, all layers, and Dense modules.
    All,
    /// The last layers, of which there is at least one, and what follows them: a last norm, and Dense modules.
    Last(usize),
    /// A difference of low rank of every linear map in the layers (LoRA; Hu et al., "LoRA: low-rank adaptation of large language
    /// models", 2021): the weight is `W + alpha / rank * B A`, and only A, `[rank, in]`, and B, `[out, rank]`, are trained.
    Lora {
        /// The rank, at least 1.
        rank: usize,
        /// The factor `alpha`.
        alpha: f32,
    },
}

/// An array that is trained.
#[derive(Clone, Debug, PartialEq)]
pub struct TrainedArray {
    /// The name of the tensor in the model's files; of a Dense module after its folder, `2_Dense/linear.weight`. The arrays of
    /// LoRA are called as PEFT does: `NAME.lora_A.weight` and `NAME.lora_B.weight` for `NAME.weight`.
    pub name: String,
    /// `[rows, cols]`, or `[length]` of a bias or a part of a norm.
    pub shape: Vec<usize>,
    /// The values, row-major.
    pub values: Vec<f32>,
}

/// An encoder on the host, with the list of its trained arrays.
#[derive(Clone)]
pub struct HostEncoder(Arc<Inner>);

impl fmt::Debug for HostEncoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HostEncoder").field("scope", &self.scope()).finish_non_exhaustive()
    }
}

struct Inner {
    encoder: SentenceTransformer,
    /// The transformer without its values.
    outline: Transformer,
    scope: Scope,
    arrays: Vec<Described>,
    /// The index of each array by name.
    indices: BTreeMap<String, usize>,
}

/// A trained array without its values.
struct Described {
    name: String,
    shape: Vec<usize>,
    source: Source,
}

/// Where the first values of a trained array are from.
enum Source {
    /// The tensor of the transformer with the array's name.
    Transformer,
    /// A stage of the encoder, by its index.
    Dense(usize, DensePart),
    /// Random values within `limit`: A of LoRA.
    Random { limit: f32 },
    /// Zeros: B of LoRA.
    Zeros,
}

/// A tensor of a Dense module.
#[derive(Clone, Copy)]
enum DensePart {
    Weight,
    Bias,
    ResidualWeight,
    ResidualBias,
}

impl SentenceTransformer {
    /// Returns the encoder for training. No values are read.
    ///
    /// # Errors
    /// [`Error::Format`] if the model doesn't have the layers of the scope, or its vectors are those of several layers.
    pub fn fine_tune(&self, scope: Scope) -> Result<HostEncoder, Error> {
        let outline = self.transformer.outline()?;
        if self.last_layers() != 1 {
            return Err(Error::format(
                &self.folder,
                "gives the vectors of several layers; only those of the last are trained",
            ));
        }
        if let Some(reason) = lacks(&outline, scope) {
            return Err(Error::format(&self.folder, reason));
        }
        let arrays = described(&outline, self.transformer.weights(), (&self.stages, &self.folder), scope);
        let indices = arrays.iter().enumerate().map(|(at, array)| (array.name.clone(), at)).collect();
        Ok(HostEncoder(Arc::new(Inner { encoder: self.clone(), outline, scope, arrays, indices })))
    }

    /// Returns why the model in a folder can't be trained so, if its files' headers say so: "has 2 layers, fewer than 4".
    pub fn lacks_fine_tuning(folder: &Path, scope: Scope) -> Option<String> {
        let modules = Modules::read(folder).ok()?;
        let config = Config::read(&modules.transformer).ok()?;
        let mut weights = crate::transformer::open_weights(&modules.transformer).ok()?.without_values();
        lacks(&Transformer::read(&config, &mut weights).ok()?, scope)
    }
}

/// Describes the trained arrays of a model, whose stages are in a folder.
fn described(
    model: &Transformer,
    weights: &Weights,
    (stages, folder): (&[Stage], &Path),
    scope: Scope,
) -> Vec<Described> {
    let shape = |name: &str| weights.shape(name).unwrap_or_default().to_vec();
    if let Scope::Lora { rank, .. } = scope {
        let adapter = |weight: Name| {
            let [outputs, inputs] = matrix_shape(&shape(&weight));
            let random = Source::Random { limit: 1.0 / (inputs as f32).sqrt() };
            let (down, up) = (adapter_name(&weight, "A"), adapter_name(&weight, "B"));
            [
                Described { name: down, shape: vec![rank, inputs], source: random },
                Described { name: up, shape: vec![outputs, rank], source: Source::Zeros },
            ]
        };
        return model.layers.iter().flat_map(|layer| layer.weights()).flat_map(adapter).collect();
    }
    let (mut names, first) = match scope {
        Scope::Last(count) => (Vec::new(), model.layers.len() - count),
        Scope::All | Scope::Lora { .. } => (model.names_before_layers(), 0),
    };
    names.extend(model.layers[first..].iter().flat_map(|layer| layer.names()));
    names.extend(model.names_after_layers());
    let of_transformer =
        names.iter().map(|name| Described { name: name.to_string(), shape: shape(name), source: Source::Transformer });
    let of_stages = stages.iter().enumerate().flat_map(|(at, stage)| {
        let prefix = stage.prefix(folder);
        stage.tensors().into_iter().map(move |(part, name, shape)| Described {
            name: format!("{prefix}{name}"),
            shape,
            source: Source::Dense(at, part),
        })
    });
    of_transformer.chain(of_stages).collect()
}

/// Returns why a model can't be trained so.
fn lacks(model: &Transformer, scope: Scope) -> Option<String> {
    let layers = model.order.len();
    match scope {
        Scope::Last(count) if count > layers => Some(format!("has {layers} layers, fewer than {count}")),
        Scope::Last(count) if model.layers.len() < layers => {
            Some(format!("has layers that share their weights, so that the last {count} can't be trained alone"))
        }
        Scope::Lora { rank, .. } if rank > model.hidden => {
            Some(format!("has vectors of {} numbers, fewer than the rank {rank}", model.hidden))
        }
        _ => None,
    }
}

impl HostEncoder {
    /// Returns the part that is trained.
    pub fn scope(&self) -> Scope {
        self.0.scope
    }

    /// Returns the dimension of a text's vector.
    pub fn dim(&self) -> usize {
        self.0.encoder.dim()
    }

    /// Returns the number of parameters of the encoder, without those of LoRA.
    pub fn parameters(&self) -> u64 {
        self.0.encoder.parameters()
    }

    /// Returns the number of parameters that are trained.
    pub fn trained_parameters(&self) -> u64 {
        self.0.arrays.iter().map(|array| array.shape.iter().product::<usize>() as u64).sum()
    }

    /// Returns the names and shapes of the trained arrays, in order.
    pub fn shapes(&self) -> impl ExactSizeIterator<Item = (&str, &[usize])> {
        self.0.arrays.iter().map(|array| (&array.name[..], &array.shape[..]))
    }

    /// Returns the trained arrays with their first values: those of the model's files, or of LoRA random ones for A (uniform
    /// within `1 / sqrt(in)`, by the substream `embedding/lora/NAME` of the seed) and zeros for B, so that training begins at
    /// the model itself.
    ///
    /// # Errors
    /// If a value isn't finite, or a file was changed after it was opened.
    pub fn start(&self, seed: u64) -> Result<Vec<TrainedArray>, Error> {
        let Inner { encoder, arrays, .. } = &*self.0;
        let first = |array: &Described| {
            let count = array.shape.iter().product();
            let values = match array.source {
                Source::Transformer => encoder.transformer.weights().values(&array.name)?,
                Source::Dense(stage, part) => encoder.stages[stage].values(part).to_vec(),
                Source::Random { limit } => {
                    let mut stream = Substream::new(seed, &format!("embedding/lora/{}", array.name));
                    (0..count).map(|_| stream.symmetric(limit)).collect()
                }
                Source::Zeros => vec![0.0; count],
            };
            Ok(TrainedArray { name: array.name.clone(), shape: array.shape.clone(), values })
        };
        let arrays = arrays.iter().map(first).collect::<Result<_, Error>>()?;
        encoder.transformer.check_unchanged().map(|()| arrays)
    }

    /// Returns the encoder with trained values, one slice per array, in order; its digest depends on them.
    ///
    /// # Errors
    /// If there isn't one slice per array, of its length, or a value isn't finite; of LoRA, also those of [`start`](Self::start).
    pub fn tuned(&self, arrays: &[&[f32]]) -> Result<SentenceTransformer, Error> {
        let mut encoder = self.0.encoder.clone();
        encoder.digest = self.digest(arrays);
        let tuned = self.tensors(arrays, &mut encoder.stages)?;
        encoder.transformer = Arc::new(encoder.transformer.with_tuned(tuned));
        Ok(encoder)
    }

    /// Returns the bytes of the transformer's tensors that training changed, by name, and changes the stages.
    fn tensors(&self, arrays: &[&[f32]], stages: &mut [Stage]) -> Result<BTreeMap<String, Arc<[u8]>>, Error> {
        let Inner { encoder, arrays: described, scope, .. } = &*self.0;
        self.check(arrays)?;
        if let Scope::Lora { rank, alpha } = *scope {
            return lora::merged(encoder, described, arrays, alpha / rank as f32);
        }
        let mut tensors = BTreeMap::new();
        for (array, values) in described.iter().zip(arrays) {
            match array.source {
                Source::Dense(stage, part) => stages[stage].set(part, values),
                _ => drop(tensors.insert(array.name.clone(), bytes(values))),
            }
        }
        Ok(tensors)
    }

    fn check(&self, arrays: &[&[f32]]) -> Result<(), Error> {
        let Inner { encoder, arrays: described, .. } = &*self.0;
        let fault = |reason: String| Err(Error::format(&encoder.folder, reason));
        if arrays.len() != described.len() {
            return fault(format!("{} arrays were trained, but {} are given", described.len(), arrays.len()));
        }
        for (array, values) in described.iter().zip(arrays) {
            if values.len() != array.shape.iter().product::<usize>() {
                return fault(format!(
                    "the array {:?} has {} values; its shape is {:?}",
                    array.name,
                    values.len(),
                    array.shape
                ));
            }
            if let Some(at) = values.iter().position(|value| !value.is_finite()) {
                return fault(format!("the trained array {:?} has the value {} at index {at}", array.name, values[at]));
            }
        }
        Ok(())
    }

    fn digest(&self, arrays: &[&[f32]]) -> Digest {
        let Inner { encoder, arrays: described, scope, .. } = &*self.0;
        let before = encoder.digest();
        let scope = match scope {
            Scope::Lora { rank, alpha } => format!("fine-tuned lora scale={}", alpha / *rank as f32),
            Scope::All | Scope::Last(_) => "fine-tuned".to_owned(),
        };
        let mut parts = vec![before.as_str().as_bytes().to_vec(), scope.into_bytes()];
        for (array, values) in described.iter().zip(arrays) {
            parts.push(array.name.clone().into_bytes());
            parts.push(blake3::hash(&bytes(values)).as_bytes().to_vec());
        }
        Digest::of_parts(parts.iter().map(Vec::as_slice))
    }
}

impl TrainedArray {
    /// Returns the shape of the array as a matrix: a vector is one row.
    pub fn matrix_shape(&self) -> [usize; 2] {
        matrix_shape(&self.shape)
    }
}

impl Stage {
    /// Returns what precedes the names of the stage's tensors: its folder within that of the model.
    pub(crate) fn prefix(&self, model: &Path) -> String {
        match self {
            Self::Dense { folder, .. } => {
                let within = folder.strip_prefix(model).unwrap_or(folder);
                format!("{}/", within.display())
            }
            Self::Normalize => String::new(),
        }
    }

    /// Returns the stage's tensors, with their names in its file and their shapes.
    fn tensors(&self) -> Vec<(DensePart, String, Vec<usize>)> {
        let Self::Dense { linear, residual, .. } = self else { return Vec::new() };
        let mut tensors = Vec::new();
        let mut add = |linear: &Linear, weight, bias| {
            tensors.push((weight, linear.weight.name.to_string(), vec![linear.weight.rows, linear.weight.cols]));
            tensors.extend(linear.bias_name.iter().map(|name| (bias, name.to_string(), vec![linear.bias.len()])));
        };
        add(linear, DensePart::Weight, DensePart::Bias);
        if let Residual::Mapped(linear) = residual {
            add(linear, DensePart::ResidualWeight, DensePart::ResidualBias);
        }
        tensors
    }

    fn values(&self, part: DensePart) -> &[f32] {
        match (self, part) {
            (Self::Dense { linear, .. }, DensePart::Weight) => &linear.weight.values,
            (Self::Dense { linear, .. }, DensePart::Bias) => &linear.bias,
            (Self::Dense { residual: Residual::Mapped(linear), .. }, DensePart::ResidualWeight) => {
                &linear.weight.values
            }
            (Self::Dense { residual: Residual::Mapped(linear), .. }, DensePart::ResidualBias) => &linear.bias,
            _ => &[],
        }
    }

    /// Sets the values of a tensor, which are as many as before.
    fn set(&mut self, part: DensePart, values: &[f32]) {
        let to = match (self, part) {
            (Self::Dense { linear, .. }, DensePart::Weight) => &mut linear.weight.values,
            (Self::Dense { linear, .. }, DensePart::Bias) => &mut linear.bias,
            (Self::Dense { residual: Residual::Mapped(linear), .. }, DensePart::ResidualWeight) => {
                &mut linear.weight.values
            }
            (Self::Dense { residual: Residual::Mapped(linear), .. }, DensePart::ResidualBias) => &mut linear.bias,
            _ => return,
        };
        to.copy_from_slice(values);
    }
}

/// Returns a shape as that of a matrix: a vector is one row.
fn matrix_shape(shape: &[usize]) -> [usize; 2] {
    match *shape {
        [rows, cols] => [rows, cols],
        [length] => [1, length],
        _ => [0, 0],
    }
}

/// Returns the bytes of 32-bit numbers, little-endian.
fn bytes(values: &[f32]) -> Arc<[u8]> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}
