//! The values that an event may carry: scalar, histogram, precision-recall curve, text.
//!
//! Enters: a tag and numbers. Leaves: `Summary.Value` messages, byte for byte as TensorFlow 2's
//! summary writer encodes them: a tensor, and the plugin that shows it.
//! Specification: `tensorflow/core/framework/summary.proto`, `tensor.proto`.
//!
//! | field of a value | what |
//! |---|---|
//! | 1 string | tag |
//! | 8 message | tensor: 1 type (1 float, 2 double, 7 string), 2 shape: { 2 dimension: { 1 size } }, 4 raw content LE, 8 string |
//! | 9 message | metadata: 1 plugin: { 1 name, 2 content }, 2 display name |
//!
//! | plugin | tensor | content |
//! |---|---|---|
//! | `scalars` | float [] | |
//! | `histograms` | double [buckets, 3]: left edge, right edge, count | |
//! | `pr_curves` | float [6, thresholds]: true positives, false positives, true negatives, false negatives, precision, recall | 2 int: number of thresholds |
//! | `text` | string [] | |
//! | any other | float `[0]` | the plugin's own |

use prost::Message as _;

use crate::proto::{Dim, Metadata, Plugin, PrCurveData, Shape, Tensor, Value, dtype};

/// How many values lie where, between their smallest and largest.
#[derive(Clone, Debug, PartialEq)]
pub struct Histogram {
    /// Left edge, right edge, count; the edges of neighbours are equal.
    buckets: Vec<[f64; 3]>,
}

impl Histogram {
    /// The number of buckets of TensorFlow's own histograms.
    pub const BUCKETS: usize = 30;

    /// Counts `values` in `buckets` of equal width. NaN and infinite values are left out; equal
    /// values all lie in the last bucket, and without values the buckets are zeros, as TensorFlow has it.
    pub fn of(values: &[f32], buckets: usize) -> Self {
        let finite = || values.iter().filter(|value| value.is_finite()).map(|&value| f64::from(value));
        let (min, max) = finite().fold((f64::INFINITY, f64::NEG_INFINITY), |(min, max), v| (min.min(v), max.max(v)));
        if buckets == 0 || min > max {
            return Self { buckets: vec![[0.0; 3]; buckets] };
        }
        let width = (max - min) / buckets as f64;
        let last = buckets - 1;
        let edge = |i: usize| if i == buckets { max } else { min + width * i as f64 };
        let mut counted: Vec<_> = (0..buckets).map(|i| [edge(i), edge(i + 1), 0.0]).collect();
        for value in finite() {
            let bucket = if width == 0.0 { last } else { (((value - min) / width) as usize).min(last) };
            counted[bucket][2] += 1.0;
        }
        Self { buckets: counted }
    }

    pub(crate) fn value(&self, tag: &str) -> Value {
        let content: Vec<u8> = self.buckets.iter().flatten().flat_map(|number| number.to_le_bytes()).collect();
        let tensor = numbers(dtype::DOUBLE, &[self.buckets.len(), 3], content); // [buckets, 3]
        value(tag, tensor, metadata("histograms", Vec::new()))
    }
}

/// Precision and recall at thresholds spread evenly over 0 to 1.
#[derive(Clone, Debug, PartialEq)]
pub struct PrCurve {
    /// For each threshold, rising: true positives, false positives, true negatives, false negatives.
    counts: Vec<[f64; 4]>,
}

impl PrCurve {
    /// The number of thresholds of TensorBoard's own curves.
    pub const THRESHOLDS: usize = 201;

    /// From each row's probability of the positive class and whether it is positive. Probabilities
    /// outside 0 to 1 count as the nearer end, NaN as 0.
    pub fn of(rows: impl IntoIterator<Item = (f32, bool)>) -> Self {
        Self::at(Self::THRESHOLDS, rows)
    }

    /// With `thresholds` of them, at least two.
    fn at(thresholds: usize, rows: impl IntoIterator<Item = (f32, bool)>) -> Self {
        let mut at_least = vec![[0.0; 2]; thresholds]; // positives, negatives
        for (probability, positive) in rows {
            let bucket = (probability * (thresholds - 1) as f32) as usize;
            at_least[bucket.min(thresholds - 1)][usize::from(!positive)] += 1.0;
        }
        for i in (1..thresholds).rev() {
            let [positives, negatives] = at_least[i];
            at_least[i - 1][0] += positives;
            at_least[i - 1][1] += negatives;
        }
        let [positives, negatives] = at_least[0];
        let counts = |[tp, fp]: [f64; 2]| [tp, fp, negatives - fp, positives - tp];
        Self { counts: at_least.into_iter().map(counts).collect() }
    }

    pub(crate) fn value(&self, tag: &str) -> Value {
        let thresholds = self.counts.len();
        let precision = |[tp, fp, ..]: [f64; 4]| tp / (tp + fp).max(1e-7);
        let recall = |[tp, _, _, missed]: [f64; 4]| tp / (tp + missed).max(1e-7);
        let rows: [&dyn Fn([f64; 4]) -> f64; 6] = [&|c| c[0], &|c| c[1], &|c| c[2], &|c| c[3], &precision, &recall];
        let mut content = Vec::with_capacity(6 * 4 * thresholds);
        for row in rows {
            content.extend(self.counts.iter().flat_map(|&counts| (row(counts) as f32).to_le_bytes()));
        }
        let data = PrCurveData { thresholds: thresholds as u64 }.encode_to_vec();
        let metadata = Metadata { display_name: tag.to_owned(), ..metadata("pr_curves", data) };
        value(tag, numbers(dtype::FLOAT, &[6, thresholds], content), metadata) // [6, thresholds]
    }
}

