//! What a finished cell's log shows beside its curves: precision and recall over all thresholds, histograms, and texts that were
//! classified wrongly.
//!
//! Probabilities, numbers and rows of text enter, under their tags; values of the plugins `pr_curves`, `histograms` and `text` leave, in
//! the cell's own folder. Specification: `tensorboard/plugins/{pr_curve,histogram,text}/plugin_data.proto` and `summary_v2.py`.
//!
//! | plugin | tensor | content |
//! |---|---|---|
//! | `pr_curves` | float `[6, thresholds]`: true positives, false positives, true negatives, false negatives, precision, recall | 2 number of thresholds |
//! | `histograms` | float `[buckets, 3]`: left edge, right edge, count | empty |
//! | `text` | text `[rows, columns]`, each in Markdown | empty |

use std::path::Path;

use emberline_base::is_control_or_bidi;
use prost::Message as _;
use tfevents::{Clock, EventFile, PluginTensor, Values};

use crate::error::Error;
use crate::proto::PrCurveData;
use crate::run_log::{WRITER, index};

/// Number of thresholds of a curve, from 0 to 1; that of TensorBoard's own summary.
const THRESHOLDS: usize = 201;
/// Number of buckets of a histogram; that of TensorBoard's own summary.
const BUCKETS: usize = 30;

/// What is logged of a finished cell; each entry has its tag.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Evaluation {
    /// The probability of each row, and whether it is a positive one.
    pub curves: Vec<(String, Vec<(f64, bool)>)>,
    /// Numbers whose distribution is shown; those that aren't finite are left out.
    pub histograms: Vec<(String, Vec<f32>)>,
    /// Tables of plain text, the heading first. All rows have equally many fields.
    pub tables: Vec<(String, Vec<Vec<String>>)>,
}

/// Appends an evaluation to an attempt's log in its own `folder`; its [`RunLog`](crate::RunLog) must have been finished. `epoch` is the one whose
/// weights were kept, counted from 1.
///
/// # Errors
/// When the log can't be written.
pub fn write_evaluation(folder: &Path, epoch: u32, evaluation: &Evaluation) -> Result<(), Error> {
    let mut events = EventFile::append_at(folder, WRITER, Clock::System)?;
    let step = index(epoch);
    for (tag, rows) in &evaluation.curves {
        let content = PrCurveData { num_thresholds: THRESHOLDS as u32 }.encode_to_vec();
        let values = curve(rows);
        let shape = [6, THRESHOLDS];
        let tensor = PluginTensor { plugin: "pr_curves", content, shape: &shape, values: Values::Floats(&values) };
        events.tensor(step, tag, &tensor)?;
    }
    for (tag, numbers) in &evaluation.histograms {
        let values = histogram(numbers);
        let shape = [values.len() / 3, 3];
        let values = Values::Floats(&values);
        events.tensor(step, tag, &PluginTensor { plugin: "histograms", content: Vec::new(), shape: &shape, values })?;
    }
    for (tag, rows) in &evaluation.tables {
        let shape = [rows.len(), rows.first().map_or(0, Vec::len)];
        let fields: Vec<String> = rows.iter().flatten().map(|field| escaped(field)).collect();
        let values = Values::Texts(&fields);
        events.tensor(step, tag, &PluginTensor { plugin: "text", content: Vec::new(), shape: &shape, values })?;
    }
    Ok(events.flush()?)
}

/// Returns the six rows of a curve: at threshold `i / (THRESHOLDS - 1)`, rows of at least that probability are predicted positive.
fn curve(rows: &[(f64, bool)]) -> Vec<f32> {
    let last = THRESHOLDS - 1;
    let (mut positive, mut negative) = (vec![0u64; THRESHOLDS], vec![0u64; THRESHOLDS]);
    for (probability, is_positive) in rows.iter().filter(|(probability, _)| probability.is_finite()) {
        let bucket = (probability.clamp(0.0, 1.0) * last as f64).floor() as usize;
        (if *is_positive { &mut positive } else { &mut negative })[bucket] += 1;
    }
    // The counts of rows at or above each threshold.
    for at in (0..last).rev() {
        positive[at] += positive[at + 1];
        negative[at] += negative[at + 1];
    }
    let (all_positive, all_negative) = (positive[0], negative[0]);
    let share = |part: u64, whole: u64| if whole == 0 { 0.0 } else { part as f64 / whole as f64 };
    let columns: [Vec<f64>; 6] = [
        positive.iter().map(|&count| count as f64).collect(),
        negative.iter().map(|&count| count as f64).collect(),
        negative.iter().map(|&count| (all_negative - count) as f64).collect(),
        positive.iter().map(|&count| (all_positive - count) as f64).collect(),
        positive.iter().zip(&negative).map(|(&tp, &fp)| share(tp, tp + fp)).collect(),
        positive.iter().map(|&tp| share(tp, all_positive)).collect(),
    ];
    columns.iter().flatten().map(|&value| value as f32).collect()
}

