//! No sentence contradicts its answer: random studies, and the words of known ones.

use proptest::prelude::*;
use serde_json::json;

use super::{Claim, Sentence, all_sentences, sentences, verdicts};
use crate::{
    Answer, Arm, Better, Decide, EvaluatedRows, Level, MeanOfRows, Noun, Pair, Protocol, RowMetric, Run, ScoredRows,
    Setting, Size, Sizes, Study, mean, together,
};

/// Numbers of labels, the most first.
const LABELS: [usize; 3] = [1_000, 200, 50];

/// A study of `scores`, `[setting][split]`, whose rows all have the score of their split, or vary by `spread` around it.
fn study(scores: &[Vec<f64>], better: Better, rows: bool, margin: Option<f64>) -> Study {
    let arms = scores.iter().enumerate().map(|(arm, splits)| Arm {
        label: format!("e{arm}"),
        setting: [("embedding".to_owned(), json!(format!("e{arm}")))].into_iter().collect(),
        sizes: Sizes { dim: (arm + 1) as f64, bytes: 0.0, seconds: 0.0 },
        runs: splits.iter().enumerate().map(|(split, &score)| run(arm, split, score, rows)).collect(),
        absent: Vec::new(),
    });
    let splits = scores.iter().map(Vec::len).max().unwrap_or(0);
    Study {
        labels: None,
        metric: "test_metric".to_owned(),
        better,
        scored: ScoredRows::Test,
        noun: Noun::Embedding,
        same_rows: true,
        arms: arms.collect(),
        protocol: Protocol::Pool { rows: 100, evaluated: 20 },
        labelled_rows: 100,
        evaluated: rows.then(|| EvaluatedRows::from_keys(&vec![(0..20).collect::<Vec<u32>>(); splits])),
        alpha: 0.05,
        sequential: false,
        decide: Decide { margin, prefer: vec![Size::Dim] },
        seed: 1,
        draws: 0,
        warnings: Vec::new(),
    }
}

fn run(arm: usize, split: usize, score: f64, rows: bool) -> Run {
    let values: Vec<f64> = (0..20).map(|row| score + 0.1 * f64::from((row * (arm as u32 + 3)) % 5) - 0.2).collect();
    let metric = MeanOfRows::new(values);
    let score = if rows { metric.of(&[1; 20]) } else { score };
    let rows = rows.then(|| Box::new(metric) as Box<dyn RowMetric>);
    Run { split, cell: format!("{arm}-{split}"), score, validation: None, rows }
}

fn answer(scores: &[Vec<f64>], better: Better, rows: bool, margin: Option<f64>) -> Answer {
    study(scores, better, rows, margin).answer().expect("a study")
}

