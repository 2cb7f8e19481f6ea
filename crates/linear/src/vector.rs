//! Operations on long vectors of 64-bit floats that give the same bits for any number of threads: a vector is divided into
//! chunks of [`CHUNK`] numbers, whose sums are added in order.

use rayon::prelude::*;

/// Numbers per parallel work item.
const CHUNK: usize = 1 << 15;

/// Partial sums of an inner product: enough for the compiler to keep several registers busy.
const LANES: usize = 16;

/// Returns the inner product.
pub(crate) fn dot(left: &[f64], right: &[f64]) -> f64 {
    if left.len() <= CHUNK {
        return dot_chunk(left, right);
    }
    let chunks = left.par_chunks(CHUNK).zip(right.par_chunks(CHUNK));
    chunks.map(|(left, right)| dot_chunk(left, right)).collect::<Vec<f64>>().iter().sum()
}

fn dot_chunk(left: &[f64], right: &[f64]) -> f64 {
    let mut sums = [0.0_f64; LANES];
    for (left, right) in left.chunks(LANES).zip(right.chunks(LANES)) {
        for ((sum, left), right) in sums.iter_mut().zip(left).zip(right) {
            *sum += left * right;
        }
    }
    sums.iter().sum()
}

/// Computes `target += factor * vector`.
pub(crate) fn add_scaled(target: &mut [f64], factor: f64, vector: &[f64]) {
    let add = |(target, vector): (&mut [f64], &[f64])| {
        target.iter_mut().zip(vector).for_each(|(target, value)| *target += factor * value);
    };
    if target.len() <= CHUNK {
        return add((target, vector));
    }
    target.par_chunks_mut(CHUNK).zip(vector.par_chunks(CHUNK)).for_each(add);
}

/// Multiplies a vector by a factor.
pub(crate) fn scale(target: &mut [f64], factor: f64) {
    target.iter_mut().for_each(|value| *value *= factor);
}

/// Returns the largest magnitude; NaN if any number is NaN.
pub(crate) fn largest_magnitude(vector: &[f64]) -> f64 {
    // Nothing is larger than NaN: it stays.
    let larger = |largest: f64, value: &f64| {
        if value.is_nan() || value.abs() > largest { value.abs() } else { largest }
    };
    vector.iter().fold(0.0, larger)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_vectors_are_summed_like_short_ones() {
        let ones: Vec<f64> = (0..3 * CHUNK + 7).map(|i| f64::from(i as u32 % 5)).collect();
        let expected: f64 = ones.iter().map(|one| one * one).sum();
        assert_eq!(dot(&ones, &ones), expected);
        let mut target = ones.clone();
        add_scaled(&mut target, 2.0, &ones);
        scale(&mut target, 0.5);
        assert!(largest_magnitude(&[1.0, f64::NAN, -2.0]).is_nan());
        assert_eq!(largest_magnitude(&[1.0, -2.0]), 2.0);
        assert!(target.iter().zip(&ones).all(|(target, one)| *target == 1.5 * one));
    }
}
