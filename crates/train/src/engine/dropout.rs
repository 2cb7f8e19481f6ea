//! Which outputs are dropped: drawn on the host, so that every device drops the same.

use emberline_base::Substream;

/// What is dropped of one model in one epoch: batch after batch, in a batch layer after layer, in a layer row after row.
pub(super) struct Dropout(Substream);

impl Dropout {
    /// For epoch 1 and on.
    pub(super) fn new(seed: u64, epoch: u32) -> Self {
        Self(Substream::new(seed, &format!("dropout/epoch/{epoch}")))
    }

    /// Whether the next output is dropped.
    pub(super) fn drops(&mut self, rate: f32) -> bool {
        self.0.unit() < rate
    }
}

/// What the outputs that stay are multiplied by.
pub(super) fn gain(rate: f32) -> f32 {
    1.0 / (1.0 - rate)
}
