//! The Content Security Policy of the HTML report: it allows the report's own style and script, by hash, and nothing else.
//!
//! User text is escaped; if escaping should miss something, the browser still doesn't run it and loads nothing for it.
//! See Content Security Policy Level 3, section 2.3.1 (hash sources). Data blocks are no scripts: no policy needs to allow them.

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
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
    format!("'sha256-{}'", BASE64.encode(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `printf "alert('Hello, world.');" | openssl dgst -sha256 -binary | base64`, the example of the specification.
    #[test]
    fn the_hash_is_the_specifications() {
        assert_eq!(source("alert('Hello, world.');"), "'sha256-qznLcsROx4GACP2dm0UCKCzCG+HiZ1guq6ZZDob/Tng='");
    }
}
