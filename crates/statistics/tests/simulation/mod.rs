//! Simulated experiments with known truth: texts, embeddings of known quality, real splits and trained classifiers.
//!
//! A text is a latent vector z = its class's mean + noise. A source of embeddings gives z + noise of its own, so that two sources
//! with equal noise are equally good, and differ on every text. A linear discriminant, the closed form of a linear head, is trained
//! on real splits of one pool; scores are correlated between splits as those of a pipeline are.

use emberline_base::Substream;
use emberline_statistics::{
    Area, Arm, Better, Decide, EvaluatedRows, MeanArea, MeanOfRows, Noun, Protocol, RowMetric, Run, ScoredRows, Size,
    Sizes, Study,
};
use serde_json::json;

mod discriminant;

pub(crate) use discriminant::Discriminant;

/// The numbers of a vector.
pub(crate) const DIM: usize = 8;

/// A vector of a text.
pub(crate) type Vector = [f64; DIM];

/// What texts there are.
#[derive(Clone, Debug)]
pub(crate) struct World {
    /// The share of each class.
    pub(crate) shares: Vec<f64>,
    /// How far class means lie from the origin.
    pub(crate) separation: f64,
}

impl World {
    /// Two classes, a share of the second one.
    pub(crate) fn binary(positive: f64) -> Self {
        Self { shares: vec![1.0 - positive, positive], separation: 2.0 }
    }

    /// Classes of equal size.
    pub(crate) fn classes(count: usize) -> Self {
        Self { shares: vec![1.0 / count as f64; count], separation: 2.0 }
    }

    /// The first class of two lies at the origin; those of several lie on axes of their own.
    fn mean(&self, class: usize) -> Vector {
        let mut mean = [0.0; DIM];
        if self.shares.len() > 2 || class == 1 {
            mean[class % DIM] = self.separation;
        }
        mean
    }
}

/// A standard normal number (Box and Muller).
pub(crate) fn normal(stream: &mut Substream) -> f64 {
    let uniform = |stream: &mut Substream| ((stream.bits() >> 11) as f64 + 0.5) / (1u64 << 53) as f64;
    let radius = (-2.0 * uniform(stream).ln()).sqrt();
    radius * (std::f64::consts::TAU * uniform(stream)).cos()
}

/// Labelled texts as several sources embed them.
pub(crate) struct Texts {
    /// The class of each text.
    pub(crate) classes: Vec<usize>,
    /// By source and text.
    pub(crate) sources: Vec<Vec<Vector>>,
    world: World,
}

impl Texts {
    /// Draws `count` texts, with a source for each standard deviation of `noise`.
    pub(crate) fn draw(world: &World, count: usize, noise: &[f64], stream: &mut Substream) -> Self {
        let mut texts = Self { classes: Vec::new(), sources: vec![Vec::new(); noise.len()], world: world.clone() };
        for _ in 0..count {
            let mut at = (stream.bits() >> 11) as f64 / (1u64 << 53) as f64;
            let within = |share: &f64| {
                at -= share;
                at < 0.0
            };
            let class = world.shares.iter().position(within).unwrap_or(world.shares.len() - 1);
            let latent = world.mean(class).map(|mean| mean + normal(stream));
            for (source, noise) in texts.sources.iter_mut().zip(noise) {
                source.push(latent.map(|value| value + noise * normal(stream)));
            }
            texts.classes.push(class);
        }
        texts
    }

    /// Trains a classifier of `source` on `train`.
    pub(crate) fn train(&self, source: usize, train: &[usize]) -> Discriminant {
        let rows = train.iter().map(|&row| (&self.sources[source][row], self.classes[row]));
        Discriminant::fit(rows, self.world.shares.len())
    }

