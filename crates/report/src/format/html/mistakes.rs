//! The mistakes and the surest predictions with their texts. `[report] texts = false` keeps texts out of the records, so that there are
//! only places here.

use std::fmt::Write as _;

use emberline_base::Task;

use super::parts::{folded, label};
use crate::escape::{html, shorten};
use crate::evaluation::Evaluation;
use crate::evaluation::mistakes::{PredictedRow, most_confident, surest, worst};
use crate::number::{count, counted, percent, single};

/// Number of rows of each list.
const LISTED: usize = 10;

/// Maximum length of a text in characters; a record holds 300.
const MAX_TEXT: usize = 300;

/// Maximum number of classes that are named of one row.
const MAX_CLASSES: usize = 6;

/// Renders the lists.
pub(super) fn render(evaluation: &Evaluation, predicted: &[PredictedRow]) -> String {
    let wrong = predicted.iter().filter(|row| !row.is_right).count();
    let mut out = String::from("<h3>Mistakes</h3>\n");
    if wrong == 0 {
        out.push_str("<p>There are none on these rows.</p>\n");
    } else {
        let share = percent(wrong, predicted.len());
        let all = counted(predicted.len(), evaluation.noun().trim_end_matches('s'));
        let _ = writeln!(out, "<p>{} of {all} are wrong ({share}).</p>", count(wrong as u64));
        let worst = worst(predicted, LISTED);
        out.push_str(&list(evaluation, "Worst mistakes: the truth had the lowest probability", &worst));
        let confident = most_confident(predicted, LISTED);
        if evaluation.task != Task::Binary && confident != worst {
            let title = "Most confident mistakes: the wrong answer had the highest probability";
            out.push_str(&folded(title, &list(evaluation, title, &confident)));
        }
    }
    let title = "Right, and surest of it";
    let sure = surest(predicted, LISTED);
    if !sure.is_empty() {
        out.push_str(&folded(title, &list(evaluation, title, &sure)));
    }
    out
}

fn list(evaluation: &Evaluation, caption: &str, rows: &[&PredictedRow]) -> String {
    let has_texts = evaluation.locations.iter().any(|location| location.text.is_some());
    let mut out = format!(
        "<div class=\"scroll\" role=\"region\" aria-label=\"{0}\" tabindex=\"0\">\n<table class=\"texts\"><caption><span>{0}</span></caption>\n<thead><tr>",
        html(caption)
    );
    out.push_str(if has_texts { "<th scope=\"col\">text</th>" } else { "<th scope=\"col\">row</th>" });
    out.push_str(
        "<th scope=\"col\">true</th><th scope=\"col\">predicted</th><th scope=\"col\" class=\"n\">probability</th>",
    );
    out.push_str(if has_texts {
        "<th scope=\"col\" class=\"m\">row</th></tr></thead>\n<tbody>\n"
    } else {
        "</tr></thead>\n<tbody>\n"
    });
    for row in rows {
        let location = &evaluation.locations[row.row];
        let place = format!("{}:{}", location.file, location.number);
        let text = location.text.as_deref().map(|text| html(&shorten(text, MAX_TEXT)));
        let first = if has_texts { text.unwrap_or_default() } else { label(&place) };
        let _ = write!(
            out,
            "<tr><td>{first}</td><td>{}</td><td>{}</td><td class=\"n\">{}</td>",
            classes(evaluation, &evaluation.labels[row.row]),
            classes(evaluation, &row.predicted),
            single(row.probability)
        );
        if has_texts {
            let _ = write!(out, "<td class=\"m\">{}</td>", label(&place));
        }
        out.push_str("</tr>\n");
    }
    out + "</tbody></table>\n</div>\n"
}

/// Returns the names of classes.
fn classes(evaluation: &Evaluation, classes: &[u32]) -> String {
    if classes.is_empty() {
        return "none".to_owned();
    }
    let names: Vec<String> =
        classes.iter().take(MAX_CLASSES).map(|&class| label(evaluation.class_name(class))).collect();
    let more = classes.len().saturating_sub(MAX_CLASSES);
    names.join(", ") + &if more > 0 { format!(" and {more} more") } else { String::new() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluation::mistakes::predicted_rows;
    use crate::sample;

    fn rendered(evaluation: &Evaluation) -> String {
        render(evaluation, &predicted_rows(evaluation))
    }

    #[test]
    fn texts_are_escaped_or_absent() {
        let mut evaluation = sample::evaluation();
        evaluation
            .locations
            .iter_mut()
            .for_each(|location| location.text = Some("<img src=x onerror=alert(1)>\u{202e}".to_owned()));
        let shown = rendered(&evaluation);
        assert!(shown.contains("&lt;img src=x onerror=alert(1)&gt;\\u{202e}") && !shown.contains("<img"), "{shown}");
        evaluation.locations.iter_mut().for_each(|location| location.text = None);
        let without = rendered(&evaluation);
        assert!(!without.contains("img") && without.contains("<th scope=\"col\">row</th>"), "{without}");
    }

    #[test]
    fn labels_are_listed() {
        let evaluation = sample::evaluation_of_labels();
        assert_eq!(classes(&evaluation, &[]), "none");
        assert_eq!(classes(&evaluation, &[0, 2]), format!("{}, {}", evaluation.classes[0], evaluation.classes[2]));
        assert_eq!(classes(&evaluation, &[0; 8]).matches(" and 2 more").count(), 1);
    }
}
