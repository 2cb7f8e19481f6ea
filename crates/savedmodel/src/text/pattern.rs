//! RE2 patterns and their rewrites, as `RegexReplace` runs them, on top of the crate `regex`.
//!
//! Both engines search left to right without look-around and back-references, but differ in details. A pattern is
//! parsed, parts with another meaning are rewritten (`\d`, `\s`, `\w` and `\b` are ASCII in RE2, `\pP` gets [its own
//! ranges](super::punctuation::RANGES)), and what RE2 lacks or reads differently is refused. Other Unicode classes
//! use the crate's own, newer tables. On bytes that aren't UTF-8, negated classes and `.` may differ.

use std::borrow::Cow;
use std::ops::Range;

use regex::bytes::{Regex, RegexBuilder};
use regex_syntax::ast::{
    self, AssertionKind, Ast, ClassPerlKind, ClassSetItem, ClassUnicodeKind, Flag, FlagsItemKind, GroupKind,
    HexLiteralKind, LiteralKind, RepetitionKind, RepetitionRange,
};

use super::punctuation::{self, RANGES};

/// The maximum length of a pattern, in bytes.
const MAX_PATTERN: usize = 1 << 12;
/// The maximum size of a compiled pattern, in bytes.
const MAX_COMPILED: usize = 1 << 20;

/// A replacement of the matches of a pattern.
#[derive(Debug)]
pub enum Replace {
    /// Removes every match of `\pP`.
    Punctuation,
    /// Any other replacement.
    Matches {
        /// The pattern.
        regex: Regex,
        /// The rewrite.
        rewrite: Vec<Piece>,
        /// Whether every match is replaced, or only the first.
        global: bool,
    },
}

/// A part of a rewrite.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// These bytes.
    Literal(Vec<u8>),
    /// The text matched by a group; 0 is the whole match.
    Group(usize),
}

impl Replace {
    /// Parses an RE2 pattern and its rewrite.
    ///
    /// # Errors
    /// When the pattern isn't an RE2 pattern, or uses something unsupported.
    pub fn new(pattern: &[u8], rewrite: &[u8], global: bool) -> Result<Self, String> {
        if pattern == br"\pP" && rewrite.is_empty() && global {
            return Ok(Self::Punctuation);
        }
        let fault = |reason: String| format!("the pattern {:?} {reason}", String::from_utf8_lossy(pattern));
        let regex = compiled(pattern).map_err(fault)?;
        let rewrite = pieces(rewrite, regex.captures_len()).map_err(fault)?;
        Ok(Self::Matches { regex, rewrite, global })
    }

    /// Returns the maximum length of the result for a text of `len` bytes: every match is at least one byte long.
    pub fn longest(&self, len: usize) -> Option<usize> {
        match self {
            Self::Punctuation => Some(len),
            Self::Matches { rewrite, .. } => {
                let literal: usize = rewrite.iter().map(|p| if let Piece::Literal(l) = p { l.len() } else { 1 }).sum();
                len.checked_mul(literal.checked_add(1)?)
            }
        }
    }

    /// Returns the text with its matches replaced; the text itself if there are none.
    pub fn apply<'t>(&self, text: &'t [u8]) -> Cow<'t, [u8]> {
        match self {
            Self::Punctuation => punctuation::removed(text),
            Self::Matches { regex, rewrite, global } => {
                let limit = if *global { usize::MAX } else { 1 };
                replaced(text, regex, rewrite, limit)
            }
        }
    }
}

fn replaced<'t>(text: &'t [u8], regex: &Regex, rewrite: &[Piece], limit: usize) -> Cow<'t, [u8]> {
    if !regex.is_match(text) {
        return Cow::Borrowed(text);
    }
    let mut out = Vec::with_capacity(text.len());
    let mut end = 0;
    for captures in regex.captures_iter(text).take(limit) {
        let Some(whole) = captures.get(0) else { continue };
        out.extend_from_slice(&text[end..whole.start()]);
        for piece in rewrite {
            match piece {
                Piece::Literal(bytes) => out.extend_from_slice(bytes),
                Piece::Group(group) => out.extend_from_slice(captures.get(*group).map_or(&[], |m| m.as_bytes())),
            }
        }
        end = whole.end();
    }
    out.extend_from_slice(&text[end..]);
    Cow::Owned(out)
}

