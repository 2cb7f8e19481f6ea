//! A bar chart of the settings as a Mermaid diagram, which GitHub draws itself: no image has to be stored anywhere.
//!
//! Input: a summary. Output: a block of code. Names are reduced to letters, digits and a few signs, since Mermaid has no escapes.

use std::fmt::Write as _;

use emberline_base::record::Summary;

use crate::escape::shorten;
use crate::setting_scores::{SettingScores, ranking_metric, setting_scores};

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

/// Returns the chart of the best settings; none for fewer than two.
pub(super) fn bars(summary: &Summary) -> Option<String> {
    let metric = ranking_metric(summary)?;
    let scores = setting_scores(summary);
    let bars: Vec<Bar> = scores.iter().filter_map(|scores| bar(scores, &metric)).take(MAX_BARS).collect();
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
    let mut out = format!("```mermaid\nxychart-beta horizontal\n    title \"{} by setting\"\n", plain(&metric));
    let _ = writeln!(out, "    x-axis [{}]", names.join(", "));
    let _ = writeln!(out, "    y-axis \"{}\" 0 --> {:.4}", plain(&metric), (largest * 1.05).max(1e-4));
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
