//! Synthetic data sets whose truth is known: texts of made-up words, Zipf-distributed, in which each class has words of its own.

use emberline_base::{Labels, Splits, Substream, Targets, Task, TextList};
use emberline_checks::Subject;

/// Syllables that words are made of, by alphabet.
const LATIN: [&str; 24] = [
    "ba", "re", "mi", "to", "ku", "sel", "dar", "no", "fi", "gan", "lo", "pe", "tri", "va", "wen", "zo", "chi", "sta",
    "bru", "ma", "en", "or", "ta", "li",
];
const ACCENTED: [&str; 16] =
    ["é", "mün", "ça", "ñor", "là", "grö", "сло", "во", "при", "вет", "να", "λό", "šk", "ř", "æt", "øl"];

/// A kind of data set.
#[derive(Clone, Copy, Debug)]
pub(crate) struct World {
    pub(crate) name: &'static str,
    pub(crate) task: Task,
    /// The share of rows of each class; of a multi-label task, the share of rows with it.
    pub(crate) classes: &'static [f64],
    pub(crate) rows: usize,
    /// The median number of words of a text, and the spread of its logarithm.
    pub(crate) words: f64,
    pub(crate) spread: f64,
    /// How much longer the texts of each further class are.
    pub(crate) longer: f64,
    /// The share of words that belong to the class, and of these the share that are of a random class instead.
    pub(crate) cues: f64,
    pub(crate) confusion: f64,
    pub(crate) accented: bool,
}

/// A data set: texts, labels and splits.
pub(crate) struct Data {
    pub(crate) texts: Vec<String>,
    pub(crate) labels: Labels,
    pub(crate) splits: Splits<Vec<usize>>,
    /// Rows that were changed to be found.
    pub(crate) planted: Vec<usize>,
}

impl Data {
    pub(crate) fn subject<'a>(&'a self, texts: &'a dyn TextList) -> Subject<'a> {
        Subject { texts, labels: &self.labels, splits: self.splits.clone(), place: &|row| format!("line {row}") }
    }

    /// The classes of single-label rows.
    pub(crate) fn classes_mut(&mut self) -> &mut Vec<u32> {
        match &mut self.labels.targets {
            Targets::Single(classes) => classes,
            Targets::Multi { .. } => panic!("a single-label task"),
        }
    }

    pub(crate) fn class(&self, row: usize) -> u32 {
        self.labels.of_row(row)[0]
    }
}

/// The number of general words, and of each class's own words.
const GENERAL: usize = 4_000;
const OWN: usize = 60;

impl World {
    /// Draws a data set: 70 % of the rows are for training, 15 % for validation, 15 % for test, each class in proportion.
    pub(crate) fn draw(&self, seed: u64) -> Data {
        let mut stream = Substream::new(seed, self.name);
        let words = vocabulary(GENERAL + OWN * self.classes.len(), self.accented, &mut stream);
        let (general, own) = words.split_at(GENERAL);
        let (general_zipf, own_zipf) = (Zipf::new(GENERAL), Zipf::new(OWN));
        let sets: Vec<Vec<u32>> = (0..self.rows).map(|row| self.classes_of(row, &mut stream)).collect();
        let mut seen = std::collections::HashSet::new();
        let mut texts = Vec::with_capacity(self.rows);
        for set in &sets {
            // Texts are unique, as they are after duplicates have been dropped.
            let text = loop {
                let length = self.length(set, &mut stream);
                let mut word = || {
                    if f64::from(stream.unit()) >= self.cues || set.is_empty() {
                        return general[general_zipf.draw(&mut stream)].as_str();
                    }
                    let confused = f64::from(stream.unit()) < self.confusion;
                    let class =
                        if confused { stream.below(self.classes.len()) } else { set[stream.below(set.len())] as usize };
                    own[class * OWN + own_zipf.draw(&mut stream)].as_str()
                };
                let text = sentence((0..length).map(|_| word()));
                if seen.insert(text.clone()) {
                    break text;
                }
            };
            texts.push(text);
        }
        // A class is named by one of its own words, one of medium frequency.
        let names = (0..self.classes.len()).map(|class| own[class * OWN + 10].clone()).collect();
        Data { texts, labels: self.labels(names, &sets), splits: split(&sets), planted: Vec::new() }
    }

