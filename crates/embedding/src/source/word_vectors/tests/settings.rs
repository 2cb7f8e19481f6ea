//! The effect of the settings on words and rows, and which settings are faults.

use super::*;
use crate::reduce::Reduce;
use crate::source::SourceSettings;

const FILE: &str = "a 3 4\nb 0 2\nzero 0 0\n";

fn open_with(settings: Settings, train: &[&str]) -> WordVectors {
    let folder = Folder::new();
    fs::write(folder.0.path().join("vectors"), FILE).expect("written");
    open(&settings, folder.0.path(), Texts { all: &["a b zero"], train }).expect("readable")
}

#[test]
fn rows_are_scaled_before_they_are_combined_and_zero_has_no_direction() {
    let vectors = open_with(Settings { pre_normalize: true, ..settings("vectors") }, &[]);
    assert_eq!(rows_of(&vectors, "zero a b a"), [[0.6, 0.8], [0., 1.], [0.6, 0.8]]);
    assert!(!vectors.normalize());
    assert!(open_with(Settings { normalize: true, ..settings("vectors") }, &[]).normalize());
}

/// Expected values from scikit-learn's formula, and Arora's.
#[test]
fn weights_are_fitted_on_the_training_texts() {
    let train = ["a a b", "a c", "c"];
    let idf = Settings { weights: Some(Weights::Idf), pre_normalize: true, ..settings("vectors") };
    let rows = rows_of(&open_with(idf.clone(), &train), "a b");
    let weight = |df: f64| ((4.0 / (1.0 + df)).ln() + 1.0) as f32;
    assert_eq!(rows, [[0.6 * weight(2.0), 0.8 * weight(2.0)], [0., weight(1.0)]]);
    let sif = Settings { weights: Some(Weights::Sif), ..settings("vectors") };
    let rows = rows_of(&open_with(sif.clone(), &train), "a b zero");
    let weight = |p: f64| (1e-3 / (1e-3 + p)) as f32;
    assert_eq!(rows, [[3. * weight(0.75), 4. * weight(0.75)], [0., 2. * weight(0.25)], [0., 0.]]);
    // Without training texts every word has the same weight.
    assert_eq!(rows_of(&open_with(sif, &[]), "a"), [[3., 4.]]);
    assert_eq!(rows_of(&open_with(idf, &[]), "b"), [[0., 1.]]);
}

#[test]
fn every_setting_that_changes_a_vector_is_in_the_digest() {
    let base = settings("vectors");
    let variants = [
        base.clone(),
        Settings { combiner: Combiner::Max, ..base.clone() },
        Settings { tokens: Tokens::Whitespace, ..base.clone() },
        Settings { lowercase: Some(true), ..base.clone() },
        Settings { digits_as_hash: true, ..base.clone() },
        Settings { pre_normalize: true, ..base.clone() },
        Settings { normalize: true, ..base.clone() },
        Settings { weights: Some(Weights::Idf), ..base.clone() },
        Settings { weights: Some(Weights::Sif), ..base.clone() },
    ];
    let digests: Vec<_> = variants.map(|settings| open_with(settings, &["a"]).digest()).to_vec();
    for (at, digest) in digests.iter().enumerate() {
        assert!(!digests[..at].contains(digest), "{at}");
    }
    let with = |settings: &Settings, train: &[&str]| open_with(settings.clone(), train).digest();
    assert_eq!(with(&base, &["a"]), with(&base, &["b"]));
    let idf = Settings { weights: Some(Weights::Idf), ..base.clone() };
    assert_ne!(with(&idf, &["a"]), with(&idf, &["b"]));
    let resting = Settings { trainable: true, dim: Some(1), reduce: Some(Reduce::Random), ..base.clone() };
    assert_eq!(with(&base, &[]), with(&resting, &[]));
}

#[test]
fn settings_have_faults() {
    let keys = |settings: Settings| settings.faults().into_iter().map(|fault| fault.key).collect::<Vec<_>>();
    assert_eq!(keys(Settings { sha256: Some("abc".to_owned()), ..settings("") }), ["path", "sha256"]);
    assert_eq!(keys(Settings { dim: Some(2), ..settings("x") }), ["dim"]);
    assert_eq!(keys(Settings { dim: Some(0), ..settings("x") }), ["dim"]);
    assert_eq!(keys(Settings { trainable: true, combiner: Combiner::Max, ..settings("x") }), ["trainable"]);
    assert_eq!(keys(Settings { tokens: Tokens::Fasttext, digits_as_hash: true, ..settings("x") }), ["digits_as_hash"]);
    let fine = Settings { dim: Some(2), reduce: Some(Reduce::Truncate), combiner: Combiner::Max, ..settings("x") };
    assert!(keys(fine).is_empty());
}
