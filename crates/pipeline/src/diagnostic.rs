//! A fault of a pipeline file, with its position, a message and a hint, and how it is displayed.
//!
//! The display is bounded: of a long line only the part around the fault is shown, and of a long name or value only its
//! beginning. However long the line is, a fault takes a few lines of the terminal.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use emberline_base::secret;

/// A text that contains settings: the pipeline file, or a `-S` argument on the command line.
#[derive(Debug, PartialEq, Eq)]
pub struct SourceText {
    /// Its name in messages, for example `pipelines/quora.toml`.
    pub name: String,
    /// The whole text.
    pub text: String,
}

/// A range of bytes in a source text. Small, since every value of a file has one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Span {
    source: Arc<SourceText>,
    start: u32,
    end: u32,
}

/// One fault of the user's file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// The position.
    pub span: Span,
    /// What is wrong, in a few words that begin in lower case.
    pub message: String,
    /// How to cure it.
    pub hint: Option<String>,
}

/// Maximum number of characters of the source line that are shown before the fault, and from it on.
const SHOWN_BEFORE: usize = 60;
const SHOWN_FROM: usize = 100;

/// Maximum number of characters that are shown of the source's name; that of a `-S` argument is its whole assignment.
const SHOWN_NAME: usize = 80;

impl Span {
    /// Returns the span of the bytes `range` of a text. Positions beyond 4 GB are clamped.
    pub(crate) fn new(source: &Arc<SourceText>, range: Range<usize>) -> Self {
        let small = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
        Self { source: source.clone(), start: small(range.start), end: small(range.end) }
    }

    /// Returns the source text.
    pub fn source(&self) -> &Arc<SourceText> {
        &self.source
    }

    /// Returns the range of bytes.
    pub fn range(&self) -> Range<usize> {
        self.start as usize..self.end as usize
    }

    /// Returns the line and the column of the start, both counted from 1; columns count characters.
    pub fn position(&self) -> (usize, usize) {
        let before = self.source.text.get(..self.range().start).unwrap_or(&self.source.text);
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        (before.bytes().filter(|byte| *byte == b'\n').count() + 1, before[line_start..].chars().count() + 1)
    }

    /// Returns the source line with a marker below it, in three lines; they begin with a margin as wide as the line's number.
    fn lines(&self) -> String {
        let line = self.position().0;
        let margin = " ".repeat(line.to_string().len());
        let Excerpt { text, indent, width } = self.excerpt();
        format!("{margin} |\n{line} | {}\n{margin} | {}{}", text.trim_end(), " ".repeat(indent), "^".repeat(width))
    }

    /// Returns the position and the source line, for messages about something that this part of the file names.
    pub fn shown(&self) -> String {
        let (line, column) = self.position();
        let name = clipped(&secret::mask_urls(&self.source.name), SHOWN_NAME);
        format!("{}--> {name}:{line}:{column}\n{}", " ".repeat(line.to_string().len()), self.lines())
    }

    /// Returns the line of the start, without its line ending, and the byte offset of the start in that line.
    fn line(&self) -> (&str, usize) {
        let text = &self.source.text;
        let start = self.range().start;
        let start = if text.is_char_boundary(start) { start } else { text.len() };
        let line_start = text[..start].rfind('\n').map_or(0, |at| at + 1);
        let line = &text[line_start..];
        let line = &line[..line.find('\n').unwrap_or(line.len())];
        (line.trim_end_matches('\r'), (start - line_start).min(line.trim_end_matches('\r').len()))
    }

    /// Returns the part of the line that is shown, the indent of the marker below it, and the marker's width.
    fn excerpt(&self) -> Excerpt {
        let (line, start) = self.line();
        // Masking works on whole URLs, so they are masked before the line is cut.
        let from = secret::url_start(line, back(line, start, SHOWN_BEFORE));
        let to = secret::url_end(line, forth(line, start, SHOWN_FROM));
        let masked: Vec<char> = shown(&line[from..to]).chars().collect();
        let at = shown(&line[from..start]).chars().count().min(masked.len());
        let first = if from == 0 && at <= SHOWN_BEFORE { 0 } else { at.saturating_sub(SHOWN_BEFORE) };
        let last = masked.len().min(at + SHOWN_FROM);
        let text: String = masked[first..last].iter().collect();
        let cut_before = from > 0 || first > 0;
        let cut_after = to < line.len() || last < masked.len();
        let covered = self.source.text.get(self.range()).and_then(|text| text.lines().next()).unwrap_or("");
        let covered = shown(&covered[..forth(covered, 0, SHOWN_FROM)]).chars().count();
        let ellipsis = |cut: bool| if cut { "…" } else { "" };
        Excerpt {
            text: format!("{}{}{}", ellipsis(cut_before), text, ellipsis(cut_after)),
            indent: at - first + usize::from(cut_before),
            width: covered.min(last - at).max(1),
        }
    }
}

