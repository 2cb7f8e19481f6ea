//! Parses TOML to a [`Tree`] and reports every syntax error, in time and memory that grow linearly with the text.
//!
//! The `toml_parser` crate finds tokens and calls back for each key and value; `builder` puts them together. (The tree
//! of the `toml` crate isn't used, since it keeps a list of all events and errors, which takes a hundred times the size
//! of the text.)

use std::sync::Arc;

use toml_parser::lexer::Token;
use toml_parser::parser::{EventReceiver, RecursionGuard, ValidateWhitespace, parse_document, parse_value};
use toml_parser::{ErrorSink, Expected, ParseError, Source};

use super::builder::Builder;
use super::slips;
use super::tree::{MAX_DEPTH, Tree};
use crate::diagnostic::{Diagnostic, SourceText, Span};
use crate::diagnostics::Diagnostics;

/// Maximum number of values in a pipeline file: those of the largest grid, and some for the rest.
pub(super) const MAX_VALUES: usize = 150_000;

/// Parses a whole file with at most `most` values.
pub(super) fn document(source: &Arc<SourceText>, most: usize) -> Result<Tree, Diagnostics> {
    let whole = Span::new(source, 0..source.text.len());
    let root = read(&whole, most, parse_document)?.root;
    Ok(Tree::of_table(Span::new(source, 0..0), root))
}

/// Parses the single value that fills this span.
pub(super) fn value(place: &Span) -> Result<Tree, Diagnostics> {
    let builder = read(place, MAX_VALUES, parse_value)?;
    builder.whole.ok_or_else(Diagnostics::default)
}

/// An entry point of the parser.
type Parse = fn(&[Token], &mut dyn EventReceiver, &mut dyn ErrorSink);

fn read(place: &Span, most: usize, parse: Parse) -> Result<Builder<'_>, Diagnostics> {
    let text = Source::new(&place.source().text[place.range()]);
    let (source, offset) = (place.source(), place.range().start);
    let mut faults = Faults { source, offset, found: Diagnostics::default() };
    let mut builder = Builder::new(source, text, offset, most);
    let mut checked = ValidateWhitespace::new(&mut builder, text);
    let mut shallow = RecursionGuard::new(&mut checked, MAX_DEPTH as u32);
    parse(&text.lex().into_vec(), &mut shallow, &mut faults);
    faults.found.append(std::mem::take(&mut builder.faults));
    faults.found.into_result()?;
    Ok(builder)
}

/// Turns the parser's errors into diagnostics.
struct Faults<'s> {
    source: &'s Arc<SourceText>,
    offset: usize,
    found: Diagnostics,
}

impl ErrorSink for Faults<'_> {
    fn report_error(&mut self, error: ParseError) {
        let span = error.unexpected().or(error.context()).unwrap_or_default();
        let range = span.start() + self.offset..span.end() + self.offset;
        let source = self.source;
        // Of a file in another language, one fault says all.
        if !self.found.is_empty() && slips::other_language(&source.text).is_some() {
            return;
        }
        self.found.push(|| {
            let slip = slips::answer(&source.text, &range, error.description());
            let (message, hint) = slip.map_or_else(|| describe(&error), |(message, hint)| (message, Some(hint)));
            Diagnostic { span: Span::new(source, range), message, hint }
        });
    }
}

/// Returns the message for an error of the parser, and a hint if there is one.
fn describe(error: &ParseError) -> (String, Option<String>) {
    let description = error.description();
    if description == "string values must be quoted" {
        return (description.to_owned(), Some("write texts in quotes, as in name = \"quora\"".to_owned()));
    }
    let expected = error.expected().unwrap_or_default();
    let expected: Vec<String> = expected
        .iter()
        .map(|expected| match expected {
            Expected::Literal("\n") => "a new line".to_owned(),
            Expected::Literal(literal) if literal.chars().all(char::is_control) => {
                format!("`{}`", literal.escape_debug())
            }
            Expected::Literal(literal) => format!("`{literal}`"),
            Expected::Description(description) => (*description).to_owned(),
            _ => "something else".to_owned(),
        })
        .collect();
    let description = description.replace("recurse further; max recursion depth met", "go deeper than this");
    match expected.is_empty() {
        true => (description, None),
        false => (format!("{description}, expected {}", expected.join(", ")), None),
    }
}
