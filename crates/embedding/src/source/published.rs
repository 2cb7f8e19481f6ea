//! Vectors published by the authors of models, to check a downloaded model with: `embed --verify-published`.
//!
//! The first numbers of one vector identify a model: those of another model, or of another version, differ in the
//! second digit.

/// The published vectors of one model.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Published {
    /// The model's name on the command line.
    pub name: &'static str,
    /// The kind of source that reads it.
    pub kind: &'static str,
    /// The length of its vectors.
    pub dim: usize,
    /// Texts, and the first numbers of their vectors.
    pub vectors: &'static [(&'static str, &'static [f32])],
    /// The tolerance per number: a few units of the last published digit, or the difference between kinds of
    /// hardware.
    pub tolerance: f32,
}

const FOX: &str = "The quick brown fox jumps over the lazy dog.";

/// All models with published vectors that are known here.
pub const PUBLISHED: [Published; 3] = [
    // The notebook "Semantic similarity with TF-Hub Universal Encoder", run with module 4 ...
    Published {
        name: "use-4",
        kind: "tfhub",
        dim: 512,
        vectors: &[(FOX, &[-0.031_330_16, -0.063_386_34, -0.016_075_01])],
        tolerance: 1e-4,
    },
    // ... and with large/5.
    Published {
        name: "use-large-5",
        kind: "tfhub",
        dim: 512,
        vectors: &[(FOX, &[0.013_051_08, 0.022_351_25, -0.032_632_78])],
        tolerance: 1e-4,
    },
    // The example of the model's page, as sentence-transformers 5 computes it.
    Published {
        name: "all-MiniLM-L6-v2",
        kind: "sentence_transformer",
        dim: 384,
        vectors: &[
            ("This is an example sentence", &[0.067_657, 0.063_496, 0.048_713, 0.079_305, 0.037_448]),
            ("Each sentence is converted", &[0.086_439, 0.102_763, 0.005_395, 0.002_044, -0.009_963]),
            ("", &[-0.118_838, 0.048_299, -0.002_548, -0.011_011, 0.051_951]),
        ],
        tolerance: 1e-5,
    },
];

impl Published {
    /// Returns the published vectors of a model, ignoring case.
    pub fn named(name: &str) -> Option<&'static Self> {
        PUBLISHED.iter().find(|published| published.name.eq_ignore_ascii_case(name))
    }

    /// Returns how many numbers were published.
    pub fn numbers(&self) -> usize {
        self.vectors.iter().map(|(_, start)| start.len()).sum()
    }

    /// Returns the largest difference between vectors and the published ones, given one vector per text; infinite if
    /// a vector contains NaN, or too few numbers.
    pub fn difference<'v>(&self, vectors: impl IntoIterator<Item = &'v [f32]>) -> f32 {
        let mut found = vectors.into_iter();
        let of_text = |(_, start): &(&str, &[f32])| match found.next() {
            Some(vector) if vector.len() >= start.len() => largest(vector, start),
            _ => f32::INFINITY,
        };
        self.vectors.iter().map(of_text).fold(0.0, f32::max)
    }
}

fn largest(found: &[f32], start: &[f32]) -> f32 {
    let differences = found.iter().zip(start).map(|(a, b)| (a - b).abs());
    differences.fold(0.0, |max, d| if d.is_nan() { f32::INFINITY } else { max.max(d) })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TINY: Published = Published {
        name: "tiny",
        kind: "hashing",
        dim: 3,
        vectors: &[("a", &[0.5, -1.0]), ("b", &[2.0])],
        tolerance: 1e-3,
    };

    #[test]
    fn the_largest_difference_counts() {
        assert_eq!(TINY.difference([&[0.5, -1.0, 9.0][..], &[2.0, 9.0, 9.0]]), 0.0);
        assert_eq!(TINY.difference([&[0.5, -1.5, 9.0][..], &[2.25, 9.0, 9.0]]), 0.5);
        assert_eq!(TINY.difference([&[0.5, f32::NAN, 9.0][..], &[2.0, 9.0, 9.0]]), f32::INFINITY);
        assert_eq!(TINY.difference([&[0.5, -1.0, 9.0][..]]), f32::INFINITY);
        assert_eq!(TINY.difference([&[0.5][..], &[2.0]]), f32::INFINITY);
        assert_eq!(TINY.numbers(), 3);
    }

    #[test]
    fn models_are_found_by_name() {
        assert_eq!(Published::named("USE-4").map(|p| p.dim), Some(512));
        assert!(Published::named("use").is_none());
        for published in &PUBLISHED {
            assert_eq!(Published::named(published.name), Some(published));
            assert!(published.vectors.iter().all(|(_, start)| start.len() <= published.dim));
        }
    }
}
