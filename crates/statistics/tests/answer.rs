//! From scores to an answer: levels of claim, what is left out, what is refused, and the format that is stored.

use emberline_base::warning::Code;
use emberline_statistics::looks::NextStep;
use emberline_statistics::{
    Absence, Absent, Answer, Arm, Better, Decide, EvaluatedRows, Level, MeanOfRows, Noun, Protocol, Reason, RowMetric,
    Run, ScoredRows, Size, Sizes, Study, StudyError, next_step, together,
};
use serde_json::json;

/// Ten rows of which the first `right` are answered rightly.
fn accuracy(right: usize) -> MeanOfRows {
    MeanOfRows::accuracy(&(0..10).map(|row| row < right).collect::<Vec<_>>())
}

fn arm(name: &str, dim: f64, scores: &[f64]) -> Arm {
    let run = |(split, &score): (usize, &f64)| Run {
        split,
        cell: format!("{name}-{split}"),
        score,
        validation: Some(score + 0.05),
        rows: None,
    };
    let absent = |(split, _): (usize, &f64)| Absent { cell: format!("{name}-{split}"), why: Absence::Itself };
    Arm {
        label: name.to_owned(),
        setting: [("embedding".to_owned(), json!(name)), ("embedding.dim".to_owned(), json!(dim))]
            .into_iter()
            .collect(),
        sizes: Sizes { dim, bytes: dim * 4.0, seconds: 1.0 },
        runs: scores.iter().enumerate().map(run).collect(),
        absent: scores.iter().enumerate().filter(|(_, score)| !score.is_finite()).map(absent).collect(),
    }
}

fn study(arms: Vec<Arm>) -> Study {
    Study {
        labels: None,
        metric: "test_accuracy".to_owned(),
        better: Better::Higher,
        scored: ScoredRows::Test,
        noun: Noun::Setting,
        same_rows: true,
        arms,
        protocol: Protocol::Pool { rows: 1_000, evaluated: 250 },
        labelled_rows: 1_000,
        evaluated: None,
        alpha: 0.05,
        sequential: false,
        decide: Decide { margin: Some(0.02), prefer: vec![Size::Dim, Size::Bytes] },
        seed: 7,
        draws: 0,
        warnings: Vec::new(),
    }
}

fn answer(study: &Study) -> Answer {
    study.answer().expect("a study without contradictions")
}

const GOOD: [f64; 5] = [0.80, 0.81, 0.79, 0.82, 0.80];
const CLOSE: [f64; 5] = [0.799, 0.811, 0.789, 0.819, 0.801];
const POOR: [f64; 5] = [0.60, 0.62, 0.58, 0.63, 0.61];

#[test]
fn the_stored_format_is_the_documented_one() {
    let found = answer(&study(vec![arm("a", 64.0, &GOOD), arm("b", 32.0, &CLOSE), arm("c", 16.0, &POOR)]));
    let stored = serde_json::to_value(&found).expect("JSON");
    for key in
        ["metric", "level", "best_group", "chosen_smallest", "settings", "pairs", "smallest_detectable", "warnings"]
    {
        assert!(stored.get(key).is_some(), "{key}");
    }
    assert_eq!(stored["level"], "embeddings");
    assert_eq!(stored["replicates"], json!({ "splits": 5, "seeds": 1 }));
    assert_eq!(stored["best_group"][0], json!({ "embedding": "a", "embedding.dim": 64.0 }));
    for key in ["setting", "mean", "low", "high", "rank_low", "rank_high", "test_mean", "cells"] {
        assert!(stored["settings"][0].get(key).is_some(), "{key}");
    }
    for key in ["a", "b", "difference", "low", "high", "p", "p_holm", "told_apart"] {
        assert!(stored["pairs"][0].get(key).is_some(), "{key}");
    }
    assert_eq!(serde_json::from_value::<Answer>(stored).expect("reads back"), found);
    let schema = schemars::schema_for!(Answer).to_value();
    assert!(schema["properties"]["pairs"].is_object());
}

