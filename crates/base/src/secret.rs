//! Masks secrets in URLs before they are shown in messages or stored in records.
//!
//! A URL may contain `user:password@` before its host, and tokens in its query or fragment. Both are replaced by [`MASK`], so
//! that a reader still sees that something was there.

/// The replacement for a secret.
pub const MASK: &str = "***";

/// Masks the user and password, the query and the fragment of a URL. A malformed URL is masked too, as it may contain a
/// secret all the same.
pub fn mask_url(text: &str) -> String {
    let (scheme, rest) = text.split_at(text.find("://").map_or(0, |at| at + 3));
    let (user, rest) = rest.split_at(user_end(rest));
    let (place, hidden) = rest.split_at(rest.find(['?', '#']).unwrap_or(rest.len()));
    let user = if user.is_empty() { String::new() } else { format!("{MASK}@") };
    let hidden = if hidden.len() > 1 { format!("{}{MASK}", &hidden[..1]) } else { hidden.to_owned() };
    format!("{scheme}{user}{place}{hidden}")
}

/// Masks every URL in a text as [`mask_url`] does.
pub fn mask_urls(text: &str) -> String {
    if !text.contains("://") {
        return text.to_owned();
    }
    let pieces = text.split_inclusive(ends_piece);
    pieces.map(|piece| if piece.contains("://") { piece_masked(piece) } else { piece.to_owned() }).collect()
}

/// Returns whether a character ends a URL in a text; a password may contain any other character.
fn ends_piece(c: char) -> bool {
    c.is_whitespace() || c == '"'
}

/// Returns the start of the URL, or of the run of other characters without white space, that contains the byte `at`. A part
/// of the text that begins there is masked by [`mask_urls`] in the same way as within the whole text.
pub fn url_start(text: &str, at: usize) -> usize {
    text[..at].char_indices().rev().find(|(_, c)| ends_piece(*c)).map_or(0, |(at, c)| at + c.len_utf8())
}

/// Returns the end of the URL, or of the run of other characters without white space, that contains the byte `at`.
pub fn url_end(text: &str, at: usize) -> usize {
    text[at..].find(ends_piece).map_or(text.len(), |further| at + further)
}

fn piece_masked(piece: &str) -> String {
    let end = piece.trim_end_matches(ends_piece);
    mask_url(end) + &piece[end.len()..]
}

/// Returns the offset of the host after user and password; 0 if there are none. `rest` is a URL without its scheme.
fn user_end(rest: &str) -> usize {
    let authority = &rest[..rest.find(['/', '?', '#']).unwrap_or(rest.len())];
    let port = authority.rsplit_once(':').map_or("", |(_, port)| port);
    let at = match authority.rfind('@') {
        Some(at) => Some(at),
        // A password may contain a `/` that should have been written as `%2F`.
        None if !port.bytes().all(|byte| byte.is_ascii_digit()) => rest.rfind('@'),
        None => None,
    };
    at.map_or(0, |at| at + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_passwords_and_queries_are_hidden() {
        for (text, shown) in [
            ("https://example.org/a/b.zip", "https://example.org/a/b.zip"),
            ("https://me:secret@example.org/x", "https://***@example.org/x"),
            ("https://secret@example.org:80/x", "https://***@example.org:80/x"),
            ("https://example.org/x?token=secret#secret", "https://example.org/x?***"),
            ("https://me:secret@example.org?secret", "https://***@example.org?***"),
            ("ftp://example.org/#secret", "ftp://example.org/#***"),
            ("https://me:sec/ret@example.org/x", "https://***@example.org/x"),
            ("https://me:sec?ret@example.org/x", "https://***@example.org/x"),
            ("me:secret@example.org/x?secret", "***@example.org/x?***"),
            ("https://example.org/@me/x@1?", "https://example.org/@me/x@1?"),
            ("http://[::1]:8080/x", "http://[::1]:8080/x"),
            ("hf://org/model@v1.0", "hf://org/model@v1.0"),
            ("", ""),
        ] {
            assert_eq!(mask_url(text), shown);
        }
    }

    #[test]
    fn urls_within_a_text_are_hidden_where_they_stand() {
        assert_eq!(
            mask_urls("x = \"https://a:secret@b.org/c?d='secret',e\", y = 1\t# or http://b.org?f=secret\n"),
            "x = \"https://***@b.org/c?***\", y = 1\t# or http://b.org?***\n"
        );
        assert_eq!(mask_urls("what? me@b.org #1"), "what? me@b.org #1");
        assert_eq!(mask_urls("a.url=https://b.org/?secret"), "a.url=https://b.org/?***");
    }
}
