//! The settings of `[train]` that only a fine-tuned encoder knows, and their defaults.
//!
//! The default rates are those of BERT's and SetFit's authors for whole encoders (2e-5), and ten times as much for LoRA, whose
//! update starts at zero; the decay of 0.01 is theirs too (Devlin et al., 2019; Hu et al., 2022; Tunstall et al., 2022).

use emberline_base::Fault;
use emberline_encoder::fine_tune::Scope;

use super::Train;

/// The learning rate of a whole encoder, or of its last layers.
const LEARNING_RATE: f64 = 2e-5;
/// The learning rate of LoRA's matrices.
const LORA_LEARNING_RATE: f64 = 2e-4;
const WEIGHT_DECAY: f64 = 0.01;

/// How the weights of an encoder are trained, with every default filled in.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct EncoderTraining {
    /// The initial learning rate.
    pub learning_rate: f64,
    /// The decoupled weight decay of matrices.
    pub weight_decay: f64,
    /// The share of hidden numbers that is set to zero.
    pub dropout: f32,
    /// The number of batches per step.
    pub accumulate: u32,
}

impl Train {
    /// Returns how the weights of an encoder are trained that is fine-tuned in this scope.
    pub fn encoder_training(&self, scope: Scope) -> EncoderTraining {
        let learning_rate = match scope {
            Scope::All | Scope::Last(_) => LEARNING_RATE,
            Scope::Lora { .. } => LORA_LEARNING_RATE,
        };
        EncoderTraining {
            learning_rate: self.encoder_learning_rate.unwrap_or(learning_rate),
            weight_decay: self.encoder_weight_decay.unwrap_or(WEIGHT_DECAY),
            dropout: self.encoder_dropout.unwrap_or(0.0),
            accumulate: self.accumulate.unwrap_or(1),
        }
    }

    /// Returns the settings, by their keys, that are set and that only a fine-tuned encoder knows.
    pub fn encoder_keys(&self) -> Vec<&'static str> {
        let set = [
            ("encoder_learning_rate", self.encoder_learning_rate.is_some()),
            ("encoder_weight_decay", self.encoder_weight_decay.is_some()),
            ("encoder_dropout", self.encoder_dropout.is_some()),
            ("accumulate", self.accumulate.is_some()),
            ("contrastive", self.contrastive.is_some()),
        ];
        set.into_iter().filter(|(_, is_set)| *is_set).map(|(key, _)| key).collect()
    }

    /// Returns the same settings without those that only a fine-tuned encoder knows.
    #[must_use]
    pub fn without_encoder(&self) -> Self {
        Self {
            encoder_learning_rate: None,
            encoder_weight_decay: None,
            encoder_dropout: None,
            accumulate: None,
            contrastive: None,
            ..self.clone()
        }
    }

    pub(super) fn encoder_faults(&self) -> Vec<Fault> {
        let fault = |key: &str, value: f64, hint: &str| Fault::new(key, format!("{value} is out of range"), hint);
        let rate = self.encoder_learning_rate.filter(|rate| !(rate.is_finite() && *rate > 0.0));
        let decay = self.encoder_weight_decay.filter(|decay| !(decay.is_finite() && *decay >= 0.0));
        let dropout = self.encoder_dropout.filter(|rate| !(0.0..1.0).contains(rate));
        let faults = [
            rate.map(|rate| fault("encoder_learning_rate", rate, "use a number above 0, such as 2e-5")),
            decay.map(|decay| fault("encoder_weight_decay", decay, "use 0 or more, such as 0.01")),
            dropout.map(|rate| fault("encoder_dropout", rate.into(), "use a number from 0 to below 1, such as 0.1")),
            (self.accumulate == Some(0)).then(|| Fault::new("accumulate", "`accumulate` is 0", "use 1 or more")),
        ];
        faults.into_iter().flatten().collect()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn train(value: serde_json::Value) -> Train {
        serde_json::from_value(value).expect("settings")
    }

    #[test]
    fn the_default_rate_depends_on_what_is_trained() {
        let rate = |value, scope| train(value).encoder_training(scope).learning_rate;
        let lora = Scope::Lora { rank: 8, alpha: 8.0 };
        assert_eq!(
            [rate(json!({}), Scope::All), rate(json!({}), Scope::Last(2)), rate(json!({}), lora)],
            [2e-5, 2e-5, 2e-4]
        );
        assert_eq!(rate(json!({"encoder_learning_rate": 1e-3}), lora), 1e-3);
    }

    #[test]
    fn frozen_encoders_have_none_of_the_settings() {
        let all = json!({
            "encoder_learning_rate": 1.0, "encoder_weight_decay": 0.0, "encoder_dropout": 0.1, "accumulate": 2, "contrastive": {},
        });
        assert_eq!(
            train(all.clone()).encoder_keys(),
            ["encoder_learning_rate", "encoder_weight_decay", "encoder_dropout", "accumulate", "contrastive"]
        );
        assert_eq!(train(all).without_encoder(), Train::default());
    }

    #[test]
    fn numbers_out_of_range_are_faults() {
        let wrong = train(
            json!({"encoder_learning_rate": 0.0, "encoder_weight_decay": -1.0, "encoder_dropout": 1.0, "accumulate": 0}),
        );
        let keys: Vec<String> = wrong.faults().into_iter().map(|fault| fault.key).collect();
        assert_eq!(keys, ["encoder_learning_rate", "encoder_weight_decay", "encoder_dropout", "accumulate"]);
    }
}
