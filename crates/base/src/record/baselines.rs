//! The results of baselines: classifiers without an embedding, on the same rows as the cells.

use std::collections::BTreeMap;

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Summary;
use crate::{Digest, ReplicateAxis};

/// The baselines on one set of rows: an entry of `summary.json`, and the file `baselines/<rows>.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Baselines {
    /// The texts and labels of every split, in order: `digests.data` of the cells on these rows.
    pub data: Digest,
    /// The version of the computation of baselines.
    pub computation: u32,
    /// The values of the axes that decide the rows, by dotted key; empty in the file, which doesn't depend on the grid.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub settings: IndexMap<String, serde_json::Value>,
    /// The number of training rows.
    pub n_train: usize,
    /// The results, in the order of reports.
    pub baselines: Vec<Baseline>,
}

/// The result of one baseline.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Baseline {
    /// The name: `majority`, `prior`, `tfidf_lr`, `naive_bayes`, `nb_svm`, `zero_label`.
    pub name: String,
    /// The embedding whose vectors of texts and of class names `zero_label` compares; absent for baselines without an embedding.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub embedding: Option<String>,
    /// The metrics by name: `val_loss`, `val_pr_auc`, ..., and `test_*` if there is a test split, computed like those of cells.
    /// `majority` has no losses and areas, since it gives no probabilities; `zero_label` has no losses, since its temperature is
    /// fixed, and for several labels per text only metrics of the order of rows or labels.
    pub metrics: BTreeMap<String, f64>,
    /// Why the baseline can't be computed of these rows; there are no metrics then. Absent for a baseline that was computed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_applicable: Option<String>,
    /// Whether the fit converged; absent for baselines without iterations.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub converged: Option<bool>,
}

/// The results of one baseline on all replicates of a set of rows.
#[derive(Clone, Debug, PartialEq)]
pub struct BaselineScores<'s> {
    /// The name of the baseline.
    pub name: &'s str,
    /// The embedding that it uses, if it uses one.
    pub embedding: Option<&'s str>,
    /// The values of the axes that distinguish these rows from others, without replicate axes, by dotted key.
    pub settings: IndexMap<&'s str, &'s serde_json::Value>,
    /// The number of replicates.
    pub replicates: usize,
    /// The values of each metric, one per replicate that has it.
    pub metrics: BTreeMap<&'s str, Vec<f64>>,
    /// Why the first replicate of which it can't be computed has none.
    pub not_applicable: Option<&'s str>,
}

impl BaselineScores<'_> {
    /// Returns the mean of a metric over the replicates; none if no replicate has it.
    pub fn mean(&self, metric: &str) -> Option<f64> {
        self.metrics.get(metric).map(|values| values.iter().sum::<f64>() / values.len() as f64)
    }
}

impl Summary {
    /// Returns the results of the baselines, with those of replicates together, in the order of the records.
    pub fn baseline_scores(&self) -> Vec<BaselineScores<'_>> {
        let mut groups: Vec<BaselineScores<'_>> = Vec::new();
        for rows in &self.baselines {
            let varies = |(key, _): &(&String, &serde_json::Value)| {
                ReplicateAxis::of(key).is_none() && self.axes.get(key.as_str()).is_some_and(|values| values.len() > 1)
            };
            let settings: IndexMap<&str, &serde_json::Value> =
                rows.settings.iter().filter(varies).map(|(key, value)| (key.as_str(), value)).collect();
            for baseline in &rows.baselines {
                let (name, embedding) = (baseline.name.as_str(), baseline.embedding.as_deref());
                let is_same = |group: &BaselineScores<'_>| {
                    (group.name, group.embedding) == (name, embedding) && group.settings == settings
                };
                let place = groups.iter().position(is_same).unwrap_or_else(|| {
                    let (settings, metrics) = (settings.clone(), BTreeMap::new());
                    groups.push(BaselineScores {
                        name,
                        embedding,
                        settings,
                        replicates: 0,
                        metrics,
                        not_applicable: None,
                    });
                    groups.len() - 1
                });
                groups[place].replicates += 1;
                groups[place].not_applicable = groups[place].not_applicable.or(baseline.not_applicable.as_deref());
                for (metric, value) in &baseline.metrics {
                    groups[place].metrics.entry(metric.as_str()).or_default().push(*value);
                }
            }
        }
        groups
    }
}
