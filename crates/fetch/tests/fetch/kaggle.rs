//! Tests against a Kaggle API with one model.

use std::fs;
use std::io::Write;

use emberline_fetch::{Login, Options};
use flate2::{Compression, write::GzEncoder};

use crate::server::{Server, answer, fetch_with, names, options, whole};

fn tarball() -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, bytes) in [("saved_model.pb", &b"graph"[..]), ("variables/variables.index", b"index")] {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        builder.append_data(&mut header, name, bytes).expect("appended");
    }
    let mut gz = GzEncoder::new(Vec::new(), Compression::fast());
    gz.write_all(&builder.into_inner().expect("packed")).expect("packed");
    gz.finish().expect("packed")
}

#[test]
fn a_model_is_unpacked_and_the_login_stays_with_kaggle() {
    let storage = Server::start(|_| whole(&tarball()));
    let there = storage.url("archive.tar.gz?signature=1");
    let server = Server::start(move |_| answer(302, &[("location", &there), ("content-length", "0")], b""));
    let folder = tempfile::tempdir().expect("a folder");
    let key = Login::Key { user: "me".to_owned(), key: "secret".to_owned() };
    for (number, (login, header)) in
        [(None, None), (Some(key), Some("Basic bWU6c2VjcmV0")), (Some(Login::Token("t".into())), Some("Bearer t"))]
            .into_iter()
            .enumerate()
    {
        let options = Options { kaggle: server.url("api/v1"), kaggle_login: login, ..options() };
        let path = folder.path().join(format!("nnlm-{number}"));
        fetch_with(options, "kaggle://google/nnlm/tensorFlow2/en-dim50/1", &path, None).expect("fetched");
        assert_eq!(names(&path), ["saved_model.pb", "variables"]);
        assert_eq!(fs::read(path.join("variables/variables.index")).expect("there"), b"index");
        let asked = &server.asked()[number];
        assert_eq!(asked.path, "/api/v1/models/google/nnlm/tensorFlow2/en-dim50/1/download");
        assert_eq!(asked.header("authorization"), header);
        assert_eq!(storage.asked()[number].header("authorization"), None);
    }
}

#[test]
fn a_licence_that_must_be_accepted_is_named() {
    let server = Server::start(|_| answer(403, &[("content-length", "0")], b""));
    let folder = tempfile::tempdir().expect("a folder");
    let options = Options { kaggle: server.url("api/v1"), ..options() };
    let error = fetch_with(options, "kaggle://google/nnlm/tensorFlow2/en-dim50/1", &folder.path().join("m"), None)
        .expect_err("refused");
    assert!(error.to_string().contains("licence"), "{error}");
}
