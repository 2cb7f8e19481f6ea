//! Properties of the split, on random datasets.

use std::collections::BTreeSet;

use super::*;

/// Groups and strata of a random dataset, and the random stream that made them.
fn dataset(seed: u64, rows: usize) -> (Vec<u32>, Vec<u32>, Vec<u32>) {
    let mut random = Substream::new(seed, "dataset");
    let repeats = random.below(3);
    let mut groups: Vec<u32> = Vec::with_capacity(rows);
    for row in 0..rows {
        let again = row > 0 && random.below(4) < repeats;
        groups.push(if again { groups[random.below(row)] } else { row as u32 });
    }
    let classes = 1 + random.below(5);
    let strata = (0..rows).map(|_| random.below(classes).min(random.below(classes)) as u32).collect();
    ((0..rows as u32).collect(), groups, strata)
}

fn deck(seed: u64, rows: usize) -> (Deck, Vec<u32>, Vec<u32>) {
    let (all, groups, strata) = dataset(seed, rows);
    (Deck::new(&all, &groups, Some(&strata), &mut Substream::new(seed, "split")), groups, strata)
}

fn left(deck: &Deck) -> usize {
    deck.sizes.iter().sum()
}

#[test]
fn counts_are_exact_and_no_text_stands_on_two_sides() {
    for seed in 0..300 {
        let rows = 20 + seed as usize;
        let (mut deck, groups, _) = deck(seed, rows);
        let (tests, valids) = (rows / 5, rows / 7);
        let test = deck.take(tests);
        let valid = deck.take(valids);
        let train: Vec<usize> = deck.layout().into_iter().map(|row| row as usize).collect();
        assert_eq!((test.len(), valid.len()), (tests, valids), "seed {seed}");
        let side = |rows: &[usize]| rows.iter().map(|&row| groups[row]).collect::<BTreeSet<u32>>();
        assert!(side(&test).is_disjoint(&side(&valid)), "seed {seed}");
        assert!(side(&train).is_disjoint(&side(&valid)) && side(&train).is_disjoint(&side(&test)), "seed {seed}");
        let every: BTreeSet<usize> = [&test[..], &valid, &train].concat().into_iter().collect();
        assert_eq!(every.len(), test.len() + valid.len() + train.len(), "seed {seed}: a row twice");
    }
}

#[test]
fn nothing_is_cut_where_single_texts_fill_the_count() {
    let groups: Vec<u32> = (0..90).map(|row| if row < 30 { row / 10 } else { row }).collect();
    let rows: Vec<u32> = (0..90).collect();
    for seed in 0..50 {
        let mut deck = Deck::new(&rows, &groups, None, &mut Substream::new(seed, "split"));
        assert_eq!(deck.take(13).len(), 13);
        assert_eq!(left(&deck), 77, "seed {seed}");
    }
}

#[test]
fn a_count_that_no_groups_sum_to_is_met_by_cutting_one() {
    let groups = [0, 0, 0, 1, 1, 1, 2, 2, 2];
    let mut deck = Deck::new(&(0..9).collect::<Vec<_>>(), &groups, None, &mut Substream::new(1, "split"));
    assert_eq!(deck.take(4).len(), 4);
    assert_eq!(left(&deck), 3);
}

#[test]
fn strata_are_shared_by_largest_remainder() {
    assert_eq!(quotas(&[61_839, 4_110], 1_293), [1_212, 81]);
    assert_eq!(quotas(&[5, 5, 5], 4), [2, 1, 1]);
    assert_eq!(quotas(&[1, 100], 50), [0, 50]);
    assert_eq!(quotas(&[3, 4], 9), [3, 4]);
    assert_eq!(quotas(&[], 0), [0; 0]);
}

#[test]
fn every_beginning_of_the_layout_is_in_proportion() {
    let strata: Vec<u32> = (0..1000).map(|row| if row % 16 == 0 { 1 } else { u32::from(row % 3 == 0) * 2 }).collect();
    let rows: Vec<u32> = (0..1000).collect();
    let groups: Vec<u32> = (0..1000).collect();
    let mut sizes = [0.0; 3];
    strata.iter().for_each(|&s| sizes[s as usize] += 1.0);
    let layout = Deck::new(&rows, &groups, Some(&strata), &mut Substream::new(3, "split")).layout();
    let mut counts = [0.0; 3];
    for (length, &row) in (1u32..).zip(&layout) {
        counts[strata[row as usize] as usize] += 1.0;
        for (count, size) in counts.iter().zip(sizes) {
            let ideal: f64 = size * f64::from(length) / 1000.0;
            assert!((count - ideal).abs() <= 1.0, "{length}: {counts:?}");
        }
    }
}

/// Pinned: recorded results depend on these rows.
#[test]
fn the_split_never_changes() {
    let groups = [0, 1, 2, 1, 3, 4, 5, 6, 7, 8, 9, 10];
    let strata = [0, 1, 0, 1, 0, 0, 1, 0, 0, 0, 0, 1];
    let mut deck = Deck::new(&(0..12).collect::<Vec<_>>(), &groups, Some(&strata), &mut Substream::new(42, "split"));
    let test = deck.take(3);
    let valid = deck.take(3);
    assert_eq!((test, valid, deck.layout()), (vec![8, 9, 11], vec![4, 6, 7], vec![0, 5, 1, 3, 10, 2]));
}
