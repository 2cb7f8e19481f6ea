//! Files of every format: written by the tests, real ones, and damaged ones.

use std::fs;
use std::io::Write;
use std::path::PathBuf;

use emberline_test_support::shared;
use flate2::Compression;
use flate2::write::GzEncoder;
use tempfile::TempDir;
use wordvectors::MAX_WORD;

use super::*;

mod fasttext;
mod finalfusion;
mod settings;

const WORDS: [&str; 4] = ["the", "India", "is", "?"];
const TEXTS: [&str; 2] = ["The India is, is it?", "unknown"];

fn vector(word: usize) -> [f32; 3] {
    [word as f32 + 0.25, -1.5, 1e-5 * word as f32]
}

fn binary(line_feeds: bool) -> Vec<u8> {
    let mut bytes = b"4 3\n".to_vec();
    for (at, word) in WORDS.iter().enumerate() {
        bytes.extend(word.bytes().chain([b' ']));
        bytes.extend(vector(at).iter().flat_map(|v| v.to_le_bytes()));
        bytes.extend(line_feeds.then_some(b'\n'));
    }
    bytes
}

fn text(header: &str, end: &str) -> Vec<u8> {
    let mut text = header.to_owned();
    for (at, word) in WORDS.iter().enumerate() {
        let [a, b, c] = vector(at);
        text += &format!("{word} {a} {b} {c:e}{end}");
    }
    text.into_bytes()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).expect("in memory");
    encoder.finish().expect("in memory")
}

fn settings(path: impl Into<PathBuf>) -> Settings {
    Settings {
        path: path.into(),
        url: None,
        sha256: None,
        combiner: Combiner::Mean,
        tokens: Tokens::Auto,
        lowercase: None,
        digits_as_hash: false,
        pre_normalize: false,
        weights: None,
        normalize: false,
        dim: None,
        reduce: None,
        quantize: crate::Quantize::F32,
        trainable: false,
    }
}

struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a folder"))
    }

    fn open_for(&self, bytes: &[u8], texts: &[&str]) -> Result<WordVectors, Error> {
        fs::write(self.0.path().join("vectors"), bytes).expect("written");
        open(&settings("vectors"), self.0.path(), Texts { all: texts, train: &[] })
    }

    fn open(&self, bytes: &[u8]) -> Result<WordVectors, Error> {
        self.open_for(bytes, &TEXTS)
    }

    /// Returns the error message about a file.
    fn refusal(&self, bytes: &[u8]) -> String {
        let message = match self.open(bytes) {
            Ok(_) => panic!("read without complaint"),
            Err(error) => error.to_string(),
        };
        assert!(message.starts_with(&self.0.path().display().to_string()), "{message}");
        message
    }
}

fn rows_of(vectors: &WordVectors, text: &str) -> Vec<Vec<f32>> {
    let mut ids = Vec::new();
    vectors.token_ids(text.as_bytes(), &mut ids);
    ids.into_iter().map(|id| vectors.row(id).to_vec()).collect()
}

/// The counts don't depend on whether a chunk occurred when the file was opened.
#[test]
fn known_words_are_counted_in_known_and_new_texts() {
    let vectors = Folder::new().open(&binary(true)).expect("readable");
    for (text, all, known) in [("The India is, is it?", 5, 4), ("unknown", 1, 0), ("is it new?", 3, 1), ("?", 0, 0)] {
        let words = vectors.token_ids(text.as_bytes(), &mut Vec::new());
        assert_eq!(words, WordCounts { all, known, composed: 0 }, "{text}");
    }
}

/// `pre_normalize` leaves words whose vector is zero out of texts: they aren't known.
#[test]
fn a_word_that_is_left_out_is_not_known() {
    let folder = Folder::new();
    fs::write(folder.0.path().join("vectors"), "the 0 0\nis 1 2\n").expect("written");
    let settings = Settings { pre_normalize: true, ..settings("vectors") };
    let vectors = open(&settings, folder.0.path(), Texts { all: &["the is"], train: &[] }).expect("readable");
    let mut ids = Vec::new();
    assert_eq!(vectors.token_ids(b"the is", &mut ids), WordCounts { all: 2, known: 1, composed: 0 });
    assert_eq!(ids.len(), 1);
}

