//! The pairs of texts that an encoder is trained on, drawn from the seed.

use std::ops::Range;

use emberline_base::{Matrix, Substream, Task};

use crate::Error;
use crate::settings::{Contrastive, class_of_row};

/// How often a text of other labels is looked for.
const ATTEMPTS: usize = 100;

/// Two training rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Pair {
    pub(crate) rows: [usize; 2],
    /// Whether the labels are equal; in a multi-label task, whether they have one in common.
    pub(crate) equal: bool,
}

/// Draws the pairs of all epochs, those of an epoch shuffled. Each row begins pairs with others of its label, and as many with
/// rows of another label. A row whose label no other row has begins none of the former.
///
/// # Errors
/// If there are no two texts of one label, or none of different ones.
pub(super) fn pairs(task: Task, targets: &Matrix, settings: Contrastive, seed: u64) -> Result<Vec<Pair>, Error> {
    check_pairs(task, targets)?;
    let groups = Groups::of(task, targets);
    let mut all = Vec::new();
    for epoch in 1..=settings.epochs {
        let mut stream = Substream::new(seed, &format!("contrastive/epoch/{epoch}"));
        let mut of_epoch = Vec::new();
        for row in 0..targets.rows() {
            for _ in 0..settings.pairs {
                let equal = groups.equal(row, &mut stream).map(|other| Pair { rows: [row, other], equal: true });
                let different =
                    groups.different(row, &mut stream).map(|other| Pair { rows: [row, other], equal: false });
                of_epoch.extend(equal.into_iter().chain(different));
            }
        }
        stream.shuffle(&mut of_epoch);
        all.append(&mut of_epoch);
    }
    Ok(all)
}

/// Checks that the labels of training rows, `[rows, outputs]`, give pairs to train an encoder on.
///
/// # Errors
/// If there are no two texts of one label, or none of different ones.
pub fn check_pairs(task: Task, targets: &Matrix) -> Result<(), Error> {
    Groups::of(task, targets).check()
}

/// The rows of every label.
struct Groups {
    /// Rows by label; in a multi-label task, a row occurs once for each of its labels.
    rows: Vec<usize>,
    /// The labels of every row, as ranges of `rows`.
    of_row: Vec<Vec<Range<usize>>>,
    /// Whether a row may have several labels.
    is_multi_label: bool,
}

impl Groups {
    fn of(task: Task, targets: &Matrix) -> Self {
        let labels = |row: usize| match task {
            Task::Binary | Task::MultiClass => vec![class_of_row(targets.row(row)).unwrap_or(0)],
            Task::MultiLabel => {
                targets.row(row).iter().enumerate().filter(|(_, is)| **is > 0.5).map(|(label, _)| label).collect()
            }
        };
        let mut by_label = vec![Vec::new(); targets.cols().max(2)];
        for row in 0..targets.rows() {
            labels(row).into_iter().for_each(|label| by_label[label].push(row));
        }
        let mut end = 0;
        let range = |rows: &Vec<usize>| {
            end += rows.len();
            end - rows.len()..end
        };
        let ranges: Vec<Range<usize>> = by_label.iter().map(range).collect();
        let of_row =
            (0..targets.rows()).map(|row| labels(row).into_iter().map(|label| ranges[label].clone()).collect());
        Self { of_row: of_row.collect(), rows: by_label.concat(), is_multi_label: task == Task::MultiLabel }
    }

    /// Refuses labels that give no pairs of one kind.
    fn check(&self) -> Result<(), Error> {
        let has_equal = self.of_row.iter().flatten().any(|label| label.len() > 1);
        // Some row's label isn't that of all, unless all rows have one in common.
        let has_different = !self.of_row.iter().flatten().any(|label| label.len() == self.of_row.len());
        let lacks = match (has_equal, has_different) {
            (true, true) => return Ok(()),
            (false, _) => "two training texts of one label",
            (true, false) if self.is_multi_label => "two training texts without a common label",
            (true, false) => "training texts of two labels",
        };
        Err(Error::Unsupported(format!("`contrastive` trains on pairs of texts and needs {lacks}; there are none")))
    }

    /// Draws another row that has a label of this one.
    fn equal(&self, row: usize, stream: &mut Substream) -> Option<usize> {
        let shared: Vec<&Range<usize>> = self.of_row[row].iter().filter(|label| label.len() > 1).collect();
        let label = match shared[..] {
            [] => return None,
            [one] => one,
            ref several => several[stream.below(several.len())],
        };
        let others = &self.rows[label.clone()];
        let own = others.partition_point(|&other| other < row);
        let drawn = stream.below(others.len() - 1);
        Some(others[if drawn < own { drawn } else { drawn + 1 }])
    }