#[test]
fn ranks_group_and_smallest_follow_from_the_pairs() {
    let found = answer(&study(vec![arm("a", 64.0, &GOOD), arm("b", 32.0, &CLOSE), arm("c", 16.0, &POOR)]));
    let ranks: Vec<(usize, usize)> = found.settings.iter().map(|s| (s.rank_low, s.rank_high)).collect();
    assert_eq!(ranks, [(1, 2), (1, 2), (3, 3)]);
    assert_eq!(found.best_group.len(), 2);
    assert_eq!((found.comparisons, found.pairs.len()), (3, 2));
    // b is within the margin of both, c is the first failure.
    assert_eq!(found.chosen_smallest.as_ref().map(|setting| setting["embedding"].clone()), Some(json!("b")));
    let accepted: Vec<bool> = found.good_enough.iter().map(|step| step.accepted).collect();
    assert_eq!(accepted, [true, true, false]);
    assert!(found.good_enough[2].supported_margin.expect("comparable") > 0.19);
    assert!((found.settings[0].validation_mean.expect("known") - found.settings[0].mean - 0.05).abs() < 1e-12);
}

/// The figures of one pair, by hand: the difference is constant but for one split.
#[test]
fn a_pair_has_the_corrected_error() {
    let found =
        answer(&study(vec![arm("a", 1.0, &[0.9, 0.8, 0.9, 0.8, 0.9]), arm("b", 2.0, &[0.8, 0.7, 0.8, 0.7, 0.7])]));
    let pair = &found.pairs[0];
    assert!((pair.difference - 0.12).abs() < 1e-12);
    // s^2 = 0.002, K = 5, c = 1/3: SE = sqrt(0.002 * 8 / 15), t(0.975, 4) = 2.776445
    let half = 2.776_445_105_197_793 * (0.002f64 * 8.0 / 15.0).sqrt();
    assert!((pair.high - pair.difference - half).abs() < 1e-9 && (pair.difference - pair.low - half).abs() < 1e-9);
    assert_eq!(pair.p, pair.p_holm, "a single comparison");
}

/// A difference of one row of 250 in each of five splits is nothing that splits can't hide; one of 50 rows is.
#[test]
fn what_does_not_vary_is_not_certain() {
    for (difference, told_apart) in [(0.004, false), (0.2, true), (0.0, false)] {
        let found = answer(&study(vec![arm("a", 1.0, &[0.75 + difference; 5]), arm("b", 2.0, &[0.75; 5])]));
        let pair = &found.pairs[0];
        assert_eq!(pair.told_apart, told_apart, "{pair:?}");
        assert_eq!(pair.low == pair.high, difference == 0.0, "equal scores of every split are certain: {pair:?}");
    }
}

#[test]
fn seeds_are_averaged_and_never_count_as_splits() {
    let mut arms = vec![arm("a", 1.0, &GOOD), arm("b", 2.0, &CLOSE)];
    let before = answer(&study(arms));
    arms = vec![arm("a", 1.0, &GOOD), arm("b", 2.0, &CLOSE)];
    for arm in &mut arms {
        let again: Vec<Run> = arm
            .runs
            .iter()
            .map(|run| Run {
                split: run.split,
                cell: run.cell.clone(),
                score: run.score,
                validation: run.validation,
                rows: None,
            })
            .collect();
        arm.runs.extend(again);
    }
    let after = answer(&study(arms));
    assert_eq!((after.replicates.splits, after.replicates.seeds), (5, 2));
    assert_eq!(before.pairs, after.pairs);
}

#[test]
fn four_splits_say_nothing_of_embeddings() {
    let found = answer(&study(vec![arm("a", 1.0, &GOOD[..4]), arm("b", 2.0, &POOR[..4])]));
    assert_eq!((found.level, found.reason), (Level::None, Some(Reason::NoPredictions)));
    assert!(found.best_group.is_empty() && found.pairs.is_empty() && found.chosen_smallest.is_none());
    assert!(found.settings.iter().all(|setting| setting.low.is_none()), "means are told, without intervals");
}

