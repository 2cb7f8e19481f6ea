//! The modules after pooling: Dense (a linear map with an activation) and Normalize (scaling to length 1).

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::modules::Module;
use crate::Error;
use crate::json;
use crate::transformer::{Activation, Linear, Weights, dense};

/// Maximum number of inputs or outputs of a Dense module.
const MAX_WIDTH: u64 = 1 << 17;

/// A module after pooling.
#[derive(Clone)]
#[expect(clippy::large_enum_variant, reason = "a model has a handful of modules")]
pub(crate) enum Stage {
    Dense {
        /// The folder of the module.
        folder: PathBuf,
        linear: Linear,
        activation: Activation,
        residual: Residual,
        /// The part of the digest: its settings and the hashes of its files.
        digest_part: Vec<u8>,
    },
    Normalize,
}

/// The residual connection of a Dense module.
#[derive(Clone)]
pub(crate) enum Residual {
    None,
    Input,
    Mapped(Linear),
}

impl Stage {
    /// Reads a module for vectors of `dim` numbers, and sets `dim` to the dimension of its output. Returns `None` if the module
    /// has no effect.
    pub(crate) fn read(module: &Module, dim: &mut usize) -> Result<Option<Self>, Error> {
        match module {
            Module::Dense(folder) => read_dense(folder, dim).map(Some),
            Module::Normalize(folder) => {
                check_applies_to_text(&folder.join("config.json")).map(|()| Some(Self::Normalize))
            }
            Module::Transformer(_) | Module::Pooling(_) | Module::Dropout => Ok(None),
        }
    }

    /// Returns the number of parameters.
    pub(crate) fn parameters(&self) -> u64 {
        let of = |linear: &Linear| (linear.weight.values.len() + linear.bias.len()) as u64;
        match self {
            Self::Dense { linear, residual: Residual::Mapped(residual), .. } => of(linear) + of(residual),
            Self::Dense { linear, .. } => of(linear),
            Self::Normalize => 0,
        }
    }

    /// Returns everything that determines the result, as a part of the digest.
    pub(crate) fn digest_part(&self) -> Vec<u8> {
        match self {
            Self::Dense { digest_part, .. } => digest_part.clone(),
            Self::Normalize => b"normalize".to_vec(),
        }
    }

    /// Applies the module to a vector.
    pub(crate) fn apply(&self, vector: Vec<f32>) -> Vec<f32> {
        match self {
            Self::Dense { linear, activation, residual, .. } => {
                let mut output = dense(linear, *activation, &vector);
                let added = match residual {
                    Residual::None => return output,
                    Residual::Input => vector,
                    Residual::Mapped(linear) => dense(linear, Activation::Identity, &vector),
                };
                output.iter_mut().zip(added).for_each(|(value, added)| *value += added);
                output
            }
            Self::Normalize => {
                let square: f64 = vector.iter().map(|v| f64::from(*v) * f64::from(*v)).sum();
                let length = (square.sqrt() as f32).max(1e-12);
                vector.into_iter().map(|value| value / length).collect()
            }
        }
    }
}

fn read_dense(folder: &Path, dim: &mut usize) -> Result<Stage, Error> {
    let path = folder.join("config.json");
    let config = json::object(&path)?;
    let fault = |reason: String| Error::format(&path, reason);
    check_applies_to_text(&path)?;
    let size = |key: &str| {
        let size = config.get(key).and_then(Value::as_u64).filter(|size| (1..=MAX_WIDTH).contains(size));
        size.map(|size| size as usize).ok_or_else(|| fault(format!("`{key}` isn't a size of 1 to {MAX_WIDTH}")))
    };
    let (inputs, outputs) = (size("in_features")?, size("out_features")?);
    if inputs != *dim {
        return Err(fault(format!("`in_features` is {inputs}, but the vectors have {dim} numbers")));
    }
    let activation = match config.get("activation_function").and_then(Value::as_str) {
        None => Activation::Tanh,
        Some(class) => Activation::of_class(class).ok_or_else(|| {
            fault(format!("unsupported activation {class:?}; the supported ones are {}", Activation::CLASSES))
        })?,
    };
    let mut weights = Weights::open(folder, "model")?;
    let hashes = weights.hashes()?;
    let bias = config.get("bias").is_none_or(|bias| bias != &Value::Bool(false));
    if bias != weights.has("linear.bias") {
        return Err(fault(format!("`bias` is {bias}, which contradicts model.safetensors; get the model again")));
    }
    let linear = weights.linear("linear", outputs, inputs)?;
    let residual = match config.get("use_residual") {
        Some(Value::Bool(true)) if inputs == outputs => Residual::Input,
        Some(Value::Bool(true)) => Residual::Mapped(weights.linear("residual", outputs, inputs)?),
        _ => Residual::None,
    };
    let kind = match residual {
        Residual::None => "none",
        Residual::Input | Residual::Mapped(_) => "added",
    };
    let mut digest_part = format!("dense {inputs} {outputs} {} residual={kind} ", activation.name()).into_bytes();
    if weights.hashes()? != hashes {
        return Err(weights.changed());
    }
    digest_part.extend(hashes.concat());
    *dim = outputs;
    Ok(Stage::Dense { folder: folder.to_owned(), linear, activation, residual, digest_part })
}

/// Checks that a module applies to the text's vector: the modules of some models apply to token vectors.
fn check_applies_to_text(path: &Path) -> Result<(), Error> {
    if !path.exists() {
        return Ok(());
    }
    let config = json::object(path)?;
    for key in ["module_input_name", "module_output_name"] {
        if let Some(name) = config.get(key).and_then(Value::as_str).filter(|name| *name != "sentence_embedding") {
            return Err(Error::format(path, format!("`{key}` is {name:?}; only \"sentence_embedding\" is supported")));
        }
    }
    Ok(())
}
