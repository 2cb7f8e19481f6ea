//! EMB022: rows whose words speak for another label than theirs, after confident learning (Northcutt, Jiang and Chuang 2021).
//!
//! Every row is judged by a naive Bayes classifier that was trained on all other rows (leave-one-out cross-validation, which
//! takes no more time than training, since a row's own counts can be subtracted). For class `c` and word `w`, found in `n` texts,
//! `n_c` of them of the class, whose share of all rows is `p_c`:
//!
//! ```text
//! score(c) = log p_c + sum over the text's words of log ((n_c + S p_c) / ((n + S) p_c))
//! ```
//!
//! A word that is in no other text says nothing, whatever the sizes of the classes. Confident learning counts a row as of
//! another class if that class is at least as probable as it is on average for its own rows, and lists the rows whose own
//! label is least probable. Two more conditions keep honest data from being accused:
//!
//! - the own label must be improbable (1 %), and such rows must be far more frequent than this same classifier's probabilities
//!   let expect, were they right;
//! - rows like that must outnumber the ordinary errors, the ones that the classifier isn't sure of. Where classes overlap, it is
//!   the other way round, and words can't tell a wrong label from a difficult text.

use std::collections::HashMap;

use emberline_base::number::counted;
use emberline_base::{Labels, Task};
use rayon::prelude::*;

use crate::Subject;
use crate::subject::thinned;
use crate::verdict::{Finding, LISTED, Verdict, named, percent, quoted};
use crate::words::push_words;

/// Pseudo-texts that every word starts with, divided among the classes by their size.
const SMOOTHING: f64 = 1.0;
/// Least number of rows, and of rows of a class that takes part.
const MIN_ROWS: usize = 100;
const MIN_CLASS: usize = 10;
/// Maximum number of rows; of more, a sample is judged.
const MAX_ROWS: usize = 200_000;
/// Largest probability of its own label with which a row is suspected.
const IMPROBABLE: f64 = 0.01;
/// How much more frequent suspected rows must be than expected, and their least number and share.
const EXCESS: f64 = 3.0;
const MIN_SUSPECTS: usize = 3;
const MIN_SHARE: f64 = 0.002;

/// A row whose label is likely wrong.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Suspect {
    /// The row.
    pub row: usize,
    /// Its label, as a class.
    pub given: u32,
    /// The class that its words speak for.
    pub likely: u32,
    /// The probability of its own label, by the words of all other rows.
    pub probability: f64,
}

/// What was found about all rows together.
#[derive(Clone, Debug, PartialEq)]
pub struct Judgement {
    /// The rows whose labels are likely wrong, the least probable first.
    pub suspects: Vec<Suspect>,
    /// The share of rows whose label is the most probable one.
    pub accuracy: f64,
    /// The number of rows that were judged.
    pub rows: usize,
    /// Whether the suspects are more than the errors of honest data.
    pub is_convincing: bool,
}

/// Judges the labels of all rows.
///
/// # Errors
/// The reason why they can't be judged.
pub fn judge(subject: &Subject<'_>) -> Result<Judgement, String> {
    if subject.labels.task == Task::MultiLabel {
        return Err("texts have several labels, which don't speak against each other".to_owned());
    }
    let rows = thinned(&subject.rows(), MAX_ROWS);
    let counts = subject.labels.counts(&rows);
    let takes_part = |row: &usize| match subject.labels.of_row(*row) {
        [class] => counts[*class as usize] >= MIN_CLASS,
        _ => false,
    };
    let rows: Vec<usize> = rows.into_iter().filter(takes_part).collect();
    if rows.len() < MIN_ROWS || counts.iter().filter(|&&count| count >= MIN_CLASS).count() < 2 {
        return Err(format!("it takes {MIN_ROWS} rows, and {MIN_CLASS} of each of two classes"));
    }
    let bayes = NaiveBayes::train(subject, &rows);
    let judged: Vec<Judged> = (0..rows.len()).into_par_iter().map(|at| bayes.judge(at)).collect();
    Ok(Judgement::of(subject.labels, &rows, &judged))
}

