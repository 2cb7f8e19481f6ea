//! The table of settings: one row per combination of the axes except for replicate axes, best first.

use emberline_base::Metric;
use emberline_base::record::answer::{Answer, ComparedSetting, Level};
use emberline_base::record::{Outcome, Summary};

use super::cells::share;
use super::{best_in, data_differ, metric_names, metric_of, reference_note};
use crate::document::{Column, Field, Prose, Row, Table};
use crate::grouping::Setting;
use crate::moments::{mean, standard_deviation};
use crate::number::{count, decimals, fixed, signed};
use crate::ranking::Ranking;

/// Creates the table, with one row per setting in the order of the ranking.
pub(crate) fn table(summary: &Summary, ranking: &Ranking<'_>) -> Table {
    let marks = ranking.marks();
    let ordered = ranking.order.iter().filter_map(|&index| ranking.settings.get(index).map(|s| (index, s)));
    let mut rows = Vec::new();
    for (index, setting) in ordered.clone() {
        let name = Field { mark: marks.get(index).copied().flatten(), ..Field::text(&setting.label) };
        let muted = setting.done().next().is_none();
        rows.push(Row { fields: vec![name, seeds(setting)], muted });
    }
    let settings: Vec<&Setting<'_>> = ordered.map(|(_, setting)| setting).collect();
    let mut columns = vec![Column::text("setting"), Column::number(ranking.replicates.many)];
    for column in measured(summary, ranking, &settings) {
        columns.push(if is_major(&column.0) { column.0 } else { column.0.minor() });
        for (row, field) in rows.iter_mut().zip(column.1) {
            row.fields.push(field);
        }
    }
    let repeated = ranking.settings.iter().any(|setting| setting.done().count() > 1);
    let caption = if repeated {
        format!("Mean and standard deviation over the {} of each setting", ranking.replicates.many)
    } else {
        "Scores of each setting".to_owned()
    };
    Table { caption, columns, rows, notes: notes(summary, ranking) }
}

/// Returns whether a column stays on paper: what the answer says, and the metrics of validation and test.
fn is_major(column: &Column) -> bool {
    let name = column.name.as_str();
    matches!(name, "rank" | "score" | "to the leader" | "epochs")
        || name.starts_with("val_")
        || name.starts_with("test_")
}

/// Creates the field with the number of finished cells of a setting.
fn seeds(setting: &Setting<'_>) -> Field {
    let (done, all) = (setting.done().count(), setting.cells.len());
    let text = if done == all { done.to_string() } else { format!("{done} of {all}") };
    Field::number(done as f64, text)
}

type Measured = (Column, Vec<Field>);

fn measured(summary: &Summary, ranking: &Ranking<'_>, settings: &[&Setting<'_>]) -> Vec<Measured> {
    let mut columns = Vec::new();
    let main = ranking.main.as_ref();
    if let Some(main) = main {
        columns.push(metric_column(summary, settings, &main.name));
        columns.extend(summary.answer.iter().flat_map(|answer| answer_columns(answer, settings)));
    }
    let is_shown =
        |name: &String| main.is_none_or(|m| m.name != *name) && metric_of(name).is_some_and(Metric::is_headline);
    let names = metric_names(summary).into_iter().filter(is_shown);
    columns.extend(names.map(|name| metric_column(summary, settings, &name)));
    if summary.has_known_words() {
        let known = |setting: &Setting<'_>| -> Vec<f64> {
            setting.done().filter_map(|(_, o)| o.known_words.as_ref().map(|known| known.all.tokens)).collect()
        };
        let field = |setting: &&Setting<'_>| share(Some(mean(&known(setting))).filter(|mean| !mean.is_nan()));
        columns.push((Column::number("known words"), settings.iter().map(field).collect()));
    }
    columns.push(spread_column("epochs", settings, |s| s.done().map(|(_, o)| f64::from(o.epochs)).collect()));
    columns.push(spread_column("seconds", settings, |s| s.done().map(|(_, o)| o.seconds).collect()));
    let of = |get: fn(&Outcome) -> Option<u64>| move |s: &Setting<'_>| s.done().next().and_then(|(_, o)| get(o));
    columns.push(whole_numbers("parameters", "total", settings, of(|o| Some(o.parameters.total))));
    columns.push(whole_numbers("trainable", "", settings, of(|o| Some(o.parameters.trainable))));
    columns.push(whole_numbers("bytes", "per text", settings, of(|o| o.bytes_per_text)));
    columns.push(whole_numbers("table", "bytes", settings, of(|o| o.table_bytes)));
    columns.push(whole_numbers("encoder", "trained bytes", settings, of(|o| o.encoder_bytes)));
    columns.push(whole_numbers(
        "pairs",
        "trained on",
        settings,
        of(|o| o.contrastive.map(|contrastive| contrastive.pairs)),
    ));
    columns.retain(|(column, fields)| !may_be_empty(column) || fields.iter().any(|field| field.value.is_some()));
    columns
}

