//! Damaged and hostile models: truncated at every byte, flipped bits, absurd counts.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;
use tempfile::TempDir;
use wordvectors::{All, Content, Error, MAX_WORD, VectorFile, Vectors, Words};

/// Words that the models know and don't know.
const WORDS: Words<'_> = Words(&["the", "river", "Fluß", "unseenword", "日本", "rivers", "</s>"]);

fn fixtures(folder: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(folder)
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).expect("in memory");
    encoder.finish().expect("in memory")
}

struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a folder"))
    }

    fn path_of(&self, bytes: &[u8]) -> PathBuf {
        let path = self.0.path().join("vectors");
        fs::write(&path, bytes).expect("written");
        path
    }

    fn read(&self, bytes: &[u8]) -> Result<Vectors, Error> {
        wordvectors::read(self.path_of(bytes), &WORDS)
    }

    /// Returns the error message about a file.
    fn refusal(&self, bytes: &[u8]) -> String {
        let message = self.read(bytes).expect_err("read without complaint").to_string();
        assert!(message.starts_with(&self.0.path().display().to_string()), "{message}");
        message
    }
}

/// Returns all models of the fixtures.
fn models() -> Vec<(String, Vec<u8>)> {
    let mut models = Vec::new();
    for folder in ["fasttext", "finalfusion"] {
        for entry in fs::read_dir(fixtures(folder)).expect("shipped") {
            let path = entry.expect("readable").path();
            if ["bin", "ftz", "fifu"].iter().any(|end| path.extension().is_some_and(|found| found == *end)) {
                models.push((path.display().to_string(), fs::read(&path).expect("readable")));
            }
        }
    }
    assert_eq!(models.len(), 15);
    models
}

#[test]
fn a_model_cut_off_anywhere_is_refused() {
    let folder = Folder::new();
    for (name, whole) in models() {
        for length in 8..whole.len() {
            let message = folder.refusal(&whole[..length]);
            let helps = ["download it again", "the file is damaged"];
            assert!(helps.iter().any(|help| message.contains(help)), "{name} cut at {length}: {message}");
        }
        let message = folder.refusal(&[&whole[..], b"x"].concat());
        assert!(message.contains("more follows"), "{name}: {message}");
        let packed = gzip(&whole);
        folder.refusal(&packed[..packed.len() - 9]);
    }
}

/// A damaged file may still be valid; its numbers are then finite, and no more than it holds.
fn read_without_panic(folder: &Folder, bytes: &[u8]) {
    if let Ok(vectors) = folder.read(bytes) {
        assert!(vectors.values.iter().all(|value| value.is_finite()));
        assert!(vectors.values.capacity() <= 16 * bytes.len());
        assert!(vectors.ids.len() <= WORDS.0.len());
    }
    // Read as a whole, for words that aren't known yet.
    let whole = VectorFile::open(folder.path_of(bytes)).and_then(|mut file| file.read(&All));
    if let Ok(Content::Model(loaded)) = whole
        && let Ok(vectors) = loaded.model.vectors(&WORDS)
    {
        assert!(vectors.values.iter().all(|value| value.is_finite()));
        assert!(vectors.ids.len() <= WORDS.0.len());
    }
}

#[test]
fn no_flipped_bit_of_a_model_panics() {
    let folder = Folder::new();
    for (_, whole) in models() {
        for at in 0..whole.len() {
            // All bits of the header are flipped, and one bit of every fifth byte after it.
            let bits = match at {
                0..100 => 0..8,
                _ if at % 5 == 0 => at / 5 % 8..at / 5 % 8 + 1,
                _ => 0..0,
            };
            for bit in bits {
                let mut bytes = whole.clone();
                bytes[at] ^= 1 << bit;
                read_without_panic(&folder, &bytes);
            }
        }
    }
}

#[test]
fn absurd_counts_allocate_nothing() {
    let folder = Folder::new();
    for (_, whole) in models() {
        for at in (4..100).chain((100..whole.len().min(1024)).step_by(7)) {
            for count in
                [u64::MAX, i64::MAX as u64, i64::MIN as u64, i32::MAX as u64, 0x7fff_ffff_7fff_ffff, 1 << 33, 0]
            {
                for width in [4, 8] {
                    let mut bytes = whole.clone();
                    let end = (at + width).min(bytes.len());
                    bytes[at..end].copy_from_slice(&count.to_le_bytes()[..end - at]);
                    read_without_panic(&folder, &bytes);
                }
            }
        }
    }
}

/// Returns a fastText model of the fixtures with 32-bit numbers replaced at byte offsets.
fn patched(name: &str, patches: &[(usize, i32)]) -> Vec<u8> {
    let mut bytes = fs::read(fixtures("fasttext").join(name)).expect("shipped");
    for &(at, number) in patches {
        bytes[at..at + 4].copy_from_slice(&number.to_le_bytes());
    }
    bytes
}

fn number_at(bytes: &[u8], at: usize) -> i32 {
    i32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"))
}

/// The position of a dictionary's counts, followed by its entries.
const COUNTS: usize = 64;
const ENTRIES: usize = COUNTS + 12 + 16;

#[test]
fn every_count_of_a_fasttext_model_is_checked() {
    let (dim, bucket, maxn, words) = (8, 40, 48, COUNTS + 4);
    let whole = patched("skipgram.bin", &[]);
    let folder = Folder::new();
    for (patches, message) in [
        (vec![(dim, 0)], "vectors of 0 numbers"),
        (vec![(dim, -1)], "vectors of -1 numbers"),
        (vec![(dim, i32::MAX)], "numbers; 1 to"),
        (vec![(dim, number_at(&whole, dim) + 1)], "is said to be"),
        (vec![(bucket, 0)], "n-grams without buckets"),
        (vec![(bucket, -1)], "-1 buckets"),
        (vec![(bucket, number_at(&whole, bucket) + 1)], "words and n-grams; the file is damaged"),
        (vec![(maxn, 65)], "n-grams of up to 65 characters"),
        (vec![(COUNTS, -1)], "dictionary entries for"),
        (vec![(words, number_at(&whole, words) + 1)], "dictionary entries for"),
        (vec![(COUNTS, i32::MAX), (words, i32::MAX)], "the dictionary"),
    ] {
        let said = folder.refusal(&patched("skipgram.bin", &patches));
        assert!(said.contains(message), "expected {message:?}: {said}");
    }
}

#[test]
fn a_word_of_a_fasttext_model_without_an_end_is_refused() {
    let bytes = [&patched("skipgram.bin", &[])[..ENTRIES], &[b'x'; 2 * MAX_WORD]].concat();
    let said = Folder::new().refusal(&bytes);
    assert!(said.contains("word 0 has more than 4096 bytes"), "{said}");
}

#[test]
fn rows_of_kept_ngrams_are_checked() {
    let whole = patched("pruned.ftz", &[]);
    let kept = number_at(&whole, COUNTS + 20);
    let mut at = ENTRIES;
    for _ in 0..number_at(&whole, COUNTS) {
        at += whole[at..].iter().position(|&byte| byte == 0).expect("the word's end") + 1 + 9;
    }
    // A bucket, then its row.
    for row in [kept, -1] {
        let said = Folder::new().refusal(&patched("pruned.ftz", &[(at + 4, row)]));
        assert!(said.contains("an n-gram's row") && said.contains(&format!("of {kept};")), "{said}");
    }
}
