//! Looks up the value of a monitored metric in the scores of an epoch.

use emberline_base::Monitor;
use emberline_base::record::Epoch;

use crate::Error;

/// Returns the value of a monitor in an epoch.
///
/// # Errors
/// When the epoch has no such score, because there are no validation rows, or the rows lack a class that it needs.
pub(crate) fn monitored_value(epoch: &Epoch, monitor: Monitor) -> Result<f64, Error> {
    let unmeasured = |why| Error::Unmeasured { monitor, why };
    let scores = match (monitor.valid, &epoch.valid) {
        (false, _) => &epoch.train,
        (true, Some(valid)) => valid,
        (true, None) => return Err(unmeasured("there is no validation split")),
    };
    scores.get(&monitor.metric).copied().ok_or_else(|| unmeasured("the rows lack a class that it needs"))
}