/// Returns the buckets of a histogram, each with its edges and its count; no buckets without finite numbers.
fn histogram(numbers: &[f32]) -> Vec<f32> {
    let finite = || numbers.iter().copied().filter(|number| number.is_finite());
    let (low, high) = finite().fold((f32::INFINITY, f32::NEG_INFINITY), |(low, high), n| (low.min(n), high.max(n)));
    if low > high {
        return Vec::new();
    }
    if low == high {
        return vec![low - 0.5, low + 0.5, finite().count() as f32];
    }
    let (low, high) = (f64::from(low), f64::from(high));
    let width = (high - low) / BUCKETS as f64;
    let mut counts = [0u64; BUCKETS];
    for number in finite() {
        // The last bucket has both of its edges.
        counts[(((f64::from(number) - low) / width) as usize).min(BUCKETS - 1)] += 1;
    }
    let edge = |at: usize| if at == BUCKETS { high } else { low + width * at as f64 };
    let bucket = |(at, count): (usize, &u64)| [edge(at) as f32, edge(at + 1) as f32, *count as f32];
    counts.iter().enumerate().flat_map(bucket).collect()
}

/// Escapes plain text for TensorBoard, which shows Markdown.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '\n' | '\t' => out.push(' '),
            _ if is_control_or_bidi(letter) => out.extend(letter.escape_default()),
            _ if "\\`*_{}[]()#+-.!|".contains(letter) => out.extend(['\\', letter]),
            _ => out.push(letter),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_curve_counts_rows_at_and_above_each_threshold() {
        let rows = [(0.0, false), (0.25, true), (0.5, false), (1.0, true), (f64::NAN, true)];
        let values = curve(&rows);
        let at = |row: usize, threshold: usize| values[row * THRESHOLDS + threshold];
        let counts = |threshold| [0, 1, 2, 3].map(|row| at(row, threshold));
        assert_eq!(counts(0), [2.0, 2.0, 0.0, 0.0]);
        assert_eq!(counts(50), [2.0, 1.0, 1.0, 0.0]);
        assert_eq!(counts(51), [1.0, 1.0, 1.0, 1.0]);
        assert_eq!(counts(200), [1.0, 0.0, 2.0, 1.0]);
        assert_eq!((at(4, 200), at(5, 200), at(4, 0)), (1.0, 0.5, 0.5));
        assert_eq!(values.len(), 6 * THRESHOLDS);
    }

    #[test]
    fn a_histogram_has_every_finite_number_once() {
        let numbers: Vec<f32> = (0..=60).map(|n| n as f32).chain([f32::NAN, f32::INFINITY]).collect();
        let buckets = histogram(&numbers);
        assert_eq!((buckets.len(), buckets[0], buckets[1]), (3 * BUCKETS, 0.0, 2.0));
        assert_eq!(buckets[3 * BUCKETS - 2], 60.0);
        assert_eq!(buckets.chunks(3).map(|bucket| bucket[2]).sum::<f32>(), 61.0);
        assert_eq!(histogram(&[2.0; 4]), [1.5, 2.5, 4.0]);
        assert_eq!(histogram(&[f32::NAN]), Vec::<f32>::new());
    }

    #[test]
    fn texts_are_shown_and_never_interpreted() {
        assert_eq!(
            escaped("<b>*x*</b> [a](http://e)\n\u{202e}"),
            "&lt;b&gt;\\*x\\*&lt;/b&gt; \\[a\\]\\(http://e\\) \\u{202e}"
        );
    }
}
