//! The zero-label baseline: a text belongs to the class whose name is most similar to it, by the cosine of their vectors.
//!
//! Names of classes enter [`spoken_names`], and leave as texts that the vectors' source can read; vectors of texts and of names
//! enter [`logits`], and logits leave, as in zero-shot classification with sentence encoders (Yin, Hay and Roth, 2019; Reimers
//! and Gurevych, 2019). No label is used, of any split. Where vectors come from isn't known here.
//!
//! A logit is the cosine divided by [`TEMPERATURE`]. Without labels, no temperature can be fitted: the order of the rows and the
//! most similar name mean something, the probabilities of the logits and their loss don't.

use emberline_base::{Matrix, Task};
use rayon::prelude::*;

/// The version of the computation. Raise it when the same vectors and names give other logits, or more metrics are recorded.
pub const COMPUTATION: u32 = 2;
/// The number by which cosines are divided: that of sentence-transformers' losses, whose scale is 20.
pub const TEMPERATURE: f64 = 0.05;
/// Least number of letters of a name.
const MIN_LETTERS: usize = 2;
/// Names that answer a question which they don't hold.
const ANSWERS: [&str; 4] = ["true", "false", "yes", "no"];

/// Returns the names of classes as texts: underscores, hyphens and other punctuation become spaces, and camel case is taken
/// apart (`cardNotWorking` and `card_not_working`: `card not working`).
///
/// # Errors
/// The reason why names say nothing of what texts are about: one has no letters (`0`), or only says yes or no.
pub fn spoken_names(classes: &[String]) -> Result<Vec<String>, String> {
    let spoken: Vec<String> = classes.iter().map(|class| spoken(class)).collect();
    for (class, name) in classes.iter().zip(&spoken) {
        let has_letters = name.chars().filter(|c| c.is_alphabetic()).count() >= MIN_LETTERS
            || name.chars().any(|c| c.is_alphabetic() && !c.is_lowercase() && !c.is_uppercase());
        if !has_letters || ANSWERS.contains(&name.to_lowercase().as_str()) {
            let why = if has_letters { "doesn't say what its texts are about" } else { "has no name of letters" };
            return Err(format!("the class `{}` {why}", class.escape_debug()));
        }
    }
    Ok(spoken)
}

/// Returns one name as words between single spaces.
fn spoken(class: &str) -> String {
    let chars: Vec<char> = class.chars().collect();
    let mut text = String::with_capacity(class.len() + 8);
    for (at, &c) in chars.iter().enumerate() {
        let before = at.checked_sub(1).map(|before| chars[before]);
        // `notWorking` is cut before W; `HTMLPage` before P, the last capital of a run that a small letter follows.
        let begins_word = c.is_uppercase()
            && before.is_some_and(|before| {
                before.is_lowercase()
                    || (before.is_uppercase() && chars.get(at + 1).is_some_and(|after| after.is_lowercase()))
            });
        if begins_word {
            text.push(' ');
        }
        match c {
            // The capital only marked the beginning of the word.
            _ if begins_word && chars.get(at + 1).is_some_and(|after| after.is_lowercase()) => {
                text.extend(c.to_lowercase())
            }
            _ if is_word(c) => text.push(c),
            _ => text.push(' '),
        }
    }
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Letters, digits, marks that belong to a letter, and apostrophes (`don't`).
fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '\'' || c == '’' || (!c.is_ascii() && !c.is_whitespace() && !is_dash(c))
}

fn is_dash(c: char) -> bool {
    matches!(c, '\u{2010}'..='\u{2015}')
}

