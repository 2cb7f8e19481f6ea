//! The specification of a fit: everything that determines its numbers.

use emberline_base::{Features, Matrix, Monitor, Scores, SplitName, Splits, Substream, Task, memory};
use emberline_metrics::Threshold;

use crate::Error;
use crate::decision::DecisionSpec;
use crate::head::Architecture;
use crate::metric;
use crate::objective::Objective;
use crate::optimizer::StepOptimizer;
use crate::settings::{Clip, Head, Sampling, Train, class_of_row};
use crate::weights::{Tensor, Weights};

/// Everything that determines a fit's numbers.
#[derive(Clone, Debug)]
pub struct FitSpec<'a> {
    /// The hidden layers.
    pub head: &'a Head,
    /// Epochs, batch size, optimiser and loss.
    pub train: &'a Train,
    /// The seed of initialisation, shuffling and dropout.
    pub seed: u64,
    /// The classification task that the labels pose.
    pub task: Task,
    /// The names of the classes, by which `class_weight` weighs them. Binary: `[negative, positive]`.
    pub classes: &'a [String],
    /// The features of each split: vectors, or bags of rows of a table that is fine-tuned.
    pub features: &'a Splits<Features>,
    /// The labels as numbers, `[rows, outputs]` per split.
    pub targets: &'a Splits<Matrix>,
    /// The order of the training rows before an epoch shuffles them; none for the order of the features.
    pub order: Option<&'a [usize]>,
    /// The monitor by which the best epoch is chosen; none to keep the last epoch.
    pub monitor: Option<Monitor>,
    /// Weights from which the head starts, instead of random ones.
    pub initial: Option<&'a Weights>,
    /// How probabilities become decisions.
    pub decision: DecisionSpec<'a>,
}

/// The properties that fits must share to be trained as one computation. They may differ in seed, learning rate and its
/// schedule, frozen vectors, labels, epochs and callbacks.
#[derive(Clone, Debug, PartialEq)]
pub struct Shape {
    architecture: Architecture,
    optimizer: StepOptimizer,
    objective: Objective,
    clip: Option<Clip>,
    l2: Option<f64>,
    batch_size: u32,
    /// The number of rows of each split.
    rows: Splits<usize>,
}

/// The number of rows whose logits are computed at once during evaluation.
const EVALUATION_ROWS: u64 = 256;