/// One number.
pub(crate) fn scalar(tag: &str, number: f32) -> Value {
    value(tag, numbers(dtype::FLOAT, &[], number.to_le_bytes().to_vec()), metadata("scalars", Vec::new()))
}

/// A text in Markdown.
pub(crate) fn text(tag: &str, markdown: &str) -> Value {
    let strings = vec![markdown.as_bytes().to_vec()];
    let tensor = Tensor { dtype: dtype::STRING, shape: Some(Shape::default()), strings, ..Tensor::default() };
    value(tag, tensor, metadata("text", Vec::new()))
}

/// A value that is all metadata.
pub(crate) fn plugin_data(tag: &str, plugin: &str, content: Vec<u8>) -> Value {
    value(tag, numbers(dtype::FLOAT, &[0], Vec::new()), metadata(plugin, content))
}

fn value(tag: &str, tensor: Tensor, metadata: Metadata) -> Value {
    Value { tag: tag.to_owned(), tensor: Some(tensor), metadata: Some(metadata) }
}

/// A tensor of numbers, little-endian.
fn numbers(dtype: i32, shape: &[usize], content: Vec<u8>) -> Tensor {
    let dim = shape.iter().map(|&size| Dim { size: size as u64 }).collect();
    Tensor { dtype, shape: Some(Shape { dim }), content, strings: Vec::new() }
}

fn metadata(plugin: &str, content: Vec<u8>) -> Metadata {
    Metadata { plugin: Some(Plugin { name: plugin.to_owned(), content }), display_name: String::new() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(message: Value) -> String {
        message.encode_to_vec().iter().map(|byte| format!("{byte:02x}")).collect()
    }

    // The expected bytes are what TensorFlow 2.21 and TensorBoard 2.21 wrote for the calls named.

    #[test]
    fn a_scalar() {
        // tf.summary.scalar("loss", .25, step=3)
        assert_eq!(hex(scalar("loss", 0.25)), "0a046c6f7373420a0801120022040000803e4a0b0a090a077363616c617273");
    }

    #[test]
    fn a_histogram() {
        // tf.summary.histogram("h", [1., 2., 2., 3.], step=1, buckets=2)
        let expected = "0a0168423e0802120812020802120208032230000000000000f03f0000000000000040000000000000f03f0000000000\
                        000040000000000000084000000000000008404a0e0a0c0a0a686973746f6772616d73";
        assert_eq!(hex(Histogram::of(&[1.0, 2.0, 2.0, 3.0], 2).value("h")), expected);
    }

    #[test]
    fn odd_histograms() {
        assert_eq!(Histogram::of(&[], 2).buckets, [[0.0; 3]; 2]);
        assert_eq!(Histogram::of(&[f32::NAN, 7.0, 7.0], 2).buckets, [[7.0, 7.0, 0.0], [7.0, 7.0, 2.0]]);
        assert_eq!(Histogram::of(&[1.0], 0).buckets, [[0.0; 3]; 0]);
        let wide = Histogram::of(&[f32::MIN, f32::MAX, f32::INFINITY], 3);
        assert_eq!(wide.buckets.iter().map(|bucket| bucket[2]).sum::<f64>(), 2.0);
    }

    #[test]
    fn a_text() {
        // tf.summary.text("notes", "# hi\n\n* a", step=0)
        let expected = "0a056e6f746573420f080712004209232068690a0a2a20614a080a060a0474657874";
        assert_eq!(hex(text("notes", "# hi\n\n* a")), expected);
    }

    #[test]
    fn a_precision_recall_curve() {
        // tensorboard.plugins.pr_curve.summary.raw_data_pb("pr", [1, 1], [1, 0], [1, 2], [0, 0], [.5, 1], [1, 1], 2),
        // but for a tag that isn't its display name
        let expected = "0a0c70722f70725f637572766573423e08011208120208061202080222300000803f0000803f0000803f000000000000\
                        803f0000004000000000000000000000003f0000803f0000803f0000803f4a1f0a0f0a0970725f63757276657312021002\
                        120c70722f70725f637572766573";
        let curve = PrCurve { counts: vec![[1.0, 1.0, 1.0, 0.0], [1.0, 0.0, 2.0, 0.0]] };
        assert_eq!(hex(curve.value("pr/pr_curves")), expected);
    }

    #[test]
    fn counts_at_thresholds() {
        let rows = [(0.0, false), (0.4, true), (0.5, false), (1.0, true), (2.0, true), (f32::NAN, false)];
        let counts = PrCurve::at(3, rows).counts; // at 0, 0.5, 1
        assert_eq!(counts, [[3.0, 3.0, 0.0, 0.0], [2.0, 1.0, 2.0, 1.0], [2.0, 0.0, 3.0, 1.0]]);
        assert_eq!(PrCurve::of([]).counts, [[0.0; 4]; PrCurve::THRESHOLDS]);
    }
}
