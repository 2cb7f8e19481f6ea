//! Finds the sources that can't learn their vectors from the training texts of a variant of the data, such as `corpus` with a `dim`
//! above the number of words.
//!
//! A plan and a split dataset enter; the faults leave with which a run of the cells would fail.

use std::cmp::Reverse;
use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;

use emberline_base::SplitName;
use emberline_dataset::Dataset;
use emberline_device::Device;
use emberline_embedding::source::corpus;
use emberline_embedding::{Source, Texts};

use super::{DataFault, axes_where, is_of_data};
use crate::Error;
use crate::plan::{Cell, Plan};

/// Learns the vectors of every source that learns from the training texts of this variant of the data. Of settings that differ in
/// `dim` alone, the longest vectors that can be learned stand for all shorter ones.
pub(super) fn learned_faults(plan: &Plan, of: &Cell, folder: &Path, data: &Dataset) -> Vec<DataFault> {
    let corpora = corpora(plan, of);
    if corpora.is_empty() {
        return Vec::new();
    }
    let train: Vec<&str> = data.texts_of(SplitName::Train).collect();
    let (mut learned, mut faults): (Vec<corpus::Settings>, _) = (Vec::new(), Vec::new());
    for (cell, settings) in corpora {
        let is_longer = |known: &corpus::Settings| corpus::Settings { dim: settings.dim, ..known.clone() } == settings;
        if learned.iter().any(is_longer) {
            continue;
        }
        let texts = Texts { all: &train, train: &train };
        match Source::Corpus(settings.clone()).open(folder, texts, Device::Cpu) {
            Ok(_) => learned.push(settings),
            Err(source) => {
                let error = Error::Embedding { name: cell.embedding().to_owned(), source };
                let axes = axes_where(cell, |key| is_of_data(key) || is_of_learning(key));
                faults.push(DataFault { axes, error, key: None });
            }
        }
    }
    faults
}

/// Returns the different settings of `corpus` among the cells with this variant of the data, the longest vectors first.
fn corpora<'p>(plan: &'p Plan, of: &Cell) -> Vec<(&'p Cell, corpus::Settings)> {
    let mut known = HashSet::new();
    let settings = |cell: &'p Cell| match cell.source().1 {
        Source::Corpus(_) => match cell.opened_source() {
            Source::Corpus(settings) => Some((cell, settings)),
            _ => None,
        },
        _ => None,
    };
    let has_these_data = |cell: &&Cell| Arc::ptr_eq(&cell.settings.data, &of.settings.data);
    let all = plan.cells.iter().filter(has_these_data).filter_map(settings);
    let mut corpora: Vec<_> =
        all.filter(|(cell, settings)| known.insert((cell.embedding(), format!("{settings:?}")))).collect();
    corpora.sort_by_key(|(_, settings)| Reverse(settings.dim));
    corpora
}

/// Whether an axis changes what is learned from the texts.
fn is_of_learning(key: &str) -> bool {
    key.starts_with("embedding.") && !key.ends_with(".trainable") && !key.ends_with(".quantize")
}
