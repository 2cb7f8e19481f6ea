//! Detects a file type by its signature ("magic number").
//!
//! | kind | bytes |
//! |---|---|
//! | Git LFS pointer | `version https://git-lfs` |
//! | gzip, Zstandard, zip | `1f 8b`; `28 b5 2f fd`; `PK 03 04` or `PK 05 06` |
//! | bzip2, xz, 7-Zip, RAR, LZ4 | `BZh` a digit `31 41 59 26 53 59`; `fd 37 7a 58 5a 00`; `7z bc af 27 1c`; `Rar! 1a 07`; `04 22 4d 18` |
//! | tar | `ustar` at 257 |
//! | Office before 2007 | `d0 cf 11 e0 a1 b1 1a e1` |
//! | UTF-16, UTF-32 | a byte order mark, or zeros in every other byte |
//! | TensorFlow Lite | `TFL3` at 4, after a small u32 |
//! | AppleDouble, AppleSingle | `00 05 16 07`, `00 05 16 00` |
//! | pickle | `80`, a protocol of 2 to 5 |
//! | Parquet, Arrow | `PAR1` and a control character; `ARROW1 00 00` |
//! | HDF5, NumPy, SQLite, PDF | `89 HDF 0d 0a 1a 0a`; `93 NUMPY`; `SQLite format 3 00`; `%PDF-` and a digit |
//! | safetensors | u64 LE length of a header that begins with `{` |
//! | GGUF, fastText, finalfusion | `GGUF` and a small u32; `ba 16 4f 2f`; `FiFu` and a small u32 |
//!
//! A signature that a text could begin with is followed by a check for a byte that no text contains.

use super::Kind;

/// Maximum header length in bytes that is accepted as that of a safetensors file.
const MAX_HEADER: u64 = 100 << 20;
/// Number of bytes from which the encoding of a text without a byte order mark is detected.
const SAMPLE: usize = 256;

/// Detects the type of a file by its first bytes; `None` if it is unknown. `head`: the first [`HEAD`](super::HEAD) bytes of
/// the file, at least 300 if the file has that many.
pub fn kind(head: &[u8]) -> Option<Kind> {
    compressed(head)
        .or_else(|| binary(head))
        .or_else(|| wide_text(head))
        .or_else(|| std::str::from_utf8(whole_characters(head)).ok().and_then(text))
}

/// Detects archives and compressed files.
fn compressed(head: &[u8]) -> Option<Kind> {
    let others: [(&[u8], &str); 5] = [
        (b"\xfd7zXZ\0", "xz"),
        (b"7z\xbc\xaf\x27\x1c", "7-Zip"),
        (b"Rar!\x1a\x07", "RAR"),
        (b"\x04\x22\x4d\x18", "LZ4"),
        (b"\x1f\x9d", "compress"),
    ];
    if head.starts_with(b"\x1f\x8b") {
        Some(Kind::Gzip)
    } else if head.starts_with(b"\x28\xb5\x2f\xfd") {
        Some(Kind::Zstd)
    } else if head.starts_with(b"PK\x03\x04") || head.starts_with(b"PK\x05\x06") {
        Some(zip(head))
    } else if head.starts_with(b"BZh") && head.get(4..10) == Some(b"1AY&SY") {
        Some(Kind::OtherArchive("bzip2"))
    } else if head.get(257..262) == Some(b"ustar") {
        Some(Kind::OtherArchive(super::TAR))
    } else {
        others.iter().find(|(magic, _)| head.starts_with(magic)).map(|(_, name)| Kind::OtherArchive(name))
    }
}

