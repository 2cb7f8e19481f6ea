//! From a study to its answer.
//!
//! The steps: which scores are comparable, what evidence there is, all pairs and their verdicts (Holm), ranks and the best group,
//! the smallest good enough setting, what would decide the rest.

use emberline_base::Warning;
use emberline_base::warning::Code;
use rayon::prelude::*;

use crate::answer::{Answer, GoodEnough, Level, Pair, Reason, Replicates, SettingAnswer};
use crate::comparable::Comparable;
use crate::evidence::{Evidence, row_deviation};
use crate::holm::{Adjusted, holm};
use crate::mcnemar::{disagreements, mcnemar};
use crate::noninferiority::{self, Step};
use crate::outlook::outlook;
use crate::ranks::{RankInterval, best_group, rank_intervals};
use crate::sentences::{opening, uncapitalised};
use crate::study::{ScoredRows, Setting, Study};
use crate::variance::variance_parts;
use crate::{Estimate, StudyError, edge, mean, student};

impl Study {
    /// Returns the answer.
    ///
    /// # Errors
    /// If the study contradicts itself; missing scores are no error, the answer says what they leave open.
    pub fn answer(&self) -> Result<Answer, StudyError> {
        self.check()?;
        let comparable = Comparable::of(self);
        let evidence = Evidence::of(self, &comparable);
        Ok(Solver { study: self, comparable, evidence }.answer())
    }

    /// Returns the score of the setting `a` minus that of `b`, given by their positions, and what it is evidence of; `None` if a
    /// setting can't be compared or the study contradicts itself. Nothing is adjusted: the caller knows the other comparisons.
    pub fn difference(&self, a: usize, b: usize) -> Option<(Level, Estimate)> {
        self.check().ok()?;
        let comparable = Comparable::of(self);
        let evidence = Evidence::of(self, &comparable)?;
        let position = |arm: usize| comparable.arms.iter().position(|&known| known == arm);
        let level = match &evidence {
            Evidence::Splits { .. } => Level::Embeddings,
            Evidence::Rows(_) => Level::Heads,
        };
        Some((level, evidence.difference(position(a)?, position(b)?)?))
    }
}

/// A study, and what is found of it.
pub(crate) struct Solver<'a> {
    pub(crate) study: &'a Study,
    pub(crate) comparable: Comparable<'a>,
    pub(crate) evidence: Option<Evidence>,
}

/// The verdict on two settings, as positions among the comparable ones.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Compared {
    pub(crate) a: usize,
    pub(crate) b: usize,
    /// Of `a` minus `b`.
    pub(crate) estimate: Estimate,
    pub(crate) adjusted: Adjusted,
}

impl Compared {
    /// The same, seen from `a`; none if it isn't about the two.
    fn of(self, a: usize, b: usize) -> Option<Self> {
        match (self.a, self.b) {
            pair if pair == (a, b) => Some(self),
            pair if pair == (b, a) => Some(Self { a, b, estimate: self.estimate.opposite(), ..self }),
            _ => None,
        }
    }
}

/// Returns the verdict on `a` and `b`, seen from `a`, among those on all pairs of `count` settings; none if it isn't among them.
fn between(compared: &[Compared], count: usize, a: usize, b: usize) -> Option<Compared> {
    let (first, second) = (a.min(b), a.max(b));
    // The pairs of the settings before the first of the two come before its own.
    let place = first * (2 * count - first - 1) / 2 + second.checked_sub(first + 1)?;
    compared.get(place)?.of(a, b)
}

/// Everything that follows from the pairs. Settings are positions among the comparable ones.
struct Verdicts {
    reason: Option<Reason>,
    leader: Option<usize>,
    ranks: Vec<RankInterval>,
    /// The best group, the best mean first.
    group: Vec<usize>,
    /// The leader against the others, the best mean first.
    pairs: Vec<Compared>,
    /// The number of all pairs.
    comparisons: usize,
    /// The search for the smallest good enough setting.
    steps: Vec<Step>,
}

