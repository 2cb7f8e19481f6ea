//! Coefficients equal those of scikit-learn's `LogisticRegression`, on the problems of `fixtures/logistic.json`.

use emberline_base::{Matrix, Task};
use emberline_linear::{Fit, Labels, Rows, Settings, SparseRows, fit, fit_weighted};
use serde_json::Value;

fn list(value: &Value) -> &[Value] {
    value.as_array().expect("a list")
}

fn numbers(value: &Value) -> Vec<f64> {
    list(value).iter().map(|value| value.as_f64().expect("a number")).collect()
}

fn matrix(value: &Value) -> Matrix {
    let rows: Vec<Vec<f64>> = list(value).iter().map(numbers).collect();
    Matrix::new(rows.len(), rows[0].len(), rows.concat().into_iter().map(|value| value as f32).collect())
}

/// The same rows without their zeros.
fn sparse(matrix: &Matrix) -> SparseRows {
    let (mut offsets, mut ids, mut values) = (vec![0], Vec::new(), Vec::new());
    for row in 0..matrix.rows() {
        for (id, &value) in matrix.row(row).iter().enumerate().filter(|(_, value)| **value != 0.0) {
            ids.push(id as u32);
            values.push(value);
        }
        offsets.push(ids.len());
    }
    SparseRows::new(matrix.cols(), offsets, ids, values)
}

struct Problem {
    name: String,
    task: Task,
    rows: Matrix,
    targets: Matrix,
    fits: Vec<Value>,
}

fn problems() -> Vec<Problem> {
    let stored: Value = serde_json::from_str(include_str!("fixtures/logistic.json")).expect("JSON");
    let problem = |problem: &Value| Problem {
        name: problem["name"].as_str().expect("a name").to_owned(),
        task: serde_json::from_value(problem["task"].clone()).expect("a task"),
        rows: matrix(&problem["rows"]),
        targets: matrix(&problem["targets"]),
        fits: list(&problem["fits"]).to_vec(),
    };
    list(&stored["problems"]).iter().map(problem).collect()
}

fn fitted(rows: Rows<'_>, problem: &Problem, c: f64) -> Fit {
    let settings = Settings { l2: 1.0 / c, tolerance: 1e-10, max_iterations: 10_000 };
    fit(rows, problem.task, &problem.targets, &settings, &|| true).expect("a fit")
}

fn largest_difference(ours: &[f64], theirs: &[f64]) -> f64 {
    assert_eq!(ours.len(), theirs.len());
    ours.iter().zip(theirs).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
}

/// Dense rows take other products than sparse ones; both meet the same coefficients.
#[test]
fn coefficients_equal_those_of_scikit_learn() {
    let problems = problems();
    assert_eq!(problems.len(), 7);
    for problem in &problems {
        for expected in &problem.fits {
            let c = expected["c"].as_f64().expect("C");
            let weights: Vec<f64> = list(&expected["weights"]).iter().flat_map(numbers).collect();
            let sparse = sparse(&problem.rows);
            for (form, rows) in [("dense", Rows::Dense(&problem.rows)), ("sparse", Rows::Sparse(&sparse))] {
                let fit = fitted(rows, problem, c);
                let of = format!("{} as {form} rows, C = {c}: {:?}", problem.name, fit.convergence);
                assert!(fit.has_converged(), "{of}");
                let difference = largest_difference(&fit.model.weights, &weights)
                    .max(largest_difference(&fit.model.intercepts, &numbers(&expected["intercepts"])));
                assert!(difference < 1e-4, "{of}: {difference}");
            }
        }
    }
}