/// Parses a rewrite: `\0` to `\9` are groups, `\\` is a backslash.
fn pieces(rewrite: &[u8], groups: usize) -> Result<Vec<Piece>, String> {
    let mut pieces = Vec::new();
    let mut literal = Vec::new();
    let mut bytes = rewrite.iter();
    while let Some(&byte) = bytes.next() {
        match (byte, if byte == b'\\' { bytes.next() } else { None }) {
            (b'\\', Some(b'\\')) => literal.push(b'\\'),
            (b'\\', Some(digit @ b'0'..=b'9')) => {
                let group = usize::from(digit - b'0');
                if group >= groups {
                    return Err(format!("has no group {group}, which its rewrite names"));
                }
                pieces.push(Piece::Literal(std::mem::take(&mut literal)));
                pieces.push(Piece::Group(group));
            }
            (b'\\', _) => return Err("has a rewrite that ends or goes on wrongly after a backslash".to_owned()),
            (byte, _) => literal.push(byte),
        }
    }
    pieces.push(Piece::Literal(literal));
    Ok(pieces)
}

fn compiled(pattern: &[u8]) -> Result<Regex, String> {
    let text = std::str::from_utf8(pattern).map_err(|_| "isn't UTF-8".to_owned())?;
    if text.len() > MAX_PATTERN {
        return Err(format!("is longer than {MAX_PATTERN} bytes"));
    }
    let parsed = ast::parse::ParserBuilder::new().nest_limit(64).build().parse(text);
    let parsed = parsed.map_err(|e| format!("isn't supported: {}", e.kind()))?;
    let Translation { edits, .. } = ast::visit(&parsed, Translation { text, ..Translation::default() })?;
    let mut translated = text.to_owned();
    for (span, by) in edits.into_iter().rev() {
        translated.replace_range(span, &by);
    }
    let hir = regex_syntax::ParserBuilder::new().utf8(false).nest_limit(64).build().parse(&translated);
    if hir.map_err(|_| "isn't supported")?.properties().minimum_len() == Some(0) {
        return Err("matches the empty text, which isn't supported".to_owned());
    }
    let built =
        RegexBuilder::new(&translated).size_limit(MAX_COMPILED).dfa_size_limit(MAX_COMPILED).nest_limit(64).build();
    built.map_err(|e| match e {
        regex::Error::CompiledTooBig(_) => "is too large".to_owned(),
        _ => "isn't supported".to_owned(),
    })
}

/// The parts of a pattern that have to be written differently, by position.
#[derive(Default)]
struct Translation<'p> {
    text: &'p str,
    edits: Vec<(Range<usize>, String)>,
    folds_case: bool,
    has_class: bool,
}