pub(crate) fn check(subject: &Subject<'_>) -> Verdict {
    let judgement = match judge(subject) {
        Ok(judgement) => judgement,
        Err(reason) => return Verdict::NotApplicable(reason),
    };
    if !judgement.is_convincing {
        return Verdict::Clear;
    }
    let name = |class: u32| named(&subject.labels.classes[class as usize]);
    let shown = |suspect: &Suspect| {
        let Suspect { row, given, likely, .. } = *suspect;
        let (place, text) = ((subject.place)(row), quoted(subject.text(row)));
        format!("{text} ({place}) has {}, its words are those of {}", name(given), name(likely))
    };
    let rows: Vec<String> = judgement.suspects.iter().take(LISTED).map(shown).collect();
    let count = judgement.suspects.len();
    let text = format!(
        "{} ({}) likely have a wrong label, such as {}. Wrong labels teach the head errors, and cap every score below 1: look at \
         them, and correct them; `check --data` lists more. (They are judged by the words of all other rows, which give the right \
         label in {:.1} % of rows.)",
        counted(count, "row"),
        percent(count, judgement.rows),
        rows.first().map_or("", String::as_str),
        100.0 * judgement.accuracy,
    );
    Verdict::Found(Finding { text, rows })
}

/// The judgement about one row.
#[derive(Clone, Copy)]
struct Judged {
    /// The most probable class other than the row's own, and both probabilities.
    other: u32,
    probability_of_other: f64,
    probability: f64,
}

impl Judgement {
    fn of(labels: &Labels, rows: &[usize], judged: &[Judged]) -> Self {
        let given = |at: usize| labels.of_row(rows[at])[0];
        let averages = averages(labels, rows, judged);
        let is_suspect = |(_, judged): &(usize, &Judged)| {
            judged.probability <= IMPROBABLE && judged.probability_of_other >= averages[judged.other as usize]
        };
        let suspect = |(at, judged): (usize, &Judged)| Suspect {
            row: rows[at],
            given: given(at),
            likely: judged.other,
            probability: judged.probability,
        };
        let mut suspects: Vec<Suspect> = judged.iter().enumerate().filter(is_suspect).map(suspect).collect();
        suspects.sort_by(|a, b| a.probability.total_cmp(&b.probability).then(a.row.cmp(&b.row)));
        let errors = judged.iter().filter(|judged| judged.probability_of_other > judged.probability).count();
        let sure = judged.iter().filter(|judged| judged.probability <= IMPROBABLE).count();
        // Of rows that the classifier is sure of, this many have another label, if its probabilities are right.
        let expected: f64 = judged.iter().map(Judged::doubt).filter(|doubt| *doubt <= IMPROBABLE).sum();
        let least = (MIN_SUSPECTS as f64).max(MIN_SHARE * rows.len() as f64).max(EXCESS * expected);
        Self {
            is_convincing: suspects.len() as f64 >= least && suspects.len() > errors - sure.min(errors),
            accuracy: 1.0 - errors as f64 / rows.len() as f64,
            rows: rows.len(),
            suspects,
        }
    }
}

impl Judged {
    /// The probability that the most probable class is the wrong one.
    fn doubt(&self) -> f64 {
        1.0 - self.probability.max(self.probability_of_other)
    }
}

/// Returns, for every class, its average probability for its own rows: the threshold of confident learning.
fn averages(labels: &Labels, rows: &[usize], judged: &[Judged]) -> Vec<f64> {
    let mut sums = vec![(0.0, 0_usize); labels.classes.len()];
    for (&row, judged) in rows.iter().zip(judged) {
        let (sum, count) = &mut sums[labels.of_row(row)[0] as usize];
        *sum += judged.probability;
        *count += 1;
    }
    // A class without judged rows is never likely.
    sums.into_iter().map(|(sum, count)| if count == 0 { f64::INFINITY } else { sum / count as f64 }).collect()
}

/// Naive Bayes on which words a text holds.
struct NaiveBayes {
    /// The different words of every row as indices, row after row; row `i` has `words[ends[i - 1]..ends[i]]`.
    words: Vec<u32>,
    ends: Vec<usize>,
    /// The class of every row.
    classes: Vec<u32>,
    /// The number of rows of every class.
    sizes: Vec<usize>,
    /// The number of texts that hold a word, and how many of them are of which class (only classes that have any).
    counts: Vec<WordCount>,
}

/// In how many texts a word is.
#[derive(Clone, Default)]
struct WordCount {
    all: u32,
    by_class: Vec<(u32, u32)>,
}