    /// The metric of a classifier on `rows`: average precision of two classes, accuracy of several.
    pub(crate) fn metric(&self, source: usize, model: &Discriminant, rows: &[usize]) -> Box<dyn RowMetric> {
        if self.world.shares.len() == 2 {
            let scores: Vec<f64> = rows.iter().map(|&row| model.margin(&self.sources[source][row])).collect();
            let positive: Vec<bool> = rows.iter().map(|&row| self.classes[row] == 1).collect();
            return Box::new(MeanArea::of_scores(Area::PrecisionRecall, &scores, &positive));
        }
        let right = |&row: &usize| model.predict(&self.sources[source][row]) == self.classes[row];
        Box::new(MeanOfRows::accuracy(&rows.iter().map(right).collect::<Vec<_>>()))
    }
}

/// The rows of a split.
#[derive(Clone, Debug)]
pub(crate) struct Split {
    /// Those to train on.
    pub(crate) train: Vec<usize>,
    /// Those to evaluate on.
    pub(crate) evaluated: Vec<usize>,
}

/// Random splits of the first `pool` rows.
pub(crate) fn pool_splits(
    pool: usize,
    train: usize,
    evaluated: usize,
    count: usize,
    stream: &mut Substream,
) -> Vec<Split> {
    let mut rows: Vec<usize> = (0..pool).collect();
    let mut one = || {
        stream.shuffle(&mut rows);
        Split { evaluated: rows[..evaluated].to_vec(), train: rows[evaluated..evaluated + train].to_vec() }
    };
    (0..count).map(|_| one()).collect()
}

/// The folds of a cross-validation of the first `pool` rows.
pub(crate) fn folds(pool: usize, count: usize, stream: &mut Substream) -> Vec<Split> {
    let mut rows: Vec<usize> = (0..pool).collect();
    stream.shuffle(&mut rows);
    let of_fold = |fold: usize, inside: bool| -> Vec<usize> {
        rows.iter().enumerate().filter(|(at, _)| (at % count == fold) == inside).map(|(_, &row)| row).collect()
    };
    (0..count).map(|fold| Split { evaluated: of_fold(fold, true), train: of_fold(fold, false) }).collect()
}

/// Draws of training rows from `pool` rows, all evaluated on the same rows behind them.
pub(crate) fn shared_splits(
    pool: usize,
    train: usize,
    evaluated: usize,
    count: usize,
    stream: &mut Substream,
) -> Vec<Split> {
    let mut splits = pool_splits(pool, train, 0, count, stream);
    for split in &mut splits {
        split.evaluated = (pool..pool + evaluated).collect();
    }
    splits
}

/// Trains every source on every split, and makes a study of it. `with_rows`: whether predictions are kept.
pub(crate) fn study(texts: &Texts, splits: &[Split], protocol: Protocol, with_rows: bool) -> Study {
    let arms = (0..texts.sources.len()).map(|source| arm(texts, source, splits, with_rows)).collect();
    let keys: Vec<Vec<usize>> = splits.iter().map(|split| split.evaluated.clone()).collect();
    Study {
        labels: None,
        metric: "test_score".to_owned(),
        better: Better::Higher,
        scored: ScoredRows::Test,
        noun: Noun::Embedding,
        same_rows: true,
        arms,
        protocol,
        labelled_rows: texts.classes.len(),
        evaluated: with_rows.then(|| EvaluatedRows::from_keys(&keys)),
        alpha: 0.05,
        sequential: false,
        decide: Decide { margin: None, prefer: vec![Size::Dim] },
        seed: 1,
        draws: 0,
        warnings: Vec::new(),
    }
}

fn arm(texts: &Texts, source: usize, splits: &[Split], with_rows: bool) -> Arm {
    let run = |(split, rows): (usize, &Split)| {
        let metric = texts.metric(source, &texts.train(source, &rows.train), &rows.evaluated);
        let score = metric.of(&vec![1; rows.evaluated.len()]);
        Run { split, cell: format!("{source}-{split}"), score, validation: None, rows: with_rows.then_some(metric) }
    };
    Arm {
        label: format!("source-{source}"),
        setting: [("embedding".to_owned(), json!(source))].into_iter().collect(),
        sizes: Sizes { dim: source as f64, bytes: 0.0, seconds: 0.0 },
        runs: splits.iter().enumerate().map(run).collect(),
        absent: Vec::new(),
    }
}