/// A part of a source line, and the position of a fault in it, in characters.
struct Excerpt {
    text: String,
    indent: usize,
    width: usize,
}

/// Returns the byte offset that is `characters` characters before `at`, or 0.
fn back(line: &str, at: usize, characters: usize) -> usize {
    line[..at].char_indices().rev().take(characters).last().map_or(at, |(at, _)| at)
}

/// Returns the byte offset that is `characters` characters after `at`, or the length of the line.
fn forth(line: &str, at: usize, characters: usize) -> usize {
    line[at..].char_indices().nth(characters).map_or(line.len(), |(further, _)| at + further)
}

/// Prepares a part of a line for display: tabs become spaces, and secrets of URLs are masked.
fn shown(text: &str) -> String {
    secret::mask_urls(text).replace('\t', " ")
}

/// Returns at most `characters` characters of a text, with an ellipsis if something is cut off.
pub(crate) fn clipped(text: &str, characters: usize) -> String {
    match text.char_indices().nth(characters) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (line, column) = self.span.position();
        let margin = " ".repeat(line.to_string().len());
        let name = clipped(&secret::mask_urls(&self.span.source.name), SHOWN_NAME);
        writeln!(f, "{name}:{line}:{column}: {}", secret::mask_urls(&self.message))?;
        f.write_str(&self.span.lines())?;
        if let Some(hint) = &self.hint {
            write!(f, "\n{margin} = {}", secret::mask_urls(hint))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_diagnostic_shows_its_line() {
        let source = Arc::new(SourceText { name: "p.toml".into(), text: "a = 1\nüb = \"x\"\n".into() });
        let diagnostic =
            Diagnostic { span: Span::new(&source, 12..15), message: "wrong".into(), hint: Some("say y".into()) };
        assert_eq!(diagnostic.to_string(), "p.toml:2:6: wrong\n  |\n2 | üb = \"x\"\n  |      ^^^\n  = say y");
    }

    #[test]
    fn a_diagnostic_hides_the_secrets_of_urls_and_still_points() {
        let text = "a = {url = \"https://me:secret@b.org/?t=secret\", x = 1}";
        let at = text.find("x =").expect("a key");
        let source = Arc::new(SourceText { name: "-S a=https://b.org?secret".into(), text: text.into() });
        let message = "string \"https://b.org?secret\"".into();
        let diagnostic = Diagnostic { span: Span::new(&source, at..at + 1), message, hint: None };
        let indent = " ".repeat(37);
        assert_eq!(
            diagnostic.to_string(),
            format!(
                "-S a=https://b.org?***:1:49: string \"https://b.org?***\"\n  |\n\
                 1 | a = {{url = \"https://***@b.org/?***\", x = 1}}\n  | {indent}^"
            )
        );
    }

    /// Returns the two lines that show the source and the marker, for a fault at the first `!`.
    fn lines(text: &str) -> (String, String) {
        let at = text.find('!').expect("a fault");
        let source = Arc::new(SourceText { name: "p.toml".into(), text: text.into() });
        let shown = Diagnostic { span: Span::new(&source, at..at + 1), message: "wrong".into(), hint: None };
        let lines: Vec<String> = shown.to_string().lines().map(str::to_owned).collect();
        (lines[2].clone(), lines[3].clone())
    }

    #[test]
    fn of_a_long_line_the_part_around_the_fault_is_shown() {
        let many = "ü,".repeat(50_000);
        for text in [format!("{many}!{many}"), format!("!{many}"), format!("{many}!"), format!("a\n{many} !\n")] {
            let (line, pointer) = lines(&text);
            assert!(line.chars().count() <= 4 + SHOWN_BEFORE + SHOWN_FROM + 2, "{line}");
            let at = pointer.chars().position(|c| c == '^').expect("a pointer");
            assert_eq!(line.chars().nth(at), Some('!'), "{line}\n{pointer}");
            assert!(line.contains('…'));
        }
        assert_eq!(lines("a = !"), ("1 | a = !".into(), "  |     ^".into()));
    }

    #[test]
    fn a_cut_line_hides_secrets_all_the_same() {
        let many = "x".repeat(10_000);
        for text in [
            format!("url = \"https://me:{many}@b.org\" !"),
            format!("url = \"https://me:hidden{}@b.org\" !", "/".repeat(55)),
            format!("url = \"https://me:hidden!{many}@b.org\""),
            format!("! url = \"https://me:hidden{many}@b.org?hidden\""),
        ] {
            let (line, _) = lines(&text);
            assert!(!line.contains("xx") && !line.contains("hidden"), "{line}");
        }
    }
}
