//! How long a fit takes on the shape of banking77 under all-MiniLM-L6-v2: 10,003 rows, 384 features, 77 classes.
//!
//! `ci/bench/linear.py` compares it with scikit-learn on the same rows, which this program writes: `cargo bench -p
//! emberline-linear -- ROWS FEATURES CLASSES L2 TOLERANCE MAX_ITERATIONS FILE`.
#![expect(clippy::print_stdout, reason = "results")]

use std::time::Instant;

use emberline_base::{Matrix, Substream, Task};
use emberline_linear::{Rows, Settings, fit};

/// Rows of length 1 around the centres of their classes, as sentence encoders give them.
fn problem(rows: usize, features: usize, classes: usize) -> (Matrix, Matrix) {
    let mut random = Substream::new(19, "bench/linear");
    let mut normal = |scale: f32| {
        let sum: f32 = (0..12).map(|_| random.unit()).sum();
        (sum - 6.0) * scale
    };
    let centres: Vec<f32> = (0..classes * features).map(|_| normal(1.0)).collect();
    let (mut matrix, mut targets) = (Matrix::zeros(rows, features), Matrix::zeros(rows, classes));
    for row in 0..rows {
        let class = row * 7919 % classes;
        targets.row_mut(row)[class] = 1.0;
        let values = matrix.row_mut(row);
        values.iter_mut().enumerate().for_each(|(at, value)| *value = centres[class * features + at] + normal(1.3));
        let length = values.iter().map(|value| value * value).sum::<f32>().sqrt();
        values.iter_mut().for_each(|value| *value /= length);
    }
    (matrix, targets)
}

/// The CPU time of all threads of this process in seconds, to a hundredth; none but on Linux.
fn cpu_seconds() -> Option<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    // The program's name, in parentheses, may hold spaces. User and system time are the fields 14 and 15, counted from 1.
    let fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11).take(2);
    Some(fields.filter_map(|ticks| ticks.parse::<f64>().ok()).sum::<f64>() / 100.0)
}

fn main() {
    let given: Vec<String> = std::env::args().skip(1).filter(|given| given != "--bench").collect();
    let number = |at: usize, default: f64| given.get(at).and_then(|given| given.parse().ok()).unwrap_or(default);
    let (rows, features, classes) = (number(0, 10_003.0) as usize, number(1, 384.0) as usize, number(2, 77.0) as usize);
    let settings = Settings { l2: number(3, 1.0), tolerance: number(4, 1e-4), max_iterations: number(5, 100.0) as u32 };
    let (matrix, targets) = problem(rows, features, classes);
    if let Some(path) = given.get(6) {
        let bytes: Vec<u8> = matrix.values().iter().flat_map(|value| value.to_le_bytes()).collect();
        std::fs::write(path, bytes).expect("the file of rows");
    }
    let (started, cpu) = (Instant::now(), cpu_seconds());
    let fit = fit(Rows::Dense(&matrix), Task::MultiClass, &targets, &settings, &|| true).expect("a fit");
    let seconds = started.elapsed().as_secs_f64();
    let cpu = cpu_seconds().zip(cpu).map_or(f64::NAN, |(end, start)| end - start);
    let end = fit.convergence[0];
    println!(
        "{{\"seconds\": {seconds:.4}, \"cpu\": {cpu:.2}, \"iterations\": {}, \"evaluations\": {}, \"gradient\": {:e}, \"objective\": {}}}",
        end.iterations, end.evaluations, end.gradient, end.objective
    );
}
