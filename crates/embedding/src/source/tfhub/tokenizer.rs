//! Texts to tokens, as a module's graph says: edits, then splitting. Bytes in, bytes out.

use std::borrow::Cow;
use std::ops::Range;

use super::graph::{Edit, Split};
use super::pattern::Replace;
use super::spaced;

/// What is done to a text.
#[derive(Debug)]
pub(super) struct Tokenizer {
    edits: Vec<Compiled>,
    split: Split,
    /// Whether that is to remove punctuation, and to split at spaces.
    is_spaced: bool,
}

#[derive(Debug)]
enum Compiled {
    Replace(Replace),
    Lowercase,
}

impl Tokenizer {
    /// Compiles the patterns.
    pub(super) fn new(edits: &[Edit], split: &Split) -> Result<Self, String> {
        let compile = |edit: &Edit| match edit {
            Edit::Replace { pattern, rewrite, global } => {
                Replace::new(pattern, rewrite, *global).map(Compiled::Replace)
            }
            Edit::Lowercase => Ok(Compiled::Lowercase),
        };
        let edits: Vec<Compiled> = edits.iter().map(compile).collect::<Result<_, _>>()?;
        let is_spaced = matches!(edits.as_slice(), [Compiled::Replace(Replace::Punctuation)])
            && matches!(split, Split::At(separator) if separator == b" ");
        Ok(Self { edits, split: split.clone(), is_spaced })
    }

    /// Hands on each token of a text, in order: an edited text, and where the token stands in it.
    pub(super) fn each(&self, text: &[u8], mut take: impl FnMut(&[u8], Range<usize>)) {
        if self.is_spaced && spaced::each(text, &mut take) {
            return;
        }
        let mut edited = Cow::Borrowed(text);
        for edit in &self.edits {
            edited = match (edit, edited) {
                (Compiled::Lowercase, text) => Cow::Owned(text.to_ascii_lowercase()),
                (Compiled::Replace(replace), Cow::Borrowed(text)) => replace.apply(text),
                (Compiled::Replace(replace), Cow::Owned(text)) => Cow::Owned(replace.apply(&text).into_owned()),
            };
        }
        split(&edited, &self.split, &mut |token| take(token, 0..token.len()));
    }
}

/// Hands on each token of a text that is edited already.
pub(super) fn split(text: &[u8], at: &Split, take: &mut impl FnMut(&[u8])) {
    match at {
        Split::At(separator) => match separator.as_slice() {
            [byte] => {
                let mut start = 0;
                for end in memchr::memchr_iter(*byte, text) {
                    take(&text[start..end]);
                    start = end + 1;
                }
                take(&text[start..]);
            }
            separator => {
                let mut start = 0;
                for end in memchr::memmem::find_iter(text, separator) {
                    take(&text[start..end]);
                    start = end + separator.len();
                }
                take(&text[start..]);
            }
        },
        // C's `isspace`: the vertical tab too.
        Split::WhiteSpace => {
            text.split(|b| matches!(b, b'\t'..=b'\r' | b' ')).filter(|token| !token.is_empty()).for_each(take);
        }
        // An empty text has no token, not an empty one.
        Split::AtAny { .. } if text.is_empty() => {}
        Split::AtAny { delimiters, skip_empty } => {
            let tokens = text.split(|b| delimiters.contains(b));
            tokens.filter(|token| !skip_empty || !token.is_empty()).for_each(take);
        }
        Split::Bytes => text.chunks_exact(1).for_each(take),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(text: &str, at: &Split) -> Vec<String> {
        let mut tokens = Vec::new();
        let tokenizer = Tokenizer::new(&[], at).expect("no patterns");
        tokenizer.each(text.as_bytes(), |text, place| tokens.push(String::from_utf8_lossy(&text[place]).into_owned()));
        tokens
    }

    /// Expectations from `StringSplit` and `StringSplitV2` of TensorFlow 2.21.
    #[test]
    fn texts_are_split_as_in_tensorflow() {
        let at = |s: &str| Split::At(s.as_bytes().to_vec());
        let any = |s: &str, skip_empty| Split::AtAny { delimiters: s.as_bytes().to_vec(), skip_empty };
        for (text, split, expected) in [
            ("", at(" "), &[""][..]),
            (" a  b ", at(" "), &["", "a", "", "b", ""]),
            ("a, b,c", at(", "), &["a", "b,c"]),
            ("a\tb\n c\u{b}", at(" "), &["a\tb\n", "c\u{b}"]),
            ("a\tb\n c\u{b}", Split::WhiteSpace, &["a", "b", "c"]),
            ("", Split::WhiteSpace, &[]),
            (" a  b ", any(" ", true), &["a", "b"]),
            (" a  b ", any(" ", false), &["", "a", "", "b", ""]),
            ("", any(" ", false), &[]),
            ("", any(" ", true), &[]),
            ("a,b", any(", ", true), &["a", "b"]),
            ("a", any("ab", false), &["", ""]),
            ("a b", Split::Bytes, &["a", " ", "b"]),
        ] {
            assert_eq!(tokens(text, &split), expected, "{text:?} {split:?}");
        }
    }
}
