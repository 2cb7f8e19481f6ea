//! Tests of the whole source `corpus`.

use super::*;

const KITCHEN: [&str; 8] = ["bread", "oven", "butter", "salt", "soup", "spoon", "flour", "onion"];
const GARAGE: [&str; 8] = ["engine", "wheel", "brake", "tyre", "clutch", "piston", "diesel", "wrench"];
const FILLER: [&str; 6] = ["the", "a", "with", "and", "some", "my"];

/// Sentences that mix the words of one topic with words of no topic.
fn two_topics() -> Vec<String> {
    let mut stream = Substream::new(11, "topics");
    let mut sentence = |topic: &[&'static str]| {
        let mut word = || {
            let words = if stream.below(2) == 0 { &FILLER[..] } else { topic };
            words[stream.below(words.len())]
        };
        let words: Vec<_> = (0..8).map(|_| word()).collect();
        words.join(" ") + "?"
    };
    (0..600).map(|at| sentence(if at % 2 == 0 { &KITCHEN } else { &GARAGE })).collect()
}

fn settings(dim: usize) -> Settings {
    Settings {
        dim,
        window: 5,
        min_count: 2,
        max_words: 1000,
        combiner: Combiner::Sqrtn,
        seed: Some(1),
        quantize: Quantize::F32,
        trainable: false,
    }
}

fn learn(settings: &Settings, texts: &[String]) -> Result<Corpus, Error> {
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    open(settings, Texts { all: &[], train: &texts })
}

fn cosine(corpus: &Corpus, a: &str, b: &str) -> f64 {
    let row = |word| corpus.row(corpus.ids[word]);
    let dot = |x: &[f32], y: &[f32]| x.iter().zip(y).map(|(x, y)| f64::from(x * y)).sum::<f64>();
    dot(row(a), row(b)) / (dot(row(a), row(a)) * dot(row(b), row(b))).sqrt()
}

#[test]
fn words_of_one_topic_are_closer_to_each_other() {
    let corpus = learn(&settings(4), &two_topics()).expect("learned");
    for (at, word) in KITCHEN.iter().enumerate() {
        let nearest_other = GARAGE.iter().map(|other| cosine(&corpus, word, other)).fold(-1.0, f64::max);
        let mates = KITCHEN.iter().enumerate().filter(|&(other, _)| other != at);
        let farthest_mate = mates.map(|(_, mate)| cosine(&corpus, word, mate)).fold(1.0, f64::min);
        assert!(farthest_mate > nearest_other, "{word}: {farthest_mate} {nearest_other}");
    }
}

#[test]
fn threads_and_repetition_move_no_bit() {
    let texts = two_topics();
    let with = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("a pool");
        pool.install(|| learn(&settings(16), &texts).expect("learned").table().to_vec())
    };
    let bits = |values: Vec<f32>| values.into_iter().map(f32::to_bits).collect::<Vec<_>>();
    let one = bits(with(1));
    assert_eq!(one, bits(with(2)));
    assert_eq!(one, bits(with(5)));
}

/// These vectors are part of recorded results, and must be the same on every platform.
#[test]
fn the_vectors_never_change() {
    let corpus = learn(&settings(4), &two_topics()).expect("learned");
    let bytes: Vec<u8> = corpus.table().iter().flat_map(|value| value.to_le_bytes()).collect();
    assert_eq!(Digest::of(&bytes).short(), "ff64d3d9");
}

#[test]
fn a_word_of_the_texts_has_the_promised_scale() {
    let texts = two_topics();
    let corpus = learn(&settings(8), &texts).expect("learned");
    let mut ids = Vec::new();
    for text in &texts {
        corpus.token_ids(text.as_bytes(), &mut ids);
    }
    let squares: f64 = ids.iter().flat_map(|&id| corpus.row(id)).map(|v| f64::from(v * v)).sum();
    assert!(((squares / (ids.len() * 8) as f64).sqrt() - 0.5).abs() < 1e-6);
}

#[test]
fn unknown_words_have_no_row() {
    let corpus = learn(&settings(4), &two_topics()).expect("learned");
    let mut ids = Vec::new();
    let words = corpus.token_ids(b"Xyzzy BREAD \xff oven, !", &mut ids);
    assert_eq!(ids, [corpus.ids["bread"], corpus.ids["oven"]]);
    assert_eq!(words, WordCounts { all: 3, known: 2, composed: 0 });
    assert_eq!(corpus.rows() as u64, corpus.table_rows());
}

#[test]
fn too_few_words_say_how_many_there_are() {
    let message = learn(&settings(64), &two_topics()).expect_err("23 words").to_string();
    assert!(message.contains("only 23 words") && message.contains("at most 23"), "{message}");
    let none = learn(&settings(2), &[]).expect_err("no words").to_string();
    assert!(none.contains("only 0 words"), "{none}");
    let alone: Vec<String> = ["yes", "yes", "no", "no"].map(String::from).to_vec();
    let message = learn(&settings(1), &alone).expect_err("no pairs").to_string();
    assert!(message.contains("only 0 directions"), "{message}");
}

#[test]
fn the_digest_follows_texts_and_settings_but_not_training() {
    let texts = two_topics();
    let digest = |settings: &Settings, texts: &[String]| learn(settings, texts).expect("learned").digest();
    let base = digest(&settings(4), &texts);
    assert_eq!(base, digest(&Settings { trainable: true, ..settings(4) }, &texts));
    assert_ne!(base, digest(&settings(5), &texts));
    assert_ne!(base, digest(&Settings { seed: Some(2), ..settings(4) }, &texts));
    assert_ne!(base, digest(&settings(4), &texts[1..]));
}

#[test]
fn absurd_settings_are_faults() {
    let bad = Settings { dim: 0, window: 0, min_count: 0, max_words: 0, ..settings(1) };
    let keys = |settings: &Settings| settings.faults().into_iter().map(|f| f.key).collect::<Vec<_>>();
    assert_eq!(keys(&bad), ["dim", "window", "min_count", "max_words"]);
    assert_eq!(keys(&Settings { dim: 1 << 40, window: usize::MAX, ..settings(1) }), ["dim", "window"]);
    assert_eq!(keys(&Settings { max_words: 10, ..settings(11) }), ["dim"]);
    assert!(settings(64).faults().is_empty());
    assert_eq!(keys(&Settings { trainable: true, combiner: Combiner::Max, ..settings(64) }), ["trainable"]);
}
