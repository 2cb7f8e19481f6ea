//! The prediction for one text, by the names of the classes.

use std::sync::Arc;

use emberline_base::Task;

/// The prediction for one text.
#[derive(Clone, Debug, PartialEq)]
pub struct Prediction {
    task: Task,
    classes: Arc<[String]>,
    /// The indices of the predicted classes.
    predicted: Vec<usize>,
    /// The probability of each class, `[classes]`.
    probabilities: Vec<f64>,
}

impl Prediction {
    pub(crate) fn new(prediction: emberline_pipeline::Prediction, task: Task, classes: Arc<[String]>) -> Self {
        let emberline_pipeline::Prediction { classes: predicted, probabilities } = prediction;
        Self { task, classes, predicted, probabilities }
    }

    /// Returns the predicted class; for a multi-label task, the first one, if there is any.
    pub fn label(&self) -> Option<&str> {
        self.labels().next()
    }

    /// Returns the predicted classes: exactly one, or any number for a multi-label task.
    pub fn labels(&self) -> impl Iterator<Item = &str> {
        self.predicted.iter().map(|&class| self.classes[class].as_str())
    }

    /// Returns the probability that `emberline predict` writes next to the label: for a binary task, that of the positive class,
    /// whichever class is predicted; otherwise that of [`label`](Self::label), or 0 if there is none.
    pub fn probability(&self) -> f64 {
        let class = if self.task == Task::Binary { Some(1) } else { self.predicted.first().copied() };
        class.map_or(0.0, |class| self.probabilities[class])
    }

    /// Returns the probability of a class; `None` if there is no class of that name.
    pub fn probability_of(&self, class: &str) -> Option<f64> {
        self.probabilities().find(|(name, _)| *name == class).map(|(_, probability)| probability)
    }

    /// Iterates over the names and probabilities of all classes.
    pub fn probabilities(&self) -> impl Iterator<Item = (&str, f64)> {
        self.classes.iter().map(String::as_str).zip(self.probabilities.iter().copied())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prediction(task: Task, predicted: &[usize], probabilities: &[f64]) -> Prediction {
        let classes = ["a", "b", "c"][..probabilities.len()].iter().map(|&name| name.to_owned()).collect();
        let inner =
            emberline_pipeline::Prediction { classes: predicted.to_vec(), probabilities: probabilities.to_vec() };
        Prediction::new(inner, task, classes)
    }

    #[test]
    fn classes_go_by_their_names() {
        let binary = prediction(Task::Binary, &[0], &[0.75, 0.25]);
        assert_eq!((binary.label(), binary.probability()), (Some("a"), 0.25));
        assert_eq!((binary.probability_of("a"), binary.probability_of("z")), (Some(0.75), None));
        let several = prediction(Task::MultiClass, &[2], &[0.2, 0.3, 0.5]);
        assert_eq!((several.label(), several.probability()), (Some("c"), 0.5));
        let labels = prediction(Task::MultiLabel, &[0, 2], &[0.8, 0.1, 0.9]);
        assert_eq!(labels.labels().collect::<Vec<_>>(), ["a", "c"]);
        assert_eq!(labels.probabilities().last(), Some(("c", 0.9)));
        let none = prediction(Task::MultiLabel, &[], &[0.1, 0.1, 0.1]);
        assert_eq!((none.label(), none.probability()), (None, 0.0));
    }
}