    fn classes_of(&self, row: usize, stream: &mut Substream) -> Vec<u32> {
        if self.task == Task::MultiLabel {
            let has = |class: &usize| f64::from(stream.unit()) < self.classes[*class];
            return (0..self.classes.len()).filter(has).map(|class| class as u32).collect();
        }
        // Every class has its share in every run of rows, so that no split lacks one by chance.
        let at = (row as f64 * 0.618_033_988_75).fract();
        let mut end = 0.0;
        let found = self.classes.iter().position(|share| {
            end += share;
            at < end
        });
        vec![found.unwrap_or(0) as u32]
    }

    fn length(&self, set: &[u32], stream: &mut Substream) -> usize {
        let normal: f64 = (0..12).map(|_| f64::from(stream.unit())).sum::<f64>() - 6.0;
        let factor = self.longer.powi(set.first().copied().unwrap_or(0) as i32);
        ((self.words * factor).ln() + self.spread * normal).exp().round().max(2.0) as usize
    }

    fn labels(&self, classes: Vec<String>, sets: &[Vec<u32>]) -> Labels {
        let targets = if self.task == Task::MultiLabel {
            let mut offsets = vec![0];
            sets.iter().for_each(|set| offsets.push(offsets[offsets.len() - 1] + set.len()));
            Targets::Multi { offsets, ids: sets.concat() }
        } else {
            Targets::Single(sets.iter().map(|set| set[0]).collect())
        };
        Labels { task: self.task, classes, targets }
    }
}

/// Of every class, 14 of 20 rows are for training, three for validation and three for test.
fn split(sets: &[Vec<u32>]) -> Splits<Vec<usize>> {
    let mut seen = std::collections::HashMap::new();
    let (mut train, mut valid, mut test) = (Vec::new(), Vec::new(), Vec::new());
    for (row, set) in sets.iter().enumerate() {
        let count = seen.entry(set.first().copied()).or_insert(0_usize);
        match *count % 20 {
            3 | 9 | 15 => valid.push(row),
            5 | 11 | 17 => test.push(row),
            _ => train.push(row),
        }
        *count += 1;
    }
    Splits { train, valid: Some(valid), test: Some(test) }
}

/// Joins words as people write: a capital at the beginning, a comma or two, a mark at the end.
pub(crate) fn sentence<'w>(words: impl Iterator<Item = &'w str>) -> String {
    let mut text = String::new();
    for (at, word) in words.enumerate() {
        if at > 0 {
            text.push_str(if at % 9 == 8 { ", " } else { " " });
        }
        if at == 0 {
            let mut chars = word.chars();
            text.extend(chars.next().into_iter().flat_map(char::to_uppercase));
            text.push_str(chars.as_str());
        } else {
            text.push_str(word);
        }
    }
    let end = if text.len().is_multiple_of(3) { "?" } else { "." };
    text + end
}

fn vocabulary(count: usize, accented: bool, stream: &mut Substream) -> Vec<String> {
    let mut words = std::collections::HashSet::new();
    let mut list = Vec::with_capacity(count);
    while list.len() < count {
        let syllables = 2 + stream.below(3);
        let syllable = |stream: &mut Substream| {
            if accented && stream.below(4) == 0 {
                ACCENTED[stream.below(ACCENTED.len())]
            } else {
                LATIN[stream.below(LATIN.len())]
            }
        };
        let word: String = (0..syllables).map(|_| syllable(stream)).collect();
        if words.insert(word.clone()) {
            list.push(word);
        }
    }
    list
}

/// Zipf's law: the word of rank `r` has a frequency proportional to `1 / r`.
struct Zipf(Vec<f64>);

impl Zipf {
    fn new(count: usize) -> Self {
        let weights = (1..=count).map(|rank| 1.0 / rank as f64);
        let sums: Vec<f64> = weights
            .scan(0.0, |sum, weight| {
                *sum += weight;
                Some(*sum)
            })
            .collect();
        Self(sums)
    }

    fn draw(&self, stream: &mut Substream) -> usize {
        let at = f64::from(stream.unit()) * self.0[self.0.len() - 1];
        self.0.partition_point(|sum| *sum <= at).min(self.0.len() - 1)
    }
}
