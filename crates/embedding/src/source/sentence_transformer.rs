//! Source `sentence_transformer`: a folder of the library sentence-transformers, or a plain one of `transformers`.
//!
//! Settings enter; an [`Encoder`] leaves. The model itself is computed by `emberline_encoder::sentence_transformer`:
//! BERT and its relatives, T5, Qwen3 and Gemma 3 from safetensors.
//!
//! | `layers` | a text's vector |
//! |---|---|
//! | `last` | what the model's modules make of the last layer |
//! | `mean4` | the mean of the vectors of the last four layers, each pooled as the last one is, and scaled to length 1 if the model ends so |
//! | `mix` | their weighted sum, `gamma * sum_j softmax(mix)_j * layer_j` (Peters et al., 2018), learned along with the head from equal parts |
//!
//! The vectors of the four layers are encoded and cached once for `mean4` and `mix`; `last` alone caches one layer.
//!
//! With `trainable`, the weights are fine-tuned along with the head: all of them, or those of the last `trainable_layers`, or
//! the low-rank updates of `lora` (Hu et al., 2022). The last layer then makes a text's vector, in its own length.

use std::path::Path;

use emberline_base::{Digest, Fault, Matrix, Warning};
use emberline_device::Device;
use emberline_encoder::Precision;
use emberline_encoder::fine_tune::{Memory, Scope};
use emberline_encoder::sentence_transformer::{self, SentenceTransformer};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::file_settings::file_settings_methods;
use super::location::{bytes_at, missing_hint};
use super::token_encoder::{self, token_encoder_settings};
use super::{SourceSettings, Texts};
use crate::{Encoder, Error, Opened, layers};

/// The memory in bytes of the rows of the batches, of large models.
const ROWS_MEMORY: u64 = 256 << 20;
/// The number of layers of `mean4` and `mix`.
const LAYERS: usize = 4;

token_encoder_settings! {
    /// `[embedding.NAME.sentence_transformer]`
    settings,
    /// The model's folder: modules.json, config.json, tokenizer.json, model.safetensors.
    path {
        /// Which layers make a text's vector.
        #[serde(default, skip_serializing_if = "Layers::is_last")]
        pub layers: Layers,
        /// The numbers that the model's layers are computed in: `"i8"` takes less than half of the time on the CPU, and changes vectors a
        /// little; `"bf16"` is mixed precision for CUDA GPUs, of frozen and of fine-tuned encoders.
        #[serde(default, skip_serializing_if = "is_f32")]
        pub precision: Precision,
        /// With `trainable`: how many layers are trained, counted from the last; all weights when left out.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[schemars(range(min = 1))]
        pub trainable_layers: Option<usize>,
        /// With `trainable`: low-rank updates of the weights are trained instead of the weights themselves.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub lora: Option<Lora>,
    }
    /// Whether the encoder's weights are fine-tuned along with the head.
    trainable,
}

/// `lora = { rank = 8 }`: low-rank adaptation (Hu et al., 2022). The product of two matrices that are trained, times
/// `alpha / rank`, is added to each linear map of each layer.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Lora {
    /// The rank of the product: the number of columns of the first matrix and of rows of the second.
    #[schemars(range(min = 1))]
    pub rank: usize,
    /// The factor of the product is `alpha / rank`; when left out, `alpha` equals `rank`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("exclusiveMinimum" = 0.0))]
    pub alpha: Option<f32>,
}

fn is_f32(precision: &Precision) -> bool {
    *precision == Precision::F32
}

/// Which layers make a text's vector.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Layers {
    /// The last one, as the model was trained.
    #[default]
    Last,
    /// The mean of the last four.
    Mean4,
    /// A mix of the last four, whose weights are learned along with the head.
    Mix,
}

impl Layers {
    fn is_last(&self) -> bool {
        *self == Self::Last
    }
}

impl SourceSettings for Settings {
    file_settings_methods!("sentence_transformer", "a model's folder", |settings| {
        // One encoder serves both.
        if settings.layers == Layers::Mix {
            settings.layers = Layers::Mean4;
        }
        (settings.trainable_layers, settings.lora) = (None, None);
    });