impl FitSpec<'_> {
    /// Returns the architecture of the head for these features and labels.
    pub fn architecture(&self) -> Architecture {
        Architecture::new(self.head, self.features.train.dim(), self.targets.train.cols())
    }

    /// Returns what another fit must share to be trained with this one as one computation; none if this fit must be
    /// trained alone, since it tunes its embedding or takes no steps.
    pub fn shape(&self) -> Option<Shape> {
        let frozen = matches!(self.features.train, Features::Frozen(_));
        Some(Shape {
            architecture: frozen.then(|| self.architecture())?,
            optimizer: self.train.optimizer.stepwise()?.with_learning_rate(0.0),
            objective: self.objective().ok()?,
            clip: self.train.clip,
            l2: self.train.l2,
            batch_size: self.train.batch_size,
            rows: self.targets.map(|_, targets| targets.rows()),
        })
    }

    /// Returns the objective of the fit.
    ///
    /// # Errors
    /// When a setting doesn't suit the labels; the error says what to write instead.
    pub fn objective(&self) -> Result<Objective, String> {
        Objective::new(self.train, self.task, self.classes, &self.targets.train)
    }

    /// Estimates the bytes that the fit needs in addition to its features. Six copies of every trained number: the
    /// start, the current value, the best one, the optimiser's two moments, and one for transfers. Five numbers for
    /// every unit and every row that is computed at once. Three for every output and every row: the targets and logits.
    pub(crate) fn memory(&self) -> u64 {
        let batch = u64::from(self.train.batch_size).min(self.targets.train.rows() as u64).max(EVALUATION_ROWS);
        let units = self.architecture().units().saturating_mul(5 * batch);
        let rows: u64 = self.targets.iter().map(|(_, targets)| targets.rows() as u64).sum();
        let outputs = rows.saturating_mul(3 * self.targets.train.cols() as u64);
        let parameters = self.trained_parameters().saturating_mul(6);
        parameters.saturating_add(units).saturating_add(outputs).saturating_mul(4)
    }

    /// Estimates the bytes that creating a checkpoint takes: three numbers for every trained one, and these and the
    /// best one again in its file.
    pub(crate) fn checkpoint_memory(&self) -> u64 {
        self.trained_parameters().saturating_mul(7 * 4)
    }

    fn trained_parameters(&self) -> u64 {
        let table = match &self.features.train {
            Features::Trainable(bags) => bags.table.values().len() as u64,
            Features::Frozen(_) | Features::Mixed(_) => 0,
        };
        self.architecture().parameters().saturating_add(table)
    }

    /// Returns the starting weights: the trained arrays of the embedding first, then the head's.
    pub(crate) fn starting_weights(&self, architecture: &Architecture) -> Result<Weights, Error> {
        let fresh = architecture.initial_weights(self.seed)?;
        let head = match self.initial {
            None => fresh,
            Some(given) => {
                let shapes = |w: &Weights| w.0.iter().map(|t| t.shape.clone()).collect::<Vec<_>>();
                if shapes(given) != shapes(&fresh) {
                    return Err(Error::Weights("the given shapes don't match the head".into()));
                }
                given.clone()
            }
        };
        let mut weights = Weights(embedding_weights(&self.features.train)?);
        weights.0.extend(head.0);
        Ok(weights)
    }

    /// Computes the scores of an epoch from its logits: of the training rows in their order, and of the validation
    /// rows.
    pub(crate) fn scores(
        &self,
        objective: &Objective,
        order: &[usize],
        train: &Matrix,
        valid: &Matrix,
    ) -> (Scores, Option<Scores>) {
        let Self { task, targets, decision, .. } = self;
        let train = metric::basic(*task, (objective, SplitName::Train), train, &targets.train.select(order));
        let rule = Threshold::ChosenBy(decision.threshold.unwrap_or_default());
        let score = |targets| metric::all(objective, &metric::predictions(*task, valid, targets), targets, rule);
        let valid = targets.valid.as_ref().map(score);
        (train, valid)
    }

    /// Returns the learning rate of each step of an epoch, 1 for the first, at a learning rate that callbacks may have
    /// changed.
    pub(crate) fn learning_rates(&self, epoch: u32, learning_rate: f64) -> Vec<f64> {
        let steps = self.targets.train.rows().div_ceil(self.train.batch_size.max(1) as usize);
        let Some(schedule) = self.train.schedule else { return vec![learning_rate; steps] };
        let (before, all) = (u64::from(epoch - 1) * steps as u64, u64::from(self.train.epochs) * steps as u64);
        (0..steps as u64).map(|step| schedule.learning_rate(learning_rate, before + step, all)).collect()
    }

    /// Returns the training rows of an epoch, 1 for the first, in order. Under `sampling` they are drawn.
    pub(crate) fn epoch_order(&self, epoch: u32) -> Vec<usize> {
        match self.train.sampling {
            Some(Sampling::Balanced) => self.balanced_draw(epoch),
            None => self.epoch_permutation(epoch),
        }
    }

    /// Draws as many rows as there are, with replacement: a class, each equally often on average, then one of its rows.
    fn balanced_draw(&self, epoch: u32) -> Vec<usize> {
        let targets = &self.targets.train;
        let mut rows_of_classes = vec![Vec::new(); targets.cols().max(2)];
        for row in 0..targets.rows() {
            let class = class_of_row(targets.row(row)).unwrap_or(0);
            rows_of_classes[class].push(row);
        }
        rows_of_classes.retain(|rows| !rows.is_empty());
        let mut stream = Substream::new(self.seed, &format!("sampling/epoch/{epoch}"));
        let mut draw = |_| {
            let rows = &rows_of_classes[stream.below(rows_of_classes.len())];
            rows[stream.below(rows.len())]
        };
        (0..targets.rows()).map(&mut draw).collect()
    }

    fn epoch_permutation(&self, epoch: u32) -> Vec<usize> {
        let mut order = self.order.map_or_else(|| (0..self.targets.train.rows()).collect(), <[usize]>::to_vec);
        if self.train.shuffle {
            Substream::new(self.seed, &format!("shuffle/epoch/{epoch}")).shuffle(&mut order);
        }
        order
    }
}

