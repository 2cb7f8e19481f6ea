//! Checks what an embedding makes of the texts: words that it knows (EMB006, by class EMB023), texts that it cuts (EMB016), and
//! the case of letters (EMB018).

use std::collections::HashMap;

use emberline_base::number::{agreeing, counted};
use emberline_base::warning::Code;
use emberline_base::{Splits, Warning};
use emberline_dataset::Dataset;
use emberline_embedding::known::known_words;
use emberline_embedding::{Case, Encoder, Lookup, Opened, WordCounts, features};
use rayon::prelude::*;

use super::known_words::warning as few_known_words;
use crate::name::short;

/// Number of texts that are looked at: of more, a sample.
const SAMPLE: usize = 2_000;
/// Number of words by which a table is asked whether it distinguishes case.
const PROBED: usize = 300;
/// Least share of texts that are cut.
const MIN_CUT: f64 = 0.01;
/// Largest share of words with a capital in texts "without capitals", and least share in texts with them.
const NO_CAPITALS: f64 = 0.002;
const CAPITALS: f64 = 0.03;
/// Least number of words of texts whose case is judged, and of a class whose words are counted.
const MIN_WORDS: usize = 500;
const MIN_WORDS_OF_CLASS: u64 = 100;
/// How far the known share of a class may be below that of all texts.
const GAP: f64 = 0.2;

/// Returns the warnings about an embedding of these data that don't follow from its settings alone. `words` are the word counts
/// of every text, if the source has a vocabulary.
pub(crate) fn embedding_warnings(
    name: &str,
    opened: &Opened,
    dataset: &Dataset,
    words: Option<&Splits<Vec<WordCounts>>>,
) -> Vec<Warning> {
    let texts = sample(dataset);
    let found = match opened {
        Opened::Table(table) => {
            let by_class = words.and_then(|words| few_known_of_a_class(name, dataset, words));
            [other_case(name, table.as_ref(), &texts), by_class]
        }
        Opened::Encoder(encoder) => [texts_cut(name, encoder.as_ref(), &texts), None],
    };
    found.into_iter().flatten().collect()
}

/// Returns all warnings about an embedding of these data, those of its settings too. The words are looked up, but no vector is
/// computed.
pub(crate) fn check_embedding(name: &str, opened: &Opened, dataset: &Dataset) -> Vec<Warning> {
    let words = features::word_counts(opened, &dataset.lists());
    let known = words.as_ref().map(known_words);
    let few_known = known.as_ref().and_then(|known| few_known_words(name, known));
    let others = embedding_warnings(name, opened, dataset, words.as_ref());
    opened.warnings().into_iter().chain(few_known).chain(others).collect()
}

/// Returns texts of all splits, evenly spaced.
fn sample(dataset: &Dataset) -> Vec<&str> {
    let rows: Vec<usize> = dataset.splits.iter().flat_map(|(_, rows)| rows.iter().copied()).collect();
    let count = rows.len().min(SAMPLE);
    (0..count).map(|at| &dataset.texts[rows[at * rows.len() / count]]).collect()
}

/// EMB016: texts that are longer than the model reads.
fn texts_cut(name: &str, encoder: &dyn Encoder, texts: &[&str]) -> Option<Warning> {
    let most = encoder.max_tokens()?;
    // A damaged tokenizer is reported when texts are encoded.
    let cut = texts.par_iter().filter(|text| encoder.is_cut(text.as_bytes()).unwrap_or(false)).count();
    if cut == 0 || (cut as f64) < MIN_CUT * texts.len() as f64 {
        return None;
    }
    let text = format!(
        "`{name}` reads {most} tokens of a text, and {cut} of {} {} longer ({}): it knows nothing of the rest, which may be what \
         decides the label. Shorten the texts to what matters, use a model that reads more, or raise `max_length` if the model \
         allows it.",
        counted(texts.len(), "text"),
        agreeing(cut, "is", "are"),
        percent(cut as f64 / texts.len() as f64),
    );
    Some(Warning::new(Code::TextsCut, text))
}

