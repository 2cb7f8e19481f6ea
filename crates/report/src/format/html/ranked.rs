//! The picture of the ranked settings: one row per setting with its score, its interval, its validation score, and the baselines on the
//! same rows.
//!
//! It is a table whose second column is drawn, so that a reader who can't see it has every number, and a phone has room for the names.
//! The drawings have no `viewBox`: their lengths are percentages of the column, which may have any width.

mod key;

use std::fmt::Write as _;

use emberline_base::Metric;
use emberline_base::record::answer::{Answer, Level, ScoredRows, SettingAnswer};
use emberline_base::record::{BaselineScores, Summary};
use serde_json::Value;

use super::parts::{folded, label, signature};
use crate::chart::axis::{Axis, range};
use crate::escape::html;
use crate::number::{counted, decimals, fixed};
use crate::ranking::Ranking;
use crate::table::metric_of;

/// Number of settings that are shown; the others are folded.
const SHOWN: usize = 12;

/// Maximum number of settings in the picture; the table of settings has all of them.
const MAX_SETTINGS: usize = 300;

/// A baseline further from the scores than this many times their range isn't drawn, only named.
const REACH: f64 = 0.8;

/// The baselines that are drawn, in groups: the best of a group on the rows of a setting stands for it.
const BASELINES: [(&[&str], &str); 3] = [
    (&["prior", "majority"], "no skill"),
    (&["tfidf_lr", "nb_svm", "naive_bayes"], "without an embedding"),
    (&["zero_label"], "without labels"),
];

/// A row of the picture.
struct Ranked<'a> {
    label: &'a str,
    mean: f64,
    interval: Option<(f64, f64)>,
    validation: Option<f64>,
    ranks: Option<(usize, usize)>,
    is_best: bool,
    /// The scores of the drawn baselines on the rows of this setting.
    baselines: [Option<f64>; BASELINES.len()],
}

/// Renders the picture; nothing unless at least two settings have a score.
pub(super) fn render(summary: &Summary, ranking: &Ranking<'_>) -> String {
    let Some((metric, groups)) = groups(summary, ranking) else { return String::new() };
    if groups.iter().map(|group| group.rows.len()).sum::<usize>() < 2 {
        return String::new();
    }
    let shown = |group: &Group<'_>| group.rows.len().min(SHOWN);
    let first = groups.iter().flat_map(|group| &group.rows[..shown(group)]);
    let Some(axis) = axis(first) else { return String::new() };
    let all = || groups.iter().flat_map(|group| &group.rows);
    let (digits, has_validation) = (decimals(all().map(|row| row.mean)), all().any(|row| row.validation.is_some()));
    let caption = format!("Settings by {metric}, best first");
    let columns = Columns { metric: &metric, has_validation, digits, axis: &axis };
    let mut out =
        format!("<section class=\"ranking\" aria-labelledby=\"ranked\">\n<h2 id=\"ranked\">{}</h2>\n", html(&caption));
    for group in &groups {
        let (first, more) = group.rows.split_at(shown(group));
        let caption = match group.labels {
            Some(labels) => format!("With {}", counted(labels, "label")),
            None => caption.clone(),
        };
        if group.labels.is_some() {
            let _ = writeln!(out, "<h3>{}</h3>", html(&caption));
        }
        out.push_str(&columns.table(&caption, first));
        if !more.is_empty() {
            let summary = format!("The other {}", counted(more.len(), "setting"));
            let axis = self::axis(more).unwrap_or_else(|| axis.clone());
            out.push_str(&folded(&summary, &Columns { axis: &axis, ..columns }.table(&summary, more)));
        }
    }
    let rows: Vec<&Ranked<'_>> = all().collect();
    out.push_str(&key::render(summary, &rows, &axis, has_validation));
    out + &signature(&key::signed(summary, ranking, rows.len())) + "</section>\n"
}

/// Settings that are compared with one another.
struct Group<'a> {
    /// The number of labels of each, if settings differ in it.
    labels: Option<usize>,
    /// Best first.
    rows: Vec<Ranked<'a>>,
}

/// Returns the metric and the rows by number of labels, the most labels first: those of the answer, or, while there is none, one
/// group with the means by the main metric.
fn groups<'a>(summary: &'a Summary, ranking: &'a Ranking<'_>) -> Option<(String, Vec<Group<'a>>)> {
    let baselines = summary.baseline_scores();
    if let Some(answer) = summary.answer.as_ref().filter(|answer| !answer.settings.is_empty()) {
        let group = |answer: &'a Answer| {
            let row = |setting: &'a SettingAnswer| row_of_answer(answer, setting, &baselines);
            Group { labels: answer.labels, rows: answer.settings.iter().take(MAX_SETTINGS).map(row).collect() }
        };
        return Some((answer.metric.clone(), answer.of_each_number().map(group).collect()));
    }
    let main = ranking.main.as_ref()?;
    let ranked = ranking.ranked();
    let row = |(setting, values): &(&'a crate::grouping::Setting<'_>, crate::grouping::Values)| Ranked {
        label: &setting.label,
        mean: values.values().sum::<f64>() / values.len() as f64,
        interval: None,
        validation: None,
        ranks: None,
        is_best: false,
        baselines: [None; BASELINES.len()],
    };
    let rows: Vec<Ranked<'a>> = ranked.iter().take(MAX_SETTINGS).map(row).collect();
    Some((main.name.clone(), vec![Group { labels: None, rows }]))
}

