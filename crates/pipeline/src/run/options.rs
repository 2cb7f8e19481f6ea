//! How a plan is run.

use std::num::NonZeroUsize;

use emberline_base::CancellationToken;
use emberline_cache::Cache;
use emberline_device::Device;

use crate::lock::Lock;
use crate::plan::{Cell, CellSettings};

/// How a plan is run.
#[derive(Clone, Debug)]
pub struct Options {
    /// What trains, and encodes.
    pub device: Device,
    /// Whether cells at which a card is slower than the processor train there.
    pub auto: bool,
    /// Where vectors of neural encoders are kept; none: they are made anew.
    pub cache: Option<Cache>,
    /// Only the cells with these ids; all of them when empty.
    pub only: Vec<String>,
    /// Cells that are done are run again, and the refit is made again.
    pub force: bool,
    /// Cells that failed are run again.
    pub retry_failed: bool,
    /// The first failure ends the run.
    pub fail_fast: bool,
    /// How many cells are trained side by side; none: as many as there are cores on the CPU, one on a GPU.
    pub jobs: Option<NonZeroUsize>,
    /// How many cells of one shape are trained as one computation on a GPU, at most; none: each by itself.
    pub pack: Option<NonZeroUsize>,
    /// Inputs have to be what this says.
    pub locked: Option<Lock>,
    /// Asks the run to end: cells under way leave checkpoints.
    pub interrupt: CancellationToken,
}

impl Options {
    /// Everything that is missing, on a device, without a cache.
    pub fn on(device: Device) -> Self {
        Self {
            device,
            auto: false,
            cache: None,
            only: Vec::new(),
            force: false,
            retry_failed: false,
            fail_fast: false,
            jobs: None,
            pack: None,
            locked: None,
            interrupt: CancellationToken::default(),
        }
    }

    /// Whether the cell with this id is to be run.
    pub(crate) fn asks_for(&self, id: &String) -> bool {
        self.only.is_empty() || self.only.contains(id)
    }

    /// What trains a cell.
    pub(super) fn device_of(&self, cell: &Cell) -> Device {
        let CellSettings { embedding, head, .. } = &cell.settings;
        let has_gpu_kernels = head.has_gpu_kernels() && !embedding.source.trainable();
        if self.auto && !has_gpu_kernels { Device::Cpu } else { self.device }
    }
}
