//! Detects control and bidirectional format characters, which must be escaped before untrusted text is printed.

/// Returns whether a character controls a terminal or reorders a line: control characters (ANSI sequences, line breaks), line
/// and paragraph separators, bidirectional overrides and isolates, the byte order mark, interlinear annotations and tags.
pub fn is_control_or_bidi(letter: char) -> bool {
    letter.is_control()
        || matches!(letter, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}