/// Returns the arrays of the embedding that are trained together with the head.
fn embedding_weights(features: &Features) -> Result<Vec<Tensor>, Error> {
    let tensor = |name: &str, shape, values| Tensor { name: name.into(), shape, values };
    match features {
        Features::Frozen(_) => Ok(Vec::new()),
        Features::Trainable(bags) if bags.table.rows() == 0 => {
            Err(Error::Unsupported("no word of the texts is in the embedding's table, so there is nothing to fine-tune; use `trainable = false` or another embedding".into()))
        }
        Features::Trainable(bags) => {
            let shape = vec![bags.table.rows(), bags.table.cols()];
            Ok(vec![tensor("embedding.table", shape, memory::copied(bags.table.values())?)])
        }
        Features::Mixed(layered) => Ok(vec![
            tensor("embedding.mix", vec![layered.layers], vec![0.0; layered.layers]),
            tensor("embedding.gamma", vec![1], vec![1.0]),
        ]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Schedule;

    fn with_spec<R>(train: &Train, of: impl FnOnce(&FitSpec<'_>) -> R) -> R {
        let column: Vec<f32> = (0..200).map(|row| f32::from(u8::from(row % 20 == 3))).collect();
        let features = Splits { train: Features::Frozen(Matrix::zeros(200, 1)), valid: None, test: None };
        of(&FitSpec {
            head: &Head::default(),
            train,
            seed: 5,
            task: Task::Binary,
            classes: &[],
            features: &features,
            targets: &Splits { train: Matrix::new(200, 1, column), valid: None, test: None },
            order: None,
            monitor: None,
            initial: None,
            decision: DecisionSpec::default(),
        })
    }

    #[test]
    fn a_balanced_draw_has_every_class_equally_often() {
        let train = Train { sampling: Some(Sampling::Balanced), ..Train::default() };
        let draws = || with_spec(&train, |spec| [1, 2, 3, 4].map(|epoch| spec.epoch_order(epoch)));
        let [first, second, ..] = draws();
        assert_ne!(first, second, "every epoch draws anew");
        assert_eq!(draws(), draws(), "from the seed alone");
        let all = draws().concat();
        assert_eq!(all.len(), 800);
        let is_positive = |row: &usize| row % 20 == 3;
        // 800 draws with a probability of 1/2 each: 400 with a standard deviation of 14.
        let positive = all.iter().filter(|row| is_positive(row)).count();
        assert!((340..=460).contains(&positive), "{positive}");
        let drawn: std::collections::BTreeSet<usize> = all.into_iter().collect();
        assert!(drawn.iter().filter(|row| is_positive(row)).count() == 10 && drawn.len() > 150, "{drawn:?}");
    }

    #[test]
    fn rates_follow_the_schedule_from_epoch_to_epoch() {
        let train = Train { epochs: 4, batch_size: 64, schedule: Some(Schedule::Warmup(0.5)), ..Train::default() };
        let rates = with_spec(&train, |spec| [1, 2, 3].map(|epoch| spec.learning_rates(epoch, 0.8)));
        assert_eq!(rates[0], [0.0, 0.1, 0.2, 0.3].map(|rate: f64| rates_of(rate)));
        assert_eq!(rates[1], [0.4, 0.5, 0.6, 0.7].map(|rate: f64| rates_of(rate)));
        assert_eq!(rates[2], [0.8; 4]);
        let constant = with_spec(&Train { batch_size: 64, ..Train::default() }, |spec| spec.learning_rates(9, 0.25));
        assert_eq!(constant, [0.25; 4]);
    }

    /// Rounds as the schedule does: 0.8 times an eighth of the steps.
    fn rates_of(rate: f64) -> f64 {
        0.8 * (rate * 10.0).round() / 8.0
    }
}