/// Rows enough for several chunks: the same bits on one thread and on five.
#[test]
fn the_number_of_threads_changes_no_bit() {
    let row = |at: usize| (0..20).map(move |column| ((at * 31 + column * 17) as f32 * 0.37).sin());
    let rows = Matrix::new(1000, 20, (0..1000).flat_map(row).collect());
    let class = |at: usize| (rows.row(at)[0] > 0.0) as usize + (rows.row(at)[3] > 0.3) as usize + at % 4 * 3;
    for (task, outputs) in [(Task::MultiClass, 3), (Task::MultiClass, 12), (Task::Binary, 1)] {
        let mut targets = Matrix::zeros(1000, outputs);
        (0..1000).for_each(|at| targets.row_mut(at)[class(at) % outputs] = if at % 7 == 0 { 0.0 } else { 1.0 });
        if task == Task::MultiClass {
            (0..1000).step_by(7).for_each(|at| targets.row_mut(at)[2] = 1.0);
        }
        let sparse = sparse(&rows);
        for rows in [Rows::Dense(&rows), Rows::Sparse(&sparse)] {
            let on_threads = |count: usize| {
                let pool = rayon::ThreadPoolBuilder::new().num_threads(count).build().expect("a pool");
                pool.install(|| fit(rows, task, &targets, &Settings::default(), &|| true)).expect("a fit")
            };
            assert_eq!(on_threads(1), on_threads(5));
        }
    }
}

/// Dense rows with many classes are computed in 32 bits first, sparse ones never. Features far from zero leave few digits to
/// their logits in 32 bits; yet the minimum is the same.
#[test]
fn rows_that_32_bits_hold_badly_meet_the_same_minimum() {
    let row = |at: usize| (0..6).map(move |column| 30.0 + ((at * 31 + column * 17) as f32 * 0.37).sin());
    let rows = Matrix::new(600, 6, (0..600).flat_map(row).collect());
    let mut targets = Matrix::zeros(600, 10);
    (0..600).for_each(|at| targets.row_mut(at)[(at + at % 13 * (at % 3)) % 10] = 1.0);
    let settings = Settings { l2: 1.0, tolerance: 1e-8, max_iterations: 20_000 };
    let fit = |rows| fit(rows, Task::MultiClass, &targets, &settings, &|| true).expect("a fit");
    let (dense, sparse) = (fit(Rows::Dense(&rows)), fit(Rows::Sparse(&sparse(&rows))));
    let of = format!("{:?} {:?}", dense.convergence, sparse.convergence);
    assert!(dense.has_converged() && sparse.has_converged(), "{of}");
    assert!((dense.convergence[0].objective - sparse.convergence[0].objective).abs() < 1e-9, "{of}");
    assert!(largest_difference(&dense.model.weights, &sparse.model.weights) < 1e-4, "{of}");
}

/// `class_weight` of scikit-learn, by `fixtures/class_weight.py`.
#[test]
fn weighted_classes_equal_those_of_scikit_learn() {
    let (problems, stored) = (problems(), include_str!("fixtures/class_weight.json"));
    let stored: Value = serde_json::from_str(stored).expect("JSON");
    for expected in list(&stored["fits"]) {
        let problem = &problems[expected["problem"].as_u64().expect("an index") as usize];
        let weights = numbers(&expected["class_weights"]);
        let labels = Labels { task: problem.task, targets: &problem.targets, class_weights: Some(&weights) };
        let l2 = 1.0 / expected["c"].as_f64().expect("C");
        let settings = Settings { l2, tolerance: 1e-10, max_iterations: 10_000 };
        let mut parameters: Vec<Vec<f64>> = list(&expected["parameters"]).iter().map(numbers).collect();
        let intercepts = parameters.pop().expect("intercepts");
        for rows in [Rows::Dense(&problem.rows), Rows::Sparse(&sparse(&problem.rows))] {
            let fit = fit_weighted(rows, labels, &settings, &|| true).expect("a fit");
            let difference = largest_difference(&fit.model.weights, &parameters.concat())
                .max(largest_difference(&fit.model.intercepts, &intercepts));
            assert!(difference < 1e-4, "{} {}, l2 = {l2}: {difference}", problem.name, expected["rule"]);
        }
    }
}
