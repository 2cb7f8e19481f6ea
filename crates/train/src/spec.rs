//! The specification of a fit: everything that determines its numbers.

use emberline_base::{Features, Matrix, Monitor, Scores, SplitName, Splits, Substream, Task, memory};
use emberline_encoder::fine_tune::{HostEncoder, Memory};
use emberline_metrics::Threshold;

use crate::Error;
use crate::contrastive::Pair;
use crate::decision::DecisionSpec;
use crate::head::Architecture;
use crate::metric;
use crate::objective::Objective;
use crate::optimizer::StepOptimizer;
use crate::settings::{Clip, Contrastive, Head, Sampling, Train, class_of_row};
use crate::weights::{self, Tensor, Weights};

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
    /// The features of each split: vectors, bags of rows of a table that is fine-tuned, or token ids of an encoder that is.
    pub features: &'a Splits<Features>,
    /// The encoder that is fine-tuned, if the features are its token ids.
    pub encoder: Option<&'a HostEncoder>,
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

/// The number of batches whose rows are sorted by length together.
const BUCKET: usize = 50;

impl FitSpec<'_> {
    /// Returns the architecture of the head for these features and labels.
    pub fn architecture(&self) -> Architecture {
        Architecture::new(self.head, self.features.train.dim(), self.targets.train.cols())
    }

    /// Returns the settings by which an encoder is trained on pairs before the head, with the encoder; none if it isn't.
    pub(crate) fn contrastive(&self) -> Option<(Contrastive, &HostEncoder)> {
        self.train.contrastive.zip(self.encoder)
    }

    /// Returns the number of pairs that an encoder is trained on before the head, at most; none if it isn't.
    pub fn pairs(&self) -> Option<u64> {
        let (Contrastive { pairs, epochs, .. }, _) = self.contrastive()?;
        let of_row = u64::from(pairs).saturating_mul(u64::from(epochs)).saturating_mul(2);
        Some(of_row.saturating_mul(self.targets.train.rows() as u64))
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
    /// What the encoder takes, and the pairs that it is trained on.
    pub fn memory(&self) -> u64 {
        let batch = u64::from(self.train.batch_size).min(self.targets.train.rows() as u64).max(EVALUATION_ROWS);
        let units = self.architecture().units().saturating_mul(5 * batch);
        let rows: u64 = self.targets.iter().map(|(_, targets)| targets.rows() as u64).sum();
        let outputs = rows.saturating_mul(3 * self.targets.train.cols() as u64);
        let parameters = self.trained_parameters().saturating_mul(6);
        let head = parameters.saturating_add(units).saturating_add(outputs).saturating_mul(4);
        let pairs = self.pairs().unwrap_or(0).saturating_mul(size_of::<Pair>() as u64);
        head.saturating_add(self.encoder_memory()).saturating_add(pairs)
    }

    /// Estimates the bytes that training the encoder takes besides its trained numbers.
    fn encoder_memory(&self) -> u64 {
        let (Some(host), Features::Tokens { sequences, .. }) = (self.encoder, &self.features.train) else { return 0 };
        let longest = (0..sequences.texts()).map(|text| sequences.of_text(text).len()).max().unwrap_or(0);
        let batch = self
            .train
            .contrastive
            .map_or(self.train.batch_size, |contrastive| contrastive.batch_size.saturating_mul(2));
        let batch = (batch as usize).min(sequences.texts());
        encoder_overhead(&host.memory(batch, longest), host.parameters())
    }

    /// Estimates the bytes that creating a checkpoint takes: three numbers for every trained one, and these and the
    /// best one again in its file.
    pub(crate) fn checkpoint_memory(&self) -> u64 {
        self.trained_parameters().saturating_mul(7 * 4)
    }

    fn trained_parameters(&self) -> u64 {
        let embedding = match (&self.features.train, self.encoder) {
            (Features::Trainable(bags), _) => bags.table.values().len() as u64,
            (Features::Tokens { .. }, Some(host)) => host.trained_parameters(),
            (Features::Frozen(_) | Features::Mixed(_) | Features::Tokens { .. }, _) => 0,
        };
        self.architecture().parameters().saturating_add(embedding)
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
        let mut weights = Weights(self.embedding_weights()?);
        weights.0.extend(head.0);
        Ok(weights)
    }

    /// Returns the arrays of the embedding that are trained, with the values from which they start.
    pub(crate) fn embedding_weights(&self) -> Result<Vec<Tensor>, Error> {
        let tensor = |name: &str, shape, values| Tensor { name: name.into(), shape, values };
        match &self.features.train {
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
            Features::Tokens { .. } => {
                let host = self.encoder.ok_or_else(|| Error::Unsupported("there is no encoder for the token ids".into()))?;
                let arrays = host.start(self.seed)?.into_iter();
                Ok(arrays.map(|array| tensor(&weights::encoder_name(&array.name), array.shape, array.values)).collect())
            }
        }
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

    /// Returns the number of steps of an epoch.
    pub fn steps_per_epoch(&self) -> u64 {
        let with_head = self.encoder.filter(|_| self.train.contrastive.is_none());
        let batches = with_head.map_or(1, |host| self.train.encoder_training(host.scope()).accumulate);
        let rows_per_step = u64::from(self.train.batch_size).saturating_mul(u64::from(batches)).max(1);
        (self.targets.train.rows() as u64).div_ceil(rows_per_step)
    }

    /// Returns the learning rate of each step of an epoch, 1 for the first, at a learning rate that callbacks may have
    /// changed.
    pub(crate) fn learning_rates(&self, epoch: u32, learning_rate: f64) -> Vec<f64> {
        let steps = self.steps_per_epoch() as usize;
        let Some(schedule) = self.train.schedule else { return vec![learning_rate; steps] };
        let (before, all) = (u64::from(epoch - 1) * steps as u64, u64::from(self.train.epochs) * steps as u64);
        (0..steps as u64).map(|step| schedule.learning_rate(learning_rate, before + step, all)).collect()
    }

    /// Returns the training rows of an epoch, 1 for the first, in order. Under `sampling` they are drawn. Batches of an
    /// encoder that is fine-tuned hold texts of similar length, unless rows aren't shuffled.
    pub(crate) fn epoch_order(&self, epoch: u32) -> Vec<usize> {
        let order = match self.train.sampling {
            Some(Sampling::Balanced) => self.balanced_draw(epoch),
            None => self.epoch_permutation(epoch),
        };
        match &self.features.train {
            Features::Tokens { sequences, .. } if self.train.shuffle => {
                let stream = Substream::new(self.seed, &format!("batches/epoch/{epoch}"));
                batches_of_similar_length(order, self.train.batch_size as usize, stream, |row| {
                    sequences.of_text(row).len()
                })
            }
            _ => order,
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

/// Reorders shuffled rows so that the texts of a batch have similar lengths: of as many rows as [`BUCKET`] batches hold, each
/// batch takes those of the next lengths, and then the batches are shuffled. Rows that don't fill a batch stay last.
fn batches_of_similar_length(
    mut order: Vec<usize>,
    batch_size: usize,
    mut stream: Substream,
    length: impl Fn(usize) -> usize,
) -> Vec<usize> {
    let rest = order.split_off(order.len() - order.len() % batch_size);
    // The sort is stable: among texts of equal length, the order of the shuffle decides.
    order.chunks_mut(batch_size.saturating_mul(BUCKET)).for_each(|bucket| bucket.sort_by_key(|&row| length(row)));
    let mut batches: Vec<&[usize]> = order.chunks(batch_size).collect();
    stream.shuffle(&mut batches);
    batches.into_iter().flatten().copied().chain(rest).collect()
}

/// Estimates the bytes that training an encoder takes besides its trained numbers and the optimiser's state: the frozen
/// numbers, one gradient, what a batch leaves for the backward pass, and the whole encoder of the present values, by which an
/// epoch is scored, in two layouts.
fn encoder_overhead(memory: &Memory, parameters: u64) -> u64 {
    let Memory { frozen, trained, activations } = *memory;
    [frozen, trained, activations, parameters.saturating_mul(8)].into_iter().fold(0, u64::saturating_add)
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
            encoder: None,
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

    #[test]
    fn batches_hold_texts_of_similar_length_in_an_order_of_the_seed() {
        let lengths: Vec<usize> = (0..103).map(|row| row * 37 % 50).collect();
        let order = |seed| {
            let mut order: Vec<usize> = (0..103).collect();
            Substream::new(seed, "rows").shuffle(&mut order);
            batches_of_similar_length(order, 10, Substream::new(seed, "batches"), |row| lengths[row])
        };
        let first = order(1);
        assert_eq!(first, order(1));
        assert_ne!(first, order(2));
        let mut rows = first.clone();
        rows.sort_unstable();
        assert_eq!(rows, (0..103).collect::<Vec<_>>());
        let spread = |rows: &[usize]| {
            let lengths = || rows.iter().map(|&row| lengths[row]);
            lengths().max().unwrap_or(0) - lengths().min().unwrap_or(0)
        };
        assert!(first[..100].chunks(10).all(|batch| spread(batch) <= 6), "{first:?}");
        assert!(!first[..100].chunks(10).is_sorted_by_key(|batch| lengths[batch[0]]), "batches are shuffled");
    }
}
