//! EMB021: characters that were decoded wrongly ("mojibake"), such as `donâ€™t` for `don’t`.
//!
//! Text in UTF-8 that was read as Windows-1252 or Latin-1 is recognised by turning it back: a run of characters beyond ASCII whose
//! bytes in Windows-1252 are UTF-8 in turn. Two such characters can meet in honest text too (`É”` at the end of a quotation in
//! capitals), so only sequences of the frequent results count by themselves, and others if three follow each other. Replacement
//! characters (U+FFFD) and the control characters U+0080 to U+009F, which no one writes, are signs of the same kind of damage.

use emberline_base::number::{agreeing, counted};

use crate::Subject;
use crate::verdict::{Finding, LISTED, Verdict, percent, quoted};

/// The characters of Windows-1252 from byte 0x80 to 0x9F; U+0080 to U+009F themselves where it has none.
const WINDOWS: [char; 32] = [
    '€', '\u{81}', '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', '\u{8d}', 'Ž', '\u{8f}', '\u{90}', '‘', '’',
    '“', '”', '•', '–', '—', '˜', '™', 'š', '›', 'œ', '\u{9d}', 'ž', 'Ÿ',
];
/// The number of wrong sequences that follow each other from which any of them count.
const RUN: usize = 3;
/// Points from which a text counts by itself; a text with fewer counts if there are two such texts.
const CERTAIN: usize = 2;

/// A text with wrong characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damaged {
    /// The row.
    pub row: usize,
    /// How certain it is: two points or more are.
    pub points: usize,
    /// The text with the characters turned back, if they can be.
    pub repaired: Option<String>,
}

/// Returns the texts with wrong characters, in order.
pub fn find(subject: &Subject<'_>) -> Vec<Damaged> {
    let rows = subject.rows().into_iter();
    let damaged = rows.filter_map(|row| {
        let text = subject.text(row);
        let (points, repaired) = examine(text)?;
        Some(Damaged { row, points, repaired: (repaired != text).then_some(repaired) })
    });
    damaged.collect()
}

pub(crate) fn check(subject: &Subject<'_>) -> Verdict {
    let mut found = find(subject);
    if found.len() < 2 && found.iter().all(|damaged| damaged.points < CERTAIN) {
        return Verdict::Clear;
    }
    found.sort_by_key(|damaged| std::cmp::Reverse(damaged.points.min(CERTAIN)));
    let shown = |damaged: &Damaged| {
        let instead = damaged.repaired.as_ref().map(|text| format!(", likely {}", quoted(text))).unwrap_or_default();
        format!("{} ({}){instead}", quoted(subject.text(damaged.row)), (subject.place)(damaged.row))
    };
    let rows: Vec<String> = found.iter().take(LISTED).map(shown).collect();
    let text = format!(
        "{} ({}) {} characters that were decoded wrongly, such as {}. Their words are unknown to any embedding: read the original \
         file again with its own encoding (UTF-8 was probably read as Windows-1252 or Latin-1), or repair the texts (ftfy does).",
        counted(found.len(), "text"),
        percent(found.len(), subject.len()),
        agreeing(found.len(), "holds", "hold"),
        rows.first().map_or("", String::as_str),
    );
    Verdict::Found(Finding { text, rows })
}

/// Returns the points of a text and the text turned back, or `None` if nothing is wrong with it.
fn examine(text: &str) -> Option<(usize, String)> {
    if text.is_ascii() {
        return None;
    }
    let (mut points, mut repaired) = (0, String::with_capacity(text.len()));
    let mut rest = text;
    while let Some(start) = rest.find(|c: char| !c.is_ascii()) {
        let (before, run) = rest.split_at(start);
        let (run, after) = run.split_at(run.find(|c: char| c.is_ascii()).unwrap_or(run.len()));
        repaired.push_str(before);
        let (of_run, turned) = examine_run(run);
        points += of_run;
        repaired.push_str(turned.as_deref().unwrap_or(run));
        rest = after;
    }
    repaired.push_str(rest);
    (points > 0).then_some((points, repaired))
}

