//! Advice about bytes that are not valid UTF-8.
//!
//! Converting with `iconv` helps if the whole file is in another encoding. It does harm if the rest of the file is UTF-8
//! already, or if the file isn't text at all, so the advice depends on the bytes around the invalid one.

use super::{Kind, kind};

/// Number of bytes before and after the invalid byte that are inspected.
const CONTEXT: usize = 2048;

/// Returns the advice for an invalid byte, as the second part of a sentence whose first part says what is wrong.
///
/// `bytes`: the known part of the file around the invalid byte; `at`: the index of that byte in `bytes`.
///
/// # Panics
/// If `at >= bytes.len()`.
pub fn cure_of_invalid_utf8(bytes: &[u8], at: usize) -> String {
    if let Some(kind @ (Kind::Utf16 { .. } | Kind::Utf32)) = kind(&bytes[..bytes.len().min(super::HEAD)]) {
        return format!("this is {}; {}", kind.name(), kind.cure(super::FileUse::Data));
    }
    let around = &bytes[at.saturating_sub(CONTEXT)..bytes.len().min(at + CONTEXT)];
    let is_binary = |byte: &&u8| byte.is_ascii_control() && !matches!(byte, b'\t' | b'\n' | b'\r' | 0x0c | 0x1b);
    if around.iter().filter(is_binary).count() * 20 > around.len() {
        return "the file is not text; export it as text in UTF-8".to_owned();
    }
    if matches!(bytes[at..], [0xed, 0xa0..=0xbf, 0x80..=0xbf, ..]) {
        return "half of a surrogate pair is written as if it were a character; write the file again from the text, in \
                Python with errors=\"replace\""
            .to_owned();
    }
    if has_multibyte(&bytes[at.saturating_sub(CONTEXT)..at]) {
        return "the text before it is UTF-8, so that this byte is damaged or was pasted in; repair the line, or drop such \
                bytes: iconv -c -f UTF-8 -t UTF-8 OLD > NEW"
            .to_owned();
    }
    "if the whole file is in another encoding, convert it, for example: iconv -f WINDOWS-1252 -t UTF-8 OLD > NEW"
        .to_owned()
}

/// Returns whether a text contains valid UTF-8 characters beyond ASCII. Its first character may be incomplete.
fn has_multibyte(bytes: &[u8]) -> bool {
    bytes.utf8_chunks().any(|chunk| !chunk.valid().is_ascii())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cure_depends_on_what_surrounds_the_byte() {
        let cure = |bytes: &[u8]| {
            let at = std::str::from_utf8(bytes).expect_err("not UTF-8").valid_up_to();
            cure_of_invalid_utf8(bytes, at)
        };
        assert!(cure(b"text,label\ncaf\xe9,1\n").contains("iconv -f WINDOWS-1252 -t UTF-8"));
        assert!(cure("é\n".bytes().chain(*b"caf\xe9\n").collect::<Vec<_>>().as_slice()).contains("iconv -c"));
        assert!(cure(b"\xff\xfea\0b\0").contains("iconv -f UTF-16 -t UTF-8"));
        assert!(cure(b"a tweet \xed\xa0\xbd\n").contains("surrogate"));
        let binary: Vec<u8> = (0..=255).collect();
        assert!(cure(&binary).contains("not text") && !cure(&binary).contains("iconv"));
    }
}
