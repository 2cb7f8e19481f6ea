//! The answer of a report in a few sentences: which setting is best, by how much, and whether the difference is more than
//! chance.
//!
//! Input: a summary and its ranking. Output: paragraphs. What is said of differences is said by the sentences of `summary.answer`
//! alone, which the terminal and `compare` print too; the paragraphs after them describe the run.

use emberline_base::Splits;
use emberline_base::number::agreeing;
use emberline_base::record::answer::{Answer, ScoredRows};
use emberline_base::record::{Status, Summary};
use emberline_statistics::{sentences, verdicts};

use crate::document::Prose;
use crate::grouping::Values;
use crate::moments::{mean, standard_deviation};
use crate::number::{counted, decimals, fixed, single};
use crate::ranking::{MainMetric, Ranking};
use crate::table;

/// Returns the paragraphs at the top of a report.
pub(crate) fn answer(summary: &Summary, ranking: &Ranking<'_>) -> Vec<Prose> {
    let mut paragraphs = match (&ranking.main, &summary.answer) {
        (None, _) => vec![no_scores(summary)],
        (Some(main), _) if ranking.is_worst_throughout => vec![nothing_learned(main)],
        (Some(_), None) => vec![Prose::default().plain("The run is under way, so there is no answer yet.")],
        (Some(_), Some(answer)) => claims(answer),
    };
    paragraphs.extend(summary.expected.iter().map(|expected| Prose::default().plain(format!("{expected}."))));
    paragraphs.extend(against_majority(summary, ranking));
    paragraphs.extend(unfinished(summary));
    paragraphs.extend(left_out(summary));
    paragraphs
}

/// Returns the sentences of an answer, and the score of its first setting after the verdicts.
fn claims(answer: &Answer) -> Vec<Prose> {
    let mut paragraphs: Vec<Prose> =
        sentences(answer).into_iter().map(|sentence| Prose::default().plain(sentence.text)).collect();
    let at = verdicts(answer).len();
    paragraphs.splice(at..at, score(answer));
    paragraphs
}

/// States the score of the leading setting with its interval, and its validation score if the score is of test rows. With several
/// numbers of labels, it is the one with the most.
fn score(answer: &Answer) -> Option<Prose> {
    let leader = answer.leader.as_ref().and_then(|leader| answer.settings.iter().find(|s| s.setting == *leader));
    let leading = leader.or_else(|| answer.settings.first())?;
    let digits = decimals([leading.mean]);
    let interval = match (leading.low, leading.high) {
        (Some(low), Some(high)) => format!(" [{}, {}]", fixed(low, digits), fixed(high, digits)),
        _ => String::new(),
    };
    let validation = leading.validation_mean.filter(|_| leading.test_mean.is_some());
    let validation = validation.map(|value| format!("; on validation rows it is {}", fixed(value, digits)));
    let opening = answer.labels.map(|labels| format!("With {}, ", counted(labels, "label")));
    Some(
        Prose::default()
            .plain(opening.unwrap_or_default())
            .strong(&leading.label)
            .plain(format!(" has a mean {} of ", answer.metric))
            .strong(fixed(leading.mean, digits))
            .plain(format!("{interval}{}.", validation.unwrap_or_default())),
    )
}

fn no_scores(summary: &Summary) -> Prose {
    if summary.cells.iter().all(|cell| cell.outcome.is_none()) {
        return Prose::default().plain("No cell is done yet, so there is no answer.");
    }
    Prose::default().plain(
        "There are neither validation nor test scores, and training scores can't tell which setting is best: \
         give the pipeline validation rows.",
    )
}

/// States that every finished cell has the worst value of the main metric.
fn nothing_learned(main: &MainMetric) -> Prose {
    Prose::default().strong("No setting learned anything").plain(format!(
        " by {name}: it is 0, its worst value, in every finished cell, so none is best. Train for more epochs, with a larger \
         learning_rate or on more rows, and check the labels.",
        name = main.name
    ))
}

fn mean_and_spread(values: &Values) -> String {
    let values: Vec<f64> = values.values().copied().collect();
    let mean = mean(&values);
    let digits = decimals([mean]);
    match standard_deviation(&values) {
        Some(deviation) => format!("{}\u{a0}±\u{a0}{}", fixed(mean, digits), fixed(deviation, digits)),
        None => fixed(mean, digits),
    }
}

/// Compares the best setting's accuracy with that of always predicting the most frequent class.
fn against_majority(summary: &Summary, ranking: &Ranking<'_>) -> Option<Prose> {
    let best = ranking.best()?;
    let main = ranking.main.as_ref()?;
    // The rows of the answer, so that both are about the same.
    let on_test = summary.answer.as_ref().map_or(main.on_test, |answer| answer.scored == ScoredRows::Test);
    let (name, rows, majority) = match (on_test, &summary.data.majority_accuracy) {
        (true, Splits { test: Some(test), .. }) => ("test_accuracy", "test", *test),
        (false, Splits { valid: Some(valid), .. }) => ("val_accuracy", "validation", *valid),
        _ => return None,
    };
    let values = best.by_replicate(name);
    if values.is_empty() {
        return None;
    }
    let reaches = format!("lways giving the most frequent answer reaches {}.", single(majority));
    let metric = summary.answer.as_ref().map_or(&main.name, |answer| &answer.metric);
    let is_main = *metric == name;
    Some(Prose::default().plain(if is_main {
        format!("A{reaches}")
    } else {
        format!("On the {rows} rows, the accuracy of {} is {}; a{reaches}", best.label, mean_and_spread(&values))
    }))
}