impl Translation<'_> {
    fn refuse<T>(&self, span: &ast::Span) -> Result<T, String> {
        Err(format!("contains {:?}, which isn't supported", &self.text[span.start.offset..span.end.offset]))
    }

    fn edit(&mut self, span: &ast::Span, by: String) {
        self.has_class = true;
        self.edits.push((span.start.offset..span.end.offset, by));
    }

    /// Writes a class, in brackets of its own unless it is in brackets already.
    fn class(&mut self, span: &ast::Span, members: &str, negated: bool, bracketed: bool) -> Result<(), String> {
        match (negated, bracketed) {
            (true, true) => return self.refuse(span),
            (true, false) => self.edit(span, format!("[^{members}]")),
            (false, true) => self.edit(span, members.to_owned()),
            (false, false) => self.edit(span, format!("[{members}]")),
        }
        Ok(())
    }

    fn perl(&mut self, class: &ast::ClassPerl, bracketed: bool) -> Result<(), String> {
        let members = match class.kind {
            ClassPerlKind::Digit => "0-9",
            ClassPerlKind::Space => r"\t\n\f\r\x20",
            ClassPerlKind::Word => "0-9A-Za-z_",
        };
        self.class(&class.span, members, class.negated, bracketed)
    }

    fn unicode(&mut self, class: &ast::ClassUnicode, bracketed: bool) -> Result<(), String> {
        match &class.kind {
            ClassUnicodeKind::NamedValue { .. } => self.refuse(&class.span),
            ClassUnicodeKind::OneLetter('P') => self.class(&class.span, &punctuation(), class.is_negated(), bracketed),
            ClassUnicodeKind::Named(name) if name == "P" => {
                self.class(&class.span, &punctuation(), class.is_negated(), bracketed)
            }
            // The ranges of RE2's version are only known for all punctuation, not for its subcategories.
            ClassUnicodeKind::Named(name) if name.starts_with('P') => self.refuse(&class.span),
            ClassUnicodeKind::OneLetter(_) | ClassUnicodeKind::Named(_) => Ok(()),
        }
    }

    fn flags(&mut self, flags: &ast::Flags) -> Result<(), String> {
        for item in &flags.items {
            match item.kind {
                FlagsItemKind::Flag(Flag::CaseInsensitive) => self.folds_case = true,
                FlagsItemKind::Negation
                | FlagsItemKind::Flag(Flag::MultiLine | Flag::DotMatchesNewLine | Flag::SwapGreed) => {}
                FlagsItemKind::Flag(Flag::Unicode | Flag::CRLF | Flag::IgnoreWhitespace) => {
                    return self.refuse(&item.span);
                }
            }
        }
        Ok(())
    }

    fn literal(&self, literal: &ast::Literal) -> Result<(), String> {
        match literal.kind {
            LiteralKind::HexFixed(HexLiteralKind::UnicodeShort | HexLiteralKind::UnicodeLong) => {
                self.refuse(&literal.span)
            }
            LiteralKind::HexBrace(HexLiteralKind::UnicodeShort | HexLiteralKind::UnicodeLong) => {
                self.refuse(&literal.span)
            }
            _ => Ok(()),
        }
    }

    fn repetition(&self, op: &ast::RepetitionOp) -> Result<(), String> {
        let RepetitionKind::Range(range) = &op.kind else { return Ok(()) };
        // RE2 takes `{,n}` and `{ n }` literally, and no more than 1000 repetitions.
        let written = &self.text[op.span.start.offset..op.span.end.offset];
        let plain = written.bytes().all(|b| b.is_ascii_digit() || b"{},?".contains(&b)) && !written.starts_with("{,");
        let most = match *range {
            RepetitionRange::Exactly(n) | RepetitionRange::AtLeast(n) | RepetitionRange::Bounded(_, n) => n,
        };
        if plain && most <= 1000 { Ok(()) } else { self.refuse(&op.span) }
    }
}

