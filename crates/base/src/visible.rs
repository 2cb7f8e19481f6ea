//! Which characters of a foreign text do something, where they should only be shown.

/// Whether a character drives a terminal or reorders a line: control characters (ANSI sequences, line ends), line and
/// paragraph separators, direction overrides and isolates, the byte order mark, tags.
pub fn is_acting(letter: char) -> bool {
    letter.is_control()
        || matches!(letter, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}
