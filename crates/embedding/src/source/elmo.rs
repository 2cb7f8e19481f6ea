//! Source `elmo`: mean-pooled layers of an ELMo model.
//!
//! A folder (or weights file) and texts enter; layers of whole texts leave. `emberline-encoder` reads the files and
//! computes a text's layers; this file splits texts into tokens. The layers are encoded once, whatever is derived
//! from them (`crate::layers`):
//!
//! | `layers` | a text's vector | numbers (original model) |
//! |---|---|---|
//! | `mix` | `gamma * sum_j softmax(mix)_j * layer_j`, as in the paper; with `trainable` both are learned along with the head, from a mix of equal parts | 1,024 |
//! | `all` | the layers, concatenated: a head's first layer then learns how to use each | 3,072 |
//! | `tokens`, `lstm_1`, `lstm_2` | one layer | 1,024 |
//!
//! A layer is the mean over the text's tokens. Mixing is linear, so that the mix of means is the mean of mixes.

mod files;

use std::path::{Path, PathBuf};

use emberline_base::file::{self, Stamp};
use emberline_base::{Digest, Fault, Matrix, variant_name};
use emberline_device::Device;
use emberline_encoder::elmo::{self, Elmo};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::file_settings::{file_settings, file_settings_methods};
use super::location::bytes_at;
use super::{SourceSettings, Texts, words};
use crate::reduce::Reduce;
use crate::{Encoder, Error, Opened, layers};

/// The maximum length of `mix`; models have three layers.
const MAX_MIX: usize = 17;

file_settings! {
    /// `[embedding.NAME.elmo]`
    settings,
    /// The weights, an HDF5 file; or the folder with the weights and the options.
    path {
        /// The options of the model, a JSON file; when left out, the one beside the weights: `options.json`, or the weights'
        /// name with `options.json` for `weights.hdf5`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub options: Option<PathBuf>,
    }
    /// Where the weights can be downloaded.
    url,
    /// The SHA-256 of the weights.
    sha256 {
        /// What a text's vector is made of.
        #[serde(default)]
        pub layers: Layers,
        /// What each layer weighs in the mix, before the softmax, the layer of single tokens first; all alike when left out.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub mix: Option<Vec<f32>>,
        /// What the mix is multiplied by; 1 when left out.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub gamma: Option<f32>,
        /// How texts are cut into tokens.
        #[serde(default)]
        pub tokens: Tokens,
    }
    /// The length to reduce vectors to; their own when left out.
    dim,
    /// How they are reduced.
    reduce,
    /// Whether training moves the mix of the layers; the model itself stays.
    trainable,
}

/// Which layers make a text's vector.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Layers {
    /// Their weighted mean.
    #[default]
    Mix,
    /// All of them, one after the other.
    All,
    /// The vectors of single tokens, without context.
    Tokens,
    /// The first layer of the language models: syntax, in the paper's findings.
    #[serde(rename = "lstm_1")]
    Lstm1,
    /// The second layer of the language models: meaning in context.
    #[serde(rename = "lstm_2")]
    Lstm2,
}

/// How texts are cut into tokens. Case is kept: the models know it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Tokens {
    /// Words, with every punctuation mark a token of its own.
    #[default]
    Words,
    /// What stands between white space: for texts that are tokenised already.
    Whitespace,
}

impl SourceSettings for Settings {
    file_settings_methods!("elmo", "a model's folder or its weights file", |settings| {
        (settings.layers, settings.mix, settings.gamma) = (Layers::All, None, None);
    });

    fn own_faults(&self) -> Vec<Fault> {
        let mut faults = self.mix_faults();
        if self.options.as_ref().is_some_and(|options| options.as_os_str().is_empty()) {
            faults.push(Fault::new("options", "an empty path", "name the model's options.json, or leave it out"));
        }
        if self.dim.is_some() && matches!(self.reduce, None | Some(Reduce::Truncate)) {
            let hint = "set `reduce = \"pca\"` or `reduce = \"random\"`";
            let message = "the vectors can't be truncated to `dim`, because ELMo's numbers have no meaningful order";
            faults.push(Fault::new("reduce", message, hint).related_to("dim"));
        }
        if self.trainable && self.layers != Layers::Mix {
            let message = "there is no mix of layers to train; the model itself can't be trained here";
            faults
                .push(Fault::new("trainable", message, "leave it out, or set `layers = \"mix\"`").related_to("layers"));
        }
        let given = self.mix.is_some() || self.gamma.is_some();
        if self.trainable && self.layers == Layers::Mix && (given || self.dim.is_some()) {
            let message = "a mix that is trained begins with equal parts, of layers of their own length";
            let hint = "leave `mix`, `gamma` and `dim` out, or don't train";
            faults.push(Fault::new("trainable", message, hint).related_to("layers"));
        }
        faults
    }

