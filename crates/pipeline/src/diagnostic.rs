//! Faults of a pipeline file, each at its place, with a hint: what `check` prints.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use emberline_base::secret;

/// A text that settings come from: the pipeline file, or a `-S` on the command line.
#[derive(Debug, PartialEq, Eq)]
pub struct SourceText {
    /// How it is called in messages, for example `pipelines/quora.toml`.
    pub name: String,
    /// The whole text.
    pub text: String,
}

/// A place in a source text, in bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Span {
    /// The text.
    pub source: Arc<SourceText>,
    /// The bytes.
    pub range: Range<usize>,
}

/// One fault of the user's file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// Where.
    pub span: Span,
    /// What is wrong: short, lower case.
    pub message: String,
    /// What to do.
    pub hint: Option<String>,
}

impl Span {
    /// Line and column of the beginning, both from 1; a column is a character.
    pub fn position(&self) -> (usize, usize) {
        let before = self.source.text.get(..self.range.start).unwrap_or(&self.source.text);
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
    }

    /// The line of the beginning, without its end.
    fn line(&self) -> &str {
        let (number, _) = self.position();
        self.source.text.lines().nth(number - 1).unwrap_or("")
    }

    /// How far from the beginning of its line the span begins, in characters as they are shown.
    fn indent(&self) -> usize {
        let (_, column) = self.position();
        let before: String = self.line().chars().take(column - 1).collect();
        shown(&before).chars().count()
    }

    /// How many characters of the first line the span covers, at least 1.
    fn width(&self) -> usize {
        let covered = self.source.text.get(self.range.clone()).unwrap_or("");
        shown(covered.lines().next().unwrap_or("")).chars().count().max(1)
    }
}

/// A part of a line for people: a tab as a space, urls without secrets.
fn shown(text: &str) -> String {
    secret::urls(text).replace('\t', " ")
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (line, column) = self.span.position();
        let margin = " ".repeat(line.to_string().len());
        let (name, message) = (secret::urls(&self.span.source.name), secret::urls(&self.message));
        writeln!(f, "{name}:{line}:{column}: {message}")?;
        writeln!(f, "{margin} |")?;
        writeln!(f, "{line} | {}", shown(self.span.line()).trim_end())?;
        write!(f, "{margin} | {}{}", " ".repeat(self.span.indent()), "^".repeat(self.span.width()))?;
        if let Some(hint) = &self.hint {
            write!(f, "\n{margin} = {hint}")?;
        }
        Ok(())
    }
}

/// Orders by place and drops repetitions of one fault.
pub(crate) fn tidy(mut diagnostics: Vec<Diagnostic>) -> Vec<Diagnostic> {
    diagnostics.sort_by(|a, b| {
        let key = |d: &Diagnostic| (d.span.range.start, d.span.source.name.clone(), d.message.clone());
        key(a).cmp(&key(b))
    });
    diagnostics.dedup();
    diagnostics
}

/// The candidate nearest to what was written, where one is near enough to be meant.
pub(crate) fn nearest<'a>(written: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let scored = candidates.into_iter().map(|c| (strsim::damerau_levenshtein(written, c), c));
    let (distance, best) = scored.min_by_key(|&(distance, c)| (distance, c))?;
    let contained = written.len() >= 3 && (best.contains(written) || written.contains(best));
    (distance <= 1 + written.chars().count() / 4 || contained).then_some(best)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_diagnostic_shows_its_line() {
        let source = Arc::new(SourceText { name: "p.toml".into(), text: "a = 1\nüb = \"x\"\n".into() });
        let diagnostic =
            Diagnostic { span: Span { source, range: 12..15 }, message: "wrong".into(), hint: Some("say y".into()) };
        assert_eq!(diagnostic.to_string(), "p.toml:2:6: wrong\n  |\n2 | üb = \"x\"\n  |      ^^^\n  = say y");
    }

    #[test]
    fn a_diagnostic_hides_the_secrets_of_urls_and_still_points() {
        let text = "a = {url = \"https://me:secret@b.org/?t=secret\", x = 1}";
        let at = text.find("x =").expect("a key");
        let source = Arc::new(SourceText { name: "-S a=https://b.org?secret".into(), text: text.into() });
        let message = "string \"https://b.org?secret\"".into();
        let diagnostic = Diagnostic { span: Span { source, range: at..at + 1 }, message, hint: None };
        let indent = " ".repeat(37);
        assert_eq!(
            diagnostic.to_string(),
            format!(
                "-S a=https://b.org?***:1:49: string \"https://b.org?***\"\n  |\n\
                 1 | a = {{url = \"https://***@b.org/?***\", x = 1}}\n  | {indent}^"
            )
        );
    }

    #[test]
    fn near_names_are_found_and_far_ones_are_not() {
        assert_eq!(nearest("patiense", ["monitor", "patience"]), Some("patience"));
        assert_eq!(nearest("lr", ["learning_rate", "beta_1"]), None);
        assert_eq!(nearest("learning", ["learning_rate", "beta_1"]), Some("learning_rate"));
        assert_eq!(nearest("zzz", ["monitor", "patience"]), None);
    }
}
