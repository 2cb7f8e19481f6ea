//! The specification of a fit: everything that determines its numbers.

use emberline_base::{Features, Matrix, Monitor, Scores, Splits, Substream, Task, memory};
use emberline_metrics::Threshold;

use crate::Error;
use crate::decision::DecisionSpec;
use crate::head::Architecture;
use crate::metric;
use crate::optimizer::StepOptimizer;
use crate::settings::{Head, Loss, Train};
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

/// The properties that fits must share to be trained as one computation. They may differ in seed, learning rate, frozen
/// vectors, labels, epochs and callbacks.
#[derive(Clone, Debug, PartialEq)]
pub struct Shape {
    architecture: Architecture,
    optimizer: StepOptimizer,
    loss: Loss,
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
            loss: self.train.loss_for(self.task).ok()?,
            batch_size: self.train.batch_size,
            rows: self.targets.map(|_, targets| targets.rows()),
        })
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
        loss: Loss,
        order: &[usize],
        train: &Matrix,
        valid: &Matrix,
    ) -> (Scores, Option<Scores>) {
        let Self { task, targets, decision, .. } = self;
        let train = metric::basic(*task, loss, train, &targets.train.select(order));
        let rule = Threshold::ChosenBy(decision.threshold.unwrap_or_default());
        let score = |targets| metric::all(loss, &metric::predictions(*task, valid, targets), targets, rule);
        let valid = targets.valid.as_ref().map(score);
        (train, valid)
    }

    /// Returns the order of the training rows in an epoch, 1 for the first.
    pub(crate) fn epoch_order(&self, epoch: u32) -> Vec<usize> {
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