    fn layers(&self) -> layers::Layers {
        match self.layers {
            Layers::All => layers::Layers::All,
            Layers::Tokens => layers::Layers::One(0),
            Layers::Lstm1 => layers::Layers::One(1),
            Layers::Lstm2 => layers::Layers::One(2),
            Layers::Mix => layers::Layers::Mix { weights: self.mix.clone(), gamma: self.gamma.unwrap_or(1.0) },
        }
    }

    fn find_files(&self, base: &Path) -> Result<(), Error> {
        let (_, options) = files_of(self, base)?;
        let hint = "; correct `options`, or leave it out".to_owned();
        if options.is_file() { Ok(()) } else { Err(Error::Missing { path: options, hint }) }
    }

    fn encodes(&self, _: &Path) -> bool {
        true
    }

    /// The weights as the reader holds them, converted to numbers, and in the layout of the computation.
    fn memory(&self, base: &Path, _: Texts<'_>) -> u64 {
        bytes_at(&base.join(&self.path), ".hdf5").saturating_mul(3)
    }

    fn open(&self, base: &Path, _: Texts<'_>, device: Device) -> Result<Opened, Error> {
        Ok(Opened::Encoder(Box::new(open(self, base, device)?)))
    }
}

impl Settings {
    fn mix_faults(&self) -> Vec<Fault> {
        let mut faults = Vec::new();
        let keys = [("mix", self.mix.is_some()), ("gamma", self.gamma.is_some())];
        for (key, _) in keys.into_iter().filter(|&(_, given)| given && self.layers != Layers::Mix) {
            let message = format!("`{key}` without a mix of layers");
            let hint = format!("leave `{key}` out, or set `layers = \"mix\"`");
            faults.push(Fault::new(key, message, hint).related_to("layers"));
        }
        let numbers = self.mix.as_deref().unwrap_or(&[0.0]);
        if numbers.is_empty() || numbers.len() > MAX_MIX || numbers.iter().any(|weight| !weight.is_finite()) {
            faults.push(Fault::new(
                "mix",
                "not the weights of layers",
                "a number a layer, for example [0.0, 0.0, 0.0]",
            ));
        }
        if self.gamma.is_some_and(|gamma| !gamma.is_finite()) {
            faults.push(Fault::new("gamma", "not a number", "for example 1.0"));
        }
        faults
    }
}

/// Returns the paths of a model's weights and options.
///
/// # Errors
/// When one is missing, or a folder contains several.
pub(super) fn files_of(settings: &Settings, base: &Path) -> Result<(PathBuf, PathBuf), Error> {
    let weights = files::weights_file(settings, &base.join(&settings.path))?;
    let options = files::options_file(settings, base, &weights)?;
    Ok((weights, options))
}

/// An opened model.
pub(crate) struct Sentences {
    elmo: Elmo,
    tokens: Tokens,
    digest: Digest,
}

/// Reads a model.
///
/// # Errors
/// When a file is missing, damaged, of another kind, or has another hash than the settings say; when the device can't
/// be used.
fn open(settings: &Settings, base: &Path, device: Device) -> Result<Sentences, Error> {
    if let Some(fault) = settings.faults().into_iter().next() {
        return Err(Error::Unsupported(format!("elmo: `{}`: {}; {}", fault.key, fault.message, fault.hint)));
    }
    let (weights, options) = files_of(settings, base)?;
    let stamp = Stamp::of(&weights);
    let found = file::sha256_of(&weights)?;
    if let Some(expected) = settings.sha256.as_ref().filter(|hash| !hash.eq_ignore_ascii_case(&found)) {
        return Err(Error::Hash { path: weights, expected: expected.to_ascii_lowercase(), found });
    }
    let elmo = Elmo::open(&weights, &options, device)?;
    // The file is read twice; its hash must be that of the content read the second time.
    if Stamp::of(&weights) != stamp {
        return Err(Stamp::changed_error(&weights).into());
    }
    let rules = format!("elmo/2 tokens={}", variant_name(&settings.tokens));
    let options = elmo.settings();
    let digest = Digest::of_parts([&rules, words::RULES, &options, &found].map(str::as_bytes));
    Ok(Sentences { elmo, tokens: settings.tokens, digest })
}

impl Encoder for Sentences {
    fn dim(&self) -> usize {
        self.elmo.dim() * self.elmo.layers()
    }

    fn layers(&self) -> usize {
        self.elmo.layers()
    }

    fn parameters(&self) -> u64 {
        self.elmo.parameters()
    }

    fn encode(&self, texts: &[&[u8]]) -> Result<Matrix, Error> {
        let texts: Vec<_> = texts.iter().map(|text| words::normalised(text)).collect();
        let texts: Vec<Vec<&str>> = match self.tokens {
            Tokens::Words => texts.iter().map(|text| words::pieces(text).collect()).collect(),
            Tokens::Whitespace => texts.iter().map(|text| text.split_whitespace().collect()).collect(),
        };
        Ok(self.elmo.encode(&texts))
    }

    fn digest(&self) -> Digest {
        self.digest.clone()
    }

    fn computation(&self) -> u32 {
        elmo::COMPUTATION
    }
}

#[cfg(test)]
mod tests;
