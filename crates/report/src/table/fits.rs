//! The table of the verdicts on the fits: one row per setting, with how its cells ended.

use std::collections::BTreeMap;

use emberline_base::record::Outcome;

use crate::Run;
use crate::document::{Column, Field, Prose, Row, Table};
use crate::fit_verdict::{Course, FitVerdict, Learned};
use crate::grouping::Setting;
use crate::moments::mean;
use crate::number::{decimals, fixed};
use crate::ranking::Ranking;
use crate::table::cells::stop_name;

/// Creates the table; `None` if no cell has a history of several epochs.
pub(crate) fn table(run: &Run, ranking: &Ranking<'_>) -> Option<Table> {
    let settings = ranking.order.iter().filter_map(|&index| ranking.settings.get(index));
    let verdicts: Vec<(&Setting<'_>, Vec<(&Outcome, FitVerdict)>)> = settings
        .map(|setting| (setting, verdicts(run, setting)))
        .filter(|(_, verdicts)| !verdicts.is_empty())
        .collect();
    if verdicts.iter().flat_map(|(_, of)| of).all(|(_, verdict)| verdict.course.is_none()) {
        return None;
    }
    let gap = |of: &[(&Outcome, FitVerdict)]| {
        mean(&of.iter().filter_map(|(_, v)| v.gap.map(|gap| gap.value)).collect::<Vec<_>>())
    };
    let digits = decimals(verdicts.iter().map(|(_, of)| gap(of)));
    let row = |(setting, of): &(&Setting<'_>, Vec<(&Outcome, FitVerdict)>)| {
        let epochs =
            |get: fn(&Outcome) -> u32| mean(&of.iter().map(|(outcome, _)| f64::from(get(outcome))).collect::<Vec<_>>());
        let (best, all, gap) = (epochs(|o| o.best_epoch), epochs(|o| o.epochs), gap(of));
        let best = Field { detail: format!("of {}", fixed(all, 1)), ..Field::number(best, fixed(best, 1)) };
        let gap = if gap.is_finite() { Field::number(gap, fixed(gap, digits)) } else { Field::none() };
        Row {
            fields: vec![Field::text(&setting.label), Field::text(courses(of)), Field::text(ends(of)), best, gap],
            muted: false,
        }
    };
    let columns = vec![
        Column::text("setting"),
        Column::text("verdict"),
        Column::text("ended by"),
        Column::number("best epoch").with_note("mean"),
        Column::number("gap").with_note("val_loss − loss"),
    ];
    let caption = format!("How training went, over the {} of each setting", ranking.replicates.many);
    let notes = vec![Prose::default().plain(
        "Still improving: more epochs would have helped. Overfits: the validation loss rose by more than 5 % while the training \
         loss fell; the weights of the best epoch are kept. Gap: how much higher the loss of the best epoch is on validation rows.",
    )];
    Some(Table { caption, columns, rows: verdicts.iter().map(row).collect(), notes })
}

fn verdicts<'a>(run: &Run, setting: &Setting<'a>) -> Vec<(&'a Outcome, FitVerdict)> {
    let of_cell = |(cell, outcome): (&'a emberline_base::record::Cell, &'a Outcome)| {
        let history = run.histories.get(&cell.id).map_or(&[][..], Vec::as_slice);
        (outcome, FitVerdict::of(outcome, history))
    };
    setting.done().map(of_cell).collect()
}

/// Counts the verdicts: `4 converged, 1 overfits`.
fn courses(verdicts: &[(&Outcome, FitVerdict)]) -> String {
    let mut counts = [0; 5];
    for (_, verdict) in verdicts {
        match verdict.course {
            Some(Course::Converged) => counts[0] += 1,
            Some(Course::StillImproving) => counts[1] += 1,
            Some(Course::OverfitsAfter(_)) => counts[2] += 1,
            None => {}
        }
        match verdict.learned {
            Some(Learned::OneClass(_)) => counts[3] += 1,
            Some(Learned::WorseThanPrior) => counts[4] += 1,
            Some(Learned::Texts) | None => {}
        }
    }
    let names = ["converged", "still improving", "overfits", "one class only", "worse than the class shares"];
    let parts =
        counts.iter().zip(names).filter(|(count, _)| **count > 0).map(|(count, name)| format!("{count} {name}"));
    let parts = parts.collect::<Vec<_>>().join(", ");
    if parts.is_empty() { "–".to_owned() } else { parts }
}

fn ends(verdicts: &[(&Outcome, FitVerdict)]) -> String {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for (outcome, _) in verdicts {
        *counts.entry(stop_name(outcome.stopped)).or_default() += 1;
    }
    counts.iter().map(|(name, count)| format!("{count} {name}")).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;

    #[test]
    fn verdicts_are_counted_over_the_seeds() {
        let run = sample::course();
        let table = table(&run, &Ranking::of(&run.summary)).expect("histories");
        assert_eq!((table.rows.len(), table.columns.len()), (6, 5));
        let fields: Vec<&str> = table.rows[0].fields.iter().map(|field| field.text.as_str()).collect();
        assert!(fields[1] == "2 overfits" && fields[2] == "2 early_stopping", "{fields:?}");
    }

    #[test]
    fn without_histories_there_is_no_verdict() {
        let run = sample::all_failed();
        assert_eq!(table(&run, &Ranking::of(&run.summary)), None);
    }
}
