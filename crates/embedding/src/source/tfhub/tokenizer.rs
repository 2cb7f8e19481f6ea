//! Splits texts into tokens as a module's graph says: edits first, then splitting. Bytes in, bytes out.

use std::borrow::Cow;
use std::ops::Range;

use savedmodel::text::{Replace, Split, split};

use super::graph::Edit;
use super::spaced;

/// The edits and the split of a text.
#[derive(Debug)]
pub(super) struct Tokenizer {
    edits: Vec<Compiled>,
    split: Split,
    /// Whether the edits and the split are to remove punctuation and to split at spaces.
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

    /// Calls `take` with each token of a text, in order: an edited text, and the range of the token in it.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edits_come_before_the_split() {
        let edits = [Edit::Lowercase, Edit::Replace { pattern: b"b+".to_vec(), rewrite: b" ".to_vec(), global: true }];
        let tokenizer = Tokenizer::new(&edits, &Split::At(b" ".to_vec())).expect("a pattern");
        let mut tokens = Vec::new();
        tokenizer.each(b"AbBc d", |text, place| tokens.push(text[place].to_vec()));
        assert_eq!(tokens, [b"a", b"c", b"d"]);
    }
}