#[test]
fn every_format_gives_the_same_rows() {
    let (header, bom) = ("4 3\n", "\u{feff}4 3\r\n");
    let files = [
        binary(true),
        binary(false),
        text(header, "\n"),
        text(header, " \n"),
        text(bom, "\r\n"),
        text("", "\n"),
        text("", "\n\n"),
        String::from_utf8(text(header, "\n")).expect("text").replace(' ', "\t").into_bytes(),
        String::from_utf8(text("", "\n")).expect("text").replace(' ', "  ").into_bytes(),
        text(header, "\n").strip_suffix(b"\n").expect("a line feed").to_vec(),
    ];
    let folder = Folder::new();
    for file in &files {
        for bytes in [file.clone(), gzip(file), [gzip(&file[..9]), gzip(&file[9..])].concat()] {
            let vectors = folder.open(&bytes).expect("readable");
            assert_eq!((vectors.dim(), vectors.table_rows(), vectors.rows()), (3, 4, 4));
            let expected: Vec<_> = [0, 1, 2, 2, 3].map(|word| vector(word).to_vec()).to_vec();
            assert_eq!(rows_of(&vectors, TEXTS[0]), expected);
            assert!(rows_of(&vectors, TEXTS[1]).is_empty());
        }
    }
}

#[test]
fn only_words_of_the_texts_are_kept() {
    let vectors = Folder::new().open_for(&binary(true), &["is"]).expect("readable");
    assert_eq!((vectors.rows(), vectors.table_rows(), vectors.table.values.capacity() < 12), (1, 4, true));
    assert!(rows_of(&vectors, "India").is_empty());
    let none = Folder::new().open_for(&binary(true), &[]).expect("readable");
    assert_eq!(none.rows(), 0);
}

#[test]
fn the_first_of_two_equal_words_wins() {
    let vectors = Folder::new().open(b"is 1 2\nis 3 4\nthe 5 6\n").expect("readable");
    assert_eq!(rows_of(&vectors, "is the"), [[1., 2.], [5., 6.]]);
    assert_eq!(vectors.table_rows(), 3);
}

#[test]
fn words_may_hold_spaces_and_odd_bytes() {
    let file = b". . . 1 2 3\nat a@b.c 4 5 6\nis\xa0 7 8 9\n\xe2\x80\xa8is 1 1 1\nis 2 2 2\n 3 3 3\n";
    let header = [b"6 3\n".as_slice(), file].concat();
    for bytes in [file.as_slice(), &header] {
        let vectors = Folder::new().open(bytes).expect("readable");
        assert_eq!((vectors.table_rows(), rows_of(&vectors, "is")), (6, vec![vec![2.; 3]]));
    }
    let cut_utf8 = [b"2 1\n\xe2\x82 \0\0\x80\x3fis \0\0\0\x40".as_slice()].concat();
    assert_eq!(rows_of(&Folder::new().open(&cut_utf8).expect("readable"), "is"), [[2.0]]);
}

#[test]
fn a_file_cut_off_anywhere_is_refused() {
    let folder = Folder::new();
    for whole in [binary(true), binary(false), text("4 3\n", "\n"), gzip(&binary(true)), gzip(&text("", "\n"))] {
        // The line feed at the end may be missing; a number of the last line may be truncated only if a number
        // remains.
        let is_text = whole.starts_with(b"4 3\nthe 0");
        let spare = if is_text { 6 } else { usize::from(whole.starts_with(b"4 3\n") && whole.ends_with(b"\n")) };
        for length in 0..whole.len() - spare {
            let message = folder.refusal(&whole[..length]);
            let helps = ["download it again", "neither word2vec", "not a word2vec or GloVe"];
            assert!(helps.iter().any(|help| message.contains(help)), "cut at {length}: {message}");
        }
    }
    let message = folder.refusal(b"the 1 2 3\nis 4 5");
    assert!(message.contains("line 2: cut off in the middle"), "{message}");
    let message = folder.refusal(b"the 1 2 3\nunasked 4 5 6e-");
    assert!(message.contains("line 2") && message.contains("6e-"), "{message}");
}

#[test]
fn no_flipped_bit_panics() {
    let folder = Folder::new();
    for whole in [binary(true), text("4 3\n", "\n"), text("", "\n"), gzip(&binary(false))] {
        for at in 0..whole.len() * 8 {
            let mut bytes = whole.clone();
            bytes[at / 8] ^= 1 << (at % 8);
            if let Ok(vectors) = folder.open(&bytes) {
                assert!(vectors.table.values.iter().all(|value| value.is_finite()));
                assert!(rows_of(&vectors, TEXTS[0]).len() <= 8);
            }
        }
    }
}