fn row_of_answer<'a>(answer: &'a Answer, setting: &'a SettingAnswer, baselines: &[BaselineScores<'_>]) -> Ranked<'a> {
    let is_claimed = answer.level != Level::None;
    Ranked {
        label: &setting.label,
        mean: setting.mean,
        interval: setting.low.zip(setting.high),
        validation: setting.validation_mean.filter(|_| answer.scored == ScoredRows::Test),
        ranks: is_claimed.then_some((setting.rank_low, setting.rank_high)),
        is_best: is_claimed && answer.best_group.contains(&setting.setting),
        baselines: BASELINES
            .map(|(names, _)| baseline(names, baselines, &answer.metric, |axis| setting.setting.get(axis))),
    }
}

/// Returns the best score of these baselines on the rows of a setting with these values of the axes.
fn baseline<'v>(
    names: &[&str],
    baselines: &[BaselineScores<'_>],
    metric: &str,
    value: impl Fn(&str) -> Option<&'v Value>,
) -> Option<f64> {
    let has_rows = |scores: &&BaselineScores<'_>| {
        scores
            .settings
            .iter()
            .all(|(axis, of_baseline)| value(axis).is_none_or(|of_setting| of_setting == *of_baseline))
    };
    let better = if metric_of(metric).is_some_and(Metric::smaller_is_better) { f64::min } else { f64::max };
    let of_name = |name: &&str| {
        let of_rows = baselines.iter().filter(|scores| scores.name == *name).filter(has_rows);
        of_rows.filter_map(|scores| scores.mean(metric)).filter(|score| score.is_finite()).reduce(better)
    };
    names.iter().filter_map(of_name).reduce(better)
}

/// Creates the axis over the scores of these rows, and over the baselines that are near them; `None` without a finite score.
fn axis<'r, 'a: 'r>(rows: impl IntoIterator<Item = &'r Ranked<'a>>) -> Option<Axis> {
    let rows: Vec<&Ranked<'_>> = rows.into_iter().collect();
    let scores = rows.iter().flat_map(|row| {
        let (low, high) = row.interval.unwrap_or((row.mean, row.mean));
        [Some(row.mean), Some(low), Some(high), row.validation].into_iter().flatten()
    });
    let (low, high, _) = range(&scores.collect::<Vec<_>>())?;
    let reach = REACH * (high - low).max(1e-9);
    let near = rows
        .iter()
        .flat_map(|row| row.baselines)
        .flatten()
        .filter(|value| (low - reach..=high + reach).contains(value));
    let (low, high) = near.fold((low, high), |(low, high), value| (low.min(value), high.max(value)));
    let margin = 0.04 * (high - low);
    Some(Axis::linear(low - margin, high + margin, 5, false))
}

/// What all rows of the picture share.
#[derive(Clone, Copy)]
struct Columns<'a> {
    metric: &'a str,
    has_validation: bool,
    digits: usize,
    axis: &'a Axis,
}

