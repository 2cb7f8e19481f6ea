//! EMB022: rows whose words speak for another label than theirs, after confident learning (Northcutt, Jiang and Chuang 2021): a
//! model that hasn't seen a row judges its label, and the noise of labels is estimated from all judgements together.
//!
//! The model is naive Bayes, trained on all other rows (leave-one-out cross-validation, which takes no more time than training,
//! since a row's own counts can be subtracted). For class `c` and word `w`, found in `n` texts, `n_c` of them of the class, whose
//! share of all rows is `p_c`:
//!
//! ```text
//! score(c) = log p_c + sum over the text's words of log ((n_c + S p_c) / ((n + S) p_c))
//! ```
//!
//! A word that is in no other text says nothing, whatever the sizes of the classes. `noise.rs` explains the scores of all rows'
//! labels by two numbers: how overconfident scores are, and which share of labels is wrong (figures: `docs/warnings.md`). Only if
//! wrong labels explain them far better than difficult texts do is there a warning.

use std::collections::HashMap;

use emberline_base::Task;
use emberline_base::number::counted;
use rayon::prelude::*;

use crate::Subject;
use crate::noise::{LogOdds, Noise};
use crate::subject::thinned;
use crate::verdict::{Finding, LISTED, Verdict, named, percent, quoted};
use crate::words::push_words;

/// Pseudo-texts that every word starts with, divided among the classes by their size: the values that are tried.
const SMOOTHING: [f64; 3] = [1.0, 4.0, 16.0];
/// Least number of rows, and of rows of a class that takes part.
const MIN_ROWS: usize = 100;
const MIN_CLASS: usize = 10;
/// Maximum number of rows; of more, a sample is judged.
const MAX_ROWS: usize = 200_000;
/// Least number and share of suspects that cause a warning.
const MIN_SUSPECTS: usize = 2;
const MIN_SHARE: f64 = 0.002;
/// Least share of rows whose label their words give: where words tell less, a row that they contradict is an ordinary one.
const MIN_ACCURACY: f64 = 0.8;
/// Least probability that a label is wrong with which a row is suspected.
const SUSPECTED: f64 = 0.5;
/// Least evidence for wrong labels that causes a warning: twice the difference of log-likelihoods. By chance alone it exceeds 10
/// in one of 1,300 data sets.
const EVIDENCE: f64 = 10.0;

/// A row whose label is likely wrong.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Suspect {
    /// The row.
    pub row: usize,
    /// Its label, as a class.
    pub given: u32,
    /// The class that its words speak for.
    pub likely: u32,
    /// The probability that its label is wrong.
    pub probability: f64,
}

/// What was found about all rows together.
#[derive(Clone, Debug, PartialEq)]
pub struct Judgement {
    /// The rows whose labels are likely wrong, the most probable first.
    pub suspects: Vec<Suspect>,
    /// The share of rows whose label is the most probable one by their words.
    pub accuracy: f64,
    /// The share of rows of the largest class: the accuracy of always answering it.
    pub largest: f64,
    /// The number of rows that were judged.
    pub rows: usize,
    /// The estimated noise of the labels.
    pub noise: Noise,
}

impl Judgement {
    /// Returns whether wrong labels explain the data far better than difficult texts do.
    pub fn is_convincing(&self) -> bool {
        let least = (MIN_SUSPECTS as f64).max(MIN_SHARE * self.rows as f64);
        self.suspects.len() as f64 >= least && self.noise.evidence >= EVIDENCE
    }

    /// Returns the number of suspects whose labels are expected to be right as they are.
    pub fn expected_right(&self) -> f64 {
        self.suspects.iter().map(|suspect| 1.0 - suspect.probability).sum()
    }

    /// Says how many of the suspects are expected to be right, and which share of all labels is wrong.
    fn certainty(&self) -> String {
        let [low, high] = self.noise.interval.map(|share| 100.0 * share);
        let right = match self.expected_right().round() {
            0.0 => "hardly any of them is".to_owned(),
            1.0 => "about one of them is".to_owned(),
            count => format!("about {count} of them are"),
        };
        format!("{right} expected to be right, and {low:.1} to {high:.1} % of all labels to be wrong (95 % interval)")
    }
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
    let judged: [Vec<Judged>; 3] =
        SMOOTHING.map(|smoothing| (0..rows.len()).into_par_iter().map(|at| bayes.judge(at, smoothing)).collect());
    let odds = judged.each_ref().map(|judged| judged.iter().map(|judged| judged.odds).collect::<Vec<LogOdds>>());
    let classes = bayes.sizes.iter().filter(|&&size| size > 0).count();
    let (best, noise) = Noise::estimate(&odds, classes);
    Ok(Judgement::of(&bayes, &rows, &judged[best], noise))
}

