//! Converts tokens to character ids.
//!
//! | id | what |
//! |---|---|
//! | 0 to 255 | a byte of the token's UTF-8 |
//! | 256, 257 | the only character of `<S>`, `</S>` |
//! | 258, 259 | the beginning and the end of a token |
//! | 260 | padding |
//!
//! The ids of a token are 258, at most `positions - 2` bytes, 259, and then 260 up to the length `positions`. This is
//! `ELMoCharacterMapper` of AllenNLP without its shift by one (whose 0 masks missing tokens, which don't occur here).
//! Example with 5 positions: `ab` is 258, 97, 98, 259, 260.

/// Number of rows of the character embedding table.
pub(super) const CHARACTERS: usize = 261;
/// The token before a text.
pub(super) const BEGIN: &str = "<S>";
/// The token after a text.
pub(super) const END: &str = "</S>";

const TEXT_BEGINS: u16 = 256;
const TEXT_ENDS: u16 = 257;
const TOKEN_BEGINS: u16 = 258;
const TOKEN_ENDS: u16 = 259;
const PADDING: u16 = 260;

/// Returns the character ids of a token, `[positions]`.
pub(super) fn ids(token: &str, positions: usize) -> Vec<u16> {
    let bytes = &token.as_bytes()[..token.len().min(positions - 2)];
    let mut ids = Vec::with_capacity(positions);
    ids.push(TOKEN_BEGINS);
    match token {
        BEGIN => ids.push(TEXT_BEGINS),
        END => ids.push(TEXT_ENDS),
        _ => ids.extend(bytes.iter().map(|&byte| u16::from(byte))),
    }
    ids.push(TOKEN_ENDS);
    ids.resize(positions, PADDING);
    ids
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_bytes_and_padding() {
        assert_eq!(ids("é", 6), [258, 0xc3, 0xa9, 259, 260, 260]);
        assert_eq!(ids("<S>", 5), [258, 256, 259, 260, 260]);
        assert_eq!(ids("</S>", 4), [258, 257, 259, 260]);
        assert_eq!(ids("", 3), [258, 259, 260]);
    }

    #[test]
    fn a_long_token_is_cut_at_a_byte() {
        assert_eq!(ids("abcdef", 5), [258, 97, 98, 99, 259]);
        assert_eq!(ids("aé", 4), [258, 97, 0xc3, 259]);
    }
}
