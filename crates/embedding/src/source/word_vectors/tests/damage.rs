//! Damaged and hostile models: cut at every byte, flipped bits, absurd counts.

use super::fasttext::fixtures;
use super::*;

/// Words that the models know and don't know.
const TEXT: &str = "the river Fluß unseenword 日本 rivers </s>";

/// All shipped models.
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

/// A damaged file may still be a file; its numbers are finite and no more than it holds.
fn read_without_panic(folder: &Folder, bytes: &[u8]) {
    if let Ok(vectors) = folder.open_for(bytes, &[TEXT]) {
        assert!(vectors.table.values.iter().all(|value| value.is_finite()));
        assert!(vectors.table.values.capacity() <= 16 * bytes.len());
        assert!(rows_of(&vectors, TEXT).len() <= 16);
    }
}

#[test]
fn no_flipped_bit_of_a_model_panics() {
    let folder = Folder::new();
    for (_, whole) in models() {
        for at in 0..whole.len() {
            // All bits of the header; one of every fifth byte behind it.
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
