//! Dropout masks, drawn on the host so that every device drops the same outputs.

use emberline_base::Substream;

/// The random stream that decides which outputs of one model are dropped in one epoch: batch by batch, within a batch
/// layer by layer, within a layer row by row.
pub(super) struct Dropout(Substream);

impl Dropout {
    /// Returns the stream of an epoch, 1 for the first.
    pub(super) fn new(seed: u64, epoch: u32) -> Self {
        Self(Substream::new(seed, &format!("dropout/epoch/{epoch}")))
    }

    /// Returns whether the next output is dropped.
    pub(super) fn drops(&mut self, rate: f32) -> bool {
        self.0.unit() < rate
    }
}

/// Returns the factor of the outputs that are not dropped.
pub(super) fn gain(rate: f32) -> f32 {
    1.0 / (1.0 - rate)
}
