//! The errors of fits.

use emberline_base::OutOfMemory;

/// Why a linear classifier can't be fitted.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
pub enum Error {
    /// An allocation failed.
    #[error(transparent)]
    OutOfMemory(#[from] OutOfMemory),
    /// A feature is NaN or infinite.
    #[error("row {row} (counted from 0) has the feature {value}, which isn't finite")]
    NotFinite {
        /// The row, counted from 0.
        row: usize,
        /// The feature.
        value: f32,
    },
    /// There are no rows.
    #[error("there are no rows to fit a linear classifier on")]
    NoRows,
    /// A row has no class.
    #[error("row {0} (counted from 0) has no class")]
    NoClass(usize),
    /// The observer ended the fit.
    #[error("interrupted")]
    Interrupted,
}
