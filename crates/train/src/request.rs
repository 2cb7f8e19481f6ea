//! What enters a fit and what leaves it: [`FitRequest`] and [`FittedModel`].

use std::collections::BTreeMap;

use emberline_base::record::{Contrastive, Convergence, Epoch, Stop};
use emberline_base::{Matrix, Splits};

use crate::callback::Callback;
use crate::checkpoint::Checkpointer;
use crate::head::Architecture;
use crate::model::Calibration;
use crate::spec::FitSpec;
use crate::weights::Weights;

/// The result of a fit.
#[derive(Clone, Debug)]
pub struct FittedModel {
    /// The epochs, in order.
    pub history: Vec<Epoch>,
    /// The epoch whose weights are kept; 1 for the first.
    pub best_epoch: u32,
    /// Why training ended.
    pub stopped: Stop,
    /// How a fit by L-BFGS ended; none for other optimisers.
    pub convergence: Option<Convergence>,
    /// How the encoder was trained on pairs before the head; none if it wasn't.
    pub contrastive: Option<Contrastive>,
    /// The architecture of the head that the weights belong to.
    pub architecture: Architecture,
    /// The weights of the best epoch.
    pub weights: Weights,
    /// The probability, after calibration, from which an output counts as positive, chosen on the validation rows; 0.5 if
    /// there are none. Empty for tasks without a threshold.
    pub thresholds: Vec<f64>,
    /// How logits are calibrated, chosen on the validation rows; none if they are used unchanged.
    pub calibration: Option<Calibration>,
    /// The scores of the best epoch, by name: `loss` and `accuracy` as measured during training, `val_loss`, ...,
    /// `test_loss`, ...
    pub metrics: BTreeMap<String, f64>,
    /// The logits of the best epoch, `[rows, outputs]` per split; no rows for the training split.
    pub logits: Splits<Matrix>,
    /// Wall time, in seconds. Fits that are trained together get equal shares of the time that they took.
    pub seconds: f64,
}

/// A request for a fit, with its observers.
pub struct FitRequest<'r, 'c> {
    /// Everything that determines the numbers of the fit.
    pub spec: &'r FitSpec<'r>,
    /// Callbacks, notified after every epoch.
    pub callbacks: &'r mut [Box<dyn Callback + 'c>],
    /// Saves checkpoints. Without one, an interrupted fit starts over.
    pub checkpointer: Option<&'r mut dyn Checkpointer>,
}
