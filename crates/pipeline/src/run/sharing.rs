//! Shares finished cells through the cell cache: takes those that other run folders have finished, and offers those of this run.
//!
//! A cell that fails isn't shared, nor are baselines and the refit: they are computed in every run folder. Nor is one with a
//! fine-tuned encoder, whose weights are far larger than all other files of a cell.

use std::sync::atomic::{AtomicBool, Ordering};

use emberline_base::record;
use emberline_train::COMPUTATION;

use crate::cell_cache::{CellCache, EntryKey};
use crate::inputs::Inputs;
use crate::plan::Cell;
use crate::run_folder::{RunFolder, SharedCell};
use crate::{Error, settings};

/// The cell cache of a run.
pub(super) struct Sharing<'r> {
    cache: &'r CellCache,
    folder: &'r RunFolder,
    report: settings::Report,
    /// Whether it was said that cells can't be shared: once is enough.
    has_warned: AtomicBool,
}

impl<'r> Sharing<'r> {
    pub(super) fn new(cache: &'r CellCache, folder: &'r RunFolder, report: settings::Report) -> Self {
        Self { cache, folder, report, has_warned: AtomicBool::default() }
    }

    /// Puts a cell that the cache has into the run folder. Returns the attempt and the record; `None` if the cell has to be
    /// trained, or another process works on it.
    pub(super) fn take(
        &self,
        cell: &Cell,
        inputs: &mut Inputs,
        warn: &mut dyn FnMut(&str),
    ) -> Option<(u32, record::Cell)> {
        if !is_shared(cell) {
            return None;
        }
        // Inputs that can't be read are reported when the cell runs, and so is a folder that can't be written to.
        let data = inputs.data(cell).ok()?;
        let key = EntryKey::new(cell, data.digest.clone(), inputs.embedding_digest(cell).ok()?, COMPUTATION);
        let damaged =
            |why: &str| format!("the cell cache's entry of `{}` isn't used: {why}; the cell is trained", cell.id);
        let files = match self.cache.get(&key) {
            Ok(files) => files?,
            Err(why) => {
                warn(&damaged(&why));
                return None;
            }
        };
        let shared = match SharedCell::of(&files, &key) {
            Ok(shared) => shared,
            Err(why) => {
                warn(&damaged(&why));
                return None;
            }
        };
        self.adopt(cell, &shared, inputs).ok().flatten()
    }

    fn adopt(
        &self,
        cell: &Cell,
        shared: &SharedCell<'_>,
        inputs: &mut Inputs,
    ) -> Result<Option<(u32, record::Cell)>, Error> {
        let Some(lock) = self.folder.lock_cell(&cell.id)? else { return Ok(None) };
        let (data, embedding) = (inputs.data(cell)?, inputs.embedding_digest(cell)?);
        self.folder.note_input(&data.digest, || inputs.data_facts(cell))?;
        self.folder.note_input(&embedding, || inputs.embedding_facts(cell))?;
        self.folder.note_rows(&data, self.report)?;
        Ok(Some(self.folder.adopt(cell, &lock, shared)?))
    }

    /// Puts a finished cell of the run folder into the cache, unless `keeps` and the cache has one. A failure only costs others a
    /// training, so it is a warning.
    pub(super) fn offer(&self, cell: &Cell, record: &record::Cell, keeps: bool, warn: &mut dyn FnMut(&str)) {
        let Some(outcome) = record.outcome.as_ref().filter(|_| is_shared(cell)) else { return };
        let made_from = outcome.made_from();
        let key = EntryKey::new(cell, made_from.data, made_from.embedding, made_from.computation);
        if keeps && self.cache.contains(&key) {
            return;
        }
        let files = self.folder.files_to_share(cell, outcome);
        let put = files.and_then(|files| match SharedCell::of(&files, &key) {
            Ok(_) => self.cache.put(&key, files),
            // Another process replaces the cell at this moment, and offers it itself.
            Err(_) => Ok(()),
        });
        if let Err(error) = put
            && !self.has_warned.swap(true, Ordering::Relaxed)
        {
            warn(&format!("finished cells can't be shared through the cell cache: {error}"));
        }
    }
}

/// Returns whether a cell is shared: an encoder that is fine-tuned would leave too much in the cache.
fn is_shared(cell: &Cell) -> bool {
    cell.source().1.fine_tuning().is_none()
}