/// Detects the format of a zip archive by the names of its first members, which are stored uncompressed.
fn zip(head: &[u8]) -> Kind {
    let holds = |name: &str| head.windows(name.len()).any(|window| window == name.as_bytes());
    if holds("xl/workbook")
        || holds("xl/worksheets")
        || holds("xl/_rels")
        || holds("application/vnd.oasis.opendocument.spreadsheet")
    {
        Kind::Workbook
    } else if holds("data.pkl") || holds("/.format_version") {
        Kind::PyTorch
    } else if holds("word/") || holds("ppt/") || holds("application/vnd.oasis.opendocument") {
        Kind::OfficeDocument
    } else if holds("[Content_Types].xml") || holds("_rels/.rels") {
        // Only the parts that all office formats share are visible; in place of a table, a workbook is the most likely.
        Kind::Workbook
    } else if head.get(30..).is_some_and(|names| names.windows(4).take(256).any(|window| window == b".npy")) {
        Kind::Npy
    } else {
        Kind::Zip
    }
}

/// Detects binary formats by their own signatures.
fn binary(head: &[u8]) -> Option<Kind> {
    let number = |at: usize| head.get(at..at + 4).and_then(|bytes| bytes.try_into().ok()).map(u32::from_le_bytes);
    let is_small = |at: usize| number(at).is_some_and(|number| number < 1 << 16);
    let fixed: [(&[u8], Kind); 9] = [
        (b"\0\x05\x16\x07", Kind::AppleDouble),
        (b"\0\x05\x16\0", Kind::AppleDouble),
        (b"\x89HDF\r\n\x1a\n", Kind::Hdf5),
        (b"\x93NUMPY", Kind::Npy),
        (b"SQLite format 3\0", Kind::Sqlite),
        (b"ARROW1\0\0", Kind::Arrow),
        (b"\xba\x16\x4f\x2f", Kind::FastText),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", Kind::Workbook),
        (b"version https://git-lfs", Kind::GitLfsPointer),
    ];
    if let Some((_, kind)) = fixed.iter().find(|(magic, _)| head.starts_with(magic)) {
        return Some(*kind);
    }
    match head {
        [0x80, 2..=5, ..] => Some(Kind::Pickle),
        [b'%', b'P', b'D', b'F', b'-', b'0'..=b'9', ..] => Some(Kind::Pdf),
        [b'P', b'A', b'R', b'1' | b'E', next, ..] if next.is_ascii_control() && !next.is_ascii_whitespace() => {
            Some(Kind::Parquet)
        }
        [b'F', b'i', b'F', b'u', ..] if is_small(4) => Some(Kind::Finalfusion),
        [b'G', b'G', b'U', b'F', ..] if is_small(4) => Some(Kind::Gguf),
        [_, _, _, _, b'T', b'F', b'L', b'3', ..] if is_small(0) => Some(Kind::TfLite),
        _ if is_safetensors(head) => Some(Kind::Safetensors),
        _ => None,
    }
}

fn is_safetensors(head: &[u8]) -> bool {
    let Some((length, rest)) = head.split_first_chunk::<8>() else { return false };
    (2..MAX_HEADER).contains(&u64::from_le_bytes(*length)) && rest.first() == Some(&b'{')
}

