//! Checks the settings that neural token encoders have in common.

use emberline_base::Fault;

/// Returns the faults of `max_length` and `trainable`. `weights`: how messages describe the weights, such as `a
/// graph's weights`.
pub(super) fn faults(max_length: Option<usize>, trainable: bool, weights: &str) -> Vec<Fault> {
    let mut faults = Vec::new();
    if max_length == Some(0) {
        faults.push(Fault::new("max_length", "texts of no token", "at least 3: one and the special ones"));
    }
    if trainable {
        let message = format!("{weights} can't be trained here");
        faults.push(Fault::new("trainable", message, "leave it out; only tables can be trained"));
    }
    faults
}