impl Columns<'_> {
    fn table(&self, caption: &str, rows: &[Ranked<'_>]) -> String {
        let metric = html(self.metric).replace('_', "_<wbr>");
        let mut out = format!(
            "<table class=\"ranked\" role=\"table\">\n<caption class=\"hidden\">{}</caption>\n<thead role=\"rowgroup\"><tr role=\"row\">\
             <th scope=\"col\" role=\"columnheader\">setting</th>\
             <th scope=\"col\" role=\"columnheader\" class=\"plot\"><span class=\"hidden\">picture</span>{}</th>\
             <th scope=\"col\" role=\"columnheader\" class=\"n\">{metric}</th>",
            html(caption),
            self.ticks()
        );
        if self.has_validation {
            out.push_str("<th scope=\"col\" role=\"columnheader\" class=\"n v\">validation</th>");
        }
        out.push_str(
            "<th scope=\"col\" role=\"columnheader\" class=\"n r\">rank</th></tr></thead>\n<tbody role=\"rowgroup\">\n",
        );
        for row in rows {
            out.push_str(&self.row(row));
        }
        out + "</tbody>\n</table>\n"
    }

    fn row(&self, row: &Ranked<'_>) -> String {
        let class = if row.is_best { " class=\"best\"" } else { "" };
        let interval =
            row.interval.map(|(low, high)| format!(" <small>[{}, {}]</small>", self.number(low), self.number(high)));
        let ranks = match row.ranks {
            Some((low, high)) if low == high => low.to_string(),
            Some((low, high)) => format!("{low}–{high}"),
            None => "–".to_owned(),
        };
        let mut out = format!(
            "<tr role=\"row\"{class}><th scope=\"row\" role=\"rowheader\">{}</th><td role=\"cell\" class=\"plot\">{}</td>\
             <td role=\"cell\" class=\"n\">{}{}</td>",
            label(row.label),
            self.picture(row),
            self.number(row.mean),
            interval.unwrap_or_default()
        );
        if self.has_validation {
            let validation = row.validation.map_or_else(|| "–".to_owned(), |value| self.number(value));
            let _ = write!(out, "<td role=\"cell\" class=\"n v\">{validation}</td>");
        }
        let _ = writeln!(out, "<td role=\"cell\" class=\"n r\">{ranks}</td></tr>");
        out
    }

    fn number(&self, value: f64) -> String {
        fixed(value, self.digits)
    }

    /// Returns the position of a value, as a percentage of the column; the ends stay free for dots.
    fn at(&self, value: f64) -> f64 {
        2.0 + 96.0 * self.axis.place(value).clamp(-0.02, 1.02)
    }

    /// Draws the labels of the axis.
    fn ticks(&self) -> String {
        let mut svg = String::from("<svg class=\"lane ticks\" aria-hidden=\"true\">");
        for &tick in &self.axis.ticks {
            let _ = write!(svg, "<text x=\"{:.1}%\" y=\"14\">{}</text>", self.at(tick), self.axis.label(tick));
        }
        svg + "</svg>"
    }

    /// Draws a row: the grid, the baselines, the interval, the validation score as a ring and the score as a dot.
    fn picture(&self, row: &Ranked<'_>) -> String {
        let mut svg = String::from("<svg class=\"lane\" aria-hidden=\"true\">");
        for &tick in &self.axis.ticks {
            let x = self.at(tick);
            let _ = write!(svg, "<line class=\"grid\" x1=\"{x:.1}%\" x2=\"{x:.1}%\" y2=\"100%\"/>");
        }
        for (kind, value) in row.baselines.iter().enumerate().filter_map(|(kind, value)| Some((kind, (*value)?))) {
            let place = self.axis.place(value);
            if (-0.001..=1.001).contains(&place) {
                let x = self.at(value);
                let _ = write!(svg, "<line class=\"b{kind}\" x1=\"{x:.2}%\" x2=\"{x:.2}%\" y2=\"100%\"/>");
            }
        }
        if let Some((low, high)) = row.interval {
            let (low, high) = (self.at(low), self.at(high));
            let _ = write!(svg, "<line class=\"bar\" x1=\"{low:.2}%\" x2=\"{high:.2}%\" y1=\"50%\" y2=\"50%\"/>");
        }
        if let Some(value) = row.validation {
            let _ = write!(svg, "<circle class=\"ring\" cx=\"{:.2}%\" cy=\"50%\" r=\"4\"/>", self.at(value));
        }
        let _ = write!(svg, "<circle class=\"dot\" cx=\"{:.2}%\" cy=\"50%\" r=\"5.5\"/></svg>", self.at(row.mean));
        svg
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;

    fn picture(run: &crate::Run) -> String {
        render(&run.summary, &Ranking::of(&run.summary))
    }

    #[test]
    fn every_setting_has_a_row_with_its_numbers() {
        let run = sample::of_five_splits();
        let page = picture(&run);
        let answer = run.summary.answer.as_ref().expect("an answer");
        assert_eq!(
            page.matches("class=\"dot\" cx=\"").count(),
            answer.settings.len() + 2 - usize::from(answer.best_group.is_empty())
        );
        for setting in &answer.settings {
            assert!(page.contains(&format!(">{}</th>", setting.label)), "{page}");
            assert!(page.contains(&format!(">{}", fixed(setting.mean, 4))));
        }
        assert!(page.contains("95 % interval") && page.contains("5 splits"), "{page}");
    }

    #[test]
    fn of_many_settings_the_best_are_shown_and_the_others_folded() {
        let page = picture(&sample::sweep());
        assert!(page.contains("<summary>The other 28 settings</summary>"), "{page}");
    }

    #[test]
    fn one_setting_needs_no_picture() {
        let mut failed = sample::all_failed();
        failed.summary.answer = None;
        for run in [sample::single(), failed, sample::empty()] {
            assert_eq!(picture(&run), "");
        }
    }

    #[test]
    fn a_run_under_way_is_ranked_without_intervals() {
        let mut run = sample::course();
        run.summary.answer = None;
        let page = picture(&run);
        assert!(page.contains("class=\"dot\"") && !page.contains("class=\"bar\""), "{page}");
    }
}