/// Detects UTF-16 and UTF-32 by their byte order mark, or by the zero bytes of Western text: in UTF-16LE, `a,b` is
/// `61 00 2c 00 62 00`.
fn wide_text(head: &[u8]) -> Option<Kind> {
    match head {
        [0xff, 0xfe, 0, 0, ..] | [0, 0, 0xfe, 0xff, ..] => return Some(Kind::Utf32),
        [0xff, 0xfe, ..] => return Some(Kind::Utf16 { big_endian: false, marked: true }),
        [0xfe, 0xff, ..] => return Some(Kind::Utf16 { big_endian: true, marked: true }),
        _ => {}
    }
    // Counts zeros at each offset modulo 4, scaled to the sample's length; a single NUL in a text must not match.
    let sample = &head[..head.len().min(SAMPLE) & !3];
    let zeros = |offset: usize| sample.iter().skip(offset).step_by(4).filter(|&&byte| byte == 0).count() * 4;
    let (zeros, length) = ([zeros(0), zeros(1), zeros(2), zeros(3)], sample.len());
    let (mostly, hardly) = (|zeros: usize| zeros * 4 >= length * 3, |zeros: usize| zeros * 4 <= length);
    match zeros {
        _ if length < 8 => None,
        [a, b, c, d] if hardly(a) && mostly(b) && mostly(c) && mostly(d) => Some(Kind::Utf32),
        [a, b, c, d] if mostly(a) && mostly(b) && mostly(c) && hardly(d) => Some(Kind::Utf32),
        [a, b, c, d] if hardly(a) && mostly(b) && hardly(c) && mostly(d) && is_printable(sample, 0) => {
            Some(Kind::Utf16 { big_endian: false, marked: false })
        }
        [a, b, c, d] if mostly(a) && hardly(b) && mostly(c) && hardly(d) && is_printable(sample, 1) => {
            Some(Kind::Utf16 { big_endian: true, marked: false })
        }
        _ => None,
    }
}

/// Returns whether the low bytes of UTF-16 are those of text, without control characters.
fn is_printable(sample: &[u8], offset: usize) -> bool {
    sample.iter().skip(offset).step_by(2).all(|&byte| !byte.is_ascii_control() || byte.is_ascii_whitespace())
}

/// Returns the bytes without an incomplete UTF-8 character at the end of the head.
fn whole_characters(head: &[u8]) -> &[u8] {
    match std::str::from_utf8(head) {
        Err(error) if error.error_len().is_none() && head.len() >= super::HEAD => &head[..error.valid_up_to()],
        _ => head,
    }
}

/// Detects types of UTF-8 text.
fn text(text: &str) -> Option<Kind> {
    let is_binary = |c: char| c.is_ascii_control() && !matches!(c, '\t' | '\n' | '\r' | '\x0c' | '\x1b');
    let trimmed = text.trim_start_matches('\u{feff}').trim_start();
    if trimmed.is_empty() || text.contains(is_binary) {
        return None;
    }
    let start: String = trimmed.chars().take(1024).collect::<String>().to_ascii_lowercase();
    if start.starts_with("<!doctype html") || is_page(&start) {
        Some(Kind::Html)
    } else if start.starts_with("<?xml") {
        Some(if is_page(start.split_once("?>").map_or("", |(_, rest)| rest.trim_start())) {
            Kind::Html
        } else {
            Kind::Xml
        })
    } else if start.starts_with("saved_model_schema_version:")
        || start.starts_with("meta_graphs {")
        || start.starts_with("node {")
    {
        Some(Kind::GraphText)
    } else {
        Some(Kind::Text)
    }
}

