//! What a table that training moves can't do.

use emberline_base::{Combiner, Fault};

/// The fault of a trained table under the combiner `max`: its gradient would reach one row a column, which is not offered.
pub(super) fn fault(trainable: bool, combiner: Combiner) -> Option<Fault> {
    (trainable && !combiner.is_linear()).then(|| {
        let hint = "leave `trainable` out, or set `combiner` to mean, sqrtn or sum";
        Fault::new("trainable", "vectors that are combined by `max` can't be trained", hint).related_to("combiner")
    })
}
