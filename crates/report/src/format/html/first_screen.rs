//! The top of the page: the answer in sentences, the warnings, the ranked settings as a picture, and then the facts of the run.

use std::fmt::Write as _;

use emberline_base::SplitName;
use emberline_base::record::Summary;
use emberline_base::record::answer::Answer;
use emberline_statistics::sentences;

use super::parts::{MAX_LENGTH, folded, label, prose};
use super::ranked;
use crate::answer::answer;
use crate::document::{Prose, Span};
use crate::escape::{html, shorten};
use crate::number::{count, counted, duration, single};
use crate::ranking::Ranking;
use crate::table::data::{split_title, task_title};
use crate::warnings::warnings;

/// Length in bytes of a verdict from which on it is set in smaller type.
const LONG_VERDICT: usize = 260;

/// Maximum number of characters of a warning's line.
const WARNING_LINE: usize = 80;

/// Renders the top of the page. `name` is the escaped name of the pipeline.
pub(super) fn render(summary: &Summary, ranking: &Ranking<'_>, name: &str) -> String {
    let mut out =
        format!("<header id=\"top\">\n<p class=\"kind\">Emberline report</p>\n<h1>{name}</h1>\n<div class=\"top\">\n");
    out.push_str(&answer_block(&answer(summary, ranking), claims(summary)));
    out.push_str(&warnings_block(&warnings(summary)));
    out.push_str("</div>\n</header>\n");
    out.push_str(&ranked::render(summary, ranking));
    out.push_str("<dl class=\"facts\">\n");
    for (term, fact) in facts(summary) {
        let _ = writeln!(out, "<div><dt>{}</dt><dd>{}</dd></div>", html(&term), html(&fact));
    }
    out + "</dl>\n"
}

/// Returns the number of paragraphs of the answer that are claims: its sentences, and the score of the first setting.
fn claims(summary: &Summary) -> usize {
    summary.answer.as_ref().map_or(0, |answer| sentences(answer).len() + 1)
}

/// Renders the answer: its verdict, the score, and what limits them; the other claims are folded away.
fn answer_block(paragraphs: &[Prose], claims: usize) -> String {
    let lines = |paragraphs: &[Prose]| -> String {
        paragraphs.iter().map(|paragraph| format!("<p>{}</p>\n", prose(paragraph))).collect()
    };
    let (verdict, rest) = paragraphs.split_at(paragraphs.len().min(1));
    let is_long = lines(verdict).len() > LONG_VERDICT;
    let class = if is_long { "answer long" } else { "answer" };
    let (claims, limits) = rest.split_at(claims.saturating_sub(1).min(rest.len()));
    let (score, more) = claims.split_at(claims.len().min(1));
    let mut out =
        format!("<div class=\"{class}\">\n<div class=\"verdict\">\n{}</div>\n{}", lines(verdict), lines(score));
    out.push_str(&lines(limits));
    if !more.is_empty() {
        out.push_str(&folded("What else these numbers say", &lines(more)));
    }
    out + "</div>\n"
}

/// Renders the box of warnings, each in a line that opens; nothing if there are no warnings.
fn warnings_block(paragraphs: &[Prose]) -> String {
    if paragraphs.is_empty() {
        return String::new();
    }
    let title = counted(paragraphs.len(), "warning");
    let mut out =
        format!("<div class=\"warnings\" role=\"note\" aria-label=\"Warnings\">\n<p class=\"kind\">{title}</p>\n");
    out.extend(paragraphs.iter().map(warning));
    out + "</div>\n"
}

/// Renders a warning: a short one as it is, a long one as its beginning, which opens.
fn warning(paragraph: &Prose) -> String {
    let mut room = WARNING_LINE;
    let mut begins = Vec::new();
    for span in &paragraph.0 {
        let (Span::Plain(text) | Span::Strong(text)) = span;
        let shown = shorten(text, room);
        room = room.saturating_sub(text.chars().count());
        begins.push(match span {
            Span::Plain(_) => Span::Plain(shown),
            Span::Strong(_) => Span::Strong(shown),
        });
        if room == 0 {
            return format!(
                "<details>\n<summary>{}</summary>\n<p>{}</p>\n</details>\n",
                prose(&Prose(begins)),
                prose(paragraph)
            );
        }
    }
    format!("<p>{}</p>\n", prose(paragraph))
}

