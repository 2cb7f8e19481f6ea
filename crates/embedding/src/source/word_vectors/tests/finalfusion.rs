//! Files of finalfusion, compared with the output of its Python package (`tests/fixtures/finalfusion/make.py`).

use super::fasttext::{assert_close, exact, fixtures, floats, golden, keys};
use super::*;

fn length(vector: &[f32]) -> f32 {
    vector.iter().map(|value| value * value).sum::<f32>().sqrt()
}

#[test]
fn words_known_and_unknown_have_finalfusions_vectors() {
    for (name, file) in golden("finalfusion") {
        let words = keys(&file["words"]);
        let vectors =
            open(&exact(&name), &fixtures("finalfusion"), Texts { all: &words, train: &[] }).expect("readable");
        for word in words {
            let rows = rows_of(&vectors, word);
            let what = format!("{name} {word:?}");
            if file["words"][word].is_null() {
                assert!(rows.is_empty(), "{what}");
                continue;
            }
            let mut expected = floats(&file["words"][word]);
            let mut found = rows.into_iter().next().unwrap_or_else(|| panic!("{what}"));
            if let Some(length) = file["lengths"][word].as_f64() {
                expected.iter_mut().for_each(|value| *value *= length as f32);
            } else if !file["lengths"].is_null() {
                // An unknown word in a file with stored norms is the mean of its n-grams, whose direction is the
                // same.
                assert!((length(&found) - 1.0).abs() > 1e-3, "{what}");
                crate::combine::normalize(&mut found);
            }
            assert_close(&found, &expected, 1e-6, &what);
        }
    }
}

#[test]
fn a_file_of_the_same_n_grams_as_fasttext_has_the_mean_of_their_rows() {
    let file = open(&exact("buckets.fifu"), &fixtures("finalfusion"), Texts { all: &["run runs"], train: &[] });
    let vectors = file.expect("readable");
    assert_eq!((vectors.rows(), vectors.table.known, vectors.table_rows()), (2, 1, 7 + 32));
}

#[test]
fn a_vocabulary_that_cant_be_read_is_named() {
    let folder = Folder::new();
    let header = |chunks: &[u32]| {
        let mut bytes = b"FiFu\0\0\0\0".to_vec();
        bytes.extend((chunks.len() as u32).to_le_bytes());
        bytes.extend(chunks.iter().flat_map(|chunk| chunk.to_le_bytes()));
        bytes
    };
    for (bytes, says) in [
        (header(&[9, 2]), "floret"),
        (header(&[2]), "no vocabulary"),
        (header(&[]), "no vocabulary"),
        (header(&[1, 2, 6, 6, 6]), "5 chunks"),
        (b"FiFu\0\0\0\x01\0\0\0\0".to_vec(), "version 16777216"),
    ] {
        assert!(folder.refusal(&bytes).contains(says), "{says}");
    }
}