    fn own_faults(&self) -> Vec<Fault> {
        let mut faults = token_encoder::faults(self.max_length);
        faults.extend(self.fine_tuning_faults());
        if self.layers == Layers::Mix && self.dim.is_some() {
            let message = "a mix that is learned is of layers of their own length";
            faults
                .push(Fault::new("dim", message, "leave `dim` out, or set `layers = \"mean4\"`").related_to("layers"));
        }
        faults
    }

    fn layers(&self) -> layers::Layers {
        match self.layers {
            Layers::Last => layers::Layers::All,
            Layers::Mean4 | Layers::Mix => layers::Layers::Mix { weights: None, gamma: 1.0 },
        }
    }

    fn learns_mix(&self) -> bool {
        self.layers == Layers::Mix
    }

    fn fine_tuning(&self) -> Option<Scope> {
        self.trainable.then_some(match (self.trainable_layers, self.lora) {
            (_, Some(Lora { rank, alpha })) => Scope::Lora { rank, alpha: alpha.unwrap_or(rank as f32) },
            (Some(layers), None) => Scope::Last(layers),
            (None, None) => Scope::All,
        })
    }

    fn scope_keys(&self) -> Vec<&'static str> {
        let set = [("trainable_layers", self.trainable_layers.is_some()), ("lora", self.lora.is_some())];
        set.into_iter().filter(|(_, is_set)| *is_set).map(|(key, _)| key).collect()
    }

    fn tuned_bytes(&self, base: &Path) -> u64 {
        let memory = self.fine_tuning().map(|scope| Memory::of(&base.join(&self.path), scope, (1, 1), self.precision));
        memory.and_then(Result::ok).map_or(0, |memory| memory.trained)
    }

    fn remove_scope(&mut self) {
        (self.trainable_layers, self.lora) = (None, None);
    }

    fn unsupported_by_files(&self, base: &Path) -> Option<String> {
        if let Some(scope) = self.fine_tuning() {
            let reason = SentenceTransformer::lacks_fine_tuning(&base.join(&self.path), scope)?;
            return Some(format!(
                "{reason}; set a smaller `trainable_layers` or `lora`, or leave it out to train all weights"
            ));
        }
        if self.layers.is_last() {
            return None;
        }
        let reason = SentenceTransformer::lacks_layers(&base.join(&self.path), LAYERS)?;
        Some(format!("{reason}; set `layers = \"last\"`"))
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

    /// The weights in the layout of the computation, in 32 bits (also those that are rounded to 16) or 8, of files that may hold 16;
    /// those of a model that would take more stay in its files. The rows of the batches and the small arrays come on top.
    fn memory(&self, base: &Path, _: Texts<'_>) -> u64 {
        let bytes = bytes_at(&base.join(&self.path), ".safetensors");
        let packed = match self.precision {
            Precision::F32 | Precision::Bf16 => bytes.saturating_mul(2),
            Precision::I8 => bytes / 2,
        };
        packed.min(sentence_transformer::MAX_PACKED).saturating_add(ROWS_MEMORY.min(bytes))
    }

    fn open(&self, base: &Path, _: Texts<'_>, device: Device) -> Result<Opened, Error> {
        let folder = base.join(&self.path);
        if !folder.exists() {
            return Err(Error::Missing { path: folder, hint: missing_hint(self.url.as_deref()) });
        }
        let mut model = SentenceTransformer::open(&folder, &self.into(), device)?.with_precision(self.precision);
        if !self.layers.is_last() {
            model = model.with_last_layers(LAYERS)?;
        }
        Ok(Opened::Encoder(Box::new(model)))
    }
}