/// EMB018: a table that distinguishes case, and texts without capitals, or the reverse.
fn other_case(name: &str, table: &dyn Lookup, texts: &[&str]) -> Option<Warning> {
    let words = Words::of(texts);
    if words.count < MIN_WORDS {
        return None;
    }
    let capitals = words.capitals as f64 / words.count as f64;
    let (few, many) = (capitals <= NO_CAPITALS, capitals >= CAPITALS);
    if !few && !many {
        return None;
    }
    let text = match table.case(&words.frequent()) {
        Case::Distinguished if few => format!(
            "`{name}` distinguishes capitals, and the texts have none: names, the pronoun `i` and first words of sentences get \
             the vectors of other words, or none. Keep the original case of the texts if there is one, or use an embedding that \
             was learned in lower case."
        ),
        Case::LowerOnly if many => format!(
            "`{name}` knows words in lower case only, and {} of the words of the texts have a capital, so that they are unknown. \
             Leave `lowercase` out or set lowercase = true, or write the texts in lower case.",
            percent(capitals)
        ),
        _ => return None,
    };
    Some(Warning::new(Code::OtherCase, text))
}

/// The words of texts, and how many have a capital.
struct Words {
    count: usize,
    capitals: usize,
    counts: HashMap<String, usize>,
}

impl Words {
    /// Counts words of letters that have a case.
    fn of(texts: &[&str]) -> Self {
        let mut words = Self { count: 0, capitals: 0, counts: HashMap::new() };
        for text in texts {
            for word in text.split(|c: char| !c.is_alphabetic()).filter(|word| !word.is_empty()) {
                let has_capital = word.contains(char::is_uppercase);
                if has_capital || word.contains(char::is_lowercase) {
                    words.count += 1;
                    words.capitals += usize::from(has_capital);
                    *words.counts.entry(word.to_lowercase()).or_default() += 1;
                }
            }
        }
        words
    }

    /// Returns the most frequent words of two letters or more, in lower case.
    fn frequent(&self) -> Vec<String> {
        let long = self.counts.iter().filter(|(word, _)| word.chars().nth(1).is_some());
        let mut words: Vec<(&String, &usize)> = long.collect();
        words.sort_by(|a, b| b.1.cmp(a.1).then(a.0.cmp(b.0)));
        words.into_iter().take(PROBED).map(|(word, _)| word.clone()).collect()
    }
}

/// EMB023: a class whose words are far less known than those of all texts.
fn few_known_of_a_class(name: &str, dataset: &Dataset, words: &Splits<Vec<WordCounts>>) -> Option<Warning> {
    let (all, classes) = by_class(dataset, words);
    let share = |counts: &ClassWords| counts.known as f64 / counts.words.max(1) as f64;
    let expected = share(&all);
    let lowest = classes.iter().enumerate().filter(|(_, counts)| counts.words >= MIN_WORDS_OF_CLASS);
    let (class, lowest) = lowest.min_by(|a, b| share(a.1).total_cmp(&share(b.1)))?;
    if expected - share(lowest) < GAP {
        return None;
    }
    let text = format!(
        "`{name}` knows {} of the words in texts of `{}`, but {} of the words in all texts; {} of the class's {} no word that it \
         knows. The class is told by what is unknown, and its scores say little about other texts: use an embedding of the \
         language and the subject of the class.",
        percent(share(lowest)),
        short(&dataset.labels.classes[class]),
        percent(expected),
        lowest.without,
        if lowest.texts == 1 { "1 text holds".to_owned() } else { format!("{} hold", counted(lowest.texts, "text")) },
    );
    Some(Warning::new(Code::FewKnownWordsOfAClass, text))
}

/// The words of a class's texts.
#[derive(Clone, Copy, Debug, Default)]
struct ClassWords {
    words: u64,
    known: u64,
    texts: usize,
    without: usize,
}

impl ClassWords {
    fn add(&mut self, words: WordCounts) {
        self.words += u64::from(words.all);
        self.known += u64::from(words.known);
        self.texts += 1;
        self.without += usize::from(words.known == 0);
    }
}

/// Counts the words of all texts, and of the texts of every class.
fn by_class(dataset: &Dataset, words: &Splits<Vec<WordCounts>>) -> (ClassWords, Vec<ClassWords>) {
    let (mut all, mut classes) = (ClassWords::default(), vec![ClassWords::default(); dataset.labels.classes.len()]);
    for (split, words) in words.iter() {
        let rows = dataset.splits.get(split).map(Vec::as_slice).unwrap_or_default();
        for (&row, &words) in rows.iter().zip(words) {
            all.add(words);
            dataset.labels.of_row(row).iter().for_each(|&class| classes[class as usize].add(words));
        }
    }
    (all, classes)
}

fn percent(share: f64) -> String {
    format!("{:.1} %", 100.0 * share)
}
