//! Bar charts of the settings as Mermaid diagrams, which GitHub draws itself: no image has to be stored anywhere.
//!
//! Input: a summary. Output: a block of code for each number of labels, whose settings are ranked by themselves. Names are reduced to letters, digits and a few signs, since Mermaid has no escapes.

use std::fmt::Write as _;

use emberline_base::record::{Answer, Summary};

use crate::escape::shorten;
use crate::number::counted;
use crate::setting_scores::{SettingScores, ranking_metric, setting_scores};

/// Maximum number of charts.
const MAX_CHARTS: usize = 4;
/// Maximum number of bars.
const MAX_BARS: usize = 12;
/// Maximum length in characters of a bar's name.
const MAX_NAME: usize = 40;

/// A bar: a setting's mean, and the ends of its interval.
struct Bar {
    name: String,
    mean: f64,
    interval: Option<(f64, f64)>,
}

/// Returns the chart of the best settings, one for each number of labels; none for fewer than two settings.
pub(super) fn bars(summary: &Summary) -> Option<String> {
    let metric = ranking_metric(summary)?;
    let scores = setting_scores(summary);
    let charts = match summary.answer.as_ref().filter(|answer| !answer.fewer_labels.is_empty()) {
        Some(answer) => {
            let chart = |answer: &Answer| {
                let is_in =
                    |scores: &&SettingScores| answer.settings.iter().any(|known| known.setting == scores.setting);
                let with = answer.labels.map(|labels| format!(", with {}", counted(labels, "label")));
                chart(&scores.iter().filter(is_in).collect::<Vec<_>>(), &metric, &with.unwrap_or_default())
            };
            let charts: Vec<String> = answer.of_each_number().filter_map(chart).collect();
            let more = charts.len().saturating_sub(MAX_CHARTS);
            let note = format!("{} with fewer labels: see report.html.\n\n", counted(more, "chart"));
            let shown: String = charts.iter().take(MAX_CHARTS).map(String::as_str).collect();
            if more > 0 { shown + &note } else { shown }
        }
        None => chart(&scores.iter().collect::<Vec<_>>(), &metric, "").unwrap_or_default(),
    };
    (!charts.is_empty()).then_some(charts)
}

/// Returns the chart of the best of some settings, which are numbered from 1; none for fewer than two.
fn chart(scores: &[&SettingScores], metric: &str, with: &str) -> Option<String> {
    let bars: Vec<Bar> = scores.iter().filter_map(|scores| bar(scores, metric)).take(MAX_BARS).collect();
    if bars.len() < 2 {
        return None;
    }
    let intervals: Option<Vec<(f64, f64)>> = bars.iter().map(|bar| bar.interval).collect();
    let largest =
        bars.iter().map(|bar| bar.interval.map_or(bar.mean, |(_, high)| high.max(bar.mean))).fold(0.0, f64::max);
    let names: Vec<String> = bars.iter().zip(1..).map(|(bar, number)| format!("\"{number} {}\"", bar.name)).collect();
    let numbers = |number: &dyn Fn(&Bar) -> f64| {
        bars.iter().map(|bar| format!("{:.4}", number(bar).max(0.0))).collect::<Vec<_>>().join(", ")
    };
    let mut out = format!(
        "```mermaid\nxychart-beta horizontal\n    title \"{} by setting{}\"\n",
        plain(metric),
        plain_title(with)
    );
    let _ = writeln!(out, "    x-axis [{}]", names.join(", "));
    let _ = writeln!(out, "    y-axis \"{}\" 0 --> {:.4}", plain(metric), (largest * 1.05).max(1e-4));
    let _ = writeln!(out, "    bar [{}]", numbers(&|bar| bar.mean));
    if intervals.is_some() {
        let _ = writeln!(out, "    line [{}]", numbers(&|bar| bar.interval.map_or(bar.mean, |(low, _)| low)));
        let _ = writeln!(out, "    line [{}]", numbers(&|bar| bar.interval.map_or(bar.mean, |(_, high)| high)));
    }
    out.push_str("```\n\n");
    let more = scores.len().saturating_sub(bars.len());
    let first =
        if more > 0 { format!("The best {} of {} settings. ", bars.len(), scores.len()) } else { String::new() };
    let lines =
        if intervals.is_some() { "; the lines join the lower and the upper ends of their intervals" } else { "" };
    let _ = write!(out, "{first}Bars: means{lines}.\n\n");
    Some(out)
}

fn bar(scores: &SettingScores, metric: &str) -> Option<Bar> {
    let claimed = scores.answer.as_ref();
    let mean = claimed.map(|claimed| claimed.mean).or_else(|| scores.metrics.get(metric).map(|spread| spread.mean))?;
    let interval = claimed.and_then(|claimed| claimed.low.zip(claimed.high));
    let interval = interval.filter(|(low, high)| low.is_finite() && high.is_finite());
    mean.is_finite().then(|| Bar { name: plain(&shorten(&scores.label, MAX_NAME)), mean, interval })
}

/// Returns the end of a title: the program's own words, which have commas.
fn plain_title(with: &str) -> String {
    with.split(',').map(plain).collect::<Vec<_>>().join(",")
}

/// Replaces every character that may mean something to Mermaid.
fn plain(text: &str) -> String {
    text.chars()
        .map(|letter| if letter.is_alphanumeric() || " .-_·…".contains(letter) { letter } else { '_' })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;

    #[test]
    fn bars_stand_in_the_order_of_the_ranking_with_their_intervals() {
        let summary = sample::of_five_splits().summary;
        let text = bars(&summary).expect("a chart");
        let first = &summary.answer.as_ref().expect("an answer").settings[0];
        assert!(
            text.starts_with("```mermaid\nxychart-beta horizontal\n    title \"val_pr_auc by setting\"\n"),
            "{text}"
        );
        assert!(text.contains(&format!("x-axis [\"1 {}\", \"2 ", first.label)), "{text}");
        assert!(
            text.contains(&format!("bar [{:.4}, ", first.mean)) && text.matches("    line [").count() == 2,
            "{text}"
        );
        assert_eq!(bars(&sample::single().summary), None);
        assert_eq!(bars(&sample::all_failed().summary), None);
    }

    #[test]
    fn every_number_of_labels_has_a_chart_with_a_numbering_of_its_own() {
        let text = bars(&sample::of_several_label_counts().summary).expect("charts");
        for labels in [800, 50] {
            let title = format!("by setting, with {labels} labels\"\n    x-axis [\"1 ");
            assert_eq!(text.matches(&title).count(), 1, "{labels}: {text}");
        }
        assert_eq!(text.matches("```mermaid").count(), 2, "{text}");
    }

    #[test]
    fn names_mean_nothing_to_mermaid() {
        let text = bars(&sample::hostile().summary).expect("a chart");
        let block = text.strip_prefix("```mermaid\n").and_then(|text| text.split("```").next()).expect("a block");
        assert!(
            !block.contains(['<', '>', '%', '{', ';', '`', '\u{1b}']) || block.matches("-->").count() == 1,
            "{block}"
        );
        assert_eq!(plain("a\"]%%{init}\n<b>"), "a_____init___b_");
    }
}
