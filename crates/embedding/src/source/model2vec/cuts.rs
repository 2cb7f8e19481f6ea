//! Finds where a text may be split without changing its tokens.
//!
//! A tokenizer normalises a text, splits it into words and tokenises each word by itself. If the normaliser works
//! character by character, and the split never leaves a word across a certain character, the tokens of a text are
//! those of its pieces between such characters, one after another, and each distinct piece needs to be tokenised only
//! once:
//!
//! | `normalizer` | `pre_tokenizer` | split |
//! |---|---|---|
//! | none, `BertNormalizer`, `Lowercase` | `BertPreTokenizer` | at spaces, tabs and line ends (dropped), around ASCII punctuation |
//! | the same | `Whitespace`, `WhitespaceSplit` | at spaces, tabs and line ends |
//! | any other | any other | nowhere |
//!
//! Why this is correct: these normalisers map each character independently of its neighbours, except for the
//! canonical order of combining marks, which never crosses an ASCII character, and they leave ASCII punctuation as it
//! is. The pre-tokenizers split at each such character. Added tokens are found before all that, so that no text is
//! split at a character of one; an added token that is normalised first must be ASCII, so that normalising creates no
//! new occurrence of it; and if an added token must be a word of its own, no text is split around `_`, which counts
//! as part of a word.

use tokenizers::normalizers::NormalizerWrapper;
use tokenizers::pre_tokenizers::PreTokenizerWrapper;

/// The characters at which texts are split.
#[derive(Debug)]
pub(super) struct Cuts {
    /// The effect of each byte. All splitting characters are ASCII.
    at: [Cut; 256],
}

/// The effect of a character.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cut {
    /// The character stays in its piece.
    None,
    /// The character ends a piece and is dropped.
    Dropped,
    /// The character is a piece of its own.
    Piece,
}

impl Cuts {
    /// Returns the split characters of a tokenizer.
    pub(super) fn of(tokenizer: &tokenizers::Tokenizer) -> Self {
        let mut cuts = Self { at: [Cut::None; 256] };
        let by_character = match tokenizer.get_normalizer() {
            None | Some(NormalizerWrapper::BertNormalizer(_) | NormalizerWrapper::Lowercase(_)) => true,
            Some(_) => false,
        };
        let punctuation = match tokenizer.get_pre_tokenizer() {
            Some(PreTokenizerWrapper::BertPreTokenizer(_)) => true,
            Some(PreTokenizerWrapper::Whitespace(_) | PreTokenizerWrapper::WhitespaceSplit(_)) => false,
            _ => return cuts,
        };
        if !by_character {
            return cuts;
        }
        for space in *b" \t\n\r" {
            cuts.at[usize::from(space)] = Cut::Dropped;
        }
        for byte in (0..=127u8).filter(|byte| punctuation && byte.is_ascii_punctuation()) {
            cuts.at[usize::from(byte)] = Cut::Piece;
        }
        cuts.without_added_tokens(tokenizer)
    }

    /// Removes the split characters that would break added tokens.
    fn without_added_tokens(mut self, tokenizer: &tokenizers::Tokenizer) -> Self {
        let added = tokenizer.get_added_tokens_decoder();
        let mut tokens = added.values();
        if tokens.clone().any(|token| token.normalized && !token.content.is_ascii()) {
            return Self { at: [Cut::None; 256] };
        }
        if tokens.clone().any(|token| token.single_word) {
            self.at[usize::from(b'_')] = Cut::None;
        }
        tokens.by_ref().flat_map(|token| token.content.bytes()).for_each(|byte| self.at[usize::from(byte)] = Cut::None);
        self
    }

    /// Returns the pieces of a text, in order.
    pub(super) fn pieces<'t>(&self, text: &'t str) -> impl Iterator<Item = &'t str> {
        let mut rest = text;
        std::iter::from_fn(move || {
            let dropped = rest.bytes().take_while(|&byte| self.cut(byte) == Cut::Dropped).count();
            rest = &rest[dropped..];
            let kept = rest.bytes().position(|byte| self.cut(byte) != Cut::None).unwrap_or(rest.len());
            // The character is a piece of its own if no bytes come before it.
            let (piece, after) = rest.split_at(if kept == 0 { rest.len().min(1) } else { kept });
            rest = after;
            (!piece.is_empty()).then_some(piece)
        })
    }

    fn cut(&self, byte: u8) -> Cut {
        self.at[usize::from(byte)]
    }
}