impl Settings {
    fn fine_tuning_faults(&self) -> Vec<Fault> {
        let mut faults = Vec::new();
        if self.trainable_layers == Some(0) {
            let hint = "use 1 or more, or `trainable = false`";
            faults.push(Fault::new("trainable_layers", "`trainable_layers` is 0: no layer would be trained", hint));
        }
        if let Some(Lora { rank, alpha }) = self.lora {
            if rank == 0 {
                let hint = "use 1 or more, such as 8";
                faults.push(Fault::new("lora.rank", "a product of rank 0 changes nothing", hint));
            }
            if let Some(alpha) = alpha.filter(|alpha| !(alpha.is_finite() && *alpha > 0.0)) {
                let message = format!("{alpha} can't scale an update");
                faults.push(Fault::new("lora.alpha", message, "use a number above 0, or leave it out"));
            }
        }
        if self.lora.is_some() && self.trainable_layers.is_some() {
            let message = "`lora` trains updates of every layer, and `trainable_layers` the weights of some";
            faults.push(Fault::new("lora", message, "leave one of them out").related_to("trainable_layers"));
        }
        if self.trainable && !self.layers.is_last() {
            let message = "an encoder that is fine-tuned gives the vectors of its last layer";
            let hint = "set `layers = \"last\"`, or leave `trainable` out";
            faults.push(Fault::new("trainable", message, hint).related_to("layers"));
        }
        if self.trainable && self.precision == Precision::I8 {
            let message = "an encoder can't be fine-tuned in integers";
            let hint = "set `precision = \"bf16\"`, leave `precision` out, or set `trainable = false`";
            faults.push(Fault::new("precision", message, hint).related_to("trainable"));
        }
        if self.trainable && self.dim.is_some() {
            let message = "the vectors of an encoder that is fine-tuned keep their length";
            faults.push(
                Fault::new("dim", message, "leave `dim` out, or set `trainable = false`").related_to("trainable"),
            );
        }
        faults
    }
}

impl Encoder for SentenceTransformer {
    fn dim(&self) -> usize {
        self.dim()
    }

    fn layers(&self) -> usize {
        self.last_layers()
    }

    fn is_unit(&self) -> bool {
        self.normalizes() && self.last_layers() == 1
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

    fn as_sentence_transformer(&self) -> Option<&SentenceTransformer> {
        Some(self)
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
        let keys = |toml| settings(toml).faults().into_iter().map(|fault| fault.key).collect::<Vec<String>>();
        assert_eq!(keys(serde_json::json!({"path": "m", "max_length": 0, "dim": 0})), ["dim", "max_length"]);
        let scope = serde_json::json!({"path": "m", "trainable": true, "trainable_layers": 0, "lora": {"rank": 0, "alpha": -1.0}});
        assert_eq!(keys(scope), ["trainable_layers", "lora.rank", "lora.alpha", "lora"]);
        let vectors =
            serde_json::json!({"path": "m", "trainable": true, "layers": "mean4", "dim": 8, "precision": "i8"});
        assert_eq!(keys(vectors), ["trainable", "precision", "dim"]);
    }

    #[test]
    fn what_is_trained_follows_from_the_settings() {
        let scope = |toml| settings(toml).fine_tuning();
        assert_eq!(scope(serde_json::json!({"path": "m", "lora": {"rank": 4}})), None);
        assert_eq!(scope(serde_json::json!({"path": "m", "trainable": true})), Some(Scope::All));
        let last = serde_json::json!({"path": "m", "trainable": true, "trainable_layers": 2});
        assert_eq!(scope(last), Some(Scope::Last(2)));
        let lora = serde_json::json!({"path": "m", "trainable": true, "lora": {"rank": 4}});
        assert_eq!(scope(lora.clone()), Some(Scope::Lora { rank: 4, alpha: 4.0 }));
        let mut opened = settings(lora);
        opened.remove_tuning();
        assert_eq!(opened, settings(serde_json::json!({"path": "m"})));
    }

    #[test]
    fn a_learned_mix_has_layers_of_their_own_length() {
        let mixed = settings(serde_json::json!({"path": "m", "layers": "mix", "dim": 8}));
        assert_eq!(mixed.faults().first().map(|fault| fault.key.as_str()), Some("dim"));
        for (layers, learns) in [("last", false), ("mean4", false), ("mix", true)] {
            let settings = settings(serde_json::json!({"path": "m", "layers": layers}));
            assert_eq!((settings.learns_mix(), settings.faults().is_empty()), (learns, true), "{layers}");
        }
        assert_eq!(serde_json::to_value(settings(serde_json::json!({"path": "m"}))).expect("JSON").get("layers"), None);
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
