//! The answer in a few sentences: which setting is best, by how much, and whether that is more than chance.
//!
//! A ranking enters, paragraphs leave. No claim without its uncertainty: what is said of the best setting and the runner-up
//! is whether they differ across the seeds on these rows, by the paired t interval over shared seeds. That is a statement
//! about the heads that were trained, not about the embeddings: other rows may turn it over.

use emberline_base::number::agreeing;
use emberline_base::record::{Status, Summary};

use crate::document::Prose;
use crate::grouping::{ReplicateNames, Values};
use crate::number::{counted, decimals, fixed, signed, single};
use crate::ranking::{MainMetric, Ranking, paired};
use crate::statistics::{self, Interval, LEVEL};
use crate::table;

/// The paragraphs at the top of a report.
pub(crate) fn answer(summary: &Summary, ranking: &Ranking<'_>) -> Vec<Prose> {
    let ranked = ranking.ranked();
    let mut paragraphs = Vec::new();
    match (&ranking.main, ranked.as_slice()) {
        (None, _) => paragraphs.push(no_scores(summary)),
        (Some(main), []) if ranking.is_worst_throughout => paragraphs.push(nothing_learned(main)),
        (Some(main), []) => {
            paragraphs.push(Prose::default().plain(format!("No setting has a {} that is a number.", main.name)));
        }
        (Some(main), [(best, values)]) => {
            paragraphs.push(lead(ranking, main, &best.label, values, "a"));
            let verdict = format!("It is the only setting with a {}, so there is nothing to compare.", main.name);
            paragraphs.push(Prose::default().plain(verdict));
        }
        (Some(main), [(best, values), (second, second_values), ..]) => {
            let extreme = if main.metric.smaller_is_better() { "the lowest" } else { "the highest" };
            paragraphs.push(lead(ranking, main, &best.label, values, extreme));
            paragraphs.push(verdict(ranking.replicates, main, values, &second.label, second_values));
            paragraphs.extend(others(ranking));
        }
    }
    paragraphs.extend(against_majority(summary, ranking));
    paragraphs.extend(unfinished(summary));
    paragraphs.extend(left_out(summary));
    paragraphs
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

fn nothing_learned(main: &MainMetric) -> Prose {
    Prose::default().strong("No setting learned anything").plain(format!(
        " by {name}: it is 0, its worst value, in every finished cell, so none is best. Train for more epochs, with a larger \
         learning_rate or on more rows, and check the labels.",
        name = main.name
    ))
}

/// `0.5123 ± 0.0041 (mean ± sd of 3 seeds)`.
fn lead(ranking: &Ranking<'_>, main: &MainMetric, label: &str, values: &Values, article: &str) -> Prose {
    let ReplicateNames { one, .. } = ranking.replicates;
    let statistic = if values.len() > 1 { "mean " } else { "" };
    let basis = match values.len() {
        1 => format!(" (one {one})."),
        several => format!(" (mean\u{a0}±\u{a0}sd of {}).", counted(several, one)),
    };
    let prose = Prose::default()
        .strong(label)
        .plain(format!(" has {article} {statistic}{}: ", main.name))
        .strong(mean_and_spread(values))
        .plain(basis);
    if main.on_test {
        prose.plain(" There are no validation rows: this was chosen on the test rows, which flatters it.")
    } else {
        prose
    }
}

fn mean_and_spread(values: &Values) -> String {
    let values: Vec<f64> = values.values().copied().collect();
    let mean = statistics::mean(&values);
    let digits = decimals([mean]);
    match statistics::standard_deviation(&values) {
        Some(deviation) => format!("{}\u{a0}±\u{a0}{}", fixed(mean, digits), fixed(deviation, digits)),
        None => fixed(mean, digits),
    }
}

/// Whether the best and the runner-up differ across the replicates.
fn verdict(names: ReplicateNames, main: &MainMetric, best: &Values, label: &str, second: &Values) -> Prose {
    let ReplicateNames { many, pair, across, .. } = names;
    let opening = Prose::default().plain("Runner-up: ").strong(label).plain(format!(", {}. ", mean_and_spread(second)));
    let Some(gap) = paired(best, second) else {
        return opening.plain(no_pairs(names, best, second));
    };
    let ahead = if main.metric.smaller_is_better() { negate(gap) } else { gap };
    if ahead.low == ahead.high {
        return opening.plain(format!(
            "Every shared {pair} gives the same difference ({}), so the {many} do not tell what chance can do.",
            single(ahead.mean)
        ));
    }
    let digits = decimals([ahead.low, ahead.high]);
    let figures = format!(
        "The lead of {} has the {:.0}\u{a0}% interval {} to {} (paired over {}): ",
        fixed(ahead.mean, digits),
        LEVEL * 100.0,
        signed(ahead.low, digits),
        signed(ahead.high, digits),
        counted(ahead.count, &format!("shared {pair}")),
    );
    let words = if ahead.excludes_zero() {
        format!("the two differ {across}")
    } else {
        format!("no difference shows {across}")
    };
    let limits = ". That is said of the heads trained here; another draw of rows may turn it over.";
    opening.plain(figures).strong(words).plain(limits)
}

fn negate(gap: Interval) -> Interval {
    Interval { mean: -gap.mean, low: -gap.high, high: -gap.low, count: gap.count }
}

fn no_pairs(names: ReplicateNames, best: &Values, second: &Values) -> String {
    let ReplicateNames { many, pair, .. } = names;
    if best.len() == 1 || second.len() == 1 {
        "One seed cannot tell a difference from chance: give the grid several, for example seed = [1, 2, 3].".to_owned()
    } else {
        format!("They share fewer than two {many}, so they can't be compared {pair} by {pair}.")
    }
}

/// How many other settings show no difference from the best.
fn others(ranking: &Ranking<'_>) -> Option<Prose> {
    let rest: Vec<_> = ranking.ranked().into_iter().skip(1).filter_map(|(s, _)| ranking.behind(s)).collect();
    if rest.len() < 2 {
        return None;
    }
    let close = rest.iter().filter(|gap| !gap.excludes_zero()).count();
    let (close, show) =
        (if close == 0 { "none".to_owned() } else { close.to_string() }, agreeing(close, "shows", "show"));
    let ReplicateNames { pair, across, .. } = ranking.replicates;
    Some(Prose::default().plain(format!(
        "Of {} settings compared with the best {pair} by {pair}, {close} {show} no difference from it {across} (each by its \
         own {:.0}\u{a0}% interval, not corrected for the number of comparisons).",
        rest.len(),
        LEVEL * 100.0
    )))
}

/// The best setting's accuracy beside that of always giving the most frequent answer.
fn against_majority(summary: &Summary, ranking: &Ranking<'_>) -> Option<Prose> {
    let (best, _) = ranking.ranked().into_iter().next()?;
    let (name, majority) =
        match (&ranking.main, summary.data.majority_accuracy.valid, summary.data.majority_accuracy.test) {
            (Some(main), _, Some(test)) if main.on_test => ("test_accuracy", test),
            (Some(main), Some(valid), _) if !main.on_test => ("val_accuracy", valid),
            _ => return None,
        };
    let values = best.by_replicate(name);
    if values.is_empty() {
        return None;
    }
    let reaches = format!("lways giving the most frequent answer reaches {}.", single(majority));
    let is_main = ranking.main.as_ref().is_some_and(|main| main.name == name);
    Some(Prose::default().plain(if is_main {
        format!("A{reaches}")
    } else {
        format!("The best setting's {name} is {}; a{reaches}", mean_and_spread(&values))
    }))
}

/// What is missing from the answer.
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

/// What the grid can't do, and so doesn't answer.
fn left_out(summary: &Summary) -> Option<Prose> {
    let combinations = table::left_out::combinations(summary);
    let are = agreeing(combinations, "is", "are");
    let text =
        format!(" of the grid {are} left out; the reasons, and what to do about them, stand under \"Left out\".");
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

    /// Sets the main metric of every cell.
    fn with_scores(score: impl Fn(&str, bool, u64) -> f64) -> String {
        let mut run = sample::course();
        for cell in &mut run.summary.cells {
            let value = score(&cell.embedding, cell.trainable, cell.seed);
            if let Some(outcome) = &mut cell.outcome {
                outcome.metrics.insert("val_pr_auc".to_owned(), value);
            }
        }
        text(&run.summary)
    }

    #[test]
    fn where_nothing_was_learned_no_setting_is_called_best() {
        let told = with_scores(|_, _, _| 0.0);
        assert!(told.starts_with("No setting learned anything by val_pr_auc: it is 0"), "{told}");
        assert!(!told.contains("the highest"), "{told}");
    }

    #[test]
    fn a_steady_lead_is_a_difference_across_seeds_on_these_rows() {
        let text = with_scores(|name, trainable, seed| match (name, trainable) {
            ("nnlm-128", false) => 0.6 + 0.01 * seed as f64,
            ("swivel-20", false) => 0.55 + 0.0101 * seed as f64,
            _ => 0.1,
        });
        assert!(text.starts_with("nnlm-128 · frozen has the highest mean val_pr_auc: 0.6150 ± 0.0071"), "{text}");
        assert!(text.contains("Runner-up: swivel-20 · frozen, 0.5702 ± 0.0101"), "{text}");
        assert!(text.contains("the two differ across seeds on these rows."), "{text}");
    }

    #[test]
    fn a_lead_that_seeds_turn_over_is_not() {
        let text = with_scores(|name, trainable, seed| match (name, trainable, seed) {
            ("nnlm-128", false, 1) => 0.7,
            ("nnlm-128", false, _) => 0.5,
            ("swivel-20", false, _) => 0.55,
            _ => 0.1,
        });
        assert!(text.contains("no difference shows across seeds on these rows."), "{text}");
    }

    /// No report calls embeddings distinguishable: seeds on one division of the rows can't tell.
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
    fn splits_are_compared_split_by_split() {
        let text = text(&sample::of_splits().summary);
        assert!(text.contains("(mean ± sd of 6 replicates)") && text.contains("paired over 3 shared splits"), "{text}");
        assert!(text.contains("across these splits."), "{text}");
    }

    #[test]
    fn equal_differences_tell_nothing() {
        let text = with_scores(|name, _, _| if name == "nnlm-128" { 0.75 } else { 0.5 });
        assert!(text.contains("do not tell what chance can do"), "{text}");
    }

    #[test]
    fn one_seed_cannot_tell() {
        let mut run = sample::course();
        run.summary.cells.retain(|cell| cell.seed == 1);
        assert!(text(&run.summary).contains("One seed cannot tell a difference from chance"), "{}", text(&run.summary));
    }

    #[test]
    fn runs_without_an_answer_say_why() {
        assert!(text(&sample::without_validation().summary).contains("neither validation nor test scores"));
        assert!(text(&sample::all_failed().summary).contains("No cell is done yet"));
        assert!(text(&sample::single().summary).contains("It is the only setting"));
    }
}
