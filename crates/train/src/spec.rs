//! What a fit is made from.

use emberline_base::{Features, Matrix, Monitor, Scores, Splits, Substream, Task, memory};

use crate::Error;
use crate::head::Architecture;
use crate::metric::{self, Threshold};
use crate::settings::{Head, Loss, Optimizer, Train};
use crate::weights::{Tensor, Weights};

/// Everything that decides a fit's numbers.
#[derive(Clone, Debug)]
pub struct FitSpec<'a> {
    /// The hidden layers.
    pub head: &'a Head,
    /// Epochs, batches, optimiser, loss.
    pub train: &'a Train,
    /// The seed of initialisation, order and dropout.
    pub seed: u64,
    /// What the labels ask.
    pub task: Task,
    /// The texts' vectors, or bags over a table to be tuned.
    pub features: &'a Splits<Features>,
    /// The labels as numbers, `[rows, outputs]` a split.
    pub targets: &'a Splits<Matrix>,
    /// The order in which epochs take the training rows, before they shuffle it; as they lie where there is none.
    pub order: Option<&'a [usize]>,
    /// What the best epoch is chosen by; none: the last epoch is kept.
    pub monitor: Option<Monitor>,
    /// Starts the head from these arrays instead of random ones.
    pub initial: Option<&'a Weights>,
}

/// What fits must have in common to be trained as one computation. They may differ in seed, learning rate, frozen
/// vectors, labels, epochs and callbacks.
#[derive(Clone, Debug, PartialEq)]
pub struct Shape {
    architecture: Architecture,
    optimizer: Optimizer,
    loss: Loss,
    batch_size: u32,
    /// Of every split.
    rows: Splits<usize>,
}

/// Rows whose logits are computed at once, where nothing is trained.
const EVALUATION_ROWS: u64 = 256;

impl FitSpec<'_> {
    /// The head for these features and labels.
    pub fn architecture(&self) -> Architecture {
        Architecture::new(self.head, self.features.train.dim(), self.targets.train.cols())
    }

    /// What a fit must share to be trained as one computation with this one; none where this one is trained alone, since
    /// it tunes its embedding.
    pub fn shape(&self) -> Option<Shape> {
        let frozen = matches!(self.features.train, Features::Frozen(_));
        Some(Shape {
            architecture: frozen.then(|| self.architecture())?,
            optimizer: self.train.optimizer.clone().with_learning_rate(0.0),
            loss: self.train.loss_for(self.task).ok()?,
            batch_size: self.train.batch_size,
            rows: self.targets.map(|_, targets| targets.rows()),
        })
    }

    /// The bytes that the fit takes beside its features, about: of every number that is trained there are the start, the
    /// present, the best, two that the optimiser remembers, and one that is on its way from one to another; of every unit,
    /// rows that are computed at once; of every output, the targets and logits of all rows.
    pub(crate) fn memory(&self) -> u64 {
        let batch = u64::from(self.train.batch_size).min(self.targets.train.rows() as u64).max(EVALUATION_ROWS);
        let of_units = self.architecture().units().saturating_mul(5 * batch);
        let rows: u64 = self.targets.iter().map(|(_, targets)| targets.rows() as u64).sum();
        let of_outputs = rows.saturating_mul(3 * self.targets.train.cols() as u64);
        let of_numbers = self.trained_numbers().saturating_mul(6);
        of_numbers.saturating_add(of_units).saturating_add(of_outputs).saturating_mul(4)
    }

    /// The bytes that a checkpoint takes while it is made: three numbers for every one that is trained, and with the best one
    /// once more in its file.
    pub(crate) fn checkpoint_memory(&self) -> u64 {
        self.trained_numbers().saturating_mul(7 * 4)
    }

    fn trained_numbers(&self) -> u64 {
        let table = match &self.features.train {
            Features::Tuned(bags) => bags.table.values().len() as u64,
            Features::Frozen(_) | Features::Mixed(_) => 0,
        };
        self.architecture().parameters().saturating_add(table)
    }

    /// What is tuned of the embedding first, then the head's arrays.
    pub(crate) fn starting_weights(&self, architecture: &Architecture) -> Result<Weights, Error> {
        let fresh = architecture.initial_weights(self.seed)?;
        let head = match self.initial {
            None => fresh,
            Some(given) => {
                let shapes = |w: &Weights| w.0.iter().map(|t| t.shape.clone()).collect::<Vec<_>>();
                if shapes(given) != shapes(&fresh) {
                    return Err(Error::Weights("the shapes given don't fit the head".into()));
                }
                given.clone()
            }
        };
        let mut weights = Weights(embedding_weights(&self.features.train)?);
        weights.0.extend(head.0);
        Ok(weights)
    }

    /// The scores of an epoch from its logits, training rows in their order, and validation.
    pub(crate) fn scores(
        &self,
        loss: Loss,
        order: &[usize],
        train: &Matrix,
        valid: &Matrix,
    ) -> (Scores, Option<Scores>) {
        let Self { task, targets, .. } = self;
        let train = metric::basic(*task, loss, train, &targets.train.select(order));
        let valid = targets.valid.as_ref().map(|targets| metric::all(*task, loss, valid, targets, Threshold::Best));
        (train, valid)
    }

    /// The training rows in the order of an epoch, 1 for the first.
    pub(crate) fn epoch_order(&self, epoch: u32) -> Vec<usize> {
        let mut order = self.order.map_or_else(|| (0..self.targets.train.rows()).collect(), <[usize]>::to_vec);
        if self.train.shuffle {
            Substream::new(self.seed, &format!("shuffle/epoch/{epoch}")).shuffle(&mut order);
        }
        order
    }
}

/// What of the embedding is trained along.
fn embedding_weights(features: &Features) -> Result<Vec<Tensor>, Error> {
    let tensor = |name: &str, shape, values| Tensor { name: name.into(), shape, values };
    match features {
        Features::Frozen(_) => Ok(Vec::new()),
        Features::Tuned(bags) if bags.table.rows() == 0 => {
            Err(Error::Unsupported("no word of the texts is in the embedding's table; nothing can be tuned".into()))
        }
        Features::Tuned(bags) => {
            let shape = vec![bags.table.rows(), bags.table.cols()];
            Ok(vec![tensor("embedding.table", shape, memory::copied(bags.table.values())?)])
        }
        Features::Mixed(layered) => Ok(vec![
            tensor("embedding.mix", vec![layered.layers], vec![0.0; layered.layers]),
            tensor("embedding.gamma", vec![1], vec![1.0]),
        ]),
    }
}