impl NaiveBayes {
    fn train(subject: &Subject<'_>, rows: &[usize]) -> Self {
        let classes: Vec<u32> = rows.iter().map(|&row| subject.labels.of_row(row)[0]).collect();
        let sizes = subject.labels.counts(rows);
        let (mut words, mut ends, mut counts) = (Vec::new(), Vec::with_capacity(rows.len()), Vec::new());
        let mut ids: HashMap<u64, u32> = HashMap::new();
        let mut text = Vec::new();
        for (&row, &class) in rows.iter().zip(&classes) {
            text.clear();
            push_words(subject.text(row), &mut text);
            text.sort_unstable();
            text.dedup();
            for &word in &text {
                let next = ids.len() as u32;
                let id = *ids.entry(word).or_insert(next);
                if id == next {
                    counts.push(WordCount::default());
                }
                counts[id as usize].add(class);
                words.push(id);
            }
            ends.push(words.len());
        }
        Self { words, ends, classes, sizes, counts }
    }

    /// Judges a row by all others.
    fn judge(&self, at: usize) -> Judged {
        let start = if at == 0 { 0 } else { self.ends[at - 1] };
        let given = self.classes[at];
        let rows = (self.classes.len() - 1) as f64;
        let share = |class: usize| (self.sizes[class] - usize::from(class == given as usize)) as f64 / rows;
        let mut scores: Vec<f64> = (0..self.sizes.len()).map(|class| share(class).ln()).collect();
        for &word in &self.words[start..self.ends[at]] {
            let count = &self.counts[word as usize];
            let all = f64::from(count.all - 1);
            if all == 0.0 {
                continue;
            }
            // Every class as if none of its texts held the word, and then the ones that have such texts: log ((n_c + S p_c) /
            // (S p_c)) more. What all classes have in common is left out.
            for &(class, texts) in &count.by_class {
                let texts = f64::from(texts - u32::from(class == given));
                scores[class as usize] += (texts / (SMOOTHING * share(class as usize))).ln_1p();
            }
        }
        judged(&scores, given)
    }
}

impl WordCount {
    fn add(&mut self, class: u32) {
        self.all += 1;
        match self.by_class.iter_mut().find(|(known, _)| *known == class) {
            Some((_, texts)) => *texts += 1,
            None => self.by_class.push((class, 1)),
        }
    }
}

/// Turns the scores of all classes into probabilities, by softmax.
fn judged(scores: &[f64], given: u32) -> Judged {
    let most = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let sum: f64 = scores.iter().map(|score| (score - most).exp()).sum();
    let others = (0..scores.len()).filter(|&class| class != given as usize);
    let other = others.max_by(|&a, &b| scores[a].total_cmp(&scores[b])).unwrap_or(0);
    let probability = |class: usize| (scores[class] - most).exp() / sum;
    Judged {
        other: other as u32,
        probability_of_other: probability(other),
        probability: probability(given as usize),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn probabilities_are_the_softmax_of_scores() {
        let Judged { other, probability_of_other, probability } = judged(&[0.0, 3_f64.ln(), f64::NEG_INFINITY], 0);
        assert_eq!(other, 1);
        assert!((probability - 0.25).abs() < 1e-12 && (probability_of_other - 0.75).abs() < 1e-12);
    }

    /// Four rows, by hand: row 0 ("good film", class 0) is judged by the other three, of which one is of class 0 and two of
    /// class 1. "good" is in one other text, of class 0; "film" in two others, one of each class. With S = 1:
    /// score(0) = log 1/3 + log (1 + 1 / (1/3)) + log (1 + 1 / (1/3)); score(1) = log 2/3 + 0 + log (1 + 1 / (2/3)).
    #[test]
    fn a_row_is_judged_by_the_others() {
        let labels = Labels {
            task: Task::Binary,
            classes: vec!["a".into(), "b".into()],
            targets: emberline_base::Targets::Single(vec![0, 0, 1, 1]),
        };
        let texts = vec!["good film", "Good film", "bad film!", "bad day"];
        let splits = emberline_base::Splits { train: vec![0, 1, 2, 3], valid: None, test: None };
        let subject = Subject { texts: &texts, labels: &labels, splits, place: &|row| row.to_string() };
        let bayes = NaiveBayes::train(&subject, &[0, 1, 2, 3]);
        let judged = bayes.judge(0);
        let (own, other) = (1.0 / 3.0 * 4.0 * 4.0, 2.0 / 3.0 * 2.5);
        assert!((judged.probability - own / (own + other)).abs() < 1e-12, "{}", judged.probability);
        assert!(judge(&subject).is_err_and(|reason| reason.contains("100 rows")));
    }
}
