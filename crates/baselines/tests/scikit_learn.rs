//! TF-IDF and the decisions of baselines equal those of scikit-learn, on the texts of `fixtures/text.json`.

use emberline_base::{Matrix, Splits, Task};
use emberline_baselines::{Baseline, Fitted, Inputs, Terms, Tfidf, Vocabulary, fit_all};
use emberline_linear::SparseRows;
use serde_json::Value;

fn stored() -> Value {
    serde_json::from_str(include_str!("fixtures/text.json")).expect("JSON")
}

fn list(value: &Value) -> &[Value] {
    value.as_array().expect("a list")
}

fn strings(value: &Value) -> Vec<&str> {
    list(value).iter().map(|text| text.as_str().expect("a text")).collect()
}

fn number(value: &Value) -> f64 {
    value.as_f64().expect("a number")
}

/// Compares rows with lists of `[column, value]`.
fn assert_rows(rows: &SparseRows, expected: &Value) {
    assert_eq!(rows.rows(), list(expected).len());
    for (row, expected) in list(expected).iter().enumerate() {
        let (ids, values) = rows.row(row);
        let columns: Vec<u64> = list(expected).iter().map(|entry| entry[0].as_u64().expect("a column")).collect();
        assert_eq!(ids.iter().map(|&id| u64::from(id)).collect::<Vec<_>>(), columns, "row {row}");
        for (value, entry) in values.iter().zip(list(expected)) {
            assert!((f64::from(*value) - number(&entry[1])).abs() < 1e-6, "row {row}: {value}, not {entry}");
        }
    }
}

#[test]
fn tfidf_is_that_of_scikit_learn() {
    let stored = stored();
    let (train, test) = (strings(&stored["train"]), strings(&stored["test"]));
    assert_eq!(list(&stored["tfidf"]).len(), 4);
    for expected in list(&stored["tfidf"]) {
        let whole = |value: &Value| value.as_u64().expect("a whole number");
        let lengths = (whole(&expected["lengths"][0]) as usize, whole(&expected["lengths"][1]) as usize);
        let terms = Terms { lengths, min_texts: whole(&expected["min_texts"]) as u32 };
        let (vocabulary, counts) = Vocabulary::fit(&train, terms);
        let columns: Vec<Option<u32>> =
            strings(&expected["terms"]).into_iter().map(|term| vocabulary.column(term)).collect();
        assert_eq!(columns, (0..vocabulary.len() as u32).map(Some).collect::<Vec<_>>(), "{terms:?}");
        let tfidf = Tfidf::of(&vocabulary, train.len());
        assert_rows(&tfidf.transform(&counts), &expected["train"]);
        assert_rows(&tfidf.transform(&vocabulary.count(&test)), &expected["test"]);
    }
}

/// Fits all baselines on the stored texts with these classes; the test rows' targets don't matter.
fn fitted(task: Task, outputs: usize, classes: &Value) -> Vec<Fitted> {
    let stored = stored();
    let mut train = Matrix::zeros(list(classes).len(), outputs);
    for (row, class) in list(classes).iter().enumerate() {
        match (task, class.as_u64().expect("a class") as usize) {
            (Task::MultiClass, class) => train.row_mut(row)[class] = 1.0,
            (_, class) => train.row_mut(row)[0] = class as f32,
        }
    }
    let (texts, test) = (strings(&stored["train"]), strings(&stored["test"]));
    let targets = Splits { train, valid: None, test: Some(Matrix::zeros(test.len(), outputs)) };
    let texts = Splits { train: texts, valid: None, test: Some(test) };
    fit_all(&Inputs { task, texts: &texts, targets: &targets }, &|| true).expect("fitted")
}

fn logits(fitted: &[Fitted], baseline: Baseline) -> &Matrix {
    let found = fitted.iter().find(|fitted| fitted.baseline == baseline).expect("all baselines");
    assert_ne!(found.converged, Some(false));
    found.logits.test.as_ref().expect("test rows")
}

/// The stored fits are those of a tolerance of 1e-10, and those of baselines of 1e-4.
const TOLERANCES: [(Baseline, f64); 3] =
    [(Baseline::NaiveBayes, 1e-5), (Baseline::TfidfLr, 5e-3), (Baseline::NbSvm, 5e-3)];

#[test]
fn decisions_are_those_of_scikit_learn() {
    let stored = stored();
    let expected = |baseline: Baseline, task: &str| stored["classifiers"][baseline.name()][task].clone();
    let binary = fitted(Task::Binary, 1, &stored["labels"]);
    let several = fitted(Task::MultiClass, 3, &stored["classes"]);
    for (baseline, tolerance) in TOLERANCES {
        for (row, expected) in list(&expected(baseline, "binary")).iter().enumerate() {
            let logit = f64::from(logits(&binary, baseline).row(row)[0]);
            assert!((logit - number(expected)).abs() < tolerance, "{baseline:?} {row}: {logit}, not {expected}");
        }
        for (row, expected) in list(&expected(baseline, "classes")).iter().enumerate() {
            let exponentials: Vec<f64> =
                logits(&several, baseline).row(row).iter().map(|&z| f64::from(z).exp()).collect();
            let sum: f64 = exponentials.iter().sum();
            for (share, expected) in exponentials.iter().map(|e| e / sum).zip(list(expected)) {
                assert!((share - number(expected)).abs() < tolerance, "{baseline:?} {row}: {share}, not {expected}");
            }
        }
    }
}

/// A multi-label task is a binary task per class.
#[test]
fn classes_of_a_multi_label_task_are_decided_one_by_one() {
    let stored = stored();
    let binary = fitted(Task::Binary, 1, &stored["labels"]);
    let labels: Vec<f32> = list(&stored["labels"]).iter().flat_map(|label| [number(label) as f32, 0.0]).collect();
    let (texts, test) = (strings(&stored["train"]), strings(&stored["test"]));
    let train = Matrix::new(texts.len(), 2, labels);
    let targets = Splits { train, valid: None, test: Some(Matrix::zeros(test.len(), 2)) };
    let texts = Splits { train: texts, valid: None, test: Some(test) };
    let several = fit_all(&Inputs { task: Task::MultiLabel, texts: &texts, targets: &targets }, &|| true);
    let several = several.expect("fitted");
    for baseline in Baseline::ALL {
        let (one, both) = (logits(&binary, baseline), logits(&several, baseline));
        for row in 0..one.rows() {
            assert_eq!(one.row(row)[0], both.row(row)[0], "{baseline:?}");
            assert!(both.row(row)[1] < 0.0, "{baseline:?}: a class that no row has is never predicted");
        }
    }
}

#[test]
fn a_run_that_is_interrupted_ends() {
    let targets = Splits { train: Matrix::new(2, 1, vec![1.0, 0.0]), valid: None, test: None };
    let texts = Splits { train: vec!["one text", "another text"], valid: None, test: None };
    let inputs = Inputs { task: Task::Binary, texts: &texts, targets: &targets };
    assert!(fit_all(&inputs, &|| false).is_err());
    assert_eq!(fit_all(&inputs, &|| true).expect("fitted").len(), Baseline::ALL.len());
}