#[test]
fn predictions_of_one_split_compare_the_heads() {
    let mut arms = vec![arm("a", 1.0, &[0.9]), arm("b", 2.0, &[0.5])];
    for (arm, right) in arms.iter_mut().zip([9, 5]) {
        arm.runs[0].rows = Some(Box::new(accuracy(right)) as Box<dyn RowMetric>);
    }
    // Chosen by validation: the first isn't the best on test rows.
    arms[1].runs[0].validation = Some(0.99);
    let rows = EvaluatedRows::from_keys(&[(0..10).collect::<Vec<u32>>()]);
    let found = answer(&Study { evaluated: Some(rows), ..study(arms) });
    assert_eq!(found.level, Level::Heads);
    assert_eq!(found.leader.as_ref().map(|leader| leader["embedding"].clone()), Some(json!("b")));
    let pair = &found.pairs[0];
    assert!((pair.difference + 0.4).abs() < 1e-12 && pair.told_apart, "{pair:?}");
    // `scipy.stats.binomtest(0, 4).pvalue`
    assert!((pair.mcnemar_p.expect("accuracy") - 0.125).abs() < 1e-12);
    assert_eq!(found.best_group[0]["embedding"], json!("a"));
}

#[test]
fn shared_rows_need_predictions() {
    let shared = |arms| Study { protocol: Protocol::SharedRows, ..study(arms) };
    let found = answer(&shared(vec![arm("a", 1.0, &GOOD), arm("b", 2.0, &POOR)]));
    assert_eq!(found.reason, Some(Reason::NoPredictions));
    let mut arms = vec![arm("a", 1.0, &[0.9; 5]), arm("b", 2.0, &[0.5; 5])];
    for (arm, right) in arms.iter_mut().zip([9, 5]) {
        arm.runs.iter_mut().for_each(|run| run.rows = Some(Box::new(accuracy(right)) as Box<dyn RowMetric>));
    }
    let rows = EvaluatedRows::from_keys(&vec![(0..10).collect::<Vec<u32>>(); 5]);
    let found = answer(&Study { evaluated: Some(rows), ..shared(arms) });
    assert_eq!(found.level, Level::Embeddings);
    let width = found.pairs[0].high - found.pairs[0].low;
    assert!(width > 0.3, "ten rows say little, though no split differs from another: {width}");
}

#[test]
fn what_lacks_scores_is_left_out_and_named() {
    let mut failed = POOR.to_vec();
    failed[3] = f64::NAN;
    let third = arm("c", 3.0, &failed);
    let found = answer(&study(vec![arm("a", 1.0, &GOOD), arm("b", 2.0, &CLOSE), third]));
    assert_eq!((found.settings.len(), found.replicates.splits), (2, 5));
    let warning = found.warnings.iter().find(|warning| warning.code == Code::SettingLeftOut).expect("a warning");
    assert!(warning.text.contains("`c`") && warning.cells == ["c-3"], "{warning:?}");
    assert!(
        warning.text.ends_with(
            "1 cell failed by itself and would fail again: change its settings, or take them out of the grid."
        )
    );
}

#[test]
fn every_cause_of_an_absent_score_has_its_own_cure() {
    let absent = |why| Absent { cell: "c".to_owned(), why };
    for (why, cure) in [
        (Absence::NotRun, "2 cells haven't run yet: `run` trains them."),
        (Absence::Surroundings, "2 cells failed because of their surroundings: the next `run` tries them again."),
        (Absence::Itself, "2 cells failed by themselves and would fail again: change their settings"),
        (Absence::Unmeasured, "2 cells ended without this metric"),
    ] {
        let lacking = Arm { absent: vec![absent(why), absent(why)], ..arm("c", 3.0, &POOR[..1]) };
        let found = answer(&study(vec![arm("a", 1.0, &GOOD), arm("b", 2.0, &CLOSE), lacking]));
        let warning = found.warnings.iter().find(|warning| warning.code == Code::SettingLeftOut).expect("a warning");
        assert!(warning.text.contains(cure) && !warning.text.contains("--retry-failed"), "{}", warning.text);
    }
}

#[test]
fn a_split_that_one_setting_lacks_is_not_counted_if_enough_are_left() {
    let long: Vec<f64> = GOOD.iter().chain(&CLOSE).copied().collect();
    let found = answer(&study(vec![arm("a", 1.0, &long), arm("b", 2.0, &long[..7])]));
    assert_eq!((found.settings.len(), found.replicates.splits), (2, 7));
    assert!(found.warnings.iter().any(|warning| warning.code == Code::SplitsLeftOut));
}

