//! Renders charts as inline SVG: lines and dots over two axes.
//!
//! Input: series in the units of the data. Output: one `<svg>` element with a name and a description for readers who can't
//! see it. Colours are the classes `s0`, `s1`, ... of the style sheet; each setting also has a marker shape, so that no two colours
//! need to be distinguished. All element ids begin with `key`. The attributes `data-plot` (left, top, right and bottom of the plot area)
//! and `data-ends` (the values there) let the script of the page translate positions into values.

pub(crate) mod axis;
mod marks;

use std::fmt::Write as _;

use crate::escape::html;
use axis::Axis;
use marks::shape;
pub(crate) use marks::{colour, swatch};

/// Left and top of the plot area.
const CORNER: (f64, f64) = (60.0, 34.0);

/// The space to the right of the plot area and below it, for labels.
const MARGIN: (f64, f64) = (14.0, 48.0);

/// The proportions of a chart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Proportions {
    /// For curves over a number that grows: two beside each other fill the page.
    Wide,
    /// For two shares: three beside each other fill the page.
    Square,
}

impl Proportions {
    /// Returns the width and height of the chart, in its own units.
    fn size(self) -> (f64, f64) {
        match self {
            Self::Wide => (560.0, 350.0),
            Self::Square => (400.0, 372.0),
        }
    }

    /// Returns the left, top, right and bottom of the plot area.
    fn plot(self) -> (f64, f64, f64, f64) {
        let (width, height) = self.size();
        (CORNER.0, CORNER.1, width - MARGIN.0, height - MARGIN.1)
    }
}

/// A chart of several settings.
pub(crate) struct Chart {
    /// The unique key of the chart on the page: `accuracy`.
    pub(crate) key: &'static str,
    /// The title.
    pub(crate) title: String,
    /// The content in words, for readers who can't see the chart.
    pub(crate) description: String,
    /// The labels of the x and the y axis.
    pub(crate) labels: (String, String),
    /// The horizontal axis.
    pub(crate) x: Axis,
    /// The vertical axis.
    pub(crate) y: Axis,
    /// A horizontal reference line: its y value and its label.
    pub(crate) reference: Option<(f64, String)>,
    /// The series in drawing order; later ones cover earlier ones.
    pub(crate) series: Vec<Series>,
    /// The proportions.
    pub(crate) proportions: Proportions,
}

/// The style in which a series is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LineStyle {
    /// A mean: a bold line with the markers of its setting.
    Mean,
    /// A dashed mean without markers.
    Dashed,
    /// A thin line: an interval, or another replicate.
    Thin,
    /// The range of the replicates about a mean: a filled area. The points go along its lower edge and back along the upper one.
    Band,
    /// A setting beyond those that have a colour: a grey line behind all others.
    Context,
    /// A line to compare with, such as a diagonal.
    Reference,
    /// Single cells: small dots without a line.
    Dots,
}

impl LineStyle {
    fn class(self) -> &'static str {
        match self {
            Self::Mean => "mean",
            Self::Dashed => "mean dash",
            Self::Thin => "thin",
            Self::Band => "band",
            Self::Context => "context",
            Self::Reference => "reference",
            Self::Dots => "dots",
        }
    }
}

/// A series of points of one setting.
pub(crate) struct Series {
    /// The index of the setting, which determines its colour and marker shape.
    pub(crate) mark: usize,
    /// The style.
    pub(crate) style: LineStyle,
    /// Horizontal offset in units of the chart, so that equal points of different settings don't cover each other.
    pub(crate) shift: f64,
    /// The points (x, y) in the units of the data, from left to right; a point that isn't finite leaves a gap.
    pub(crate) points: Vec<(f64, f64)>,
}

