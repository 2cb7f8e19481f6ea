//! The Content Security Policy of the HTML report: it allows the report's own style and script, by hash, and nothing else.
//!
//! User text is escaped; if escaping should miss something, the browser still doesn't run it and loads nothing for it.
//! See Content Security Policy Level 3, section 2.3.1 (hash sources), and RFC 4648, section 4 (base64).

use emberline_base::file::sha256;

/// Returns the policy of a page with one `<style>` and one `<script>`, given their content.
pub(super) fn policy(style: &str, script: &str) -> String {
    let (style, script) = (source(style), source(script));
    format!("default-src 'none'; style-src {style}; script-src {script}; base-uri 'none'; form-action 'none'")
}

/// Returns the hash source of a style or script: `'sha256-...'`.
fn source(text: &str) -> String {
    let hex = sha256(text.as_bytes());
    let pairs = hex.as_bytes().chunks(2).filter_map(|pair| std::str::from_utf8(pair).ok());
    let bytes: Vec<u8> = pairs.filter_map(|pair| u8::from_str_radix(pair, 16).ok()).collect();
    format!("'sha256-{}'", base64(&bytes))
}

fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for group in bytes.chunks(3) {
        // 3 bytes are 24 bits, which are 4 letters of 6 bits; missing bytes become `=`.
        let joined = (0..3).fold(0, |joined, index| joined << 8 | u32::from(group.get(index).copied().unwrap_or(0)));
        for index in 0..4 {
            let letter = LETTERS[(joined >> (18 - 6 * index) & 63) as usize];
            text.push(if index <= group.len() { char::from(letter) } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_as_in_the_rfc() {
        let texts = ["", "f", "fo", "foo", "foob", "fooba", "foobar"];
        assert_eq!(
            texts.map(|t| base64(t.as_bytes())),
            ["", "Zg==", "Zm8=", "Zm9v", "Zm9vYg==", "Zm9vYmE=", "Zm9vYmFy"]
        );
    }

    /// `printf "alert('Hello, world.');" | openssl dgst -sha256 -binary | base64`, the example of the specification.
    #[test]
    fn the_hash_is_the_specifications() {
        assert_eq!(source("alert('Hello, world.');"), "'sha256-qznLcsROx4GACP2dm0UCKCzCG+HiZ1guq6ZZDob/Tng='");
    }
}