/// Returns whether a text is an HTML page; a text that only mentions tags is not.
fn is_page(start: &str) -> bool {
    let is_tag = start.strip_prefix("<html").is_some_and(|rest| rest.starts_with(['>', ' ', '\n', '\r', '\t']));
    start.starts_with("<!doctype html")
        || is_tag && ["<head", "<body", "<title", "<meta"].iter().any(|tag| start.contains(tag))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_signature_is_recognised() {
        let mut safetensors = 16_u64.to_le_bytes().to_vec();
        safetensors.extend(b"{\"a\":{}}");
        let mut tar = vec![b'a'; 257];
        tar.extend(b"ustar\0");
        let wide = |text: &str, big: bool| -> Vec<u8> {
            text.encode_utf16().flat_map(|unit| if big { unit.to_be_bytes() } else { unit.to_le_bytes() }).collect()
        };
        let cases: [(&[u8], Kind); 33] = [
            (b"version https://git-lfs.github.com/spec/v1\noid sha256:4d\nsize 1\n", Kind::GitLfsPointer),
            (b"\x1f\x8b\x08", Kind::Gzip),
            (b"\x28\xb5\x2f\xfd\0", Kind::Zstd),
            (b"BZh91AY&SY", Kind::OtherArchive("bzip2")),
            (b"\xfd7zXZ\0\0", Kind::OtherArchive("xz")),
            (&tar, Kind::OtherArchive("tar")),
            (b"PK\x03\x04\x14\0\x06\0a.csv", Kind::Zip),
            (b"PK\x03\x04\x14\0\x06\0[Content_Types].xml", Kind::Workbook),
            (b"PK\x03\x04\x14\0\x06\0[Content_Types].xml..word/document.xml", Kind::OfficeDocument),
            (b"PK\x03\x04\0\0archive/data.pkl", Kind::PyTorch),
            (b"PK\x03\x04\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0a.npy", Kind::Npy),
            (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", Kind::Workbook),
            (b"<!DOCTYPE html>\n<html>", Kind::Html),
            (b"\n<html lang=\"en\"><head>", Kind::Html),
            (b"<?xml version=\"1.0\"?><Error><Code>AccessDenied</Code>", Kind::Xml),
            (b"\xff\xfeg\0o\0", Kind::Utf16 { big_endian: false, marked: true }),
            (b"\xfe\xff\0g\0o", Kind::Utf16 { big_endian: true, marked: true }),
            (&wide("text,label\r\n", false), Kind::Utf16 { big_endian: false, marked: false }),
            (&wide("text,label\r\n", true), Kind::Utf16 { big_endian: true, marked: false }),
            (b"\xff\xfe\0\0g\0\0\0", Kind::Utf32),
            (b"g\0\0\0o\0\0\0o\0\0\0", Kind::Utf32),
            (b"\x1c\0\0\0TFL3\x14\0", Kind::TfLite),
            (b"saved_model_schema_version: 1\nmeta_graphs {", Kind::GraphText),
            (b"\0\x05\x16\x07\0\x02", Kind::AppleDouble),
            (b"\x80\x04\x95", Kind::Pickle),
            (b"PAR1\x15\x04", Kind::Parquet),
            (b"ARROW1\0\0", Kind::Arrow),
            (b"\x89HDF\r\n\x1a\n", Kind::Hdf5),
            (&safetensors, Kind::Safetensors),
            (b"GGUF\x03\0\0\0", Kind::Gguf),
            (b"SQLite format 3\0", Kind::Sqlite),
            (b"%PDF-1.7", Kind::Pdf),
            ("text,label\nä,1\n".as_bytes(), Kind::Text),
        ];
        for (head, expected) in cases {
            assert_eq!(kind(head), Some(expected), "{}", String::from_utf8_lossy(head));
        }
    }

    #[test]
    fn a_text_is_never_taken_for_a_format() {
        for text in [
            "PAR1,PAR2\n1,2\n",
            "PK\n1\n",
            "GGUF is a format\n",
            "FiFu\n",
            "%PDF-readers\n",
            "<html> is a tag\n",
            "BZh9 was here\n",
            "abcdTFL3\n",
            "SQLite format 3 is old\n",
            "7z or Rar!\n",
        ] {
            assert_eq!(kind(text.as_bytes()), Some(Kind::Text), "{text}");
        }
        assert_eq!(kind("日本語の文".repeat(9).as_bytes()), Some(Kind::Text));
        assert_eq!(kind(b""), None);
        assert_eq!(kind(b"a\0b"), None);
    }

    #[test]
    fn a_character_that_the_head_cuts_is_no_fault() {
        let text = format!("a{}", "é".repeat(super::super::HEAD));
        assert_eq!(kind(&text.as_bytes()[..super::super::HEAD]), Some(Kind::Text));
    }

    #[test]
    fn no_head_panics() {
        let mut state = 1_u32;
        for length in 0..600 {
            let bytes: Vec<u8> = (0..length)
                .map(|_| {
                    state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    (state >> 24) as u8
                })
                .collect();
            kind(&bytes);
            kind(&vec![0; length]);
        }
    }
}
