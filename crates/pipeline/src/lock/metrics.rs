//! Metrics in a lock: rounded to six digits for people, and a digest of all digits.

use std::collections::BTreeMap;

use emberline_base::file::sha256;
use emberline_base::number::rounded;
use emberline_base::record::{Outcome, Refit};

use super::{LockedRefit, LockedResult};
use crate::plan::Cell;

/// Number of hexadecimal digits of the digest: 128 bits.
const DIGITS: usize = 32;

/// Returns the digest of all digits of metrics: the first 32 hexadecimal digits of the SHA-256 of lines `NAME BITS`, sorted by
/// name, in which BITS are the 16 hexadecimal digits of the number as a double of IEEE 754.
pub(super) fn exact(metrics: &BTreeMap<String, f64>) -> String {
    let line = |(name, value): (&String, &f64)| format!("{name} {:016x}\n", value.to_bits());
    sha256(metrics.iter().map(line).collect::<String>().as_bytes())[..DIGITS].to_owned()
}

fn all_rounded(metrics: &BTreeMap<String, f64>) -> BTreeMap<String, f64> {
    metrics.iter().map(|(name, value)| (name.clone(), rounded(*value))).collect()
}

impl LockedResult {
    pub(super) fn of(outcome: &Outcome) -> Self {
        Self::with_metrics(outcome, &outcome.metrics)
    }

    /// Returns the result as a lock would have written it that only knew the metrics of `old`. A metric that a later
    /// version of the program measures too is no difference.
    pub(super) fn comparable_with(outcome: &Outcome, old: &Self) -> Self {
        let mut metrics = outcome.metrics.clone();
        metrics.retain(|name, _| old.metrics.contains_key(name));
        Self::with_metrics(outcome, &metrics)
    }

    fn with_metrics(outcome: &Outcome, metrics: &BTreeMap<String, f64>) -> Self {
        Self {
            device: outcome.device.clone(),
            arithmetic: outcome.arithmetic.clone(),
            epochs: outcome.epochs,
            best_epoch: outcome.best_epoch,
            weights: outcome.digests.weights.clone(),
            predictions: outcome.digests.predictions.clone(),
            exact: exact(metrics),
            metrics: all_rounded(metrics),
        }
    }
}

impl LockedRefit {
    /// Records a refit. `cell` is the cell that it trained.
    pub(super) fn of(refit: &Refit, cell: &Cell) -> Self {
        Self {
            identity: cell.identity.to_string(),
            setting: refit.setting.clone(),
            cells: refit.cells.iter().map(|cell| cell.id.clone()).collect(),
            device: refit.device.clone(),
            arithmetic: refit.arithmetic.clone(),
            rows: refit.rows,
            epochs: refit.epochs,
            data: refit.digests.data.clone(),
            embedding: refit.digests.embedding.clone(),
            weights: refit.digests.weights.clone(),
            predictions: refit.digests.predictions.clone(),
            threshold: refit.threshold.clone(),
            exact: exact(&refit.metrics),
            metrics: all_rounded(&refit.metrics),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Python: `hashlib.sha256(b"a " + struct.pack(">d", 0.1).hex().encode() + b"\n" ...)`. Pinned: locks hold it.
    #[test]
    fn the_digest_is_of_all_digits() {
        let metrics = |a: f64| BTreeMap::from([("a".to_owned(), a), ("b".to_owned(), 2.0)]);
        assert_eq!(exact(&metrics(0.1)), sha256(b"a 3fb999999999999a\nb 4000000000000000\n")[..32]);
        let next = f64::from_bits(0.1_f64.to_bits() + 1);
        assert_ne!(exact(&metrics(0.1)), exact(&metrics(next)));
        assert_eq!(all_rounded(&metrics(0.1)), all_rounded(&metrics(next)));
    }
}