#[test]
fn headers_that_lie_are_refused_before_anything_is_allocated() {
    let folder = Folder::new();
    for header in [
        "0 3",
        "4 0",
        "1000000000000000000 3",
        "4 1000000000000000000",
        "99999999999999999999999 3",
        "3 3",
        "5 3",
        "4 2",
        "4 4",
        "4 32768",
        "18446744073709551615 18446744073709551615",
    ] {
        for tail in [&binary(true)[4..], &binary(false)[4..], &text("", "\n")] {
            let bytes = [header.as_bytes(), b"\n", tail].concat();
            let message = folder.refusal(&bytes);
            assert!(["line", "row", "byte"].iter().any(|place| message.contains(place)), "{header}: {message}");
            folder.refusal(&gzip(&bytes));
        }
    }
}

#[test]
fn numbers_must_be_finite() {
    let folder = Folder::new();
    for bad in ["nan", "inf", "-Infinity", "1e39", "x", "1,5", "0x1"] {
        let message = folder.refusal(format!("the 1 2\nis 0.5 {bad}\n").as_bytes());
        assert!(message.contains("line 2") && message.contains("\"is\"") && message.contains(bad), "{message}");
    }
    let mut file = binary(false);
    let last = file.len() - 4;
    file[last..].copy_from_slice(&f32::NAN.to_le_bytes());
    let message = folder.refusal(&file);
    assert!(message.contains("row 4 (\"?\", byte 53): number 3"), "{message}");
}

#[test]
fn rows_of_another_length_are_refused() {
    let folder = Folder::new();
    for (file, says) in [
        ("the 0.1 0.2\nis 0.1\n", "line 2: 1 numbers, 2 expected"),
        ("the 0.1 0.2\nis 0.1 0.2 0.3\n", "line 2: more than 2 numbers"),
        ("1 2\nthe 0.1 0.2 0.3\n", "line 2: more than 2 numbers"),
        ("the 0.1\nword\n", "line 2: 0 numbers"),
        ("just words\n", "line 1 isn't a word and its numbers"),
        ("word", "line 1 isn't"),
        ("\n\n", "line 1 isn't"),
    ] {
        let message = folder.refusal(file.as_bytes());
        assert!(message.contains(says), "{message}");
    }
}

#[test]
fn endless_words_and_lines_are_refused() {
    let folder = Folder::new();
    let long = "x".repeat(MAX_WORD + 1);
    assert!(folder.refusal(format!("the 1\n{long} 2\n").as_bytes()).contains("line 2: a word of 4097 bytes"));
    let row = [b"2 1\nis \0\0\0\0".as_slice(), long.as_bytes(), b" \0\0\0\0"].concat();
    assert!(folder.refusal(&row).contains("row 2 (byte 11): a word of more than 4096 bytes"));
    let bomb = gzip(&vec![b'1'; 1 << 23]);
    assert!(folder.refusal(&bomb).contains("line 1 is longer than"));
    let bomb = gzip(&[b"the 1\n".as_slice(), &vec![b' '; 1 << 23]].concat());
    assert!(folder.refusal(&bomb).contains("line 2 is longer than"));
}

#[test]
fn other_kinds_of_files_are_named() {
    let folder = Folder::new();
    for (head, says) in [
        (b"\x80\x04\x95pickle".as_slice(), "pickle"),
        (b"PK\x03\x04glove.6B.50d.txt", "zip archive"),
        (b"\xba\x16\x4f\x2f\x0c\0\0\0", "byte 8: cut off in the settings"),
        (b"\xba\x16\x4f\x2f\x0d\0\0\0", "a fastText model of version 13"),
        (b"FiFu\x01\0\0\0", "neither word2vec"),
        (b"\x28\xb5\x2f\xfd....", "Zstandard"),
        (b"\x89HDF\r\n\x1a\n", "HDF5"),
        (b"\x08\0\0\0\0\0\0\0{}", "safetensors"),
        (b"\x93NUMPY\x01\0v\0{'descr': '|O'}", "a NumPy array"),
        (b"version https://git-lfs.github.com/spec/v1\noid", "git lfs pull"),
        (b"<!DOCTYPE html>\n<html>", "a web page"),
        (b"\xff\xfea\0 \x001\0", "iconv -f UTF-16"),
        (b"", "empty"),
    ] {
        assert!(folder.refusal(head).contains(says), "{says}");
        assert!(folder.refusal(&gzip(head)).contains(says), "{says}");
    }
    let missing = open(&settings("nowhere.txt"), folder.0.path(), Texts { all: &[], train: &[] });
    assert!(matches!(missing, Err(Error::Missing { .. })));
    let itself = open(&settings("."), folder.0.path(), Texts { all: &[], train: &[] });
    assert!(itself.expect_err("a folder").to_string().contains("not a file"));
}