/// What each claim asserts, held against the answer's own figures.
fn contradiction(answer: &Answer, sentence: &Sentence) -> Option<String> {
    let label = |index: usize| answer.settings[index].label.as_str();
    let setting = |index: usize| &answer.settings[index].setting;
    let is_better = |one: usize, other: usize| {
        answer.better.oriented(answer.settings[one].mean - answer.settings[other].mean) > 0.0
    };
    let names_both = |one: usize, other: usize| {
        let place = |index: usize| sentence.text.find(label(index));
        place(one).zip(place(other)).is_some_and(|(one, other)| one < other)
    };
    let holds = match &sentence.claim {
        Claim::NoAnswer { .. } => answer.level == Level::None && answer.best_group.is_empty(),
        Claim::SoleBest { setting: best } => {
            let apart = answer.pairs.iter().all(|pair| pair.told_apart);
            answer.level == Level::Embeddings && apart && answer.best_group == [setting(*best).clone()]
        }
        Claim::BestGroup { settings } => {
            let named = settings.iter().all(|&index| sentence.text.contains(label(index)));
            let all =
                settings.len() == answer.settings.len() && sentence.text.contains(&format!("all {}", settings.len()));
            (named || all) && settings.len() == answer.best_group.len() && settings.len() > 1
        }
        Claim::Better { better, worse, pair } => {
            let pair = &answer.pairs[*pair];
            let excludes_zero = pair.low > 0.0 || pair.high < 0.0;
            let level = answer.level == Level::Embeddings;
            level && pair.told_apart && excludes_zero && is_better(*better, *worse) && names_both(*better, *worse)
        }
        Claim::HeadScoresBetter { better, worse, pair } => {
            let pair = &answer.pairs[*pair];
            let excludes_zero = pair.low > 0.0 || pair.high < 0.0;
            answer.level == Level::Heads && pair.told_apart && excludes_zero && names_both(*better, *worse)
        }
        Claim::NotToldApart { pair, .. } | Claim::HeadsNotToldApart { pair, .. } => {
            let pair = &answer.pairs[*pair];
            !pair.told_apart && pair.low <= 0.0 && pair.high >= 0.0
        }
        Claim::BestHeads { settings } => answer.level == Level::Heads && settings.len() == answer.best_group.len(),
        Claim::ChosenOn { setting: chosen, .. } => {
            answer.level == Level::Heads
                && answer.leader.as_ref() == Some(setting(*chosen))
                && sentence.text.contains(label(*chosen))
        }
        Claim::EmbeddingsNotAnswered => answer.level == Level::Heads,
        Claim::Smallest { setting: smallest } => {
            let chosen = setting(*smallest);
            answer.chosen_smallest.as_ref() == Some(chosen)
                && answer.pairs.iter().all(|pair| advantage_low(answer, pair, chosen) > -answer.margin.unwrap_or(0.0))
        }
        Claim::NoSmallest => answer.chosen_smallest.is_none(),
        Claim::Detectable => answer.smallest_detectable.is_some(),
        Claim::Outlook => answer.outlook.as_ref().is_some_and(|outlook| outlook.rival.is_some()),
        Claim::Variance => answer.variance.is_some(),
    };
    (!holds).then(|| format!("{sentence:?}\n{answer:#?}"))
}

/// The lower bound of how much better `setting` is than the other of a pair; infinite if the pair is of two others.
fn advantage_low(answer: &Answer, pair: &Pair, setting: &Setting) -> f64 {
    let bounds = match (pair.a == *setting, pair.b == *setting) {
        (true, _) => [pair.low, pair.high],
        (_, true) => [-pair.low, -pair.high],
        (false, false) => return f64::INFINITY,
    };
    bounds.map(|bound| answer.better.oriented(bound)).into_iter().fold(f64::INFINITY, f64::min)
}

/// What a sentence asserts and what it may not say, held against the answer about each number of labels that it names.
fn fault(answer: &Answer, sentence: &Sentence) -> Option<String> {
    let about: Vec<&Answer> =
        answer.of_each_number().filter(|of| of.labels.is_none_or(|labels| sentence.labels.contains(&labels))).collect();
    let has_opening = sentence.text.starts_with("With ") && sentence.text.contains(" labels, ");
    if about.len() != sentence.labels.len().max(1) || has_opening == sentence.labels.is_empty() {
        return Some(format!("{sentence:?} is of {} answers", about.len()));
    }
    let forbidden =
        about.iter().find(|of| forbidden(of, &sentence.text)).map(|of| format!("{sentence:?} at {:?}", of.level));
    forbidden.or_else(|| about.iter().find_map(|of| contradiction(of, sentence)))
}

