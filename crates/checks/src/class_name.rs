//! EMB019: class names inside the texts of their own class, such as `#joy` in the texts of `joy`.
//!
//! A name gives its class away if a third of the class's texts hold it, it is ten times as frequent there as in other texts, and
//! four of five texts with it are of the class. Names of topics are words of their texts too (`love` in texts about love), but
//! rarely so exclusively.

use emberline_base::number::agreeing;

use crate::Subject;
use crate::verdict::{Finding, LISTED, Verdict, listed, named, percent, quoted};
use crate::words::{push_words, words};

/// Least length of a name in bytes, and least number of letters: numbers and short words occur everywhere.
const MIN_LENGTH: usize = 3;
const MIN_LETTERS: usize = 2;
/// Least number of a class's texts with its name, and least share of the class's texts.
const MIN_TEXTS: usize = 10;
const MIN_SHARE: f64 = 0.33;
/// Least share of the class among all texts with its name.
const MIN_PRECISION: f64 = 0.8;
/// How much more frequent the name is in its class than in other texts, at least.
const MIN_RATIO: f64 = 10.0;

/// A class whose name is inside its texts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Inside {
    /// The class.
    pub class: usize,
    /// The number of its texts with the name, and of all of its texts.
    pub with: usize,
    /// The number of all of its texts.
    pub of: usize,
    /// The number of other texts with the name.
    pub elsewhere: usize,
    /// The first of its texts with the name.
    pub first: usize,
}

/// Returns the classes whose names give them away; `None` if no class has a name that can be looked for.
pub fn find(subject: &Subject<'_>) -> Option<Vec<Inside>> {
    let names: Vec<Option<Vec<u64>>> = subject.labels.classes.iter().map(|name| name_words(name)).collect();
    if names.iter().all(Option::is_none) {
        return None;
    }
    let counted = Counts::of(subject, &names);
    let all = subject.len();
    let inside = |class: usize| {
        let (with, of) = (counted.with[class], counted.of[class]);
        let elsewhere = counted.holding[class] - with;
        let first = counted.first[class]?;
        let share = |part: usize, whole: usize| part as f64 / whole.max(1) as f64;
        let is_given_away = with >= MIN_TEXTS
            && share(with, of) >= MIN_SHARE
            && share(with, with + elsewhere) >= MIN_PRECISION
            && share(with, of) >= MIN_RATIO * share(elsewhere, all - of);
        is_given_away.then_some(Inside { class, with, of, elsewhere, first })
    };
    Some((0..names.len()).filter_map(inside).collect())
}

pub(crate) fn check(subject: &Subject<'_>) -> Verdict {
    let Some(found) = find(subject) else {
        return Verdict::NotApplicable("no class has a name of letters that could stand in a text".to_owned());
    };
    let Some(first) = found.first() else { return Verdict::Clear };
    let name = |inside: &Inside| named(&subject.labels.classes[inside.class]);
    let one = |inside: &Inside| {
        let Inside { with, of, elsewhere, .. } = *inside;
        format!("{} ({with} of its {of} texts, {}; {elsewhere} others)", name(inside), percent(with, of))
    };
    let shown: Vec<String> = found.iter().map(one).collect();
    let example = |inside: &Inside| {
        format!("{} is in {} ({})", name(inside), quoted(subject.text(inside.first)), (subject.place)(inside.first))
    };
    let text = format!(
        "The {} of {} inside the texts of {} own class: {}; for example, {}. A head learns to read the answer, and fails on texts \
         without it: remove the names from the texts, if new texts won't hold them.",
        agreeing(found.len(), "name", "names"),
        agreeing(found.len(), "a class is", "classes are"),
        agreeing(found.len(), "its", "their"),
        listed(&shown),
        example(first),
    );
    Verdict::Found(Finding { text, rows: found.iter().take(LISTED).map(example).collect() })
}

/// How often names occur.
struct Counts {
    /// The number of texts of each class with its name, and of all of its texts.
    with: Vec<usize>,
    of: Vec<usize>,
    /// The number of all texts with the name of each class.
    holding: Vec<usize>,
    /// The first text of each class with its name.
    first: Vec<Option<usize>>,
}

impl Counts {
    fn of(subject: &Subject<'_>, names: &[Option<Vec<u64>>]) -> Self {
        let zeros = || vec![0; names.len()];
        let mut counts = Self { with: zeros(), of: zeros(), holding: zeros(), first: vec![None; names.len()] };
        // Names by their first word, so that a text is compared with few of them.
        let mut by_first: Vec<(u64, usize)> =
            names.iter().enumerate().filter_map(|(class, name)| Some((*name.as_ref()?.first()?, class))).collect();
        by_first.sort_unstable();
        let (mut text, mut held) = (Vec::new(), Vec::new());
        for row in subject.rows() {
            text.clear();
            push_words(subject.text(row), &mut text);
            names_in(&text, names, &by_first, &mut held);
            let classes = subject.labels.of_row(row);
            classes.iter().for_each(|&class| counts.of[class as usize] += 1);
            for &class in &held {
                counts.holding[class] += 1;
                if classes.contains(&(class as u32)) {
                    counts.with[class] += 1;
                    counts.first[class].get_or_insert(row);
                }
            }
        }
        counts
    }
}

/// Collects the classes whose names are in a text, each once.
fn names_in(text: &[u64], names: &[Option<Vec<u64>>], by_first: &[(u64, usize)], held: &mut Vec<usize>) {
    held.clear();
    for (at, word) in text.iter().enumerate() {
        let start = by_first.partition_point(|(first, _)| first < word);
        for &(_, class) in by_first[start..].iter().take_while(|(first, _)| first == word) {
            let name = names[class].as_deref().unwrap_or_default();
            if text[at..].starts_with(name) && !held.contains(&class) {
                held.push(class);
            }
        }
    }
}

/// Returns the words of a class's name, if they can be looked for in texts.
fn name_words(name: &str) -> Option<Vec<u64>> {
    let letters = name.chars().filter(|c| c.is_alphabetic()).count();
    // In bytes: a Chinese or Japanese name of two characters is as long as a word.
    (letters >= MIN_LETTERS && name.trim().len() >= MIN_LENGTH).then(|| words(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_letters_are_looked_for_word_by_word() {
        for (name, text, expected) in [
            ("card_arrival", "where is it? Card Arrival!", true),
            ("card_arrival", "the card's arrival", false),
            ("joy", "I am so happy #Joy", true),
            ("joy", "enjoy", false),
        ] {
            let names = vec![name_words(name)];
            let by_first = [(names[0].as_ref().expect("a name")[0], 0)];
            let mut held = Vec::new();
            names_in(&words(text), &names, &by_first, &mut held);
            assert_eq!(!held.is_empty(), expected, "{name} in {text}");
        }
        for name in ["1", "no", "2.5", "12345", ""] {
            assert_eq!(name_words(name), None, "{name}");
        }
        assert!(name_words("体育").is_some());
    }
}
