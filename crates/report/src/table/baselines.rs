//! The table of baselines: one row per baseline, and per set of rows if an axis changes the rows.

use emberline_base::Metric;
use emberline_base::record::{BaselineScores, Summary};

use super::{best_of, metric_of};
use crate::document::{Column, Field, Prose, Row, Table};
use crate::grouping::value_text;
use crate::moments;
use crate::number::{decimals, fixed};
use crate::ranking::Ranking;

/// Creates the table; none if the run has no baselines.
pub(crate) fn table(summary: &Summary, ranking: &Ranking<'_>) -> Option<Table> {
    let (scores, missing): (Vec<_>, Vec<_>) =
        summary.baseline_scores().into_iter().partition(|scores| scores.not_applicable.is_none());
    let first = scores.first()?;
    let repeated = scores.iter().any(|scores| scores.replicates > 1);
    let mut columns = vec![Column::text("baseline")];
    columns.extend(first.settings.keys().map(|axis| Column::text(*axis)));
    columns.extend(repeated.then(|| Column::number("splits")));
    let mut rows: Vec<Row> = scores.iter().map(|scores| row(scores, repeated)).collect();
    for (column, fields) in metric_names(&scores, ranking).into_iter().map(|name| metric_column(&scores, &name)) {
        columns.push(column);
        rows.iter_mut().zip(fields).for_each(|(row, field)| row.fields.push(field));
    }
    let caption = if repeated {
        "Mean and standard deviation of the baselines over the splits".to_owned()
    } else {
        "Baselines on the same rows, without an embedding or without labels".to_owned()
    };
    let notes = [about(&scores)].into_iter().chain(not_applicable(&missing)).map(|text| Prose::default().plain(text));
    Some(Table { caption, columns, rows, notes: notes.collect() })
}

fn row(scores: &BaselineScores<'_>, repeated: bool) -> Row {
    let mut fields = vec![Field::text(name(scores))];
    fields.extend(
        scores.settings.values().map(|value| Field { value: value.as_f64(), ..Field::text(value_text(value)) }),
    );
    let replicates = || Field::number(scores.replicates as f64, scores.replicates.to_string());
    fields.extend(repeated.then(replicates));
    Row { fields, muted: false }
}

/// Returns the name of a baseline in reports.
pub(crate) fn name_of(name: &str) -> &str {
    match name {
        "tfidf_lr" => "TF-IDF + logistic regression",
        "naive_bayes" => "naive Bayes",
        "nb_svm" => "NB-SVM",
        "zero_label" => "zero-label",
        other => other,
    }
}

/// Returns the name of a baseline, with the embedding that it uses; it may contain text of the user.
pub fn name(scores: &BaselineScores<'_>) -> String {
    let name = name_of(scores.name);
    scores.embedding.map_or_else(|| name.to_owned(), |embedding| format!("{name}, {embedding}"))
}