#[test]
fn validation_rows_are_warned_of_and_an_edge_is_named() {
    let arms = vec![arm("a", 16.0, &POOR), arm("a2", 32.0, &[0.7, 0.71, 0.69, 0.72, 0.70]), arm("a3", 64.0, &GOOD)];
    let found = answer(&Study { scored: ScoredRows::Validation, ..study(arms) });
    let codes: Vec<Code> = found.warnings.iter().map(|warning| warning.code).collect();
    assert_eq!(codes, [Code::SameRows, Code::AtTheEdge]);
    assert!(found.settings.iter().all(|setting| setting.test_mean.is_none() && setting.validation_mean.is_some()));
}

#[test]
fn a_look_of_a_sequence_has_a_quarter_of_alpha() {
    let arms = || vec![arm("a", 1.0, &GOOD), arm("b", 2.0, &POOR)];
    let (once, look) = (answer(&study(arms())), answer(&Study { sequential: true, ..study(arms()) }));
    assert!((look.alpha - 0.0125).abs() < 1e-15 && look.pairs[0].low < once.pairs[0].low);
    assert_eq!(next_step(&look), NextStep::Decided);
    let open = answer(&Study { sequential: true, ..study(vec![arm("a", 1.0, &GOOD), arm("b", 2.0, &CLOSE)]) });
    assert_eq!(next_step(&open), NextStep::Continue { splits: 10 });
}

/// One number of labels that isn't decided keeps a sequence going, and a hopeless one doesn't end it before the others.
#[test]
fn a_sequence_ends_when_every_number_of_labels_has() {
    let look = |labels, arms| answer(&Study { sequential: true, labels: Some(labels), ..study(arms) });
    let clear = || vec![arm("a", 1.0, &GOOD), arm("b", 2.0, &POOR)];
    let open = || vec![arm("a", 1.0, &GOOD), arm("b", 2.0, &CLOSE)];
    let next = |answers| next_step(&together(answers).expect("answers"));
    assert_eq!(next(vec![look(200, clear()), look(50, clear())]), NextStep::Decided);
    assert_eq!(next(vec![look(200, clear()), look(50, open())]), NextStep::Continue { splits: 10 });
    let alone = vec![arm("a", 1.0, &GOOD)];
    assert_eq!(next(vec![look(200, clear()), look(50, alone)]), NextStep::GiveUp);
    assert_eq!(together(Vec::new()), None);
}

#[test]
fn warnings_say_of_which_number_of_labels_they_are() {
    let arms = vec![arm("a", 16.0, &POOR), arm("a2", 32.0, &[0.7, 0.71, 0.69, 0.72, 0.70]), arm("a3", 64.0, &GOOD)];
    let found = answer(&Study { scored: ScoredRows::Validation, labels: Some(1_000), ..study(arms) });
    let texts: Vec<&str> = found.warnings.iter().map(|warning| warning.text.as_str()).collect();
    assert!(texts[0].starts_with("The scores are of validation rows"), "the same of all numbers: {texts:?}");
    assert!(texts[1].starts_with("With 1,000 labels, the best lies at the highest value"), "{texts:?}");
}

#[test]
fn contradictions_are_refused() {
    let arms = || vec![arm("a", 1.0, &GOOD), arm("b", 2.0, &POOR)];
    let error = |study: Study| study.answer().expect_err("a contradiction");
    let pool = Protocol::Pool { rows: 10, evaluated: 10 };
    assert_eq!(error(Study { protocol: pool, ..study(arms()) }), StudyError::Pool { rows: 10, evaluated: 10 });
    assert_eq!(
        error(Study { protocol: Protocol::Folds { folds: 1 }, ..study(arms()) }),
        StudyError::Folds { folds: 1 }
    );
    assert_eq!(error(Study { alpha: 1.0, ..study(arms()) }), StudyError::Alpha { alpha: 1.0 });
    let decide = Decide { margin: Some(0.0), prefer: Vec::new() };
    assert_eq!(error(Study { decide, ..study(arms()) }), StudyError::Margin { margin: 0.0 });
    let twice = vec![arm("a", 1.0, &GOOD), arm("a", 1.0, &POOR)];
    assert_eq!(error(study(twice)), StudyError::DuplicateSetting { label: "a".to_owned() });
    let mut unknown = arms();
    unknown[1].runs[2].rows = Some(Box::new(accuracy(3)) as Box<dyn RowMetric>);
    assert_eq!(error(study(unknown)), StudyError::UnknownSplit { label: "b".to_owned(), split: 2, known: 0 });
}
