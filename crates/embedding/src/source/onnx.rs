//! Source `onnx`: an encoder in the form of an ONNX graph, with its tokenizer.
//!
//! Settings enter; an [`Encoder`](crate::Encoder) leaves. The graph itself is run by `emberline_encoder::onnx`, which
//! exists in builds with the feature `onnx` (a default feature); in other builds a pipeline is still valid, and
//! `plan` reports what is missing.

use std::path::{Path, PathBuf};

use emberline_base::{Fault, file};
use emberline_device::Device;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::file_settings::file_settings_methods;
use super::location::missing_hint;
use super::token_encoder::{self, token_encoder_settings};
use super::{SourceSettings, Texts};
use crate::{Error, Opened};

/// Where exporters usually put the graph.
const USUAL: [&str; 2] = ["model.onnx", "onnx/model.onnx"];
/// The message of a build without the feature.
#[cfg(not(feature = "onnx"))]
const NOT_BUILT: &str = "needs a build that reads ONNX: build with default features, or with `--features onnx`";

token_encoder_settings! {
    /// `[embedding.NAME.onnx]`
    settings,
    /// The model's folder, or the graph's file with tokenizer.json beside it or one folder up.
    path {
        /// The graph's file within the folder; `model.onnx` or `onnx/model.onnx` when left out.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub file: Option<PathBuf>,
        /// The graph's output; when left out `sentence_embedding`, `last_hidden_state`, `token_embeddings` or the first one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub output: Option<String>,
        /// How tokens' vectors become one; when left out, as the folder's `modules.json` says, else their mean.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub pooling: Option<Pooling>,
    }
    /// Only `false`: a graph's weights aren't trained.
    trainable,
}

/// How tokens' vectors become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Pooling {
    /// That of the first token.
    Cls,
    /// The largest number of each column.
    Max,
    /// Their mean.
    Mean,
    /// That of the last token.
    LastToken,
}

impl Pooling {
    /// Returns the name that configurations of sentence-transformers use.
    #[cfg(feature = "onnx")]
    fn name(self) -> &'static str {
        match self {
            Self::Cls => "cls",
            Self::Max => "max",
            Self::Mean => "mean",
            Self::LastToken => "lasttoken",
        }
    }
}

impl SourceSettings for Settings {
    file_settings_methods!("onnx", "a model's folder, or its graph");

    fn own_faults(&self) -> Vec<Fault> {
        let mut faults = token_encoder::faults(self.max_length);
        if self.trainable {
            let hint = "leave it out, or use the model's safetensors file by [embedding.NAME.sentence_transformer]";
            faults.push(Fault::new("trainable", "a graph's weights can't be trained here", hint));
        }
        if self.file.as_ref().is_some_and(|file| file.as_os_str().is_empty() || !file::stays_within(file)) {
            let hint = "name a file within the model's folder, such as onnx/model.onnx";
            faults.push(Fault::new("file", "this file doesn't lie in the model's folder", hint));
        }
        faults
    }

    fn graphs(&self) -> Vec<String> {
        let named = self.file.as_ref().map(|file| vec![file.to_string_lossy().replace('\\', "/")]);
        named.unwrap_or_else(|| USUAL.map(str::to_owned).to_vec())
    }

    fn encodes(&self, _: &Path) -> bool {
        true
    }

    #[cfg(not(feature = "onnx"))]
    fn missing_feature(&self) -> Option<&'static str> {
        Some(NOT_BUILT)
    }

    #[cfg(feature = "onnx")]
    fn open(&self, base: &Path, _: Texts<'_>, _: Device) -> Result<Opened, Error> {
        use emberline_encoder::onnx::{Onnx, Options};

        let path = base.join(&self.path);
        if !path.exists() {
            return Err(Error::Missing { path, hint: missing_hint(self.url.as_deref()) });
        }
        let options = Options {
            graphs: self.graphs(),
            output: self.output.clone(),
            pooling: self.pooling.map(|pooling| pooling.name().to_owned()),
            encoder: self.into(),
        };
        Ok(Opened::Encoder(Box::new(Onnx::open(&path, &options)?)))
    }

    #[cfg(not(feature = "onnx"))]
    fn open(&self, base: &Path, _: Texts<'_>, _: Device) -> Result<Opened, Error> {
        let path = base.join(&self.path);
        if !path.exists() {
            return Err(Error::Missing { path, hint: missing_hint(self.url.as_deref()) });
        }
        Err(Error::Unsupported(format!("the source `onnx` {NOT_BUILT}")))
    }
}

#[cfg(feature = "onnx")]
impl crate::Encoder for emberline_encoder::onnx::Onnx {
    fn dim(&self) -> usize {
        self.dim()
    }

    fn is_unit(&self) -> bool {
        self.normalizes()
    }

    fn parameters(&self) -> u64 {
        self.parameters()
    }

    fn encode(&self, texts: &[&[u8]]) -> Result<emberline_base::Matrix, Error> {
        Ok(self.encode(texts)?)
    }

    fn digest(&self) -> emberline_base::Digest {
        self.digest()
    }

    fn computation(&self) -> u32 {
        emberline_encoder::onnx::COMPUTATION
    }

    fn max_tokens(&self) -> Option<usize> {
        Some(self.max_tokens())
    }

    fn is_cut(&self, text: &[u8]) -> Result<bool, Error> {
        Ok(self.is_cut(text)?)
    }

    fn warnings(&self) -> Vec<emberline_base::Warning> {
        self.warnings().to_vec()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_meant_is_a_fault() {
        let settings = serde_json::json!({"path": "", "trainable": true, "max_length": 0, "dim": 0});
        let settings: Settings = serde_json::from_value(settings).expect("settings");
        let keys: Vec<String> = settings.faults().into_iter().map(|fault| fault.key).collect();
        assert_eq!(keys, ["path", "dim", "max_length", "trainable"]);
    }
}
