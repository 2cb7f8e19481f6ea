//! The sections on what the score depends on: the dimension, the number of labels, and any two axes as a heat map.

use std::fmt::Write as _;

use emberline_base::record::Summary;

use super::interactive::Interactive;
use super::parts::{Section, label, notes, pictures, signature, table};
use crate::document::Prose;
use crate::growth::{By, GrowthChart, growth_chart};
use crate::heat_map::{Grid, grid, level};
use crate::label_efficiency::label_efficiency;
use crate::number::{counted, decimals, fixed};
use crate::ranking::Ranking;

/// Renders the sections; a run whose axes say nothing of a subject has no section on it.
pub(super) fn render(summary: &Summary, ranking: &Ranking<'_>, interactive: &mut Interactive) -> Vec<Section> {
    let mut sections = Vec::new();
    if let Some(chart) = growth_chart(summary, ranking, By::Dimension) {
        let body = growth(&chart, ranking, interactive);
        sections.push(Section::new("dimension", "Score by dimension", body).linked("Dimension"));
    }
    if let Some(labels) = label_efficiency(summary, ranking) {
        let body = growth(&labels.chart, ranking, interactive) + &table(&labels.table);
        sections.push(Section::new("labels", "Score by number of labels", body).linked("Labels"));
    }
    if let Some(grid) = grid(summary, ranking) {
        sections.push(Section::new("heat-map", "Two axes at a time", heat_map(&grid)).linked("Two axes"));
        interactive.set_grid(grid);
    }
    sections
}

/// Renders a chart by a number, with its legend, its signature and a note.
fn growth(growth: &GrowthChart, ranking: &Ranking<'_>, interactive: &mut Interactive) -> String {
    let charts = std::slice::from_ref(&growth.chart);
    let replicates = format!("one dot per cell, lines through the means over the {}", ranking.replicates.many);
    let cells = ranking.settings.iter().flat_map(|setting| setting.done()).count();
    let mut body = pictures(charts, &growth.legend, &[counted(cells, "cell"), replicates]);
    interactive.add_charts(charts, &growth.legend);
    if growth.cut {
        body.push_str(&notes(&[Prose::default().plain("The best series are drawn, not all.")]));
    }
    body
}

/// Renders the map of the two axes that move the main metric most. The script offers any other two.
fn heat_map(grid: &Grid) -> String {
    let map = grid.map();
    let (rows, columns) = (&grid.axes[map.axes.0], &grid.axes[map.axes.1]);
    let metric = &grid.metrics[0];
    let values: Vec<f64> = map.fields.iter().flatten().flatten().copied().collect();
    let ends = (
        values.iter().copied().fold(f64::INFINITY, f64::min),
        values.iter().copied().fold(f64::NEG_INFINITY, f64::max),
    );
    let digits = decimals(values.iter().copied());
    let caption = format!("{} by {} and {}", metric.name, rows.name, columns.name);
    let mut out = format!(
        "<div class=\"heat-map\" data-axes=\"{} {}\">\n<div class=\"scroll\" role=\"region\" aria-label=\"Heat map\" tabindex=\"0\">\n\
         <table class=\"heat\"><caption><span>{}</span></caption>\n<thead><tr><th scope=\"col\">{} \\ {}</th>",
        map.axes.0,
        map.axes.1,
        label(&caption),
        label(&rows.name),
        label(&columns.name)
    );
    for value in &columns.values {
        let _ = write!(out, "<th scope=\"col\" class=\"n\">{}</th>", label(value));
    }
    out.push_str("</tr></thead>\n<tbody>\n");
    for (value, fields) in rows.values.iter().zip(&map.fields) {
        let _ = write!(out, "<tr><th scope=\"row\">{}</th>", label(value));
        for field in fields {
            let _ = match field {
                Some(value) => {
                    let level = level(*value, ends, metric.smaller_is_better);
                    write!(out, "<td class=\"n h{level}\">{}</td>", fixed(*value, digits))
                }
                None => write!(out, "<td class=\"n\">–</td>"),
            };
        }
        out.push_str("</tr>\n");
    }
    out.push_str("</tbody></table>\n</div>\n");
    let settings = counted(grid.settings.len(), "setting");
    out.push_str(&signature(&[format!(
        "means over the {settings}, whatever their other axes; the best value is darkest"
    )]));
    out + "</div>\n"
}
