//! The values that the script of the page works with: those of the charts, the grid of the heat map, and the predictions.
//!
//! They are one data block, a `<script>` of type `application/json`, which no browser runs. Nothing is shown only by the script: without
//! it, the page has the same figures.

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use emberline_base::Task;
use serde::Serialize;

use super::parts::MAX_LENGTH;
use crate::chart::{Chart, LineStyle};
use crate::escape::{shorten, visible};
use crate::evaluation::Evaluation;
use crate::heat_map::{Grid, GridAxis};

/// Maximum number of bytes of the logits, in base64, that a page has for the movable threshold.
const MAX_LOGITS: usize = 300_000;

/// Maximum number of bytes of texts: beyond, only those nearest to the threshold are there.
const MAX_TEXTS: usize = 200_000;

/// Maximum number of characters of a text.
const MAX_TEXT: usize = 160;

/// Everything that the script works with.
#[derive(Default, Serialize)]
pub(super) struct Interactive {
    charts: Vec<ChartValues>,
    grid: Option<Grid>,
    model: Option<ModelValues>,
}

/// The lines of a chart whose values are shown beside the pointer.
#[derive(Serialize)]
struct ChartValues {
    key: &'static str,
    x: String,
    y: String,
    lines: Vec<LineValues>,
}

#[derive(Serialize)]
struct LineValues {
    mark: usize,
    name: String,
    points: Vec<(f64, f64)>,
}

/// The predictions of the chosen model.
#[derive(Serialize)]
struct ModelValues {
    task: Task,
    classes: Vec<String>,
    outputs: usize,
    threshold: f64,
    /// The logits, `[rows, outputs]`, as little-endian 32-bit floats in base64.
    logits: String,
    /// The classes of each row; 4294967295 is a label that no training row has.
    labels: Vec<Vec<u32>>,
    /// The beginning of each text; `None` for one that isn't stored, or too far from the threshold.
    texts: Vec<Option<String>>,
    /// The file and the line of each row.
    places: Vec<String>,
}

impl Interactive {
    /// Adds the values of charts.
    pub(super) fn add_charts(&mut self, charts: &[Chart], legend: &[(usize, String)]) {
        self.charts.extend(charts.iter().map(|chart| values_of(chart, legend)));
    }

    /// Adds the grid of the heat map.
    pub(super) fn set_grid(&mut self, grid: Grid) {
        let axis = |axis: GridAxis| GridAxis {
            name: clean(&axis.name),
            values: axis.values.iter().map(|value| clean(value)).collect(),
        };
        self.grid = Some(Grid { axes: grid.axes.into_iter().map(axis).collect(), ..grid });
    }

    /// Adds the predictions, unless they are too many.
    pub(super) fn set_model(&mut self, evaluation: &Evaluation) {
        let bytes: Vec<u8> = evaluation.logits.values().iter().flat_map(|value| value.to_le_bytes()).collect();
        let logits = BASE64.encode(bytes);
        if logits.len() > MAX_LOGITS {
            return;
        }
        self.model = Some(ModelValues {
            task: evaluation.task,
            classes: evaluation.classes.iter().map(|class| clean(class)).collect(),
            outputs: evaluation.logits.cols(),
            threshold: evaluation.threshold.unwrap_or(0.5),
            logits,
            labels: evaluation.labels.clone(),
            texts: texts(evaluation),
            places: evaluation.locations.iter().map(|row| clean(&format!("{}:{}", row.file, row.number))).collect(),
        });
    }

    /// Renders the data block.
    pub(super) fn block(&self) -> String {
        let json = serde_json::to_string(self).unwrap_or_default();
        // A name could hold `</script>`; in JSON, `<` may be written as an escape.
        format!("<script type=\"application/json\" id=\"values\">{}</script>\n", json.replace('<', "\\u003c"))
    }
}

/// Returns a name as the sections show it: with its control characters visible, and not too long.
fn clean(name: &str) -> String {
    visible(&shorten(name, MAX_LENGTH))
}

fn values_of(chart: &Chart, legend: &[(usize, String)]) -> ChartValues {
    let name = |mark: usize| legend.iter().find(|(of, _)| *of == mark).map(|(_, name)| clean(name)).unwrap_or_default();
    let rounded = |value: f64| (value * 1e6).round() / 1e6;
    let lines = chart.series.iter().filter(|series| matches!(series.style, LineStyle::Mean | LineStyle::Dashed));
    let line = |series: &crate::chart::Series| LineValues {
        mark: series.mark,
        name: name(series.mark) + if series.style == LineStyle::Dashed { " (training)" } else { "" },
        points: series
            .points
            .iter()
            .filter(|(x, y)| x.is_finite() && y.is_finite())
            .map(|&(x, y)| (rounded(x), rounded(y)))
            .collect(),
    };
    let (x, y) = chart.labels.clone();
    ChartValues { key: chart.key, x, y, lines: lines.map(line).collect() }
}

/// Returns the texts, as far as they have room: those nearest to the threshold, which change first when it moves.
fn texts(evaluation: &Evaluation) -> Vec<Option<String>> {
    let probabilities = evaluation.probabilities();
    let threshold = evaluation.threshold.unwrap_or(0.5);
    let distance = |row: usize| match evaluation.task {
        Task::Binary => (probabilities.get(row, 0) - threshold).abs(),
        Task::MultiClass | Task::MultiLabel => 0.0,
    };
    let mut order: Vec<usize> = (0..evaluation.rows()).collect();
    order.sort_by(|&a, &b| distance(a).total_cmp(&distance(b)).then(a.cmp(&b)));
    let mut texts = vec![None; evaluation.rows()];
    let mut room = MAX_TEXTS;
    for row in order {
        let Some(text) = &evaluation.locations[row].text else { continue };
        let text = visible(&shorten(text, MAX_TEXT));
        let Some(left) = room.checked_sub(text.len()) else { break };
        room = left;
        texts[row] = Some(text);
    }
    texts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;

    #[test]
    fn names_cannot_end_the_block() {
        let mut evaluation = sample::evaluation();
        evaluation.classes[1] = "</script><script>alert(1)</script>\u{202e}\u{1b}".to_owned();
        let mut interactive = Interactive::default();
        interactive.set_model(&evaluation);
        let block = interactive.block();
        assert_eq!(block.matches("</script>").count(), 1);
        assert!(block.contains("\\u003c/script>\\u003cscript>alert(1)"), "{block}");
        assert!(!block.contains(['\u{202e}', '\u{1b}']) && block.contains("\\\\u{202e}\\\\u{1b}"), "{block}");
    }

    #[test]
    fn texts_that_have_no_room_are_those_far_from_the_threshold() {
        let mut evaluation = sample::evaluation();
        let all = texts(&evaluation);
        assert!(all.iter().all(Option::is_some));
        evaluation.locations.iter_mut().for_each(|row| row.text = Some("é".repeat(300)));
        let clipped = texts(&evaluation);
        assert!(clipped.iter().flatten().all(|text| text.chars().count() <= MAX_TEXT + 1));
    }
}
