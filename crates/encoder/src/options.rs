//! The options of encoders of tokens.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How texts are encoded, whatever computes the vectors of their tokens.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EncoderOptions {
    /// The prompt that is prepended to every text: the name of a prompt of the model, or a text. By default, the model's
    /// default prompt, if it has one.
    pub prompt: Option<String>,
    /// Whether vectors are scaled to length 1, even if the model doesn't do so.
    pub normalize: bool,
    /// Maximum length of a text in tokens, including special tokens. By default, that of the model.
    pub max_length: Option<usize>,
}

/// The numbers that the layers of a transformer are computed in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Precision {
    /// 32-bit floating-point numbers.
    #[default]
    F32,
    /// 8-bit integers in the linear maps of the layers, on the CPU: faster, and a little less exact.
    I8,
    /// Mixed precision, for CUDA GPUs: 16-bit brain floats as factors of the layers' products; sums and everything else are of 32 bits.
    /// The CPU rounds the factors of linear maps too, so that such a model can be used without a GPU.
    Bf16,
}
