//! What enters: the scores of settings on replicated splits, and how the splits were made.

use std::collections::BTreeSet;

use emberline_base::Warning;
pub use emberline_base::record::answer::{Better, Noun, ScoredRows, Setting};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::absent::Absent;
use crate::bootstrap::EvaluatedRows;
use crate::corrected::Protocol;
use crate::{RowMetric, StudyError, looks};

/// A size that a small setting is preferred by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Size {
    /// The numbers per text.
    Dim,
    /// The bytes per text.
    Bytes,
    /// The seconds that it takes.
    Seconds,
}

/// The sizes of a setting.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Sizes {
    /// The numbers per text.
    pub dim: f64,
    /// The bytes per text.
    pub bytes: f64,
    /// The seconds that it takes.
    pub seconds: f64,
}

impl Sizes {
    /// Returns one of them.
    pub fn get(&self, size: Size) -> f64 {
        match size {
            Size::Dim => self.dim,
            Size::Bytes => self.bytes,
            Size::Seconds => self.seconds,
        }
    }
}

/// One trained model: a setting on a split, with a seed.
pub struct Run {
    /// The split, as a position among all splits of the study.
    pub split: usize,
    /// The id of its cell.
    pub cell: String,
    /// Its score on the rows that the answer is about; not finite if it has none.
    pub score: f64,
    /// Its score on the validation rows, if `score` is of test rows.
    pub validation: Option<f64>,
    /// The metric on those rows as a function of how often each counts, if its predictions are at hand.
    pub rows: Option<Box<dyn RowMetric>>,
}

/// One setting.
pub struct Arm {
    /// What it is called in sentences.
    pub label: String,
    /// Its axes.
    pub setting: Setting,
    /// Its sizes.
    pub sizes: Sizes,
    /// Its models.
    pub runs: Vec<Run>,
    /// Its cells without a score; those that ran are among `runs`, too.
    pub absent: Vec<Absent>,
}

/// How the smallest setting that is good enough is chosen.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Decide {
    /// The difference that doesn't matter, in units of the metric; none: nothing is chosen, the margins that are needed are told.
    pub margin: Option<f64>,
    /// What "small" means: the first that differs decides.
    pub prefer: Vec<Size>,
}

/// Everything that an answer is made from.
pub struct Study {
    /// The number of training rows of all settings, to be said in sentences; none unless other settings of the same question have
    /// other numbers, which are a study of their own ([`crate::together`]).
    pub labels: Option<usize>,
    /// The name of the metric, with the rows that it is of: `test_pr_auc`.
    pub metric: String,
    /// Which value is better.
    pub better: Better,
    /// Which rows it is of.
    pub scored: ScoredRows,
    /// What the settings differ by.
    pub noun: Noun,
    /// The settings, in the order of the plan.
    pub arms: Vec<Arm>,
    /// Whether all settings were scored on the same rows of each split; otherwise nothing is claimed.
    pub same_rows: bool,
    /// How the splits were made.
    pub protocol: Protocol,
    /// The rows that more of would help: those of the pool, or those of a shared evaluation file.
    pub labelled_rows: usize,
    /// The evaluated rows of each split, if predictions are at hand.
    pub evaluated: Option<EvaluatedRows>,
    /// The probability of a wrong claim that is accepted for all comparisons together: 0.05.
    pub alpha: f64,
    /// Whether this is a look of a sequential comparison ([`looks`]), which has its share of alpha.
    pub sequential: bool,
    /// How the smallest good enough setting is chosen.
    pub decide: Decide,
    /// The seed of the bootstrap.
    pub seed: u64,
    /// The draws of the bootstrap, at least [`crate::LEAST_DRAWS`].
    pub draws: usize,
    /// Warnings that are already known, such as cells that ended while they still improved.
    pub warnings: Vec<Warning>,
}

impl Study {
    /// Returns the level that tests of this study have.
    pub(crate) fn level(&self) -> f64 {
        if self.sequential { looks::alpha_of_look(self.alpha) } else { self.alpha }
    }

    /// Checks what would make every answer wrong.
    ///
    /// # Errors
    /// The first fault that is found.
    pub(crate) fn check(&self) -> Result<(), StudyError> {
        if !(self.alpha > 0.0 && self.alpha < 1.0) {
            return Err(StudyError::Alpha { alpha: self.alpha });
        }
        if let Some(margin) = self.decide.margin.filter(|margin| !(margin.is_finite() && *margin > 0.0)) {
            return Err(StudyError::Margin { margin });
        }
        match self.protocol {
            Protocol::Pool { rows, evaluated } if evaluated >= rows => {
                return Err(StudyError::Pool { rows, evaluated });
            }
            Protocol::Folds { folds } if folds < 2 => return Err(StudyError::Folds { folds }),
            Protocol::Pool { .. } | Protocol::Folds { .. } | Protocol::SharedRows => {}
        }
        self.check_arms()
    }

    fn check_arms(&self) -> Result<(), StudyError> {
        let known = self.evaluated.as_ref().map_or(0, EvaluatedRows::splits);
        let (mut labels, mut settings) = (BTreeSet::new(), BTreeSet::new());
        for arm in &self.arms {
            let mut axes: Vec<String> = arm.setting.iter().map(|(key, value)| format!("{key}={value}")).collect();
            axes.sort();
            if !labels.insert(&arm.label) || !settings.insert(axes) {
                return Err(StudyError::DuplicateSetting { label: arm.label.clone() });
            }
            if let Some(run) = arm.runs.iter().find(|run| run.rows.is_some() && run.split >= known) {
                return Err(StudyError::UnknownSplit { label: arm.label.clone(), split: run.split, known });
            }
        }
        Ok(())
    }
}
