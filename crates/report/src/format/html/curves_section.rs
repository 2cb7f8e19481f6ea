//! The section of training curves.

use std::fmt::Write as _;

use super::interactive::Interactive;
use super::parts::{Section, notes, pictures};
use crate::curves::Curves;
use crate::number::counted;
use crate::ranking::Ranking;

/// Renders the section, and hands the values of its charts to the script.
pub(super) fn render(curves: &Curves, ranking: &Ranking<'_>, interactive: &mut Interactive) -> Section {
    let mut body = String::new();
    if curves.charts.is_empty() {
        body.push_str("<p>There are no curves to draw.</p>\n");
    } else {
        body.push_str("<ul class=\"legend pens\">");
        let kinds = [(curves.styles.1, "mean", "validation"), (curves.styles.0, "mean dash", "training")];
        for (_, class, name) in kinds.into_iter().filter(|(shown, ..)| *shown) {
            let line = "viewBox=\"0 0 30 14\" aria-hidden=\"true\"><path d=\"M2 7H28\"/></svg>";
            let _ = write!(body, "<li><svg class=\"swatch {class}\" {line}{name}</li>");
        }
        body.push_str("</ul>\n");
        let signed = [
            format!("{} of {}", counted(ranking.settings.len(), "setting"), counted(curves.cells, "cell")),
            format!("mean and range over the {}", ranking.replicates.many),
            "training values are measured while training, validation values after each epoch".to_owned(),
        ];
        let pictures = pictures(&curves.charts, &curves.legend, &signed);
        let quiet = "<div class=\"pictures quiet-bands\">";
        body.push_str(&if curves.has_quiet_bands {
            pictures.replacen("<div class=\"pictures\">", quiet, 1)
        } else {
            pictures
        });
        interactive.add_charts(&curves.charts, &curves.legend);
    }
    body.push_str(&notes(&curves.notes));
    Section::new("curves", "Training curves", body).linked("Curves")
}