impl ast::Visitor for Translation<'_> {
    type Output = Self;
    type Err = String;

    fn finish(self) -> Result<Self, String> {
        match self.folds_case && self.has_class {
            true => Err("folds the case of a class, which isn't supported".to_owned()),
            false => Ok(self),
        }
    }

    fn visit_pre(&mut self, ast: &Ast) -> Result<(), String> {
        match ast {
            Ast::Flags(set) => self.flags(&set.flags),
            Ast::Group(group) => match &group.kind {
                GroupKind::NonCapturing(flags) => self.flags(flags),
                GroupKind::CaptureIndex(_) | GroupKind::CaptureName { .. } => Ok(()),
            },
            Ast::Literal(literal) => self.literal(literal),
            Ast::ClassPerl(class) => self.perl(class, false),
            Ast::ClassUnicode(class) => self.unicode(class, false),
            Ast::Repetition(repetition) => self.repetition(&repetition.op),
            Ast::Assertion(assertion) => match assertion.kind {
                AssertionKind::StartLine
                | AssertionKind::EndLine
                | AssertionKind::StartText
                | AssertionKind::EndText => Ok(()),
                AssertionKind::WordBoundary => {
                    self.edits.push((assertion.span.start.offset..assertion.span.end.offset, r"(?-u:\b)".to_owned()));
                    Ok(())
                }
                _ => self.refuse(&assertion.span),
            },
            Ast::Empty(_) | Ast::Dot(_) | Ast::ClassBracketed(_) | Ast::Alternation(_) | Ast::Concat(_) => Ok(()),
        }
    }

    fn visit_class_set_item_pre(&mut self, item: &ClassSetItem) -> Result<(), String> {
        match item {
            ClassSetItem::Literal(literal) => self.literal(literal),
            ClassSetItem::Range(range) => self.literal(&range.start).and_then(|()| self.literal(&range.end)),
            ClassSetItem::Unicode(class) => self.unicode(class, true),
            ClassSetItem::Perl(class) => self.perl(class, true),
            // RE2 has no classes within classes.
            ClassSetItem::Bracketed(class) => self.refuse(&class.span),
            ClassSetItem::Empty(_) | ClassSetItem::Ascii(_) | ClassSetItem::Union(_) => Ok(()),
        }
    }

    fn visit_class_set_binary_op_pre(&mut self, op: &ast::ClassSetBinaryOp) -> Result<(), String> {
        self.refuse(&op.span)
    }
}

/// Returns the members of the class P.
fn punctuation() -> String {
    RANGES.iter().map(|(first, last)| format!(r"\x{{{first:x}}}-\x{{{last:x}}}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn replace(pattern: &str, rewrite: &str, text: &str) -> String {
        let replace = Replace::new(pattern.as_bytes(), rewrite.as_bytes(), true).expect(pattern);
        String::from_utf8(replace.apply(text.as_bytes()).into_owned()).expect("UTF-8")
    }

    /// Expected values from `tf.strings.regex_replace` of TensorFlow 2.21.
    #[test]
    fn patterns_match_as_in_re2() {
        for (pattern, rewrite, text, expected) in [
            (r"\pP", "_", "a–b.", "a_b_"),
            (r"[\pP]+", "", "a–b..", "ab"),
            (r"\PP+", "x", "ab.c", "x.x"),
            (r"(\w+) (\w+)", r"\2 \1", "ab cd ef", "cd ab ef"),
            (r"(?i)k", "x", "k\u{212a}K", "xxx"),
            (r"\s", "_", "\x0b\t\x0c", "\x0b__"),
            (r"\d", "9", "\u{0663}7", "\u{0663}9"),
            (r"[^a-z]", r"\\", "aé b", r"a\\b"),
            (r"a{2,3}", "x", "aaaaa", "xx"),
            (r"\bé", "x", "é aé", "é ax"),
        ] {
            assert_eq!(replace(pattern, rewrite, text), expected, "{pattern}");
        }
    }

    #[test]
    fn a_replacement_may_stop_after_the_first() {
        let replace = Replace::new(b"a", b"b", false).expect("read");
        assert_eq!(replace.apply(b"aaa").as_ref(), b"baa");
    }

    #[test]
    fn what_re2_reads_differently_is_refused() {
        let long = "a".repeat(MAX_PATTERN + 1);
        for pattern in [
            r"a*",
            r"[a&&b]",
            r"[[a]]",
            r"(?x)a b",
            r"a{,3}",
            r"\Bx",
            r"[\D]",
            r"(?i)\w",
            r"(",
            r"a{1000}{1000}",
            r"\u0041",
            r"\p{Pd}",
            &long,
        ] {
            Replace::new(pattern.as_bytes(), b"", true).expect_err(pattern);
        }
        Replace::new(b"\xff", b"", true).expect_err("not UTF-8");
        for rewrite in [r"\1", "\\", r"\x"] {
            Replace::new(b"a", rewrite.as_bytes(), true).expect_err(rewrite);
        }
    }
}
