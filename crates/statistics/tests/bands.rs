//! The bands that the answers must hold, on simulated experiments whose truth is known; the crate's README lists them.
//!
//! Seeds are fixed and were not chosen: they are 0, 1, 2, ... Each test prints its figures. Those marked as ignored take minutes
//! and are run by `ci/simulate.sh`.

use emberline_base::Substream;
use emberline_statistics::looks::LOOKS;
use emberline_statistics::{Answer, Decide, Level, Protocol, Study, mean};
use rayon::prelude::*;

mod simulation;

use simulation::{Split, Texts, World, folds, pool_splits, shared_splits, study};

/// A kind of experiment: what texts there are, and how they are split.
#[derive(Clone)]
struct Experiment {
    world: World,
    splitting: Splitting,
    /// The noise of each source: equal noise is equal quality.
    noise: Vec<f64>,
    splits: usize,
}

#[derive(Clone, Copy)]
enum Splitting {
    Pool { rows: usize, train: usize, evaluated: usize },
    Folds { rows: usize },
    Shared { pool: usize, train: usize, evaluated: usize },
}

impl Experiment {
    fn pool(world: World, rows: usize, train: usize, evaluated: usize, splits: usize) -> Self {
        Self { world, splitting: Splitting::Pool { rows, train, evaluated }, noise: vec![1.0; 2], splits }
    }

    fn with_noise(self, noise: Vec<f64>) -> Self {
        Self { noise, ..self }
    }

    /// Draws texts and splits, trains, and makes a study of it.
    fn study(&self, repetition: u64) -> Study {
        let mut stream = Substream::new(repetition, "simulation");
        let count = match self.splitting {
            Splitting::Pool { rows, .. } | Splitting::Folds { rows } => rows,
            Splitting::Shared { pool, evaluated, .. } => pool + evaluated,
        };
        let texts = Texts::draw(&self.world, count, &self.noise, &mut stream);
        let (splits, protocol): (Vec<Split>, Protocol) = match self.splitting {
            Splitting::Pool { rows, train, evaluated } => {
                (pool_splits(rows, train, evaluated, self.splits, &mut stream), Protocol::Pool { rows, evaluated })
            }
            Splitting::Folds { rows } => {
                (folds(rows, self.splits, &mut stream), Protocol::Folds { folds: self.splits })
            }
            Splitting::Shared { pool, train, evaluated } => {
                (shared_splits(pool, train, evaluated, self.splits, &mut stream), Protocol::SharedRows)
            }
        };
        study(&texts, &splits, protocol, protocol == Protocol::SharedRows)
    }

    fn answers(&self, repetitions: u64) -> Vec<Answer> {
        (0..repetitions).into_par_iter().map(|repetition| answer(&self.study(repetition))).collect()
    }
}

fn answer(study: &Study) -> Answer {
    study.answer().expect("a study without contradictions")
}

/// How many answers tell any pair apart. Every answer is about embeddings.
fn told_apart(answers: &[Answer]) -> usize {
    assert!(answers.iter().all(|answer| answer.level == Level::Embeddings));
    let any = |answer: &&Answer| answer.settings.iter().any(|setting| setting.rank_high < answer.settings.len());
    answers.iter().filter(any).count()
}

#[expect(clippy::print_stdout, reason = "the figures are what the test is run for")]
fn report(what: &str, found: usize, of: usize, band: &str) {
    println!("BAND {what}: {found} of {of} ({:.3}), {band}", found as f64 / of as f64);
}

/// Two equal sources, 200 repetitions: at most 18 are told apart.
fn holds_the_null(what: &str, experiment: &Experiment) {
    let found = told_apart(&experiment.answers(200));
    report(&format!("null, {what}, {} splits", experiment.splits), found, 200, "at most 18");
    assert!(found <= 18, "{what}: {found} of 200 pairs of equal sources are told apart");
}

#[test]
fn equal_sources_over_splits_of_a_pool() {
    for splits in [5, 10] {
        holds_the_null("pool of 1,000", &Experiment::pool(World::binary(0.3), 1_000, 500, 250, splits));
    }
}

#[test]
fn equal_sources_with_few_labels() {
    for splits in [5, 10] {
        holds_the_null("50 of 1,500 rows trained on", &Experiment::pool(World::binary(0.3), 1_500, 50, 300, splits));
    }
}

