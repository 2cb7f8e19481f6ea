//! Options of a run.

use std::collections::HashSet;
use std::num::NonZeroUsize;

use emberline_base::CancellationToken;
use emberline_base::record::Invocation;
use emberline_cache::Cache;
use emberline_device::Device;
use emberline_train::settings::Optimizer;

use crate::cell_cache::CellCache;
use crate::lock::Lock;
use crate::plan::{Cell, CellSettings};

/// Which part of a run is done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Scope {
    /// All of it.
    #[default]
    Whole,
    /// Only the cells that are asked for leave records: one of many processes, whose results another one summarises. Other cells
    /// aren't even looked at.
    Cells,
    /// No cell is trained: what is there is summarised.
    Summary,
}

/// Options of a run.
#[derive(Clone, Debug)]
pub struct Options {
    /// The device that trains and encodes.
    pub device: Device,
    /// Whether cells for which a GPU is slower than the CPU are trained on the CPU.
    pub auto: bool,
    /// The cache of vectors of neural encoders; without one, they are computed again.
    pub cache: Option<Cache>,
    /// Where finished cells are shared between run folders: those that it has aren't trained; `verify` doesn't use it.
    pub cell_cache: Option<CellCache>,
    /// The ids of the cells to run; all cells if empty.
    pub only: Vec<String>,
    /// Which part of the run is done.
    pub scope: Scope,
    /// A name for this process that stays the same when a workload manager starts it again after a fault of its own, such as a node that
    /// was lost: a cell that was under way then isn't suspected of it.
    pub task: Option<String>,
    /// Whether to run cells again that are done, and the refit too.
    pub force: bool,
    /// Whether to run cells again that failed.
    pub retry_failed: bool,
    /// Whether the first failure ends the run.
    pub fail_fast: bool,
    /// How many cells are trained concurrently; by default as many as there are cores on the CPU, and one on a GPU.
    pub jobs: Option<NonZeroUsize>,
    /// Maximum number of cells of one shape that a GPU trains as one computation; by default each is trained by itself.
    pub pack: Option<NonZeroUsize>,
    /// The lock that the inputs must agree with.
    pub locked: Option<Lock>,
    /// Whether the answer is a look of a comparison that goes on until it is decided, so that it has only a share of the error rate.
    pub sequential: bool,
    /// How the command line changed the pipeline file, for the reports.
    pub invocation: Option<Invocation>,
    /// Interrupts the run: cells that are being trained leave checkpoints.
    pub interrupt: CancellationToken,
}

impl Options {
    /// Returns options that run everything that is missing on a device, without a cache.
    pub fn on(device: Device) -> Self {
        Self {
            device,
            auto: false,
            cache: None,
            cell_cache: None,
            only: Vec::new(),
            scope: Scope::Whole,
            task: None,
            force: false,
            retry_failed: false,
            fail_fast: false,
            jobs: None,
            pack: None,
            locked: None,
            sequential: false,
            invocation: None,
            interrupt: CancellationToken::default(),
        }
    }

    /// Returns the cells that are to be run.
    pub(crate) fn asked(&self) -> Asked<'_> {
        Asked((!self.only.is_empty()).then(|| self.only.iter().map(String::as_str).collect()))
    }

    /// Returns the device that trains a cell. L-BFGS runs on the CPU only; of a cell whose encoder is trained on pairs before, it is
    /// the encoder's device.
    pub(super) fn device_of(&self, cell: &Cell) -> Device {
        let CellSettings { embedding, head, train, .. } = &cell.settings;
        if matches!(train.optimizer, Optimizer::Lbfgs(_)) && train.contrastive.is_none() {
            return Device::Cpu;
        }
        let has_gpu_kernels = head.has_gpu_kernels() && train.has_gpu_kernels() && !embedding.source.trainable();
        let suits_gpu = has_gpu_kernels || embedding.source.fine_tuning().is_some();
        if self.auto && !suits_gpu { Device::Cpu } else { self.device }
    }
}

/// The ids of the cells that are to be run; `None` for all cells.
pub(crate) struct Asked<'o>(Option<HashSet<&'o str>>);

impl Asked<'_> {
    /// Returns whether the cell with this id is to be run.
    pub(crate) fn contains(&self, id: &str) -> bool {
        self.0.as_ref().is_none_or(|ids| ids.contains(id))
    }
}
