//! EMB014: a split whose rows are all of one class.
//!
//! A *training* split of one class is an error, which the dataset reports. Here are the splits that are scored, and, in a
//! multi-label task, classes that every training row has, or none.

use emberline_base::number::{agreeing, counted};
use emberline_base::{SplitName, Task};

use crate::Subject;
use crate::verdict::{Finding, Verdict, listed, named};

/// A training split with fewer rows may lack a class, or have it everywhere, by chance.
const MIN_TRAIN: usize = 50;

/// Returns the splits with rows of one class only, and that class. Only single-label tasks have any.
pub fn splits(subject: &Subject<'_>) -> Vec<(SplitName, usize)> {
    if subject.labels.task == Task::MultiLabel {
        return Vec::new();
    }
    let class_of = |rows: &Vec<usize>| {
        let counts = subject.labels.counts(rows);
        let mut present = (0..counts.len()).filter(|&class| counts[class] > 0);
        present.next().filter(|_| present.next().is_none() && rows.len() > 1)
    };
    subject.splits.iter().filter_map(|(name, rows)| Some((name, class_of(rows)?))).collect()
}

/// Returns the classes of a multi-label task that every training row has.
pub fn constant_classes(subject: &Subject<'_>) -> Vec<usize> {
    let rows = &subject.splits.train;
    if subject.labels.task != Task::MultiLabel || rows.len() < MIN_TRAIN {
        return Vec::new();
    }
    let counts = subject.labels.counts(rows);
    (0..counts.len()).filter(|&class| counts[class] == rows.len()).collect()
}

pub(crate) fn check(subject: &Subject<'_>) -> Verdict {
    let (splits, constant) = (splits(subject), constant_classes(subject));
    let classes = &subject.labels.classes;
    if let [first, ..] = splits[..] {
        let one = |(name, class): &(_, usize)| format!("{name} ({})", named(&classes[*class]));
        let shown: Vec<String> = splits.iter().map(one).collect();
        let what = if splits.len() == 1 { "This split has" } else { "These splits have" };
        return Verdict::Found(Finding {
            text: format!(
                "{what} rows of one class only: {}. Scores on {} say nothing: always answering that class is perfect there, and \
                 PR-AUC and ROC-AUC aren't defined. Set stratify = true, give the split more rows, or correct its file.",
                shown.join(", "),
                if splits.len() == 1 { first.0.to_string() } else { "them".to_owned() },
            ),
            rows: Vec::new(),
        });
    }
    if constant.is_empty() {
        return Verdict::Clear;
    }
    let names: Vec<String> = constant.iter().map(|&class| named(&classes[class])).collect();
    let text = format!(
        "Every training row has {} ({}), so a head can't learn when {} absent, and scores of {} flatter the average. Leave such \
         labels out, or add rows without them.",
        counted(constant.len(), "class"),
        listed(&names),
        agreeing(constant.len(), "it is", "they are"),
        agreeing(constant.len(), "it", "them"),
    );
    Verdict::Found(Finding { text, rows: Vec::new() })
}

#[cfg(test)]
mod tests {
    use emberline_base::{Labels, Splits, Targets};

    use super::*;

    fn verdict(task: Task, targets: Targets, splits: Splits<Vec<usize>>) -> Verdict {
        let labels = Labels { task, classes: vec!["ham".into(), "spam".into()], targets };
        let texts = vec!["a"; labels.len()];
        check(&Subject { texts: &texts, labels: &labels, splits, place: &|row| row.to_string() })
    }

    #[test]
    fn a_held_out_split_of_one_class_is_named_with_its_class() {
        let of = |valid: Vec<usize>| {
            let splits = Splits { train: vec![0, 1, 2, 3], valid: Some(valid), test: Some(vec![6, 7]) };
            verdict(Task::Binary, Targets::Single(vec![0, 1, 0, 1, 1, 1, 0, 1]), splits)
        };
        let found = of(vec![4, 5]);
        let text = found.text().expect("a warning");
        assert!(text.starts_with("This split has rows of one class only: valid (`spam`). Scores on valid"), "{text}");
        assert_eq!(of(vec![5, 6]), Verdict::Clear);
        assert_eq!(of(vec![5]), Verdict::Clear, "a row has one class");
    }

    #[test]
    fn a_label_of_every_training_row_is_named() {
        let of = |absent: usize| {
            let rows = 0..60;
            let ids: Vec<Vec<u32>> = rows.map(|row| if row < absent { vec![0] } else { vec![0, 1] }).collect();
            let offsets = ids.iter().scan(0, |end, ids| {
                *end += ids.len();
                Some(*end)
            });
            let targets = Targets::Multi { offsets: std::iter::once(0).chain(offsets).collect(), ids: ids.concat() };
            verdict(Task::MultiLabel, targets, Splits { train: (0..60).collect(), valid: None, test: None })
        };
        let found = of(1);
        let text = found.text().expect("a warning");
        assert!(text.starts_with("Every training row has 1 class (`ham`), so"), "{text}");
        assert!(of(0).text().is_some_and(|text| text.contains("2 classes (`ham`, `spam`)")));
    }
}
