//! Reads lines whose first word is their label: `DESC:manner How did serfdom develop in Russia ?`, as the TREC questions are
//! published. The label ends at the first space or tab; the rest of the line, without white space around it, is the text.

use std::borrow::Cow;

use super::buffer::Buffer;
use super::fasttext::read_lines;
use super::{Field, Request, Sink};
use crate::error::Error;

/// Reads a whole file; see [`super::read`].
pub(super) fn read(request: &Request<'_>, buffer: Buffer<'_>, sink: Sink<'_>) -> Result<Vec<String>, Error> {
    read_lines(request, buffer, sink, |line| {
        let (label, text) = parts(line);
        [Field::Text(Cow::Borrowed(label)), Field::Text(Cow::Borrowed(text))]
    })
}

/// Returns the label and the text of a line; of a line of one word, the text is empty.
pub(crate) fn parts(line: &str) -> (&str, &str) {
    let line = line.trim();
    let (label, text) = line.split_once([' ', '\t']).unwrap_or((line, ""));
    (label, text.trim_start())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_word_is_the_label() {
        assert_eq!(parts("DESC:manner How did it ?"), ("DESC:manner", "How did it ?"));
        assert_eq!(parts(" 1\t two  spaces "), ("1", "two  spaces"));
        assert_eq!(parts("alone"), ("alone", ""));
    }
}