#[test]
fn the_hash_is_checked_and_is_that_of_the_file() {
    let folder = Folder::new();
    let bytes = gzip(&text("", "\n"));
    let plain = folder.open(&bytes).expect("readable");
    let with = |hash: String, bytes: &[u8]| {
        fs::write(folder.0.path().join("vectors"), bytes).expect("written");
        let settings = Settings { sha256: Some(hash), ..settings("vectors") };
        open(&settings, folder.0.path(), Texts { all: &TEXTS, train: &[] })
    };
    let hash = emberline_base::file::sha256(&bytes);
    assert_eq!(with(hash.to_uppercase(), &bytes).expect("the right hash").digest(), plain.digest());
    // A damaged file is first of all a file other than the intended one.
    for damaged in [&bytes[..bytes.len() - 9], &text("4 4\n", "\n")[..]] {
        let error = with(hash.clone(), damaged).expect_err("another file");
        assert!(
            matches!(&error, Error::Hash { found, .. } if *found == emberline_base::file::sha256(damaged)),
            "{error}"
        );
    }
}

/// A folder of files that the project may use but not distribute. File, rows, dim, a word, the first two numbers and
/// the last number of its vector, as gensim 4 reads them.
const GOLDEN: [(&str, u64, usize, &str, [f32; 3]); 7] = [
    ("word-vectors/euclidean_vectors.bin", 2747, 10, "fly", [0.700036, 0.83025765, 0.34151116]),
    ("word-vectors/crime-and-punishment.vec", 291, 5, "в", [0.093809, -0.013232, 0.11884]),
    ("word-vectors/glove.6B.50d.top2987.txt", 2987, 50, "concept", [0.3957, 0.21176, 0.33576]),
    ("word-vectors/test_glove.txt", 76, 50, "into", [0.66749, -0.41321, -1.1741]),
    ("word-vectors/allennlp_glove.6B.100d.sample.txt.gz", 100, 100, "the", [-0.038194, -0.24487, 0.27062]),
    ("word-vectors/allennlp_glove.6B.300d.sample.txt.gz", 100, 300, "the", [0.04656, 0.21318, 0.053913]),
    ("fasttext/lee_fasttext.vec", 1762, 10, "the", [-0.65992, 0.20966, 0.099763]),
];

#[test]
fn real_files_read_as_gensim_reads_them() {
    let Some(assets) = shared("assets") else { return };
    for (path, rows, dim, word, [first, second, last]) in GOLDEN {
        let vectors = open(&settings(path), &assets, Texts { all: &[word], train: &[] }).expect(path);
        assert_eq!((vectors.table_rows(), vectors.dim(), vectors.rows()), (rows, dim, 1), "{path}");
        let row = vectors.row(0);
        assert_eq!([row[0], row[1], row[dim - 1]], [first, second, last], "{path}");
    }
    // The file was written before fastText's files had a magic number.
    let error =
        open(&settings("fasttext/lee_fasttext.bin"), &assets, Texts { all: &[], train: &[] }).expect_err("a model");
    assert!(error.to_string().contains("take the vectors as text (.vec)"), "{error}");
}

/// The two files hold the same vectors, and the module lists its words in the order of its rows.
#[test]
fn the_vectors_of_the_module_quora_50() {
    let Some(assets) = shared("assets") else { return };
    let tokens = fs::read_to_string(assets.join("tfhub/quora-50/assets/tokens.txt")).expect("readable");
    let table = fs::read(assets.join("tfhub/quora-50/variables/variables.data-00000-of-00001")).expect("readable");
    // The words that have no smaller pieces, as they are written.
    let words: Vec<&str> = tokens.lines().filter(|word| word.chars().all(char::is_alphanumeric)).collect();
    let vectors =
        open(&settings("quora-vectors/quora.50.bin"), &assets, Texts { all: &words, train: &[] }).expect("readable");
    assert_eq!((vectors.table_rows(), vectors.dim()), (20_000, 50));
    let mut compared = 0;
    for (row, word) in tokens.lines().enumerate().filter(|(_, word)| word.chars().all(char::is_alphanumeric)) {
        let mut ids = Vec::new();
        vectors.token_ids(word.as_bytes(), &mut ids);
        let bytes: Vec<u8> = vectors.row(ids[0]).iter().flat_map(|value| value.to_le_bytes()).collect();
        // The table is the data file's only variable, at its start.
        assert_eq!((ids.len(), bytes.as_slice()), (1, &table[row * 200..(row + 1) * 200]), "{word}");
        compared += 1;
    }
    assert!(compared > 15_000, "{compared}");
}