impl Solver<'_> {
    fn answer(self) -> Answer {
        let means = self.mean_scores();
        let validation = self.validation_means();
        let order = self.best_first(&means);
        let Verdicts { reason, leader, ranks, group, pairs, comparisons, steps } = self.verdicts(&order);
        Answer {
            labels: self.study.labels,
            metric: self.study.metric.clone(),
            better: self.study.better,
            scored: self.study.scored,
            noun: self.study.noun,
            level: self.level(reason),
            reason,
            replicates: Replicates { splits: self.comparable.splits.len(), seeds: self.comparable.seeds() },
            leader: leader.map(|leader| self.setting(leader)),
            best_group: self.settings(&group),
            chosen_smallest: noninferiority::smallest(&steps).map(|arm| self.setting(arm)),
            good_enough: steps.iter().map(|step| self.step(step)).collect(),
            margin: self.study.decide.margin,
            settings: order
                .iter()
                .map(|&arm| self.setting_answer(arm, means[arm], validation[arm], ranks[arm]))
                .collect(),
            pairs: pairs.iter().map(|pair| self.pair(pair)).collect(),
            comparisons,
            alpha: self.study.level(),
            smallest_detectable: self.smallest_detectable(&pairs, comparisons),
            outlook: leader.filter(|_| reason.is_none()).and_then(|leader| outlook(&self, leader, &group, &pairs)),
            variance: self.variance(),
            warnings: self.warnings(&group),
            basis: None,
            fewer_labels: Vec::new(),
        }
    }

    /// Compares all pairs. If nothing can be claimed there is neither a best group nor a pair, and every rank is open.
    fn verdicts(&self, order: &[usize]) -> Verdicts {
        let compared = self.compare();
        let reason = self.reason(compared.is_some());
        let compared = compared.filter(|_| reason.is_none()).unwrap_or_default();
        let told_apart = self.told_apart(&compared);
        let top = order.first().filter(|_| reason.is_none());
        let best = top.map_or_else(Vec::new, |&top| best_group(order.len(), &told_apart, top));
        let leader = self.leader(order);
        let with_leader = |&b: &usize| between(&compared, order.len(), leader?, b);
        Verdicts {
            reason,
            leader,
            group: order.iter().copied().filter(|arm| best.binary_search(arm).is_ok()).collect(),
            pairs: order.iter().filter_map(with_leader).collect(),
            comparisons: compared.len(),
            steps: self.good_enough(&compared),
            ranks: rank_intervals(order.len(), &told_apart, &best),
        }
    }

    fn mean_scores(&self) -> Vec<f64> {
        let of_splits = self.comparable.means(|run| Some(run.score));
        of_splits.iter().map(|splits| mean(splits.as_deref().unwrap_or(&[]))).collect()
    }

    fn validation_means(&self) -> Vec<Option<f64>> {
        let value = |run: &crate::study::Run| match self.study.scored {
            ScoredRows::Validation => Some(run.score),
            ScoredRows::Test => run.validation,
        };
        self.comparable.means(value).iter().map(|splits| splits.as_deref().map(mean)).collect()
    }

    /// The comparable settings, the best mean first, equal ones in the order of the plan.
    fn best_first(&self, means: &[f64]) -> Vec<usize> {
        let mut order: Vec<usize> = (0..means.len()).collect();
        order.sort_by(|&a, &b| self.study.better.oriented(means[b]).total_cmp(&self.study.better.oriented(means[a])));
        order
    }

    /// The setting that the others are compared with. Trained heads are chosen on validation, and their difference stated on test
    /// rows; a claim about embeddings allows for the choice, since all pairs are tested.
    fn leader(&self, order: &[usize]) -> Option<usize> {
        let chosen: Option<Vec<f64>> = self.validation_means().into_iter().collect();
        match (&self.evidence, chosen) {
            (Some(Evidence::Rows(_)), Some(chosen)) => self.best_first(&chosen).first().copied(),
            _ => order.first().copied(),
        }
    }

    /// Compares all pairs, all of which must have an estimate: a family that lacks some would be adjusted for too few.
    fn compare(&self) -> Option<Vec<Compared>> {
        let evidence = self.evidence.as_ref()?;
        let count = self.comparable.arms.len();
        let pairs: Vec<(usize, usize)> = (0..count).flat_map(|a| (a + 1..count).map(move |b| (a, b))).collect();
        let estimates = evidence.all_differences()?;
        let p: Vec<f64> = estimates.par_iter().map(|estimate| estimate.p()).collect();
        let adjusted = holm(&p, self.study.level());
        let all = pairs.into_iter().zip(estimates).zip(adjusted);
        Some(all.map(|(((a, b), estimate), adjusted)| Compared { a, b, estimate, adjusted }).collect())
    }

    /// The pairs (better, worse) that are told apart.
    fn told_apart(&self, compared: &[Compared]) -> Vec<(usize, usize)> {
        let apart = compared.iter().filter(|pair| pair.adjusted.rejected);
        let order = |pair: &Compared| {
            let is_better = self.study.better.oriented(pair.estimate.value) > 0.0;
            if is_better { (pair.a, pair.b) } else { (pair.b, pair.a) }
        };
        apart.map(order).collect()
    }

    fn reason(&self, is_compared: bool) -> Option<Reason> {
        match self.comparable.arms.len() {
            0 => Some(Reason::NoScores),
            1 => Some(Reason::OneSetting),
            _ if !self.study.same_rows => Some(Reason::DifferentRows),
            _ if self.evidence.is_none() => Some(Reason::NoPredictions),
            _ if !is_compared => Some(Reason::Undefined),
            _ => None,
        }
    }

    fn level(&self, reason: Option<Reason>) -> Level {
        match (&self.evidence, reason) {
            (_, Some(_)) | (None, _) => Level::None,
            (Some(Evidence::Splits { .. }), None) => Level::Embeddings,
            (Some(Evidence::Rows(_)), None) => Level::Heads,
        }
    }

    /// The sequence from the largest setting to the smallest, each against every other by the interval that is printed of the
    /// pair. Equal sizes keep the order of the plan.
    fn good_enough(&self, compared: &[Compared]) -> Vec<Step> {
        if self.study.decide.prefer.is_empty() || compared.is_empty() {
            return Vec::new();
        }
        let mut order: Vec<usize> = (0..self.comparable.arms.len()).collect();
        let sizes = |arm: usize| self.study.arms[self.comparable.arms[arm]].sizes;
        order.sort_by(|&a, &b| {
            let by_size =
                self.study.decide.prefer.iter().map(|&size| sizes(b).get(size).total_cmp(&sizes(a).get(size)));
            by_size.fold(std::cmp::Ordering::Equal, std::cmp::Ordering::then)
        });
        // No interval is wider than at the level of the first comparison, and a critical value takes long.
        let freedom = compared.iter().map(|pair| pair.estimate.freedom).fold(f64::INFINITY, f64::min);
        let widest = student::critical(self.study.level() / compared.len() as f64, freedom);
        noninferiority::sequence(&order, self.study.decide.margin, |a, b, least| {
            let pair = between(compared, order.len(), a, b)?;
            let advantage = Estimate { value: self.study.better.oriented(pair.estimate.value), ..pair.estimate };
            let lowest = advantage.value - widest * advantage.error;
            Some(if lowest >= least { least } else { advantage.interval(pair.adjusted.alpha).low })
        })
    }

    /// The root mean square over the leader's pairs, at the level of the first comparison of Holm's procedure.
    fn smallest_detectable(&self, pairs: &[Compared], comparisons: usize) -> Option<f64> {
        let alpha = self.study.level() / comparisons.max(1) as f64;
        let evidence = self.evidence.as_ref()?;
        let squares: Option<Vec<f64>> =
            pairs.iter().map(|pair| Some(evidence.smallest_detectable(pair.a, pair.b, alpha)?.powi(2))).collect();
        squares.filter(|squares| !squares.is_empty()).map(|squares| mean(&squares).sqrt())
    }

    fn variance(&self) -> Option<crate::VarianceParts> {
        let scores = self.comparable.scores();
        (!scores.is_empty())
            .then(|| variance_parts(&scores, row_deviation(self.study, &self.comparable, self.evidence.as_ref())))
    }

    fn warnings(&self, group: &[usize]) -> Vec<Warning> {
        let arms: Vec<&Setting> = self.comparable.arms.iter().map(|&arm| &self.study.arms[arm].setting).collect();
        let found = self.comparable.warnings.iter().cloned().chain(edge::warnings(&arms, group));
        self.study.warnings.iter().cloned().chain(found.map(|warning| self.with_labels(warning))).collect()
    }

    /// Says of which number of labels a warning is, if there are several and it isn't the same of all.
    fn with_labels(&self, warning: Warning) -> Warning {
        let opening = self.study.labels.and_then(|labels| opening(&[labels]));
        match (opening, warning.code) {
            (None, _) | (_, Code::SameRows) => warning,
            (Some(opening), _) => Warning { text: opening + &uncapitalised(&warning.text), ..warning },
        }
    }

    pub(crate) fn setting(&self, arm: usize) -> Setting {
        self.study.arms[self.comparable.arms[arm]].setting.clone()
    }

    fn settings(&self, arms: &[usize]) -> Vec<Setting> {
        arms.iter().map(|&arm| self.setting(arm)).collect()
    }

    fn setting_answer(&self, arm: usize, mean: f64, validation: Option<f64>, ranks: RankInterval) -> SettingAnswer {
        let of_study = &self.study.arms[self.comparable.arms[arm]];
        let interval = self.evidence.as_ref().and_then(|evidence| evidence.score(arm));
        let interval = interval.map(|score| score.interval(self.study.level()));
        SettingAnswer {
            setting: of_study.setting.clone(),
            label: of_study.label.clone(),
            mean,
            low: interval.map(|interval| interval.low),
            high: interval.map(|interval| interval.high),
            rank_low: ranks.low,
            rank_high: ranks.high,
            test_mean: (self.study.scored == ScoredRows::Test).then_some(mean),
            validation_mean: validation,
            cells: of_study.runs.iter().map(|run| run.cell.clone()).collect(),
        }
    }

    fn pair(&self, pair: &Compared) -> Pair {
        let interval = pair.estimate.interval(pair.adjusted.alpha);
        Pair {
            a: self.setting(pair.a),
            b: self.setting(pair.b),
            difference: pair.estimate.value,
            low: interval.low,
            high: interval.high,
            p: pair.estimate.p(),
            p_holm: pair.adjusted.p,
            told_apart: pair.adjusted.rejected,
            interval_alpha: pair.adjusted.alpha,
            mcnemar_p: self.mcnemar_p(pair.a, pair.b),
        }
    }

    /// Of one model each, on the same rows, if the metric is the share of right answers.
    fn mcnemar_p(&self, a: usize, b: usize) -> Option<f64> {
        let right = |arm: usize| match self.comparable.runs[arm].as_slice() {
            [runs] if runs.len() == 1 => runs[0].rows.as_ref()?.right_answers(),
            _ => None,
        };
        let (only_a, only_b) = disagreements(&right(a)?, &right(b)?);
        Some(mcnemar(only_a, only_b))
    }

    fn step(&self, step: &Step) -> GoodEnough {
        let finite = |margin: f64| margin.is_finite().then_some(margin);
        GoodEnough {
            setting: self.setting(step.arm),
            needed_margin: finite(step.needed),
            supported_margin: finite(step.supported),
            accepted: step.passed,
        }
    }
}
