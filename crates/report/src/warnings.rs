//! The warnings at the top of a report: what a reader should know before trusting a number below.

use emberline_base::Warning;
use emberline_base::number::agreeing;
use emberline_base::record::Summary;

use crate::document::Prose;
use crate::number::count;

/// The most warnings that a report shows.
const SHOWN: usize = 20;

/// The most cells that a warning names.
const CELLS: usize = 3;

/// A paragraph for each warning, its code first; none if there are no warnings.
pub(crate) fn warnings(summary: &Summary) -> Vec<Prose> {
    let mut paragraphs: Vec<Prose> = summary.warnings.iter().take(SHOWN).map(paragraph).collect();
    let more = summary.warnings.len().saturating_sub(SHOWN);
    if more > 0 {
        paragraphs.push(Prose::default().plain(format!("{} more: see summary.json.", count(more as u64))));
    }
    paragraphs
}

fn paragraph(warning: &Warning) -> Prose {
    let text = format!(": {}", warning.text);
    let text = match warning.cells.as_slice() {
        [] => text,
        cells => format!("{text} ({})", named(cells)),
    };
    Prose::default().strong(warning.code.to_string()).plain(text)
}

/// Such as `cells a, b, c and 4 more`.
fn named(cells: &[String]) -> String {
    let first = cells.iter().take(CELLS).cloned().collect::<Vec<_>>().join(", ");
    let more = cells.len().saturating_sub(CELLS);
    let noun = agreeing(cells.len(), "cell", "cells");
    if more == 0 { format!("{noun} {first}") } else { format!("{noun} {first} and {} more", count(more as u64)) }
}

#[cfg(test)]
mod tests {
    use emberline_base::warning::Code;

    use super::*;
    use crate::document::Span;
    use crate::sample;

    #[test]
    fn a_warning_has_its_code_its_text_and_its_cells() {
        let mut summary = sample::single().summary;
        assert_eq!(warnings(&summary), []);
        let cells = ["a", "b", "c", "d"].map(str::to_owned).to_vec();
        summary.warnings = vec![
            Warning::new(Code::ConflictingLabels, "1 text has two labels."),
            Warning { cells, ..Warning::new(Code::FewKnownWords, "few.") },
        ];
        let shown = warnings(&summary);
        assert_eq!(shown[0], Prose::default().strong("EMB003").plain(": 1 text has two labels."));
        assert_eq!(shown[1].0[1], Span::Plain(": few. (cells a, b, c and 1 more)".to_owned()));
        summary.warnings = vec![Warning::new(Code::QuotesKept, "quotes."); SHOWN + 2];
        let last = warnings(&summary).pop();
        assert_eq!(last, Some(Prose::default().plain("2 more: see summary.json.")));
    }
}