#[test]
fn equal_sources_over_folds() {
    for splits in [5, 10] {
        let pool = Experiment::pool(World::binary(0.3), 0, 0, 0, splits);
        holds_the_null("folds of 1,000", &Experiment { splitting: Splitting::Folds { rows: 1_000 }, ..pool });
    }
}

#[test]
#[ignore = "takes a minute: ci/simulate.sh"]
fn equal_sources_with_six_percent_of_positives() {
    for splits in [5, 10] {
        holds_the_null("6 % positives", &Experiment::pool(World::binary(0.06), 3_000, 1_500, 500, splits));
    }
}

#[test]
#[ignore = "takes a minute: ci/simulate.sh"]
fn equal_sources_of_six_classes() {
    for splits in [5, 10] {
        holds_the_null("six classes", &Experiment::pool(World::classes(6), 1_000, 500, 250, splits));
        holds_the_null(
            "six classes, trained on the rest",
            &Experiment::pool(World::classes(6), 1_000, 750, 250, splits),
        );
    }
}

#[test]
#[ignore = "takes minutes: ci/simulate.sh"]
fn equal_sources_on_a_shared_test_file() {
    for (splits, train) in [(5, 900), (10, 900), (5, 4_000), (10, 4_000)] {
        let splitting = Splitting::Shared { pool: train * 5 / 4, train, evaluated: 500 };
        let pool = Experiment::pool(World::binary(0.3), 0, 0, 0, splits);
        holds_the_null(&format!("500 shared rows, train {train}"), &Experiment { splitting, ..pool });
    }
}

/// 120 repetitions: at most 12 runs with any pair told apart, and so with a sole winner.
fn holds_the_family(sources: usize) {
    let experiment = Experiment::pool(World::binary(0.3), 1_000, 500, 250, 10).with_noise(vec![1.0; sources]);
    let answers = experiment.answers(120);
    let found = told_apart(&answers);
    let winners = answers.iter().filter(|answer| answer.best_group.len() == 1).count();
    report(&format!("{sources} equal sources, any pair told apart"), found, 120, "at most 12");
    report(&format!("{sources} equal sources, a sole winner"), winners, 120, "at most 12");
    assert!(found <= 12 && winners <= 12, "{sources}: {found}, {winners} winners");
}

#[test]
#[ignore = "takes a minute: ci/simulate.sh"]
fn six_equal_sources() {
    holds_the_family(6);
}

#[test]
#[ignore = "takes minutes: ci/simulate.sh"]
fn many_equal_sources() {
    holds_the_family(12);
    holds_the_family(24);
}

/// Noise 1.0 against 1.5, 60 repetitions: at least 15 are told apart, and always in the right order.
#[test]
fn a_real_difference_is_found() {
    let experiment = Experiment::pool(World::binary(0.3), 1_000, 500, 250, 10).with_noise(vec![1.0, 1.5]);
    let answers = experiment.answers(60);
    let found = told_apart(&answers);
    let differences: Vec<f64> =
        answers.iter().map(|answer| answer.settings[0].mean - answer.settings[1].mean).collect();
    report(&format!("power at a difference of {:.3}", mean(&differences)), found, 60, "at least 15");
    let wrong =
        answers.iter().filter(|answer| answer.pairs[0].told_apart && answer.pairs[0].a["embedding"] == 1).count();
    assert!(found >= 15 && wrong == 0, "{found} found, {wrong} the wrong way round");
}

/// The differences of two trained heads on fresh rows lie outside their intervals in at most 8 % of `pairs`.
fn holds_fresh_rows(what: &str, world: &World, noise: [f64; 2], train: usize, evaluated: usize) {
    const FRESH: usize = 10_000;
    let pairs = 400;
    let missed = |repetition: u64| {
        let mut stream = Substream::new(repetition, "fresh");
        let pool = train + evaluated;
        let texts = Texts::draw(world, pool + FRESH, &noise, &mut stream);
        let splits = pool_splits(pool, train, evaluated, 1, &mut stream);
        let answer = answer(&study(&texts, &splits, Protocol::Pool { rows: pool, evaluated }, true));
        assert_eq!(answer.level, Level::Heads);
        let fresh: Vec<usize> = (pool..pool + FRESH).collect();
        let score = |source: usize| {
            let model = texts.train(source, &splits[0].train);
            texts.metric(source, &model, &fresh).of(&[1; FRESH])
        };
        let pair = &answer.pairs[0];
        let sign = if pair.a["embedding"] == 0 { 1.0 } else { -1.0 };
        let truth = sign * (score(0) - score(1));
        !(pair.low..=pair.high).contains(&truth)
    };
    let found = (0..pairs).into_par_iter().filter(|&repetition| missed(repetition)).count();
    report(&format!("level 1 misses fresh rows, {what}"), found, pairs as usize, "at most 32");
    assert!(found <= 32, "{what}: {found} of {pairs} intervals miss");
}

