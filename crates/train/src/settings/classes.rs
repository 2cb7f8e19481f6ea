//! `train.class_weight` and `train.sampling`: how much the classes count in training.

use std::collections::BTreeMap;

use emberline_base::{Fault, Matrix, Task};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Train;

/// The weights of the classes in the loss: `"balanced"`, or `{ insincere = 4.0 }`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "expected \"balanced\", or a table such as { insincere = 4.0 }")]
pub enum ClassWeight {
    /// Weights by a rule.
    Rule(WeightRule),
    /// The weight of each class by its name; classes that aren't named have the weight 1.
    Each(BTreeMap<String, f64>),
}

/// A rule by which classes are weighed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum WeightRule {
    /// rows / (classes * rows of the class), counted on the training rows, as scikit-learn does.
    Balanced,
}

/// How the rows of an epoch are chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Sampling {
    /// As many rows as there are training rows, drawn with replacement, so that every class is drawn equally often on average.
    Balanced,
}

impl ClassWeight {
    /// Returns the weight of each class.
    ///
    /// # Errors
    /// If a class that is named doesn't exist.
    fn of_classes(&self, classes: &[String], counts: &[usize]) -> Result<Vec<f64>, String> {
        let weights = match self {
            Self::Rule(WeightRule::Balanced) => return Ok(balanced(counts)),
            Self::Each(weights) => weights,
        };
        if let Some(unknown) = weights.keys().find(|name| !classes.contains(name)) {
            let known: Vec<String> = classes.iter().map(|class| format!("`{class}`")).collect();
            return Err(format!("`class_weight` names the class `{unknown}`; there are {}", shortened(&known)));
        }
        Ok((0..counts.len()).map(|at| weight_of(weights, classes.get(at))).collect())
    }

    pub(super) fn faults(&self) -> Vec<Fault> {
        let Self::Each(weights) = self else { return Vec::new() };
        let key = |name: &str| match name.contains('.') {
            true => "class_weight".to_owned(),
            false => format!("class_weight.{name}"),
        };
        let faulty = weights.iter().filter(|(_, weight)| !(weight.is_finite() && **weight > 0.0));
        let fault = |(name, weight): (&String, &f64)| {
            Fault::new(
                key(name),
                format!("{weight} can't be the weight of a class"),
                "use a number above 0, such as 4.0",
            )
        };
        let empty = weights.is_empty().then(|| {
            Fault::new(
                "class_weight",
                "`class_weight` names no class",
                "name one, such as { insincere = 4.0 }, or use \"balanced\"",
            )
        });
        empty.into_iter().chain(faulty.map(fault)).collect()
    }
}

fn weight_of(weights: &BTreeMap<String, f64>, class: Option<&String>) -> f64 {
    class.and_then(|class| weights.get(class)).copied().unwrap_or(1.0)
}

/// Returns the first names of a list, and how many follow.
fn shortened(names: &[String]) -> String {
    const MOST: usize = 8;
    match names.get(..MOST).filter(|_| names.len() > MOST) {
        Some(first) => format!("{}, and {} more", first.join(", "), names.len() - MOST),
        None => names.join(", "),
    }
}

/// Returns the weight of each class: rows / (classes * rows of the class), where a class without rows doesn't count and has
/// the weight 1.
pub(crate) fn balanced(counts: &[usize]) -> Vec<f64> {
    let rows: usize = counts.iter().sum();
    let present = counts.iter().filter(|&&count| count > 0).count();
    let weight = |&count: &usize| if count == 0 { 1.0 } else { rows as f64 / (present * count) as f64 };
    counts.iter().map(weight).collect()
}

/// Returns the class of a row of targets of a binary or multi-class task: `[outputs]`, one for a binary task.
pub(crate) fn class_of_row(targets: &[f32]) -> Option<usize> {
    match targets {
        [target] => (!target.is_nan()).then(|| usize::from(*target > 0.5)),
        several => several.iter().position(|&target| target > 0.5),
    }
}

/// Returns the number of rows of each class of a binary or multi-class task.
pub(crate) fn class_counts(targets: &Matrix) -> Vec<usize> {
    let mut counts = vec![0; targets.cols().max(2)];
    (0..targets.rows()).filter_map(|row| class_of_row(targets.row(row))).for_each(|class| counts[class] += 1);
    counts
}