/// Names the cells that failed or are pending, since the answer lacks them; `None` if all cells are done.
fn unfinished(summary: &Summary) -> Option<Prose> {
    let count = |status: Status| summary.cells.iter().filter(|cell| cell.status == status).count();
    let (done, failed, pending) = (count(Status::Done), count(Status::Failed), count(Status::Pending));
    if failed + pending == 0 {
        return None;
    }
    let parts = [(failed, "failed"), (pending, "pending")];
    let parts = parts.iter().filter(|(n, _)| *n > 0).map(|(n, word)| format!("{} {word}", counted(*n, "cell")));
    let parts = parts.collect::<Vec<_>>().join(" and ");
    let consequence = if done == 0 { "" } else { ": the answer may change" };
    let text = format!(", {done} of {} done{consequence}.", summary.cells.len());
    Some(Prose::default().strong(parts).plain(text))
}

/// States how many combinations of the grid were left out; `None` if there are none.
fn left_out(summary: &Summary) -> Option<Prose> {
    let combinations = table::left_out::combinations(summary);
    let are = agreeing(combinations, "is", "are");
    let text =
        format!(" of the grid {are} left out; the reasons, and what to do about them, are listed under \"Left out\".");
    (combinations > 0).then(|| Prose::default().strong(counted(combinations, "combination")).plain(text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::Span;
    use crate::sample;

    fn text(summary: &Summary) -> String {
        let spans = answer(summary, &Ranking::of(summary)).into_iter().flat_map(|prose| prose.0);
        let text: String = spans
            .map(|span| match span {
                Span::Plain(text) | Span::Strong(text) => text,
            })
            .collect();
        text.replace('\u{a0}', " ")
    }

    /// Returns the text of a report in which the main metric of every cell is set by `score`.
    fn with_scores(score: impl Fn(&str, bool, u64) -> f64) -> String {
        let mut run = sample::course();
        for cell in &mut run.summary.cells {
            let value = score(&cell.embedding, cell.trainable, cell.seed);
            if let Some(outcome) = &mut cell.outcome {
                outcome.metrics.insert("val_pr_auc".to_owned(), value);
            }
        }
        text(&sample::answered(run).summary)
    }

    #[test]
    fn where_nothing_was_learned_no_setting_is_called_best() {
        let told = with_scores(|_, _, _| 0.0);
        assert!(told.starts_with("No setting learned anything by val_pr_auc: it is 0"), "{told}");
        assert!(!told.contains("best embedding"), "{told}");
    }

    /// However steady a lead across seeds is, seeds on one split say nothing of embeddings.
    #[test]
    fn seeds_on_one_split_answer_nothing_of_embeddings() {
        let told = with_scores(|name, _, seed| if name == "nnlm-128" { 0.6 } else { 0.5 } + 0.01 * seed as f64);
        assert!(told.starts_with("Which setting is better for this task is not answered"), "{told}");
        assert!(told.contains("nnlm-128 · fine-tuned has a mean val_pr_auc of 0.6150"), "{told}");
        assert!(!told.contains("is better than"), "{told}");
    }

    /// No report calls embeddings distinguishable: seeds on one split of the rows can't show that.
    #[test]
    fn nothing_is_called_distinguishable() {
        let runs = [sample::course(), sample::sweep(), sample::of_splits(), sample::many_classes(), sample::single()];
        for run in runs {
            for format in crate::Format::ALL {
                assert!(!crate::render(&run, format).to_lowercase().contains("distinguishable"), "{format:?}");
            }
        }
    }

    #[test]
    fn the_sentences_are_those_of_the_stored_answer() {
        let run = sample::of_five_splits();
        let told = text(&run.summary);
        let stored = run.summary.answer.as_ref().expect("an answer");
        assert!(sentences(stored).iter().all(|sentence| told.contains(&sentence.text)), "{told}");
    }

    #[test]
    fn numbers_of_labels_are_answered_one_by_one() {
        let told = text(&sample::of_several_label_counts().summary);
        // The scores differ by as much with either number, so that the same is said of both.
        assert!(told.starts_with("With 800 and 50 labels, the best"), "{told}");
        assert!(told.contains("With 800 labels, nnlm-128 has a mean val_pr_auc of"), "{told}");
        assert!(told.contains("With 800 labels, embedding nnlm-128"), "{told}");
    }

    #[test]
    fn runs_without_an_answer_say_why() {
        assert!(text(&sample::without_validation().summary).contains("neither validation nor test scores"));
        assert!(text(&sample::all_failed().summary).contains("No cell is done yet"));
        assert!(text(&sample::single().summary).contains("is the only embedding with a score"));
        let mut under_way = sample::course();
        under_way.summary.answer = None;
        assert!(text(&under_way.summary).starts_with("The run is under way"));
    }
}