impl Chart {
    /// Renders the chart as an `<svg>` element.
    pub(crate) fn svg(&self) -> String {
        let (width, height) = self.proportions.size();
        let (left, top, right, bottom) = self.proportions.plot();
        let (key, title) = (self.key, html(&self.title));
        let ends = format!("{:?} {:?} {:?} {:?}", self.x.low, self.x.high, self.y.low, self.y.high);
        let scale = if self.x.is_logarithmic() { " data-log" } else { "" };
        // A `<title>` would be shown as a tooltip, in front of the values that the script shows there.
        let mut svg = format!(
            "<svg class=\"chart\" viewBox=\"0 0 {width} {height}\" role=\"img\" aria-label=\"{title}\" aria-describedby=\"{key}-desc\" \
             data-chart=\"{key}\" data-plot=\"{left} {top} {right} {bottom}\" data-ends=\"{ends}\"{scale}>\n\
             <desc id=\"{key}-desc\">{}</desc>\n",
            html(&self.description)
        );
        self.draw_axes(&mut svg);
        // A nested `<svg>` clips the series at the edges of the plot area; a `<clipPath>` would need another id.
        let _ = writeln!(
            svg,
            "<svg x=\"{left}\" y=\"{top}\" width=\"{}\" height=\"{}\" viewBox=\"{left} {top} {} {}\">",
            right - left,
            bottom - top,
            right - left,
            bottom - top
        );
        self.draw_reference(&mut svg);
        for series in &self.series {
            self.draw_series(&mut svg, series);
        }
        svg.push_str("</svg>\n</svg>\n");
        svg
    }

    fn at(&self, (x, y): (f64, f64)) -> Option<(f64, f64)> {
        let (left, top, right, bottom) = self.proportions.plot();
        let place = (left + self.x.place(x) * (right - left), bottom - self.y.place(y) * (bottom - top));
        // Renderers lose precision far outside of the plot area, which is clipped anyway.
        (x.is_finite() && y.is_finite()).then(|| (place.0, place.1.clamp(-1e4, 1e4)))
    }

    fn draw_axes(&self, svg: &mut String) {
        let (left, top, right, bottom) = self.proportions.plot();
        for &tick in &self.y.ticks {
            let y = bottom - self.y.place(tick) * (bottom - top);
            let label = self.y.label(tick);
            let _ = writeln!(
                svg,
                "<path class=\"grid\" d=\"M{left} {y:.1}H{right}\"/><text class=\"tick\" x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{label}</text>",
                left - 7.0,
                y + 4.5
            );
        }
        for &tick in &self.x.ticks {
            let x = left + self.x.place(tick) * (right - left);
            let label = self.x.label(tick);
            let _ = writeln!(
                svg,
                "<path class=\"axis\" d=\"M{x:.1} {bottom}v5\"/><text class=\"tick\" x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{label}</text>",
                bottom + 21.0
            );
        }
        let _ = writeln!(svg, "<path class=\"axis\" d=\"M{left} {bottom}H{right}\"/>");
        let (x_label, y_label) = &self.labels;
        let _ = writeln!(
            svg,
            "<text class=\"label\" x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
            right,
            self.proportions.size().1 - 6.0,
            html(x_label)
        );
        let _ = writeln!(svg, "<text class=\"label\" x=\"4\" y=\"18\">{}</text>", html(y_label));
    }

    fn draw_reference(&self, svg: &mut String) {
        let Some((value, name)) = &self.reference else { return };
        let (left, top, right, bottom) = self.proportions.plot();
        let y = bottom - self.y.place(*value) * (bottom - top);
        // The label is below the line if there is space for it.
        let text = if y + 20.0 < bottom { y + 16.0 } else { y - 6.0 };
        let _ = writeln!(
            svg,
            "<path class=\"reference\" d=\"M{left} {y:.1}H{right}\"/><text class=\"tick\" x=\"{:.1}\" y=\"{text:.1}\" text-anchor=\"end\">{}</text>",
            right - 4.0,
            html(name)
        );
    }

    fn draw_series(&self, svg: &mut String, series: &Series) {
        let places: Vec<Option<(f64, f64)>> =
            series.points.iter().map(|point| self.at(*point).map(|(x, y)| (x + series.shift, y))).collect();
        let known: Vec<(f64, f64)> = places.iter().flatten().copied().collect();
        if known.is_empty() {
            return;
        }
        match series.style {
            // These belong to no entry of the legend.
            LineStyle::Context | LineStyle::Reference => {
                let _ = write!(svg, "<g class=\"{}\">", series.style.class());
            }
            LineStyle::Mean | LineStyle::Dashed | LineStyle::Thin | LineStyle::Band | LineStyle::Dots => {
                let (colour, class, mark) = (colour(series.mark), series.style.class(), series.mark);
                let _ = write!(svg, "<g class=\"{colour} {class}\" data-setting=\"{mark}\">");
            }
        }
        if series.style == LineStyle::Band {
            let _ = write!(svg, "<path d=\"{}Z\"/>", path(&known.iter().copied().map(Some).collect::<Vec<_>>()));
        } else if series.style == LineStyle::Dots {
            for (x, y) in &known {
                let _ = write!(svg, "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"2.6\"/>");
            }
        } else {
            let _ = write!(svg, "<path d=\"{}\"/>", path(&places));
        }
        if series.style == LineStyle::Mean {
            for (x, y) in marked(&known, series.mark) {
                svg.push_str(&shape(series.mark, x, y));
            }
        }
        svg.push_str("</g>\n");
    }
}

