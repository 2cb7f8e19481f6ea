//! Where the variance of the scores comes from: the setting, the split, the two together, the seed; and how much of it the
//! evaluated rows alone explain.
//!
//! Scores by setting, split and seed enter; standard deviations leave. They are the components of a two-way analysis of variance
//! with random splits, by the method of moments, those below zero set to zero (S. Searle, G. Casella and C. McCulloch, Variance
//! Components, 1992, chapter 4). Settings lack no split; splits may have unequal numbers of seeds, of which the harmonic mean is
//! taken.

use crate::answer::VarianceParts;
use crate::{mean, variance};

/// Returns the parts of the variance of `scores`, `[setting][split][seed]`.
pub fn variance_parts(scores: &[Vec<Vec<f64>>], rows: Option<f64>) -> VarianceParts {
    let (settings, splits) = (scores.len(), scores.first().map_or(0, Vec::len));
    let seeds: Vec<&Vec<f64>> = scores.iter().flatten().collect();
    let within: Vec<f64> = seeds.iter().filter_map(|seeds| variance(seeds)).collect();
    let of_seed = if within.is_empty() { 0.0 } else { mean(&within) };
    // A mean over seeds has this share of the variance of one.
    let share = seeds.iter().map(|seeds| 1.0 / seeds.len() as f64).sum::<f64>() / seeds.len().max(1) as f64;
    let means: Vec<Vec<f64>> = scores.iter().map(|splits| splits.iter().map(|seeds| mean(seeds)).collect()).collect();
    let of_settings = variance(&means.iter().map(|splits| mean(splits)).collect::<Vec<_>>());
    let of_splits = variance(&(0..splits).map(|k| mean(&column(&means, k))).collect::<Vec<_>>());
    let joint = joint_variance(&means);
    let residual = joint.unwrap_or(of_seed * share);
    let root = |value: f64| value.max(0.0).sqrt();
    VarianceParts {
        setting: of_settings.map(|variance| root(variance - residual / splits as f64)),
        split: of_splits.map(|variance| root(variance - residual / settings as f64)),
        setting_by_split: joint.map(|variance| root(variance - of_seed * share)),
        seed: (!within.is_empty()).then(|| root(of_seed)),
        rows,
    }
}

fn column(means: &[Vec<f64>], split: usize) -> Vec<f64> {
    means.iter().map(|splits| splits[split]).collect()
}

/// Returns the mean square of what settings and splits don't explain one by one; none with fewer than two of either.
fn joint_variance(means: &[Vec<f64>]) -> Option<f64> {
    let (settings, splits) = (means.len(), means.first()?.len());
    if settings < 2 || splits < 2 {
        return None;
    }
    let of_setting: Vec<f64> = means.iter().map(|splits| mean(splits)).collect();
    let of_split: Vec<f64> = (0..splits).map(|split| mean(&column(means, split))).collect();
    let all = mean(&of_setting);
    let mut sum = 0.0;
    for (setting, row) in means.iter().enumerate() {
        sum += row.iter().zip(&of_split).map(|(x, split)| (x - of_setting[setting] - split + all).powi(2)).sum::<f64>();
    }
    Some(sum / ((settings - 1) * (splits - 1)) as f64)
}

#[cfg(test)]
mod tests {
    use emberline_base::Substream;

    use super::*;

    /// A sum of twelve numbers of 0 to 1 less six has the variance 1.
    fn normal(stream: &mut Substream) -> f64 {
        (0..12).map(|_| f64::from(stream.unit())).sum::<f64>() - 6.0
    }

    #[test]
    fn parts_are_found_again() {
        let mut stream = Substream::new(3, "variance");
        let (settings, splits, seeds) = (40, 40, 4);
        let of_setting: Vec<f64> = (0..settings).map(|_| normal(&mut stream) * 3.0).collect();
        let of_split: Vec<f64> = (0..splits).map(|_| normal(&mut stream) * 2.0).collect();
        let mut scores = vec![vec![Vec::new(); splits]; settings];
        for (setting, row) in scores.iter_mut().enumerate() {
            for (split, cell) in row.iter_mut().enumerate() {
                let joint = normal(&mut stream) + of_setting[setting] + of_split[split];
                cell.extend((0..seeds).map(|_| joint + normal(&mut stream) * 0.5));
            }
        }
        let parts = variance_parts(&scores, Some(0.7));
        let found = [parts.setting, parts.split, parts.setting_by_split, parts.seed].map(|part| part.expect("a part"));
        for (found, known) in found.into_iter().zip([3.0, 2.0, 1.0, 0.5]) {
            assert!((found / known - 1.0).abs() < 0.3, "{parts:?}");
        }
        assert_eq!(parts.rows, Some(0.7));
    }

    #[test]
    fn what_is_not_replicated_is_not_told() {
        let parts = variance_parts(&[vec![vec![0.5]]], None);
        assert_eq!(parts, VarianceParts::default());
        let parts = variance_parts(&[vec![vec![0.5], vec![0.7]]], None);
        assert!(parts.setting.is_none() && parts.seed.is_none() && parts.setting_by_split.is_none());
        assert!((parts.split.expect("two splits") - 0.02f64.sqrt()).abs() < 1e-12);
        assert_eq!(variance_parts(&[], None), VarianceParts::default());
    }
}