/// Returns whether a column holds sizes that records of earlier versions, or all cells of a run, may lack.
fn may_be_empty(column: &Column) -> bool {
    matches!(column.name.as_str(), "bytes" | "table" | "encoder" | "pairs")
}

fn metric_column(summary: &Summary, settings: &[&Setting<'_>], name: &str) -> Measured {
    let (column, mut fields) = spread_column(name, settings, |setting| setting.values(name));
    let means: Vec<f64> = fields.iter().map(|field| field.value.unwrap_or(f64::NAN)).collect();
    for (field, best) in fields.iter_mut().zip(best_in(summary, name, &means)) {
        field.best = best;
    }
    (column.with_note(reference_note(name, &summary.data)), fields)
}

/// Creates a column with the mean and standard deviation of `values` for each setting, with equal decimals.
fn spread_column(name: &str, settings: &[&Setting<'_>], values: impl Fn(&Setting<'_>) -> Vec<f64>) -> Measured {
    let values: Vec<Vec<f64>> = settings.iter().map(|setting| values(setting)).collect();
    let counts = matches!(name, "epochs" | "seconds");
    let digits = if counts {
        usize::from(values.iter().any(|v| v.len() > 1) || name == "seconds")
    } else {
        decimals(values.iter().map(|v| mean(v)))
    };
    let field = |values: &Vec<f64>| {
        if values.is_empty() {
            return Field::none();
        }
        let mean = mean(values);
        let deviation = standard_deviation(values);
        let detail = deviation.map(|deviation| format!("± {}", fixed(deviation, digits))).unwrap_or_default();
        Field { detail, ..Field::number(mean, fixed(mean, digits)) }
    };
    (Column::number(name), values.iter().map(field).collect())
}

/// Creates the columns of what the answer claims of each setting: its possible ranks, its score with its interval, and its
/// difference from the leader, all among the settings with as many labels; none if nothing is claimed.
fn answer_columns(answer: &Answer, settings: &[&Setting<'_>]) -> Vec<Measured> {
    let answers: Vec<&Answer> = answer.of_each_number().filter(|answer| answer.level != Level::None).collect();
    if answers.is_empty() {
        return Vec::new();
    }
    let index = answer.index();
    let find = |setting: &&Setting<'_>| index.find(&setting.axes()).filter(|found| found.answer.level != Level::None);
    let known: Vec<Option<ComparedSetting<'_>>> = settings.iter().map(find).collect();
    let column = |name: &str, note: String, field: &dyn Fn(ComparedSetting<'_>) -> Option<Field>| {
        let fields = known.iter().map(|known| known.and_then(field).unwrap_or_else(Field::none)).collect();
        (Column::number(name).with_note(note), fields)
    };
    let digits = decimals(answers.iter().flat_map(|of| &of.pairs).flat_map(|pair| [pair.low, pair.high]));
    let scored = |ComparedSetting { setting, .. }: ComparedSetting<'_>| {
        let (low, high) = (setting.low?, setting.high?);
        let interval = format!("[{}, {}]", fixed(low, digits), fixed(high, digits));
        Some(Field { detail: interval, ..Field::number(setting.mean, fixed(setting.mean, digits)) })
    };
    let ranked = |ComparedSetting { setting, .. }: ComparedSetting<'_>| {
        let (low, high) = (setting.rank_low, setting.rank_high);
        let text = if low == high { low.to_string() } else { format!("{low} to {high}") };
        Some(Field::number(low as f64 + high as f64 / 1e6, text))
    };
    let to_leader = |ComparedSetting { answer, setting, pair, .. }: ComparedSetting<'_>| {
        if answer.leader.as_ref() == Some(&setting.setting) {
            return Some(Field::text("leader"));
        }
        let pair = pair?;
        let interval = format!("[{}, {}]", signed(-pair.high, digits), signed(-pair.low, digits));
        Some(Field { detail: interval, ..Field::number(-pair.difference, signed(-pair.difference, digits)) })
    };
    let level = format!("{:.0}\u{a0}% interval", (1.0 - answer.alpha) * 100.0);
    vec![
        column("rank", String::new(), &ranked),
        column("score", format!("{}, {level}", answer.metric), &scored),
        column("to the leader", "adjusted for all pairs".to_owned(), &to_leader),
    ]
}