impl Train {
    /// Checks what of these settings depends on the labels: the loss, and the classes that are weighed.
    ///
    /// # Errors
    /// When a setting doesn't suit the labels; the error says what to write instead.
    pub fn check_labels(&self, task: Task, classes: &[String]) -> Result<(), String> {
        self.loss_for(task)?;
        let keys = [("class_weight", self.class_weight.is_some()), ("sampling", self.sampling.is_some())];
        if let Some((key, _)) = keys.into_iter().find(|(_, is_set)| *is_set && task == Task::MultiLabel) {
            return Err(format!(
                "`{key}` weighs classes of which a row has one, and the labels are multi-label; leave it out"
            ));
        }
        let counts = vec![1; classes.len()];
        self.class_weight.as_ref().map_or(Ok(()), |weight| weight.of_classes(classes, &counts).map(drop))
    }

    /// Returns the weight of each class in the loss of the training rows, whose targets are `[rows, outputs]`; none if all
    /// classes count equally.
    ///
    /// # Errors
    /// When a class that is named doesn't exist.
    pub(crate) fn class_weights(&self, classes: &[String], targets: &Matrix) -> Result<Option<Vec<f64>>, String> {
        let of_counts = |weight: &ClassWeight| weight.of_classes(classes, &class_counts(targets));
        self.class_weight.as_ref().map(of_counts).transpose()
    }

    /// Returns whether the loss is that of the labels as they are, each row counting equally, so that it can be compared
    /// with that of other settings.
    pub fn has_log_loss(&self) -> bool {
        self.loss.is_none_or(super::Loss::is_log_loss) && self.class_weight.is_none() && self.sampling.is_none()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn weight(value: serde_json::Value) -> ClassWeight {
        serde_json::from_value(value).expect("class weights")
    }

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|&name| name.to_owned()).collect()
    }

    /// scikit-learn: `compute_class_weight("balanced", classes=[0, 1, 2], y=[0] * 6 + [1] * 3 + [2])`
    #[test]
    fn balanced_weights_are_those_of_scikit_learn() {
        let weights = balanced(&[6, 3, 1]);
        for (ours, theirs) in weights.iter().zip([0.555_555_555_6, 1.111_111_111_1, 3.333_333_333_3]) {
            assert!((ours - theirs).abs() < 1e-9, "{weights:?}");
        }
        assert_eq!(balanced(&[6, 0, 2]), [8.0 / 12.0, 1.0, 2.0], "a class without rows doesn't count");
    }

    #[test]
    fn classes_are_named_and_others_have_the_weight_1() {
        let classes = names(&["sincere", "insincere"]);
        assert_eq!(weight(json!({"insincere": 4})).of_classes(&classes, &[9, 1]), Ok(vec![1.0, 4.0]));
        assert_eq!(weight(json!("balanced")).of_classes(&classes, &[3, 1]), Ok(vec![4.0 / 6.0, 2.0]));
        let error = weight(json!({"insinsere": 4.0})).of_classes(&classes, &[3, 1]).expect_err("unknown");
        assert_eq!(error, "`class_weight` names the class `insinsere`; there are `sincere`, `insincere`");
    }

    #[test]
    fn faults_name_the_class() {
        let keys = |value| weight(value).faults().into_iter().map(|fault| fault.key).collect::<Vec<_>>();
        assert_eq!(keys(json!({"a": 0.0, "b": 1.0, "c": -2.0})), ["class_weight.a", "class_weight.c"]);
        assert_eq!(keys(json!({})), ["class_weight"]);
    }

    #[test]
    fn classes_of_rows_are_counted() {
        let targets = Matrix::new(4, 1, vec![0.0, 1.0, 1.0, f32::NAN]);
        assert_eq!(class_counts(&targets), [1, 2]);
        assert_eq!(class_counts(&Matrix::new(2, 3, vec![0., 0., 1., 1., 0., 0.])), [1, 0, 1]);
    }

    #[test]
    fn labels_that_cannot_be_weighed_are_refused() {
        let classes = names(&["a", "b"]);
        let train = Train { sampling: Some(Sampling::Balanced), ..Train::default() };
        assert_eq!(train.check_labels(Task::Binary, &classes), Ok(()));
        let error = train.check_labels(Task::MultiLabel, &classes).expect_err("refused");
        assert!(error.starts_with("`sampling` weighs classes"), "{error}");
        let train = Train { class_weight: Some(weight(json!({"c": 2.0}))), ..Train::default() };
        assert!(train.check_labels(Task::MultiClass, &classes).expect_err("refused").contains("`c`"));
    }
}