    /// Draws a row that has no label of this one.
    fn different(&self, row: usize, stream: &mut Substream) -> Option<usize> {
        if self.is_multi_label {
            let labels = &self.of_row[row];
            let differs = |other: usize| !self.of_row[other].iter().any(|label| labels.contains(label));
            let mut drawn = (0..ATTEMPTS).map(|_| stream.below(self.of_row.len()));
            return drawn.find(|&other| other != row && differs(other));
        }
        let own = &self.of_row[row][0];
        let others = self.rows.len() - own.len();
        let drawn = (others > 0).then(|| stream.below(others))?;
        Some(self.rows[if drawn < own.start { drawn } else { drawn + own.len() }])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SETTINGS: Contrastive = Contrastive { pairs: 20, epochs: 1, batch_size: 16 };

    /// Rows 0 to 3 have the first class, 4 and 5 the second, 6 the third.
    fn classes() -> Matrix {
        let classes = [0, 0, 0, 0, 1, 1, 2];
        let one_hot = |class: usize| (0..3).map(move |other| f32::from(u8::from(other == class)));
        Matrix::new(7, 3, classes.into_iter().flat_map(one_hot).collect())
    }

    fn drawn(task: Task, targets: &Matrix, settings: Contrastive, seed: u64) -> Vec<Pair> {
        pairs(task, targets, settings, seed).expect("pairs")
    }

    #[test]
    fn every_row_begins_pairs_of_both_kinds() {
        let targets = classes();
        let pairs = drawn(Task::MultiClass, &targets, SETTINGS, 1);
        let class = |row: usize| class_of_row(targets.row(row));
        assert!(pairs.iter().all(|pair| pair.rows[0] != pair.rows[1]));
        assert!(pairs.iter().all(|pair| (class(pair.rows[0]) == class(pair.rows[1])) == pair.equal));
        for row in 0..7 {
            let count = |equal| pairs.iter().filter(|pair| pair.rows[0] == row && pair.equal == equal).count();
            assert_eq!((count(true), count(false)), (if row == 6 { 0 } else { 20 }, 20), "row {row}");
        }
        let partners = |row: usize| {
            let of_row = pairs.iter().filter(|pair| pair.rows[0] == row).map(|pair| pair.rows[1]);
            of_row.collect::<std::collections::BTreeSet<_>>()
        };
        assert_eq!(partners(5).into_iter().collect::<Vec<_>>(), [0, 1, 2, 3, 4, 6], "every other row is drawn");
    }

    #[test]
    fn pairs_follow_from_the_seed_and_differ_by_epoch() {
        let targets = classes();
        let of = |epochs, seed| drawn(Task::MultiClass, &targets, Contrastive { epochs, ..SETTINGS }, seed);
        assert_eq!(of(2, 1), of(2, 1));
        assert_ne!(of(1, 1), of(1, 2));
        let (one, two) = (of(1, 1), of(2, 1));
        assert_eq!((one.len() * 2, &two[..one.len()]), (two.len(), &one[..]));
        assert_ne!(one[..], two[one.len()..]);
        assert!(!one.is_sorted(), "they are shuffled");
    }

    #[test]
    fn labels_of_several_have_one_in_common_or_none() {
        let targets = Matrix::new(5, 3, vec![1., 1., 0., 0., 1., 0., 0., 0., 1., 0., 0., 0., 1., 0., 0.]);
        let pairs = drawn(Task::MultiLabel, &targets, SETTINGS, 3);
        let shares = |pair: &Pair| {
            let [a, b] = pair.rows.map(|row| targets.row(row));
            a.iter().zip(b).any(|(a, b)| *a > 0.5 && *b > 0.5)
        };
        assert!(pairs.iter().all(|pair| shares(pair) == pair.equal && pair.rows[0] != pair.rows[1]));
        let begins = |row, equal| pairs.iter().any(|pair| pair.rows[0] == row && pair.equal == equal);
        assert!(begins(0, true) && begins(0, false) && !begins(2, true) && !begins(3, true) && begins(3, false));
    }

    #[test]
    fn texts_of_one_label_and_texts_of_labels_of_their_own_give_no_pairs() {
        let refusal = |task, targets| match pairs(task, &targets, SETTINGS, 1) {
            Err(Error::Unsupported(why)) => why,
            other => panic!("{other:?}"),
        };
        let binary = |targets| refusal(Task::Binary, Matrix::new(2, 1, targets));
        assert!(binary(vec![1.0, 1.0]).contains("training texts of two labels"));
        assert!(binary(vec![0.0, 1.0]).contains("two training texts of one label"));
        let common = Matrix::new(3, 3, vec![1.0, 0.0, 0.0, 1.0, 1.0, 0.0, 1.0, 0.0, 1.0]);
        assert!(refusal(Task::MultiLabel, common).contains("two training texts without a common label"));
    }
}
