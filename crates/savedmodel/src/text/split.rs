//! Splits texts into tokens, as `StringSplit` and `StringSplitV2` do. Bytes in, bytes out.

/// How a text is split into tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Split {
    /// At a separator; empty tokens stay.
    At(Vec<u8>),
    /// At runs of ASCII white space; no token is empty.
    WhiteSpace,
    /// At every byte of a set; empty tokens are dropped, or stay.
    AtAny {
        /// The bytes.
        delimiters: Vec<u8>,
        /// Whether empty tokens are dropped.
        skip_empty: bool,
    },
    /// Into single bytes.
    Bytes,
}

/// Calls `take` with each token of a text, in order.
pub fn split(text: &[u8], at: &Split, take: &mut impl FnMut(&[u8])) {
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
        // White space is that of C's `isspace`, which includes the vertical tab.
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
        split(text.as_bytes(), at, &mut |token: &[u8]| tokens.push(String::from_utf8_lossy(token).into_owned()));
        tokens
    }

    /// Expected values from `StringSplit` and `StringSplitV2` of TensorFlow 2.21.
    #[test]
    fn texts_are_split_as_in_tensorflow() {
        let whole = |s: &str| Split::At(s.as_bytes().to_vec());
        let any = |s: &str, skip_empty| Split::AtAny { delimiters: s.as_bytes().to_vec(), skip_empty };
        for (text, at, expected) in [
            ("", whole(" "), &[""][..]),
            (" a  b ", whole(" "), &["", "a", "", "b", ""]),
            ("a, b,c", whole(", "), &["a", "b,c"]),
            ("a\tb\n c\u{b}", whole(" "), &["a\tb\n", "c\u{b}"]),
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
            assert_eq!(tokens(text, &at), expected, "{text:?} {at:?}");
        }
    }
}
