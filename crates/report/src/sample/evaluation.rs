//! Artificial predictions for tests: plausible numbers, computed without randomness.

use emberline_base::record::answer::ScoredRows;
use emberline_base::{Matrix, Task};

use super::wobble;
use crate::evaluation::Evaluation;
use crate::known::RowWords;
use crate::rows::{RowFacts, RowLocation};
use crate::study::scores;

/// The number of rows.
const ROWS: usize = 200;

/// Predictions of a binary task, with a threshold, a second replicate, two files and known words.
pub(crate) fn evaluation() -> Evaluation {
    let labels: Vec<Vec<u32>> = (0..ROWS).map(|row| vec![u32::from(row % 5 == 0)]).collect();
    let logits = |salt: &str| -> Vec<f32> {
        let of_row = |(row, label): (usize, &Vec<u32>)| {
            let side = if label[0] == 1 { 0.8 } else { -1.4 };
            (side + 2.5 * wobble(&format!("{salt}{row}"))) as f32
        };
        labels.iter().enumerate().map(of_row).collect()
    };
    let (first, second) = (logits("a"), logits("b"));
    let names = ["sincere", "insincere"];
    let mut evaluation = of(Task::Binary, &names, Matrix::new(ROWS, 1, first), labels);
    evaluation.threshold = Some(0.4);
    evaluation.others = vec![(Matrix::new(ROWS, 1, second), evaluation.targets.clone())];
    evaluation
}

/// Predictions of a task with four classes, with two rows of a label that no training row has.
pub(crate) fn evaluation_of_classes() -> Evaluation {
    let label = |row: usize| if row % 100 == 99 { u32::MAX } else { row as u32 % 4 };
    let labels: Vec<Vec<u32>> = (0..ROWS).map(|row| vec![label(row)]).collect();
    let logit = |(row, class): (usize, usize)| {
        let right = if labels[row][0] == class as u32 { 1.0 } else { 0.0 };
        (right + 1.2 * wobble(&format!("{row} {class}"))) as f32
    };
    let logits = (0..ROWS).flat_map(|row| (0..4).map(move |class| (row, class))).map(logit).collect();
    of(Task::MultiClass, &["a", "b", "c", "d"], Matrix::new(ROWS, 4, logits), labels)
}

/// Predictions of a task with three labels, of which a row has none to two.
pub(crate) fn evaluation_of_labels() -> Evaluation {
    let labels: Vec<Vec<u32>> = (0..ROWS)
        .map(|row| [vec![], vec![0], vec![1], vec![0, 2]].into_iter().nth(row % 4).unwrap_or_default())
        .collect();
    let logit = |(row, class): (usize, usize)| {
        let right = if labels[row].contains(&(class as u32)) { 1.0 } else { -1.0 };
        (right + 1.5 * wobble(&format!("{row} {class}"))) as f32
    };
    let logits = (0..ROWS).flat_map(|row| (0..3).map(move |class| (row, class))).map(logit).collect();
    of(Task::MultiLabel, &["joy", "anger", "fear"], Matrix::new(ROWS, 3, logits), labels)
}

fn of(task: Task, classes: &[&str], logits: Matrix, labels: Vec<Vec<u32>>) -> Evaluation {
    let location = |row: usize| RowLocation {
        file: if row < ROWS / 4 { "a.csv" } else { "b.csv" }.to_owned(),
        number: row as u32 + 2,
        text: Some(format!("question {row}, {}", "word ".repeat(row % 7))),
    };
    let words = |row: usize| RowWords { words: 10, known: 10 - (row % 4) as u32, composed: 0 };
    Evaluation {
        cell: "nnlm-128-frozen-s1-00".to_owned(),
        choice: "the best of its setting".to_owned(),
        setting: "nnlm-128 · frozen".to_owned(),
        scored: ScoredRows::Test,
        task,
        classes: classes.iter().map(|class| (*class).to_owned()).collect(),
        threshold: None,
        targets: scores::targets(task, logits.cols(), &labels),
        locations: (0..ROWS).map(location).collect(),
        facts: RowFacts { lengths: (0..ROWS).map(|row| 10 + (row as u32 * 7) % 90).collect(), groups: None },
        words: Some((0..ROWS).map(words).collect()),
        others: Vec::new(),
        files: Vec::new(),
        labels,
        logits,
    }
}
