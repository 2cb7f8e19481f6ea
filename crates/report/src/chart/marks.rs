//! The colour and the marker shape of a series: seven colours (the palette of Okabe and Ito) and five shapes distinguish 35 series.

/// Number of colours in the palette.
const COLOURS: usize = 7;

/// Returns the CSS class with the colour of a setting.
pub(crate) fn colour(mark: usize) -> String {
    format!("s{}", mark % COLOURS)
}

/// Returns the marker of a setting at a point. Five shapes and seven colours distinguish 35 settings.
pub(super) fn shape(mark: usize, x: f64, y: f64) -> String {
    match mark % 5 {
        0 => format!("<circle class=\"mark\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"4\"/>"),
        1 => format!("<path class=\"mark\" d=\"M{:.1} {:.1}h7.2v7.2h-7.2z\"/>", x - 3.6, y - 3.6),
        2 => format!("<path class=\"mark\" d=\"M{x:.1} {:.1}l4.8 8h-9.6z\"/>", y - 4.9),
        3 => format!("<path class=\"mark\" d=\"M{x:.1} {:.1}l5 5l-5 5l-5-5z\"/>", y - 5.0),
        _ => format!("<path class=\"mark\" d=\"M{x:.1} {:.1}l4.8-8h-9.6z\"/>", y + 4.9),
    }
}

/// Returns the swatch of a setting, with its line and marker, for legends and tables.
pub(crate) fn swatch(mark: usize) -> String {
    let class = colour(mark);
    let shape = shape(mark, 15.0, 7.0);
    format!(
        "<svg class=\"swatch {class} mean\" viewBox=\"0 0 30 14\" aria-hidden=\"true\"><path d=\"M2 7H28\"/>{shape}</svg>"
    )
}