/// Returns the metrics of the table: the one that settings are ranked by, then the headlines of validation and of test.
fn metric_names(scores: &[BaselineScores<'_>], ranking: &Ranking<'_>) -> Vec<String> {
    let main = ranking.main.as_ref().map(|main| main.name.clone());
    let headlines = || Metric::ALL.into_iter().filter(|metric| metric.is_headline());
    let others = ["val_", "test_"].into_iter().flat_map(|prefix| headlines().map(move |m| format!("{prefix}{m}")));
    let others: Vec<String> = others.filter(|name| Some(name) != main.as_ref()).collect();
    let is_measured = |name: &String| scores.iter().any(|scores| scores.metrics.contains_key(name.as_str()));
    main.into_iter().chain(others).filter(is_measured).collect()
}

fn metric_column(scores: &[BaselineScores<'_>], name: &str) -> (Column, Vec<Field>) {
    let none: &[f64] = &[];
    let values: Vec<&[f64]> = scores.iter().map(|s| s.metrics.get(name).map_or(none, Vec::as_slice)).collect();
    let means: Vec<f64> = values.iter().map(|values| moments::mean(values)).collect();
    let digits = decimals(means.iter().copied());
    let best = metric_of(name).map_or_else(|| vec![false; means.len()], |metric| best_of(&means, metric));
    let field = |((values, mean), best): ((&&[f64], &f64), bool)| {
        if values.is_empty() {
            return Field::none();
        }
        let deviation = moments::standard_deviation(values);
        let detail = deviation.map(|deviation| format!("± {}", fixed(deviation, digits))).unwrap_or_default();
        Field { detail, best, ..Field::number(*mean, fixed(*mean, digits)) }
    };
    (Column::number(name), values.iter().zip(&means).zip(best).map(field).collect())
}

/// Returns what the baselines of the table are.
fn about(scores: &[BaselineScores<'_>]) -> String {
    let has = |name: &str| scores.iter().any(|scores| scores.name == name);
    let mut text =
        "Majority: always the most frequent class of the training rows. Prior: the frequencies of the classes. "
            .to_owned();
    if has("tfidf_lr") {
        text += "TF-IDF: words, as scikit-learn's TfidfVectorizer weighs them, under logistic regression with C = 1. ";
    }
    if has("naive_bayes") {
        text += "Naive Bayes: multinomial, on counts of words, alpha = 1. ";
    }
    if has("nb_svm") {
        text += "NB-SVM: words and pairs of words, scaled by log-count ratios (Wang and Manning, 2012), under logistic regression. ";
    }
    if has("zero_label") {
        text += "Zero-label: the class whose name is most similar to the text, by the cosine of their vectors, without training \
                 and without any label; its temperature is fixed at 0.05, so it has no loss, and its threshold at the \
                 most similar name. ";
    }
    text + "An embedding that doesn't score above them isn't worth its vectors."
}

/// Returns why baselines are missing, a sentence per reason.
fn not_applicable(missing: &[BaselineScores<'_>]) -> Vec<String> {
    let mut reasons: Vec<(&str, Vec<String>)> = Vec::new();
    for scores in missing {
        let (reason, title) = (scores.not_applicable.unwrap_or_default(), name(scores));
        match reasons.iter_mut().find(|(known, _)| *known == reason) {
            Some((_, titles)) if titles.contains(&title) => {}
            Some((_, titles)) => titles.push(title),
            None => reasons.push((reason, vec![title])),
        }
    }
    reasons
        .into_iter()
        .map(|(reason, titles)| format!("Not applicable: {}, because {reason}.", titles.join("; ")))
        .collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use emberline_base::Digest;
    use emberline_base::record::{Baseline, Baselines};
    use indexmap::IndexMap;
    use serde_json::json;

    use super::*;
    use crate::sample;

    /// A run whose rows have these settings, one set after the other, with two baselines each.
    fn summary(settings: &[(&str, u32)]) -> Summary {
        let mut summary = sample::course().summary;
        for (at, (axis, value)) in settings.iter().enumerate() {
            summary.axes.entry((*axis).to_owned()).or_default().push(json!(value));
            let baseline = |name: &str, metrics: &[(&str, f64)]| Baseline {
                name: name.to_owned(),
                metrics: metrics.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect::<BTreeMap<_, _>>(),
                ..Baseline::default()
            };
            let score = 0.5 + 0.1 * at as f64;
            summary.baselines.push(Baselines {
                data: Digest::of(&[at as u8]),
                computation: 1,
                settings: IndexMap::from([((*axis).to_owned(), json!(value))]),
                n_train: 10,
                baselines: vec![
                    baseline("majority", &[("val_accuracy", 0.9)]),
                    baseline("tfidf_lr", &[("val_accuracy", score), ("val_pr_auc", score), ("val_recall", 0.1)]),
                ],
            });
        }
        summary
    }

    fn texts(table: &Table) -> Vec<Vec<String>> {
        let text = |field: &Field| format!("{} {}", field.text, field.detail).trim().to_owned();
        table.rows.iter().map(|row| row.fields.iter().map(text).collect()).collect()
    }

    fn table_of(summary: &Summary) -> Table {
        table(summary, &Ranking::of(summary)).expect("a table")
    }

    #[test]
    fn a_run_without_baselines_has_no_table() {
        let summary = sample::course().summary;
        assert_eq!(table(&summary, &Ranking::of(&summary)), None);
    }

    #[test]
    fn repeats_are_averaged() {
        let table = table_of(&summary(&[("data.split.repeat", 1), ("data.split.repeat", 2)]));
        let names: Vec<&str> = table.columns.iter().map(|column| column.name.as_str()).collect();
        assert_eq!(names, ["baseline", "splits", "val_pr_auc", "val_accuracy"]);
        let expected = ["TF-IDF + logistic regression", "2", "0.5500 ± 0.0707", "0.5500 ± 0.0707"];
        assert_eq!(
            (texts(&table)[0][2].as_str(), texts(&table)[1].as_slice()),
            ("–", &expected.map(str::to_owned)[..])
        );
        assert!(table.rows[0].fields[3].best && !table.rows[1].fields[3].best);
    }

    #[test]
    fn different_rows_have_rows_of_their_own() {
        let table = table_of(&summary(&[("data.split.train", 100), ("data.split.train", 1000)]));
        assert_eq!(table.columns[1].name, "data.split.train");
        let sizes: Vec<String> = texts(&table).into_iter().map(|row| format!("{} {}", row[0], row[1])).collect();
        assert_eq!(sizes.len(), 4);
        assert_eq!((sizes[0].as_str(), sizes[2].as_str()), ("majority 100", "majority 1000"));
    }
    #[test]
    fn zero_label_has_a_row_per_embedding_or_a_reason() {
        let mut run = summary(&[("data.split.train", 100)]);
        let zero_label = |embedding: &str, metrics: BTreeMap<String, f64>, reason: Option<&str>| Baseline {
            name: "zero_label".to_owned(),
            embedding: Some(embedding.to_owned()),
            metrics,
            not_applicable: reason.map(str::to_owned),
            converged: None,
        };
        let measured = BTreeMap::from([("val_accuracy".to_owned(), 0.625)]);
        let unknown = Some("the embedding knows no word of the name of the class `xyzzy`");
        run.baselines[0].baselines.extend([
            zero_label("minilm", measured, None),
            zero_label("glove", BTreeMap::new(), unknown),
            zero_label("swivel", BTreeMap::new(), unknown),
        ]);
        let table = table_of(&run);
        assert_eq!(texts(&table)[2][..2], ["zero-label, minilm".to_owned(), "–".to_owned()], "{:?}", texts(&table));
        assert_eq!((table.rows.len(), table.notes.len()), (3, 2));
        let notes = format!("{:?}", table.notes);
        let reason = "Not applicable: zero-label, glove; zero-label, swivel, because the embedding knows no word of the name of the \
                      class `xyzzy`.";
        assert!(notes.contains("Zero-label: the class whose name") && notes.contains(reason), "{notes}");
    }
}