pub(crate) fn check(subject: &Subject<'_>) -> Verdict {
    let judgement = match judge(subject) {
        Ok(judgement) => judgement,
        Err(reason) => return Verdict::NotApplicable(reason),
    };
    if judgement.accuracy < MIN_ACCURACY {
        return Verdict::NotApplicable(format!(
            "the words of all other rows give the right label in {:.1} % of rows only, so that a row which they contradict is an \
             ordinary one",
            100.0 * judgement.accuracy
        ));
    }
    if judgement.accuracy < judgement.largest {
        return Verdict::NotApplicable(format!(
            "the words of all other rows give the right label in {:.1} % of rows, and the largest class alone has {:.1} %, so that a \
             row which they contradict is an ordinary one",
            100.0 * judgement.accuracy,
            100.0 * judgement.largest
        ));
    }
    if !judgement.is_convincing() {
        return Verdict::Clear;
    }
    let name = |class: u32| named(&subject.labels.classes[class as usize]);
    let shown = |suspect: &Suspect| {
        let Suspect { row, given, likely, probability } = *suspect;
        let (place, text) = ((subject.place)(row), quoted(subject.text(row)));
        // Never "100 %": words don't prove a label wrong.
        let sure = (100.0 * probability).min(99.0).floor();
        format!("{text} ({place}) has {}, its words are those of {} ({sure} % sure)", name(given), name(likely))
    };
    let rows: Vec<String> = judgement.suspects.iter().take(LISTED).map(shown).collect();
    let count = judgement.suspects.len();
    let text = format!(
        "{} ({}) likely have a wrong label, such as {}. How sure that is: {}. Wrong labels teach the head errors, and cap every score \
         below 1: look at them, and correct them; `check --data` lists more. (They are judged by the words of all other rows, \
         which give the right label in {:.1} % of rows.)",
        counted(count, "row"),
        percent(count, judgement.rows),
        rows.first().map_or("", String::as_str),
        judgement.certainty(),
        100.0 * judgement.accuracy,
    );
    Verdict::Found(Finding { text, rows })
}

/// The judgement about one row.
#[derive(Clone, Copy)]
struct Judged {
    /// The best class other than the row's own.
    other: u32,
    /// The score of its own class minus that of the other one.
    margin: f64,
    odds: LogOdds,
}

impl Judgement {
    fn of(bayes: &NaiveBayes, rows: &[usize], judged: &[Judged], noise: Noise) -> Self {
        let suspect = |(at, judged): (usize, &Judged)| Suspect {
            row: rows[at],
            given: bayes.classes[at],
            likely: judged.other,
            probability: noise.wrong(&judged.odds),
        };
        let all = judged.iter().enumerate().map(suspect);
        let mut suspects: Vec<Suspect> = all.filter(|suspect| suspect.probability >= SUSPECTED).collect();
        suspects.sort_by(|a, b| b.probability.total_cmp(&a.probability).then(a.row.cmp(&b.row)));
        let errors = judged.iter().filter(|judged| judged.margin < 0.0).count();
        let share = |count: usize| count as f64 / rows.len() as f64;
        let largest = share(bayes.sizes.iter().copied().max().unwrap_or(0));
        Self { suspects, accuracy: 1.0 - share(errors), largest, rows: rows.len(), noise }
    }
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
    fn judge(&self, at: usize, smoothing: f64) -> Judged {
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
                scores[class as usize] += (texts / (smoothing * share(class as usize))).ln_1p();
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

/// Compares the score of a row's own class with the others.
fn judged(scores: &[f64], given: u32) -> Judged {
    let others = (0..scores.len()).filter(|&class| class != given as usize);
    let other = others.max_by(|&a, &b| scores[a].total_cmp(&scores[b])).unwrap_or(0);
    let odds = LogOdds::of(scores, given as usize);
    Judged { other: other as u32, margin: scores[given as usize] - scores[other], odds }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Four rows, by hand: row 0 ("good film", class 0) is judged by the other three, of which one is of class 0 and two of
    /// class 1. "good" is in one other text, of class 0; "film" in two others, one of each class. With S = 1:
    /// score(0) = log 1/3 + log (1 + 1 / (1/3)) + log (1 + 1 / (1/3)); score(1) = log 2/3 + 0 + log (1 + 1 / (2/3)).
    #[test]
    fn a_row_is_judged_by_the_others() {
        let labels = emberline_base::Labels {
            task: Task::Binary,
            classes: vec!["a".into(), "b".into()],
            targets: emberline_base::Targets::Single(vec![0, 0, 1, 1]),
        };
        let texts = vec!["good film", "Good film", "bad film!", "bad day"];
        let splits = emberline_base::Splits { train: vec![0, 1, 2, 3], valid: None, test: None };
        let subject = Subject { texts: &texts, labels: &labels, splits, place: &|row| row.to_string() };
        let bayes = NaiveBayes::train(&subject, &[0, 1, 2, 3]);
        let judged = bayes.judge(0, 1.0);
        let (own, other) = (1.0 / 3.0 * 4.0 * 4.0, 2.0 / 3.0 * 2.5);
        assert!((judged.margin - f64::ln(own / other)).abs() < 1e-12, "{}", judged.margin);
        assert!(judge(&subject).is_err_and(|reason| reason.contains("100 rows")));
    }
}
