//! Where a text may be cut without changing its tokens.
//!
//! A tokenizer normalises a text, splits it into words and tokenises each word by itself. Where normalising works
//! character by character, and splitting leaves no word across a character, the tokens of a text are those of its
//! pieces between such characters, one after another, and each distinct piece need be tokenised only once:
//!
//! | `normalizer` | `pre_tokenizer` | cut |
//! |---|---|---|
//! | none, `BertNormalizer`, `Lowercase` | `BertPreTokenizer` | at spaces, tabs and line ends (dropped), around ASCII punctuation |
//! | the same | `Whitespace`, `WhitespaceSplit` | at spaces, tabs and line ends |
//! | any other | any other | nowhere |
//!
//! Why that holds: these normalisers map each character without a look at its neighbours, but for the canonical order
//! of combining marks, which never crosses an ASCII character, and leave ASCII punctuation as it is. The splits are
//! made at each such character. Added tokens are found before all that: no character of one is cut at; one that is
//! normalised first must be ASCII, so that normalising brings nothing new into it; and where one must stand as a word
//! of its own, no cut is made around `_`, which counts as part of a word.

use tokenizers::normalizers::NormalizerWrapper;
use tokenizers::pre_tokenizers::PreTokenizerWrapper;

/// The characters that texts are cut at.
#[derive(Debug)]
pub(super) struct Cuts {
    /// What each byte does. All are ASCII.
    at: [Cut; 256],
}

/// What happens at a character.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cut {
    /// It stays in its piece.
    None,
    /// It ends a piece and is dropped.
    Dropped,
    /// It is a piece.
    Piece,
}

impl Cuts {
    /// The cuts of a tokenizer.
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

    /// Keeps added tokens whole.
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

    /// The pieces of a text, in order.
    pub(super) fn pieces<'t>(&self, text: &'t str) -> impl Iterator<Item = &'t str> {
        let mut rest = text;
        std::iter::from_fn(move || {
            let dropped = rest.bytes().take_while(|&byte| self.cut(byte) == Cut::Dropped).count();
            rest = &rest[dropped..];
            let kept = rest.bytes().position(|byte| self.cut(byte) != Cut::None).unwrap_or(rest.len());
            // A piece of its own where nothing stands before it.
            let (piece, after) = rest.split_at(if kept == 0 { rest.len().min(1) } else { kept });
            rest = after;
            (!piece.is_empty()).then_some(piece)
        })
    }

    fn cut(&self, byte: u8) -> Cut {
        self.at[usize::from(byte)]
    }
}
