//! Properties of the split, on random datasets.

use std::collections::BTreeSet;

use emberline_base::Substream;

use super::*;

/// Rows with a unit, a stratum and a key each.
#[derive(Clone)]
struct Random {
    units: Vec<u32>,
    strata: Vec<u32>,
    /// By unit.
    keys: Vec<u128>,
}

impl Random {
    /// `with_units`: several rows may be of one unit.
    fn new(seed: u64, rows: usize, with_units: bool) -> Self {
        let mut random = Substream::new(seed, "dataset");
        let repeats = if with_units { random.below(3) } else { 0 };
        let classes = 1 + random.below(5);
        let mut dataset = Self { units: Vec::new(), strata: Vec::new(), keys: Vec::new() };
        for row in 0..rows {
            let again = row > 0 && random.below(4) < repeats;
            let unit = if again { dataset.units[random.below(row)] } else { dataset.keys.len() as u32 };
            dataset.push(unit, random.below(classes).min(random.below(classes)) as u32, &mut random);
        }
        dataset
    }

    /// Appends a row; one of a known unit has that unit's stratum.
    fn push(&mut self, unit: u32, stratum: u32, random: &mut Substream) {
        let known = self.units.iter().position(|&of| of == unit).map(|row| self.strata[row]);
        self.units.push(unit);
        self.strata.push(known.unwrap_or(stratum));
        if self.keys.len() <= unit as usize {
            self.keys.push(u128::from(random.bits()));
        }
    }

    fn sampler(&self) -> StratifiedSampler {
        let rows: Vec<u32> = (0..self.units.len() as u32).collect();
        let key = |rows: &[u32]| self.keys[self.units[rows[0] as usize] as usize];
        StratifiedSampler::new(&rows, &self.units, Some(&self.strata), key)
    }

    fn sizes(&self) -> Vec<usize> {
        self.sampler().strata.iter().map(|stratum| stratum.size).collect()
    }

    /// How many units each border has, in each stratum, that are on another side of it than in `before`.
    fn moved_units(&self, before: &Self, borders: &[usize], borders_before: &[usize]) -> usize {
        let (now, then) = (self.sampler().cut(0, borders), before.sampler().cut(0, borders_before));
        let mut most = 0;
        for border in 1..now.len() {
            let front = |pieces: &[Vec<u32>]| pieces[..border].concat().into_iter().collect::<BTreeSet<u32>>();
            let (now, then) = (front(&now), front(&then));
            let known = |row: &&u32| (**row as usize) < before.units.len();
            let moved: BTreeSet<u32> = now.symmetric_difference(&then).filter(known).copied().collect();
            for stratum in 0..5 {
                let of_stratum = moved.iter().filter(|&&row| self.strata[row as usize] == stratum);
                let units: BTreeSet<u32> = of_stratum.map(|&row| self.units[row as usize]).collect();
                most = most.max(units.len());
            }
        }
        most
    }
}

/// Returns borders at these fractions of `rows` rows: 0.2, 0.35, 0.8.
fn borders(rows: usize) -> Vec<usize> {
    [0.2, 0.35, 0.8].map(|part: f64| (part * rows as f64).round() as usize).to_vec()
}

#[test]
fn one_row_more_moves_one_unit_of_a_stratum_at_a_border() {
    for seed in 0..600 {
        let rows = 20 + seed as usize % 150;
        let before = Random::new(seed, rows, seed % 2 == 0);
        let mut random = Substream::new(seed, "one more");
        let mut now = before.clone();
        // Of a text that is there, of a new one, or of a new stratum.
        let unit = if seed % 3 == 0 { random.below(before.keys.len()) } else { before.keys.len() } as u32;
        now.push(unit, random.below(5) as u32, &mut random);
        for (now_at, before_at) in [(borders(rows), borders(rows)), (borders(rows + 1), borders(rows))] {
            let moved = now.moved_units(&before, &now_at, &before_at);
            assert!(moved <= 1, "seed {seed}: {moved} units of a stratum moved at one border");
        }
    }
}