/// Returns the summary facts of the run, as terms with their values.
fn facts(summary: &Summary) -> Vec<(String, String)> {
    let done: Vec<_> = summary.cells.iter().filter_map(|cell| cell.outcome.as_ref()).collect();
    let classes = summary.data.classes.len();
    let mut facts =
        vec![("task".to_owned(), format!("{}, {}", task_title(summary.data.task), counted(classes, "class")))];
    if let Some(positive) = summary.data.describe_positive() {
        facts.push(("positive class".to_owned(), shorten(&positive, MAX_LENGTH)));
    }
    let labels = |answer: &Answer| Some((answer.fewer_labels.last()?.labels?, answer.labels?));
    for (name, split) in summary.data.splits.iter() {
        if let Some((least, most)) = summary.answer.as_ref().and_then(labels).filter(|_| name == SplitName::Train) {
            facts.push(("training rows".to_owned(), format!("{} to {}", count(least as u64), count(most as u64))));
            continue;
        }
        let majority = summary.data.majority_accuracy.get(name).map(|share| format!(" (majority {})", single(*share)));
        facts.push((format!("{} rows", split_title(name)), count(split.rows as u64) + &majority.unwrap_or_default()));
    }
    facts.push(("cells done".to_owned(), format!("{} of {}", done.len(), summary.cells.len())));
    if !done.is_empty() {
        facts.push(("training time".to_owned(), duration(done.iter().map(|outcome| outcome.seconds).sum())));
    }
    let mut devices: Vec<&str> = done.iter().map(|outcome| outcome.device.as_str()).collect();
    devices.sort_unstable();
    devices.dedup();
    if !devices.is_empty() {
        facts.push(("device".to_owned(), shorten(&devices.join(", "), MAX_LENGTH)));
    }
    facts
}

/// Renders the links to the sections.
pub(super) fn navigation(sections: &[(&str, &str)]) -> String {
    let mut out =
        String::from("<nav class=\"bar\" aria-label=\"Sections\"><ul>\n<li><a href=\"#top\">Answer</a></li>\n");
    for (id, title) in sections {
        let _ = writeln!(out, "<li><a href=\"#{id}\">{}</a></li>", label(title));
    }
    out + "</ul></nav>\n"
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;

    #[test]
    fn a_long_warning_opens() {
        assert_eq!(warnings_block(&[]), "");
        let short = Prose::default().strong("EMB001").plain(": something.");
        assert_eq!(warning(&short), "<p><strong>EMB001</strong>: something.</p>\n");
        let text = format!(": {} end.", "word ".repeat(60));
        let long = warning(&Prose::default().strong("EMB002").plain(&text));
        assert!(
            long.starts_with("<details>\n<summary><strong>EMB002</strong>: word") && long.contains("…</summary>"),
            "{long}"
        );
        assert!(long.contains("word  end.</p>"), "{long}");
        assert!(warnings_block(&vec![short; 5]).contains("<p class=\"kind\">5 warnings</p>"));
    }

    #[test]
    fn claims_beyond_the_verdict_and_the_score_are_folded() {
        let paragraph = |text: &str| Prose::default().plain(text);
        let all = ["verdict", "score", "pair", "outlook", "2 cells failed"].map(paragraph);
        let block = answer_block(&all, 4);
        let order = ["verdict", "score", "2 cells failed", "<details", "pair", "outlook"].map(|text| block.find(text));
        assert!(order.iter().all(Option::is_some) && order.is_sorted(), "{block}");
        assert!(!answer_block(&all[..1], 0).contains("<details"));
    }

    #[test]
    fn facts_are_counted_from_the_cells() {
        let facts = facts(&sample::course().summary);
        assert!(facts.contains(&("cells done".to_owned(), "16 of 18".to_owned())), "{facts:?}");
    }
}
