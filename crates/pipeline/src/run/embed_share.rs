//! Encodes a share of the texts of a dataset into the cache, so that several processes can divide the work among them.

use emberline_cache::Cache;
use emberline_device::Device;
use emberline_embedding::encode::Event;

use super::options::Options;
use crate::Error;
use crate::inputs::{Encoded, Inputs};
use crate::pipeline::Pipeline;
use crate::plan::Plan;

/// A share of the distinct texts of a dataset.
#[derive(Clone, Copy, Debug)]
pub struct TextShare<'a> {
    /// A cell with this dataset and the encoder.
    pub cell: &'a str,
    /// Which share, from 0; smaller than `parts`.
    pub part: usize,
    /// The number of shares.
    pub parts: usize,
}

/// Encodes a share of texts: their vectors are in the cache afterwards. Returns how many texts it has, and how many were in the cache before.
///
/// # Errors
/// If there is no such cell or no such share, the data can't be read, or the encoder fails or is interrupted.
pub fn embed_share(
    pipeline: &Pipeline,
    share: TextShare<'_>,
    options: &Options,
    on_event: &mut dyn FnMut(Event),
) -> Result<Encoded, Error> {
    let TextShare { cell, part, parts } = share;
    let plan = Plan::of(pipeline);
    let no_such_cell = || Error::NoSuchCell { asked: cell.to_owned(), hint: None };
    let found = plan.find(cell).filter(|_| part < parts).ok_or_else(no_such_cell)?;
    let (device, cache): (Device, Option<Cache>) = (options.device, options.cache.clone());
    let mut inputs = Inputs::new(pipeline.folder.clone(), device, cache).interrupted_by(&options.interrupt);
    inputs.encode_share(found, (part, parts), on_event)
}