/// Returns the logits of texts, `[texts, outputs]`, from the vectors of texts `[texts, dim]` and of the classes' names
/// `[classes, dim]`: the cosines with the names, divided by [`TEMPERATURE`]. A binary task has one output, the logit of the
/// positive class minus that of the negative one. A vector of zeros has the cosine 0 with any other.
///
/// # Panics
/// If the vectors of texts and names have different lengths, or a binary task hasn't two names.
pub fn logits(task: Task, texts: &Matrix, names: &Matrix) -> Matrix {
    assert_eq!(texts.cols(), names.cols(), "vectors of one source");
    let directions: Vec<Vec<f64>> = (0..names.rows()).map(|name| direction(names.row(name))).collect();
    let of_text = |text: usize| {
        let text = direction(texts.row(text));
        let logit = |name: &Vec<f64>| dot(&text, name) / TEMPERATURE;
        match (task, directions.as_slice()) {
            (Task::Binary, [negative, positive]) => vec![(logit(positive) - logit(negative)) as f32],
            (Task::Binary, _) => panic!("a binary task has two classes"),
            (Task::MultiClass | Task::MultiLabel, _) => directions.iter().map(|name| logit(name) as f32).collect(),
        }
    };
    let outputs = if task == Task::Binary { 1 } else { names.rows() };
    let rows: Vec<Vec<f32>> = (0..texts.rows()).into_par_iter().map(of_text).collect();
    Matrix::new(texts.rows(), outputs, rows.concat())
}

/// Returns a vector of length 1 with the same direction; zeros stay zeros.
fn direction(vector: &[f32]) -> Vec<f64> {
    let vector: Vec<f64> = vector.iter().map(|&value| f64::from(value)).collect();
    let length = dot(&vector, &vector).sqrt();
    if length > 0.0 { vector.into_iter().map(|value| value / length).collect() } else { vector }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(classes: &[&str]) -> Result<Vec<String>, String> {
        spoken_names(&classes.iter().map(|&class| class.to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn names_are_taken_apart() {
        let written =
            ["card_not_working", "cardNotWorking", "HTMLPage", "rec.sport-hockey", "Sci/Tech", "don't__know", "été"];
        let spoken =
            ["card not working", "card not working", "HTML page", "rec sport hockey", "Sci Tech", "don't know", "été"];
        assert_eq!(names(&written).expect("names"), spoken);
        assert_eq!(names(&["科技", "体"]).expect("a word of one character"), ["科技", "体"]);
        assert_eq!(names(&["ABBR", "refund_not_showing_up?"]).expect("names"), ["ABBR", "refund not showing up"]);
    }

    #[test]
    fn names_that_say_nothing_are_refused() {
        for (classes, named) in
            [(["0", "1"], "`0`"), (["spam", "5"], "`5`"), (["a", "spam"], "`a`"), (["__", "spam"], "`__`")]
        {
            let reason = names(&classes).expect_err("no names");
            assert_eq!(reason, format!("the class {named} has no name of letters"));
        }
        assert!(names(&["True", "False"]).is_err_and(|reason| reason.contains("doesn't say what")));
        assert!(names(&["positive", "negative"]).is_ok());
    }

    /// By hand: (3, 4) has the cosines 0.6 and 0.8 with the axes, and 0.8 + 0.6 over the root of 2 with the diagonal.
    #[test]
    fn logits_are_cosines_over_the_temperature() {
        let texts = Matrix::new(2, 2, vec![3.0, 4.0, 0.0, 0.0]);
        let axes = Matrix::new(2, 2, vec![5.0, 0.0, 0.0, 0.5]);
        let found = logits(Task::MultiClass, &texts, &axes);
        let close = |found: &[f32], expected: &[f32]| found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-5);
        assert!(close(found.values(), &[12.0, 16.0, 0.0, 0.0]), "{found:?}");
        assert!(close(logits(Task::Binary, &texts, &axes).values(), &[4.0, 0.0]));
        assert_eq!(logits(Task::MultiLabel, &texts, &axes), found);
        let diagonal = Matrix::new(1, 2, vec![-1.0, -1.0]);
        let expected = -20.0 * 1.4 / std::f32::consts::SQRT_2;
        assert!(close(logits(Task::MultiLabel, &texts, &diagonal).values(), &[expected, 0.0]));
    }
}