/// Returns the points of a run of characters beyond ASCII, and what it was, if it can be turned back.
fn examine_run(run: &str) -> (usize, Option<String>) {
    let lost = run.chars().filter(|&c| c == '\u{fffd}').count();
    let controls = run.chars().filter(|c| ('\u{80}'..='\u{9f}').contains(c) && *c != '\u{85}').count();
    let bytes: Option<Vec<u8>> = run.chars().map(windows_byte).collect();
    let turned = bytes.as_deref().and_then(turn_back);
    let points = match &turned {
        Some((certain, likely, _)) => 2 * certain + likely,
        None => 0,
    };
    (points + 2 * (lost.min(1) + controls.min(1)), turned.filter(|_| points > 0).map(|(_, _, text)| text))
}

/// Reads bytes as UTF-8. Returns how many of its characters are certainly and how many are likely the original ones, and the
/// text; `None` if the bytes aren't UTF-8 of any.
fn turn_back(bytes: &[u8]) -> Option<(usize, usize, String)> {
    // The end of a run may belong to the text after it, such as a lone closing quote.
    let valid = match str::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => str::from_utf8(&bytes[..error.valid_up_to()]).unwrap_or_default(),
    };
    let count = valid.chars().count();
    let certain = valid.chars().filter(|&c| is_certain(c)).count();
    let likely = valid.chars().filter(|&c| is_likely(c)).count();
    let others = count - certain - likely;
    let certain = if count >= RUN { certain + others } else { certain };
    if certain + likely == 0 {
        return None;
    }
    let rest = bytes[valid.len()..].iter().map(|&byte| windows_char(byte));
    Some((certain, likely, valid.chars().chain(rest).collect()))
}

/// Typographic quotes, dashes and signs: three bytes, which nobody writes next to each other (`â€™`).
fn is_certain(c: char) -> bool {
    matches!(c, '\u{2010}'..='\u{2044}' | '€' | '™' | '\u{1f300}'..='\u{1faff}')
}

/// Letters and signs of western European languages: two bytes (`Ã©`, `Â£`).
fn is_likely(c: char) -> bool {
    matches!(c, '\u{a0}'..='\u{ff}')
}

/// Returns the byte of a character in Windows-1252, or in Latin-1.
fn windows_byte(c: char) -> Option<u8> {
    match c {
        '\u{80}'..='\u{ff}' => Some(u32::from(c) as u8),
        _ => WINDOWS.iter().position(|&known| known == c).map(|at| 0x80 + at as u8),
    }
}

fn windows_char(byte: u8) -> char {
    match byte {
        0x80..=0x9f => WINDOWS[usize::from(byte) - 0x80],
        byte => char::from(byte),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns a text in UTF-8 as it looks when it is read as Windows-1252.
    fn misread(text: &str) -> String {
        text.bytes().map(|byte| if byte < 0x80 { char::from(byte) } else { windows_char(byte) }).collect()
    }

    #[test]
    fn misread_texts_are_found_and_turned_back() {
        for text in
            ["don’t", "naïve café", "5 £ – “so”", "für Größe", "привет", "日本語です", "señor 😀", "Ça va à peu près"]
        {
            let (points, repaired) = examine(&misread(text)).expect(text);
            assert_eq!((repaired.as_str(), points > 0), (text, true));
        }
        let twice = misread(&misread("don’t"));
        assert!(examine(&twice).is_some_and(|(points, _)| points >= CERTAIN), "{twice}");
        assert!(examine("lost \u{fffd} character").is_some_and(|(points, _)| points >= CERTAIN));
        assert!(examine("cp1252 as latin-1: it\u{92}s").is_some_and(|(points, _)| points >= CERTAIN));
    }

    #[test]
    fn honest_texts_are_left_alone() {
        for text in [
            "plain",
            "naïve café, 5 £, “so” – ‘it’…",
            "für Größe, NÃO, ÂNGELA, CAFÉ”",
            "привет мир",
            "日本語です 。",
            "‘À’ «É» ÀÉÎ",
            "Œuvre ™ ® © °C ½ € 5",
            "😀 ❤️ ¿Qué? ¡Sí!",
            "Türkçe İstanbul ığ Şş",
            "Tiếng Việt có dấu ÃÂ",
            "ελληνικά · עברית · العربية",
        ] {
            assert_eq!(examine(text), None, "{text}");
        }
    }
}
