//! What to do about bytes that are not UTF-8.
//!
//! `iconv` helps where the whole file is in another encoding. It does harm where the rest of the file is UTF-8 already, or
//! where the file is no text at all, so the bytes around the fault decide.

use super::{Kind, kind};

/// How many bytes on each side of the fault are looked at.
const AROUND: usize = 2048;

/// What to do about a byte that is not UTF-8, as a part of a sentence that begins with what is the matter.
///
/// `bytes`: what is known of the file around the fault; `at`: where the fault is in it.
///
/// # Panics
/// When `at` is not within `bytes`.
pub fn cure_of_invalid_utf8(bytes: &[u8], at: usize) -> String {
    if let Some(kind @ (Kind::Utf16 { .. } | Kind::Utf32)) = kind(&bytes[..bytes.len().min(super::HEAD)]) {
        return format!("this is {}; {}", kind.name(), kind.cure(super::Use::Data));
    }
    let around = &bytes[at.saturating_sub(AROUND)..bytes.len().min(at + AROUND)];
    let is_binary = |byte: &&u8| byte.is_ascii_control() && !matches!(byte, b'\t' | b'\n' | b'\r' | 0x0c | 0x1b);
    if around.iter().filter(is_binary).count() * 20 > around.len() {
        return "the file is not text; export it as text in UTF-8".to_owned();
    }
    if matches!(bytes[at..], [0xed, 0xa0..=0xbf, 0x80..=0xbf, ..]) {
        return "half of a surrogate pair is written as if it were a character; write the file again from the text, in \
                Python with errors=\"replace\""
            .to_owned();
    }
    if has_multibyte(&bytes[at.saturating_sub(AROUND)..at]) {
        return "the text before it is UTF-8, so that this byte is damaged or was pasted in; repair the line, or drop such \
                bytes: iconv -c -f UTF-8 -t UTF-8 OLD > NEW"
            .to_owned();
    }
    "if the whole file is in another encoding, convert it, for example: iconv -f WINDOWS-1252 -t UTF-8 OLD > NEW"
        .to_owned()
}

/// Whether a text holds characters beyond ASCII that are valid UTF-8. Its beginning may be cut.
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