/// Creates a column of counts or sizes.
fn whole_numbers(
    name: &str,
    note: &str,
    settings: &[&Setting<'_>],
    of: impl Fn(&Setting<'_>) -> Option<u64>,
) -> Measured {
    let fields = settings.iter().map(|setting| match of(setting) {
        Some(number) => Field::number(number as f64, count(number)),
        None => Field::none(),
    });
    (Column::number(name).with_note(note), fields.collect())
}

fn notes(summary: &Summary, ranking: &Ranking<'_>) -> Vec<Prose> {
    let mut notes = Vec::new();
    if let Some(main) = ranking.main.as_ref().filter(|_| ranking.settings.len() > 1) {
        notes.push(Prose::default().plain(format!(
            "Ordered by {}. Bold: the best of a column. Every score is of the epoch whose weights were kept.",
            main.name
        )));
    }
    if let Some(positive) = summary.data.describe_positive() {
        notes.push(
            Prose::default()
                .plain("F1, precision, recall, PR-AUC and the threshold are of the positive class: ")
                .strong(positive)
                .plain("."),
        );
    }
    if metric_names(summary).iter().any(|name| name == "val_cross_fitted_f1") {
        notes.push(Prose::default().plain(
            "val_f1 is the score on the rows that chose the threshold, which flatters it; val_cross_fitted_f1, in the table of \
             cells, is that of rows decided at the threshold of the other half of them.",
        ));
    }
    notes.extend(summary.answer.as_ref().and_then(about_claims));
    if data_differ(summary) {
        notes.push(Prose::default().plain(
            "The cells do not all share their rows: scores of different rows compare with care, and the majority is \
             that of the pipeline's own split.",
        ));
    }
    notes
}

/// Explains the columns of [`answer_columns`].
fn about_claims(answer: &Answer) -> Option<Prose> {
    let level = answer.of_each_number().map(|answer| answer.level).find(|level| *level != Level::None)?;
    let among = if answer.labels.is_some() { " among the settings with as many labels," } else { "" };
    let what = match level {
        Level::None => return None,
        Level::Embeddings => {
            "The intervals allow for the choice of rows: they are made from differences over splits, corrected for the rows that \
             splits share."
        }
        Level::Heads => {
            "The intervals allow for which texts were evaluated, not for which rows were trained on: they are made by drawing \
             the evaluated rows again, and say something of the heads trained here, not of their embeddings."
        }
    };
    Some(Prose::default().plain(format!(
        "Rank: every rank that a setting may have,{among} given what is told apart. To the leader: the difference in {}, with an \
         interval that allows for all comparisons; one without 0 tells the two apart. {what}",
        answer.metric
    )))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;

    fn column(table: &Table, name: &str) -> Vec<Field> {
        let index = table.columns.iter().position(|column| column.name == name).expect("the column");
        table.rows.iter().map(|row| row.fields[index].clone()).collect()
    }

    #[test]
    fn rows_are_complete_and_the_best_leads() {
        let run = sample::course();
        let table = table(&run.summary, &Ranking::of(&run.summary));
        assert!(table.rows.iter().all(|row| row.fields.len() == table.columns.len()));
        let main = column(&table, "val_pr_auc");
        assert!(main[0].best && !main[1].best && main[0].detail.starts_with("± 0.0"), "{main:?}");
        assert!(column(&table, "seeds").iter().any(|field| field.text == "2 of 3"));
    }

    #[test]
    fn the_majority_stands_at_every_accuracy() {
        let run = sample::course();
        let table = table(&run.summary, &Ranking::of(&run.summary));
        let accuracies = table.columns.iter().filter(|column| column.name.ends_with("accuracy"));
        assert!(accuracies.clone().count() == 2 && accuracies.clone().all(|c| c.note == "majority 0.9381"));
    }

    #[test]
    fn cells_of_different_rows_are_told() {
        let mut run = sample::course();
        let has_note = |run: &crate::Run| {
            let notes = table(&run.summary, &Ranking::of(&run.summary)).notes;
            format!("{notes:?}").contains("do not all share their rows")
        };
        assert!(!has_note(&run));
        if let Some(outcome) = &mut run.summary.cells[0].outcome {
            outcome.digests.data = emberline_base::Digest::of(b"other rows");
        }
        assert!(has_note(&run));
    }

    #[test]
    fn what_is_claimed_stands_in_columns() {
        let run = sample::of_five_splits();
        let stored = run.summary.answer.as_ref().expect("an answer");
        assert_eq!(stored.level, Level::Embeddings);
        let table = table(&run.summary, &Ranking::of(&run.summary));
        let to_leader = column(&table, "to the leader");
        assert_eq!(to_leader.iter().filter(|field| field.text == "leader").count(), 1);
        assert!(to_leader.iter().any(|field| field.detail.starts_with('[')), "{to_leader:?}");
        assert!(column(&table, "rank").iter().all(|field| !field.text.is_empty()));
    }

    #[test]
    fn bytes_stand_in_columns_if_the_records_have_them() {
        let mut run = sample::course();
        let has = |run: &crate::Run| {
            let table = table(&run.summary, &Ranking::of(&run.summary));
            table.columns.iter().any(|column| column.name == "bytes")
        };
        assert!(has(&run));
        for outcome in run.summary.cells.iter_mut().filter_map(|cell| cell.outcome.as_mut()) {
            (outcome.bytes_per_text, outcome.table_bytes) = (None, None);
        }
        assert!(!has(&run));
    }

    #[test]
    fn one_seed_has_no_spread_and_no_interval() {
        let run = sample::single();
        let table = table(&run.summary, &Ranking::of(&run.summary));
        assert!(table.columns.iter().all(|column| column.name != "to the leader"));
        assert!(table.rows[0].fields.iter().all(|field| field.detail.is_empty() && !field.best));
    }
}
