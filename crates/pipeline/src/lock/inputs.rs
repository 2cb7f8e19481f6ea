//! Compares data and embeddings with a lock.

use std::collections::{BTreeSet, HashMap};

use emberline_base::changes;

use super::Lock;
use super::settings::{Asked, shown};
use super::stale::{StaleInput, Subject};
use crate::Error;
use crate::facts::EmbeddingFacts;
use crate::inputs::Inputs;
use crate::pipeline::Pipeline;
use crate::plan::{Cell, Plan};
use crate::row_changes::{DataChange, data_changes};

/// What was found so far, each with the positions of the cells that it touches.
#[derive(Default)]
struct Findings {
    found: Vec<(Finding, BTreeSet<usize>)>,
}

/// A change of an input.
#[derive(Clone, PartialEq)]
enum Finding {
    Data(DataChange),
    /// An embedding, by its key in the lock, with its present description.
    Embedding(EmbeddingFacts, EmbeddingFacts),
}

impl Lock {
    /// Compares the inputs with the lock: the settings, the list of cells, and the data and embeddings of the cells in
    /// `cells`, in the order in which reading them takes the least time.
    ///
    /// # Errors
    /// When an input can't be read.
    pub(crate) fn compare_inputs(
        &self,
        pipeline: &Pipeline,
        plan: &Plan,
        cells: &[&Cell],
        inputs: &mut Inputs,
    ) -> Result<Vec<StaleInput>, Error> {
        let positions: HashMap<&str, usize> =
            plan.cells.iter().enumerate().map(|(at, cell)| (cell.id.as_str(), at)).collect();
        let mut asked: Vec<usize> = cells.iter().map(|cell| positions[cell.id.as_str()]).collect();
        asked.sort_unstable();
        let asked = Asked { pipeline, plan, cells: asked };
        let mut stale = self.compare_settings(&asked);
        let mut findings = Findings::default();
        // The changes of datasets and embeddings that were compared, by their keys in the lock. Each is compared once.
        let mut of_data: HashMap<&str, Vec<DataChange>> = HashMap::new();
        let mut of_embedding: HashMap<&str, Option<Finding>> = HashMap::new();
        for cell in cells {
            let Some(locked) = self.locked(cell) else { continue };
            let at = positions[cell.id.as_str()];
            let data = match of_data.get(locked.data.as_str()) {
                Some(known) => known,
                None => {
                    let found = self.compare_data(&locked.data, cell, inputs)?;
                    &*of_data.entry(locked.data.as_str()).or_insert(found)
                }
            };
            data.iter().for_each(|change| findings.add(&Finding::Data(change.clone()), at));
            // If the data changed, so does an embedding that learned from them; that is no difference of its own.
            if !data.is_empty() {
                continue;
            }
            let embedding = match of_embedding.get(locked.embedding.as_str()) {
                Some(known) => known,
                None => {
                    let found = self.compare_embedding(&locked.embedding, cell, inputs)?;
                    &*of_embedding.entry(locked.embedding.as_str()).or_insert(found)
                }
            };
            embedding.iter().for_each(|finding| findings.add(finding, at));
        }
        stale.extend(findings.found.into_iter().map(|(finding, touched)| finding.stale(&asked, &touched)));
        Ok(stale)
    }

    /// Says how the data of a cell differ from those with this key; nothing if they are the same.
    fn compare_data(&self, key: &str, cell: &Cell, inputs: &mut Inputs) -> Result<Vec<DataChange>, Error> {
        let Some(old) = self.data_facts(key) else { return Ok(Vec::new()) };
        let data = inputs.data(cell)?;
        if data.digest == old.digest {
            return Ok(Vec::new());
        }
        Ok(data_changes(&old, &inputs.data_facts(cell)?, data.rows()))
    }

    /// Says how the embedding of a cell differs from the one with this key.
    fn compare_embedding(&self, key: &str, cell: &Cell, inputs: &mut Inputs) -> Result<Option<Finding>, Error> {
        let Some(old) = self.embedding.get(key) else { return Ok(None) };
        if inputs.embedding_digest(cell)? == old.digest {
            return Ok(None);
        }
        Ok(Some(Finding::Embedding(old.clone(), inputs.embedding_facts(cell)?)))
    }
}

impl Findings {
    /// Adds a finding about the cell at a position. Data that changed in several datasets are one finding.
    fn add(&mut self, finding: &Finding, at: usize) {
        match self.found.iter_mut().find(|(known, _)| known.is_same(finding)) {
            Some((_, touched)) => drop(touched.insert(at)),
            None => self.found.push((finding.clone(), BTreeSet::from([at]))),
        }
    }
}

impl Finding {
    fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Data(one), Self::Data(other)) => (&one.file, &one.summary) == (&other.file, &other.summary),
            (Self::Embedding(old, new), Self::Embedding(other_old, other_new)) => {
                (&old.name, &old.content, &new.content) == (&other_old.name, &other_old.content, &other_new.content)
            }
            (Self::Data(_), Self::Embedding(..)) | (Self::Embedding(..), Self::Data(_)) => false,
        }
    }

    fn stale(self, Asked { plan, cells, .. }: &Asked<'_>, touched: &BTreeSet<usize>) -> StaleInput {
        let touched: Vec<usize> = touched.iter().copied().collect();
        match self {
            Self::Data(DataChange { file, summary, changes }) => {
                StaleInput::of(Subject::Data(file), summary, plan, &touched, cells).with_changes(changes)
            }
            Self::Embedding(old, new) => {
                let (name, is_asset) = (old.name.clone(), old.is_of_files() && old.content != new.content);
                let changes = changes(&old, &new);
                let summary = match is_asset {
                    true => format!("its files changed: content: {} -> {}", old.content.short(), new.content.short()),
                    false => changes.iter().map(shown).collect::<Vec<_>>().join("; "),
                };
                let stale = StaleInput::of(Subject::Embedding(name), summary, plan, &touched, cells);
                StaleInput { is_asset, ..stale.with_changes(changes) }
            }
        }
    }
}