#[test]
fn counts_are_exact_where_units_are_rows_and_near_where_they_are_not() {
    for seed in 0..300 {
        let rows = 20 + seed as usize;
        for with_units in [false, true] {
            let dataset = Random::new(seed, rows, with_units);
            let pieces = dataset.sampler().cut(0, &[rows / 5, rows / 5 + rows / 7]);
            let largest =
                (0..dataset.keys.len() as u32).map(|unit| dataset.units.iter().filter(|&&of| of == unit).count());
            let slack = dataset.sizes().len() * (largest.max().unwrap_or(1) - 1);
            assert!(pieces[0].len().abs_diff(rows / 5) <= slack, "seed {seed}");
            assert!(pieces[1].len().abs_diff(rows / 7) <= 2 * slack, "seed {seed}");
            let all: BTreeSet<u32> = pieces.concat().into_iter().collect();
            assert_eq!((all.len(), pieces.concat().len()), (rows, rows), "seed {seed}: every row once");
            let side = |rows: &[u32]| rows.iter().map(|&row| dataset.units[row as usize]).collect::<BTreeSet<u32>>();
            assert!(side(&pieces[0]).is_disjoint(&side(&pieces[1])), "seed {seed}");
            assert!(side(&pieces[2]).is_disjoint(&side(&[&pieces[0][..], &pieces[1]].concat())), "seed {seed}");
        }
    }
}

#[test]
fn smaller_pieces_are_subsets_of_larger_ones() {
    for seed in 0..100 {
        let sampler = Random::new(seed, 120, seed % 2 == 0).sampler();
        let train = |rows: usize| sampler.cut(0, &[20, 40, 40 + rows])[2].iter().copied().collect::<BTreeSet<u32>>();
        for rows in 1..80 {
            assert!(train(rows - 1).is_subset(&train(rows)), "seed {seed}: {rows}");
        }
    }
}

#[test]
fn folds_cover_every_row_once_and_validation_follows_the_fold() {
    for seed in 0..50 {
        let dataset = Random::new(seed, 103, seed % 2 == 0);
        let sampler = dataset.sampler();
        let bounds = |fold: usize| (103 * fold / 10, 103 * (fold + 1) / 10);
        let mut tested = Vec::new();
        for fold in 0..10 {
            let (start, end) = bounds(fold);
            let pieces = sampler.cut(start, &[end - start, end - start + 10]);
            tested.extend_from_slice(&pieces[0]);
            // Validation is the next block, and no row of the fold.
            let (next, after) = bounds((fold + 1) % 10);
            let next = sampler.cut(next, &[after - next]).swap_remove(0);
            let shared = pieces[1].iter().filter(|row| next.contains(row)).count();
            assert!(2 * shared > pieces[1].len(), "seed {seed}, fold {fold}: {shared} of {}", pieces[1].len());
            assert_eq!(pieces.concat().len(), 103);
        }
        tested.sort_unstable();
        assert_eq!(tested, (0..103).collect::<Vec<u32>>(), "seed {seed}");
    }
}

#[test]
fn strata_are_shared_in_proportion() {
    assert_eq!(quotas(&[61_839, 4_110], 1_293), [1_212, 81]);
    assert_eq!(quotas(&[5, 5, 5], 4), [2, 1, 1]);
    assert_eq!(quotas(&[1, 100], 50), [0, 50]);
    assert_eq!(quotas(&[3, 4], 9), [3, 4]);
    assert_eq!(quotas(&[], 0), [0; 0]);
    assert_eq!(quotas(&[0, 7], 3), [0, 3]);
    // Every count gives a seat more to one stratum, and to none less.
    let sizes = [17, 3, 40, 1, 1, 9, 29];
    for count in 1..=100 {
        let (fewer, more) = (quotas(&sizes, count - 1), quotas(&sizes, count));
        assert_eq!(more.iter().sum::<usize>(), count);
        assert!(fewer.iter().zip(&more).all(|(fewer, more)| fewer <= more), "{count}");
        // Webster's method may miss the exact share by a little more than a row.
        assert!(more.iter().zip(sizes).all(|(&quota, size)| (100 * quota).abs_diff(count * size) <= 150), "{count}");
    }
}

#[test]
fn a_unit_is_of_the_stratum_of_most_of_its_rows() {
    let strata = [2, 1, 1, 2, 0];
    assert_eq!([majority(&[0, 1, 2], &strata), majority(&[0, 1, 2, 3], &strata), majority(&[4], &strata)], [1, 1, 0]);
}
