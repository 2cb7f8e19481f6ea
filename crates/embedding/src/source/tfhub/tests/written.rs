//! Modules that the tests write themselves: how their graphs, settings and archives are read.

use std::fs;

use emberline_base::Combiner;
use savedmodel::proto::Attr;

use super::synthetic::{node, with};
use super::*;
use crate::source::SourceSettings;

fn opened(recipe: &Recipe) -> TextModule {
    let folder = tempfile::tempdir().expect("a folder");
    write(folder.path(), recipe);
    open_at(folder.path()).expect("a module")
}

#[test]
fn a_module_is_read_from_its_graph() {
    let module = opened(&PLAIN);
    assert_eq!((module.dim(), module.rows(), module.table_rows(), module.combiner()), (3, 6, 6, Combiner::Sqrtn));
    let bucket = |token: &[u8]| 4 + (savedmodel::text::fingerprint64(token) % 2) as u32;
    assert_eq!(ids(&module, b"cat a \xc3\xbcber"), [2, 0, 3]);
    assert_eq!(ids(&module, b"A  b"), [bucket(b"A"), bucket(b""), 1]);
    assert_eq!(ids(&module, b""), [bucket(b"")]);
    assert_eq!(vector(&module, b"b"), [4., 5., 6.]);
    let root = 2_f32.sqrt();
    assert_eq!(vector(&module, b"a b"), [4. * (1. / root), 6. * (1. / root), 8. * (1. / root)]);
}

/// A word that only a hash bucket has a row for isn't known; an empty token, between two spaces, isn't a word.
#[test]
fn words_in_buckets_are_not_known() {
    let module = opened(&PLAIN);
    for (text, all, known) in [
        (&b"cat a \xc3\xbcber"[..], 3, 3),
        (b"A  b", 2, 1),
        (b"", 0, 0),
        ("\u{441}\u{43b}\u{43e}\u{432}\u{43e} dog".as_bytes(), 2, 0),
    ] {
        assert_eq!(module.token_ids(text, &mut Vec::new()), WordCounts { all, known, composed: 0 }, "{text:?}");
    }
}

#[test]
fn combiners_edits_types_slices_and_compression_are_read() {
    let edit = || {
        let node = node("edit", "StaticRegexReplace", &["texts"]);
        with(with(node, "pattern", Attr::S(br"\pP".to_vec())), "rewrite", Attr::S(vec![]))
    };
    let plain = opened(&PLAIN);
    let mean = opened(&Recipe { segment_op: "SparseSegmentMean", ..PLAIN });
    assert_eq!((mean.combiner(), vector(&mean, b"a b")), (Combiner::Mean, vec![2., 3., 4.]));
    let sum = opened(&Recipe { segment_op: "SparseSegmentSum", ..PLAIN });
    assert_eq!((sum.combiner(), vector(&sum, b"a b")), (Combiner::Sum, vec![4., 6., 8.]));
    let edited = opened(&Recipe { edit: Some(edit()), ..PLAIN });
    assert_eq!(ids(&edited, b"c.a-t !a"), [2, 0]);
    assert_ne!(plain.digest(), edited.digest());
    for recipe in [
        Recipe { double: true, ..PLAIN },
        Recipe { snappy: true, ..PLAIN },
        Recipe { slices: Some(2), ..PLAIN },
        Recipe { slices: Some(4), double: true, snappy: true, ..PLAIN },
    ] {
        let other = opened(&recipe);
        for row in 0..6 {
            assert_eq!(plain.row(row), other.row(row));
        }
    }
}

#[test]
fn an_unknown_op_is_named() {
    let folder = tempfile::tempdir().expect("a folder");
    write(folder.path(), &Recipe { edit: Some(node("edit", "ReadFile", &["texts"])), ..PLAIN });
    let error = open_at(folder.path()).expect_err("no such op").to_string();
    assert!(error.contains("saved_model.pb: the node \"edit\" (op ReadFile) is an unsupported op"), "{error}");
}

#[test]
fn a_digest_is_that_of_the_content_alone() {
    let (one, other) = (opened(&PLAIN), opened(&PLAIN));
    assert_eq!(one.digest(), other.digest());
    assert_ne!(one.digest(), opened(&Recipe { segment_op: "SparseSegmentSum", ..PLAIN }).digest());
}

#[test]
fn an_archive_is_read_like_its_folder_and_its_hash_is_checked() {
    let folder = tempfile::tempdir().expect("a folder");
    write(&folder.path().join("module"), &PLAIN);
    let gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    let mut tar = tar::Builder::new(gz);
    tar.append_dir_all(".", folder.path().join("module")).expect("packed");
    let bytes = tar.into_inner().and_then(flate2::write::GzEncoder::finish).expect("packed");
    fs::write(folder.path().join("module.tar.gz"), &bytes).expect("written");
    let mut settings = super::settings("module.tar.gz");
    settings.sha256 = Some(emberline_base::file::sha256(&bytes));
    let module = table(open(&settings, folder.path()).expect("a module"));
    assert_eq!(module.digest(), open_at(&folder.path().join("module")).expect("a module").digest());
    settings.sha256 = Some("0".repeat(64));
    assert!(matches!(open(&settings, folder.path()), Err(Error::Hash { .. })));
}

#[test]
fn a_module_that_is_not_there_says_where_to_get_it() {
    let url = Some("https://example.org/module".to_owned());
    let settings = Settings { url, ..super::settings("none") };
    let error = open(&settings, Path::new("/nowhere")).map(table).expect_err("nothing there");
    assert!(matches!(&error, Error::Missing { hint, .. } if hint.contains("`emberline fetch`")), "{error}");
}

#[test]
fn a_length_needs_a_way_to_reduce_to_it() {
    let mut settings = Settings { dim: Some(2), ..super::settings("module") };
    assert_eq!(settings.faults().iter().map(|fault| fault.key.as_str()).collect::<Vec<_>>(), ["dim"]);
    settings.reduce = Some(crate::reduce::Reduce::Pca);
    assert!(settings.faults().is_empty());
}

#[test]
fn absurd_settings_are_faults() {
    let sha256 = Some("abc".to_owned());
    let faults = Settings { sha256, ..super::settings("") }.faults();
    assert_eq!(faults.iter().map(|fault| fault.key.as_str()).collect::<Vec<_>>(), ["path", "sha256"]);
    let sha256 = Some("0aF1".repeat(16));
    assert!(Settings { sha256, ..super::settings("module") }.faults().is_empty());
}
