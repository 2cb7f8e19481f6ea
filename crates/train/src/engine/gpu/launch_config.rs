//! The launch configuration of the kernels.

use cubecl::prelude::*;

use super::kernel::{MAX_PROPAGATION_THREADS, QUAD, TILE_SIDE, shared_bytes_per_quad};

/// The number of cubes that a launch should have before a cube gets more rows.
const MIN_CUBES: usize = 256;

/// The launch configuration: how cubes share the work. It is the same in all steps, since a kernel is compiled for each
/// configuration.
pub(super) struct LaunchConfig {
    /// The number of threads of a cube of `propagate`.
    pub(super) threads: usize,
    /// The number of quads of rows of a cube of `propagate`.
    pub(super) quads: usize,
    /// The number of rows that `update` stages at a time.
    pub(super) staged_rows: usize,
}

impl LaunchConfig {
    /// Returns the configuration for batches of this number of rows, of this number of models.
    pub(super) fn new<R: Runtime>(client: &ComputeClient<R>, rows: usize, models: usize) -> Self {
        let hardware = &client.properties().hardware;
        let threads = MAX_PROPAGATION_THREADS.min(1 << hardware.max_units_per_cube.ilog2());
        let fits = |quads: usize| quads * shared_bytes_per_quad(threads) <= hardware.max_shared_memory_size;
        let has_enough_cubes = |quads: usize| rows.div_ceil(quads * QUAD) * models >= MIN_CUBES;
        let quads = [4, 2].into_iter().find(|&quads| fits(quads) && has_enough_cubes(quads)).unwrap_or(1);
        Self { threads, quads, staged_rows: if rows > TILE_SIDE { 2 * TILE_SIDE } else { TILE_SIDE } }
    }
}
