//! Trains a single fit.

use emberline_device::Device;
use emberline_train::callback::Callback;
use emberline_train::{EngineChoice, Error, FitRequest, FitSpec, FittedModel, fit_with};

/// Trains one head on an engine.
pub(crate) fn fit_alone(
    engine: EngineChoice,
    spec: &FitSpec<'_>,
    device: Device,
    callbacks: &mut [Box<dyn Callback + '_>],
) -> Result<FittedModel, Error> {
    let request = FitRequest { spec, callbacks, checkpointer: None };
    fit_with(engine, vec![request], device)?.pop().expect("a result per request")
}
