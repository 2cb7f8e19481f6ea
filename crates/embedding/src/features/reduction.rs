//! The step of reducing vectors to fewer dimensions: a projection that is fitted on the training texts, or was fitted before.

use std::borrow::Cow;
use std::sync::Arc;

use emberline_base::Matrix;
use emberline_base::memory::OutOfMemory;

use crate::Error;
use crate::reduce::{Projection, Reduction};

/// The reduction of vectors: still to be fitted, or fitted before.
pub(crate) enum ReductionStep {
    /// Fits the projection on the training texts.
    Fit(Option<Reduction>),
    /// Applies a fitted projection. `None`: vectors keep their length.
    Fitted(Option<Arc<Projection>>),
}

impl ReductionStep {
    /// Returns the projection of vectors of `from` numbers, which the source scales to length 1 if `unit`. `training` computes
    /// the vectors of the training texts, `[texts, from]`.
    pub(crate) fn projection<'m>(
        self,
        from: usize,
        unit: bool,
        training: impl FnOnce() -> Result<Cow<'m, Matrix>, OutOfMemory>,
    ) -> Result<Option<Arc<Projection>>, Error> {
        match self {
            Self::Fit(Some(reduction)) => Ok(reduction.fit(from, unit, training)?.map(Arc::new)),
            Self::Fit(None) => Ok(None),
            Self::Fitted(projection) => Ok(projection),
        }
    }
}
