//! Checks the settings of trainable tables.

use emberline_base::{Combiner, Fault};

/// Returns the fault of a trainable table with the combiner `max`: its gradient would reach only one row per column,
/// which isn't supported.
pub(super) fn fault(trainable: bool, combiner: Combiner) -> Option<Fault> {
    (trainable && !combiner.is_linear()).then(|| {
        let hint = "leave `trainable` out, or set `combiner` to mean, sqrtn or sum";
        Fault::new("trainable", "vectors that are combined by `max` can't be trained", hint).related_to("combiner")
    })
}