/// Returns the data of a path through the points, broken at gaps. A single point gets a stroke of length 0, which is visible
/// by its round caps.
fn path(places: &[Option<(f64, f64)>]) -> String {
    let mut path = String::new();
    let mut drawing = false;
    for (index, place) in places.iter().enumerate() {
        let Some((x, y)) = place else {
            drawing = false;
            continue;
        };
        let _ = write!(path, "{}{x:.1} {y:.1}", if drawing { 'L' } else { 'M' });
        let is_alone = !drawing && places.get(index + 1).is_none_or(Option::is_none);
        if is_alone {
            path.push_str("h0");
        }
        drawing = true;
    }
    path
}

/// Returns the points that get a marker: all of them if there are few, otherwise the last one and about five more, which are
/// different for each setting.
fn marked(places: &[(f64, f64)], mark: usize) -> Vec<(f64, f64)> {
    let Some(end) = places.len().checked_sub(1) else { return Vec::new() };
    let stride = places.len().div_ceil(5).max(1);
    let is_marked = |index: &usize| *index == end || (places.len() <= 6 || (index + mark).is_multiple_of(stride));
    (0..=end).filter(is_marked).filter_map(|index| places.get(index).copied()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chart(points: Vec<(f64, f64)>, style: LineStyle) -> String {
        Chart {
            key: "accuracy",
            title: "<accuracy>".to_owned(),
            description: "a & b".to_owned(),
            labels: ("epoch".to_owned(), "accuracy".to_owned()),
            x: Axis::linear(1.0, 3.0, 5, true),
            y: Axis::linear(0.0, 1.0, 5, false),
            reference: Some((0.5, "majority".to_owned())),
            series: vec![Series { mark: 8, style, shift: 0.0, points }],
            proportions: Proportions::Wide,
        }
        .svg()
    }

    #[test]
    fn text_is_escaped_and_the_picture_is_named() {
        let svg = chart(vec![(1.0, 0.0), (3.0, 1.0)], LineStyle::Mean);
        assert!(svg.contains("aria-label=\"&lt;accuracy&gt;\" aria-describedby=\"accuracy-desc\""), "{svg}");
        assert!(svg.contains("data-plot=\"60 34 546 302\" data-ends=\"1.0 3.0 0.0 1.0\""), "{svg}");
        assert!(svg.contains("<desc id=\"accuracy-desc\">a &amp; b</desc>"));
        assert!(svg.contains("class=\"s1 mean\" data-setting=\"8\""), "{svg}");
        assert!(svg.contains("d=\"M60.0 302.0L546.0 34.0\""), "{svg}");
    }

    #[test]
    fn a_band_is_a_closed_area() {
        let svg = chart(vec![(1.0, 0.0), (3.0, 0.0), (3.0, 1.0), (1.0, 1.0)], LineStyle::Band);
        assert!(
            svg.contains("band\" data-setting=\"8\"><path d=\"M60.0 302.0L546.0 302.0L546.0 34.0L60.0 34.0Z\"/>"),
            "{svg}"
        );
    }

    #[test]
    fn gaps_break_lines_and_lone_points_show() {
        let svg = chart(vec![(1.0, 0.0), (2.0, f64::NAN), (3.0, f64::INFINITY)], LineStyle::Dashed);
        assert!(svg.contains("d=\"M60.0 302.0h0\"") && !svg.contains("NaN") && !svg.contains("inf"), "{svg}");
        assert!(!chart(vec![(1.0, f64::NAN)], LineStyle::Dots).contains("<g"));
        assert!(!chart(vec![(1.0, 1e300)], LineStyle::Mean).contains("1e"));
    }

    #[test]
    fn long_curves_carry_a_few_shapes() {
        let places: Vec<(f64, f64)> = (0..100).map(|index| (f64::from(index), 0.0)).collect();
        assert!((5..=7).contains(&marked(&places, 3).len()));
        assert_eq!(marked(&places[..4], 3).len(), 4);
    }
}
