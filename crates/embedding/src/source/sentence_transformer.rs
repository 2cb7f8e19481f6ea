//! Source `sentence_transformer`: a folder of the library sentence-transformers, or a plain one of `transformers`.
//!
//! Settings enter; an [`Encoder`] leaves. The model itself is computed by `emberline_encoder::sentence_transformer`:
//! BERT, RoBERTa, XLM-RoBERTa, CamemBERT, DistilBERT, MPNet and ModernBERT from safetensors.

use std::path::Path;

use emberline_base::{Digest, Fault, Matrix, Warning};
use emberline_device::Device;
use emberline_encoder::sentence_transformer::{self, SentenceTransformer};

use super::file_settings::file_settings_methods;
use super::location::{bytes_at, missing_hint};
use super::token_encoder::{self, token_encoder_settings};
use super::{SourceSettings, Texts};
use crate::{Encoder, Error, Opened};

token_encoder_settings! {
    /// `[embedding.NAME.sentence_transformer]`
    settings,
    /// The model's folder: modules.json, config.json, tokenizer.json, model.safetensors.
    path {}
    /// Only `false`: a sentence encoder's weights aren't trained.
    trainable,
}

impl SourceSettings for Settings {
    file_settings_methods!("sentence_transformer", "a model's folder");

    fn own_faults(&self) -> Vec<Fault> {
        token_encoder::faults(self.max_length, self.trainable, "a sentence encoder's weights")
    }

    fn find_files(&self, base: &Path) -> Result<(), Error> {
        self.location().map_or(Ok(()), |location| location.find(base))?;
        Ok(SentenceTransformer::find_files(&base.join(&self.path))?)
    }

    fn encodes(&self, _: &Path) -> bool {
        true
    }

    fn length(&self, base: &Path) -> Option<usize> {
        SentenceTransformer::length(&base.join(&self.path))
    }

    /// The weights in 32 bits, as they are read and in the layout of the computation; most files hold 32-bit numbers.
    fn memory(&self, base: &Path, _: Texts<'_>) -> u64 {
        bytes_at(&base.join(&self.path), ".safetensors").saturating_mul(3)
    }

    fn open(&self, base: &Path, _: Texts<'_>, device: Device) -> Result<Opened, Error> {
        let folder = base.join(&self.path);
        if !folder.exists() {
            return Err(Error::Missing { path: folder, hint: missing_hint(self.url.as_deref()) });
        }
        let model = SentenceTransformer::open(&folder, &self.into(), device)?;
        Ok(Opened::Encoder(Box::new(model)))
    }
}

impl Encoder for SentenceTransformer {
    fn dim(&self) -> usize {
        self.dim()
    }

    fn parameters(&self) -> u64 {
        self.parameters()
    }

    fn encode(&self, texts: &[&[u8]]) -> Result<Matrix, Error> {
        Ok(self.encode(texts)?)
    }

    fn digest(&self) -> Digest {
        self.digest()
    }

    fn computation(&self) -> u32 {
        sentence_transformer::COMPUTATION
    }

    fn max_tokens(&self) -> Option<usize> {
        Some(self.max_tokens())
    }

    fn is_cut(&self, text: &[u8]) -> Result<bool, Error> {
        Ok(self.is_cut(text)?)
    }

    fn warnings(&self) -> Vec<Warning> {
        self.warnings().to_vec()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(toml: serde_json::Value) -> Settings {
        serde_json::from_value(toml).expect("settings")
    }

    #[test]
    fn what_cannot_be_meant_is_a_fault() {
        let settings = settings(serde_json::json!({"path": "m", "trainable": true, "max_length": 0, "dim": 0}));
        let keys: Vec<String> = settings.faults().into_iter().map(|fault| fault.key).collect();
        assert_eq!(keys, ["dim", "max_length", "trainable"]);
    }

    #[test]
    fn a_missing_folder_says_what_to_do() {
        let open = settings(serde_json::json!({"path": "no/such"})).open(
            Path::new(""),
            Texts { all: &[], train: &[] },
            Device::Cpu,
        );
        let error = open.err().expect("nothing there").to_string();
        assert_eq!(error, "no/such isn't there; correct `path`, or add a `url` and run `emberline fetch`");
    }
}