#[test]
#[ignore = "takes a minute: ci/simulate.sh"]
fn heads_of_equal_sources_on_fresh_rows() {
    holds_fresh_rows("equal sources", &World::binary(0.3), [1.0, 1.0], 750, 250);
}

#[test]
#[ignore = "takes a minute: ci/simulate.sh"]
fn heads_with_six_percent_of_positives_on_fresh_rows() {
    holds_fresh_rows("6 % positives", &World::binary(0.06), [1.0, 1.0], 1_500, 500);
}

#[test]
#[ignore = "takes a minute: ci/simulate.sh"]
fn heads_of_unequal_sources_on_fresh_rows() {
    holds_fresh_rows("noise 1.0 against 1.5", &World::binary(0.3), [1.0, 1.5], 750, 250);
}

#[test]
#[ignore = "takes a minute: ci/simulate.sh"]
fn heads_of_six_classes_on_fresh_rows() {
    holds_fresh_rows("six classes", &World::classes(6), [1.0, 1.2], 750, 250);
}

/// An arm exactly `margin` worse than the best of some equal others is accepted in at most 5 %. The margin is the mean
/// difference over other repetitions; the arm is tested whatever comes before it in the sequence, which only helps it.
fn holds_the_margin(others: usize) {
    let noise: Vec<f64> = std::iter::once(1.2).chain(std::iter::repeat_n(1.0, others)).collect();
    let experiment = Experiment::pool(World::binary(0.3), 1_000, 500, 250, 10).with_noise(noise);
    let deficit = |repetition: u64| {
        let study = experiment.study(repetition);
        let scores: Vec<f64> =
            study.arms.iter().map(|arm| mean(&arm.runs.iter().map(|run| run.score).collect::<Vec<_>>())).collect();
        mean(&scores[1..]) - scores[0]
    };
    let deficits: Vec<f64> = (10_000..10_400u64).into_par_iter().map(deficit).collect();
    let margin = mean(&deficits);
    let accepted = |repetition: &u64| {
        let mut study = experiment.study(*repetition);
        study.decide = Decide { margin: Some(margin), ..study.decide };
        let answer = answer(&study);
        let step = answer.good_enough.iter().find(|step| step.setting["embedding"] == 0).expect("the smallest arm");
        step.needed_margin.is_some_and(|needed| needed < margin)
    };
    let found = (0..400u64).into_par_iter().filter(accepted).count();
    report(&format!("an arm {margin:.4} worse than the best of {others} is accepted"), found, 400, "at most 20");
    assert!(found <= 20, "{others} others: {found} of 400");
}

#[test]
#[ignore = "takes minutes: ci/simulate.sh"]
fn an_arm_that_is_a_margin_worse() {
    [1, 2, 8].into_iter().for_each(holds_the_margin);
}

/// Two equal sources, looked at after 5, 10, 20 and 40 splits: at most 18 of 200 runs are ever told apart.
#[test]
#[ignore = "takes a minute: ci/simulate.sh"]
fn equal_sources_in_a_sequence_of_looks() {
    let experiment = Experiment::pool(World::binary(0.3), 1_000, 500, 250, LOOKS[LOOKS.len() - 1]);
    let ever = |repetition: &u64| {
        let mut study = experiment.study(*repetition);
        study.sequential = true;
        // From the last look to the first: each has the splits of the one before it, and more.
        let mut at_look = |look: usize| {
            study.arms.iter_mut().for_each(|arm| arm.runs.truncate(look));
            told_apart(&[answer(&study)]) > 0
        };
        LOOKS.into_iter().rev().any(&mut at_look)
    };
    let found = (0..200u64).into_par_iter().filter(ever).count();
    report("null, looks at 5, 10, 20 and 40 splits", found, 200, "at most 18");
    assert!(found <= 18, "{found} of 200");
}