/// What may not be said at a level, whatever the claim.
fn forbidden(answer: &Answer, text: &str) -> bool {
    match answer.level {
        Level::Embeddings => text.contains("head") || text.contains("not answered"),
        Level::Heads => {
            text.contains("better than") || text.contains("The best embedding for") || text.contains("Embedding ")
        }
        Level::None => text.contains("better than") || text.contains("best group"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn no_sentence_contradicts_its_answer(
        scores in (1usize..5, prop::sample::select(vec![1usize, 2, 5, 8])).prop_flat_map(|(arms, splits)| {
            let of_arm = (0.0f64..0.4, prop::collection::vec(0.0f64..0.2, splits));
            prop::collection::vec(prop::collection::vec(of_arm, arms), 1..=LABELS.len())
        }),
        lower in any::<bool>(),
        rows in any::<bool>(),
        margin in prop::option::of(0.01f64..0.3),
    ) {
        let with_noise = |(base, noise): (f64, Vec<f64>)| noise.iter().map(|n| base + n).collect::<Vec<f64>>();
        let scores: Vec<Vec<Vec<f64>>> =
            scores.into_iter().map(|arms| arms.into_iter().map(with_noise).collect()).collect();
        let better = if lower { Better::Lower } else { Better::Higher };
        let of_labels = |(labels, of_labels): (usize, &Vec<Vec<f64>>)| {
            let labels = (scores.len() > 1).then_some(labels);
            Study { labels, ..study(of_labels, better, rows, margin) }.answer().expect("a study")
        };
        let answer = together(LABELS.into_iter().zip(&scores).map(of_labels).collect()).expect("answers");
        for sentence in [sentences(&answer), all_sentences(&answer), verdicts(&answer)].concat() {
            prop_assert_eq!(fault(&answer, &sentence), None);
        }
        // There is a verdict on every number of labels, and one alone.
        let judged: Vec<usize> = verdicts(&answer).into_iter().flat_map(|sentence| sentence.labels).collect();
        prop_assert_eq!(judged.len(), if scores.len() > 1 { scores.len() } else { 0 });
        for of in answer.of_each_number() {
            let compared = of.settings.len() * (of.settings.len() - 1) / 2;
            prop_assert!(of.comparisons == compared || of.level == Level::None, "pairs of equal numbers of labels alone");
            for pair in &of.pairs {
                prop_assert_eq!(pair.told_apart, pair.low > 0.0 || pair.high < 0.0);
                prop_assert!(pair.low <= pair.difference && pair.difference <= pair.high);
            }
        }
        // Stored and read back, the answer says the same.
        let stored = serde_json::to_string(&answer).expect("JSON");
        let read: Answer = serde_json::from_str(&stored).expect("an answer");
        prop_assert_eq!(sentences(&read), sentences(&answer));
    }
}

fn text(answer: &Answer) -> String {
    sentences(answer).into_iter().map(|sentence| sentence.text).collect::<Vec<_>>().join("\n")
}

/// Five splits around a mean.
fn around(mean: f64, noise: [f64; 5]) -> Vec<f64> {
    noise.iter().map(|noise| mean + noise).collect()
}

#[test]
fn a_clear_winner_is_the_best_embedding() {
    let noise = [0.01, -0.01, 0.02, 0.0, -0.02];
    let scores =
        [around(0.50, noise), around(0.70, noise.map(|noise| noise * 0.9)), around(0.60, noise.map(|n| n * 1.1))];
    let text = text(&answer(&scores, Better::Higher, false, None));
    assert!(
        text.starts_with(
            "The best embedding for this task is e1: it is told apart from each of the 2 others, over 5 splits."
        ),
        "{text}"
    );
    assert!(
        text.contains("Embedding e1 is better than e2 for this task: its test_metric is higher by 0.1000 ["),
        "{text}"
    );
    assert!(text.contains("(p below 0.001, adjusted for 3 comparisons)"), "{text}");
}

#[test]
fn a_lower_loss_is_better() {
    let scores = [around(0.50, [0.01, -0.01, 0.02, 0.0, -0.02]), around(0.30, [0.012, -0.01, 0.02, 0.0, -0.021])];
    let text = text(&answer(&scores, Better::Lower, false, None));
    assert!(
        text.contains("Embedding e1 is better than e0 for this task: its test_metric is lower by 0.1998"),
        "{text}"
    );
    assert!(text.contains("(p below 0.001)"), "one comparison isn't adjusted: {text}");
}

#[test]
fn equal_embeddings_are_a_group() {
    let scores = [around(0.50, [0.01, -0.01, 0.02, 0.0, -0.02]), around(0.501, [-0.02, 0.01, 0.0, 0.02, -0.01])];
    let answer = answer(&scores, Better::Higher, false, Some(0.005));
    let text = text(&answer);
    assert!(
        text.starts_with(
            "The best group is {e1, e0}: the best embedding is one of these, and 5 splits don't tell which."
        ),
        "{text}"
    );
    assert!(text.contains("Embedding e1 and e0 are not told apart"), "{text}");
    assert!(text.contains("no number of splits of these rows tells the two apart; about"), "{text}");
    assert!(text.contains("No setting is shown to be good enough with a margin of 0.005."), "{text}");
    assert!(answer.outlook.as_ref().is_some_and(|outlook| outlook.splits.is_none() && outlook.rows.is_some()));
}

#[test]
fn few_splits_are_about_heads() {
    let text = text(&answer(&[vec![0.2], vec![0.9]], Better::Higher, true, None));
    assert!(text.starts_with("On new texts like these, head e1 scores 0.70"), "{text}");
    assert!(
        text.contains("more than head e0 (test_metric); another draw of training rows may turn this over."),
        "{text}"
    );
    assert!(
        text.contains("Which embedding is better for this task is not answered; add `[data.split] repeats = 5`."),
        "{text}"
    );
    assert!(text.contains("Head e1 was chosen on these rows, which flatters it."), "{text}");
}

#[test]
fn nothing_to_go_by_is_said() {
    let of = |scores: &[Vec<f64>]| text(&answer(scores, Better::Higher, false, None));
    assert!(of(&[vec![0.2], vec![0.9]]).starts_with("Which embedding is better for this task is not answered"));
    assert!(of(&[vec![0.2; 5]]).starts_with("e0 is the only embedding with a score"));
    assert!(of(&[]).starts_with("No embedding has a score"));
    assert!(mean(&[]).is_nan() && of(&[vec![f64::NAN; 5]]).starts_with("No embedding has a score"));
}

#[test]
fn the_smallest_good_enough_names_the_margin() {
    let noise = [0.001, -0.001, 0.002, 0.0, -0.002];
    let scores = [around(0.70, noise.map(|n| n * 1.1)), around(0.702, noise)];
    let text = text(&answer(&scores, Better::Higher, false, Some(0.01)));
    assert!(
        text.contains("The smallest that is good enough is e0: it is not worse than any other by 0.01 or more."),
        "{text}"
    );
    assert!(text.contains("The data support this from a margin of 0.002"), "{text}");
}

/// The verdict on the most labels, those on fewer, then what else is said of the most labels.
#[test]
fn numbers_of_labels_have_verdicts_of_their_own() {
    let noise = [0.01, -0.01, 0.02, 0.0, -0.02];
    let close = |shift: f64| -> Vec<Vec<f64>> {
        (0..6)
            .map(|arm| around(shift + 0.001 * f64::from(arm), if arm % 2 == 0 { noise } else { noise.map(|n| -n) }))
            .collect()
    };
    let clear = vec![around(0.70, noise), around(0.90, noise.map(|noise| noise * 0.9))];
    let of = |labels, scores: &[Vec<f64>]| {
        Study { labels: Some(labels), ..study(scores, Better::Higher, false, None) }.answer().expect("a study")
    };
    let answers = vec![of(1_000, &clear), of(200, &close(0.6)), of(50, &close(0.5))];
    let answer = together(answers).expect("answers");
    let texts: Vec<String> = sentences(&answer).into_iter().map(|sentence| sentence.text).collect();
    let expected = [
        "With 1,000 labels, the best embedding for this task is e1: it is told apart from the other, over 5 splits.",
        "With 200 and 50 labels, the best group is all 6 embeddings: none is told apart from that with the best mean, over 5 splits.",
    ];
    assert_eq!(texts[..2], expected);
    assert!(texts[2].starts_with("With 1,000 labels, embedding e1 is better than e0 for this task"), "{texts:?}");
    assert!(texts[2..].iter().all(|text| text.starts_with("With 1,000 labels, ")), "{texts:?}");
    let judged: Vec<String> = verdicts(&answer).into_iter().map(|sentence| sentence.text).collect();
    assert_eq!(judged, expected);
    assert!(all_sentences(&answer).iter().any(|sentence| sentence.labels == [50] && sentence.claim == Claim::Outlook));
    let alone = of(50, &close(0.5)[..1]);
    assert!(text(&alone).starts_with("With 50 labels, e0 is the only embedding with a score"), "{}", text(&alone));
}
